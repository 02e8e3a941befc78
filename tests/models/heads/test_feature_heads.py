"""What reads frozen features, against plain torch from the equations."""
import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from mmdualpath.models.features import Features
from mmdualpath.models.heads.evl import head_mean_attention
from mmdualpath.models.heads.side4video import shifted

B, T, G, C, H, CLASSES = 2, 3, 2, 16, 2, 5
P, N, SIDE, PATCH = G * G, G * G + 1, 8, 4
SIZES = dict(
    AttentiveProbe=dict(depth=3, num_heads=H),
    EVLDecoder=dict(grid=G, num_layers=2, num_heads=H),
    SideNetwork=dict(dims=SIDE, num_blocks=2, patch_size=PATCH, grid=G))


def build(type, **options):
    head = MODELS.build(
        dict(
            type=type,
            num_classes=CLASSES,
            in_channels=C,
            num_frames=T,
            **SIZES.get(type, {}),
            **options)).eval()
    head.init_weights()
    for name, p in head.named_parameters():
        p.data += 0.2 * torch.randn_like(p)
    for name, b in head.named_buffers():
        if 'running' in name:
            b += torch.rand_like(b)
    return head


def features(blocks=2, **changes):
    values = dict(
        tokens=tuple(torch.randn(B * T, N, C) for _ in range(blocks)),
        extra_tokens=1,
        queries=tuple(torch.randn(B * T, H, N, C // H) for _ in range(blocks)),
        keys=tuple(torch.randn(B * T, H, N, C // H) for _ in range(blocks)),
        images=torch.randn(B * T, 3, G * PATCH, G * PATCH))
    return Features(**{**values, **changes})


def norm(x, layer):
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean)**2).mean(-1, keepdim=True)
    return (x - mean) / (var + layer.eps)**.5 * layer.weight + layer.bias


def batch_norm(x, layer):  # channels last
    return (x - layer.running_mean) / (layer.running_var + layer.eps)**.5 \
        * layer.weight + layer.bias


def attend(q, k, v, heads):
    outs = []
    for i in range(heads):
        part = slice(i * q.shape[-1] // heads, (i + 1) * q.shape[-1] // heads)
        w = q[..., part] @ k[..., part].mT / (q.shape[-1] // heads)**.5
        outs.append(w.softmax(-1) @ v[..., part])
    return torch.cat(outs, -1)


def mha(attn, q, kv):
    wq, wk, wv = attn.in_proj_weight.chunk(3)
    bq, bk, bv = attn.in_proj_bias.chunk(3)
    out = attend(q @ wq.T + bq, kv @ wk.T + bk, kv @ wv.T + bv, attn.num_heads)
    return out @ attn.out_proj.weight.T + attn.out_proj.bias


def mlp(layers, x):
    first, last = layers[0], layers[-1]
    return F.gelu(x @ first.weight.T + first.bias) @ last.weight.T + last.bias


def test_attentive_probe():
    head, x = build('AttentiveProbe'), features(blocks=1)
    t = x.tokens[0].reshape(B, T * N, C)
    for block in head.blocks:
        z = norm(t, block.norm1)
        t = t + mha(block.self_attn, z, z)
        t = t + mlp((block.linear1, block.linear2), norm(t, block.norm2))
    kv = norm(t, head.norm1) @ head.kv.weight.T + head.kv.bias
    query = head.query[None, None] @ head.q.weight.T + head.q.bias
    q = head.query + attend(query, kv[..., :C], kv[..., C:], H)
    q = q + mlp(head.mlp, norm(q, head.norm2))
    expected = q[:, 0] @ head.fc.weight.T + head.fc.bias
    torch.testing.assert_close(head(x), expected, rtol=1e-4, atol=1e-4)


def test_the_probe_starts_as_the_paper_says():
    head = MODELS.build(
        dict(
            type='AttentiveProbe',
            num_classes=CLASSES,
            in_channels=256,
            num_frames=T))
    head.init_weights()
    assert len(head.blocks) == 3
    for number, block in enumerate(head.blocks, 1):
        for layer, std in ((block.self_attn.out_proj.weight,
                            2 * number), (block.linear2.weight, 2 * number),
                           (block.self_attn.in_proj_weight,
                            1), (block.linear1.weight, 1)):
            assert layer.detach().std() == pytest.approx(
                0.02 / std**.5, rel=0.05)
        assert not block.self_attn.in_proj_bias.any()
    assert head.mlp[-1].weight.detach().std() == pytest.approx(
        0.02 / 6**.5, rel=.05)
    assert head.query.detach().std() == pytest.approx(0.02, rel=0.3)


def test_features_of_clips_are_no_frames():
    head = build('AttentiveProbe')
    x = features(blocks=1)
    clips = Features((x.tokens[0].reshape(B, T * N, C), ), clips=True)
    torch.testing.assert_close(head(clips), head(x))


@pytest.mark.parametrize('type', ['FrameMeanHead', 'TemporalTransformerHead'])
def test_the_heads_of_vectors_read_class_tokens(type):
    head = build(type)
    token = torch.randn(B * T, 1, C)
    torch.testing.assert_close(
        head(Features((token.double(), ), 1)), head(token[:, 0]))
    with pytest.raises(ValueError, match=f'{type} reads the tokens of one'):
        head(features())


def offsets(q, k, table):
    """T-CA of one direction by loops over places: ``(P, C)``."""
    out = torch.zeros(P, C)
    for h in range(H):
        weights = (q[h] @ k[h].T / (C // H)**.5).softmax(-1)
        for i in range(P):
            for j in range(P):
                dy, dx = j // G - i // G, j % G - i % G
                row = (dy + G - 1) * (2 * G - 1) + dx + G - 1
                out[i] += weights[i, j] * table[row] / H
    return out


def test_evl():
    head, x = build('EVLDecoder'), features()
    expected = []
    for b in range(B):
        out = head.query[None]
        for number, layer in enumerate(head.layers):
            f, q, k = (
                part[number][b * T:(b + 1) * T]
                for part in (x.tokens, x.queries, x.keys))
            whole = f.clone()
            for t in range(T):
                for step in range(3):
                    if 0 <= t + step - 1 < T:
                        weight = layer.conv.weight[:, 0, step, 0, 0]
                        whole[t] += f[t + step - 1] * weight
                whole[t] += layer.conv.bias + layer.positions[t]
                for other, table in ((t - 1, 0), (t + 1, 1)):
                    if 0 <= other < T:
                        whole[t, 1:] += offsets(q[t, :, 1:], k[other, :, 1:],
                                                layer.cross.tables[table])
            tokens = norm(whole.reshape(-1, C), layer.norm_tokens)
            out = out + mha(layer.attn, norm(out, layer.norm1), tokens)
            out = out + mlp(layer.mlp, norm(out, layer.norm2))
        expected.append(norm(out, head.norm)[0])
    expected = torch.stack(expected) @ head.fc.weight.T + head.fc.bias
    torch.testing.assert_close(head(x), expected, rtol=1e-4, atol=1e-4)


def test_evl_starts_with_the_frozen_tokens():
    head = MODELS.build(
        dict(
            type='EVLDecoder',
            num_classes=CLASSES,
            in_channels=C,
            num_frames=T,
            **SIZES['EVLDecoder'])).eval()
    head.init_weights()
    for layer in head.layers:
        for p in (*layer.conv.parameters(), layer.positions,
                  layer.cross.tables):
            assert not p.any()
    # without order there is no difference between a clip and its reverse
    x = features()
    back = Features(
        *([t.unflatten(0, (B, T)).flip(1).flatten(0, 1)
           for t in part] if isinstance(part, tuple) else part for part in x))
    torch.testing.assert_close(head(x), head(back))
    loss = head(x).sum()
    loss.backward()
    for name, p in head.named_parameters():
        assert p.grad.any() or name.endswith('in_proj_bias'), name
    torch.testing.assert_close(
        head_mean_attention(x.queries[0], x.keys[0]).sum(-1),
        torch.ones(B * T, N))


def test_class_tokens_come_from_the_frames_around():
    c = torch.arange(1., 1 + 2 * 3 * 4).reshape(2, 3, 4)
    out = shifted(c)
    assert torch.equal(out[:, 0], torch.cat((c[:, 1, :2], 0 * c[:, 0, 2:]), 1))
    assert torch.equal(out[:, 1], torch.cat((c[:, 2, :2], c[:, 0, 2:]), 1))
    assert torch.equal(out[:, 2], torch.cat((0 * c[:, 0, :2], c[:, 1, 2:]), 1))


def test_side_network():
    head, x = build('SideNetwork'), features()
    images = x.images.reshape(B, T, 3, G, PATCH, G, PATCH)
    images = images.permute(0, 1, 3, 5, 2, 4, 6).reshape(B, T, P, -1)
    u = torch.zeros(B, T, P, SIDE) + head.stem.bias
    for t in range(T):
        for step in range(3):
            if 0 <= t + step - 1 < T:
                u[:, t] += images[:, t + step - 1] \
                    @ head.stem.weight[:, :, step].flatten(1).T
    u = batch_norm(u, head.stem_norm)
    for block, z in zip(head.blocks, x.tokens):
        z = norm(z.reshape(B, T, N, C), block.norm)
        z = z @ block.down.weight.T + block.down.bias
        u = u / 2 + z[:, :, 1:] / 2
        first, along, last = block.conv
        y = batch_norm(u, block.norm1) @ first.weight.flatten(1).T + first.bias
        moved = torch.zeros_like(y) + along.bias
        for t in range(T):
            for step in range(3):
                if 0 <= t + step - 1 < T:
                    moved[:, t] += y[:, t + step - 1] \
                        * along.weight[:, 0, step, 0, 0]
        u = u + moved @ last.weight.flatten(1).T + last.bias
        tokens = torch.cat(
            (shifted(z[:, :, 0])[:, :, None], u + head.positions), 2)
        tokens = norm(tokens, block.norm2)
        u = u + mha(block.attn, tokens[:, :, 1:], tokens)
        u = u + mlp(block.mlp, batch_norm(u, block.norm3))
    mean = batch_norm(u, head.norm).mean((1, 2))
    expected = mean @ head.fc.weight.T + head.fc.bias
    torch.testing.assert_close(head(x), expected, rtol=1e-3, atol=1e-4)


def test_the_side_network_leaves_registers_out():
    head, x = build('SideNetwork'), features()
    tokens = tuple(
        torch.cat((t[:, :1], torch.randn(B * T, 4, C), t[:, 1:]), 1)
        for t in x.tokens)
    registers = x._replace(tokens=tokens, extra_tokens=5)
    torch.testing.assert_close(head(registers), head(x))


@pytest.mark.parametrize('type', SIZES)
def test_trains_and_saves(type):
    head = build(type).train()
    x = features(blocks=1 if type == 'AttentiveProbe' else 2)
    half = Features(*(tuple(t.bfloat16()
                            for t in part) if isinstance(part, tuple) else part
                      for part in x))
    assert head.eval()(half).dtype == torch.float32
    samples = [ActionDataSample().set_gt_label(label) for label in range(B)]
    losses = head.train().loss(x, samples, num_segs=T)
    losses['loss_cls'].backward()
    for name, p in head.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all(), name
    again = build(type)
    again.load_state_dict(head.state_dict())
    torch.testing.assert_close(again(x), head.eval()(x))
    state = head.state_dict()
    state.pop('fc.bias')
    with pytest.raises(ValueError, match='Missing: fc.bias'):
        again.load_state_dict(state, strict=False)


@pytest.mark.parametrize('type', SIZES)
def test_recomputing_changes_nothing_but_memory(type):
    plain, again = build(type), build(type, with_cp=True)
    again.load_state_dict(plain.state_dict())
    x = features(blocks=1 if type == 'AttentiveProbe' else 2)
    saved = []
    for head in (plain.train(), again.train()):
        for module in head.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.
        count = []
        with torch.autograd.graph.saved_tensors_hooks(
                lambda t: count.append(t.nbytes) or t, lambda t: t):
            loss = head(x).square().sum()
        loss.backward()
        saved.append(sum(count))
    assert saved[1] < saved[0]
    for (name, one), two in zip(plain.named_parameters(), again.parameters()):
        torch.testing.assert_close(one.grad, two.grad, msg=name)
    for (name, one), two in zip(plain.named_buffers(), again.buffers()):
        torch.testing.assert_close(one, two, msg=name)


@pytest.mark.parametrize('type, changes, message', [
    ('EVLDecoder', dict(queries=()), 'queries_keys=True'),
    ('EVLDecoder', dict(clips=True), 'of an image network'),
    ('EVLDecoder', dict(blocks=3), 'num_layers=2'),
    ('EVLDecoder', dict(extra_tokens=0), 'reads 4 patches.*given 5'),
    ('SideNetwork', dict(images=None), 'images=True'),
    ('SideNetwork', dict(extra_tokens=0), 'class token'),
    ('SideNetwork', dict(blocks=3), 'num_blocks=2'),
    ('SideNetwork', dict(images=torch.zeros(6, 3, 4, 4)), r'given \(4, 4\)'),
    ('AttentiveProbe', dict(), 'tokens of one block'),
])
def test_other_features_are_refused(type, changes, message):
    with pytest.raises(ValueError, match=message):
        build(type)(features(**changes))


@pytest.mark.parametrize('type, options, message', [
    ('AttentiveProbe', dict(depth=0), 'depth=0'),
    ('AttentiveProbe', dict(num_heads=3), 'num_heads=3'),
    ('EVLDecoder', dict(num_heads=3), 'num_heads=3'),
])
def test_mistakes(type, options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(
            dict(
                type=type,
                num_classes=CLASSES,
                in_channels=C,
                num_frames=T,
                **options))
