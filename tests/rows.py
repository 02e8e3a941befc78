"""Tiny networks of every row of the table of sites, and all adapters."""
from functools import lru_cache

import torch
from helpers import MVIT, TIMESFORMER, UNIFORMERV2
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope

from mmdualpath.models.backbones import FrozenBackbone

init_default_scope('mmaction')  # which layers of TimeSformer are built in
T = 2
RANDOM = dict(type='RandomWeights')
VIT = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=24, num_layers=3, num_heads=2, feedforward_channels=48),
    img_size=32,
    patch_size=8,
    out_type='raw',
    init_cfg=RANDOM)
SWIN = dict(embed_dims=12, depths=[2, 2], num_heads=[1, 2])
DUALFORMER = dict(
    type='DualFormer',
    arch=dict(embed_dims=16, num_heads=2, depths=(2, 2)),
    window=(2, 4, 4),
    fine_sizes=((2, 2, 2), (2, 2, 2)),
    coarse_kernels=(((1, 2, 2), (2, 2, 2)), None),
    init_cfg=RANDOM)
TIMM = dict(
    type='TimmBackbone',
    img_size=32,
    patch_size=8,
    embed_dim=24,
    depth=3,
    num_heads=2,
    mlp_ratio=2,
    out_type='raw',
    init_cfg=RANDOM)
TIMM_SWIN = dict(
    type='TimmBackbone',
    img_size=32,
    patch_size=4,
    embed_dim=12,
    depths=(2, 2),
    num_heads=(1, 2),
    window_size=4,
    drop_path_rate=0.,
    out_type='raw',
    init_cfg=RANDOM)
HIVIT = dict(
    type='mmpretrain.HiViT',
    arch=dict(embed_dims=24, depths=[0, 0, 3], num_heads=2),
    img_size=32,
    patch_size=8,
    out_indices=[2],
    init_cfg=RANDOM)
TRANSFORMERS = dict(
    type='TransformersBackbone',
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    patch_size=8,
    out_type='raw',
    init_cfg=RANDOM)
