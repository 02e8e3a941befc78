"""The heads of the one-view methods against plain torch."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS, TRANSFORMS

BM, T, N, C, CLASSES, HEADS = 3, 4, 5, 12, 7, 3


def build(type, **kwargs):
    head = MODELS.build(
        dict(
            type=type,
            num_classes=CLASSES,
            in_channels=C,
            num_frames=T,
            **kwargs)).eval()
    for p in head.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return head


def attend(q, k, v):
    q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in (q, k, v))
    weights = (q @ k.mT / (C // HEADS)**0.5).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2)


def project(attn, *inputs):
    weights, biases = attn.in_proj_weight.chunk(3), attn.in_proj_bias.chunk(3)
    out = attend(*(x @ w.T + b for x, w, b in zip(inputs, weights, biases)))
    return attn.out_proj(out)


def test_mean():
    head = build('FrameMeanHead')
    vectors = torch.randn(BM * T, C)
    clips = vectors.reshape(BM, T, C)
    expected = head.fc(sum(clips[:, t] for t in range(T)) / T)
    torch.testing.assert_close(head(vectors), expected)


def test_mean_of_a_map_is_that_of_its_places():
    head, maps = build('FrameMeanHead'), torch.randn(BM * T, C, 2, 3)
    torch.testing.assert_close(head(maps), head(maps.mean((2, 3))))


def test_temporal_transformer():
    head = build('TemporalTransformerHead', num_heads=HEADS)
    block = head.block
    vectors = torch.randn(BM * T, C)
    x = vectors.reshape(BM, T, C) + head.positions
    n = F.layer_norm(x, (C, ), block.norm1.weight, block.norm1.bias)
    z = x + project(block.self_attn, n, n, n)
    n = F.layer_norm(z, (C, ), block.norm2.weight, block.norm2.bias)
    h = z + block.linear2(F.gelu(block.linear1(n)))
    torch.testing.assert_close(
        head(vectors), head.fc(h.mean(1)), rtol=1e-4, atol=1e-4)


def test_temporal_transformer_knows_the_order():
    head = build('TemporalTransformerHead', num_heads=HEADS)
    vectors = torch.randn(T, C)
    assert not torch.allclose(head(vectors), head(vectors.flip(0)))


def test_attentive_pooling():
    head = build('AttentivePoolingHead', num_heads=HEADS)
    tokens = torch.randn(BM * T, N, C)
    x = tokens.reshape(BM, T * N, C)
    query = head.query.expand(BM, 1, C)
    expected = head.fc(project(head.attn, query, x, x)[:, 0])
    torch.testing.assert_close(head(tokens), expected, rtol=1e-4, atol=1e-4)


def test_start():
    """Weights are those of init_cfg; learnable vectors are not zero."""
    for type in ('TemporalTransformerHead', 'AttentivePoolingHead'):
        head = build(type)
        head.init_weights()
        own = head.query if type == 'AttentivePoolingHead' else head.positions
        assert 0 < own.std() < 0.03 and 0 < head.fc.weight.std() < 0.03
        assert not head.fc.bias.any()


@pytest.mark.parametrize('frames', [T + 1, 2 * T - 1])
def test_incomplete_clips(frames):
    with pytest.raises(ValueError, match='num_frames=4'):
        build('FrameMeanHead')(torch.randn(frames, C))


def test_videos_of_incomplete_clips():
    """Two videos of T + 2 frames are three clips, but of mixed frames."""
    with pytest.raises(ValueError, match='6 frames of a video'):
        build('FrameMeanHead')(torch.randn(12, C), num_segs=6)


def test_frames_of_a_clip_follow_each_other():
    """What the heads take for granted of MMAction2's views."""
    frames = [np.full((40, 60, 3), i, np.uint8) for i in range(2 * T)]
    results = dict(
        imgs=frames, img_shape=(40, 60), num_clips=2, clip_len=T, modality=[])
    for cfg in (dict(type='ThreeCrop', crop_size=40),
                dict(type='FormatShape', input_format='NCHW')):
        results = TRANSFORMS.build(cfg)(results)
    views = results['imgs'][:, 0, 0, 0].reshape(-1, T)
    clips = {tuple(range(T)), tuple(range(T, 2 * T))}
    assert len(views) == 6 and {tuple(v) for v in views} == clips
