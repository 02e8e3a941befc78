"""Multiply-adds against numbers worked out by hand."""
import pytest
import torch
from mmaction.registry import MODELS

from mmdualpath.analysis.complexity import count_macs, count_params

D, LAYERS, HIDDEN, PATCHES, FRAMES, CLASSES = 48, 3, 96, 16, 2, 5
TOKENS = PATCHES + 1


def backbone_macs(keys: int = 0, prompts: int = 0) -> int:
    """Of one frame, with more keys or prompts in every block."""
    tokens = TOKENS + prompts
    block = tokens * (4 * D * D + 2 * D * HIDDEN)
    block += 2 * tokens * (tokens + keys) * D
    return PATCHES * 3 * 8 * 8 * D + LAYERS * block


def build(adapter: dict):
    return MODELS.build(
        dict(
            type='Recognizer2D',
            backbone=dict(
                type='AdaptedBackbone',
                backbone=dict(
                    type='mmpretrain.VisionTransformer',
                    arch=dict(
                        embed_dims=D,
                        num_layers=LAYERS,
                        num_heads=4,
                        feedforward_channels=HIDDEN),
                    img_size=32,
                    patch_size=8,
                    init_cfg=dict(type='RandomWeights')),
                adapters=[adapter]),
            cls_head=dict(
                type='FrameMeanHead',
                num_classes=CLASSES,
                in_channels=D,
                num_frames=FRAMES)))


@pytest.mark.parametrize(
    'adapter, expected, params',
    [
        (dict(type='ParallelAdapter', site='mlp', width=8),
         LAYERS * TOKENS * 2 * D * 8, LAYERS * (2 * D * 8 + 8 + D)),
        (dict(type='SerialAdapter', site='attn', width=8, blocks=[0]),
         TOKENS * 2 * D * 8, 2 * D * 8 + 8 + D),
        # K_p, V_p = Linear(tanh(Linear x)): d to 8 to 2d
        (dict(type='PATT', site='msa', width=8),
         LAYERS * TOKENS * (D * 8 + 8 * 2 * D),
         LAYERS * (D * 8 + 8 + 2 * D * 8 + 2 * D)),
        # 4 prefixes through both layers, once a batch, and as keys
        (dict(type='PrefixTuning', site='msa', num_tokens=4, width=8),
         backbone_macs(keys=4) - backbone_macs() +
         LAYERS * 4 * (D * 8 + 8 * 2 * D) / FRAMES,
         LAYERS * (4 * D + D * 8 + 8 + 2 * D * 8 + 2 * D)),
        (dict(type='VPT', site='block', num_prompts=4),
         backbone_macs(prompts=4) - backbone_macs(), LAYERS * 4 * D),
    ])
def test_what_an_adapter_takes(adapter, expected, params):
    model = build(adapter)
    counts = count_macs(model, torch.randn(1, FRAMES, 3, 32, 32))
    assert counts['frames'] == dict(
        frozen=FRAMES * backbone_macs(), adapters=FRAMES * expected)
    assert counts['head'] == dict(head=D * CLASSES)
    assert count_params(model)['trainable'] == params + (D + 1) * CLASSES
