"""Frozen weights divided among processes, over gloo."""
from types import SimpleNamespace

import engine_runs
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import HOOKS, MODEL_WRAPPERS
from tiny_training import make_runner

from mmdualpath.models.backbones import views_of
from mmdualpath.models.shards import shard_frozen

HOOK = dict(type='ShardFrozenHook')
EMA = dict(type='EMAHook')


@pytest.fixture(scope='module')
def cfg(tmp_path_factory) -> Config:
    cfg = engine_runs.config(tmp_path_factory.mktemp('shards'))
    cfg.model.backbone.with_cp = True
    cfg.custom_hooks = []
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.train_dataloader.batch_size = 4  # of 8 videos in 2 processes
    return cfg


def train(cfg, work, hooks=(HOOK, EMA), epochs=2, **options) -> dict:
    """Two processes, in mixed precision; the checkpoints by epoch."""
    codes = engine_runs.together(
        cfg,
        work,
        custom_hooks=[*hooks, dict(type='Float32ScoresHook')],
        **{
            'train_cfg.max_epochs': epochs,
            'optim_wrapper.type': 'AmpOptimWrapper',
            'default_hooks.checkpoint.max_keep_ckpts': -1,
            'default_hooks.checkpoint.every_n_iters': 0
        },
        **options)
    assert codes == [0, 0]
    return {
        epoch: torch.load(work / f'epoch_{epoch}.pth', weights_only=False)
        for epoch in (1, 2) if (work / f'epoch_{epoch}.pth').exists()
    }


def flat(content, name='') -> dict:
    """All tensors and numbers of a checkpoint by their paths."""
    if isinstance(content, dict):
        pairs = content.items()
    elif isinstance(content, (list, tuple)):
        pairs = enumerate(content)
    else:
        return {name: content}
    return {
        key: value
        for k, part in pairs
        for key, value in flat(part, f'{name}/{k}').items()
    }


def assert_same(one: dict, two: dict) -> None:
    """Weights, averages of weights, optimizer and schedules, bit by bit."""
    parts = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')
    one, two = (flat({k: c[k] for k in parts}) for c in (one, two))
    assert list(one) == list(two)
    for name, value in one.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, two[name]), name
        else:
            assert value == two[name], name


def test_checkpoints_are_those_of_ddp(cfg, tmp_path):
    """Of each epoch, and of each that goes on from the other's first."""
    plain = train(cfg, tmp_path / 'plain', hooks=[EMA])
    sharded = train(cfg, tmp_path / 'sharded')
    assert not any('layers.0.attn' in n and 'adapter' not in n
                   for n in sharded[1]['state_dict'])
    for epoch in (1, 2):
        assert_same(plain[epoch], sharded[epoch])
    first = dict(plain='sharded', sharded='plain')
    for name, hooks in (('plain', [EMA]), ('sharded', [HOOK, EMA])):
        resumed = train(
            cfg,
            tmp_path / f'{name} goes on',
            hooks=hooks,
            resume=True,
            load_from=str(tmp_path / first[name] / 'epoch_1.pth'))
        assert set(resumed) == {2}
        assert_same(plain[2], resumed[2])


def scores(cfg, work, **options) -> None:
    """What a test says, and how many values this process holds."""
    runner = engine_runs.make_runner(cfg, work_dir=str(work), **options)
    metrics = runner.test()
    model = runner.model.module if options.get('launcher') else runner.model
    weight = model.backbone.spatial.base.layers[0].attn.qkv.weight
    assert weight is model.backbone.temporal.base.layers[0].attn.qkv.weight
    with open(work / 'said', 'a') as file:
        file.write(f'{weight.numel()} {metrics["acc/top1"]:.6f}\n')


def test_tests_say_the_same(cfg, tmp_path):
    options = dict(custom_hooks=[HOOK])
    engine_runs.started(scores, cfg, tmp_path, **options).join()
    assert engine_runs.together(cfg, tmp_path, scores, **options) == [0, 0]
    one, *two = (tmp_path / 'said').read_text().splitlines()
    size, metric = one.split()
    assert two == [f'{int(size) // 2} {metric}'] * 2


@pytest.mark.parametrize('world_size', [1, 3, 7])
def test_each_process_holds_its_part(cfg, world_size):
    """The parts are the whole; what is outside of blocks stays as it is."""
    models = []
    for _ in range(world_size + 1):
        torch.manual_seed(0)
        models.append(MODELS.build(cfg.model))
    *models, whole = models
    gathered = []

    def gather(part):
        gathered.append(part)
        return part.repeat(world_size)

    counts = {
        shard_frozen(m, list(views_of(m.backbone).values()), i, world_size,
                     gather)
        for i, m in enumerate(models)
    }
    expected = 0
    everything = zip(whole.named_parameters(),
                     *(m.parameters() for m in models))
    for (name, before), *parts in everything:
        if 'layers' in name and not before.requires_grad:
            expected += before.numel()
            assert {p.shape for p in parts} == {parts[0].shape}
            assert len(parts[0]) == -(-before.numel() // world_size)
            joined = torch.cat([p.data for p in parts])
            assert torch.equal(joined[:before.numel()], before.flatten())
            assert not joined[before.numel():].any()
        else:
            assert all(torch.equal(p, before) for p in parts)
    assert counts == {expected}
    model = models[0]
    assert list(model.state_dict()) == list(whole.state_dict())
    images = torch.rand(1, 4, 3, 32, 32), torch.rand(1, 1, 3, 32, 32)
    with torch.no_grad():
        out = model.eval().backbone(*images)
        assert len(gathered) == 4  # two blocks in each of two views
        if world_size == 1:
            assert torch.equal(out, whole.eval().backbone(*images))


@pytest.mark.parametrize('changes, message', [
    ({
        'model.backbone.with_cp': False
    }, 'recomputes no blocks.*with_cp=True'),
    (dict(compile=True), 'compile=True'),
    (dict(custom_hooks=[HOOK, dict(type='AttentionPictureHook')]),
     'AttentionPictureHook'),
])
def test_what_does_not_fit_is_refused(cfg, changes, message):
    changes = {'custom_hooks': [HOOK], **changes}
    with pytest.raises(ValueError, match=f'ShardFrozenHook.*{message}'):
        make_runner(cfg, **changes).train()


def test_nothing_frozen(cfg):
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    for view in ('spatial', 'temporal'):
        cfg.model.backbone[view].trainable = ['.*']
        cfg.model.backbone[view].pop('zero', None)
    model = MODELS.build(cfg.model)
    with pytest.raises(ValueError, match='No block has frozen weights'):
        shard_frozen(model, list(views_of(model.backbone).values()), 0, 2,
                     lambda part: part)


def test_fsdp_is_refused():
    """Whichever runner wraps the model in it."""
    wrapped = MODEL_WRAPPERS.get('MMFullyShardedDataParallel')
    runner = SimpleNamespace(model=wrapped.__new__(wrapped))
    hook = HOOKS.build(dict(type='ModelReportHook'))
    with pytest.raises(
            ValueError, match='MMFullyShardedDataParallel.*ShardFrozenHook'):
        hook.before_run(runner)
