import itertools

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch.utils.flop_counter import FlopCounterMode

from mmdualpath.models import AdaptedBackbone, DualFormer
from mmdualpath.models.backbones.dualformer import (GlobalAttention,
                                                    LocalAttention)
from mmdualpath.models.sites import locate

TINY = dict(
    type='DualFormer',
    arch=dict(embed_dims=16, num_heads=2, depths=(2, 4)),
    window=(2, 4, 4),
    fine_sizes=((2, 2, 2), (4, 2, 2)),
    coarse_kernels=(((1, 2, 2), (2, 2, 2)), None))


def build(**options) -> torch.nn.Module:
    """A tiny network whose parameters are all in play."""
    network = MODELS.build(dict(TINY, **options))
    network.init_weights()
    for part in network.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.normal_(part.running_mean)
            torch.nn.init.uniform_(part.running_var, 0.5, 2)
    for name, parameter in network.named_parameters():
        if 'norm' in name or name.endswith('bias'):
            parameter.data += 0.3 * torch.randn_like(parameter)
        elif 'attn' in name and parameter.dim() == 2:
            parameter.data *= 10  # attention far from uniform
    return network.eval()


def clips(frames: int = 8, height: int = 32, width: int = 32) -> torch.Tensor:
    return torch.randn(2, 3, frames, height, width)


def softmax_attention(q, k, v, heads, allowed=None):
    """softmax(q k^T / sqrt(d)) v, one head after the other."""
    out = []
    for q, k, v in zip(*(t.chunk(heads, -1) for t in (q, k, v))):
        scores = q @ k.transpose(-2, -1) / q.shape[-1]**0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -float('inf'))
        out.append(scores.softmax(-1) @ v)
    return torch.cat(out, -1)


@pytest.mark.parametrize(
    'shape, window',
    [
        ((4, 8, 8), (2, 4, 4)),
        ((3, 5, 7), (2, 4, 4)),  # padding on every axis
        ((2, 3, 9), (8, 7, 7)),  # a map smaller than a window
        ((8, 4), (4, 4)),
        ((6, 9), (7, 7)),
    ])
def test_local_attention_stays_in_its_window(shape, window):
    attention = LocalAttention(12, 3, window)
    x = torch.randn(2, torch.Size(shape).numel(), 12)
    places = torch.cartesian_prod(*(torch.arange(s) for s in shape))
    home = places // torch.tensor(window)
    together = (home[:, None] == home).all(-1)

    q, k, v = attention.qkv(x).chunk(3, -1)
    expected = attention.proj(softmax_attention(q, k, v, 3, together))
    torch.testing.assert_close(attention(x, shape), expected)


def test_global_attention_to_the_map_itself():
    attention = GlobalAttention(12, 3, (4, 4), None, (1, 1))
    x = torch.randn(2, 30, 12)
    k, v = attention.kv(x).chunk(2, -1)
    expected = attention.proj(softmax_attention(attention.q(x), k, v, 3))
    torch.testing.assert_close(attention(x, (5, 6)), expected)


