"""Pixels are normalised as the frozen weights were trained, or on purpose."""
import pytest
import torch
from mmaction.registry import MODELS

from mmdualpath.models.backbones import CLIPVisionTransformer
from mmdualpath.models.consistency import check_model
from mmdualpath.models.weights import load_pretrained

CLIP = dict(CLIPVisionTransformer.normalization)
IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
HALF = dict(mean=[127.5] * 3, std=[127.5] * 3)


@pytest.fixture
def clip_file(tiny_clip, tmp_path):
    path = str(tmp_path / 'clip.pth')
    torch.save(MODELS.build(tiny_clip).state_dict(), path)
    return dict(tiny_clip, init_cfg=dict(type='Pretrained', checkpoint=path))


def recognizer(backbone: dict, normalization: dict, **options):
    return MODELS.build(
        dict(
            type='Recognizer2D',
            backbone=dict(
                type='AdaptedBackbone', backbone=backbone, **options),
            cls_head=dict(
                type='FrameMeanHead',
                num_classes=5,
                in_channels=48,
                num_frames=8),
            data_preprocessor=dict(
                type='ActionDataPreprocessor', **normalization)))


def test_clip(clip_file):
    check_model(recognizer(clip_file, CLIP))
    with pytest.raises(
            ValueError,
            match=r'mean=\[123.675, 116.28, 103.53\].*VisionTransformer.*'
            r'mean=\[122.771, 116.746, 104.094\].*any_normalization'):
        check_model(recognizer(clip_file, IMAGENET))
    check_model(recognizer(clip_file, IMAGENET, any_normalization=True))
    check_model(recognizer(clip_file, dict(mean=None, std=None)))
    # Random weights were trained on nothing.
    random = dict(clip_file, init_cfg=dict(type='RandomWeights'))
    check_model(recognizer(random, IMAGENET))


def test_dualpath(clip_file):

    def build(**options):
        return MODELS.build(
            dict(
                type='DualPath',
                backbone=dict(
                    type='DualPathBackbone',
                    backbone=clip_file,
                    spatial=dict(),
                    temporal=dict(),
                    **options),
                cls_head=dict(type='MLPHead', num_classes=5, in_channels=48),
                data_preprocessor=dict(
                    type='DualPathDataPreprocessor', **IMAGENET)))

    with pytest.raises(ValueError, match='trained with mean=.122.771'):
        build()
    build(any_normalization=True)


@pytest.mark.parametrize('kind', ['TimmBackbone', 'mmpretrain'])
def test_timm_tells_it_of_both_libraries_models(kind, tmp_path):
    """A clip mean in front of an ImageNet model prints both."""
    pytest.importorskip('timm')
    from timm import create_model
    from timm.models._hub import save_for_hf
    tiny = dict(img_size=32, patch_size=8)
    model = create_model(
        'vit_base_patch16_224.augreg_in21k',
        embed_dim=48,
        depth=1,
        num_heads=4,
        **tiny)
    save_for_hf(model, tmp_path, safe_serialization=True)
    init_cfg = dict(
        type='Pretrained', checkpoint=str(tmp_path / 'model.safetensors'))
    if kind == 'mmpretrain':
        backbone = dict(
            type='mmpretrain.VisionTransformer',
            arch=dict(
                embed_dims=48,
                num_layers=1,
                num_heads=4,
                feedforward_channels=192),
            out_type='cls_token',
            **tiny)
    else:
        backbone = dict(
            type=kind,
            model_name='vit_base_patch16_224.augreg_in21k',
            embed_dim=48,
            depth=1,
            num_heads=4,
            **tiny)
    backbone['init_cfg'] = init_cfg
    check_model(recognizer(backbone, HALF))
    with pytest.raises(ValueError, match='mean=.122.771.*mean=.127.5'):
        check_model(recognizer(backbone, CLIP))


@pytest.mark.parametrize('written', [
    'model = dict(data_preprocessor=dict(mean={mean}, std={std}))',
    'model = {{"data_preprocessor": {{"mean": {mean}, "std": {std}}}}}',
    'import os\nos.exit(3)\ndata_preprocessor = dict(mean={mean}, std={std})\n'
    'norm = dict(mean=[1., 1., 1.], std=[1., 1., 1.])',
])
def test_a_file_of_openmmlab_keeps_its_config(written, tiny_swin, tmp_path):
    """Which is read, and not run."""
    tiny_swin.pop('init_cfg')
    path = str(tmp_path / 'swin.pth')
    torch.save(
        dict(
            meta=dict(cfg=written.format(**IMAGENET)),
            state_dict=MODELS.build(tiny_swin).state_dict()), path)
    backbone = dict(
        tiny_swin, init_cfg=dict(type='Pretrained', checkpoint=path))
    check_model(recognizer(backbone, IMAGENET))
    with pytest.raises(ValueError, match='mean=.122.771.*Swin.*mean=.123.675'):
        check_model(recognizer(backbone, CLIP))


@pytest.mark.parametrize('text', [
    '', 'model = dict(', 'data_preprocessor = dict(mean=None, std=None)',
    'data_preprocessor = dict(mean=mean, std=std)',
    'model = dict(data_preprocessor=dict(mean=[1.], std=[1.]))\n'
    'data_preprocessor = dict(mean=[2.], std=[1.])'
])
def test_a_config_that_tells_no_pixels(text, tiny_swin, tmp_path, monkeypatch):
    """The log says that nothing does."""
    tiny_swin.pop('init_cfg')
    network = MODELS.build(tiny_swin)
    torch.save(
        dict(meta=dict(cfg=text), state_dict=network.state_dict()),
        tmp_path / 'swin.pth')
    said = []
    monkeypatch.setattr('mmdualpath.models.weights.loading.print_log',
                        lambda text, **kwargs: said.append(text))
    load_pretrained(network, str(tmp_path / 'swin.pth'))
    assert 'Nothing tells with which mean and std' in said[0]
