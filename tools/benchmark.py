"""Measure models side by side, or the input pipeline alone.

    python tools/benchmark.py models --out work_dirs/benchmark/cpu.json
    python tools/benchmark.py models --device cuda --dtype bf16 \\
        --mode compile --out work_dirs/benchmark/gpu.json
    python tools/benchmark.py pipeline configs/dualpath_vitb_ssv2.py *.mp4 \\
        --decoders pyav decord --also vp9 mjpeg
    python tools/benchmark.py tables docs/benchmarks.md

``models`` runs in one process, and in every round each contestant has one
turn, so that a machine that drifts is fair to all; a matrix product takes part
as the yardstick. Measured are clips/s, latency at batch 1, the time of a
training step and peak memory. All is kept in the JSON file after every turn:
run the same command again to go on where it stopped. A table is written
beside it. Weights are random; no file of weights is read.

``pipeline`` times each step of a config's training and test pipelines, in CPU
time of a worker process, whatever else the machine does. Decoders take turns
on the same frames, whose pixels are compared.

``tables`` writes the tables of JSON files into a page of markdown, each after
the comment that names its file, and ``picture`` draws one as bars.
"""
import argparse
import functools
import json
import logging
import os
import platform
import re
import shlex
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import av
import mmaction
import torch
from matplotlib.figure import Figure
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

import mmdualpath  # noqa: F401
from mmdualpath.analysis.complexity import count_macs, count_params, view_of
from mmdualpath.analysis.memory import bytes_of, peak_bytes, without_values
from mmdualpath.analysis.pipelines import time_pipelines, with_decoder
from mmdualpath.analysis.structure import build_structure, without_weights
from mmdualpath.datasets.decoding import DECODERS, choose_decoder
from mmdualpath.datasets.transcoding import frames_of, rate_of, transcode

OURS = Path(__file__).parents[1] / 'configs'
STOCK = Path(mmaction.__file__).parent / '.mim/configs/recognition'
DTYPES = dict(fp32=torch.float32, fp16=torch.float16, bf16=torch.bfloat16)
MODES = ('eager', 'compile', 'graphs')
MEASURES = ('latency', 'throughput', 'train', 'memory')
# What other processes take of a core is not in CPU time.
CLOCKS = dict(wall=time.perf_counter, cpu=time.process_time)
MATMUL = 'matrix product'
# Square matrices large enough that the product, not its start, is timed.
MATMUL_SIZE = dict(cpu=1024, cuda=8192)


@dataclass(frozen=True)
class Contestant:
    """A model that takes part.

    Attributes:
        config: Name of a config of this project, or the path of one of
            MMAction2's under ``configs/recognition``.
        bare: Whether only the frozen backbone runs, on the images that all
            paths of the model read.
        apart: Whether the bare backbone reads the images of each path in a
            pass of its own.
        options: Changes to the config.
    """
    config: str
    bare: bool = False
    apart: bool = False
    options: Dict[str, Any] = field(default_factory=dict)

    def load(self) -> Config:
        """The config, which reads no weights."""
        path = next(OURS.rglob(f'{Path(self.config).name}.py'), OURS)
        if '/' in self.config:
            path = STOCK / f'{self.config}.py'
        if not path.is_file():
            raise ValueError(f'There is no config {self.config}.')
        cfg = Config.fromfile(path)
        init_default_scope(cfg.get('default_scope', 'mmaction'))
        cfg.merge_from_dict(dict(self.options))
        cfg.model = without_weights(cfg.model)
        return cfg


