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
from mmengine import registry
from mmengine.registry import HOOKS as ENGINE_HOOKS
from tiny_training import CLIP
from torch import nn

from mmdualpath.models.adapters import Site
from mmdualpath.options import OptionError, build, checked, fits


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
    ('.*bias', Sequence[str], False),
    ('ab', Tuple[str, str], False),
    (3, int | None, True),
    (None, int | None, True),
    ('3', int | None, False),
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


def test_any_class_may_check_its_options():
    """A class that inherits its constructor is named as it was written."""

    @checked
    class Thing:

        def __init__(self, a: int) -> None:
            self.a = a

    class Special(Thing):
        pass

    assert checked(checked(Special))(3).a == 3
    with pytest.raises(ValueError, match='Special: a=None must be int'):
        Special(None)


class Inner:

    @checked
    def __init__(self, place: str, width: int = 3, *, depth: float = 0.):
        self.options = place, width, depth


@checked
class Outer:

    def __init__(self, scale: float = 1., **inner) -> None:
        self.inner = Inner('here', **inner)


class Stock:

    def __init__(self, clip_len: int = 1) -> None:
        self.clip_len = clip_len


@checked
class Ours(Stock):

    def __init__(self, *args, repeat: bool = False, **kwargs) -> None:
        super().__init__(*args, **kwargs)


@pytest.mark.parametrize('cls, options, message', [
    (Outer, dict(width=64.), 'Outer: width=64.0 must be int.'),
    (Outer, dict(widht=8), 'Outer has no option widht: did you mean width? '
     'Its options are scale, width, depth.'),
    (Outer, dict(place='there'), "got multiple values for argument 'place'"),
    (Ours, dict(clp_len=2), 'Ours has no option clp_len: did you mean '
     'clip_len? Its options are repeat, clip_len.'),
    (Ours, dict(zzz=2), 'Ours has no option zzz. Its options are repeat, '
     'clip_len.'),
])
def test_options_are_handed_on_by_name(cls, options, message):
    """To another class and to the parent, by the name that was written."""
    with pytest.raises((ValueError, TypeError)) as error:
        cls(**options)
    assert str(error.value).endswith(message)


def test_an_error_of_something_else_stays():
    """Of an object of the same option's name, or with other arguments."""

    @checked
    class Thing:

        def __init__(self, width: int = 1, **more) -> None:
            Inner('here', width='x')

    with pytest.raises(ValueError, match="Inner: width='x' must be int"):
        Thing(width=2)

    @checked
    class Other:

        def __init__(self, **more) -> None:
            dict.fromkeys(wrong=1)

    with pytest.raises(TypeError, match='fromkeys'):
        Other(width=2)


@pytest.mark.parametrize('cfg, message', [
    (dict(type='ParallelAdapter', widht=8),
     'ParallelAdapter has no option widht: did you mean width? Its options '
     'are scale, drop_path, width, act_cfg, dropout, init.'),
    (dict(type='STAdapter', num_frames=2,
          kernel_size=3), 'STAdapter: kernel_size=3 must be Sequence[int].'),
    (dict(type='SerialAdapter',
          width=64.), 'SerialAdapter: width=64.0 must be int.'),
    (dict(type='ParalelAdapter'), 'There is no ParalelAdapter among the '
     '"model" types of mmaction: did you mean ParallelAdapter or '
     'ParallelSTAdapter?'),
    (dict(type='ParallelAdapter',
          site='mlp'), 'ParallelAdapter: site is not for a config to set.'),
    (dict(width=8), "{'width': 8} names no type."),
])
def test_what_a_config_names_is_built_or_refused(cfg, message):
    site = Site('block', 48, 0, 2, 1)
    with pytest.raises(ValueError) as error:
        build(MODELS, cfg, base=nn.Identity(), site=site)
    assert str(error.value) == message


def test_what_a_config_names_is_built():
    site = Site('block', 48, 0, 2, 1)
    cfg = dict(type='ParallelAdapter', width=8)
    adapter = build(MODELS, cfg, base=nn.Identity(), site=site)
    assert adapter.adapter.down.out_features == 8 and adapter.site is site
    assert cfg == dict(type='ParallelAdapter', width=8)


def test_every_registered_class_checks_its_options():
    registries = [
        r for r in vars(registry).values() if isinstance(r, registry.Registry)
    ]
    registries += [c for r in registries for c in r.children.values()]
    ours = {
        cls
        for r in registries
        for cls in r.module_dict.values()
        if cls.__module__.split('.')[0] == 'mmdualpath'
    }
    assert len(ours) > 30
    for cls in {parent for cls in ours for parent in cls.__mro__}:
        if cls.__module__.startswith('mmdualpath.') and '__init__' in vars(
                cls):
            assert hasattr(cls.__init__, 'checks_options'), cls


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
        p.name for p in parameters if p.name != 'self' and p.kind not in (2, 4)
    ]


def options_of_adapter(name: str) -> list:
    """Those that it hands on are among what it says there is."""
    cfg = {'type': name, 'no_such_option': 1}
    sites = ADAPTERS[name].sites or ('attn', )
    attn = nn.Identity()
    site = Site(SITES.get(name, sites[0]), 48, 0, 2, 1, attn=attn, norm=attn)
    needed = options_of(ADAPTERS[name])
    cfg.update({k: v for k, v in NEEDED_BY_ADAPTERS.items() if k in needed})
    with pytest.raises(OptionError) as error:
        build(MODELS, cfg, base=nn.Identity(), site=site)
    return [*error.value.options, 'site', 'blocks']


def cases() -> list:
    for name in ADAPTERS:
        yield from ((name, option) for option in options_of_adapter(name))
    for name in NEEDED:
        cls = next(
            c for c in (r.get(name) for r in (MODELS, TRANSFORMS, DATASETS,
                                              HOOKS, ENGINE_HOOKS)) if c)
        yield from ((name, option) for option in options_of(cls))


CASES = list(cases())


def test_options_that_are_handed_on_are_among_the_cases():
    for case in (('ParallelAdapter', 'act_cfg'), ('PreAdapter', 'dropout'),
                 ('STAdapter', 'kernel_size'), ('ParallelSTAdapter', 'width')):
        assert case in CASES


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
    place = next(
        r for r in (MODELS, TRANSFORMS, DATASETS, HOOKS, ENGINE_HOOKS)
        if r.get(cfg['type']))
    try:
        place.build(cfg)
    except ValueError as error:
        assert re.search(f'{option}|No parameter of|one transform|stands at',
                         str(error)), error
    except FileNotFoundError:
        assert name == 'ReliableVideoDataset'
    except KeyError as error:  # MMEngine's, of an inner config
        assert value == {} and 'must contain the key "type"' in str(error)
