"""Every published format, loaded here, gives its own library's features."""
import json
from pathlib import Path

import mmpretrain.models  # noqa: F401
import numpy as np
import open_clip
import pytest
import references
import timm
import torch
import transformers
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from references import Clip, randomise
from safetensors.torch import save_file
from timm.models import swin_transformer, vision_transformer
from torch import nn

from mmdualpath.models import FrozenBackbone
from mmdualpath.models.weights import convert, read_checkpoint
from mmdualpath.models.weights.loading import contradictions

ROOT = Path(__file__).parents[3]

# Heads of 64 channels, as OpenAI's archives imply.
WIDE = dict(
    embed_dims=128, num_layers=2, num_heads=2, feedforward_channels=256)
CLIP = dict(
    type='CLIPVisionTransformer',
    arch=WIDE,
    img_size=32,
    patch_size=8,
    out_dims=24)
VIT = dict(
    type='mmpretrain.VisionTransformer', arch=WIDE, img_size=32, patch_size=8)
SWIN = dict(
    type='mmpretrain.SwinTransformer',
    arch=dict(embed_dims=24, depths=[2, 2], num_heads=[2, 4]),
    img_size=32,
    patch_size=2,
    window_size=4,
    out_indices=(1, ))
VIDEOMAE = dict(
    type='mmaction.VisionTransformer',
    img_size=32,
    patch_size=8,
    embed_dims=48,
    depth=2,
    num_heads=4,
    mlp_ratio=2,
    num_frames=8)
VIDEO_SWIN = dict(
    type='mmaction.SwinTransformer3D',
    arch=dict(embed_dims=24, depths=[2, 2], num_heads=[2, 4]),
    patch_size=(2, 2, 2),
    window_size=(2, 4, 4),
    out_indices=(1, ))

IMAGES = torch.randn(2, 3, 32, 32, generator=torch.manual_seed(1))
CLIPS = torch.randn(2, 3, 8, 32, 32, generator=torch.manual_seed(2))


def load(cfg, path, **init):
    """The network of a config, with the weights of a file."""
    frozen = FrozenBackbone.build(
        dict(
            cfg,
            init_cfg=dict(type='Pretrained', checkpoint=str(path), **init)))
    frozen.module.eval()
    return frozen


@torch.no_grad()
def features(network, x):
    out = network(x)
    return out[-1] if isinstance(out, (tuple, list)) else out


IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def agree(cfg, path, wanted, x=IMAGES, fmt=None, pixels=None):
    frozen = load(cfg, path)
    assert fmt is None or frozen.format == fmt
    if pixels is not None:
        assert frozen.module.normalization == pixels
    torch.testing.assert_close(
        features(frozen.module, x), wanted, atol=1e-5, rtol=1e-5)


# ---- CLIP -----------------------------------------------------------------


@pytest.fixture
def clip():
    return randomise(
        Clip(dims=128, heads=2, layers=2, size=32, patch=8, out=24))


@pytest.mark.parametrize('half', [False, True])
def test_openai_archive(clip, half, tmp_path):
    path = tmp_path / 'ViT-tiny.pt'
    clip = clip.half() if half else clip
    with torch.no_grad():
        archive = torch.jit.trace(clip, IMAGES.to(clip.logit_scale.dtype))
    archive.save(path)
    clip.float()
    agree(CLIP, path, features(clip, IMAGES), fmt='openai-clip')


def test_openai_archive_reads_as_torch_does(clip, tmp_path):
    with torch.no_grad():
        torch.jit.trace(clip, IMAGES).save(tmp_path / 'a.pt')
    wanted = torch.jit.load(tmp_path / 'a.pt').state_dict()
    read = read_checkpoint(str(tmp_path / 'a.pt')).tensors
    assert read.keys() == wanted.keys()
    assert all(torch.equal(read[n], wanted[n]) for n in wanted)