CONTESTANTS: Dict[str, Contestant] = {
    'DualPath B/16, 16 frames':
    Contestant('dualpath_vitb_ssv2'),
    'bare ViT-B/16, the same 9 images':
    Contestant('dualpath_vitb_ssv2', bare=True),
    'bare ViT-B/16, 8 + 1 images':
    Contestant('dualpath_vitb_ssv2', bare=True, apart=True),
    'DualPath B/16, 32 frames':
    Contestant('dualpath-tg2_vitb_ssv2'),
    'DualPath B/16, 48 frames':
    Contestant('dualpath-tg3_vitb_ssv2'),
    'DualPath L/14, 16 frames':
    Contestant('dualpath_vitl_ssv2'),
    'DualPath B/16, checkpointing':
    Contestant('dualpath_vitb_ssv2', options={'model.backbone.with_cp': True}),
    'DualPath B/16, checkpointing, bf16 frozen':
    Contestant(
        'dualpath_vitb_ssv2',
        options={
            'model.backbone.with_cp': True,
            'model.backbone.frozen_dtype': 'bfloat16'
        }),
    'ST-Adapter B/16, 8 frames':
    Contestant('st-adapter-t8_vitb_ssv2'),
    'ST-Adapter B/16, 32 frames':
    Contestant('st-adapter_vitb_ssv2'),
    'AdaptFormer B/16, 8 frames':
    Contestant('adaptformer_vitb_ssv2'),
    'full fine-tuning B/16, 8 frames':
    Contestant('full_vitb_ssv2'),
    'full fine-tuning B/16, 8 frames, checkpointing':
    Contestant('full_vitb_ssv2', options={'model.backbone.with_cp': True}),
    'full fine-tuning B/16, 16 frames':
    Contestant(
        'full_vitb_ssv2',
        options={
            'model.cls_head.num_frames': 16,
            'test_dataloader.dataset.pipeline.1.clip_len': 16
        }),
    'UniFormer-B, 32 frames':
    Contestant('uniformer/uniformer-base_imagenet1k-pre_32x4x1_'
               'kinetics400-rgb'),
    'UniFormerV2-B, 8 frames':
    Contestant('uniformerv2/uniformerv2-base-p16-res224_clip_8xb32-u8_'
               'kinetics400-rgb'),
    'Video Swin-B, 32 frames':
    Contestant('swin/swin-base-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_'
               'kinetics400-rgb'),
    'TimeSformer, 8 frames':
    Contestant('timesformer/timesformer_divST_8xb8-8x32x1-15e_'
               'kinetics400-rgb'),
    'VideoMAE-B, 16 frames':
    Contestant('videomae/vit-base-p16_videomae-k400-pre_16x4x1_kinetics-400'),
}


class BareBackbone(nn.Module):
    """The frozen backbone of a dual-path model and nothing else.

    Args:
        model: The dual-path model; its views are left as they are.
        cfg: Config of the frozen backbone.
    """

    def __init__(self, model: nn.Module, cfg: Config) -> None:
        super().__init__()
        cfg = {k: v for k, v in cfg.items() if k != 'init_cfg'}
        self.backbone = MODELS.build(cfg).requires_grad_(False)

    def forward(self, inputs: Sequence[Tensor], stage: str = 'head') -> Tensor:
        """Images ``(N, 3, H, W)`` of each pass ``-> (sum of N, C)``."""
        return torch.cat([self.backbone(images)[-1] for images in inputs])


