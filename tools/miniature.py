"""Compare all methods, small: what tools/miniature.sh runs.

    python tools/miniature.py pretrain
    python tools/miniature.py run --grid reduced
    python tools/miniature.py report

``run`` trains and tests every cell of a grid: a method, or a method with
something changed, on one task with one seed. A cell is a config of this
project and changes to it; its whole config is kept beside its result, so that

    python tools/train.py \\
        work_dirs/miniature-reduced/motion/DualPath/seed0/config.py

trains one cell again by the stock tool. What has a result is not run again:
the same command goes on where it was stopped. ``report`` writes
``docs/miniature/results.md``, ``results.json`` and the plots.
"""
import argparse
import json
import logging
import multiprocessing
import os
import platform
import statistics
import subprocess
import time
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import torch
from matplotlib.figure import Figure
from mmaction.datasets import VideoDataset
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from plot_tradeoff import plot
from rich.progress import track

import mmdualpath  # noqa: F401
from mmdualpath.complexity import count_macs, count_params, view_of
from mmdualpath.memory import bytes_of, peak_bytes
from mmdualpath.structure import build_structure, without_weights

ROOT = Path(__file__).parents[1]
DOCS = ROOT / 'docs/miniature'

TASKS = dict(motion=8, appearance=10, both=16)  # classes of each
LENGTH = 48  # frames of a video

# --------------------------------------------------------------- backbones
PRETRAIN_EPOCHS = 10
BACKBONES = dict(
    vit=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(
            embed_dims=64, num_layers=4, num_heads=4,
            feedforward_channels=256),
        img_size=64,
        patch_size=16,
        out_type='cls_token'),
    swin=dict(
        type='mmpretrain.SwinTransformer',
        arch=dict(embed_dims=48, depths=[2, 2], num_heads=[3, 6]),
        img_size=64,
        patch_size=8,
        window_size=4,
        drop_path_rate=0.,
        out_indices=(1, )))
CHANNELS = dict(vit=64, swin=96)


# ------------------------------------------------------------------ cells
@dataclass(frozen=True)
class Cell:
    """A config and what is changed in it.

    Attributes:
        config: Path under ``configs``.
        options: Changes, by dotted name.
        backbone: Name of the frozen backbone.
        lr: Learning rate.
        frames: Frames of a clip.
    """
    config: str
    backbone: str
    options: Mapping[str, Any] = field(default_factory=dict)
    lr: float = 5e-3
    frames: int = 8

    def but(self, **changes: Any) -> 'Cell':
        """The same cell with other options; ``__`` stands for a dot."""
        lr, frames = changes.pop('lr',
                                 self.lr), changes.pop('frames', self.frames)
        changes = {k.replace('__', '.'): v for k, v in changes.items()}
        return replace(
            self, options={
                **self.options,
                **changes
            }, lr=lr, frames=frames)

    def load(self, task: str, seed: int, work_dir: Path,
             grid: 'Grid') -> Config:
        """The whole config of one training."""
        cfg = Config.fromfile(ROOT / 'configs' / f'{self.config}.py')
        videos = dict(train=cfg.train_dataloader, test=cfg.test_dataloader)
        cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
        suffix = '' if task == 'motion' else f'_{task}'
        for split, loader in videos.items():
            loader.num_workers, loader.persistent_workers = 0, False
            loader.dataset.ann_file = str(grid.data / f'{split}{suffix}.txt')
            loader.dataset.data_prefix.video = str(grid.data / split)
            loader.dataset.pipeline[1].clip_len = self.frames
        cfg.train_dataloader.dataset.indices = grid.videos
        weights = dict(
            type='Pretrained',
            checkpoint=str(grid.pretrained(self.backbone)),
            prefix='backbone.')
        cfg.merge_from_dict({
            'model.backbone.backbone':
            dict(BACKBONES[self.backbone], _delete_=True, init_cfg=weights),
            **deepcopy(self.options), 'model.cls_head.num_classes':
            TASKS[task],
            'train_cfg.max_epochs':
            grid.epochs,
            'train_cfg.val_interval':
            grid.epochs + 1,
            'optim_wrapper.optimizer.lr':
            self.lr,
            'randomness.seed':
            seed,
            'default_hooks.checkpoint.interval':
            -1,
            'default_hooks.checkpoint.save_best':
            None,
            'work_dir':
            str(work_dir)
        })
        warmup = 0.1 * grid.epochs
        cfg.param_scheduler[0].end = warmup
        cfg.param_scheduler[1].update(
            begin=warmup, end=grid.epochs, T_max=grid.epochs - warmup)
        return cfg


