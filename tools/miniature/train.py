"""Train and test every cell of a grid: what tools/miniature.sh runs.

    python tools/miniature/train.py --grid reduced

A cell is a method, or a method with something changed, on one task with one
seed: a config of this project and changes to it. Its whole config is kept
beside its result, so that

    python tools/train.py \\
        work_dirs/miniature-reduced/motion/DualPath/seed0/config.py

trains one cell again by the stock tool. What has a result is not run again:
the same command goes on where it was stopped.
"""
import argparse
import json
import logging
import multiprocessing
import os
import subprocess
import time
from typing import Any, Dict, List, Tuple

import numpy as np
import torch
from grid import (BACKBONES, CHANNELS, CONFIGS, GRIDS, LENGTH, PRETRAIN_EPOCHS,
                  Grid, cells)
from mmaction.datasets import VideoDataset
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.progress import track

import mmdualpath  # noqa: F401
from mmdualpath.analysis.complexity import count_macs, count_params, view_of
from mmdualpath.analysis.memory import bytes_of, peak_bytes
from mmdualpath.analysis.structure import build_structure, without_weights

Job = Tuple[str, str, int, str]  # task, cell, seed, grid


@DATASETS.register_module()
class DecodedVideoDataset(VideoDataset):
    """Small videos that are decoded once, for every training of a grid.

    Args:
        frames: ``.npy`` file of all videos, ``(N, T, H, W, 3)`` uint8, in the
            order of the annotation files.
        kwargs: Arguments of MMAction2's ``VideoDataset``.
    """

    def __init__(self, *args, frames: str, **kwargs) -> None:
        self.frames = np.load(frames, mmap_mode='r')
        super().__init__(*args, serialize_data=False, **kwargs)

    def get_data_info(self, idx: int) -> dict:
        """A video's frames and label."""
        info = super().get_data_info(idx)
        return dict(
            info, array=self.frames[idx], total_frames=len(self.frames[idx]))


def decode(grid: Grid, split: str) -> None:
    """Decode the videos of a split into one file."""
    out = grid.data / f'{split}.npy'
    if out.exists():
        return
    init_default_scope('mmaction')
    videos = DATASETS.build(
        dict(
            type='VideoDataset',
            ann_file=str(grid.data / f'{split}.txt'),
            data_prefix=dict(video=str(grid.data / split)),
            pipeline=[
                dict(type='DecordInit'),
                dict(type='SampleFrames', clip_len=LENGTH),
                dict(type='DecordDecode')
            ],
            test_mode=True))
    frames = [
        np.stack(video['imgs'])
        for video in track(videos, f'decoding {split} videos')
    ]
    draft = out.with_suffix('.tmp.npy')
    np.save(draft, np.stack(frames))
    draft.replace(out)


def decoded(cfg: Config, grid: Grid) -> Config:
    """The same config on the videos decoded before."""
    for split in ('train', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.update(
            type='DecodedVideoDataset', frames=str(grid.data / f'{split}.npy'))
        dataset.pipeline[0] = dict(type='ArrayDecode')
        dataset.pipeline.insert(0, dataset.pipeline.pop(1))
        dataset.pipeline.pop(2)
    return cfg


def quiet() -> None:
    """One thread a training, and none of the trainer's lines."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)


def pretrain(job: Tuple[str, str]) -> None:
    """Pretrain a backbone on still images, with mmpretrain."""
    grid, name = GRIDS[job[0]], job[1]
    quiet()
    result = grid.pretrained(name).with_name('result.json')
    if result.exists():
        return
    cfg = Config.fromfile(CONFIGS / 'miniature/pretrain_vit-mini_digits.py')
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.num_workers, loader.persistent_workers = 0, False
        loader.dataset.data_prefix = str(
            grid.data / 'images' / ('train' if split == 'train' else 'test'))
    head = dict(
        type='LinearClsHead', num_classes=10, in_channels=CHANNELS[name])
    cfg.model.backbone = BACKBONES[name]
    cfg.model.head = dict(
        head, type='VisionTransformerClsHead') if name == 'vit' else head
    cfg.model.neck = None if name == 'vit' else dict(
        type='GlobalAveragePooling')
    cfg.train_cfg.max_epochs = PRETRAIN_EPOCHS
    cfg.param_scheduler[1].update(
        end=PRETRAIN_EPOCHS, T_max=PRETRAIN_EPOCHS - 1)
    cfg.default_hooks.checkpoint.interval = PRETRAIN_EPOCHS
    cfg.work_dir = str(result.parent)
    runner = Runner.from_cfg(cfg)
    runner.train()
    result.write_text(json.dumps(runner.val()))


def pretrain_all(grid: Grid) -> None:
    """Pretrain all backbones side by side."""
    context = multiprocessing.get_context('forkserver')
    jobs = [(grid.name, name) for name in BACKBONES]
    with context.Pool(len(jobs)) as pool:
        for _ in track(
                pool.imap_unordered(pretrain, jobs),
                'pretraining',
                total=len(jobs)):
            pass


def commit() -> str:
    """The checkout's commit, or that there is none."""
    answer = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'],
                            cwd=CONFIGS,
                            capture_output=True,
                            text=True)
    return answer.stdout.strip() or 'unknown'