class Entry:
    """A contestant on a device, with what its turns need.

    Args:
        contestant: Who.
        device: ``cpu`` or ``cuda``.
        dtype: Type of weights and inputs of inference, and of autocast in
            training.
        mode: One of ``MODES``.
    """

    def __init__(self, contestant: Contestant, device: str, dtype: torch.dtype,
                 mode: str) -> None:
        self.contestant, self.device, self.dtype = contestant, device, dtype
        self.mode = mode
        self.cfg = contestant.load()
        self.shape = view_of(self.cfg).shape[1:]
        self._compiled: Optional[Callable] = None
        self.warm = set()

    @functools.cached_property
    def model(self) -> nn.Module:
        """In float32, which training needs."""
        model = MODELS.build(self.cfg.model)
        if self.contestant.bare:
            model = BareBackbone(model, self.cfg.model.backbone.backbone)
        return model.to(self.device)

    @functools.cached_property
    def inference_model(self) -> nn.Module:
        """In the type that is asked for; an own copy if another one."""
        if self.dtype == torch.float32:
            model = self.model
        else:
            model = Entry(self.contestant, 'cpu', torch.float32, 'eager').model
            model = model.to(self.device, self.dtype)
        return model

    def counts(self) -> Dict[str, float]:
        """What is counted, not measured: of one clip."""
        model = build_structure(self.cfg.model)
        params = count_params(model)
        macs = count_macs(model, view_of(self.cfg))
        if self.contestant.bare:
            total = sum(split.get('frozen', 0) for split in macs.values())
            params = count_params(self.model)
            return dict(macs=total, params=params['total'], trainable=0)
        counts = dict(
            macs=sum(sum(split.values()) for split in macs.values()),
            params=params['total'],
            trainable=params['trainable'])
        # The counter takes the gradients of grouped convolutions for dense.
        if not any(getattr(m, 'groups', 1) > 1 for m in model.modules()):
            with FlopCounterMode(display=False) as counter:
                model.train()(view_of(self.cfg), stage='head').sum().backward()
            counts['train_flops'] = counter.get_total_flops()
        return counts

    def data(self, batch: int) -> Any:
        """The inputs of a batch, as the data preprocessor makes them."""
        preprocessor = MODELS.build(self.cfg.model.data_preprocessor)
        clips = torch.randint(255, self.shape, dtype=torch.uint8)
        samples = [ActionDataSample().set_gt_label(0) for _ in range(batch)]
        inputs = preprocessor.to(self.device)(dict(
            inputs=[clips] * batch, data_samples=samples))['inputs']
        if self.contestant.bare:
            inputs = [v.flatten(0, 2) for v in inputs.values()]
            if not self.contestant.apart:
                inputs = [torch.cat(inputs)]
        return inputs

    def inference(self, batch: int) -> Callable[[], Any]:
        """A function that runs the network on a batch already there."""
        model = self.inference_model
        model.eval()
        inputs = tree_map(lambda t: t.to(self.dtype), self.data(batch))
        if self.mode == 'compile':
            self._compiled = self._compiled or torch.compile(model)
            model = self._compiled

        @torch.inference_mode()
        def run() -> Tensor:
            return model(inputs, stage='head')

        return _as_graph(run) if self.mode == 'graphs' else run

    def training(self, batch: int) -> Callable[[], Any]:
        """A function that makes one training step of AdamW."""
        return self._training(self.model, self.data(batch))

    def _training(self, model: nn.Module, inputs: Any) -> Callable[[], Any]:
        stored = self.cfg.model.backbone.get('frozen_dtype')
        if stored and self.dtype == torch.float32:
            raise ValueError(f'stored in {stored}, it trains under autocast')
        model.train()
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
        # Losses are computed outside of what is compiled, as the trainer does.
        network = torch.compile(model) if self.mode != 'eager' else model
        autocast = nullcontext() if self.dtype == torch.float32 else \
            torch.autocast(self.device, self.dtype)
        scaler = torch.amp.GradScaler(
            self.device, enabled=self.dtype == torch.float16)

        def run() -> None:
            with autocast:
                scores = network(inputs, stage='head')
            labels = scores.new_zeros(len(scores), dtype=torch.long)
            loss = nn.functional.cross_entropy(scores.float(), labels)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()

        return run

    def memory(self, batch: int) -> float:
        """Peak bytes of training: weights, optimizer and one step.

        On a CPU nothing is computed for it, tensors without values do.
        """

        def two_steps(model: nn.Module, inputs: Any) -> None:
            step = self._training(model, inputs)
            step()  # makes the optimizer's state
            step()

        inputs = self.data(batch)
        if self.device == 'cpu':
            model = build_structure(self.cfg.model)
            with FakeTensorMode():
                model = without_values(model)
                inputs = tree_map(lambda t: torch.empty(t.shape), inputs)
                return bytes_of(model) + peak_bytes(
                    lambda: two_steps(model, inputs))
        torch.cuda.empty_cache()
        others = torch.cuda.memory_allocated() - bytes_of(self.model)
        torch.cuda.reset_peak_memory_stats()
        two_steps(self.model, inputs)
        return torch.cuda.max_memory_allocated() - others


def _as_graph(run: Callable[[], Any]) -> Callable[[], Any]:
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        run()
        run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run.result = run()  # the graph's memory stays valid
    return graph.replay


def seconds(run: Callable[[], Any], device: str, clock: str) -> float:
    """Time of a call, the device's work included, by one of ``CLOCKS``."""
    if device == 'cuda':
        torch.cuda.synchronize()
    start = CLOCKS[clock]()
    run()
    if device == 'cuda':
        torch.cuda.synchronize()
    return CLOCKS[clock]() - start


