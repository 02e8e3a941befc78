"""What is compared in miniature: methods, ablations, how much of each."""
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

from mmengine.config import Config

CONFIGS = Path(__file__).parents[2] / 'configs'
TASKS = dict(motion=8, appearance=10, both=16)  # classes of each
LENGTH = 48  # frames of a video
BATCH = 16  # clips of a training step

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


@dataclass(frozen=True)
class Cell:
    """A config and what is changed in it.

    Attributes:
        config: Path under ``configs``.
        options: Changes, by dotted name.
        backbone: Name of the frozen backbone.
        lr: Learning rate.
        frames: Frames of a clip.
        longer: Times the epochs of the grid.
    """
    config: str
    backbone: str
    options: Mapping[str, Any] = field(default_factory=dict)
    lr: float = 3e-3
    frames: int = 8
    longer: int = 1

    def but(self, **changes: Any) -> 'Cell':
        """The same cell with other options; ``__`` stands for a dot."""
        own = {
            k: changes.pop(k)
            for k in ('lr', 'frames', 'longer') if k in changes
        }
        changes = {k.replace('__', '.'): v for k, v in changes.items()}
        return replace(self, options={**self.options, **changes}, **own)

    def load(self, task: str, seed: int, work_dir: Path,
             grid: 'Grid') -> Config:
        """The whole config of one training."""
        epochs = self.longer * grid.epochs
        cfg = Config.fromfile(CONFIGS / f'{self.config}.py')
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
            'train_dataloader.batch_size':
            BATCH,
            'train_cfg.max_epochs':
            epochs,
            'train_cfg.val_interval':
            epochs + 1,
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
        warmup = 0.1 * epochs
        cfg.param_scheduler[0].end = warmup
        cfg.param_scheduler[1].update(
            begin=warmup, end=epochs, T_max=epochs - warmup)
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
    cell = Cell('miniature/frames_vit-mini_digits', backbone, options)
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
# and 4 compare. Without a change it is a cell that is there already.
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
    'training time': {
        label: (method, dict(longer=2) if '2 x' in label else {})
        for method in ('AdaptFormer', 'ST-Adapter', 'DualPath')
        for label in (method, f'{method}, 2 x')
    },
    'learning rate': {
        f'{method}, {lr:g}':
        (method, {} if lr == METHODS[method].lr else dict(lr=lr))
        for method in ('AdaptFormer', 'ST-Adapter', 'DualPath')
        for lr in (3e-3, 5e-3)
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
        'skip=True': ('positions: 3-D, fixed (paper)', {}),
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


@dataclass(frozen=True)
class Grid:
    """How much of everything.

    Attributes:
        name: What it is called.
        videos: Training videos.
        epochs: Over them.
        seeds: Trainings of each cell on a task.
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
        """Task, cell and seed of every training; ablations on motion.

        Methods first, and Swin on other tasks than motion last.
        """
        methods, ablations, late = [], [], []
        for seed in range(self.seeds):
            for name in cells():
                if name not in METHODS:
                    ablations.append(('motion', name, seed))
                    continue
                for task in TASKS if name in self.core else self.tasks:
                    later = task != 'motion' and 'Swin' in name
                    (late if later else methods).append((task, name, seed))
        return methods + ablations + late


REDUCED = Grid(
    'reduced',
    videos=2500,
    epochs=3,
    seeds=3,
    tasks=('motion', 'appearance'),
    core=('DualPath', 'linear', 'full', 'AdaptFormer', 'ST-Adapter'))
FULL = Grid('full', videos=16000, epochs=6, seeds=5, tasks=tuple(TASKS))
GRIDS = {grid.name: grid for grid in (REDUCED, FULL)}