def test_openai_state_dict(clip, tmp_path):
    state = {
        n: t
        for n, t in clip.state_dict().items()
        if n not in ('input_resolution', 'context_length', 'vocab_size')
    }
    torch.save(state, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='GELU or QuickGELU.*init_cfg=dict'):
        load(CLIP, tmp_path / 'a.pth')
    load(CLIP, tmp_path / 'a.pth', act='QuickGELU')
    told = dict(CLIP, quick_gelu=True)
    agree(told, tmp_path / 'a.pth', features(clip, IMAGES), fmt='clip')
    torch.save(
        dict(state_dict={
            f'module.{n}': t
            for n, t in state.items()
        }, epoch=3), tmp_path / 'b.pth')
    agree(told, tmp_path / 'b.pth', features(clip, IMAGES), fmt='clip')


def test_openmmlab_visual_encoder(clip, tmp_path):
    state = {
        n: t
        for n, t in clip.visual.state_dict().items()
        if n != 'proj' and not n.startswith('ln_post')
    }
    torch.save(state, tmp_path / 'a.pth')
    with torch.no_grad():
        wanted = clip.visual.tokens(IMAGES)[:, 0]
    agree(
        dict(CLIP, out_dims=None, final_norm=False),
        tmp_path / 'a.pth',
        wanted,
        fmt='openmmlab-clip')
    with pytest.raises(ValueError, match='missing: .*proj.*final_norm=False'):
        load(CLIP, tmp_path / 'a.pth')


@pytest.mark.parametrize('quick', [False, True])
@pytest.mark.parametrize('text_prefix', [False, True])
def test_open_clip(quick, text_prefix, tmp_path):
    build = open_clip.CustomTextCLIP if text_prefix else open_clip.CLIP
    model = randomise(
        build(
            embed_dim=24,
            quick_gelu=quick,
            vision_cfg=dict(
                layers=2, width=128, patch_size=8, image_size=32,
                mlp_ratio=2.),
            text_cfg=dict(
                context_length=8, vocab_size=20, width=16, heads=2, layers=1)))
    save_file(model.state_dict(), tmp_path / 'open_clip_model.safetensors')
    with torch.no_grad():
        wanted = model.encode_image(IMAGES)
    path = tmp_path / 'open_clip_model.safetensors'
    agree(dict(CLIP, quick_gelu=quick), path, wanted, fmt='clip')

    (tmp_path / 'open_clip_config.json').write_text(
        json.dumps(
            dict(
                model_cfg=dict(
                    embed_dim=24, quick_gelu=quick, vision_cfg=dict(
                        width=128)))))
    agree(dict(CLIP, quick_gelu=quick), path, wanted)
    with pytest.raises(ValueError, match=r'act \((Quick)?GELU in the file'):
        load(dict(CLIP, quick_gelu=not quick), path)


@pytest.mark.parametrize('vision, message', [
    (dict(pool_type='avg'), r'pooling \(avg in the file, token in the model'),
    (dict(pool_type='avg', final_ln_after_pool=True), r'pooling \(avg'),
    (dict(head_width=32), r'num_heads \(4 in the file, 2 in the model\)'),
    (dict(norm_kwargs=dict(eps=1e-3)), r'eps \(0.001 in the file, 1e-05'),
    (dict(act_kwargs=dict(approximate='tanh')), r'act \(GELUTanh in the file'),
    (dict(no_ln_pre=True), 'missing: pre_norm.weight'),
    (dict(ls_init_value=1e-4), r'unexpected: .*ls_1.gamma'),
    (dict(attentional_pool=True), r'unexpected: .*attn_pool'),
])
def test_open_clips_options(vision, message, tmp_path):
    """What its config says is compared, pixels among it."""
    options = dict(layers=2, width=128, patch_size=8, image_size=32)
    cfg = dict(
        embed_dim=24,
        vision_cfg=dict(options, mlp_ratio=2., **vision),
        text_cfg=dict(
            context_length=8, vocab_size=20, width=16, heads=2, layers=1))
    model = open_clip.CLIP(**cfg)
    path = tmp_path / 'open_clip_model.safetensors'
    save_file(model.state_dict(), path)
    half = dict(mean=[.5] * 3, std=[.5] * 3)
    (tmp_path / 'open_clip_config.json').write_text(
        json.dumps(dict(model_cfg=cfg, preprocess_cfg=half)))
    with pytest.raises(ValueError, match=message):
        load(dict(CLIP, quick_gelu=False), path)
    if 'final_ln_after_pool' in vision:  # of the class token it is the same
        cfg['vision_cfg']['pool_type'] = 'tok'
        model = randomise(open_clip.CLIP(**cfg))
        save_file(model.state_dict(), path)
        (tmp_path / 'open_clip_config.json').write_text(
            json.dumps(dict(model_cfg=cfg, preprocess_cfg=half)))
        with torch.no_grad():
            wanted = model.encode_image(IMAGES)
        agree(dict(CLIP, quick_gelu=False), path, wanted)
        loaded = load(dict(CLIP, quick_gelu=False), path).module
        assert loaded.normalization['mean'] == [127.5] * 3