def matmul(device: str, dtype: torch.dtype) -> Callable[[], Any]:
    """A product of square matrices."""
    size = MATMUL_SIZE[device]
    a, b = torch.randn(2, size, size, device=device).to(dtype)
    return lambda: a @ b


def largest_batch(make: Callable[[int], Callable], limit: int) -> int:
    """The largest power of two, up to a limit, that fits on the GPU.

    Raises:
        RuntimeError: If not even one clip fits.
    """
    fits = 0
    while 2 * fits <= limit:
        batch = 2 * fits or 1
        try:
            make(batch)()
            torch.cuda.synchronize()
        except torch.cuda.OutOfMemoryError:
            break
        finally:
            torch.cuda.empty_cache()
        fits = batch
    if not fits:
        raise RuntimeError('Not even one clip fits.')
    return fits


def machine(device: str) -> Dict[str, Any]:
    """Kind of machine and versions, without names of hosts."""
    cpu = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.is_file():
        cpu = next((line.split(':')[1].strip()
                    for line in info.read_text().splitlines()
                    if line.startswith('model name')), cpu)
    return dict(
        cpu=cpu,
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name() if device == 'cuda' else None,
        python=platform.python_version(),
        **{
            name: version(name)
            for name in ('torch', 'mmengine', 'mmaction2', 'mmpretrain')
        })


