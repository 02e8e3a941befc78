"""Sizes and recipe of a training, from the data and the machine."""
import math
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch._subclasses.fake_tensor import FakeTensorMode

from ...analysis.memory import peak_bytes, without_values
from ...analysis.structure import build_structure, without_weights
from ...datasets.checking import Look
from ...engine.hooks.float32_scores import in_float32
from ...models.sites import locate
from ...options import nearest
from .backbones import Backbone

STEPS = 1500  # of a training, where the data has so many
EPOCHS = (4, 60)
AUGMENTATIONS = ('none', 'mild', 'strong')
GIVEN = 'as given'
# What a user may give that is a number, and what it is at least or above.
LEAST = dict(
    frames=1,
    probe_frames=1,
    batch_size=1,
    accumulate=1,
    num_workers=0,
    epochs=1,
    seed=0,
    weight_decay=0)
ABOVE = dict(lr=0, hours=0)
MOST = dict(seed=2**32 - 1)
OTHERS = ('augment', 'flip', 'amp', 'with_cp')


class Choice(NamedTuple):
    """What was chosen, and why.

    Attributes:
        value: What a config says.
        reason: What the comment above it says.
    """
    value: Any
    reason: str


@dataclass
class Machine:
    """What a training may take.

    Attributes:
        cores: Of the CPU, as far as this process may use them.
        memory: Bytes that are free where the network computes.
        gpu: Its name; empty without one.
    """
    cores: int
    memory: int
    gpu: str = ''

    @classmethod
    def here(cls) -> 'Machine':
        """This one, as it is now."""
        cores = len(os.sched_getaffinity(0)) if hasattr(
            os, 'sched_getaffinity') else os.cpu_count() or 1
        if torch.cuda.is_available():
            return cls(cores,
                       torch.cuda.mem_get_info()[0],
                       torch.cuda.get_device_name())
        return cls(cores, _free_memory())


def _free_memory() -> int:
    """Bytes of main memory that a process may still take."""
    pages = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    info, limit = Path('/proc/meminfo'), Path('/sys/fs/cgroup/memory.max')
    if info.is_file():
        lines = dict(
            line.split(':', 1) for line in info.read_text().splitlines())
        pages = 1024 * int(lines['MemAvailable'].split()[0])
    if limit.is_file() and limit.read_text().strip().isdecimal():
        pages = min(pages, int(limit.read_text()))
    return pages


@dataclass
class Facts:
    """What counts of the data.

    Attributes:
        train: Training videos.
        counts: Training videos of each class.
        frames: Median number of frames of a video.
        seconds: Median length of a video.
        several: Whether a video may have several labels.
    """
    train: int
    counts: Sequence[int]
    frames: float
    seconds: float
    several: bool

    @classmethod
    def of(cls, looks: Sequence[Look], labels: Sequence[Sequence[int]],
           classes: int) -> 'Facts':
        """Those of training videos."""
        counts = [0] * classes
        for row in labels:
            for label in row:
                counts[label] += 1
        return cls(
            len(looks), counts, statistics.median(k.frames for k in looks),
            statistics.median(k.seconds for k in looks),
            any(len(row) != 1 for row in labels))

    @property
    def imbalance(self) -> float:
        """Videos of the largest class for one of the smallest."""
        return max(self.counts) / max(min(self.counts), 1)


def refuse(given: Dict[str, Any]) -> None:
    """Compare what a user gives with what there may be.

    Args:
        given: As of :func:`choose`.

    Raises:
        ValueError: If a number is too small or none, an augmentation is
            none, or nothing is called so.
    """
    known = (*LEAST, *ABOVE, *OTHERS)
    for name, value in given.items():
        if name not in known:
            raise ValueError(f'{name!r} is no option of a recipe'
                             f'{nearest(name, known)}')
        if value is None or name in OTHERS:
            continue
        enough = value >= LEAST[name] if name in LEAST else value > ABOVE[name]
        if value > MOST.get(name, math.inf):
            raise ValueError(f'{name}={value}: it is at most {MOST[name]}.')
        if not enough or not math.isfinite(value):
            least = f'at least {LEAST[name]}' if name in LEAST else \
                f'more than {ABOVE[name]}'
            raise ValueError(f'{name}={value}: it is {least}.')
    augment = given.get('augment')
    if augment not in (None, *AUGMENTATIONS):
        raise ValueError(f'augment={augment!r} is none of '
                         f'{", ".join(AUGMENTATIONS)}.')


