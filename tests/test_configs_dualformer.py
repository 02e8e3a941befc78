"""The shipped configs of DualFormer say what its authors published."""
import copy

import pytest
import torch
from helpers import CONFIGS, config
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope, init_default_scope
from mmpretrain.registry import MODELS as CLASSIFIERS

GPUS = 8

# Parameters in millions with the classifier, classes, clips a step, learning
# rate of the head, weight decay, stochastic depth, epochs, warm-up, frame
# interval, crops of a test.
VIDEO = {
    'tiny_k400': (22, 400, 128, 1e-3, .02, .1, 30, 3, 2, 1),
    'small_k400': (49, 400, 128, 1e-3, .02, .2, 30, 2.5, 2, 1),
    'base_k400': (87, 400, 128, 1e-3, .05, .3, 30, 2.5, 2, 1),
    'base_k600': (87, 600, 128, 5e-4, .05, .3, 30, 2.5, 2, 1),
    'small_hmdb51': (49, 51, 512, 1e-3, .1, .3, 16, 1, 4, 3),
    'small_ucf101': (49, 101, 512, 1e-3, .1, .3, 16, 1, 4, 3),
    'small_diving48': (49, 48, 64, 1e-3, .02, .2, 30, 1, 4, 3),
    '-scratch_tiny_k400': (22, 400, 128, 1e-3, .02, .1, 30, 3, 2, 1),
    '-scratch_small_k400': (49, 400, 128, 1e-3, .02, .2, 30, 2.5, 2, 1),
    '-scratch_base_k400': (87, 400, 128, 1e-3, .05, .3, 30, 2.5, 2, 1),
    '-token-labels_tiny_k400': (25.4, 400, 256, 1e-3, .02, .1, 30, 3, 2, 1),
    '-token-labels_small_k400': (56.3, 400, 128, 1e-3, .02, .2, 30, 2.5, 2, 1),
}
SIZES = ('tiny', 'small', 'base')
IMAGE = {
    'tiny_imagenet': (22, 1e-3, .05, 300, 20),
    'small_imagenet': (50, 1e-3, .05, 300, 20),
    'base_imagenet': (88, 1e-3, .05, 300, 20),
    'base_imagenet21k': (109, 5e-4, .01, 100, 5),
    # 2 d^2 parameters and the biases less in every block for each ratio.
    '-mlp1_tiny_imagenet': (11.7, 1e-3, .05, 300, 20),
    '-mlp2_tiny_imagenet': (15.2, 1e-3, .05, 300, 20),
    '-mlp3_tiny_imagenet': (18.7, 1e-3, .05, 300, 20),
}


def read(name: str) -> Config:
    name = name if name[0] in '-_' else f'_{name}'
    return Config.fromfile(
        config(f'dualformer{name}'), import_custom_modules=False)


def on_meta(registry, model: dict) -> torch.nn.Module:
    with torch.device('meta'):
        return registry.build(model)


def millions(model: torch.nn.Module) -> float:
    return sum(p.numel() for p in model.parameters()) / 1e6


def test_all_are_here():
    names = {f'dualformer_{n}'.replace('_-', '-') for n in (*VIDEO, *IMAGE)}
    names |= {f'dualformer-release_{size}_k400' for size in SIZES}
    assert {f.stem for f in (CONFIGS / 'dualformer').glob('*.py')} == names


@pytest.mark.parametrize('size', SIZES)
def test_release(size):
    """The recipe of the same size, but for what the release does its way."""
    ours, theirs = (read(f'{kind}_{size}_k400') for kind in ('', '-release'))
    cfg = copy.deepcopy(theirs.model)
    assert cfg.backbone.pop('fine_kernels')[0] == (2, 8, 8)
    assert cfg == ours.model
    assert theirs.train_dataloader == ours.train_dataloader
    assert theirs.param_scheduler == ours.param_scheduler
    if size == 'tiny':  # the release's README says 21.8 M
        backbone = on_meta(MODELS, theirs.model).backbone
        assert millions(backbone) == 21.767360


@pytest.mark.parametrize('name', VIDEO)
def test_video(name):
    (size, classes, batch, lr, decay, drop_path, epochs, warm_up, interval,
     crops) = VIDEO[name]
    cfg = read(name)
    assert cfg.model.backbone.drop_path_rate == drop_path
    assert ('init_cfg' in cfg.model.backbone) == ('scratch' not in name)
    model = on_meta(MODELS, cfg.model)
    assert millions(model) == pytest.approx(size, rel=0.01)
    assert model.cls_head.num_classes == classes
    assert hasattr(model, 'teacher') == ('token-labels' in name)
    with torch.device('meta'), torch.no_grad():
        scores, _ = model.extract_feat(
            torch.empty(1, 1, 3, 32, 224, 224), stage='head')
    assert scores.shape == (1, classes)

    steps = cfg.optim_wrapper.get('accumulative_counts', 1)
    assert cfg.train_dataloader.batch_size * steps * GPUS == batch
    assert cfg.auto_scale_lr.base_batch_size == batch
    assert cfg.train_cfg.max_epochs == epochs
    first, second = cfg.param_scheduler
    assert first.end == warm_up
    assert 'end' not in second  # the training's

    names = {id(p): n for n, p in model.named_parameters()}
    wrapper = build_optim_wrapper(model,
                                  dict(cfg.optim_wrapper, type='OptimWrapper'))
    for group in wrapper.optimizer.param_groups:
        param, = group['params']
        where = names[id(param)]
        share = 1 if 'head' in where else 0.1
        assert group['lr'] == pytest.approx(lr * share), where
        free = 'norm' in where or 'position' in where or '.levels.1.1.' \
            in where
        assert group['weight_decay'] == (0 if free else decay), where

    for loader, clips, views in ((cfg.train_dataloader, 1,
                                  None), (cfg.val_dataloader, 1, 1),
                                 (cfg.test_dataloader, 4, crops)):
        steps = loader.dataset.pipeline
        for step in steps:
            TRANSFORMS.build(step)
        sample, = [s for s in steps if s.type == 'SampleFrames']
        assert (sample.clip_len, sample.get('num_clips', 1)) == (32, clips)
        assert sample.frame_interval == interval
        crop = {'CenterCrop': 1, 'ThreeCrop': 3}
        found = [crop[s.type] for s in steps if s.type in crop]
        assert found == ([views] if views else [])


@pytest.mark.parametrize('name', IMAGE)
def test_image(name):
    size, lr, decay, epochs, warm_up = IMAGE[name]
    cfg = read(name)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = on_meta(
            CLASSIFIERS,
            dict(cfg.model, data_preprocessor=cfg.data_preprocessor))
    init_default_scope('mmaction')
    assert millions(model) == pytest.approx(size, rel=0.03)
    assert model.backbone.axes == 2
    assert cfg.train_dataloader.batch_size * GPUS == 1024
    assert cfg.optim_wrapper.optimizer.lr == lr
    assert cfg.optim_wrapper.optimizer.weight_decay == decay
    assert cfg.train_cfg.max_epochs == epochs
    first, second = cfg.param_scheduler
    assert first.end == second.begin == warm_up


def test_token_labels_are_half_of_the_loss():
    cfg = read('-token-labels_tiny_k400')
    assert cfg.model.cls_head.loss_cls.loss_weight == 0.5
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert (model.token_head.loss_weight, model.token_head.topk) == (0.5, 5)
    assert model.teacher.backbone.embed_dims == 128
