"""Transformers of mmpretrain and MMAction2, through files they write."""
import pytest
import torch
from helpers import MVIT, TIMESFORMER, UNIFORMERV2
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope
from mmengine.runner import save_checkpoint
from torch.utils._pytree import tree_leaves

from mmdualpath.analysis.complexity import count_params
from mmdualpath.analysis.structure import build_structure
from mmdualpath.models.backbones.frozen import tensors_of

init_default_scope('mmaction')
VIT = dict(
    arch=dict(
        embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48),
    img_size=32,
    patch_size=8)
SWINV2 = dict(
    type='mmpretrain.SwinTransformerV2',
    arch=dict(
        embed_dims=12,
        depths=[2, 2],
        num_heads=[1, 2],
        extra_norm_every_n_blocks=2),
    img_size=32,
    patch_size=2,
    window_size=4,
    pretrained_window_sizes=[8, 8],
    use_abs_pos_embed=True,
    out_indices=(1, ))
HIVIT = dict(
    type='mmpretrain.HiViT',
    arch=dict(embed_dims=48, depths=[1, 1, 7], num_heads=2),
    img_size=32,
    patch_size=8,
    inner_patches=4,
    layer_scale_init_value=.5,
    out_indices=[6])
# In all sizes of images, or of clips, that they take.
MODELS_AND_SIZES = dict(
    beit=(dict(VIT, type='mmpretrain.BEiTViT'), [(32, 32)]),
    eva02=(dict(VIT, type='mmpretrain.ViTEVA02'), [(32, 32), (48, 48)]),
    swinv2=(SWINV2, [(32, 32), (48, 48)]),
    hivit=(HIVIT, [(32, 32), (64, 64)]),
    hivit_rpe=(dict(HIVIT, rpe=True), [(32, 32)]),
    timesformer=(TIMESFORMER, [(4, 32, 32)]),
    mvit=(MVIT, [(4, 32, 32), (4, 64, 64)]),
    uniformerv2=(UNIFORMERV2, [(4, 32, 32)]))


def stir(module: torch.nn.Module) -> None:
    for parameter in module.parameters():
        parameter.data = torch.randn_like(parameter) * 0.3 + 0.1


@pytest.mark.parametrize('name', MODELS_AND_SIZES)
def test_a_file_of_the_library(name, tmp_path):
    """Without adapters and with new ones, its own output in each size."""
    cfg, sizes = MODELS_AND_SIZES[name]
    reference = MODELS.build(dict(cfg))
    stir(reference)
    reference.train(False)
    path = str(tmp_path / 'model.pth')
    save_checkpoint(
        dict(state_dict={
            f'backbone.{n}': t
            for n, t in reference.state_dict().items()
        }), path)
    backbone = dict(cfg, init_cfg=dict(type='Pretrained', checkpoint=path))
    new = [dict(type='ParallelAdapter', site='mlp')]
    for adapters in ([], new):
        view = MODELS.build(
            dict(type='AdaptedBackbone', backbone=backbone,
                 adapters=adapters)).eval()
        for size in sizes:
            x = torch.randn(2, 3, *size)
            before, wanted = (tree_leaves(m(x))[-1] for m in (view, reference))
            torch.testing.assert_close(before, wanted, rtol=1e-5, atol=1e-5)
        # A checkpoint may hold all frozen tensors.
        view.load_state_dict(dict(tensors_of(view)))
        torch.testing.assert_close(tree_leaves(view(x))[-1], before)


def test_what_sizes_determine_is_computed(tmp_path):
    """Another window has other indices and coordinates than the file."""
    path = str(tmp_path / 'model.pth')
    torch.save(MODELS.build(dict(SWINV2)).state_dict(), path)
    wide = dict(SWINV2, window_size=8)
    built = MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=dict(
                wide, init_cfg=dict(type='Pretrained', checkpoint=path))))
    expected = MODELS.build(wide)
    for name, buffer in expected.named_buffers():
        assert torch.equal(built.base.get_buffer(name), buffer)


@pytest.mark.parametrize(
    'cfg', [
        dict(type='mmpretrain.SwinTransformerV2', arch='base'),
        dict(type='mmpretrain.HiViT', arch='base'),
        dict(type='mmpretrain.BEiTViT', arch='base'),
        dict(type='mmpretrain.ViTEVA02', arch='base'),
        dict(type='mmpretrain.SwinTransformer', arch='base'),
        dict(type='mmpretrain.VisionTransformer', arch='base'),
        dict(
            type='mmaction.TimeSformer',
            num_frames=8,
            img_size=224,
            patch_size=16),
        dict(type='mmaction.MViT', arch='small'),
        dict(type='mmaction.UniFormerV2', clip_pretrained=False),
        dict(
            type='mmaction.SwinTransformer3D', arch='base',
            pretrained2d=False),
        dict(type='mmaction.VisionTransformer'),
    ],
    ids=lambda cfg: cfg['type'].partition('.')[2])
def test_a_full_size_model_counts_as_the_library_counts(cfg):
    view = build_structure(
        dict(
            type='AdaptedBackbone',
            backbone=dict(cfg, init_cfg=dict(type='RandomWeights'))))
    with torch.device('cpu'):
        reference = MODELS.build(dict(cfg))
    expected = sum(p.numel() for p in reference.parameters())
    assert count_params(view.base)['total'] == expected > 2e7
