"""The configs of V-PETL: complete, of the paper's size, and they train."""
import pytest
import torch
from helpers import CONFIGS, config
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import TRANSFORMS, init_default_scope
from mmpretrain.structures import DataSample

from mmdualpath.analysis.structure import build_structure
from mmdualpath.models.backbones.frozen import digest

NAMES = sorted(p.stem for p in (CONFIGS / 'vpetl').glob('*.py'))
RANDOM = dict(type='RandomWeights')


def load(name: str) -> Config:
    cfg = Config.fromfile(config(name))
    init_default_scope(cfg.default_scope)
    return cfg


def shrink(cfg: Config) -> int:
    """Make a model tiny, in place; returns the pixels it reads."""
    backbone = cfg.model.backbone.backbone
    backbone.init_cfg = RANDOM
    if backbone.type == 'SwinTransformer3D':
        backbone.update(
            arch=dict(embed_dims=16, depths=[2, 2], num_heads=[2, 2]),
            window_size=(2, 2, 2),
            out_indices=(1, ))
        cfg.model.cls_head.in_channels = 32
    elif cfg.default_scope == 'mmaction':
        backbone.update(
            img_size=32, embed_dims=16, depth=2, num_heads=2, num_frames=16)
        cfg.model.cls_head.in_channels = 16
    else:
        backbone.update(
            img_size=32,
            arch=dict(
                embed_dims=16,
                num_layers=2,
                num_heads=2,
                feedforward_channels=32))
        cfg.model.neck.input_features = cfg.model.head.in_channels = 16
    return 32


def batch_for(cfg: Config, pixels: int) -> dict:
    if cfg.default_scope == 'mmaction':
        frames = cfg.sample.clip_len
        shape, sample = (1, 3, frames, pixels, pixels), ActionDataSample
    else:
        shape, sample = (3, pixels, pixels), DataSample
    return dict(
        inputs=[torch.randint(255, shape, dtype=torch.uint8)] * 2,
        data_samples=[sample().set_gt_label(label) for label in (0, 3)])


@pytest.mark.parametrize('name', NAMES)
def test_a_config_trains_what_it_should(name):
    cfg = load(name)
    pixels = shrink(cfg)
    if 'data_preprocessor' in cfg:  # what the runner does
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(cfg.model)
    model.init_weights()
    before = {k: digest(p) for k, p in model.named_parameters()}

    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    log = model.train().train_step(batch_for(cfg, pixels), optim_wrapper)

    assert torch.isfinite(log['loss'])
    changed = {
        k
        for k, p in model.named_parameters() if digest(p) != before[k]
    }
    trainable = {k for k, p in model.named_parameters() if p.requires_grad}
    # Of HMDB51, whatever the adapters (Sec. 2.4 and A.1).
    head_is_frozen = 'vswinb' in name and 'hmdb51' in name and not \
        name.startswith(('full', 'linear', 'bitfit', 'bapat-fc'))
    assert changed and changed <= trainable
    assert any('head' in k for k in changed) != head_is_frozen
    method = name.split('_')[0].split('-')[0]
    marks = dict(
        bapat=('.up.', ),
        patt=('.up.', ),
        adaptformer=('.adapter.up.', ),
        sequential=('.adapter.up.', ),
        prefix=('.tokens', ),
        bitfit=('.norm1.bias', ),
        linear=(),
        full=('.norm1.weight', ),
        qkv=('.qkv.weight', ),
        mlp=('.mlp.fc1.weight', ))[method]
    for mark in marks:
        assert any(mark in k for k in changed), mark
    if method in ('qkv', 'mlp'):
        assert all(f'.{method}.' in k or 'head' in k for k in trainable)
    if method == 'linear':
        assert all('head' in k for k in trainable)


