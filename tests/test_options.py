"""Any value of any option of any class works or is refused by name."""
import inspect
import re
from typing import (Any, Callable, Dict, Mapping, Optional, Sequence, Tuple,
                    Union)

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmaction.registry import DATASETS, HOOKS, MODELS, TRANSFORMS
from mmengine.registry import HOOKS as ENGINE_HOOKS
from tiny_training import CLIP

from mmdualpath.options import checked, fits


@pytest.mark.parametrize('value, kind, expected', [
    (1, int, True),
    (np.int64(1), int, True),
    (True, int, False),
    (1.5, int, False),
    (1, float, True),
    (np.float32(1), float, True),
    ('1', float, False),
    (1, bool, False),
    (None, Optional[int], True),
    (None, int, False),
    ('x', str, True),
    ([1, 2], Sequence[int], True),
    (range(3), Sequence[int], True),
    ([1, 'x'], Sequence[int], False),
    (3, Sequence[int], False),
    ([1, 2], Tuple[int, int], True),
    ([1, 2, 3], Tuple[int, int], False),
    ((1, 2, 3), Tuple[int, ...], True),
    ([1, 2], Union[int, Tuple[int, int]], True),
    ({}, Mapping, True),
    ([], Mapping, False),
    ({}, Dict[str, int], True),
    (3, np.ndarray, False),
    (3, Any, True),
    (len, Callable, True),
])
def test_types(value, kind, expected):
    assert fits(value, kind) == expected


def test_what_is_given_reaches_the_constructor():
    """By position and by name; defaults need not fit."""

    class Thing:

        @checked
        def __init__(self, a: int, *rest, b: str = None, **more: int) -> None:
            self.all = (a, rest, b, more)

    assert Thing(
        1, 2, 'x', b='y', c='z').all == (1, (2, 'x'), 'y', dict(c='z'))
    assert Thing(1, b=None).all[2] is None
    with pytest.raises(ValueError, match=r"Thing: a='1' must be int\."):
        Thing('1')
    with pytest.raises(ValueError, match='Thing: b=3 must be str'):
        Thing(1, b=3)


ADAPTERS = {
    name: cls
    for name, cls in MODELS.module_dict.items()
    if cls.__module__.startswith('mmdualpath.models.adapters')
}
SITES = dict(
    FramesetPositions='stem',
    FrameIndexPositions='stem',
    FramePositions='stem',
    STAdapter='block',
    VPT='block',
    TokenShift='qkv')
NEEDED_BY_ADAPTERS = dict(num_frames=2, num_framesets=1)
NEEDED = {
    'MLPHead': dict(num_classes=2, in_channels=48),
    'AdaptedBackbone': dict(backbone=CLIP),
    'DualPathDataPreprocessor': {},
    'GridFrameset': {},
    'ClipAugment': dict(transforms=[]),
    'ReliableCheckpointHook': {},
    'AttentionPictureHook': {},
    'ReliableVideoDataset': dict(ann_file='none.txt', pipeline=[]),
}
ANY = st.one_of(
    st.integers(-3, 5), st.floats(), st.text(max_size=3), st.none(),
    st.booleans(), st.lists(st.integers(-2, 5), max_size=2),
    st.lists(st.text(max_size=2), min_size=1, max_size=2), st.just({}))


def options_of(cls) -> list:
    """Names of the options whose types are annotated."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    return [
        p.name for p in parameters
        if p.name not in ('self', 'base') and p.kind not in (2, 4)
    ]


def cases() -> list:
    for name in ADAPTERS:
        options = options_of(ADAPTERS[name]) + ['blocks']
        yield from ((name, option) for option in dict.fromkeys(options))
    for name in NEEDED:
        cls = next(
            c for c in (r.get(name) for r in (MODELS, TRANSFORMS, DATASETS,
                                              HOOKS, ENGINE_HOOKS)) if c)
        yield from ((name, option) for option in options_of(cls))


CASES = list(cases())


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck))
@given(case=st.sampled_from(CASES), value=ANY)
def test_any_value_works_or_is_named(case, value):
    """Each class is built with one option that is anything."""
    name, option = case
    if name in ADAPTERS:
        site = SITES.get(name, 'attn')
        adapter = {'type': name, 'site': site, **NEEDED_BY_ADAPTERS}
        adapter = {
            k: v
            for k, v in adapter.items()
            if k in ('type', 'site') or k in options_of(ADAPTERS[name])
        }
        adapter[option] = value
        cfg = dict(type='AdaptedBackbone', backbone=CLIP, adapters=[adapter])
    else:
        cfg = {'type': name, **NEEDED[name], option: value}
    registry = next(
        r for r in (MODELS, TRANSFORMS, DATASETS, HOOKS, ENGINE_HOOKS)
        if r.get(cfg['type']))
    try:
        registry.build(cfg)
    except ValueError as error:
        assert re.search(f'{option}|No parameter of|one transform|stands at',
                         str(error)), error
    except FileNotFoundError:
        assert name == 'ReliableVideoDataset'
    except KeyError as error:  # MMEngine's, of an inner config
        assert value == {} and 'must contain the key "type"' in str(error)
