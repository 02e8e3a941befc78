"""Features of every row of the table of sites, without a gradient."""
import copy

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope
from rows import BACKBONES, SWIN, VIT, bare, frozen, samples

from mmdualpath.models.backbones.frozen import tensors_of
from mmdualpath.models.features import Features
from mmdualpath.models.sites import blocks_of, locate, sites_of

# Tokens of MViT's blocks are of several numbers.
REFUSED = dict(
    timm_hiera='order of batch and map',
    timesformer='order of batch and map',
    uniformerv2='order of batch and map',
    mvit="of MViT have no site 'block'")
every_backbone = pytest.mark.parametrize(
    'backbone', [b for b in BACKBONES if b not in REFUSED])
EXTRA = dict(  # class tokens and registers
    vit=1,
    clip=1,
    layer_scale=1,
    timm_vit=5,
    timm_dinov3=5,
    timm_eva02=1,
    timm_pe=1,
    beit=1,
    eva02=1,
    hf_dinov2=5,
    hf_dinov3=3)
NO_ATTENTION = {
    'dualformer', 'dualformer_image', 'timm_swinv2', 'swinv2', 'beit', 'eva02'
}
# VideoMAE norms the mean of the tokens, BEiT nothing unless it is asked to;
# HiViT nothing at all.
NO_FINAL_NORM = {'videomae', 'beit', 'hivit', 'hivit_rpe'}
# Networks whose blocks are of several widths.
WIDENING = {
    'dualformer', 'dualformer_image', 'swin', 'video_swin', 'timm_swin',
    'timm_swinv2', 'swinv2'
}
CLIPS = {'video_swin', 'videomae', 'dualformer', 'hf_vjepa2'}


def build(backbone, **options):
    return MODELS.build(
        dict(type='FrozenFeatures', backbone=frozen(backbone), **options))


def called(module, calls):
    """Note what a module is called with and gives, by another way."""
    forward = module.forward

    def noting(*args, **kwargs):
        out = forward(*args, **kwargs)
        calls.append((args, kwargs, out))
        return out

    module.forward = noting


@every_backbone
def test_tokens_of_blocks(backbone):
    number = len(blocks_of(frozen(backbone).module))
    view = build(backbone, blocks=[-1, 0])
    view.train()
    x = samples(backbone)
    calls = []
    for holder, key in blocks_of(view.base):
        called(getattr(holder, key), calls)
    features = view(x)
    assert isinstance(features, Features) and len(calls) == number
    for tokens, (_, _, out) in zip(features.tokens, (calls[0], calls[-1])):
        assert tokens.dim() == 3 and len(tokens) == len(x)
        torch.testing.assert_close(tokens, out.flatten(1, -2))
    assert features.clips == (backbone in CLIPS)
    extra = EXTRA.get(backbone, 0)
    assert features.extra_tokens == extra
    assert features.extra().shape[1] == extra
    assert features.patches(0).shape[1] == features.tokens[0].shape[1] - extra
    torch.testing.assert_close(
        torch.cat((features.extra(), features.patches()), 1),
        features.tokens[-1])


@pytest.mark.parametrize('backbone', REFUSED)
def test_rows_that_are_refused(backbone):
    with pytest.raises(ValueError, match=REFUSED[backbone]):
        build(backbone)


@every_backbone
def test_the_final_norm_gives_what_the_network_puts_out(backbone):
    if backbone in NO_FINAL_NORM:
        with pytest.raises(ValueError, match='has no norm behind its last'):
            build(backbone, final_norm=True)
        return
    x = samples(backbone)
    tokens, = build(backbone, final_norm=True)(x).tokens
    out = bare(backbone, x)
    if 'timm' in backbone:
        out = out.flatten(1, -2)
    elif out.dim() > 3:
        out = out.flatten(2).mT
    torch.testing.assert_close(tokens, out)


def test_the_final_norm_of_beit():
    cfg = dict(BACKBONES['beit'][0], final_norm=True)
    x = samples('beit')
    view = MODELS.build(
        dict(type='FrozenFeatures', backbone=cfg, final_norm=True))
    torch.testing.assert_close(view(x).tokens[0], view.base(x)[-1])


@every_backbone
def test_parts_of_the_tokens(backbone):
    x = samples(backbone)
    whole = build(backbone)(x)
    patches = build(backbone, tokens='patches')(x)
    assert patches.extra_tokens == 0
    torch.testing.assert_close(patches.tokens[0], whole.patches())
    if backbone not in EXTRA:
        with pytest.raises(ValueError, match='class_token.*has none'):
            build(backbone, tokens='class_token')
        return
    token = build(backbone, tokens='class_token')(x)
    assert token.extra_tokens == 1
    torch.testing.assert_close(token.tokens[0], whole.tokens[0][:, :1])
    # and keeps no other in memory
    assert token.tokens[0].untyped_storage().nbytes() == \
        token.tokens[0].nbytes


