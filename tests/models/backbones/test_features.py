"""Features of every row of the table of sites, without a gradient."""
import copy

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope
from rows import BACKBONES, SWIN, VIT, bare, frozen, samples

from mmdualpath.models.backbones.frozen import FrozenBackbone, tensors_of
from mmdualpath.models.features import Features
from mmdualpath.models.sites import blocks_of, locate, sites_of

every_backbone = pytest.mark.parametrize('backbone', BACKBONES)
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
    hf_dinov3=3,
    timesformer=1,
    mvit=1,
    uniformerv2=4)
OF_EACH_FRAME = dict(uniformerv2=4)  # class tokens
NO_ATTENTION = {
    'dualformer', 'dualformer_image', 'timm_swinv2', 'timm_hiera', 'swinv2',
    'beit', 'eva02', 'timesformer', 'mvit', 'uniformerv2'
}
# VideoMAE and Hiera norm the mean of the tokens, BEiT nothing unless it is
# asked to; HiViT nothing at all; UniFormerV2 a mix of two of its paths.
NO_FINAL_NORM = {
    'videomae', 'beit', 'hivit', 'hivit_rpe', 'timm_hiera', 'uniformerv2'
}
# Networks whose blocks are of several widths.
WIDENING = {
    'dualformer', 'dualformer_image', 'swin', 'video_swin', 'timm_swin',
    'timm_swinv2', 'swinv2', 'timm_hiera', 'mvit'
}
CLIPS = {
    'video_swin', 'videomae', 'dualformer', 'hf_vjepa2', 'timesformer', 'mvit',
    'uniformerv2'
}


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


def tokens_of_hiera(network, x):
    """By timm's own way from the order of windows to maps."""
    maps = network.forward_intermediates(
        x, intermediates_only=True, coarse=False)
    return [m.flatten(2).mT for m in maps]


def tokens_of_mvit(network, x):
    """As MMAction2 puts out stages, of which each block is made one."""
    network = copy.deepcopy(network)
    number = len(network.blocks)
    network.stage_indices = {i: i for i in range(number)}
    network.out_scales = list(range(number))
    network.output_cls_token = network.with_cls_token
    for i in range(number):
        setattr(network, f'norm{i}', torch.nn.Identity())
    outs = network(x)
    if not network.with_cls_token:
        return [out.flatten(2).mT for out in outs]
    return [torch.cat((c[..., None], p.flatten(2)), 2).mT for p, c in outs]


def tokens_of_timesformer(network, x):
    """Block by block, patch by patch."""
    b, times, places = len(x), x.shape[2], network.pos_embed.shape[1] - 1
    patches = network.patch_embed(x) + network.pos_embed[:, 1:]
    y = [network.cls_token[0] + network.pos_embed[0, :1]]
    y = [y[0].expand(b, -1)]
    for p in range(places):
        for t in range(times):
            y.append(patches[t::times, p] + network.time_embed[:, t])
    y, found = torch.stack(y, 1), []
    for layer in network.transformer_layers.layers:
        y = layer(y)
        order = [
            1 + p * times + t for t in range(times) for p in range(places)
        ]
        found.append(torch.stack([y[:, i] for i in [0, *order]], 1))
    return found


def tokens_of_uniformerv2(network, x):
    """Block by block, frame by frame."""
    b, times, positions = len(x), x.shape[2], network.positional_embedding
    rows = []
    for clip in x:
        for t in range(times):
            patches = network.conv1(clip[None, :, t:t + 1])[0].flatten(1).T
            frame = torch.cat((network.class_embedding[None], patches))
            rows.append(network.ln_pre(frame + positions))
    y, found = torch.stack(rows, 1), []
    for block in network.transformer.resblocks:
        y = block(y, times)
        clips = []
        for i in range(b):
            frames = [y[:, i * times + t] for t in range(times)]
            clips.append(
                torch.cat([f[:1] for f in frames] + [f[1:] for f in frames]))
        found.append(torch.stack(clips))
    return found


# Networks whose blocks hand on something else than tokens in the order of
# batch and map.
REFERENCES = dict(
    timm_hiera=tokens_of_hiera,
    mvit=tokens_of_mvit,
    timesformer=tokens_of_timesformer,
    uniformerv2=tokens_of_uniformerv2)