class Results:
    """The JSON file, written after every turn.

    Args:
        path: Its path.
        settings: What has to be equal for samples to be comparable; None
            reads a file that is there.

    Raises:
        ValueError: If the file is of other settings.
    """

    def __init__(self,
                 path: Path,
                 settings: Optional[Dict[str, Any]] = None) -> None:
        self.path = path
        self.content = dict(
            settings=settings, date=str(date.today()), contestants={})
        if settings is None or path.is_file():
            content = json.loads(path.read_text())
            if settings not in (None, content['settings']):
                raise ValueError(
                    f'{path} was made with {content["settings"]}, now it is '
                    f'{settings}: give another --out.')
            self.content = content

    def of(self, name: str) -> Dict[str, Any]:
        """Everything known of a contestant."""
        return self.content['contestants'].setdefault(
            name, dict(samples=defaultdict(list)))

    def samples(self, name: str, measure: str) -> List[float]:
        """All samples of a measure so far."""
        return self.of(name)['samples'].setdefault(measure, [])

    def save(self) -> None:
        """Write the file, or leave the old one whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix('.tmp')
        draft.write_text(json.dumps(self.content, indent=1))
        draft.replace(self.path)


def take_turns(results: Results, names: Sequence[str], measures: Sequence[str],
               rounds: int, repeats: int, batch: Optional[int],
               limit: int) -> None:
    """Fill in all samples that are missing, a turn of each in a round.

    Args:
        results: Where they are kept.
        names: Contestants.
        measures: Some of ``MEASURES``.
        rounds: Turns of each contestant.
        repeats: Timed calls in a turn; of them one sample each is kept.
        batch: Clips of throughput, training and memory; None searches for
            the largest that fits.
        limit: Where that search ends.
    """
    settings = results.content['settings']
    device, mode = settings['device'], settings['mode']
    clock = settings['clock']
    dtype = DTYPES[settings['dtype']]
    entries: Dict[str, Entry] = {}
    product = matmul(device, dtype)
    for number in range(rounds):
        due = [
            n for n in names if 'error' not in results.of(n) and any(
                missing(results, n, m, (number + 1) * repeats)
                for m in measures)
        ]
        for name in track(
                due,
                f'round {number + 1} of {rounds}',
                console=Console(stderr=True)):
            known = results.of(name)
            try:
                if name not in entries:
                    entries[name] = Entry(CONTESTANTS[name], device, dtype,
                                          mode)
                    known.update(entries[name].counts())
                _turn(results, name, entries[name], measures,
                      (number + 1) * repeats, batch, limit)
            except (RuntimeError, ValueError) as error:
                known['error'] = str(error).splitlines()[0]
            results.samples(MATMUL, 'seconds').extend(
                seconds(product, device, clock) for _ in range(5))
            if device == 'cuda':
                torch.cuda.empty_cache()
            results.save()


def missing(results: Results, name: str, measure: str, wanted: int) -> int:
    """Samples of a measure that a contestant still owes."""
    if measure in ('train', 'memory') and CONTESTANTS[name].bare:
        return 0  # nothing in it trains
    wanted = 1 if measure == 'memory' else wanted  # it does not vary
    return max(0, wanted - len(results.samples(name, measure)))


def _turn(results: Results, name: str, entry: Entry, measures: Sequence[str],
          wanted: int, batch: Optional[int], limit: int) -> None:
    known, device = results.of(name), entry.device
    clock = results.content['settings']['clock']
    batches = known.setdefault('batch', {})
    for measure in measures:
        due = missing(results, name, measure, wanted)
        if not due:
            continue
        taken = results.samples(name, measure)
        make = entry.training if measure in ('train',
                                             'memory') else entry.inference
        if measure not in batches:
            batches[measure] = 1 if measure == 'latency' else \
                batch or largest_batch(make, limit)
        if measure == 'memory':
            taken.append(entry.memory(batches[measure]))
            continue
        run = make(batches[measure])
        if (device, entry.mode) != ('cpu', 'eager') \
                or measure not in entry.warm:
            run()  # compiles, allocates, warms the caches
            entry.warm.add(measure)
        taken.extend(seconds(run, device, clock) for _ in range(due))


def summary(results: Results) -> List[Dict[str, Any]]:
    """The figures of the table, one row a contestant."""
    content = results.content['contestants']
    rows = []
    product = content.get(MATMUL, dict(samples={}))['samples'].get('seconds')
    settings = results.content['settings']
    rate = product and 2 * MATMUL_SIZE[
        settings['device']]**3 / statistics.median(product)
    for name, known in content.items():
        if name == MATMUL:
            continue
        samples, batch = known['samples'], known.get('batch', {})
        row = dict(
            contestant=name,
            **{
                k: known[k]
                for k in ('macs', 'params', 'trainable', 'error') if k in known
            })
        if samples.get('latency'):
            taken = sorted(samples['latency'])
            row.update(
                latency=statistics.median(taken),
                p95=taken[max(0, -(-95 * len(taken) // 100) - 1)])
        timed = 'throughput' if samples.get('throughput') else 'latency'
        if samples.get(timed):
            per_clip = statistics.median(samples[timed]) / batch[timed]
            row.update(batch=batch[timed], clips=1 / per_clip)
            row['flops'] = 2 * known['macs'] / per_clip
            row['share'] = row['flops'] / rate
        if samples.get('train'):
            per_clip = statistics.median(samples['train']) / batch['train']
            row.update(train_batch=batch['train'], train=per_clip)
            if 'train_flops' in known:
                row['train_share'] = known['train_flops'] / per_clip / rate
        if samples.get('memory'):
            row.update(
                memory=samples['memory'][0], memory_batch=batch['memory'])
        rows.append(row)
    first = next(iter(rows), {})
    for row in rows:
        for key in ('throughput', 'latency', 'train'):
            pair = [
                content[r['contestant']]['samples'].get(key)
                for r in (row, first)
            ]
            if all(pair):
                batches = [
                    content[r['contestant']]['batch'][key]
                    for r in (row, first)
                ]
                # Turn by turn, so that what slows a whole round cancels.
                row[f'{key}_ratio'] = statistics.median(
                    a / b for a, b in zip(*pair)) * batches[1] / batches[0]
        row['time_ratio'] = row.get('throughput_ratio',
                                    row.get('latency_ratio'))
        if 'memory' in row and 'memory' in first:
            row['memory_ratio'] = row['memory'] / first['memory']
    return [{k: v for k, v in row.items() if v is not None} for row in rows]


COLUMNS = {
    'model': '{contestant}',
    'GMACs': '{macs:.1f}',
    'M trainable / all': '{trainable:.1f} / {params:.1f}',
    'batch': '{batch}',
    'clips/s': '{clips:.3g}',
    'time, first = 1': '{time_ratio:.3g}',
    'latency median / p95, ms': '{latency:.0f} / {p95:.0f}',
    'GFLOP/s': '{flops:.0f}',
    'of the matrix rate': '{share:.0%}',
    'training, s a clip (batch)': '{train:.3g} ({train_batch})',
    'training time, first = 1': '{train_ratio:.3g}',
    'training, of the matrix rate': '{train_share:.0%}',
    'training memory, MiB (batch)': '{memory:.0f} ({memory_batch})',
    'memory, first = 1': '{memory_ratio:.3g}'
}
UNITS = dict(
    macs=1e-9,
    params=1e-6,
    trainable=1e-6,
    latency=1e3,
    p95=1e3,
    flops=1e-9,
    memory=2**-20)


def markdown(results: Results) -> str:
    """The table, with the machine, versions and command above it."""
    rows = []
    for row in summary(results):
        row = {k: v * UNITS[k] if k in UNITS else v for k, v in row.items()}
        cells = []
        for form in COLUMNS.values():
            try:
                cells.append(form.format(**row))
            except KeyError:
                cells.append('-')
        if 'error' in row:
            cells[1] = f'failed: {row["error"]}'
        rows.append(cells)
    # A measure that nobody took has no column.
    keep = [i for i in range(len(COLUMNS)) if any(r[i] != '-' for r in rows)]
    table = [[list(COLUMNS)[i] for i in keep], ['---'] * len(keep)]
    table += [[r[i] for i in keep] for r in rows]
    content = results.content
    told = content['settings']
    extra = {}
    product = content['contestants'].get(MATMUL)
    if product and 'of the matrix rate' in ' '.join(table[0]):
        size = MATMUL_SIZE[told['device']]
        rate = 2e-9 * size**3 / statistics.median(
            product['samples']['seconds'])
        extra['matrix rate'] = f'{rate:.0f} GFLOP/s ({size} x {size})'
    return described(content, as_table(table), **extra)


def described(content: Dict[str, Any], table: str, **extra: Any) -> str:
    """A table with the machine, versions and command above it."""
    told = dict(content['settings'])
    about = {**told.pop('machine'), **told, **extra}
    told = ', '.join(f'{k} {" and ".join(v) if isinstance(v, list) else v}'
                     for k, v in about.items() if v)
    return (f'`{content["command"]}`\n\n{content["date"]}: {told}.\n\n'
            f'{table}')


def as_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as markdown."""
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows)