@every_backbone
def test_means_of_squares(backbone):
    """As pooling the map, frame by frame."""
    x = samples(backbone)
    whole, view = build(backbone)(x), build(backbone, pool=2)
    size = sites_of(view.base).map_size(view.base, whole.patches().shape[1], x)
    assert torch.Size(size).numel() == whole.patches().shape[1]
    frames = whole.patches().unflatten(1, (-1, *size[-2:])).flatten(0, 1)
    if size[-1] % 2:
        with pytest.raises(ValueError, match='is not made of squares of 2'):
            view(x)
        return
    expected = torch.nn.functional.avg_pool2d(frames.permute(0, 3, 1, 2), 2)
    expected = expected.flatten(2).mT.unflatten(0, (len(x), -1)).flatten(1, 2)
    pooled = view(x)
    torch.testing.assert_close(pooled.patches(), expected)
    torch.testing.assert_close(pooled.extra(), whole.extra())


@every_backbone
def test_queries_and_keys(backbone):
    """With them and the values, the attention is the frozen one."""
    kind = type(frozen(backbone).module).__name__
    if backbone in NO_ATTENTION:
        with pytest.raises(ValueError, match=f"{kind} has no site 'msa'"):
            build(backbone, queries_keys=True)
        return
    view = build(backbone, blocks=[0, -1], queries_keys=True)
    x, plain, calls = samples(backbone), build(backbone), []
    spots = locate(plain.base, 'msa', [0, -1])
    for spot in spots:
        called(spot.module, calls)
    plain(x)
    features = view(x)
    assert len(features.queries) == len(features.keys) == 2
    for q, k, spot, (args, kwargs, out) in zip(features.queries, features.keys,
                                               spots, calls):
        layout, attn = spot.site.layout, spot.module
        inputs = layout.inputs(attn, *args, **kwargs)
        scores = q @ k.mT * (layout.scale(attn) or q.shape[-1]**-0.5)
        if inputs.bias is not None:
            scores = scores.unflatten(0, (-1, len(inputs.bias))) + inputs.bias
            scores = scores.flatten(0, 1)
        y = (scores.softmax(-1) @ inputs.v).transpose(1, 2).flatten(2)
        torch.testing.assert_close(layout.project(attn, y), out)


def test_queries_and_keys_of_a_vit_are_its_projections():
    view = build('vit', blocks=[1], queries_keys=True)
    x = samples('vit')
    before = build('vit', blocks=[0])(x).tokens[0]
    block = view.base.layers[1]
    z = torch.nn.functional.layer_norm(before, before.shape[-1:],
                                       block.ln1.weight, block.ln1.bias,
                                       block.ln1.eps)
    weight, bias = block.attn.qkv.weight, block.attn.qkv.bias
    features = view(x)
    for given, rows in ((features.queries[0], slice(24)), (features.keys[0],
                                                           slice(24, 48))):
        expected = z @ weight[rows].T + bias[rows]
        expected = expected.reshape(len(x), -1, 2, 12).transpose(1, 2)
        torch.testing.assert_close(given, expected)


@every_backbone
def test_a_part_of_the_batch_at_once(backbone):
    options = dict(blocks=[0, -1], queries_keys=backbone not in NO_ATTENTION)
    x = samples(backbone)
    x = torch.cat((x, x.flip(-1)))
    whole = build(backbone, **options)(x)
    parts = build(backbone, at_once=3, images=True, **options)(x)
    assert parts.images is x and len(x) % 3
    for name in ('tokens', 'queries', 'keys'):
        for one, two in zip(getattr(parts, name), getattr(whole, name)):
            torch.testing.assert_close(one, two)
    assert parts._replace(
        tokens=0, queries=0, keys=0, images=None) == whole._replace(
            tokens=0, queries=0, keys=0)


@every_backbone
def test_the_graph_holds_nothing_of_the_backbone(backbone):
    view = build(
        backbone, queries_keys=backbone not in NO_ATTENTION, images=True)
    view.train()
    own = {t.untyped_storage().data_ptr() for _, t in tensors_of(view.base)}
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(
            lambda t: saved.append(t) or t, lambda t: t):
        features = view(samples(backbone))
        assert not saved
        tensors = (*features.tokens, *features.queries, *features.keys)
        assert all(not t.requires_grad and not t.is_inference()
                   for t in tensors)
        layer = torch.nn.Linear(features.tokens[0].shape[-1], 3)
        layer(features.tokens[0]).square().mean().backward()
    assert saved and layer.weight.grad.any()
    assert not own & {t.untyped_storage().data_ptr() for t in saved}
    assert all(p.grad is None for p in view.parameters())


