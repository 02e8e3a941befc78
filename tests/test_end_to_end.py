"""Real videos through the stock scripts: train, resume, test, distribute."""
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from devices import CUDA
from helpers import CONFIGS, ROOT, on_rendered_videos, shrink
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.runner import Runner

pytestmark = pytest.mark.slow
STOCK = Path(find_spec('mmaction').origin).parent / '.mim' / 'tools'
ENV = dict(os.environ, OMP_NUM_THREADS='1')
CPU = dict(ENV, CUDA_VISIBLE_DEVICES='')


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Path:
    """configs/dualpath_vitb_ssv2.py, shrunk, on eight rendered videos."""
    root = tmp_path_factory.mktemp('videos')
    cfg = Config.fromfile(CONFIGS / 'dualpath_vitb_ssv2.py')
    on_rendered_videos(shrink(cfg), root, train=8, test=5)
    cfg.train_cfg.max_epochs = 2
    # The cosine would begin after the end, and depend on it.
    cfg.param_scheduler = [
        s for s in cfg.param_scheduler if s.type == 'LinearLR'
    ]
    cfg.default_hooks.logger.interval = 1
    cfg.randomness = dict(seed=3)
    path = root / 'tiny.py'
    cfg.dump(path)
    return path


def run(*command: str, env: dict = CPU) -> str:
    """Run a command; its output if it succeeds."""
    result = subprocess.run([str(c) for c in command],
                            capture_output=True,
                            text=True,
                            env=env)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-4000:]
    return output


def env_of(device: str, **more: str) -> dict:
    """Variables of a command that is to run on a device."""
    path = os.pathsep.join([str(Path(sys.executable).parent), CPU['PATH']])
    return dict(CPU if device == 'cpu' else ENV, PATH=path, **more)


def losses(output: str) -> list:
    found = re.findall(r'Epoch\(train\).*? loss: ([\d.]+)', output)
    return [float(x) for x in found]


def train(config: Path, work: Path, **changes) -> Runner:
    cfg = Config.fromfile(config)
    cfg.work_dir = str(work)
    cfg.merge_from_dict(changes)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.fixture(scope='module', params=['cpu', CUDA])
def device(request) -> str:
    return request.param


@pytest.fixture(scope='module')
def trained(config, device, tmp_path_factory) -> Path:
    """A work folder after MMAction2's own train.py, with its options."""
    work = tmp_path_factory.mktemp('stock')
    output = run(
        sys.executable,
        STOCK / 'train.py',
        config,
        '--work-dir',
        work,
        '--auto-scale-lr',
        '--cfg-options',
        'optim_wrapper.optimizer.lr=0.064',
        env=env_of(device))
    assert 'Scaling the original LR by 0.015625.' in output  # 2 / 128
    assert 'lr: 1.0000e-05 ' in output  # 0.064 scaled, start of the warm-up
    assert len(losses(output)) == 8
    return work


def test_the_checkpoint_is_what_was_trained(config, trained):
    path = Path((trained / 'last_checkpoint').read_text())
    state_dict = torch.load(path, weights_only=True)['state_dict']
    model = MODELS.build(Config.fromfile(config).model)
    names = {n for n, p in model.named_parameters() if p.requires_grad}
    measured = 'backbone.temporal.base.patch_embed.amplitude'
    assert set(state_dict) == names | {measured} | {
        f'backbone.{path}.frozen_backbone'
        for path in ('spatial', 'temporal')
    }


def test_stock_test_script(config, trained, device):
    checkpoint = (trained / 'last_checkpoint').read_text()
    output = run(
        sys.executable,
        STOCK / 'test.py',
        config,
        checkpoint,
        '--work-dir',
        trained / 'test',
        env=env_of(device))
    assert re.search(r'acc/top1: [01]\.\d+', output)
    with pytest.raises(AssertionError, match='another frozen backbone'):
        run(sys.executable, STOCK / 'test.py', config, checkpoint,
            '--work-dir', trained / 'wrong', '--cfg-options',
            'model.backbone.backbone.init_cfg.seed=5')


