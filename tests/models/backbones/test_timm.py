"""Models of timm as frozen backbones."""
import json
import re
import sys

import pytest
import torch
from helpers import CONFIGS
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdualpath.analysis.complexity import count_params
from mmdualpath.analysis.structure import build_structure
from mmdualpath.models.backbones import inject
from mmdualpath.models.weights import load_pretrained

timm = pytest.importorskip('timm')
hub = pytest.importorskip('timm.models._hub')
TINY = dict(embed_dim=48, depth=2, num_heads=4)
# Names, and what an image is made into.
MODELS_OF_TIMM = {
    'vit_base_patch16_clip_quickgelu_224.openai': 'cls_token',
    'vit_base_patch16_224.augreg_in21k': 'cls_token',
    'vit_base_patch16_224.mae': 'cls_token',
    'deit3_base_patch16_224.fb_in1k': 'cls_token',
    'vit_base_patch16_siglip_224.v2_webli': 'pooled',
    'vit_base_patch14_dinov2.lvd142m': 'cls_token',
    'vit_base_patch14_reg4_dinov2.lvd142m': 'cls_token',
    'eva02_base_patch14_224.mim_in22k': 'cls_token',
    'eva02_large_patch14_clip_224.merged2b': 'cls_token',
    'vit_pe_core_base_patch16_224.fb': 'cls_token',
    'vit_base_patch16_dinov3.lvd1689m': 'cls_token',
    'vit_small_plus_patch16_dinov3.lvd1689m': 'cls_token',
}
CLIP = 'vit_base_patch16_clip_224.laion2b'


def patch_of(name: str) -> int:
    return 14 if 'patch14' in name else 16


def backbone(name: str, patches: int = 4, **options) -> dict:
    return dict(
        type='TimmBackbone',
        model_name=name,
        img_size=patches * patch_of(name),
        **{
            **TINY,
            **options
        })


def theirs(name: str, patches: int = 4, **options) -> torch.nn.Module:
    """timm's own model, every tensor at random."""
    torch.manual_seed(0)
    model = timm.create_model(
        name,
        num_classes=5,
        img_size=patches * patch_of(name),
        dynamic_img_size=True,
        **{
            **TINY,
            **options
        })
    for tensor in model.parameters():
        tensor.data += 0.1 * torch.randn_like(tensor)
    return model.eval()


def write(model, folder, **changes):
    """As timm publishes it; changes of its config."""
    hub.save_for_hf(model, folder, safe_serialization='both')
    config = json.loads((folder / 'config.json').read_text())
    config.update(changes)
    (folder / 'config.json').write_text(json.dumps(config))
    return str(folder / 'model.safetensors')