def models(args: argparse.Namespace) -> str:
    """The command ``models``."""
    unknown = set(args.contestants) - set(CONTESTANTS)
    if unknown:
        raise ValueError(f'{", ".join(sorted(unknown))}: there are '
                         f'{"; ".join(CONTESTANTS)}.')
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise ValueError('--device cuda: there is no GPU here.')
    if args.device == 'cpu' and args.mode == 'graphs':
        raise ValueError('--mode graphs: CUDA graphs need --device cuda.')
    batch = args.batch or (1 if args.device == 'cpu' else None)
    if args.device == 'cuda' and args.clock == 'cpu':
        raise ValueError('--clock cpu: the work of a GPU is not in it.')
    results = Results(
        args.out,
        dict(
            machine=machine(args.device),
            device=args.device,
            dtype=args.dtype,
            mode=args.mode,
            clock=args.clock))
    results.content.setdefault(
        'command', f'python tools/benchmark.py {shlex.join(sys.argv[1:])}')
    take_turns(results, args.contestants or list(CONTESTANTS), args.measures,
               args.rounds, args.repeats, batch, args.max_batch)
    results.save()
    text = markdown(results)
    args.out.with_suffix('.md').write_text(text)
    return text


TABLE = re.compile(r'(<!-- table of (\S+) -->\n).*?(<!-- end of table -->)',
                   re.DOTALL)


def tables(args: argparse.Namespace) -> str:
    """The command ``tables``."""

    def fill(found: re.Match) -> str:
        path = args.page.parent / found[2]
        text = 'Not yet run.\n'
        if path.is_file():
            content = json.loads(path.read_text())
            text = described(content, pipeline_table(content)) \
                if 'videos' in content else markdown(Results(path))
        return f'{found[1]}\n{text}\n{found[3]}'

    text = TABLE.sub(fill, args.page.read_text())
    args.page.write_text(text)
    return text