def dual(backbone: str = 'vit') -> Cell:
    """DualPath: 4 spatial frames, one frameset of 16."""
    options = {
        'model.cls_head.in_channels': 2 * CHANNELS[backbone],
        'model.data_preprocessor.num_spatial_frames': SPATIAL[4]
    }
    if backbone == 'swin':  # neither class token nor position embedding
        options['model.backbone.spatial'] = dict(
            _delete_=True,
            adapters=[
                dict(type='ParallelAdapter', site='window_attn', width=32),
                dict(type='ParallelAdapter', site='mlp', width=32)
            ])
        options['model.backbone.temporal'] = dict(
            _delete_=True,
            adapters=[
                positions('FrameIndexPositions'),
                dict(type='PreAdapter', site='window_attn', width=32),
                dict(type='SerialAdapter', site='window_attn', width=32),
                dict(type='SerialAdapter', site='mlp', width=32)
            ])
    return Cell('dualpath_vit-mini_digits', backbone, options, frames=16)


def frames(*adapters: dict,
           backbone: str = 'vit',
           head: str = 'TemporalTransformerHead',
           trainable: List[str] = (),
           **changes: Any) -> Cell:
    """A method that reads 8 frames one by one, or joins them itself."""
    options = {
        'model.backbone.adapters': list(adapters),
        'model.backbone.trainable': list(trainable),
        'model.cls_head.in_channels': CHANNELS[backbone]
    }
    if head != 'TemporalTransformerHead':
        options['model.cls_head'] = dict(
            _delete_=True,
            type=head,
            num_frames=8,
            num_classes=0,
            in_channels=CHANNELS[backbone],
            topk=(1, ),
            average_clips='prob')
    cell = Cell('_base_/baselines/vit-mini_digits', backbone, options)
    return cell.but(**changes)


def positions(kind: str, framesets: int = 1, grid: int = 4) -> dict:
    """Config of the temporal path's positions."""
    return dict(
        type=kind, site='stem', num_framesets=framesets, grid=(grid, grid))


def temporal(width: int = 32,
             skip: bool = True,
             kind: str = 'FrameIndexPositions',
             framesets: int = 1,
             grid: int = 4) -> dict:
    """Config of DualPath's temporal path, in whole."""
    fixed = kind == 'FramesetPositions'
    adapters = [
        dict(type='PreAdapter', site='attn', width=width, skip=skip),
        dict(type='SerialAdapter', site='attn', width=width, skip=skip),
        dict(type='SerialAdapter', site='mlp', width=width, skip=skip)
    ]
    if kind != 'none':
        adapters.insert(0, positions(kind, framesets, grid))
    return dict(
        _delete_=True,
        trainable=['cls_token'] if fixed else ['cls_token', 'pos_embed'],
        zero=['pos_embed'] if fixed else [],
        adapters=adapters)


def spatial(width: int) -> dict:
    """Config of DualPath's spatial path, in whole."""
    return dict(
        _delete_=True,
        trainable=['cls_token', 'pos_embed'],
        adapters=[
            dict(type='ParallelAdapter', site='attn', width=width),
            dict(type='ParallelAdapter', site='mlp', width=width)
        ])


