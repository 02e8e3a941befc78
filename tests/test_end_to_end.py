"""Real videos through the stock scripts: train, resume, test, distribute."""
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from helpers import CONFIGS, ROOT, on_rendered_videos, shrink
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.runner import Runner

pytestmark = pytest.mark.slow
STOCK = Path(find_spec('mmaction').origin).parent / '.mim' / 'tools'
CPU = dict(os.environ, CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1')


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


@pytest.fixture(scope='module')
def trained(config, tmp_path_factory) -> Path:
    """A work folder after MMAction2's own train.py, with its options."""
    work = tmp_path_factory.mktemp('stock')
    output = run(sys.executable, STOCK / 'train.py', config, '--work-dir',
                 work, '--auto-scale-lr', '--cfg-options',
                 'optim_wrapper.optimizer.lr=0.064')
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


def test_stock_test_script(config, trained):
    checkpoint = (trained / 'last_checkpoint').read_text()
    output = run(sys.executable, STOCK / 'test.py', config, checkpoint,
                 '--work-dir', trained / 'test')
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


def test_amp_on_two_processes_and_resume(config, tmp_path):
    """tools/dist_train.sh CONFIG 2 with --amp, stopped and resumed."""
    script = ROOT / 'tools' / 'dist_train.sh'
    env = dict(
        CPU,
        PORT='29611',
        PATH=os.pathsep.join([str(Path(sys.executable).parent), CPU['PATH']]))
    for epochs, expected in ((1, 2), (2, 2)):
        output = run(
            'bash',
            script,
            config,
            '2',
            '--work-dir',
            tmp_path,
            '--amp',
            '--resume',
            '--cfg-options',
            f'train_cfg.max_epochs={epochs}',
            env=env)
        assert len(losses(output)) == expected  # 8 videos, 2 x 2 a step
    assert re.search(r'Epoch\(val\) \[2\].*acc/top1', output)


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