def picture(args: argparse.Namespace) -> str:
    """The command ``picture``."""
    rows = [r for r in summary(Results(args.results)) if 'time_ratio' in r]
    figure = Figure(figsize=(7, 1 + 0.28 * len(rows)), layout='constrained')
    axes = figure.add_subplot()
    bars = axes.barh([r['contestant'] for r in rows],
                     [1 / r['time_ratio'] for r in rows],
                     color=['tab:blue'] + ['tab:gray'] * (len(rows) - 1))
    axes.bar_label(bars, fmt='%.2f', padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.spines[['top', 'right']].set_visible(False)
    axes.set_xlabel(f'videos/s, {rows[0]["contestant"]} = 1')
    figure.savefig(args.out, dpi=120)
    return f'Wrote {args.out}.'


# What ``--also`` makes of a video first, to see other codecs.
RENDERINGS: Dict[str, Dict[str, Any]] = {
    'vp9': dict(codec='libvpx-vp9', ending='.webm', cpu_used='5', crf='30'),
    'hevc': dict(codec='libx265', ending='.mp4', crf='28'),
    'h264': dict(format='h264', short_side=256, keyframes=4, quality=23),
    'h264-intra': dict(format='h264', short_side=256, keyframes=1, quality=23),
    'mjpeg': dict(format='mjpeg', short_side=256, keyframes=1, quality=4),
}


def render(video: Path, name: str, folder: Path) -> Path:
    """One of ``RENDERINGS`` of a video."""
    options = dict(RENDERINGS[name])
    if 'format' in options:  # as tools/data/transcode.py
        target = folder / f'{name}.mp4'
        transcode(video, target, options)
        return target
    codec = options.pop('codec')
    target = (folder / name).with_suffix(options.pop('ending'))
    if codec == 'libx265':
        options['x265-params'] = 'log-level=none'
    options = {k.replace('_', '-'): v for k, v in options.items()}
    rate = rate_of(video)
    with av.open(str(target), 'w') as container:
        stream = None
        for number, frame in enumerate(frames_of(video)):
            if stream is None:
                stream = container.add_stream(codec, rate, options)
                stream.width, stream.height = frame.width, frame.height
                stream.pix_fmt = 'yuv420p'
            frame = frame.reformat(format='yuv420p')
            frame.pict_type = av.video.frame.PictureType.NONE
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target


def measure_pipelines(cfg: Config, video: Path, decoders: Sequence[str],
                      num_threads: int, repeats: int) -> Dict[str, Any]:
    """What the pipelines of a config take on a video, for the JSON file."""
    row: Dict[str, Any] = dict(bytes=video.stat().st_size)
    for split in ('train', 'test'):
        steps = cfg[f'{split}_dataloader'].dataset.pipeline
        times = time_pipelines(
            {
                name: with_decoder(
                    steps, decoder=name, num_threads=num_threads)
                for name in decoders
            }, str(video), repeats)
        first = times[decoders[0]]
        row.update(frames=first.frames, shape=first.shape)
        row[split] = dict(
            decoding={
                name: t.decoding
                for name, t in times.items()
            },
            difference=max(t.difference for t in times.values()),
            steps={
                step: statistics.mean(t.steps[step] for t in times.values())
                for step in first.steps
            })
    return row


def pipeline_table(content: Dict[str, Any]) -> str:
    """The tables of what ``pipeline`` wrote: each video, and means."""
    decoders = content['settings']['decoders']
    ratio = f'{decoders[0]} / {decoders[-1]}'
    header = [
        'video', 'frames', 'MB', 'pipeline',
        *(f'{name}, ms' for name in decoders), ratio, 'largest difference',
        'the rest, ms', 'clips/s a core'
    ]
    rows, groups = [header, ['---'] * len(header)], defaultdict(list)
    for name, video in content['videos'].items():
        for split in ('train', 'test'):
            taken = video[split]
            spent = [taken['decoding'][d] for d in decoders]
            rest = sum(taken['steps'].values())
            kind = name.partition(', as ')[2] or 'as they are'
            groups[kind, split].append((spent[0] / spent[-1], taken['steps']))
            rows.append([
                name, f'{video["frames"]} of {video["shape"][1]}x'
                f'{video["shape"][0]}', f'{video["bytes"] / 1e6:.2f}', split,
                *(f'{t:.1f}' for t in spent), f'{spent[0] / spent[-1]:.2f}',
                str(taken['difference']), f'{rest:.1f}',
                f'{1e3 / (spent[0] + rest):.1f}'
            ])
    header = ['mean over videos', 'pipeline', ratio, 'steps of the rest, ms']
    means = [header, ['---'] * len(header)]
    for (kind, split), taken in groups.items():
        ratios, steps = zip(*taken)
        means.append([
            kind, split, f'{statistics.mean(ratios):.2f}',
            ', '.join(f'{step} {statistics.mean(s[step] for s in steps):.1f}'
                      for step in steps[0])
        ])
    return as_table(rows) + '\n' + as_table(means)


def pipeline(args: argparse.Namespace) -> str:
    """The command ``pipeline``."""
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    torch.set_num_threads(1)
    decoders = [choose_decoder(name) for name in args.decoders]
    content = dict(
        command=f'python tools/benchmark.py {shlex.join(sys.argv[1:])}',
        date=str(date.today()),
        settings=dict(
            machine={
                **machine('cpu'),
                **{
                    package: version(package)
                    for package in (DECODERS[name][0] for name in decoders)
                }
            },
            decoders=decoders,
            num_threads=args.num_threads,
            repeats=args.repeats),
        videos={})
    with tempfile.TemporaryDirectory() as folder:
        work = [(video, kind) for kind in [None, *args.also]
                for video in args.videos]
        for video, kind in track(work, console=Console(stderr=True)):
            path = render(video, kind, Path(folder)) if kind else video
            name = f'{video.name}, as {kind}' if kind else video.name
            content['videos'][name] = measure_pipelines(
                cfg, path, decoders, args.num_threads, args.repeats)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(content, indent=1))
    return described(content, pipeline_table(content))