# Spatial frames of a clip of 16, symmetric in time: their set does not tell
# a motion from the same motion backwards.
SPATIAL = {
    1: [7],
    2: [4, 11],
    4: [2, 6, 9, 13],
    8: [1, 3, 5, 7, 8, 10, 12, 14]
}

ADAPTFORMER = dict(
    type='ParallelAdapter',
    site='mlp',
    width=32,
    scale=0.1,
    act_cfg=dict(type='ReLU'))
PATT = dict(type='PATT', site='msa', on='kv', width=32, scale=0.8)
ST_ADAPTER = dict(
    type='STAdapter', site='residual_mlp', width=32, num_frames=8)
ADAPTERS = tuple(
    dict(type='SerialAdapter', site=site, width=32)
    for site in ('attn', 'mlp'))
MEAN = dict(head='FrameMeanHead')
TUNING = dict(lr=1e-3)  # where pretrained weights themselves are trained

METHODS: Dict[str, Cell] = {
    'DualPath':
    dual(),
    'linear':
    frames(**MEAN),
    'temporal head':
    frames(),
    'partial':
    frames(trainable=[r'layers\.3\..*'], **MEAN, **TUNING),
    'full':
    frames(trainable=['.*'], **MEAN, **TUNING),
    'full, temporal attention':
    frames(
        dict(type='FramePositions', site='stem', num_frames=8),
        dict(type='TemporalAttention', site='block', num_frames=8),
        trainable=['.*'],
        **MEAN,
        **TUNING),
    'BitFit':
    frames(trainable=['.*bias']),
    'VideoPrompt':
    frames(dict(type='VPT', site='block', num_prompts=8, deep=False)),
    'VPT':
    frames(dict(type='VPT', site='block', num_prompts=8)),
    'prefix-tuning':
    frames(dict(type='PrefixTuning', site='msa', num_tokens=8, width=32)),
    'Adapter':
    frames(*ADAPTERS),
    'AdaptFormer':
    frames(ADAPTFORMER),
    'Pro-tuning':
    frames(dict(type='ProTuning', site='block', width=32)),
    'PATT':
    frames(PATT),
    'BAPAT':
    frames(PATT, ADAPTFORMER),
    'ST-Adapter':
    frames(ST_ADAPTER, **MEAN),
    'token shift, full':
    frames(
        dict(type='TokenShift', site='qkv', num_frames=8),
        trainable=['.*'],
        **TUNING),
    'DualPath, Swin':
    dual('swin'),
    'temporal head, Swin':
    frames(backbone='swin'),
    'BitFit, Swin':
    frames(backbone='swin', trainable=['.*bias']),
    'AdaptFormer, Swin':
    frames(ADAPTFORMER, backbone='swin'),
    'prefix-tuning, Swin':
    frames(
        dict(type='PrefixTuning', site='msa', num_tokens=8, width=32),
        backbone='swin'),
    'BAPAT, Swin':
    frames(PATT, ADAPTFORMER, backbone='swin'),
    'ST-Adapter, Swin':
    frames(ST_ADAPTER, backbone='swin', **MEAN),
}

_TEMPORAL = 'model__backbone__temporal'
_FRAMES = 'model__data_preprocessor__num_spatial_frames'
_GRID = 'model__data_preprocessor__grid'
_ONE_PATH = dict(model__cls_head__in_channels=CHANNELS['vit'])

