"""Sharing, injecting, freezing and saving."""
import copy

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from rows import frozen, samples, stir
from torch.utils._pytree import tree_leaves

from mmdualpath.models import FrozenBackbone
from mmdualpath.models.backbones.adapted import FINGERPRINT

SERIAL = dict(type='SerialAdapter', site='mlp', width=8)


def build(backbone: dict, **options):
    return MODELS.build(
        dict(type='AdaptedBackbone', backbone=backbone, **options))


def randomise(model: torch.nn.Module) -> None:
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)


def pointers(module: torch.nn.Module) -> dict:
    return {
        name: tensor.data_ptr()
        for name, tensor in module.state_dict().items()
    }


def test_views_share_memory_but_not_adapters(tiny_clip):
    frozen = FrozenBackbone.build(tiny_clip)
    first = build(frozen, adapters=[SERIAL])
    second = build(frozen, trainable=['cls_token'])
    assert first.base is not second.base
    own = pointers(frozen.module)
    theirs = pointers(second.base)
    assert {n for n in own if own[n] != theirs[n]} == {'cls_token'}
    qkv = 'layers.0.attn.qkv.weight'
    assert pointers(first.base)[qkv] == own[qkv]
    assert hasattr(first.base.layers[0].ffn.layers, 'adapter')
    assert not hasattr(second.base.layers[0].ffn.layers, 'adapter')
    moved = second.double()  # as a move to another device does
    assert moved.base.layers[0].attn.qkv.weight.dtype == torch.float64


@pytest.mark.parametrize('with_cp', [False, True])
def test_two_views_get_the_gradients_of_two_networks(tiny_clip, with_cp):
    """Shared tensors and checkpointing change no gradient of any view.

    The reference is two networks that share nothing and checkpoint nothing.
    """
    adapters = ([
        dict(type='ParallelAdapter', site='attn', width=8),
        dict(type='ParallelAdapter', site='mlp', width=8)
    ], [dict(type='SerialAdapter', site='attn', width=8), SERIAL])
    frozen = FrozenBackbone.build(tiny_clip)
    shared = [
        build(frozen, adapters=a, trainable=['cls_token'], with_cp=with_cp)
        for a in adapters
    ]
    alone = [
        build(tiny_clip, adapters=a, trainable=['cls_token']) for a in adapters
    ]
    images = torch.rand(2, 3, 32, 32)
    gradients = []
    for views in (shared, alone):
        torch.manual_seed(1)
        for view in views:
            view.train()
            randomise(view)
        (views[0](images) * views[1](images)).sum().backward()
        trained = [
            p.grad for view in views for p in view.parameters()
            if p.requires_grad
        ]
        assert all(g is not None for g in trained)
        assert all(p.grad is None for view in views for p in view.parameters()
                   if not p.requires_grad)
        gradients.append(trained)
    assert len(gradients[0]) == len(gradients[1]) > 20
    for a, b in zip(*gradients):
        torch.testing.assert_close(a, b)
        assert a.abs().max() > 0


def test_init_weights_changes_nothing(tiny_clip):
    model = build(tiny_clip, adapters=[SERIAL], trainable=['pos_embed'])
    before = copy.deepcopy(dict(model.named_parameters()))
    torch.nn.Sequential(model)  # as a part of a larger model
    MODELS.build(dict(type='TSNHead', num_classes=2,
                      in_channels=24)).init_weights()
    model.init_weights()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]), name


@pytest.mark.parametrize('trainable, expected', [
    ((), set()),
    (('cls_token', 'pos_embed'), {'cls_token', 'pos_embed'}),
    ((r'layers\.2\..*\.bias', ), {
        f'layers.2.{n}.bias'
        for n in ('ln1', 'attn.qkv', 'attn.proj', 'ln2', 'ffn.layers.0.0',
                  'ffn.layers.1')
    }),
])
def test_what_trains_is_what_is_saved(tiny_clip, trainable, expected):
    model = build(tiny_clip, trainable=trainable)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert trained == {f'base.{n}' for n in expected}
    assert set(model.state_dict()) == trained | {FINGERPRINT}


def test_zero(tiny_clip):
    frozen = FrozenBackbone.build(tiny_clip)
    torch.nn.init.ones_(frozen.module.pos_embed)
    model = build(frozen, zero=['pos_embed'])
    # The class token is no patch.
    assert model.base.pos_embed[:, 0].all()
    assert not model.base.pos_embed[:, 1:].any()
    assert frozen.module.pos_embed.all()
    assert set(model.state_dict()) == {FINGERPRINT}