def main(args: Optional[Sequence[str]] = None) -> str:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    of_models = commands.add_parser('models')
    of_models.add_argument(
        'contestants', nargs='*', help='all of: ' + '; '.join(CONTESTANTS))
    of_models.add_argument('--out', type=Path, required=True)
    of_models.add_argument('--device', choices=MATMUL_SIZE, default='cpu')
    of_models.add_argument('--dtype', choices=DTYPES, default='fp32')
    of_models.add_argument('--mode', choices=MODES, default='eager')
    of_models.add_argument(
        '--clock',
        choices=CLOCKS,
        default='wall',
        help='cpu where other processes disturb, with one thread')
    of_models.add_argument(
        '--measures', nargs='+', choices=MEASURES, default=['latency'])
    of_models.add_argument('--rounds', type=int, default=3)
    of_models.add_argument(
        '--repeats', type=int, default=1, help='timed calls in a turn')
    of_models.add_argument(
        '--batch',
        type=int,
        help='clips a call; on a GPU by default as many as fit, else 1')
    of_models.add_argument(
        '--max-batch', type=int, default=512, help='where the search ends')
    of_pipeline = commands.add_parser('pipeline')
    of_pipeline.add_argument('config')
    of_pipeline.add_argument('videos', nargs='+', type=Path)
    of_pipeline.add_argument(
        '--decoders',
        nargs='+',
        choices=('auto', *DECODERS),
        default=['auto'],
        help='compared in turns, the last one being the yardstick')
    of_pipeline.add_argument(
        '--also',
        nargs='+',
        choices=RENDERINGS,
        default=[],
        help='encode the videos in other ways, and measure these too')
    of_pipeline.add_argument(
        '--num-threads', type=int, default=1, help='that decode a video')
    of_pipeline.add_argument('--repeats', type=int, default=5)
    of_pipeline.add_argument('--out', type=Path, help='JSON file to write')
    of_tables = commands.add_parser('tables')
    of_tables.add_argument('page', type=Path)
    of_picture = commands.add_parser('picture')
    of_picture.add_argument('results', type=Path, metavar='JSON')
    of_picture.add_argument('--out', type=Path, default=Path('benchmark.png'))
    args = parser.parse_args(args)

    logging.disable(logging.WARNING)  # what random weights are, at length
    run = dict(
        models=models, pipeline=pipeline, tables=tables, picture=picture)
    text = run[args.command](args)
    print(text)
    return text


if __name__ == '__main__':
    main()