def average(maps, size):
    """Means over equal boxes: (B, C, *S) -> (B, C, *size)."""
    out = maps.new_empty(*maps.shape[:2], *size)
    for cell in itertools.product(*(range(n) for n in size)):
        box = [
            slice(i * s // n, (i + 1) * s // n)
            for i, n, s in zip(cell, size, maps.shape[2:])
        ]
        out[(..., *cell)] = maps[(..., *box)].flatten(2).mean(-1)
    return out


def depthwise(maps, conv):
    """A weighted sum of every box, channel by channel."""
    kernel = conv.weight.shape[2:]
    size = [s // k for s, k in zip(maps.shape[2:], kernel)]
    out = maps.new_empty(*maps.shape[:2], *size)
    for cell in itertools.product(*(range(n) for n in size)):
        box = [slice(i * k, (i + 1) * k) for i, k in zip(cell, kernel)]
        out[(..., *cell)] = (maps[(..., *box)] *
                             conv.weight[:, 0]).flatten(2).sum(-1) + conv.bias
    return out


@pytest.mark.parametrize('learned', [False, True])
@pytest.mark.parametrize('coarse', [False, True])
@pytest.mark.parametrize('shape, fine, first, second',
                         [((4, 8, 8), (2, 4, 4), (1, 4, 4), (2, 2, 1)),
                          ((8, 8), (4, 4), (2, 2), (2, 2)),
                          ((4, 9, 10), (2, 3, 5), (1, 4, 4), (4, 2, 2))])
def test_global_attention_reads_the_pyramid(shape, fine, first, second, coarse,
                                            learned):
    kernel = [s // f for s, f in zip(shape, fine)]
    attention = GlobalAttention(12, 3, fine,
                                (first, second) if coarse else None,
                                kernel if learned else None).eval()
    x = torch.randn(2, torch.Size(shape).numel(), 12)
    maps = x.transpose(1, 2).reshape(2, 12, *shape)

    levels = [
        depthwise(maps, attention.levels[0]) if learned else average(
            maps, fine)
    ]
    if coarse:
        conv1, norm, _, conv2 = attention.levels[1]
        torch.nn.init.normal_(norm.running_mean)
        y = depthwise(maps, conv1)
        y = (y.movedim(1, -1) - norm.running_mean) / (norm.running_var +
                                                      norm.eps).sqrt()
        levels.append(depthwise(y.clamp(min=0).movedim(-1, 1), conv2))
    priors = torch.cat([level.flatten(2) for level in levels], 2)
    priors = priors.transpose(1, 2)
    priors = (priors - priors.mean(-1, keepdim=True)) / (
        priors.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    k, v = attention.kv(priors).chunk(2, -1)
    expected = attention.proj(softmax_attention(attention.q(x), k, v, 3))
    torch.testing.assert_close(attention(x, shape), expected)


@pytest.mark.parametrize(
    'arch, millions, gflops_image, gflops_clip',
    [
        # The paper prints 4.2 GFLOPs for the image network T, which does not
        # follow from a structure with its 60 GFLOPs a clip: 12 C^2 multiply-
        # adds a token and block, for 18 blocks, are 2.6 G.
        ('tiny', 22, None, 60),
        ('small', 50, 8.1, None),
        ('base', 88, 14.7, None),
    ])
def test_counts_of_the_paper(arch, millions, gflops_image, gflops_clip):

    def giga_macs(axes, size):
        with torch.device('meta'):
            network = DualFormer(arch, axes=axes).eval()
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                network(torch.empty(1, 3, *size))
        count = sum(p.numel() for p in network.parameters())
        classes = 1000 * (network.norm.weight.numel() + 1)
        assert (count + classes) / 1e6 == pytest.approx(millions, rel=0.03)
        return counter.get_total_flops() / 2e9

    image = giga_macs(2, (224, 224))
    if gflops_image:
        assert image == pytest.approx(gflops_image, rel=0.03)
    if gflops_clip:
        clip = giga_macs(3, (32, 224, 224))
        assert clip == pytest.approx(gflops_clip, rel=0.03)


def test_the_blocks_of_the_paper():
    with torch.device('meta'):
        network = DualFormer()
    assert [len(stage.blocks) for stage in network.stages] == [2, 2, 10, 4]
    heads, windows, smallest = [], [], []
    for stage in network.stages:
        kinds = [type(b.attn) for b in stage.blocks]
        assert kinds == [LocalAttention, GlobalAttention] * (len(kinds) // 2)
        heads.append(stage.blocks[0].attn.num_heads)
        windows.append(stage.blocks[0].attn.window)
        smallest.append(stage.blocks[1].attn.num_levels)
    assert heads == [2, 4, 8, 16]
    assert set(windows) == {(8, 7, 7)}
    assert smallest == [2, 2, 1, 1]
    keys = []
    for stage, shape in zip(network.stages, [(16, 56, 56), (16, 28, 28),
                                             (16, 14, 14), (16, 7, 7)]):
        attn = stage.blocks[1].attn
        x = torch.empty(
            1,
            torch.Size(shape).numel(),
            len(stage.patch_embed.norm.weight),
            device='meta')
        keys.append(attn.priors(x, shape).shape[1])
    fine, coarse = 8 * 7 * 7, 4 * 4 * 4
    assert keys == [fine + coarse, fine + coarse, fine, 16 * 7 * 7]


def test_stochastic_depth_grows():
    network = build(drop_path_rate=0.5)
    rates = [b.drop_path.drop_prob for s in network.stages for b in s.blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


@pytest.mark.parametrize('size, shape', [
    ((8, 32, 32), (4, 4, 4)),
    ((10, 36, 46), (5, 5, 6)),
    ((7, 30, 29), (4, 4, 4)),
])
def test_output_is_a_map(size, shape):
    assert build()(clips(*size)).shape == (2, 32, *shape)


def test_positions_follow_the_first_block():
    network, x = build(), clips()
    stage, seen = network.stages[0], []
    stage.position.register_forward_pre_hook(
        lambda module, args: seen.append(args[0]))
    tokens, shape = stage.patch_embed(x)
    stage(tokens, shape)
    first = stage.blocks[0](tokens, shape)
    torch.testing.assert_close(seen, [first])
    maps = first.transpose(1, 2).reshape(2, 16, *shape)
    conv = stage.position.conv
    padded = torch.nn.functional.pad(maps, [1] * 6)
    expected = maps + conv.bias.view(-1, 1, 1, 1)
    for t, y_, x_ in itertools.product(range(3), repeat=3):
        part = padded[:, :, t:t + 4, y_:y_ + 8, x_:x_ + 8]
        expected = expected + part * conv.weight[:, 0, t, y_, x_].view(
            -1, 1, 1, 1)
    torch.testing.assert_close(
        stage.position(first, shape),
        expected.flatten(2).transpose(1, 2))


class TestInflation:

    @pytest.fixture
    def networks(self, tmp_path):
        """An image network and the video network its weights make."""
        options = dict(
            fine_sizes=((2, 2, 2), (2, 2, 2)), fine_kernels=((2, 4, 4), None))
        image = build(axes=2, **options)
        state = {f'backbone.{k}': v for k, v in image.state_dict().items()}
        state['head.fc.weight'] = torch.zeros(3, 32)
        torch.save(dict(state_dict=state), tmp_path / 'image.pth')
        video = MODELS.build(
            dict(
                TINY,
                **options,
                init_cfg=dict(
                    type='Pretrained',
                    checkpoint=str(tmp_path / 'image.pth'))))
        video.init_weights()
        return image, video.eval()

    @pytest.fixture
    def frames(self):
        return torch.randn(2, 3, 32, 32)

    @staticmethod
    def still(maps):
        return maps.unsqueeze(2).repeat(1, 1, 8, *[1] * (maps.dim() - 2))

    def test_filters(self, networks):
        """Every 2-D filter, of all blocks that change their shape."""
        image, video = networks
        changed = set()
        theirs = video.state_dict()
        for name, tensor in image.state_dict().items():
            if theirs[name].shape != tensor.shape:
                changed.add(name.split('.', 2)[-1])
                for t in range(theirs[name].shape[2]):
                    torch.testing.assert_close(
                        theirs[name][:, :, t] * theirs[name].shape[2], tensor)
            else:
                assert torch.equal(theirs[name], tensor)
        assert changed == {
            'patch_embed.proj.weight', 'position.conv.weight',
            'blocks.1.attn.levels.0.weight', 'blocks.1.attn.levels.1.0.weight',
            'blocks.1.attn.levels.1.3.weight'
        }

    def test_still_clip(self, networks, frames):
        """Everything but PEG, which sees the ends of a clip, agrees.

        Both priors are of two time steps, so that they weigh alike in the
        attention as they do in the image network.
        """
        image, video = networks
        for network in networks:
            for stage in network.stages:
                torch.nn.init.zeros_(stage.position.conv.weight)
        expected, = image(frames)
        out = video(self.still(frames))
        assert out.shape[2] == 4
        torch.testing.assert_close(
            out, expected[:, :, None].expand_as(out), rtol=1e-4, atol=1e-4)

    def test_still_clip_at_a_position_generator(self, networks):
        image, video = networks
        x = torch.randn(2, 16, 8, 8)
        tokens = x.flatten(2).transpose(1, 2)
        expected = image.stages[0].position(tokens, (8, 8))
        tokens = self.still(x).flatten(2).transpose(1, 2)
        out = video.stages[0].position(tokens, (8, 8, 8))
        inner = out.reshape(2, 8, 64, 16)[:, 1:-1]
        torch.testing.assert_close(inner, expected[:, None].expand_as(inner))

    def test_moving_clip_differs(self, networks, frames):
        video = networks[1]
        still = self.still(frames)
        moving = still.clone()
        moving[:, :, 4:] = 0
        assert not torch.allclose(video(still), video(moving), atol=1e-2)

    def test_an_incomplete_file_is_refused(self, tmp_path):
        state = build(axes=2).state_dict()
        del state['stages.0.position.conv.weight']
        torch.save(state, tmp_path / 'image.pth')
        network = DualFormer(
            **{
                k: v
                for k, v in TINY.items() if k != 'type'
            },
            init_cfg=dict(
                type='Pretrained', checkpoint=str(tmp_path / 'image.pth')))
        with pytest.raises(ValueError, match='stages.0.position.conv.weight'):
            network.init_weights()


@pytest.mark.parametrize('options, size, message', [
    (dict(), (2, 32, 32), '2 x 32 x 32 pixels are 1 x 8 x 8 tokens in stage 1 '
     '.* needs 2 x 4 x 4'),
    (dict(),
     (4, 32, 32), 'are 2 x 4 x 4 tokens in stage 2 .* needs 4 x 2 x 2'),
    (dict(), (8, 32, 8), '8 x 32 x 8 pixels .* stage 1'),
    (dict(axes=2), (8, 32, 32), 'axes=2 takes inputs of 4 dimensions'),
])
def test_inputs_that_do_not_fit(options, size, message):
    with pytest.raises(ValueError, match=message):
        build(**options)(torch.randn(1, 3, *size))


def test_the_published_pyramid_needs_32_frames():
    with torch.device('meta'):
        network, clip = DualFormer(), torch.empty(1, 3, 16, 224, 224)
        with pytest.raises(ValueError, match='stage 4 .* needs 16 x 7 x 7'):
            network(clip)


@pytest.mark.parametrize('options, message', [
    (dict(arch='huge'), "'huge' is not among tiny, small, base"),
    (dict(arch=dict(depths=(2, ))), 'must give embed_dims'),
    (dict(axes=1), 'axes=1'),
    (dict(fine_sizes=((2, 2, 2), )), 'fine_sizes has 1 entries for 2 stages'),
])
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(TINY, **options))


def test_recomputation_changes_nothing():
    """Gradients and running statistics are those of a plain step."""
    plain = build(drop_path_rate=0.).train()
    saving = MODELS.build(dict(TINY, with_cp=True))
    saving.load_state_dict(plain.state_dict())
    saving.train()
    x, calls = clips(), []
    saving.stages[0].blocks[1].attn.register_forward_pre_hook(
        lambda *args: calls.append(1))
    for network in (plain, saving):
        network(x).square().mean().backward()
    assert len(calls) == 2, 'the block was not recomputed'
    for (name, a), b in zip(plain.named_parameters(), saving.parameters()):
        assert a.grad is not None, name
        torch.testing.assert_close(a.grad, b.grad)
    for a, b in zip(plain.buffers(), saving.buffers()):
        torch.testing.assert_close(a, b)


def test_train_step_of_a_recognizer():
    model = MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=dict(TINY, drop_path_rate=0.1, with_cp=True),
            cls_head=dict(
                type='I3DHead',
                num_classes=3,
                in_channels=32,
                average_clips='prob'),
            data_preprocessor=dict(
                type='ActionDataPreprocessor', format_shape='NCTHW')))
    model.init_weights()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    videos = [torch.randint(256, (1, 3, 8, 32, 32)) for _ in range(2)]
    samples = [ActionDataSample().set_gt_label(i) for i in (0, 2)]
    data = model.data_preprocessor(
        dict(inputs=videos, data_samples=samples), training=True)
    data['inputs'] = data['inputs'].float() / 255
    model.train()
    losses = []
    for _ in range(8):
        loss = model(**data, mode='loss')['loss_cls']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    predictions = model(**data, mode='predict')
    assert predictions[0].pred_score.sum().item() == pytest.approx(1)


def test_an_image_classifier():
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import MODELS as CLASSIFIERS
    from mmpretrain.structures import DataSample
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = CLASSIFIERS.build(
            dict(
                type='ImageClassifier',
                backbone=dict(TINY, type='mmaction.DualFormer', axes=2),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=3,
                          in_channels=32)))
        losses = model(
            torch.randn(2, 3, 32, 32),
            [DataSample().set_gt_label(i) for i in (0, 2)],
            mode='loss')
    losses['loss'].backward()
    assert all(p.grad is not None for p in model.parameters())


class TestAdapters:
    FROZEN = dict(TINY, init_cfg=dict(type='RandomWeights'))

    @pytest.mark.parametrize('site, blocks', [
        ('attn', [0, 1, 2, 3, 4, 5]),
        ('mlp', [0, 1, 2, 3, 4, 5]),
        ('block', [0, 1, 2, 3, 4, 5]),
        ('local_attn', [0, 2, 4]),
        ('qkv', [0, 2, 4]),
        ('global_attn', [1, 3, 5]),
    ])
    def test_sites(self, site, blocks):
        network = build()
        places = locate(network, site)
        assert [place.site.block for place in places] == blocks
        widths = [16, 16, 32, 32, 32, 32]
        flat = [b for stage in network.stages for b in stage.blocks]
        for place in places:
            assert place.site.dims == widths[place.site.block]
            block = flat[place.site.block]
            wanted = dict(mlp=block.mlp, block=block).get(site, block.attn)
            if site == 'qkv':
                wanted = block.attn.qkv
            assert place.module is wanted

    def test_stem(self):
        network = build()
        place, = locate(network, 'stem')
        assert place.module is network.stages[0].patch_embed
        assert place.site.dims == 16

    def test_both_paths_of_dualpath(self):
        """The image network under DualPath, framesets and frames."""
        model = MODELS.build(
            dict(
                type='DualPathBackbone',
                backbone=dict(self.FROZEN, axes=2),
                spatial=dict(adapters=[
                    dict(type='ParallelAdapter', site='mlp', width=4)
                ]),
                temporal=dict(adapters=[
                    dict(type='FramesetPositions', site='stem'),
                    dict(type='SerialAdapter', site='attn', width=4)
                ])))
        frames = torch.randn(2, 4, 3, 32, 32)
        out = model(spatial=frames, temporal=frames[:, :1])
        assert out.shape == (2, 2 * 32)
        maps = model.spatial.base.eval()(frames.flatten(0, 1))[0]
        expected = maps.reshape(2, 4, 32, 16).mean((1, 3))
        torch.testing.assert_close(out[:, :32], expected)

    @pytest.mark.parametrize('axes', [2, 3])
    @pytest.mark.parametrize('with_cp', [False, True])
    def test_they_train_and_nothing_else(self, axes, with_cp):
        model = AdaptedBackbone(
            dict(self.FROZEN, axes=axes),
            adapters=[
                dict(type='SerialAdapter', site='attn', width=4),
                dict(type='ParallelAdapter', site='mlp', width=4),
            ],
            with_cp=with_cp)
        bare = MODELS.build(dict(TINY, axes=axes)).eval()
        own = dict(model.named_parameters())
        own.update(model.named_buffers())
        bare.load_state_dict({
            name.replace('.base', '').replace('base.', '', 1):
            own[name]
            for name in model.frozen_names()
        })
        x = clips() if axes == 3 else torch.randn(2, 3, 32, 32)
        expected = bare(x)
        model.train()
        out = model(x)
        # Also while training: batch statistics are the frozen network's.
        torch.testing.assert_close(out, expected if axes == 3 else expected[0])
        out.square().mean().backward()
        grads = {n for n, p in model.named_parameters() if p.grad is not None}
        assert len(grads) == 2 * 6 * 4
        assert all('.adapter.' in n for n in grads)
        after = dict(model.named_buffers())
        for name, buffer in bare.named_buffers():
            match, = [
                n for n in after
                if n.replace('.base', '').replace('base.', '', 1) == name
            ]
            assert torch.equal(after[match], buffer)
