"""A trained model is a small file that MMEngine and MMAction2 can use."""
import copy

import pytest
import tiny_training
import torch
from mmaction.apis import inference_recognizer, init_recognizer
from mmaction.apis.inferencers import MMAction2Inferencer
from mmengine.config import Config
from mmengine.model import ExponentialMovingAverage
from mmengine.registry import init_default_scope
from tiny_training import make_config, make_runner

from mmdualpath.models.backbones.adapted import FINGERPRINT

EMA = dict(custom_hooks=[
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.5)
])


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Folder, config and trained model of one run with EMA."""
    init_default_scope('mmaction')
    folder = tmp_path_factory.mktemp('trained')
    tiny_training.write_videos(folder)
    cfg = make_config(folder, **EMA)
    runner = make_runner(cfg)
    runner.train()
    return folder, cfg, runner


@pytest.fixture
def last(trained):
    return str(trained[0] / 'work' / 'epoch_2.pth')


def trainable(model):
    return {n for n, p in model.named_parameters() if p.requires_grad}


def other_backbone(cfg):
    cfg = copy.deepcopy(cfg)
    cfg.model.backbone.backbone.init_cfg.seed = 1
    return cfg


def test_what_is_saved(trained, last):
    _, cfg, runner = trained
    saved = torch.load(last)
    tensors = set(saved['state_dict'])
    prints = {f'backbone.{p}.{FINGERPRINT}' for p in ('spatial', 'temporal')}
    assert tensors - prints == trainable(runner.model)
    assert prints <= tensors
    config = Config.fromstring(saved['meta']['cfg'], '.py')
    assert config.model == cfg.model


def test_ema_is_saved_and_the_average(trained):
    """theta' <- (1 - m) theta' + m theta, over the saved epochs' steps."""
    _, _, runner = trained
    ema = next(h for h in runner.hooks if type(h).__name__ == 'EMAHook')
    saved = torch.load(trained[0] / 'work' / 'epoch_2.pth')
    averaged = dict(ema.ema_model.module.named_parameters())
    current = dict(runner.model.named_parameters())
    differ = 0
    for name in trainable(runner.model):
        assert torch.equal(saved['state_dict'][name], averaged[name])
        assert torch.equal(saved['ema_state_dict'][f'module.{name}'],
                           current[name])
        differ += not torch.equal(averaged[name], current[name])
    assert differ > 10
    assert ema.ema_model.module.backbone.spatial.frozen_names()


def test_resume(trained, last):
    """Going on from epoch 1 gives what going through did."""
    folder, cfg, runner = trained
    resumed = make_runner(
        cfg,
        resume=True,
        load_from=str(folder / 'work' / 'epoch_1.pth'),
        work_dir=str(folder / 'resumed'))
    resumed.train()
    assert resumed.epoch == 2
    through = dict(runner.model.named_parameters())
    for name, parameter in resumed.model.named_parameters():
        assert torch.equal(parameter, through[name]), name
    saved = torch.load(folder / 'resumed' / 'epoch_2.pth')
    wanted = torch.load(last)
    for part in ('state_dict', 'ema_state_dict'):
        for name, tensor in wanted[part].items():
            assert torch.equal(saved[part][name], tensor), name


def test_load_from_and_test(trained, last):
    folder, cfg, _ = trained
    cfg = copy.deepcopy(cfg)
    cfg.custom_hooks = []
    tested = make_runner(cfg, load_from=last, work_dir=str(folder / 'test'))
    assert 'acc/top1' in tested.test()
    saved = torch.load(last)['state_dict']
    for name, parameter in tested.model.named_parameters():
        if parameter.requires_grad:
            assert torch.equal(parameter, saved[name])


def test_inference(trained, last):
    """``init_recognizer`` and the inferencer give the trained model's scores.
    """
    folder, cfg, runner = trained
    video = str(folder / '0.mp4')
    model = init_recognizer(cfg, last, device='cpu')
    scores = inference_recognizer(model, video).pred_score
    inferencer = MMAction2Inferencer(cfg.filename, last, device='cpu')
    answer = inferencer(video)['predictions'][0]['rec_scores'][0]
    torch.testing.assert_close(torch.tensor(answer), scores)
    # The same from the averaged model that training left in memory.
    ema = next(h for h in runner.hooks if type(h).__name__ == 'EMAHook')
    averaged = ema.ema_model.module.eval()
    averaged.cfg = cfg
    torch.testing.assert_close(
        inference_recognizer(averaged, video).pred_score, scores)


def test_ema_with_buffers(trained):
    """``update_buffers`` averages what a ``state_dict`` holds."""
    model = trained[2].model
    ema = ExponentialMovingAverage(model, momentum=0.5, update_buffers=True)
    for _ in range(2):
        ema.update_parameters(model)
    averaged = ema.module.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(averaged[name], tensor), name


@pytest.mark.parametrize('way', ['load_from', 'resume', 'inference'])
def test_another_backbone_is_refused(way, trained, last):
    folder, cfg, _ = trained
    cfg = other_backbone(cfg)
    with pytest.raises(ValueError) as refusal:
        if way == 'inference':
            init_recognizer(cfg, last, device='cpu')
        else:
            make_runner(
                cfg,
                load_from=last,
                resume=way == 'resume',
                work_dir=str(folder / 'refused')).train()
    theirs = trained[2].model.backbone.spatial.fingerprint.sha256[:12]
    assert theirs in str(refusal.value)
    assert "'seed 0'" in str(refusal.value)
    assert "'seed 1'" in str(refusal.value)