@pytest.mark.parametrize('strict', [True, False])
def test_a_small_checkpoint_restores_everything(tiny_clip, strict):
    adapters = [SERIAL, dict(type='PreAdapter', site='attn', width=8)]
    model = build(tiny_clip, adapters=adapters, trainable=['cls_token'])
    randomise(model)
    fresh = build(tiny_clip, adapters=adapters, trainable=['cls_token'])
    result = fresh.load_state_dict(model.state_dict(), strict=strict)
    assert not result.missing_keys and not result.unexpected_keys
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(fresh(images), model(images))


def test_a_copy_without_gradients_saves_the_same_names(tiny_clip):
    """As an average of weights does, which freezes its copy."""
    model = build(tiny_clip, adapters=[SERIAL])
    names = set(model.state_dict())
    average = copy.deepcopy(model).requires_grad_(False)
    assert set(average.state_dict()) == names
    average.load_state_dict(model.state_dict())


def test_another_backbone_is_refused(tiny_clip):
    model = build(tiny_clip, adapters=[SERIAL])
    other = build(
        dict(tiny_clip, init_cfg=dict(type='RandomWeights', seed=7)),
        adapters=[SERIAL])
    with pytest.raises(ValueError) as error:
        other.load_state_dict(model.state_dict())
    message = str(error.value)
    assert model.fingerprint.sha256[:12] in message
    assert other.fingerprint.sha256[:12] in message
    assert "'seed 0'" in message and "'seed 7'" in message


def test_neither_weights_nor_fingerprint_is_refused(tiny_clip):
    model = build(tiny_clip, adapters=[SERIAL])
    state_dict = model.state_dict()
    del state_dict[FINGERPRINT]
    with pytest.raises(ValueError, match='no checkpoint of this model'):
        model.load_state_dict(state_dict)


def test_half_a_backbone_is_refused(tiny_clip):
    model = build(tiny_clip, adapters=[SERIAL])
    state_dict = model.state_dict()
    state_dict['base.pos_embed'] = model.base.pos_embed
    with pytest.raises(ValueError, match='all or none'):
        model.load_state_dict(state_dict)


def test_a_whole_backbone_replaces_the_frozen_one(tiny_clip):
    model = build(tiny_clip, adapters=[SERIAL])
    other = build(
        dict(tiny_clip, init_cfg=dict(type='RandomWeights', seed=7)),
        adapters=[SERIAL])
    whole = dict(model.state_dict())
    whole.update({n: p for n, p in model.named_parameters()})
    other.load_state_dict(whole)
    assert other.fingerprint == model.fingerprint
    images = torch.rand(1, 3, 32, 32)
    assert torch.equal(other(images), model(images))
    other.load_state_dict(model.state_dict())


@pytest.mark.parametrize('options, message', [
    (dict(adapters=[dict(type='ParallelAdapter', site='nose')]),
     "no site 'nose'; it has stem, tokens, block, attn"),
    (dict(adapters=[dict(type='ParallelAdapter')]),
     'must name its type and its site'),
    (dict(adapters=[dict(SERIAL, blocks=[0, 3])]), 'has 3 blocks'),
    (dict(trainable=['nothing']), "matches 'nothing'"),
    (dict(zero=['nothing']), "matches 'nothing'"),
    (dict(fresh=['nothing']), "matches 'nothing'"),
    (dict(zero=['pos_embed'], trainable=['pos.*']), 'cannot be zero'),
    (dict(adapters=[dict(SERIAL, blocks=[])]), 'stands nowhere'),
    (dict(adapters=[dict(SERIAL, site='stem')]), 'gives tokens of C channels'),
    (dict(adapters=[dict(type='TSNHead', site='mlp')]), 'is no adapter'),
    (dict(adapters=[dict(type='FramesetPositions', site='stem', blocks=[0])]),
     'outside the blocks'),
    (dict(
        adapters=[dict(type='VPT', site='block', deep=False, blocks=[0, 2])]),
     r'deep=False and blocks=\[0, 2\]'),
])
def test_mistakes_in_a_config(tiny_clip, options, message):
    with pytest.raises(ValueError, match=message):
        build(tiny_clip, **options)