@pytest.mark.parametrize('dtype', ['bfloat16', 'float64'])
@every_backbone
def test_any_storage_type(backbone, dtype):
    if (backbone, dtype) == ('timm_swinv2', 'float64'):
        pytest.skip('timm keeps its coordinates in float32')
    own = copy.deepcopy(frozen(backbone))  # shared tensors would change
    x = samples(backbone)
    options = dict(
        blocks=[0, -1],
        queries_keys=backbone not in NO_ATTENTION,
        final_norm=backbone not in NO_FINAL_NORM | NO_ATTENTION
        | WIDENING)
    features = MODELS.build(
        dict(
            type='FrozenFeatures', backbone=own, frozen_dtype=dtype,
            **options))(
                x)
    exact = build(backbone, **options)(x)
    for one, two in zip(features.tokens, exact.tokens):
        assert one.dtype == getattr(torch, dtype)
        error = (one.float() - two).norm() / two.norm()
        assert error < (6e-2 if dtype == 'bfloat16' else 1e-5)


def test_batch_norms_and_dropout_stay_frozen():
    """DualFormer's pyramids have batch norms; drop path and dropout draw."""
    for name, change in (('dualformer', dict(drop_path_rate=0.5)),
                         ('vit', dict(drop_rate=0.5, drop_path_rate=0.5))):
        view = MODELS.build(
            dict(
                type='FrozenFeatures',
                backbone=dict(copy.deepcopy(BACKBONES[name][0]), **change)))
        before = {n: t.clone() for n, t in tensors_of(view.base)}
        x = samples(name)
        for mode in (True, False):
            outs = [view.train(mode)(x).tokens[0] for _ in range(2)]
            torch.testing.assert_close(*outs, rtol=0, atol=0)
            assert view.training == mode and not view.base.training
        for n, t in tensors_of(view.base):
            assert torch.equal(t, before[n]), n
    assert any('running_mean' in n
               for n in dict(tensors_of(frozen('dualformer').module)))


@every_backbone
def test_a_checkpoint_holds_only_the_fingerprint(backbone):
    view = build(backbone, blocks=[0, -1])
    state = view.state_dict()
    assert set(state) == {'frozen_backbone'}
    build(backbone).load_state_dict(state)
    cfg = dict(copy.deepcopy(BACKBONES[backbone][0]))
    cfg['init_cfg'] = dict(type='RandomWeights', seed=5)
    other = MODELS.build(dict(type='FrozenFeatures', backbone=cfg))
    with pytest.raises(ValueError, match='another frozen backbone'):
        other.load_state_dict(state)
    whole = dict(tensors_of(view))
    other.load_state_dict({**state, **whole})
    x = samples(backbone)
    torch.testing.assert_close(
        other(x).tokens[0],
        build(backbone)(x).tokens[0])
    assert not any(p.requires_grad for p in view.parameters())
    # what is shared is shared
    assert {t.data_ptr()
            for t in view.parameters()
            } == {t.data_ptr()
                  for t in frozen(backbone).module.parameters()}


def test_copies_work_on_their_own():
    view = copy.deepcopy(build('vit'))
    x = samples('vit')
    torch.testing.assert_close(view(x).tokens[0], build('vit')(x).tokens[0])
    for module in view.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks


@pytest.mark.parametrize('options, message', [
    (dict(blocks=[3]), r'has 3 blocks, \[3\]'),
    (dict(blocks=[]), 'nowhere'),
    (dict(at_once=0), 'at_once=0 must be positive'),
    (dict(pool=0), 'pool=0 is a positive number'),
    (dict(pool=2, images=True), 'pool=2 .* and 1 with images'),
    (dict(pool=2, tokens='class_token'), 'only tokens of patches'),
    (dict(tokens='cls'), "'cls' is none of all, class_token, patches"),
    (dict(adapters=[]), 'no option adapters'),
])
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='FrozenFeatures', backbone=VIT, **options))


def test_a_norm_of_another_width():
    init_default_scope('mmaction')
    with pytest.raises(
            ValueError,
            match=r'SwinTransformer is of 24 channels, the blocks \[0, 1\]'):
        build('swin', blocks=[0, 1, 2], final_norm=True)
    assert SWIN['embed_dims'] == 12 and sites_of(frozen('swin').module)
