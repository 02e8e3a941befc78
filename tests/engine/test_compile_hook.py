"""``compile`` in a config: the backbone, and nothing but speed changes."""
import pytest
import torch
from mmengine.registry import HOOKS
from tiny_training import make_config, make_runner, write_videos

HOOK = [dict(type='CompileHook')]


@pytest.fixture
def cfg(tmp_path):
    """With what MMEngine's own compilation fails at."""
    write_videos(tmp_path)
    cfg = make_config(tmp_path)
    cfg.optim_wrapper.optimizer = dict(type='SGD', lr=0.01, weight_decay=0.05)
    cfg.optim_wrapper.paramwise_cfg = dict(norm_decay_mult=0.)
    cfg.randomness = dict(seed=0)
    torch._dynamo.reset()
    return cfg


def trained(cfg, **options):
    runner = make_runner(cfg, custom_hooks=HOOK, **options)
    runner.train()
    return runner.model.state_dict()


def test_it_trains_the_same(cfg):
    plain = trained(cfg)
    assert not torch._dynamo.utils.counters['stats'].get('unique_graphs')
    compiled = trained(cfg, compile=dict(backend='aot_eager'))
    assert torch._dynamo.utils.counters['stats']['unique_graphs']
    assert list(compiled) == list(plain)
    for name, value in plain.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(compiled[name], value)


@pytest.mark.parametrize('wanted', ['yes', 1])
def test_what_it_may_be(cfg, wanted):
    with pytest.raises(ValueError, match=f'compile={wanted!r}'):
        trained(cfg, compile=wanted)


def test_stock_defaults_compile_too(cfg):
    """Without a dict it is torch.compile's own backend."""
    hook = HOOKS.build(HOOK[0])
    runner = make_runner(cfg, compile=True)
    hook.before_run(runner)
    assert runner.cfg.compile is False
    assert runner.model.backbone._compiled_call_impl is not None
    assert runner.model._compiled_call_impl is None


def test_without_the_hook_it_is_refused(cfg):
    runner = make_runner(
        cfg, compile=True, custom_hooks=[dict(type='ModelReportHook')])
    with pytest.raises(ValueError, match="dict.type='CompileHook'"):
        runner.train()
