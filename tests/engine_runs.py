"""Tiny trainings that note what they computed, in processes to be killed."""
import hashlib
import json
import os
import socket
from multiprocessing import get_context
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from tiny_training import make_config, make_runner, write_videos

from mmdualpath import compat


@HOOKS.register_module()
class NoteHook(Hook):
    """Append each step's videos, pixels and loss to a file."""
    priority = 'HIGHEST'

    def __init__(self, path: str) -> None:
        self.path = path

    def after_train_iter(self, runner, batch_idx, data_batch, outputs) -> None:
        pixels = torch.stack(data_batch['inputs']).numpy().tobytes()
        note = dict(
            iter=runner.iter,
            rank=get_rank(),
            videos=[Path(s.filename).name for s in data_batch['data_samples']],
            pixels=hashlib.sha256(pixels).hexdigest(),
            loss=outputs['loss'].item().hex(),
            lr=runner.optim_wrapper.get_lr()['lr'])
        with open(self.path, 'a') as file:
            file.write(json.dumps(note) + '\n')


def config(folder: Path, **options) -> Config:
    """Two epochs of four steps, with everything random there is."""
    write_videos(folder, 8)
    cfg = make_config(folder)
    cfg.train_dataloader.sampler = dict(type='ResumableSampler')
    dataset = cfg.train_dataloader.dataset
    dataset.type = 'ReliableVideoDataset'
    dataset.pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=16, frame_interval=1),
        dict(type='DecordDecode'),
        dict(type='RandomResizedCrop', area_range=(0.5, 1.0)),
        dict(type='Resize', scale=(32, 32), keep_ratio=False),
        dict(type='Flip', flip_ratio=0.5),
        dict(type='ColorJitter', hue=0.),
        dict(
            type='ClipAugment',
            transforms=[
                dict(type='RandAugment', num_ops=2, magnitude=7),
                dict(type='RandomErasing', p=0.25)
            ]),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs', meta_keys=('filename', ))
    ]
    cfg.model.cls_head.dropout = 0.5
    cfg.default_hooks = dict(
        checkpoint=dict(
            type='ReliableCheckpointHook',
            interval=1,
            max_keep_ckpts=1,
            every_n_iters=1),
        sampler_seed=dict(type='ExactResumeHook'),
        bad_videos=dict(type='BadVideoHook'))
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    cfg.randomness = dict(seed=1)
    cfg.env_cfg = dict(dist_cfg=dict(backend='gloo'))
    cfg.merge_from_dict(options)
    return cfg


def run(cfg: Config, work: Path, before=None, **options) -> dict:
    """Train in this process; the notes by iteration and the model's tensors.

    Args:
        cfg: Config.
        work: Work folder.
        before: Called with the runner before it trains.
        options: Changes of the config.
    """
    notes = work / 'notes.jsonl'
    options.setdefault('custom_hooks',
                       [dict(type='NoteHook', path=str(notes))])
    runner = make_runner(cfg, work_dir=str(work), **options)
    if before:
        before(runner)
    runner.train()
    return dict(notes=read(work), model=runner.model.state_dict())


def read(work: Path) -> list:
    """All notes of a work folder, in the order they were written."""
    path = work / 'notes.jsonl'
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def last_of_each(notes: list) -> list:
    """What counts of a run with interruptions: the last try of each step."""
    by_iter = {note['iter']: note for note in notes}
    return [by_iter[i] for i in sorted(by_iter)]


def started(function, *args, **kwargs):
    """A child process that runs a function; it does not wait for it."""

    def quietly() -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        function(*args, **kwargs)

    process = get_context('fork').Process(target=quietly)
    process.start()
    return process


def together(cfg: Config, work: Path, function=run, **options) -> list:
    """Run a function in two processes that belong together; exit codes."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]

    def rank(number: int) -> None:
        os.environ.update(
            RANK=str(number),
            LOCAL_RANK=str(number),
            WORLD_SIZE='2',
            MASTER_ADDR='127.0.0.1',
            MASTER_PORT=str(port))
        compat.enable_cpu()
        function(cfg, work, launcher='pytorch', **options)

    children = [started(rank, i) for i in range(2)]
    for child in children:
        child.join()
    return [child.exitcode for child in children]
