"""Small pieces that many tests share."""
import logging
import os

os.environ.setdefault('OMP_NUM_THREADS', '1')

import pytest  # noqa: E402
import torch  # noqa: E402
from hub import hub  # noqa: E402, F401
from mmengine.registry import init_default_scope  # noqa: E402

import mmdualpath  # noqa: E402, F401

torch.set_num_threads(int(os.environ['OMP_NUM_THREADS']))

TINY = dict(embed_dims=48, num_layers=3, num_heads=4, feedforward_channels=96)


@pytest.fixture(autouse=True)
def _mmaction_scope():
    """What the runner does with ``default_scope = 'mmaction'``."""
    init_default_scope('mmaction')
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _logging():
    """What a tool run in this process silences is heard again."""
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def tiny_clip() -> dict:
    """Config of a CLIP encoder of three blocks that reads 32 pixels."""
    return dict(
        type='CLIPVisionTransformer',
        arch=dict(TINY),
        img_size=32,
        patch_size=8,
        out_dims=24,
        init_cfg=dict(type='RandomWeights'))


@pytest.fixture
def tiny_swin() -> dict:
    """Config of a Swin of two stages that reads 32 pixels."""
    return dict(
        type='mmpretrain.SwinTransformer',
        arch=dict(embed_dims=24, depths=[2, 2], num_heads=[2, 4]),
        img_size=32,
        patch_size=2,
        window_size=4,
        drop_path_rate=0.,
        out_indices=(1, ),
        init_cfg=dict(type='RandomWeights'))