def test_resuming_is_exact(config, tmp_path):
    """Two epochs at once equal one, a stop, and one more.

    Without random augmentation and dropout, whose draws are another matter.
    """
    fixed = Config.fromfile(config)
    fixed.train_dataloader.dataset.pipeline = \
        fixed.val_dataloader.dataset.pipeline
    for view in ('spatial', 'temporal'):
        for adapter in fixed.model.backbone[view].adapters.values():
            adapter.pop('dropout', None)
    config = tmp_path / 'fixed.py'
    fixed.dump(config)

    whole = train(config, tmp_path / 'whole')
    half = train(config, tmp_path / 'half', **{'train_cfg.max_epochs': 1})
    assert half.epoch == 1
    parts = train(config, tmp_path / 'half', resume=True)
    assert parts.epoch == 2
    expected = whole.model.state_dict()
    for name, value in parts.model.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_amp_in_processes_and_resume(config, device, tmp_path):
    """tools/dist_train.sh with --amp, stopped and resumed.

    Two processes over gloo, or one over NCCL; with averaged weights,
    gradients of two steps at a time, and a rate scaled by the batch.
    """
    processes = dict(cpu=2, cuda=1)[device]
    steps = 4 // processes  # 8 videos, 2 in each process a step
    for epochs in (1, 2):
        output = run(
            'bash',
            ROOT / 'tools' / 'dist_train.sh',
            config,
            str(processes),
            '--work-dir',
            tmp_path,
            '--amp',
            '--auto-scale-lr',
            '--resume',
            '--cfg-options',
            f'train_cfg.max_epochs={epochs}',
            'optim_wrapper.accumulative_counts=2',
            'default_hooks.ema.type=EMAHook',
            env=env_of(device, PORT='29611'))
        assert len(losses(output)) == steps
        assert f'Scaling the original LR by {2 * processes / 128}.' in output
    assert re.search(r'Epoch\(val\) \[2\].*acc/top1', output)
    checkpoint = torch.load(tmp_path / 'epoch_2.pth', weights_only=True)
    averaged, last = checkpoint['ema_state_dict'], checkpoint['state_dict']
    name = 'cls_head.layers.0.weight'
    assert not torch.equal(averaged[f'module.{name}'], last[name]) \
        or not torch.equal(averaged.get(name, last[name]), last[name])
    updates = {
        s['step'].item()
        for s in checkpoint['optimizer']['state'].values()
    }
    assert updates == {steps}  # half of those of two epochs


def test_pieces_in_a_stock_config(config, tmp_path):
    """An adapted backbone and framesets in the TSN config of a user."""
    tsn = STOCK.parent / 'configs/_base_/models/tsn_r50.py'
    videos = Config.fromfile(config)
    cfg = Config.fromfile(tsn)
    cfg.merge_from_dict({
        k: videos[k]
        for k in videos
        if k.endswith(('_dataloader', '_cfg', '_evaluator',
                       'hooks')) or k in ('custom_imports', 'default_scope',
                                          'randomness')
    })
    cfg.model.backbone = dict(
        type='AdaptedBackbone',
        backbone=dict(
            videos.model.backbone.backbone, out_dims=None, out_type='featmap'),
        adapters=[
            dict(type='ParallelAdapter', site='mlp', width=8, scale=0.1)
        ])
    cfg.model.cls_head.update(in_channels=48, num_classes=8)
    for loader in ('train', 'val', 'test'):
        pipeline = cfg[f'{loader}_dataloader'].dataset.pipeline
        pipeline[-2:] = [
            dict(type='GridFrameset', grid=(2, 4)),
            dict(type='FormatShape', input_format='NCHW'),
            dict(type='PackActionInputs')
        ]
    cfg.optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
    cfg.work_dir = str(tmp_path)
    runner = Runner.from_cfg(cfg)
    runner.train()
    metrics = runner.test()
    assert 0 <= metrics['acc/top1'] <= 1
    shape = next(iter(runner.test_dataloader))['inputs'][0].shape
    assert shape == (3 * 2, 3, 64, 64)  # 3 crops of 2 framesets