def test_an_unknown_backbone_is_refused():
    backbone = dict(
        type='mmpretrain.ResNet',
        depth=18,
        init_cfg=dict(type='RandomWeights'))
    with pytest.raises(ValueError, match='No sites are known for ResNet'):
        build(backbone, adapters=[SERIAL])


@pytest.mark.parametrize('init_cfg', [None, dict(type='Kaiming')])
def test_a_backbone_without_weights_is_refused(tiny_clip, init_cfg):
    with pytest.raises(ValueError, match='has no weights'):
        build(dict(tiny_clip, init_cfg=init_cfg))


def test_blocks_can_be_chosen(tiny_clip):
    model = build(tiny_clip, adapters=[dict(SERIAL, blocks=[0, -1])])
    adapted = [hasattr(b.ffn.layers, 'adapter') for b in model.base.layers]
    assert adapted == [True, False, True]


def test_swin_adapts_plain_windows(tiny_swin):
    model = build(
        tiny_swin,
        adapters=[
            dict(type='ParallelAdapter', site='window_attn', width=8), SERIAL
        ])
    blocks = [b for stage in model.base.stages for b in stage.blocks]
    assert [hasattr(b.attn, 'adapter') for b in blocks] == [True, False] * 2
    assert all(hasattr(b.ffn.layers, 'adapter') for b in blocks)
    dims = [b.ffn.layers.adapter.down.in_features for b in blocks]
    assert dims == [24, 24, 48, 48]
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 48, 8, 8)


def test_frozen_weights_in_bfloat16(tiny_clip):
    exact = build(tiny_clip, adapters=[SERIAL])
    model = build(tiny_clip, adapters=[SERIAL], frozen_dtype='bfloat16')
    norms = {
        id(p)
        for m in model.modules() if isinstance(m, torch.nn.LayerNorm)
        for p in m.parameters()
    }
    types = {
        (p.requires_grad, id(p) in norms): p.dtype
        for p in model.parameters()
    }
    assert types == {
        (True, False): torch.float32,
        (False, False): torch.bfloat16,
        (False, True): torch.float32
    }
    model.load_state_dict(exact.state_dict())  # the fingerprint is the file's
    images = torch.rand(2, 3, 32, 32)
    with torch.autocast('cpu', torch.bfloat16):
        got = model(images)
        got.float().square().mean().backward()
    torch.testing.assert_close(got.float(), exact(images), rtol=0.1, atol=0.1)
    assert all(p.grad is not None for p in model.parameters()
               if p.requires_grad)


FRAMES = dict(type='FramePositions', site='stem', num_frames=2)
PARALLEL = dict(type='ParallelAdapter', site='mlp', width=4)


@pytest.mark.parametrize('backbone, adapter', [
    ('vit', dict(FRAMES, site='tokens')),
    ('vit', PARALLEL),
    ('swin', FRAMES),
    ('timm_hiera', FRAMES),
    ('dualformer_image', FRAMES),
    ('mvit', PARALLEL),
])
def test_a_step_in_bfloat16(backbone, adapter):
    """On what frozen norms get in float32 too, as of these adapters."""
    results, x = [], samples(backbone)
    for dtype in (None, 'bfloat16'):
        own = copy.deepcopy(frozen(backbone))  # shared tensors would change
        torch.manual_seed(0)
        model = build(own, adapters=[adapter], frozen_dtype=dtype)
        stir(model)
        with torch.autocast('cpu', torch.bfloat16, enabled=dtype is not None):
            out = tree_leaves(model(x))[-1].float()
            (out * torch.randn(out.shape)).sum().backward()
        grads = [p.grad.ravel() for p in model.parameters() if p.requires_grad]
        results.append((out.detach(), torch.cat(grads)))
    for exact, half in zip(*results):
        assert exact.any()
        assert (half - exact).norm() < 0.1 * exact.norm()


@pytest.mark.parametrize('blocks', [[1], [0, 1]])
def test_a_block_without_the_site_is_refused(tiny_swin, blocks):
    """The odd blocks of a Swin shift their windows."""
    adapter = dict(type='SerialAdapter', site='window_attn', blocks=blocks)
    with pytest.raises(ValueError, match=r"blocks \[1\].*'window_attn'"):
        build(tiny_swin, adapters=[adapter])


