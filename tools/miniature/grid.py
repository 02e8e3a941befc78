"""What the miniature study compares: cells, the tables they stand in, grids.

A cell is a shipped config and a few options of it, by dotted name. What all
cells have in common, such as when a training ends, stands in the configs.
"""
import hashlib
import json
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from mmengine.config import Config, ConfigDict

CONFIGS = Path(__file__).parents[2] / 'configs'
FROZEN = Path(__file__).parent / 'backbones'
TASKS = dict(motion=8, appearance=10, both=16)  # classes of each
BACKBONES = {  # a config of its pretraining, a folder of images, width
    'vit-micro': ('pretrain_vit-micro_digits', 'images', 48),
    'vit-rotary-micro': ('pretrain_vit-rotary-micro_digits', 'images', 48),
    'swin-micro': ('pretrain_swin-micro_digits', 'images-and-photos', 96)
}
# What the file of a training's result says of its cell, and of itself.
OF_CELL = ('trainable', 'macs', 'interval')
OF_TRAINING = ('curve', 'amplitude', 'stills', 'seconds', 'commit', 'cpu')

SPATIAL = 'model.backbone.spatial'
TEMPORAL = 'model.backbone.temporal'
HEAD = 'model.cls_head'
VIEWS = 'model.data_preprocessor'


@lru_cache(maxsize=None)
def shipped(name: str) -> Config:
    """A config of ``configs/miniature``; not to be changed."""
    return Config.fromfile(CONFIGS / f'miniature/{name}.py')