def choose(given: Dict[str, Any], facts: Facts, backbone: Backbone,
           machine: Machine) -> Dict[str, Choice]:
    """All that the configs need to know.

    Args:
        given: What a user gave, by the names of what is returned; None for
            what was not.
        facts: Of the training videos.
        backbone: What is adapted.
        machine: What there is to train on.

    Raises:
        ValueError: If a clip of that many frames makes no framesets, or as
            :func:`refuse`.
    """
    refuse(given)
    chosen = dict(train_videos=Choice(facts.train, 'found'))

    def choice(name: str, value: Any, reason: str) -> Any:
        own = given.get(name)
        chosen[name] = Choice(value, reason) if own is None \
            else Choice(own, GIVEN)
        return chosen[name].value

    model = backbone.config.model
    preprocessor, network = model.data_preprocessor, model.backbone.backbone
    per_frameset = preprocessor.grid[0] * preprocessor.grid[1]
    long = facts.seconds > 8 and facts.frames >= 4 * per_frameset
    frames = choice(
        'frames', per_frameset * (1 + long),
        f'the median video has {facts.frames:.0f} frames, '
        f'{facts.seconds:.3g} s; a frameset takes {per_frameset}, and '
        f'{"long videos two" if long else "one will do"}')
    if frames % per_frameset:
        raise ValueError(f'frames={frames} make no framesets of '
                         f'{per_frameset}: give a multiple of it.')
    size = network.get('img_size', 224)
    chosen['size'] = Choice(size, 'pixels that the frozen network reads')
    choice('probe_frames', 8,
           'of the frozen network alone; half of what the adapters see')
    few = min(facts.counts)
    choice(
        'augment', 'mild',
        f'the smallest class has {few} training videos; crops of 50 to 100 % '
        'change no motion, and stronger ones pay in long trainings')
    choice('flip', False, 'the names of classes may tell left from right')

    amp = choice(
        'amp',
        bool(machine.gpu) and torch.cuda.is_bf16_supported(),
        f'bfloat16 on {machine.gpu}'
        if machine.gpu else 'without a GPU bfloat16 saves nothing')
    cfg = model_for(backbone, len(facts.counts), frames)
    seconds = seconds_of(cfg, frames, size, machine, amp)
    room = 0.6 * machine.memory
    fixed, each = bytes_of_clips(cfg, frames, size, False)
    tight = fixed + 2 * each > room
    with_cp = choice(
        'with_cp', tight, f'without it a clip takes {each / 1e9:.2g} GB, and '
        f'{machine.memory / 1e9:.3g} GB are free')
    if with_cp:
        fixed, each = bytes_of_clips(cfg, frames, size, True)
    fits = max(1, int((room - fixed) // each))
    # A line of the log within some 20 s.
    quick = 64 if machine.gpu else max(1, int(20 / seconds))
    batch = choice(
        'batch_size',
        _power_of_two(min(16, fits, quick, max(1, facts.train // 2))),
        f'{fits} clips fit into the memory that is free, a clip takes '
        f'{seconds:.2g} s, and there are {facts.train} training videos')
    accumulate = choice(
        'accumulate', max(1,
                          min(8, facts.train // 2) // batch),
        f'steps of {batch} clips are added up to about 8, where there are as '
        'many')
    step = min(batch * accumulate, facts.train)
    choice(
        'num_workers', max(1, min(8, machine.cores // 2, batch)),
        f'{machine.cores} cores; each worker has about 0.3 GB and reads '
        'ahead')

    clips = max(1, facts.train // step)
    least, most = EPOCHS
    epochs = max(least, min(most, -(-STEPS // clips)))
    hours = given.get('hours') or (None if machine.gpu else 2.)
    lasts = facts.train * seconds / 3600
    reason = (f'{clips} steps an epoch; about {STEPS} steps are enough, and '
              f'no more than {most} epochs')
    if hours and epochs * lasts > hours:
        epochs = max(1, int(hours / lasts))
        reason = (f'an epoch takes about {60 * lasts:.0f} min here, and '
                  f'--hours {hours:g} are allowed')
    choice('epochs', epochs, reason)
    narrow = width_of(model) < 192
    rate = 2e-3 * (step / 16)**.5 if narrow else 3e-4 * (step / 64)**.5
    choice(
        'lr', float(f'{rate:.2g}'),
        f'{"2e-3 for 16" if narrow else "3e-4 for 64"} clips a step, times '
        'the root of their share; '
        f'{"narrow networks learn faster" if narrow else "Table A1"}')
    chosen['interval'] = Choice(
        max(1, min(50, round(10 / (batch * seconds)))),
        'a line of the log every ten seconds')
    chosen['save_every'] = Choice(
        accumulate * max(1, round(60 / (step * seconds))),
        'a checkpoint a minute, to go on from after a kill')
    choice('seed', 0, 'of all that is drawn')
    choice('weight_decay', 0.05, 'Table A1')
    return chosen


def model_for(backbone: Backbone, classes: int, frames: int) -> Config:
    """DualPath on some frames; a config with ``model`` and an optimizer."""
    cfg = backbone.config
    cfg.merge_from_dict(
        dict(
            model=dict(
                backbone=dict(
                    temporal=dict(
                        adapters=dict(
                            positions=dict(
                                num_framesets=framesets(cfg, frames))))),
                cls_head=dict(num_classes=classes, topk=(1, )),
                data_preprocessor=dict(
                    num_spatial_frames=spatial_frames(cfg, frames))),
            optim_wrapper=dict(
                type='OptimWrapper',
                constructor='TrainableParamsConstructor',
                optimizer=dict(type='AdamW', lr=1e-5))))
    return cfg


def framesets(cfg: Config, frames: int) -> int:
    """How many a clip makes."""
    rows, columns = cfg.model.data_preprocessor.grid
    return frames // (rows * columns)


def spatial_frames(cfg: Config, frames: int) -> Any:
    """Those of a clip; numbers of frames keep their places in it."""
    given = cfg.model.data_preprocessor.num_spatial_frames
    before = cfg.model.data_preprocessor.grid[0]**2
    if isinstance(given, int) or frames == before:
        return given
    half = [i * frames // before for i in given[:-(-len(given) // 2)]]
    mirrored = [frames - 1 - i for i in half]
    return sorted({*half, *mirrored})


def seconds_of(cfg: Config, frames: int, size: int, machine: Machine,
               amp: bool) -> float:
    """Seconds of a training step of one clip, with random weights."""
    device = 'cuda' if machine.gpu else 'cpu'
    model = MODELS.build(without_weights(cfg.model)).to(device).train()
    wrapper = cfg.optim_wrapper.copy()
    if amp:
        wrapper.update(type='AmpOptimWrapper', dtype='bfloat16')
    optim_wrapper = build_optim_wrapper(model, wrapper)
    model.cls_head.register_forward_hook(in_float32)  # as in a training
    label = torch.zeros(cfg.model.cls_head.num_classes) \
        if cfg.model.cls_head.get('multi_class') else 0
    taken: List[float] = []
    for _ in range(2):
        data = dict(
            inputs=[
                torch.randint(
                    255, (1, 3, frames, size, size), dtype=torch.uint8)
            ],
            data_samples=[ActionDataSample().set_gt_label(label)])
        start = time.perf_counter()
        model.train_step(data, optim_wrapper)
        if machine.gpu:
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return taken[-1]


def bytes_of_clips(cfg: Config, frames: int, size: int,
                   with_cp: bool) -> List[float]:
    """Bytes of a step without a clip, and of each clip; nothing computes."""
    cfg = cfg.copy()
    cfg.model.backbone.with_cp = with_cp
    peaks = []
    for clips in (1, 2):
        model = build_structure(cfg.model)
        with FakeTensorMode():
            model = without_values(model).train()
            data = torch.empty(clips, 1, 3, frames, size, size)

            def step() -> None:
                model(data, stage='head').sum().backward()

            weights = sum(p.nbytes for p in set(model.parameters()))
            peaks.append(weights + peak_bytes(step))
    each = max(1, peaks[1] - peaks[0])
    return [peaks[0] - each, each]


def width_of(model: Config) -> int:
    """Channels of the last block of a frozen network."""
    base = build_structure(model).backbone
    return locate(base.spatial.base, 'block', (-1, ))[0].site.dims


def _power_of_two(number: Optional[int]) -> int:
    """The largest one that is no more."""
    return 1 << (max(1, int(number)).bit_length() - 1)