@pytest.mark.parametrize('blocks', [[0, 1], [1, 2], [1]])
def test_shallow_prompts_live_from_the_first_to_the_last_block(
        tiny_clip, blocks):
    """The class token stays what is read, whichever blocks have prompts."""
    vpt = dict(type='VPT', site='block', num_prompts=5, deep=False)
    model = build(tiny_clip, adapters=[dict(vpt, blocks=blocks)]).eval()
    images = torch.rand(2, 3, 32, 32)
    x, _ = model.base.patch_embed(images)
    x = torch.cat((model.base.cls_token.expand(2, -1, -1), x), 1)
    x = model.base.pre_norm(x + model.base.pos_embed)
    prompts = model.base.layers[blocks[0]].prompts.expand(2, -1, -1)
    bare = build(tiny_clip).eval().base
    for number, layer in enumerate(bare.layers):
        x = torch.cat((prompts, x), 1) if number == blocks[0] else x
        x = layer(x)
        x = x[:, 5:] if number == blocks[-1] else x
    expected = bare.ln1(x)[:, 0] @ bare.proj
    torch.testing.assert_close(model(images), expected)


def test_adapters_by_name(tiny_clip):
    """By names, one can be changed or left out where a config inherits."""
    base = dict(
        a=dict(type='SerialAdapter', site='mlp', width=8),
        b=dict(type='PreAdapter', site='attn', width=8),
        c=dict(type='PATT', site='msa'))
    named = build(
        tiny_clip, adapters=dict(base, c=dict(base['c'], enabled=False)))
    listed = build(tiny_clip, adapters=[base['a'], base['b']])
    assert set(named.state_dict()) == set(listed.state_dict())
    # What a config that inherits gives another name than its base.
    for adapters, message in [
        (dict(base, d=dict(enabled=False)), "'d' is .*must name its type"),
        (dict(base, c=None), r"'c' is None.*c=dict\(enabled=False\)"),
        (dict(base, c=dict(base['c'], enabled=None)), "enabled=None.*'c'")
    ]:
        with pytest.raises(ValueError, match=message):
            build(tiny_clip, adapters=adapters)


def test_fresh_parameters(tiny_clip):
    frozen = FrozenBackbone.build(tiny_clip)
    model = build(frozen, fresh=['pos_embed'], trainable=['cls_token'])
    assert model.base.pos_embed.requires_grad
    assert not torch.equal(model.base.pos_embed, frozen.module.pos_embed)
    wide = build(
        dict(tiny_clip, img_size=256, arch=dict(tiny_clip['arch'])),
        fresh=['pos_embed'])
    std = wide.base.pos_embed.std()
    torch.testing.assert_close(std, torch.tensor(48**-0.5), rtol=0.02, atol=0)
    assert set(model.state_dict()) == {
        'base.pos_embed', 'base.cls_token', FINGERPRINT
    }


def test_bitfit_needs_no_sites():
    """A backbone without a row can be tuned where it has no adapters."""
    resnet = dict(
        type='mmpretrain.ResNet',
        depth=18,
        stem_channels=4,
        base_channels=4,
        init_cfg=dict(type='RandomWeights'))
    model = build(resnet, trainable=['.*bias'])
    assert model(torch.rand(1, 3, 32, 32)).shape[:1] == (1, )
    with pytest.raises(ValueError, match='ResNet; the table has'):
        build(resnet, adapters=[SERIAL])


def test_random_video_swin():
    """Its default is to inflate the weights of a file that is not given."""
    build(
        dict(
            type='SwinTransformer3D',
            arch=dict(embed_dims=12, depths=[1], num_heads=[1]),
            window_size=(2, 4, 4),
            out_indices=(0, ),
            init_cfg=dict(type='RandomWeights')))


def test_a_config_read_back_from_a_checkpoint_is_the_same_model(tiny_clip):
    """There the names of adapters are in the order of the alphabet."""
    adapters = dict(
        out=dict(SERIAL, site='attn'),
        inside=dict(type='PreAdapter', site='attn', width=8))
    cfg = Config(
        dict(
            model=dict(
                type='AdaptedBackbone',
                backbone=dict(tiny_clip),
                adapters=adapters)))
    again = Config.fromstring(cfg.pretty_text, '.py')
    assert list(again.model.adapters) != list(adapters)
    kinds = [[type(m).__name__ for m in MODELS.build(c.model).modules()]
             for c in (cfg, again)]
    assert kinds[0] == kinds[1]
    assert kinds[0].index('SerialAdapter') < kinds[0].index('PreAdapter')