@pytest.mark.parametrize('name', NAMES)
def test_the_recipe_is_the_papers(name):
    cfg = load(name)
    optimizer = cfg.optim_wrapper.optimizer
    batch = cfg.auto_scale_lr.base_batch_size
    assert batch == (256 if 'mae' in name else 64)
    assert (optimizer.type, optimizer.weight_decay) == ('SGD', 0)
    assert optimizer.lr == pytest.approx(0.1 * batch / 256)
    assert cfg.train_cfg.max_epochs == 70
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.end, cosine.begin) == (10, 10)
    if 'vswinb' in name:
        assert cfg.model.backbone.backbone.drop_path_rate == 0.4
        for loader in ('train_dataloader', 'val_dataloader',
                       'test_dataloader'):
            sampling, = (
                s for s in cfg[loader].dataset.pipeline if 'clip_len' in s)
            assert sampling.clip_len == (16 if '16f' in name else 8)
            assert sampling.frame_interval == 2


IMAGES = [n for n in NAMES if '_mae-' in n]


@pytest.mark.parametrize('name', IMAGES)
@pytest.mark.parametrize('loader', ['train_dataloader', 'val_dataloader'])
def test_images_are_read_at_224_pixels(name, loader, tmp_path):
    cfg = load(name)
    results = dict(
        img=torch.randint(255, (32, 40, 3), dtype=torch.uint8).numpy(),
        gt_label=3)
    for transform in cfg[loader].dataset.pipeline:
        if transform.type == 'LoadImageFromFile':
            assert cfg.data_preprocessor.to_rgb
            continue
        results = TRANSFORMS.build(transform)(results)
    assert results['inputs'].shape == (3, 224, 224)


def count(name: str) -> dict:
    """Trainable parameters of a config at full size, in millions."""
    cfg = load(name)
    cfg.model.pop('data_preprocessor', None)
    cfg.model.backbone.backbone.init_cfg = RANDOM
    model = build_structure(cfg.model)
    sizes = {
        k: p.numel()
        for k, p in model.named_parameters() if p.requires_grad
    }
    head = sum(n for k, n in sizes.items() if 'head' in k)
    total = sum(p.numel() for p in model.parameters())
    return dict(
        all=sum(sizes.values()) / 1e6,
        head=head / 1e6,
        backbone=(sum(sizes.values()) - head) / 1e6,
        total=total / 1e6)


@pytest.mark.parametrize('width,paper,share', [(64, 3.02, 3.51),
                                               (128, 4.79, 5.56),
                                               (256, 8.33, 9.68)])
def test_vit_bapat_has_the_papers_size(width, paper, share):
    size = count('bapat_videomae-vitb_hmdb51'.replace(
        '_', '_' if width == 128 else f'-{width}_', 1))
    assert round(size['all'], 2) == paper
    # The paper's share is one of the bare ViT-B's parameters.
    bare = size['total'] - size['all']
    assert 100 * paper / bare == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize('name,part,paper', [
    ('qkv_vswinb_ssv2', 'backbone', 20.98),
    ('mlp_vswinb_ssv2', 'backbone', 55.90),
    ('linear_vswinb_ssv2', 'head', 0.18),
])
def test_video_swin_has_the_papers_sizes(name, part, paper):
    # 20.975 M: the paper rounds up.
    assert count(name)[part] == pytest.approx(paper, abs=0.0055)


# Sums over the blocks of Swin-B: 2 of 128, 2 of 256, 18 of 512, 2 of 1024
# channels d; widths of PATT w, of the adapter 64.
BLOCKS = [128] * 2 + [256] * 2 + [512] * 18 + [1024] * 2


@pytest.mark.parametrize('width', [32, 64, 128, 256])
def test_patt_and_swin_bapat_have_the_equations_size(width):
    suffix = '' if width == 128 else f'-{width}'
    patt = sum(d * width + width + (width + 1) * 2 * d for d in BLOCKS)
    adapter = sum(2 * d * 64 + 64 + d for d in BLOCKS)
    for method, expected in (('patt', patt), ('bapat', patt + adapter)):
        size = count(f'{method}{suffix}_vswinb_ssv2')
        assert size['backbone'] * 1e6 == pytest.approx(expected, abs=0.5)