# Each compares what the paper's Table 5, A4 or the V-PETL paper's Tables 3
# and 4 compare. An empty change is the method itself, which is run once.
ABLATIONS: Dict[str, Dict[str, Tuple[str, Dict[str, Any]]]] = {
    'paths': {
        'both': ('DualPath', {}),
        'spatial alone': ('DualPath', {
            _TEMPORAL: None,
            _GRID: None,
            **_ONE_PATH
        }),
        'temporal alone': ('DualPath', {
            'model__backbone__spatial': None,
            _FRAMES: None,
            **_ONE_PATH
        }),
    },
    'spatial frames': {
        'T_S = 1': ('DualPath', {
            _FRAMES: SPATIAL[1]
        }),
        'T_S = 2': ('DualPath', {
            _FRAMES: SPATIAL[2]
        }),
        'T_S = 4': ('DualPath', {}),
        'T_S = 8': ('DualPath', {
            _FRAMES: SPATIAL[8]
        }),
    },
    'frames of a frameset, T = 64': {
        f'w = h = {grid}': ('DualPath', {
            'frames':
            64,
            _TEMPORAL:
            temporal(grid=grid, framesets=64 // grid**2),
            _GRID: (grid, grid),
            _FRAMES: [4 * i + 2 for i in SPATIAL[4]]
        })
        for grid in (2, 4, 8)
    },
    'frameset resolution': {
        '64 pixels': ('DualPath', {}),
        '128 pixels': ('DualPath', {
            'model__data_preprocessor__frameset_size': 128
        }),
    },
    'framesets': {
        'T_G = 1': ('DualPath', {}),
        'T_G = 2': ('DualPath', {
            'frames': 32,
            _TEMPORAL: temporal(framesets=2),
            _FRAMES: [2 * i + 1 for i in SPATIAL[4]]
        }),
        'T_G = 3': ('DualPath', {
            'frames': 48,
            _TEMPORAL: temporal(framesets=3),
            _FRAMES: [3 * i + 1 for i in SPATIAL[4]]
        }),
    },
    'adapter width': {
        f'width {width}': ('DualPath', {} if width == 32 else {
            'model__backbone__spatial': spatial(width),
            _TEMPORAL: temporal(width)
        })
        for width in (8, 16, 32, 64)
    },
    'skip': {
        'skip=True': ('DualPath', {}),
        'skip=False': ('DualPath', {
            _TEMPORAL: temporal(skip=False)
        }),
    },
    'skip, 3-D positions': {
        'skip=True': ('DualPath', {
            _TEMPORAL: temporal(kind='FramesetPositions')
        }),
        'skip=False': ('DualPath', {
            _TEMPORAL:
            temporal(kind='FramesetPositions', skip=False)
        }),
    },
    'positions': {
        'frame number (dump)': ('DualPath', {}),
        '3-D, fixed (paper)': ('DualPath', {
            _TEMPORAL: temporal(kind='FramesetPositions')
        }),
        'none added': ('DualPath', {
            _TEMPORAL: temporal(kind='none')
        }),
    },
    'PATT on': {
        'Q': ('PATT', dict(model__backbone__adapters=[dict(PATT, on='q')])),
        'K': ('PATT', dict(model__backbone__adapters=[dict(PATT, on='k')])),
        'V': ('PATT', dict(model__backbone__adapters=[dict(PATT, on='v')])),
        'K, V': ('PATT', {}),
    },
    'PATT scale': {
        f's = {scale}': ('PATT', {} if scale == 0.8 else dict(
            model__backbone__adapters=[dict(PATT, scale=scale)]))
        for scale in (0.1, 0.4, 0.8, 1.0)
    },
}


def cells() -> Dict[str, Cell]:
    """All cells by name; those of an ablation as ``group: label``."""
    found = dict(METHODS)
    for group, rows in ABLATIONS.items():
        for label, (method, changes) in rows.items():
            if changes:
                found[f'{group}: {label}'] = METHODS[method].but(**changes)
    return found


# ------------------------------------------------------------------- grids
@dataclass(frozen=True)
class Grid:
    """How much of everything.

    Attributes:
        name: What it is called.
        videos: Training videos.
        epochs: Over them.
        seeds: Trainings of each cell.
        tasks: Tasks of all methods.
        core: Methods that take part in all three tasks.
    """
    name: str
    videos: int
    epochs: int
    seeds: int
    tasks: Tuple[str, ...]
    core: Tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        """Folder of the videos."""
        return Path(f'data/miniature-{self.name}')

    @property
    def work(self) -> Path:
        """Folder of all that is trained."""
        return Path(f'work_dirs/miniature-{self.name}')

    def pretrained(self, backbone: str) -> Path:
        """Weights of a backbone, from still images."""
        return self.work / f'pretrain/{backbone}/epoch_{PRETRAIN_EPOCHS}.pth'

    def place(self, task: str, name: str, seed: int) -> Path:
        """Folder of one training."""
        return self.work / task / name.replace(': ', '/') / f'seed{seed}'

    def runs(self) -> List[Tuple[str, str, int]]:
        """Task, cell and seed of every training; ablations on motion."""
        order = []
        for seed in range(self.seeds):
            for name in cells():
                tasks = ('motion', ) if name not in METHODS else tuple(
                    TASKS) if name in self.core else self.tasks
                order += [(task, name, seed) for task in tasks]
        return order


_GRIDS = (Grid(
    'reduced',
    videos=2500,
    epochs=3,
    seeds=3,
    tasks=('motion', 'appearance'),
    core=('DualPath', 'linear', 'full', 'AdaptFormer', 'ST-Adapter')),
          Grid('full', videos=16000, epochs=6, seeds=5, tasks=tuple(TASKS)))
GRIDS = {grid.name: grid for grid in _GRIDS}


# -------------------------------------------------------------------- data
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
                dict(type='UniformSample', clip_len=LENGTH, test_mode=True),
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


# ------------------------------------------------------------------ running
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
    cfg = Config.fromfile(ROOT / 'configs/pretrain_vit-mini_digits.py')
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


def counts(cfg: Config) -> Dict[str, float]:
    """Parameters to train and multiply-adds of a clip."""
    init_default_scope(cfg.default_scope)
    model = build_structure(without_weights(cfg.model))
    macs = count_macs(model, view_of(cfg))
    return dict(
        trainable=count_params(model)['trainable'],
        macs=sum(sum(split.values()) for split in macs.values()))


def attempt(job: Tuple[str, str, int, str]) -> Tuple[Tuple, Any]:
    """A cell's name and top-1, or why it failed; the others go on."""
    try:
        return job, run_cell(job)
    except Exception as error:
        return job, f'{type(error).__name__}: {error}'


def run_cell(job: Tuple[str, str, int, str]) -> float:
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
    """Bytes of a model, its gradients' state and one training step."""
    batch = next(iter(runner.train_dataloader))
    return bytes_of(runner.model) + peak_bytes(
        lambda: runner.model.train_step(batch, runner.optim_wrapper))


def run(grid: Grid, workers: int) -> None:
    """All trainings of a grid that have no result yet."""
    jobs = [(*job, grid.name) for job in grid.runs()
            if not (grid.place(*job) / 'result.json').exists()]
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


# ----------------------------------------------------------------- reporting
def commit() -> str:
    """The checkout's commit, or that there is none."""
    answer = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'],
                            cwd=ROOT,
                            capture_output=True,
                            text=True)
    return answer.stdout.strip() or 'unknown'