other_orders = pytest.mark.parametrize('backbone, changes, size', [
    ('timm_hiera', {}, (32, 32)),
    ('timm_hiera', dict(stages=(2, 1, 2), q_pool=2, mask_unit_size=(8, 8),
                        mask_unit_attn=(True, True, False),
                        img_size=(64, 96)), (64, 96)),
    ('timm_hiera', dict(stages=(1, 1, 1), q_pool=1, mask_unit_size=(4, 4),
                        mask_unit_attn=(True, False, False)), (32, 32)),
    ('mvit', {}, (4, 32, 32)),
    ('mvit', dict(dim_mul_in_attention=False), (4, 44, 36)),
    ('mvit', dict(with_cls_token=False), (6, 32, 48)),
    ('timesformer', dict(num_transformer_layers=2), (4, 32, 32)),
    ('uniformerv2', {}, (4, 32, 32)),
    ('uniformerv2', dict(no_lmhra=False, double_lmhra=True), (4, 32, 32)),
])  # yapf: disable


def stirred(backbone, changes):
    """Without zeros such as those of the attention along time."""
    cfg = dict(copy.deepcopy(BACKBONES[backbone][0]), **changes)
    own, generator = FrozenBackbone.build(cfg), torch.Generator()
    for p in own.module.parameters():
        p.data += 0.1 * torch.randn(p.shape, generator=generator)
    return own


@other_orders
def test_rows_in_another_order(backbone, changes, size):
    """Every block, as something else computes it, in its map's size."""
    own = stirred(backbone, changes)
    number = len(blocks_of(own.module))
    view = MODELS.build(
        dict(type='FrozenFeatures', backbone=own, blocks=list(range(number))))
    x = torch.randn(3, 3, *size)
    features = view(x)
    found = REFERENCES[backbone](view.base, x)
    assert len(features.tokens) == len(found) == number
    calls = []
    for holder, key in blocks_of(view.base):
        called(getattr(holder, key), calls)
    view.base(x)
    for i, (tokens, expected) in enumerate(zip(features.tokens, found)):
        torch.testing.assert_close(tokens, expected)
        patches = features.patches(i).shape[1]
        shape = sites_of(view.base).map_size(view.base, patches, x)
        assert torch.Size(shape).numel() == patches
        if backbone == 'mvit':
            assert tuple(shape) == tuple(calls[i][2][1])
        if backbone == 'timm_hiera':
            assert tuple(shape) == tuple(view.base.reroll.schedule[i][1])


@every_backbone
def test_clips_and_images_stay_apart(backbone):
    x = samples(backbone)
    order = [2, 0, 3, 1]
    view = build(backbone, blocks=[0, -1])
    for one, two in zip(view(x[order]).tokens, view(x).tokens):
        assert not torch.equal(two, two[order])
        torch.testing.assert_close(one, two[order], rtol=1e-4, atol=1e-5)


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
    outs = [out.flatten(1, -2) for _, _, out in calls] \
        if backbone not in REFERENCES else REFERENCES[backbone](view.base, x)
    for tokens, out in zip(features.tokens, (outs[0], outs[-1])):
        assert tokens.dim() == 3 and len(tokens) == len(x)
        torch.testing.assert_close(tokens, out)
    assert features.clips == (backbone in CLIPS)
    extra = EXTRA.get(backbone, 0)
    assert features.extra_tokens == extra
    assert features.extra().shape[1] == extra
    assert features.patches(0).shape[1] == features.tokens[0].shape[1] - extra
    torch.testing.assert_close(
        torch.cat((features.extra(), features.patches()), 1),
        features.tokens[-1])


@every_backbone
def test_the_final_norm_gives_what_the_network_puts_out(backbone):
    if backbone in NO_FINAL_NORM:
        with pytest.raises(ValueError, match='has no norm behind its last'):
            build(backbone, final_norm=True)
        return
    x = samples(backbone)
    features = build(backbone, final_norm=True)(x)
    tokens, out = features.tokens[0], bare(backbone, x)
    if backbone in ('timesformer', 'mvit'):  # the class token, the patches
        tokens = features.extra()[:, 0] if out.dim() == 2 \
            else features.patches()
    if 'timm' in backbone:
        out = out.flatten(1, -2)
    elif out.dim() > 3:
        out = out.flatten(2).mT
    assert tokens.shape == out.shape
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
    number = OF_EACH_FRAME.get(backbone, 1)
    assert token.extra_tokens == number
    torch.testing.assert_close(token.tokens[0], whole.tokens[0][:, :number])
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