@pytest.mark.parametrize('act', ['quick_gelu', 'gelu'])
@pytest.mark.parametrize('kind', ['safetensors', 'bin'])
@pytest.mark.parametrize(
    'name', ['CLIPVisionModel', 'CLIPVisionModelWithProjection', 'CLIPModel'])
def test_transformers(name, kind, act, tmp_path):
    vision = transformers.CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
        projection_dim=24,
        hidden_act=act)
    config = vision if name != 'CLIPModel' else transformers.CLIPConfig(
        projection_dim=24,
        vision_config=vision.to_dict(),
        text_config=dict(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            vocab_size=20,
            max_position_embeddings=8,
            bos_token_id=1,
            eos_token_id=2))
    model = randomise(getattr(transformers, name)(config))
    if kind == 'safetensors':
        model.save_pretrained(tmp_path)
        path = tmp_path / 'model.safetensors'
    else:
        config.save_pretrained(tmp_path)
        path = tmp_path / 'pytorch_model.bin'
        torch.save(model.state_dict(), path)
    cfg = dict(
        CLIP,
        arch=dict(WIDE, num_heads=4),
        quick_gelu=act == 'quick_gelu',
        out_dims=None if name == 'CLIPVisionModel' else 24)
    with torch.no_grad():
        if name == 'CLIPModel':
            pooled = model.vision_model(IMAGES).pooler_output
            wanted = model.visual_projection(pooled)
        else:
            out = model(IMAGES)
            wanted = out.pooler_output if name == 'CLIPVisionModel' \
                else out.image_embeds
    agree(cfg, path, wanted, fmt='hf-clip')

    with pytest.raises(ValueError, match='act .*GELU in the file'):
        load(dict(cfg, quick_gelu=act != 'quick_gelu'), path)
    with pytest.raises(ValueError, match=r'num_heads \(4 in the file, 2 in'):
        load(dict(cfg, arch=WIDE), path)


def test_transformers_older_names(tmp_path):
    """transformers 4 puts ``vision_model.`` in front, and a buffer beside."""
    model = randomise(
        transformers.CLIPVisionModel(
            transformers.CLIPVisionConfig(
                hidden_size=128,
                intermediate_size=256,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=32,
                patch_size=8)))
    state = {f'vision_model.{n}': t for n, t in model.state_dict().items()}
    state['vision_model.embeddings.position_ids'] = torch.arange(17)[None]
    torch.save(state, tmp_path / 'a.bin')
    with torch.no_grad():
        wanted = model(IMAGES).pooler_output
    cfg = dict(CLIP, out_dims=None)
    with pytest.raises(ValueError, match='nothing beside it tells'):
        load(cfg, tmp_path / 'a.bin')
    agree(dict(cfg, quick_gelu=True), tmp_path / 'a.bin', wanted)


# ---- ViT ------------------------------------------------------------------


def timm_vit(**kwargs):
    return randomise(
        vision_transformer.VisionTransformer(
            img_size=32,
            patch_size=8,
            embed_dim=128,
            depth=2,
            num_heads=2,
            mlp_ratio=2,
            num_classes=5,
            **kwargs))


@torch.no_grad()
def class_token(model):
    return model.forward_features(IMAGES)[:, 0]