def collect(grid: Grid) -> Dict[str, Any]:
    """All results of a grid, by task and cell."""
    rows: Dict[Tuple[str, str], Dict[str, Any]] = {}
    commits = set()
    for task, name, seed in grid.runs():
        path = grid.place(task, name, seed) / 'result.json'
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        commits.add(result['commit'])
        row = rows.setdefault((task, name),
                              dict(task=task, name=name, top1=[], seconds=[]))
        row['top1'].append(round(100 * result['top1'], 2))
        row['seconds'].append(round(result['seconds'], 1))
        row.update({k: result[k] for k in ('trainable', 'macs', 'memory')})
    pretrained = {
        name:
        json.loads(grid.pretrained(name).with_name('result.json').read_text())
        for name in BACKBONES
    }
    return dict(
        date=str(date.today()),
        commits=sorted(commits),
        machine=machine(),
        grid=asdict(grid),
        pretrained={
            k: v['accuracy/top1']
            for k, v in pretrained.items()
        },
        rows=list(rows.values()))


def machine() -> str:
    """Kind of machine and versions."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else \
        f'{os.cpu_count()} CPU cores ({platform.machine()})'
    return f'{device}, torch {torch.__version__}'


class Table:
    """The results, to look up and to compare.

    Args:
        content: From :func:`collect`.
    """

    def __init__(self, content: Dict[str, Any]) -> None:
        rows, self.seeds = content['rows'], content['grid']['seeds']
        self.rows = {(row['task'], row['name']): row for row in rows}

    def of(self, name: str, task: str = 'motion') -> Dict[str, Any]:
        """A cell's results, or an empty row."""
        return self.rows.get((task, name), dict(top1=[]))

    def mean(self, name: str, task: str = 'motion') -> float:
        """Mean top-1; -inf if the cell has not run."""
        top1 = self.of(name, task)['top1']
        return statistics.mean(top1) if top1 else float('-inf')

    def best(self, names: Sequence[str], task: str = 'motion') -> str:
        """The cell of the highest mean."""
        return max(names, key=lambda name: self.mean(name, task))

    def text(self, name: str, task: str = 'motion') -> str:
        """Mean, deviation, and the number of seeds if some are missing."""
        top1 = self.of(name, task)['top1']
        if not top1:
            return 'not yet run'
        spread = f' ± {statistics.stdev(top1):.1f}' if len(top1) > 1 else ''
        seeds = f' ({len(top1)})' if len(top1) < self.seeds else ''
        return f'{statistics.mean(top1):.1f}{spread}{seeds}'

    def ahead(self, a: str, b: str, task: str = 'motion') -> Tuple[str, str]:
        """How far a is ahead of b, with two standard errors, and a verdict."""
        x, y = self.of(a, task)['top1'], self.of(b, task)['top1']
        if min(len(x), len(y)) < 2:
            return 'not yet run', ''
        gap = statistics.mean(x) - statistics.mean(y)
        error = 2 * (statistics.variance(x) / len(x) +
                     statistics.variance(y) / len(y))**0.5
        verdict = 'undecided' if abs(gap) <= error else \
            'holds' if gap > 0 else 'does not hold'
        return f'{gap:+.1f} ± {error:.1f}', verdict


