"""Memory of training with frozen weights in parts, counted.

DualPath on a network of a billion parameters, ViT-g/14, one clip and process:
what each process of so many holds at the peak of a step, without values and
without a GPU. ``ShardFrozenHook`` is what divides the weights in a training.
"""
import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Dict

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map

from mmdualpath.analysis.memory import bytes_of, peak_bytes, without_values
from mmdualpath.analysis.provenance import provenance
from mmdualpath.analysis.structure import build_structure
from mmdualpath.fileio import whole_file
from mmdualpath.models.backbones import views_of
from mmdualpath.models.shards import shard_frozen
from .contestants import Contestant, Entry
from .tables import described, rows_table

CONFIG = 'dualpath_vitb_ssv2'
GIANT = dict(
    embed_dims=1408, num_layers=40, num_heads=16, feedforward_channels=6144)
PROJECTION = 1024
DTYPES = dict(fp32='float32', bf16='bfloat16')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line of ``shards`` takes."""
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument(
        '--processes', type=int, nargs='+', default=[2, 4, 8], metavar='N')
    parser.add_argument('--batch', type=int, default=1)


def giant(frozen: str, with_cp: bool = True) -> Contestant:
    """DualPath on ViT-g/14.

    Args:
        frozen: Type that its frozen weights are stored in.
        with_cp: Whether blocks are recomputed.
    """
    backbone = 'model.backbone.backbone'
    return Contestant(
        CONFIG,
        options={
            f'{backbone}.arch': dict(GIANT, _delete_=True),
            f'{backbone}.patch_size': 14,
            f'{backbone}.out_dims': PROJECTION,
            'model.cls_head.in_channels': 2 * PROJECTION,
            'model.backbone.with_cp': with_cp,
            'model.backbone.frozen_dtype': frozen
        })


def counted(contestant: Contestant, batch: int,
            processes: int) -> Dict[str, float]:
    """GiB of a process: frozen weights, all weights, and the peak of a step.

    Args:
        contestant: A model with recomputed blocks if it is divided.
        batch: Clips of a process.
        processes: Among how many its frozen weights are divided; 1 is what
            DistributedDataParallel does.
    """
    entry = Entry(contestant, 'cpu', torch.bfloat16, 'eager')
    inputs = entry.data(batch)
    model = build_structure(entry.cfg.model)
    with FakeTensorMode():
        model = without_values(model)
        inputs = tree_map(lambda t: torch.empty(t.shape), inputs)
        if processes > 1:
            shard_frozen(model, list(views_of(model.backbone).values()), 0,
                         processes, lambda p: p.new_empty(processes * len(p)))
        step = entry._training(model, inputs)
        frozen = {id(p): p for p in model.parameters() if not p.requires_grad}
        return {
            'frozen weights, GiB':
            sum(map(_bytes, frozen.values())) / 2**30,
            'all weights, GiB':
            bytes_of(model) / 2**30,
            'peak of training, GiB':
            (bytes_of(model) + peak_bytes(lambda: [step(), step()])) / 2**30
        }


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def main(args: argparse.Namespace) -> str:
    """Count, and give the table."""
    cases = [(f'DDP, {name} frozen', giant(dtype, False), 1)
             for name, dtype in DTYPES.items()]
    cases += [
        (f'{"DDP" if n == 1 else f"parts in {n}"}, {name} frozen, recomputing',
         giant(dtype), n) for name, dtype in DTYPES.items()
        for n in (1, *args.processes)
    ]
    rows = {
        name: counted(contestant, args.batch, processes)
        for name, contestant, processes in track(
            cases, 'counting', console=Console(stderr=True))
    }
    content = dict(
        provenance(f'python tools/benchmark.py {shlex.join(sys.argv[1:])}', [
            *Contestant(CONFIG).depends, 'mmdualpath/models/shards.py',
            'tools/benchmarks/shards.py'
        ]),
        settings=dict(batch=args.batch, dtype='bf16'),
        rows=rows)
    with whole_file(args.out) as part:
        part.write_text(json.dumps(content, indent=1))
    return described(content, rows_table(content))