@pytest.mark.parametrize('kind', ['safetensors', 'pth'])
def test_timm_vit(kind, tmp_path):
    model = timm_vit()
    path = tmp_path / f'model.{kind}'
    if kind == 'pth':
        torch.save(model.state_dict(), path)
    else:
        save_file(model.state_dict(), path)
    agree(VIT, path, class_token(model), fmt='timm-vit')
    with pytest.raises(ValueError, match=r'eps \(1e-06 in the file, 1e-05'):
        load(dict(VIT, norm_cfg=dict(type='LN', eps=1e-5)), path)


def test_mae(tmp_path):
    """MAE's encoder is timm's; a full file has the decoder beside it."""
    model = timm_vit()
    state = {
        n: t
        for n, t in model.state_dict().items() if not n.startswith('head')
    }
    torch.save(dict(model=state), tmp_path / 'encoder.pth')
    agree(VIT, tmp_path / 'encoder.pth', class_token(model))
    state.update(
        mask_token=torch.zeros(1, 1, 16),
        decoder_pos_embed=torch.zeros(1, 17, 16))
    state.update({
        'decoder_embed.weight': torch.zeros(16, 128),
        'decoder_blocks.0.norm1.weight': torch.zeros(16),
        'decoder_norm.bias': torch.zeros(16),
        'decoder_pred.weight': torch.zeros(3, 16)
    })
    torch.save(dict(model=state), tmp_path / 'full.pth')
    agree(VIT, tmp_path / 'full.pth', class_token(model), fmt='timm-vit')


def test_google_npz(tmp_path):
    """timm's own reader of Google's files is the reference."""
    shapes = {
        'cls': (1, 1, 128),
        'embedding/kernel': (8, 8, 3, 128),
        'embedding/bias': (128, ),
        'head/kernel': (128, 5),
        'head/bias': (5, ),
        'pre_logits/kernel': (128, 128),
        'pre_logits/bias': (128, ),
        'Transformer/posembed_input/pos_embedding': (1, 17, 128),
        'Transformer/encoder_norm/scale': (128, ),
        'Transformer/encoder_norm/bias': (128, )
    }
    for i in range(2):
        block = f'Transformer/encoderblock_{i}/'
        attention = block + 'MultiHeadDotProductAttention_1/'
        for part in ('query', 'key', 'value'):
            shapes[f'{attention}{part}/kernel'] = (128, 2, 64)
            shapes[f'{attention}{part}/bias'] = (2, 64)
        shapes[attention + 'out/kernel'] = (2, 64, 128)
        shapes[attention + 'out/bias'] = (128, )
        for part, sizes in (('Dense_0', (128, 256)), ('Dense_1', (256, 128))):
            shapes[f'{block}MlpBlock_3/{part}/kernel'] = sizes
            shapes[f'{block}MlpBlock_3/{part}/bias'] = sizes[1:]
        for part in ('LayerNorm_0', 'LayerNorm_2'):
            shapes[f'{block}{part}/scale'] = (128, )
            shapes[f'{block}{part}/bias'] = (128, )
    draw = np.random.default_rng(0)
    np.savez(
        tmp_path / 'a.npz', **{
            n: draw.normal(0, 0.1, s).astype(np.float32)
            for n, s in shapes.items()
        })
    model = timm_vit()
    model.load_pretrained(str(tmp_path / 'a.npz'))
    agree(VIT, tmp_path / 'a.npz', class_token(model), fmt='google-vit')
    with pytest.raises(ValueError, match='num_heads'):
        load(dict(VIT, arch=dict(WIDE, num_heads=4)), tmp_path / 'a.npz')


# ---- Swin -----------------------------------------------------------------


def timm_swin():
    return randomise(
        swin_transformer.SwinTransformer(
            img_size=32,
            patch_size=2,
            embed_dim=24,
            depths=(2, 2),
            num_heads=(2, 4),
            window_size=4,
            num_classes=5))


def as_published(state):
    """timm's Swin under the names its authors publish."""
    official = {}
    for name, tensor in state.items():
        name = name.replace('layers.1.downsample', 'layers.0.downsample')
        official[name.replace('head.fc', 'head')] = tensor
    official['layers.0.blocks.1.attn_mask'] = torch.zeros(16, 16, 16)
    official['layers.0.blocks.0.attn.relative_position_index'] = torch.zeros(
        16, 16, dtype=torch.long)
    return official