IMAGE_PETL = ('VideoPrompt', 'VPT', 'Adapter', 'AdaptFormer', 'Pro-tuning')
IMAGE_PETL_SWIN = ('AdaptFormer, Swin', 'prefix-tuning, Swin', 'BitFit, Swin')


def claims(table: Table) -> List[Tuple[str, str, str, str]]:
    """What the papers say: claim, cells that are compared, gap, verdict."""
    motion, looks = (
        table.best(IMAGE_PETL, task) for task in ('motion', 'appearance'))
    swin = table.best(IMAGE_PETL_SWIN)
    grids = [f'frames of a frameset, T = 64: w = h = {n}' for n in (2, 4, 8)]
    rows = [
        ('DualPath is ahead of image-only PETL on motion', 'DualPath', motion,
         'motion'),
        ('DualPath is ahead of image-only PETL on appearance', 'DualPath',
         looks, 'appearance'),
        ('DualPath is ahead of image-only PETL on motion, Swin',
         'DualPath, Swin', swin, 'motion'),
        ('ST-Adapter is ahead of image-only PETL on motion', 'ST-Adapter',
         motion, 'motion'),
        ('DualPath is ahead of ST-Adapter on motion', 'DualPath', 'ST-Adapter',
         'motion'),
        ('DualPath is ahead of full fine-tuning on motion', 'DualPath', 'full',
         'motion'),
        ('the temporal path is needed', 'DualPath', 'paths: spatial alone',
         'motion'),
        ('the spatial path is needed', 'DualPath', 'paths: temporal alone',
         'motion'),
        ('w = h = 4 is better than 2', grids[1], grids[0], 'motion'),
        ('w = h = 4 is better than 8', grids[1], grids[2], 'motion'),
        ('more framesets are better', 'framesets: T_G = 3', 'DualPath',
         'motion'),
        ('more spatial frames are better', 'spatial frames: T_S = 8',
         'spatial frames: T_S = 1', 'motion'),
        ('larger framesets are better', 'frameset resolution: 128 pixels',
         'DualPath', 'motion'),
        ('BAPAT is ahead of AdaptFormer', 'BAPAT', 'AdaptFormer', 'motion'),
        ('BAPAT is ahead of AdaptFormer, Swin', 'BAPAT, Swin',
         'AdaptFormer, Swin', 'motion'),
        ('PATT on K and V is better than on Q', 'PATT', 'PATT on: Q',
         'motion'),
    ]
    return [(claim, f'{a} against {b}, {task}', *table.ahead(a, b, task))
            for claim, a, b, task in rows]