@dataclass(frozen=True)
class Cell:
    """A config and what is changed in it.

    Attributes:
        config: Name of a config of ``configs/miniature``.
        options: Changes, by dotted name; a whole dict replaces what is there.
        backbone: Name of the frozen backbone.
        frames: Frames T of a clip.
        task: One of ``TASKS``.
        match: Times which the fixed code is to have the standard deviation of
            the tokens it is added to; measured before the training. None if
            the config's own amplitude counts.
    """
    config: str = 'dualpath_vit-micro_digits'
    options: Mapping[str, Any] = field(default_factory=dict)
    backbone: str = 'vit-micro'
    frames: int = 16
    task: str = 'motion'
    match: Optional[float] = None

    def resolve(self) -> Config:
        """The config with its options, of no seed and no place yet."""
        cfg = deepcopy(shipped(self.config))
        for name, value in self.options.items():
            *holders, leaf = name.split('.')
            part = cfg
            for key in holders:
                part = part[key]
            if isinstance(value, Mapping):
                value = ConfigDict(deepcopy(dict(value)))
            part[leaf] = deepcopy(value)
        cfg.model.cls_head.num_classes = TASKS[self.task]
        for part in ('train', 'val', 'test'):
            pipeline = cfg[f'{part}_dataloader'].dataset.pipeline
            pipeline[1].clip_len = self.frames
        return cfg

    def digest(self) -> str:
        """A short hash of everything about the cell that decides figures."""
        cfg = self.resolve()
        parts = ('model', 'optim_wrapper', 'param_scheduler', 'custom_hooks',
                 'train_cfg')
        content = {
            **{
                k: cfg[k]
                for k in parts
            }, 'batch': cfg.train_dataloader.batch_size,
            'cell': (self.frames, self.task, self.match)
        }
        text = json.dumps(content, sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def symmetric(number: int, length: int = 16) -> List[int]:
    """Frames of a clip, spread evenly and symmetrically in time."""
    first = [(2 * i + 1) * length // (2 * number) for i in range(number // 2)]
    middle = [length // 2] if number % 2 else []
    return first + middle + [length - 1 - i for i in reversed(first)]


ADAPTERS = {
    'vit-micro': ('attn', 'mlp'),
    'vit-rotary-micro': ('attn', 'mlp'),
    'swin-micro': ('window_attn', 'mlp')
}
CODES = {'3-D': 'FramesetPositions', 'frame number': 'FrameIndexPositions'}
EMBEDDINGS = ('none', 'frozen', 'trained', 'fresh')
Amplitude = Union[float, str]


def temporal(code: str = '3-D',
             amplitude: Amplitude = 'match',
             match: Optional[float] = None,
             skip: bool = True,
             embedding: str = 'none',
             framesets: int = 1,
             grid: int = 4,
             size: int = 64,
             width: int = 32,
             init: str = 'kaiming_normal',
             warmup: int = 100,
             backbone: str = 'vit-micro') -> Cell:
    """The temporal path alone, of which the study's main part is.

    Args:
        code: ``3-D``, ``frame number`` or ``no code``.
        amplitude: Of the code.
        match: Instead of the amplitude, times that of ``'match'``.
        skip: Whether serial adapters have an inner skip; without, they are
            the literal Eq. 9.
        embedding: The backbone's position embedding: ``none`` of it, as it
            was pretrained and ``frozen`` or ``trained``, or trained from
            random values, ``fresh``.
        framesets: T_G.
        grid: Frames down and across a frameset.
        size: Pixels of a frameset.
        width: Of the adapters.
        init: Of the adapters; ``trunc_normal`` is one whose first step is not
            the identity.
        warmup: Steps.
        backbone: Of ``BACKBONES``.
    """
    if embedding not in EMBEDDINGS:
        raise ValueError(f'embedding={embedding!r} is none of {EMBEDDINGS}.')
    attn, mlp = ADAPTERS[backbone]
    adapter = dict(width=width, init=init, skip=skip)
    adapters = dict(
        attn_in=dict(type='PreAdapter', site=attn, **adapter),
        attn_out=dict(type='SerialAdapter', site=attn, **adapter),
        mlp=dict(type='SerialAdapter', site=mlp, **adapter))
    if code != 'no code':
        adapters['positions'] = dict(
            type=CODES[code],
            site='stem',
            amplitude='match' if match else amplitude,
            num_framesets=framesets,
            grid=(grid, grid))
    view = dict(adapters=adapters)
    if backbone.startswith('vit'):
        trained = ['cls_token']
        view.update(
            trainable=trained + ['pos_embed'] * (embedding == 'trained'),
            zero=['pos_embed'] * (embedding == 'none'),
            fresh=['pos_embed'] * (embedding == 'fresh'))
    options = {
        SPATIAL: None,
        TEMPORAL: view,
        f'{HEAD}.in_channels': BACKBONES[backbone][2],
        f'{VIEWS}.num_spatial_frames': None,
        f'{VIEWS}.grid': (grid, grid),
        f'{VIEWS}.frameset_size': size
    }
    if warmup != 100:
        options['param_scheduler'] = [
            dict(
                type='LinearLR', start_factor=0.01, end=warmup, by_epoch=False)
        ]
    return Cell(
        f'dualpath_{backbone}_digits',
        options,
        backbone,
        frames=framesets * grid**2,
        match=match)


def one_path(*adapters: dict,
             trainable: Tuple[str, ...] = (),
             lr: Optional[float] = None,
             frames: int = 4,
             task: str = 'motion',
             backbone: str = 'vit-micro') -> Cell:
    """A method that reads frames, with DualPath's own head on their mean."""
    options = {
        TEMPORAL: None,
        SPATIAL: dict(adapters=list(adapters), trainable=list(trainable)),
        f'{HEAD}.in_channels': BACKBONES[backbone][2],
        f'{VIEWS}.num_spatial_frames': symmetric(frames),
        f'{VIEWS}.grid': None
    }
    if lr:
        options['optim_wrapper.optimizer.lr'] = lr
    return Cell(f'dualpath_{backbone}_digits', options, backbone, task=task)


def with_head(*adapters: dict, task: str = 'motion') -> Cell:
    """An image method with the temporal transformer on top of its frames."""
    return Cell(
        'frames_vit-micro_digits', {
            'model.backbone.adapters': list(adapters),
            f'{HEAD}.num_frames': 4
        },
        frames=4,
        task=task)


def on_features(head: str, backbone: dict, **options: Any) -> Cell:
    """A head that reads frozen features; ``backbone`` says which."""
    shape = dict(
        num_classes=8,
        in_channels=48,
        num_frames=4,
        topk=(1, ),
        average_clips='prob')
    return Cell(
        'features_vit-micro_digits', {
            HEAD: dict(type=head, **shape, **options),
            **{
                f'model.backbone.{name}': value
                for name, value in backbone.items()
            }
        },
        frames=4)


ADAPTFORMER = dict(
    type='ParallelAdapter',
    site='mlp',
    width=32,
    scale=0.1,
    act_cfg=dict(type='ReLU'))
VPT = dict(type='VPT', site='block', num_prompts=8)
EVERYTHING = dict(trainable=('.*', ), lr=1e-3)  # pretrained weights train


def st_adapter(frames: int = 4) -> dict:
    """ST-Adapter's adapter."""
    return dict(
        type='STAdapter', site='residual_mlp', width=32, num_frames=frames)


def attention(frames: int = 4) -> Tuple[dict, dict]:
    """Divided temporal attention, and positions in time."""
    return (dict(type='FramePositions', site='stem', num_frames=frames),
            dict(
                type='TemporalAttention',
                site='block',
                num_frames=frames,
                num_heads=3))


def aim(frames: int = 4) -> Tuple[dict, ...]:
    """AIM's adapters, one of them for time."""
    adapter = dict(width=32, init='trunc_normal_down')
    return (dict(type='FramePositions', site='tokens', num_frames=frames),
            dict(type='SerialAdapter', site='attn', **adapter),
            dict(type='ParallelAdapter', site='mlp', scale=0.5, **adapter),
            dict(
                type='TemporalAdaptation',
                site='block',
                num_frames=frames,
                **adapter))


def zeroi2v(frames: int = 4) -> Tuple[dict, ...]:
    """ZeroI2V's adapters and shifted heads."""
    linear = dict(width=32, act_cfg=None, init='trunc_normal_down')
    return (dict(type='FramePositions', site='tokens', num_frames=frames),
            dict(type='PreAdapter', site='qkv', **linear),
            dict(type='STDHA', site='qkv', num_frames=frames, num_heads=3),
            dict(type='SerialAdapter', site='proj',
                 **linear), dict(type='PreAdapter', site='fc1', **linear),
            dict(type='SerialAdapter', site='fc2', **linear))


def tia(frames: int = 4) -> dict:
    """TIA behind every block."""
    return dict(type='TIA', site='block', width=32, num_frames=frames)


def everywhere(**adapter: Any) -> List[dict]:
    """An adapter at every linear layer of a block."""
    return [
        dict(site=site, **adapter) for site in ('qkv', 'proj', 'fc1', 'fc2')
    ]


def methods(task: str) -> Dict[str, Cell]:
    """All methods on a task, with one head."""
    return {
        'DualPath': Cell(task=task),
        'linear': one_path(task=task),
        'VPT': one_path(VPT, task=task),
        'AdaptFormer': one_path(ADAPTFORMER, task=task),
        'ST-Adapter': one_path(st_adapter(), task=task),
        'full': one_path(task=task, **EVERYTHING),
        'full, temporal attention':
        one_path(*attention(), task=task, **EVERYTHING),
        'AIM': one_path(*aim(), task=task),
        'ZeroI2V': one_path(*zeroi2v(), task=task),
        'TIA': one_path(tia(), task=task),
        'LoRA': one_path(*everywhere(type='LoRA', rank=8), task=task),
        'SSF': one_path(*everywhere(type='SSF'), task=task)
    }


# Tables of cells by label. A cell that stands in several is trained once.
Table = Dict[str, Cell]
FORMS = {'skip': True, 'literal': False}


def amplitudes(*times: float, **changes: Any) -> Table:
    """Cells whose code is so many times as loud as the tokens, 1, learned."""
    cells = {f'{t:g} x match': temporal(match=t, **changes) for t in times}
    return {
        'match': temporal(**changes),
        '1': temporal(amplitude=1., **changes),
        'learned from 1': temporal(amplitude='learn', **changes),
        **cells
    }


def by_form(make: Any, **changes: Any) -> Table:
    """The same cells with skip and literal."""
    return {
        f'{label}, {form}': cell
        for form, skip in FORMS.items()
        for label, cell in make(skip=skip, **changes).items()
    }


def tables() -> Dict[str, Table]:
    """Everything that the whole grid compares."""
    sweep = (0.1, 0.3, 3., 10., 30.)
    found = {
        'amplitude': {
            f'{amp}, {form}':
            temporal(amplitude='match' if amp == 'match' else 1., skip=skip)
            for form, skip in FORMS.items()
            for amp in ('match', '1')
        },
        'amplitude, 3-D':
        by_form(lambda **k: amplitudes(*sweep, **k)),
        'amplitude, frame number':
        by_form(lambda **k: amplitudes(*sweep, code='frame number', **k)),
        'positions': {
            f'{code}, {embedding}, {form}':
            temporal(code, skip=skip, embedding=embedding)
            for form, skip in FORMS.items()
            for embedding in EMBEDDINGS
            for code in ('3-D', 'frame number', 'no code')
        },
        'rotary': {
            f'{code}, {embedding}':
            temporal(code, embedding=embedding, backbone='vit-rotary-micro')
            for embedding in EMBEDDINGS
            for code in ('3-D', 'frame number', 'no code')
        },
        'literal': {
            'as it is':
            temporal(skip=False),
            'non-zero start':
            temporal(skip=False, init='trunc_normal'),
            'warm-up of 1,000 steps':
            temporal(skip=False, warmup=1000),
            'width 64':
            temporal(skip=False, width=64),
            'all three':
            temporal(skip=False, init='trunc_normal', warmup=1000, width=64),
            'as it is, amplitude 1':
            temporal(skip=False, amplitude=1.),
            'non-zero start, amplitude 1':
            temporal(skip=False, amplitude=1., init='trunc_normal')
        },
        'framesets': {
            f'T_G = {n}, amplitude {amp}':
            temporal(framesets=n, amplitude=1. if amp == '1' else amp)
            for n in (1, 2, 3)
            for amp in ('match', '1')
        },
        # Every frame has 2 x 2 patches, whatever the grid.
        'grid of 16 frames': {
            f'w = h = {n}':
            temporal(framesets=16 // n**2, grid=n, size=16 * n)
            for n in (2, 4)
        },
        'grid of 64 frames': {
            f'w = h = {n}, amplitude {amp}':
            temporal(
                framesets=64 // n**2,
                grid=n,
                size=16 * n,
                amplitude=1. if amp == '1' else amp)
            for n in (2, 4, 8)
            for amp in ('match', '1')
        },
        'frameset size': {
            '64 pixels': temporal(),
            '128 pixels': temporal(size=128),
            '128 pixels, amplitude 1': temporal(size=128, amplitude=1.)
        },
        'width': {
            f'width {width}': temporal(width=width)
            for width in (8, 16, 32, 64)
        },
        'Swin': {
            f'{amp}, {form}':
            temporal(
                amplitude=1. if amp == '1' else amp,
                skip=skip,
                backbone='swin-micro')
            for form, skip in FORMS.items()
            for amp in ('match', '1')
        },
        'Swin, amplitude':
        amplitudes(*sweep, backbone='swin-micro'),
        'paths': {
            'both':
            Cell(),
            'temporal alone':
            temporal(),
            'spatial alone':
            Cell(options={
                TEMPORAL: None,
                f'{VIEWS}.grid': None,
                f'{HEAD}.in_channels': 48
            })
        },
        'spatial frames': {
            f'T_S = {n}':
            Cell(options={f'{VIEWS}.num_spatial_frames': symmetric(n)})
            for n in (1, 2, 4, 8)
        },
        'motion': {
            **methods('motion'), 'linear, temporal head':
            with_head(),
            'VPT, temporal head':
            with_head(VPT),
            'AdaptFormer, temporal head':
            with_head(ADAPTFORMER),
            'ST-Adapter, 8 frames':
            one_path(st_adapter(8), frames=8),
            'full, temporal attention, 8 frames':
            one_path(*attention(8), frames=8, **EVERYTHING)
        },
        'motion, Swin': {
            'DualPath': Cell('dualpath_swin-micro_digits', {}, 'swin-micro'),
            'AdaptFormer': one_path(ADAPTFORMER, backbone='swin-micro'),
            'ST-Adapter': one_path(st_adapter(), backbone='swin-micro')
        },
        'appearance': {
            **methods('appearance'), 'linear, temporal head':
            with_head(task='appearance'),
            'AdaptFormer, temporal head':
            with_head(ADAPTFORMER, task='appearance')
        },
        'both':
        methods('both'),
        # One block is read or both, of frames that have not seen each other.
        'frozen features': {
            'mean of class tokens':
            on_features('FrameMeanHead', backbone=dict(tokens='class_token')),
            'temporal transformer over class tokens':
            on_features(
                'TemporalTransformerHead',
                num_heads=4,
                backbone=dict(tokens='class_token')),
            'attentive probe':
            on_features(
                'AttentiveProbe',
                num_heads=4,
                backbone=dict(tokens='all', final_norm=True)),
            'EVL':
            on_features(
                'EVLDecoder',
                num_layers=2,
                num_heads=3,
                grid=8,
                backbone=dict(tokens='all', blocks=[0, 1], queries_keys=True)),
            'Side4Video':
            on_features(
                'SideNetwork',
                dims=32,
                num_blocks=2,
                patch_size=8,
                grid=8,
                backbone=dict(tokens='all', blocks=[0, 1], images=True)),
            'DualPath':
            Cell(),
            'ST-Adapter':
            one_path(st_adapter())
        }
    }
    return found


@dataclass(frozen=True)
class Grid:
    """Which cells are trained, how often and for how long.

    Attributes:
        name: What it is called.
        chosen: Of each table how often a cell is trained, and the labels of
            those that are; no labels for all. A cell that stands in several
            tables is trained as often as any of them says.
        videos: Training and test videos.
        images: Training and test images of the backbones' pretraining.
        pretrain: Steps of it.
        steps: Steps after which a training ends at the latest.
        interval: Steps between evaluations.
        patience: Evaluations without a new best after which it ends.
        study: Whether it is a part of the study, whose grids share frozen
            backbones, data and results; otherwise it has its own.
    """
    name: str
    chosen: Mapping[str, Tuple[int, Tuple[str, ...]]]
    videos: Tuple[int, int] = (6000, 800)
    images: Tuple[int, int] = (16000, 1600)
    pretrain: int = 3000
    steps: int = 10_000
    interval: int = 250
    patience: int = 10
    study: bool = True

    @property
    def work(self) -> Path:
        """Folder of all its results."""
        return Path('work_dirs/miniature') / ('study'
                                              if self.study else self.name)

    @property
    def data(self) -> Path:
        """Folder of its images and prepared videos."""
        return Path('data/miniature') / self.work.name

    def pretrained(self, backbone: str) -> Path:
        """A frozen backbone's weights; what is known of it lies beside them.

        Those of the study come along, so that it goes on with the same ones
        on any machine.
        """
        folder = FROZEN if self.study else self.work / 'backbones'
        return folder / f'{backbone}.pth'

    def stills(self, backbone: str) -> float:
        """Unseen still images that a frozen backbone recognises, per cent."""
        path = self.pretrained(backbone).with_suffix('.json')
        return json.loads(path.read_text())['top1']

    def place(self, cell: Cell, seed: int) -> Path:
        """Where the result of a training is."""
        return self.work / 'trainings' / f'{cell.digest()}-{seed}.json'

    def tables(self) -> Dict[str, Table]:
        """The tables with the cells that are trained.

        Raises:
            ValueError: If there is no such table or label.
        """
        whole = tables()
        found = {}
        for table, (_, labels) in self.chosen.items():
            unknown = set(labels) - set(whole.get(table, {}))
            if table not in whole or unknown:
                raise ValueError(
                    f'{self.name}: there is no {table!r} with '
                    f'{sorted(unknown)}; there are {list(whole)}, with '
                    f'{list(whole.get(table, {}))}.')
            found[table] = {
                label: cell
                for label, cell in whole[table].items()
                if not labels or label in labels
            }
        return found

    def only(self, names: Sequence[str]) -> 'Grid':
        """The same grid with some of its tables; none for all.

        Raises:
            ValueError: If it has no such table.
        """
        if unknown := set(names) - set(self.chosen):
            raise ValueError(f'{self.name}: there is no table '
                             f'{sorted(unknown)}; there are '
                             f'{list(self.chosen)}.')
        chosen = {name: self.chosen[name] for name in names}
        return replace(self, chosen=chosen) if names else self

    def runs(self) -> List[Tuple[str, Cell, int]]:
        """Name, cell and seed of every training, in their order.

        Table by table, each seed by seed, so that what is done at any time is
        a study.
        """
        found: Dict[Tuple[str, int], Tuple[str, Cell, int]] = {}
        for table, rows in self.tables().items():
            for seed in range(self.chosen[table][0]):
                for label, cell in rows.items():
                    found.setdefault((cell.digest(), seed),
                                     (f'{table}: {label}', cell, seed))
        return list(found.values())


QUICK = Grid(
    'quick', {
        'amplitude': (1, ()),
        'motion': (1, ('DualPath', 'linear, temporal head'))
    },
    videos=(48, 16),
    images=(64, 20),
    pretrain=4,
    steps=6,
    interval=2,
    patience=2,
    study=False)
REDUCED = Grid(
    'reduced', {
        'amplitude': (5, ()),
        'amplitude, 3-D': (1, ('learned from 1, skip', '3 x match, skip')),
        'motion': (1, ('DualPath', 'ST-Adapter', 'AIM', 'TIA', 'LoRA')),
        'Swin': (1, ('match, skip', '1, skip')),
        'positions':
        (1, ('frame number, none, skip', 'no code, none, skip',
             'no code, trained, skip', 'frame number, trained, skip')),
        'frozen features': (1, ('mean of class tokens', 'EVL', 'Side4Video')),
        'rotary': (1, ('3-D, none', 'no code, none')),
        'appearance': (1, ('DualPath', 'AdaptFormer')),
        'paths': (1, ('spatial alone', )),
        'framesets': (1, ('T_G = 3, amplitude match', ))
    })
WHOLE = Grid(
    'whole',
    {table: (7 if table == 'amplitude' else 1, ())
     for table in tables()})
GRIDS = {grid.name: grid for grid in (QUICK, REDUCED, WHOLE)}


def named(name: str) -> Grid:
    """A grid by its name.

    Raises:
        ValueError: If there is none.
    """
    if name not in GRIDS:
        raise ValueError(f'grid={name!r} is none of {", ".join(GRIDS)}.')
    return GRIDS[name]