def test_timm_swin(tmp_path):
    model = timm_swin()
    save_file(model.state_dict(), tmp_path / 'a.safetensors')
    with torch.no_grad():
        wanted = model.forward_features(IMAGES).movedim(-1, 1)
    agree(
        SWIN,
        tmp_path / 'a.safetensors',
        wanted,
        fmt='timm-swin',
        pixels=IMAGENET)


def test_official_swin(tmp_path):
    model = timm_swin()
    state = as_published(model.state_dict())
    torch.save(dict(model=state), tmp_path / 'a.pth')
    wanted = references.swin(
        state, IMAGES, depths=(2, 2), heads=(2, 4), window=(4, 4))
    agree(
        SWIN,
        tmp_path / 'a.pth',
        wanted.movedim(-1, 1),
        fmt='swin',
        pixels=IMAGENET)
    # The layout is the authors': timm reads it back into its own.
    back = swin_transformer.checkpoint_filter_fn(state, model)
    assert back.keys() == model.state_dict().keys()


# ---- video ----------------------------------------------------------------


def videomae_state(prefix=''):
    """Random weights under VideoMAE's names, from MMAction2's network."""
    model = randomise(MODELS.build(VIDEOMAE))
    state = {}
    for name, tensor in model.state_dict().items():
        name = name.replace('projection', 'proj')
        name = name.replace('mlp.layers.0.0', 'mlp.fc1')
        name = name.replace('mlp.layers.1', 'mlp.fc2')
        if name != 'pos_embed':
            state[prefix + name] = tensor
    return state


@pytest.mark.parametrize('container', ['model', 'module'])
def test_videomae_finetuned(container, tmp_path):
    state = videomae_state()
    state['head.weight'] = torch.zeros(5, 48)
    torch.save({container: state}, tmp_path / 'a.pth')
    tokens = references.videomae(state, CLIPS, heads=4, depth=2)
    wanted = references.norm(tokens.mean(1), state, 'fc_norm', 1e-6)
    agree(VIDEOMAE, tmp_path / 'a.pth', wanted, CLIPS, 'videomae', IMAGENET)


@pytest.mark.parametrize('mean', [False, True])
def test_videomae_pretrained(mean, tmp_path):
    state = videomae_state('encoder.')
    for leaf in ('weight', 'bias'):
        state[f'encoder.norm.{leaf}'] = state.pop(f'encoder.fc_norm.{leaf}')
    state['mask_token'] = torch.zeros(1, 1, 24)
    state['encoder_to_decoder.weight'] = torch.zeros(24, 48)
    state['decoder.norm.weight'] = torch.zeros(24)
    torch.save(dict(model=state), tmp_path / 'a.pth')
    tokens = references.videomae(state, CLIPS, 4, 2, 'encoder.')
    if mean:  # the norm after the mean starts anew
        wanted = nn.functional.layer_norm(tokens.mean(1), (48, ), eps=1e-6)
    else:
        wanted = references.norm(tokens, state, 'encoder.norm', 1e-6)[:, 0]
    agree(
        dict(VIDEOMAE, use_mean_pooling=mean), tmp_path / 'a.pth', wanted,
        CLIPS, 'videomae-pretrain', IMAGENET)


def test_video_swin(tmp_path):
    model = randomise(MODELS.build(VIDEO_SWIN))
    state = {
        n.replace('norm1.', 'norm.') if n.startswith('norm') else n: t
        for n, t in model.state_dict().items()
    }
    wanted = references.swin(
        state, CLIPS, depths=(2, 2), heads=(2, 4), window=(2, 4, 4))
    wanted = wanted.movedim(-1, 1)
    torch.save(
        dict(
            state_dict={
                **{
                    f'backbone.{n}': t
                    for n, t in state.items()
                }, 'cls_head.fc_cls.bias': torch.zeros(5)
            }), tmp_path / 'official.pth')
    agree(VIDEO_SWIN, tmp_path / 'official.pth', wanted, CLIPS, 'video-swin',
          IMAGENET)
    torch.save(
        dict(state_dict={
            f'backbone.{n}': t
            for n, t in model.state_dict().items()
        }), tmp_path / 'mmaction.pth')
    agree(VIDEO_SWIN, tmp_path / 'mmaction.pth', wanted, CLIPS, 'video-swin')