# Config and what a sample is.
BACKBONES = dict(
    vit=(VIT, (3, 32, 32)),
    clip=({
        **VIT, 'type': 'CLIPVisionTransformer',
        'out_dims': None
    }, (3, 32, 32)),
    layer_scale=(dict(VIT, layer_scale_init_value=1e-5), (3, 32, 32)),
    swin=(dict(
        type='mmpretrain.SwinTransformer',
        arch=SWIN,
        img_size=32,
        patch_size=2,
        window_size=4,
        drop_path_rate=0.,
        out_indices=(1, ),
        init_cfg=RANDOM), (3, 32, 32)),
    video_swin=(dict(
        type='SwinTransformer3D',
        arch=SWIN,
        patch_size=(2, 4, 4),
        window_size=(2, 4, 4),
        drop_path_rate=0.,
        pretrained2d=False,
        out_indices=(1, ),
        init_cfg=RANDOM), (3, 4, 32, 32)),
    videomae=(dict(
        type='mmaction.VisionTransformer',
        img_size=32,
        patch_size=8,
        embed_dims=24,
        depth=3,
        num_heads=2,
        mlp_ratio=2,
        num_frames=4,
        return_feat_map=True,
        init_cfg=RANDOM), (3, 4, 32, 32)),
    dualformer=(DUALFORMER, (3, 8, 32, 32)),
    dualformer_image=(dict(DUALFORMER, axes=2), (3, 32, 32)),
    # registers and LayerScale; rotary positions; projections side by side
    timm_vit=(dict(
        TIMM, model_name='vit_small_patch14_reg4_dinov2',
        init_values=.5), (3, 32, 32)),
    timm_no_class_token=(dict(TIMM, model_name='vit_base_patch16_siglip_224'),
                         (3, 32, 32)),
    timm_dinov3=(dict(
        TIMM, model_name='vit_small_patch16_dinov3',
        init_values=.5), (3, 32, 32)),
    timm_eva02=(dict(TIMM,
                     model_name='eva02_base_patch16_clip_224'), (3, 32, 32)),
    timm_pe=(dict(TIMM,
                  model_name='vit_pe_core_base_patch16_224'), (3, 32, 32)),
    # windows of maps; norms behind branches; pooling between blocks
    timm_swin=(dict(TIMM_SWIN,
                    model_name='swin_tiny_patch4_window7_224'), (3, 32, 32)),
    timm_swinv2=(dict(TIMM_SWIN,
                      model_name='swinv2_tiny_window8_256'), (3, 32, 32)),
    timm_hiera=(dict(
        type='TimmBackbone',
        model_name='hiera_tiny_224',
        img_size=32,
        embed_dim=12,
        stages=(2, 2),
        q_pool=1,
        mask_unit_size=(4, 4),
        mask_unit_attn=(True, False),
        init_values=.5,
        out_type='raw',
        init_cfg=RANDOM), (3, 32, 32)),
    # LayerScale of which both halves are asked at once; rotary positions
    beit=(dict(VIT, type='mmpretrain.BEiTViT',
               layer_scale_init_value=.5), (3, 32, 32)),
    eva02=(dict(VIT, type='mmpretrain.ViTEVA02'), (3, 32, 32)),
    swinv2=(dict(
        type='mmpretrain.SwinTransformerV2',
        arch=dict(SWIN, extra_norm_every_n_blocks=0),
        img_size=32,
        patch_size=2,
        window_size=4,
        drop_path_rate=0.,
        out_indices=(1, ),
        init_cfg=RANDOM), (3, 32, 32)),
    # patches are merged between blocks; relative positions
    hivit=(dict(HIVIT, layer_scale_init_value=.5), (3, 32, 32)),
    hivit_rpe=(dict(HIVIT, rpe=True), (3, 32, 32)),
    # clips: in turn along time and in frames; pooling; tokens first
    timesformer=(dict(TIMESFORMER, init_cfg=RANDOM), (3, 4, 32, 32)),
    mvit=(dict(MVIT, init_cfg=RANDOM), (3, 4, 32, 32)),
    uniformerv2=(dict(UNIFORMERV2, init_cfg=RANDOM), (3, 4, 32, 32)),
    # LayerScale and registers; rotary positions; no class token; clips
    hf_dinov2=(dict(
        TRANSFORMERS,
        model_name='dinov2_with_registers',
        mlp_ratio=2,
        image_size=32), (3, 32, 32)),
    hf_dinov3=(dict(
        TRANSFORMERS,
        model_name='dinov3_vit',
        num_register_tokens=2,
        intermediate_size=48), (3, 32, 32)),
    hf_siglip=(dict(
        TRANSFORMERS,
        model_name='siglip_vision_model',
        intermediate_size=48,
        image_size=32), (3, 32, 32)),
    hf_siglip2=(dict(
        TRANSFORMERS,
        model_name='siglip2_vision_model',
        intermediate_size=48,
        num_patches=16), (3, 32, 32)),
    hf_vjepa2=(dict(
        TRANSFORMERS,
        model_name='vjepa2',
        mlp_ratio=2,
        crop_size=32,
        frames_per_clip=4,
        pred_hidden_size=8,
        pred_num_attention_heads=1,
        pred_num_hidden_layers=1), (3, 4, 32, 32)),
)
# Options of each adapter, and whether a new one is the frozen network.
OPTIONS = dict(
    ParallelAdapter=(dict(width=4), True),
    SerialAdapter=(dict(width=4), True),
    PreAdapter=(dict(width=4), True),
    STAdapter=(dict(width=4, num_frames=T), True),
    ParallelSTAdapter=(dict(width=4, num_frames=T), True),
    TemporalAttention=(dict(num_frames=T, num_heads=2), True),
    FramePositions=(dict(num_frames=T), True),
    FrameMean=(dict(num_frames=T), False),
    TokenShift=(dict(num_frames=T, num_heads=2), False),
    VPT=(dict(num_prompts=2, patch_size=8), False),
    WindowVPT=(dict(num_prompts=2, patch_size=8), False),
    ProTuning=(dict(width=4), True),
    PATT=(dict(width=4), False),
    PrefixTuning=(dict(width=4, num_tokens=2), False),
    STDHA=(dict(num_frames=T, num_heads=2), False),
    TemporalAdaptation=(dict(num_frames=T, width=4, two=True), True),
    TIA=(dict(num_frames=T, width=4), True),
    LoRA=(dict(rank=2), True),
    DoRA=(dict(rank=2), True),
    SSF=(dict(), True),
    FramesetPositions=(dict(num_framesets=T, grid=2,
                            amplitude='match'), False),
    FrameIndexPositions=(dict(num_framesets=T, grid=2,
                              amplitude='learn'), False),
)
SITES = ('stem', 'tokens', 'block', 'attn', 'window_attn', 'local_attn',
         'global_attn', 'msa', 'qkv', 'q', 'proj', 'mlp', 'norm_mlp',
         'residual_mlp', 'fc1', 'fc2', 'norm1', 'norm2')


@lru_cache(maxsize=None)
def frozen(backbone: str) -> FrozenBackbone:
    built = FrozenBackbone.build(BACKBONES[backbone][0])
    for part in built.module.modules():  # blocks of SwinV2 start as nothing
        if isinstance(part, torch.nn.LayerNorm) and not part.weight.any():
            torch.nn.init.ones_(part.weight)
    return built


def build(backbone: str, adapter: str, site: str, **options):
    cfg = dict(type=adapter, site=site, **OPTIONS[adapter][0])
    return MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=frozen(backbone),
            adapters=[cfg],
            **options))


def samples(backbone: str, count: int = 2) -> torch.Tensor:
    return torch.randn(count * T, *BACKBONES[backbone][1])


def bare(backbone: str, x: torch.Tensor) -> torch.Tensor:
    module = frozen(backbone).module
    module.train(False)  # mmpretrain's eval() returns None
    out = module(x)
    return out[-1] if isinstance(out, tuple) else out


def stir(view) -> None:
    """Move adapters away from their start, where many are zero."""
    for p in view.parameters():
        if p.requires_grad:
            p.data += 0.1 * torch.randn_like(p)