def choices(table: Table) -> List[Tuple[str, str, str, str]]:
    """Where the sources differ and the package had to choose."""
    fixed = 'skip, 3-D positions: '
    rows = [
        ('skip=True is better than the literal Eq. 9', 'DualPath',
         'skip: skip=False'),
        ('so it is with the 3-D positions', fixed + 'skip=True',
         fixed + 'skip=False'),
        ('the frame number on the trained embedding is better than fixed '
         '3-D positions', 'DualPath', 'positions: 3-D, fixed (paper)'),
        ('the frame number is better than nothing added', 'DualPath',
         'positions: none added'),
    ]
    return [(claim, f'{a} against {b}', *table.ahead(a, b))
            for claim, a, b in rows]


def markdown(content: Dict[str, Any]) -> str:
    """The generated page."""
    table, grid = Table(content), content['grid']
    runs = sum(len(row['top1']) for row in content['rows'])
    lines = [
        '# Results in miniature', '',
        'Written by `bash tools/miniature.sh`; not to be edited. '
        f'{content["date"]}, commit {", ".join(content["commits"])}, '
        f'{content["machine"]}. Grid "{grid["name"]}": {grid["videos"]} '
        f'training videos, {grid["epochs"]} epochs, {grid["seeds"]} seeds; '
        f'{runs} trainings of {len(GRIDS[grid["name"]].runs())}. Top-1 in per '
        'cent over 800 test videos, mean ± standard deviation over the seeds. '
        'Still images of unseen digits, recognised by the frozen backbones '
        'before: ' +
        ', '.join(f'{name} {top1:.1f}'
                  for name, top1 in content['pretrained'].items()) + '.', '',
        'Multiply-adds are those of one clip; seconds of a training are the '
        'median, with as many trainings at a time as the machine has cores; '
        'memory is what one training step of 32 clips holds.', '',
        '## Methods', '',
        '| method | motion | appearance | both | trainable | multiply-adds '
        '(M) | seconds | memory (MB) |', '|---' * 8 + '|'
    ]
    chance = ' | '.join(f'{100 / n:.1f}' for n in TASKS.values())
    lines.append(f'| chance | {chance} | | | | |')
    for name in METHODS:
        row = table.of(name)
        if row['top1']:
            lines.append(
                f'| {name} | ' +
                ' | '.join(table.text(name, task) for task in TASKS) +
                f' | {row["trainable"]:,} | {row["macs"] / 1e6:.1f} | '
                f'{statistics.median(row["seconds"]):.0f} | '
                f'{row["memory"] / 2**20:.0f} |')
    for title, found in (('What the papers say', claims(table)),
                         ('What the sources leave open', choices(table))):
        lines += [
            '', f'## {title}', '',
            'Gap of the means ± two standard errors, in points; "undecided" '
            'if the gap is smaller.', '',
            '| | compared | gap | in miniature |', '|---|---|---|---|',
            *('| ' + ' | '.join(row) + ' |' for row in found)
        ]
    lines += ['', '## Ablations, on motion', '']
    lines += ['![](ablations.png)']
    for group, rows in ABLATIONS.items():
        lines += [
            '', f'| {group} | top-1 | trainable | multiply-adds (M) |',
            '|---|---|---|---|'
        ]
        for label, (method, changes) in rows.items():
            name = f'{group}: {label}' if changes else method
            row = table.of(name)
            if row['top1']:
                lines.append(f'| {label} | {table.text(name)} | '
                             f'{row["trainable"]:,} | '
                             f'{row["macs"] / 1e6:.1f} |')
    return '\n'.join(lines) + '\n'