def counts(cfg: Config) -> Dict[str, float]:
    """Parameters to train and multiply-adds of a clip."""
    init_default_scope(cfg.default_scope)
    model = build_structure(without_weights(cfg.model))
    macs = count_macs(model, view_of(cfg))
    return dict(
        trainable=count_params(model)['trainable'],
        macs=sum(sum(split.values()) for split in macs.values()))


def attempt(job: Job) -> Tuple[Job, Any]:
    """A cell's name and top-1, or why it failed; the others go on."""
    try:
        return job, run_cell(job)
    except Exception as error:
        return job, f'{type(error).__name__}: {error}'


def run_cell(job: Job) -> float:
    """Train and test one cell; its top-1."""
    task, name, seed, grid = *job[:3], GRIDS[job[3]]
    quiet()
    work_dir = grid.place(task, name, seed)
    work_dir.mkdir(parents=True, exist_ok=True)
    cfg = cells()[name].load(task, seed, work_dir, grid)
    cfg.dump(work_dir / 'config.py')
    known = counts(cfg)
    runner = Runner.from_cfg(decoded(cfg, grid))
    start = time.perf_counter()
    runner.train()
    seconds = time.perf_counter() - start
    top1 = runner.test()['acc/top1']
    memory = torch.cuda.max_memory_allocated() if torch.cuda.is_available() \
        else peak(runner)
    result = dict(
        known, top1=top1, seconds=seconds, memory=memory, commit=commit())
    draft = work_dir / 'result.tmp'
    draft.write_text(json.dumps(result))
    draft.replace(work_dir / 'result.json')
    return top1


def peak(runner: Runner) -> int:
    """Bytes of a model and of what one of its training steps makes."""
    batch = next(iter(runner.train_dataloader))
    return bytes_of(runner.model) + peak_bytes(
        lambda: runner.model.train_step(batch, runner.optim_wrapper))


def due(grid: Grid) -> List[Job]:
    """The trainings that have no result yet."""
    return [(*job, grid.name) for job in grid.runs()
            if not (grid.place(*job) / 'result.json').exists()]


def run(grid: Grid, workers: int) -> None:
    """All trainings of a grid that have no result yet."""
    jobs = due(grid)
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmdualpath'])
    failed = []
    with context.Pool(workers, maxtasksperchild=1) as pool:
        for job, top1 in track(
                pool.imap_unordered(attempt, jobs),
                f'{len(jobs)} trainings',
                total=len(jobs)):
            print(*job, top1, flush=True)
            if isinstance(top1, str):
                failed.append(job)
    if failed:
        raise SystemExit(f'{len(failed)} trainings failed: {failed}.')


def main() -> None:
    """Pretrain the backbones and train what has no result yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--grid', choices=GRIDS, default='reduced')
    parser.add_argument(
        '--workers',
        type=int,
        default=4 if torch.cuda.is_available() else os.cpu_count(),
        help='trainings at a time')
    args = parser.parse_args()
    grid = GRIDS[args.grid]
    pretrain_all(grid)
    for split in ('train', 'test'):
        decode(grid, split)
    run(grid, args.workers)


if __name__ == '__main__':
    main()