# ---- OpenMMLab's own ------------------------------------------------------


@pytest.mark.parametrize('cfg, x', [(CLIP, IMAGES), (VIT, IMAGES),
                                    (SWIN, IMAGES), (VIDEOMAE, CLIPS)])
def test_openmmlab(cfg, x, tmp_path):
    model = randomise(MODELS.build(cfg))
    state = {f'backbone.{n}': t for n, t in model.state_dict().items()}
    state['head.layers.head.weight'] = torch.zeros(5, 24)
    torch.save(dict(meta={}, state_dict=state), tmp_path / 'a.pth')
    agree(cfg, tmp_path / 'a.pth', features(model, x), x, 'openmmlab')

    renamed = {n.replace('backbone', 'encoder'): t for n, t in state.items()}
    torch.save(renamed, tmp_path / 'b.pth')
    loaded = load(cfg, tmp_path / 'b.pth', prefix='encoder').module
    assert torch.equal(features(loaded, x), features(model, x))
    with pytest.raises(ValueError, match="prefix='neck'"):
        load(cfg, tmp_path / 'b.pth', prefix='neck')


def test_mmpretrain_clip(tmp_path):
    model = randomise(MODELS.build(CLIP))
    state = {f'visual.{n}': t for n, t in model.state_dict().items()}
    state['visual_proj.proj'] = state.pop('visual.proj')
    state['transformer.resblocks.0.ln_1.weight'] = torch.zeros(16)
    state['logit_scale'] = torch.zeros([])
    torch.save(state, tmp_path / 'a.pth')
    agree(
        CLIP,
        tmp_path / 'a.pth',
        features(model, IMAGES),
        fmt='mmpretrain'
        '-clip')


# ---- real sizes, by name and shape alone ----------------------------------


def hf_clip(large):
    sizes = dict(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        patch_size=14,
        projection_dim=768) if large else dict(patch_size=16)
    return transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(**sizes))


REAL = {
    'open_clip ViT-B-16':
    ('dualpath_vitb_ssv2',
     lambda: open_clip.create_model('ViT-B-16', device='meta')),
    'open_clip ViT-L-14':
    ('dualpath_vitl_k400',
     lambda: open_clip.create_model('ViT-L-14', device='meta')),
    'transformers B/16': ('dualpath_vitb_ssv2', lambda: hf_clip(False)),
    'transformers L/14': ('dualpath_vitl_k400', lambda: hf_clip(True)),
    'timm ViT-B/16':
    ('dualpath_vitb-in21k_ssv2',
     lambda: timm.create_model('vit_base_patch16_224', num_classes=21843)),
    'MAE ViT-B/16':
    ('bapat_mae-vitb_cifar100',
     lambda: timm.create_model('vit_base_patch16_224', num_classes=0)),
    'timm Swin-B': ('dualpath_swinb_ssv2',
                    lambda: timm.create_model('swin_base_patch4_window7_224')),
}


@pytest.mark.parametrize('case', REAL)
def test_real_sizes(case):
    """The shipped configs fit what is published."""
    config, build = REAL[case]
    path, = (ROOT / 'configs').rglob(f'{config}.py')
    config = Config.fromfile(path)
    init_default_scope(config.default_scope)
    cfg = dict(config.model.backbone.backbone)
    cfg.pop('init_cfg')
    with torch.device('meta'):
        published = build().state_dict()
    # Swin's constructor reads values, which the meta device has not.
    with torch.device('cpu' if 'Swin' in case else 'meta'):
        network = MODELS.build(cfg)
    found = convert(published)
    assert {
        n: t.shape
        for n, t in found.tensors.items()
    } == {
        n: t.shape
        for n, t in network.state_dict().items()
        if not n.endswith('relative_position_index')
    }
    assert not contradictions(found.format.facts(found.source, {}), network)