def plot_ablations(table: Table) -> Figure:
    """All ablations side by side: means, and every seed as a dot."""
    columns = 4
    figure = Figure(
        figsize=(13, 3 * -(-len(ABLATIONS) // columns)), layout='constrained')
    grid = figure.subplots(-(-len(ABLATIONS) // columns), columns, sharey=True)
    for axes in grid.flat[len(ABLATIONS):]:
        axes.set_axis_off()
    for axes, (group, rows) in zip(grid.flat, ABLATIONS.items()):
        for x, (label, (method, changes)) in enumerate(rows.items()):
            top1 = table.of(f'{group}: {label}' if changes else method)['top1']
            if top1:
                axes.bar(
                    x,
                    statistics.mean(top1),
                    color='tab:gray' if changes else 'tab:blue',
                    alpha=0.5)
                axes.plot([x] * len(top1), top1, 'k.', markersize=5)
        axes.set_xticks(
            range(len(rows)), [label.replace(' (', '\n(') for label in rows],
            fontsize=8)
        axes.axhline(100 / TASKS['motion'], color='k', lw=0.6, ls=':')
        axes.set_title(f'{group}', fontsize=10)
    for axes in grid[:, 0]:
        axes.set_ylabel('top-1 on motion (%)')
    return figure


def report(grid: Grid) -> None:
    """Write the tables and plots."""
    content = collect(grid)
    table = Table(content)
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / 'results.json').write_text(json.dumps(content, indent=1) + '\n')
    (DOCS / 'results.md').write_text(markdown(content))
    for task in TASKS:
        for backbone in BACKBONES:
            names = [
                name for name in METHODS if table.of(name, task)['top1'] and (
                    ', Swin' in name) == (backbone == 'swin')
            ]
            points = [
                dict(
                    name=name.replace(', Swin', ''),
                    accuracy=table.mean(name, task),
                    source='measured',
                    trainable=table.of(name, task)['trainable'],
                    macs=table.of(name, task)['macs']) for name in names
            ]
            if points:
                plot(points, f'{task}, miniature {backbone}').savefig(
                    DOCS / f'{task}_{backbone}.png', dpi=110)
    plot_ablations(table).savefig(DOCS / 'ablations.png', dpi=110)
    print(f'Wrote {DOCS}.')


def main() -> None:
    """Do one of the three steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('step', choices=('pretrain', 'run', 'report'))
    parser.add_argument('--grid', choices=GRIDS, default='reduced')
    parser.add_argument(
        '--workers',
        type=int,
        default=4 if torch.cuda.is_available() else os.cpu_count(),
        help='trainings at a time')
    args = parser.parse_args()
    grid = GRIDS[args.grid]
    if args.step == 'pretrain':
        context = multiprocessing.get_context('forkserver')
        jobs = [(grid.name, name) for name in BACKBONES]
        with context.Pool(len(jobs)) as pool:
            for _ in track(
                    pool.imap_unordered(pretrain, jobs),
                    'pretraining',
                    total=len(jobs)):
                pass
    elif args.step == 'run':
        for split in ('train', 'test'):
            decode(grid, split)
        run(grid, args.workers)
    else:
        report(grid)


if __name__ == '__main__':
    main()