@pytest.mark.parametrize('name', MODELS_OF_TIMM)
def test_is_timms_own(name, tmp_path):
    """Through a file that timm wrote, in two sizes, as frozen backbone."""
    reference = theirs(name)
    path = write(reference, tmp_path)
    view = MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=dict(
                backbone(name),
                init_cfg=dict(type='Pretrained', checkpoint=path)))).eval()
    assert view.base.out_type == MODELS_OF_TIMM[name]
    assert view.fingerprint.format == 'timm' and view.fingerprint.known
    for patches in (4, 6):
        size = patches * patch_of(name)
        x = torch.randn(2, 3, size, size)
        with torch.no_grad():
            tokens = reference.forward_features(x)
            expected = reference.fc_norm(tokens[:, 0])
            if MODELS_OF_TIMM[name] == 'pooled':
                expected = reference.forward_head(tokens, pre_logits=True)
            torch.testing.assert_close(
                view.base.forward_features(x), tokens, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(view(x), expected, atol=1e-5, rtol=1e-5)


STAGES = dict(embed_dim=16, drop_path_rate=0.)
SWIN = dict(STAGES, depths=(2, 2), num_heads=(2, 4), window_size=4)
HIERA = dict(
    STAGES,
    stages=(1, 2),
    q_pool=1,
    mask_unit_size=(4, 4),
    mask_unit_attn=(True, False))
IN_STAGES = {
    'swin_tiny_patch4_window7_224.ms_in1k': SWIN,
    'swinv2_tiny_window8_256.ms_in1k': SWIN,
    'hiera_tiny_224.mae': HIERA,
}


@pytest.mark.parametrize('name', IN_STAGES)
def test_stages_are_timms_own(name, tmp_path):
    """Through a file that timm wrote, in two sizes, of one model each."""
    for size in (32, 64):
        torch.manual_seed(0)
        options = dict(IN_STAGES[name], img_size=size)
        reference = timm.create_model(name, num_classes=5, **options).eval()
        for tensor in reference.parameters():
            tensor.data += 0.1 * torch.randn_like(tensor)
        path = write(reference, tmp_path, model_args=options)
        views = [
            MODELS.build(
                dict(
                    type='AdaptedBackbone',
                    backbone=dict(
                        type='TimmBackbone',
                        model_name=name,
                        out_type=out_type,
                        init_cfg=dict(type='Pretrained', checkpoint=path),
                        **options))).eval() for out_type in ('raw', None)
        ]
        x = torch.randn(2, 3, size, size)
        with torch.no_grad():
            tokens = reference.forward_features(x)
            pooled = reference.forward_head(tokens, pre_logits=True)
            close = dict(atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(views[0](x), tokens, **close)
            torch.testing.assert_close(views[1](x), pooled, **close)
        with pytest.raises(ValueError, match='images of .* pixels, given'):
            views[0](torch.randn(1, 3, size, size // 2))


@pytest.mark.parametrize('name', IN_STAGES)
def test_stages_count(name):
    """At full size, on the meta device, as many parameters as timm's."""
    with torch.device('meta'):
        reference = timm.create_model(name, num_classes=0)
    own = build_structure(dict(type='TimmBackbone', model_name=name))
    assert count_params(own)['total'] == count_params(reference)['total']


def test_another_number_of_heads_in_stages(tmp_path):
    name = 'hiera_tiny_224'
    reference = timm.create_model(name, img_size=32, num_heads=2, **HIERA)
    options = dict(HIERA, img_size=32)
    path = write(reference, tmp_path, model_args=dict(options, num_heads=2))
    network = MODELS.build(
        dict(type='TimmBackbone', model_name=name, **options))
    with pytest.raises(
            ValueError,
            match=r'heads \(4 in the file, 2 in the model\) of bl'):
        load_pretrained(network, path)


@pytest.mark.parametrize('name, options, site, message', [
    ('swin_tiny_patch4_window7_224', SWIN, 'block', 'tokens are a map'),
    ('swinv2_tiny_window8_256', SWIN, 'qkv', 'does not call one projection'),
    ('swinv2_tiny_window8_256', SWIN, 'msa', "no site 'msa'"),
    ('hiera_tiny_224', HIERA, 'attn', 'the others change the number'),
    ('hiera_tiny_224', HIERA, 'block', 'the others change the number'),
])
def test_what_has_no_place_in_stages(name, options, site, message):
    network = MODELS.build(
        dict(type='TimmBackbone', model_name=name, img_size=32, **options))
    adapter = dict(
        block=dict(type='TIA', num_frames=2, width=4),
        attn=dict(type='ParallelAdapter'),
        msa=dict(type='PATT'),
        qkv=dict(type='LoRA'))[site]
    with pytest.raises(ValueError, match=message):
        inject(network, [dict(adapter, site=site, blocks=[1])])


def test_hiera_has_no_neighbours():
    """Its tokens are in the order of mask units, not row by row."""
    network = MODELS.build(
        dict(
            type='TimmBackbone',
            model_name='hiera_tiny_224',
            img_size=32,
            **HIERA))
    with pytest.raises(ValueError, match='ProTuning.*order of windows'):
        inject(network, [dict(type='ProTuning', site='block')])
    inject(network, [
        dict(
            type='STAdapter',
            site='norm_mlp',
            num_frames=2,
            kernel_size=(3, 3, 3))
    ])
    with pytest.raises(ValueError, match='Hiera are in the order of its win'):
        network(torch.randn(2, 3, 32, 32))


@pytest.mark.parametrize('name', [
    'vit_base_patch14_dinov2.lvd142m', 'vit_base_patch14_reg4_dinov2.lvd142m',
    'vit_base_patch16_siglip_224.v2_webli',
    'eva02_large_patch14_clip_224.merged2b'
])
def test_positions_of_another_size(name, tmp_path, monkeypatch):
    """They are those that timm itself interpolates, and the log says so."""
    write(theirs(name, patches=6), tmp_path)
    path = str(tmp_path / 'pytorch_model.bin')
    network = MODELS.build(backbone(name)).eval()
    said = []
    monkeypatch.setattr('mmdualpath.models.weights.resizing.print_log',
                        lambda text, **kwargs: said.append(text))
    load_pretrained(network, path)
    assert 'from 6x6 to 4x4 patches' in said[0]
    reference = timm.create_model(
        name,
        pretrained=True,
        pretrained_cfg_overlay=dict(file=path, num_classes=5),
        num_classes=5,
        img_size=4 * patch_of(name),
        dynamic_img_size=True,
        **TINY).eval()
    x = torch.randn(2, 3, 4 * patch_of(name), 4 * patch_of(name))
    with torch.no_grad():
        torch.testing.assert_close(
            network.forward_features(x),
            reference.forward_features(x),
            atol=1e-5,
            rtol=1e-5)


@pytest.mark.parametrize('model, built, sidecar, message', [
    (CLIP, CLIP, dict(architecture='vit_base_patch16_clip_quickgelu_224'),
     r'act \(QuickGELU in the file, GELU in the model\)'),
    (CLIP, CLIP, dict(model_args=dict(TINY, num_heads=2)),
     r'num_heads \(2 in the file, 4 in the model\)'),
    (CLIP, CLIP,
     dict(
         architecture='vit_base_patch16_224',
         model_args=dict(TINY,
                         pre_norm=True)), r'eps \(1e-06 in the file, 1e-05'),
    (CLIP, CLIP, dict(architecture='vit_of_tomorrow'),
     'vit_of_tomorrow.*timm .* does not have'),
    ('vit_base_patch14_dinov2', 'vit_base_patch14_reg4_dinov2', {},
     'missing: reg_token'),
    ('vit_base_patch14_reg4_dinov2', 'vit_base_patch14_dinov2', {},
     'unexpected: reg_token'),
    ('vit_base_patch16_dinov3', 'vit_small_plus_patch16_dinov3', {},
     'missing: .*mlp.fc1_g'),
])
def test_what_does_not_fit(model, built, sidecar, message, tmp_path):
    path = write(theirs(model), tmp_path, **sidecar)
    network = MODELS.build(backbone(built))
    before = {n: t.clone() for n, t in network.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_pretrained(network, path)
    assert all(
        torch.equal(t, before[n]) for n, t in network.state_dict().items())


PE, DINOV3 = 'vit_pe_core_base_patch16_224', 'vit_base_patch16_dinov3'


@pytest.mark.parametrize('name, options, message', [
    (PE, dict(attn_pool_num_heads=4, out_type='pooled'),
     r'num_heads \(8 in the file, 4 in the model\) of attn_pool'),
    (DINOV3, dict(rope_temperature=10.),
     r'temperature \(100.0 in the file, 10.0 in the model\) of rope'),
    (DINOV3, dict(rope_rotate_half=False),
     r'rotate_half \(True in the file, False in the model\) of rope, bl'),
    ('eva02_base_patch14_224', dict(ref_feat_shape=(8, 8)),
     r'ref_feat_shape \(\(16, 16\) in the file, \(8, 8\) in the model'),
    ('vit_base_patch16_224', dict(no_embed_class=True),
     r'no_embed_class \(False in the file, True in the model\)'),
    ('vit_base_patch16_224', dict(act_layer='gelu_tanh'),
     r'act \(GELU in the file, GELUTanh in the model\) of blocks.0.mlp'),
])
def test_what_no_tensor_shows(name, options, message, tmp_path):
    """An option that computes something else with the same tensors."""
    path = write(theirs(name), tmp_path, model_args=TINY)
    network = MODELS.build(backbone(name, **options))
    with pytest.raises(ValueError, match=message):
        load_pretrained(network, path)
    # What follows from sizes or matters in training alone may differ.
    options = dict(drop_path_rate=.1, proj_drop_rate=.1)
    load_pretrained(MODELS.build(backbone(name, 6, **options)), path)


def test_a_position_of_the_class_token_is_not_lost(tmp_path):
    """Also where nothing beside the file says that it has one."""
    path = write(theirs('vit_base_patch16_224'), tmp_path)
    (tmp_path / 'config.json').unlink()
    network = MODELS.build(
        backbone('vit_base_patch16_224', no_embed_class=True))
    with pytest.raises(ValueError, match=r'pos_embed \(\(1, 17, 48\) in the'):
        load_pretrained(network, path)


def test_another_pooling_is_refused(tmp_path):
    path = write(theirs('vit_base_patch16_224'), tmp_path, global_pool='avg')
    network = MODELS.build(backbone('vit_base_patch16_224', out_type='pooled'))
    with pytest.raises(
            ValueError, match=r'pooling \(avg in the file, token in the mod'):
        load_pretrained(network, path)


def test_the_activation_of_clip_is_asked_for(tmp_path):
    path = write(theirs(CLIP), tmp_path)
    (tmp_path / 'config.json').unlink()
    load_pretrained(MODELS.build(backbone(CLIP)), path)  # its tag tells
    network = MODELS.build(backbone('vit_base_patch16_clip_224'))
    with pytest.raises(ValueError, match='GELU or QuickGELU.*config.json'):
        load_pretrained(network, path)
    load_pretrained(network, path, act='GELU')
    with pytest.raises(ValueError, match='act .QuickGELU in the file'):
        load_pretrained(network, path, act='QuickGELU')


@pytest.mark.parametrize('options, message', [
    (dict(model_name='vit_base_patch16_clip_224.openai'),
     'QuickGELU.*vit_base_patch16_clip_quickgelu_224.openai'),
    (dict(model_name='vit_base_patch16_dino3'), 'no model.*did you mean'),
    (dict(model_name='vit_base_patch16_siglip_224',
          out_type='cls_token'), "no class token; out_type='pooled'"),
    (dict(model_name='vit_base_patch16_224',
          out_type='tokens'), "out_type='tokens' is none of"),
])
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='TimmBackbone', **TINY, **options))


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ImportError, match=r"pip install 'mmdualpath\[timm\]'"):
        MODELS.build(backbone(CLIP))


def test_a_sidecar_of_before_quickgelu(tmp_path):
    """It names the other model, and the tag tells which it is."""
    name = 'vit_base_patch16_clip_quickgelu_224.openai'
    other = 'vit_base_patch16_clip_224'
    path = write(theirs(name), tmp_path, architecture=other)
    load_pretrained(MODELS.build(backbone(name)), path)
    with pytest.raises(ValueError, match=r'act \(QuickGELU in the file'):
        load_pretrained(MODELS.build(backbone(other)), path)


def test_biases_that_bypass_qkv():
    network = MODELS.build(backbone('eva02_base_patch14_224', qkv_fused=True))
    with pytest.raises(
            ValueError,
            match="site='qkv' stands nowhere in Eva.*"
            'does not call one projection'):
        inject(network, [dict(type='TokenShift', site='qkv', num_frames=2)])


def test_blocks_of_another_kind_are_refused():
    network = MODELS.build(
        backbone('vit_base_patch16_dinov3', use_post_norm=True, qk_norm=False))
    with pytest.raises(ValueError, match="Eva.*site 'attn'"):
        inject(network, [dict(type='ParallelAdapter', site='attn')])


def test_st_adapter_before_an_mlp_that_the_block_adds():
    """z' = z + A(z), and the block gives z' + MLP(LN z')."""
    network = MODELS.build(backbone('vit_base_patch14_dinov2')).eval()
    block = network.blocks[0]
    parts = block.norm1, block.attn, block.ls1, block.norm2, block.mlp
    scale = block.ls2
    inject(network, [
        dict(
            type='STAdapter',
            site='norm_mlp',
            width=4,
            num_frames=2,
            blocks=[0])
    ])
    adapter = block.mlp
    for tensor in adapter.adapter.parameters():
        torch.nn.init.normal_(tensor)
    norm1, attn, ls1, norm2, mlp = parts
    x = torch.randn(4, 17, 48)
    with torch.no_grad():
        z = x + ls1(attn(norm1(x)))
        z = z + adapter.adapter(z, adapter.site)
        torch.testing.assert_close(block(x), z + scale(mlp(norm2(z))))


PUBLISHED = dict(
    re.findall(r'^\|[^|]*\| `(\w+\.\w+)` \| (.*) \|$',
               (CONFIGS.parent / 'docs/backbones.md').read_text(), re.M))


@pytest.mark.parametrize('name', PUBLISHED)
def test_the_documentation_says_what_timm_says(name):
    """Licence, patch and size, normalisation and class token."""
    licence, sizes, pixels, class_token = map(str.strip,
                                              PUBLISHED[name].split('|'))
    with torch.device('meta'):
        model = timm.create_model(name, num_classes=0)
    told = model.pretrained_cfg
    assert licence.lower().replace("'s own", '-license') == told['license']
    patch = model.patch_stride[0] if 'hiera' in name \
        else model.patch_embed.patch_size[0]
    assert sizes == f'{patch}, {told["input_size"][-1]}'
    means = {'CLIP': .481, '0.5, 0.5': .5, 'ImageNet': .485}
    assert told['mean'][0] == pytest.approx(means[pixels], abs=1e-3)
    has = getattr(model, 'cls_token', None) is not None
    assert class_token == '✓' * has


FULL = sorted(p.stem for p in (CONFIGS / 'backbones').glob('*.py'))


@pytest.mark.parametrize('name', FULL)
def test_shipped_configs(name):
    """As many frozen parameters as timm counts, and its normalisation."""
    cfg = Config.fromfile(CONFIGS / f'backbones/{name}.py')
    init_default_scope('mmaction')
    frozen = cfg.model.backbone.backbone
    with torch.device('meta'):
        reference = timm.create_model(frozen.model_name, num_classes=0)
        if getattr(reference, 'cls_token', None) is not None:
            reference.reset_classifier(0, 'token')
        reference.set_input_size(224)
    own = build_structure(frozen)
    assert count_params(own)['total'] == count_params(reference)['total']
    for key in ('mean', 'std'):
        told = [255 * v for v in reference.pretrained_cfg[key]]
        assert cfg.model.data_preprocessor[key] == pytest.approx(
            told, abs=0.01)


@pytest.mark.parametrize('name', [
    'vit_base_patch14_reg4_dinov2', 'vit_base_patch16_siglip_224',
    'vit_base_patch16_dinov3', 'eva02_base_patch14_224'
])
def test_dualpath(name):
    """Framesets of 16 frames, 4 patches wide each or not, go in and train."""
    size = 16 * 14
    learned = 'dinov3' not in name
    view = dict(type='ParallelAdapter', width=4)
    model = MODELS.build(
        dict(
            type='DualPathBackbone',
            backbone=dict(
                backbone(name, depth=1),
                img_size=size,
                init_cfg=dict(type='RandomWeights')),
            spatial=dict(adapters=[dict(view, site='attn')]),
            temporal=dict(
                zero=['pos_embed'] if learned else [],
                adapters=[
                    dict(
                        type='FramesetPositions',
                        site='stem',
                        amplitude='match'),
                    dict(view, site='mlp')
                ])))
    images = torch.randn(2, 3, 3, size, size)
    out = model(spatial=images[:, :2], temporal=images[:, 2:])
    assert out.shape == (2, 2 * 48)
    out.square().sum().backward()
    grads = [p.grad for p in model.parameters() if p.requires_grad]
    assert grads and all(g is not None for g in grads)
    positions = next(m for m in model.temporal.modules()
                     if type(m).__name__ == 'FramesetPositions')
    patches = size // patch_of(name)
    frames, *_ = positions.places(
        torch.arange(16).view(1, 4, 4), patches, patches)
    counts = frames.flatten().bincount()
    if patches == 16:  # a frame is exactly 4 x 4 of them
        assert counts.tolist() == [16] * 16
    else:
        assert len(counts) == 16 and counts.sum() == patches**2
    if learned:
        assert not model.temporal.base.pos_embed[:, -patches**2:].any()
