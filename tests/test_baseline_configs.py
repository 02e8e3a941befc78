"""Every baseline config, built at full size on the meta device."""
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.model import BaseModule

CONFIGS = Path(__file__).parents[1] / 'configs'
D, L, T = 768, 12, 8
CLASSES = dict(ssv2=174, k400=400, hmdb51=51)


def fc(classes: int, dims: int = D) -> int:
    return dims * classes + classes


def bottleneck(width: int, dims: int = D) -> int:
    return 2 * dims * width + width + dims


def space_time(width: int, dims: int = D) -> int:
    """A bottleneck and a depth-wise kernel of three frames."""
    return bottleneck(width, dims) + 3 * width + width


BLOCK = 12 * D**2 + 13 * D  # attention 4 d^2 + 4 d, MLP 8 d^2 + 5 d, LN 4 d
TRANSFORMER = BLOCK + T * D
TEMPORAL = 5 * D**2 + 7 * D
# Patches, class token, positions, LN in front and behind, blocks.
VITB = 3 * 16**2 * D + D + 197 * D + 4 * D + L * BLOCK
VITL = 3 * 14**2 * 1024 + 1024 + 257 * 1024 + 4 * 1024 + 24 * (12 * 1024**2 +
                                                               13 * 1024)
SWIN = [(128, 2), (256, 2), (512, 18), (1024, 2)]
PRO_TUNING = L * (bottleneck(128) + 26 * 128)

# Config: trainable parameters from the equations, and the paper's figure in
# millions as it prints it, or None.
COUNTS = {
    'linear_vitb_k400': (fc(400), '0.31'),
    'linear_vitb_ssv2': (fc(174), None),
    'linear_vitb_hmdb51': (fc(51), None),  # 0.04; the paper's 0.1 rounds up
    'full_vitb_k400': (VITB + fc(400), '86.11'),
    'full_vitb_ssv2': (VITB + fc(174), '86'),
    'full_vitb_hmdb51': (VITB + fc(51), '86'),
    'full_vitl_ssv2': (VITL + fc(174, 1024), '303'),
    'full_vitl_k400': (VITL + fc(400, 1024), None),
    'full-ta_vitb_k400': (VITB + L * TEMPORAL + T * D + fc(400), '121.57'),
    'full-ta_vitb_ssv2': (VITB + L * TEMPORAL + T * D + fc(174), None),
    # X-ViT's own classifier has 0.6 M more: 93.79.
    'full-ts_vitb_k400': (VITB + TRANSFORMER + fc(400), None),
    'full-ts_vitb_ssv2': (VITB + TRANSFORMER + fc(174), None),
    'partial_vitb_k400': (BLOCK + fc(400), '7.40'),
    'partial_vitb_ssv2': (BLOCK + fc(174), None),
    'partial-ta_vitb_ssv2': (BLOCK + TEMPORAL + T * D + fc(174), None),
    'temporal_vitb_k400': (L * TEMPORAL + T * D + fc(400), '35.8'),
    'temporal_vitb_ssv2': (L * TEMPORAL + T * D + fc(174), None),
    'prompt-tuning_vitb_k400': (L * 128 * D + fc(400), None),
    'prompt-tuning_vitb_ssv2': (L * 128 * D + fc(174), None),
    'attentive-pooling_vitb_k400': (4 * D**2 + 5 * D + fc(400), None),
    'attentive-pooling_vitb_ssv2': (4 * D**2 + 5 * D + fc(174), None),
    'adapter_vitb_k400': (2 * L * bottleneck(183) + fc(400), None),
    'adapter_vitb_ssv2': (2 * L * bottleneck(183) + fc(174), None),
    'vpt_vitb_ssv2': (L * 8 * D + TRANSFORMER + fc(174), None),
    'vpt_vitb_hmdb51': (L * 8 * D + TRANSFORMER + fc(51), '7'),
    'adaptformer_vitb_ssv2': (L * bottleneck(64) + TRANSFORMER + fc(174), '8'),
    'adaptformer_vitb_hmdb51':
    (L * bottleneck(64) + TRANSFORMER + fc(51), '8'),
    # The paper rounds 9.6 and 9.5 down to 9.
    'pro-tuning_vitb_ssv2': (PRO_TUNING + TRANSFORMER + fc(174), None),
    'pro-tuning_vitb_hmdb51': (PRO_TUNING + TRANSFORMER + fc(51), None),
    # The paper prints 6.
    'video-prompt_vitb_ssv2': (8 * D + TRANSFORMER + fc(174), None),
    'video-prompt_vitb_hmdb51': (8 * D + TRANSFORMER + fc(51), None),
    'st-adapter-12x384_vitb_k400': (L * space_time(384) + fc(400), None),
    'st-adapter-12x384_vitb_ssv2': (L * space_time(384) + fc(174), '7.2'),
    'st-adapter-t8_vitb_ssv2': (2 * L * space_time(384) + fc(174), None),
    'st-adapter_vitb_ssv2': (2 * L * space_time(384) + fc(174), None),
    'st-adapter_vitb_k400': (L * space_time(384) + fc(400), '7'),
    'st-adapter_vitb_hmdb51': (L * space_time(384) + fc(51), '7'),
    'st-adapter_vitl_ssv2': (48 * space_time(384, 1024) + fc(174, 1024), None),
    'st-adapter_vitl_k400': (24 * space_time(384, 1024) + fc(400, 1024), None),
    'st-adapter_swinb_ssv2':
    (sum(n * space_time(d // 2, d) for d, n in SWIN) + fc(174, 1024), '7'),
    'full_swinb_ssv2': (None, '87'),
    'full_swinb_hmdb51': (None, '87'),
}


@pytest.fixture
def build(monkeypatch):
    """Models of configs, without weights and without memory."""
    monkeypatch.setattr(BaseModule, 'init_weights', lambda self: None)
    # Swin reads numbers out of it.
    linspace = torch.linspace
    monkeypatch.setattr(torch, 'linspace',
                        lambda *args: linspace(*args, device='cpu'))

    def on_meta(name):
        cfg = Config.fromfile(CONFIGS / f'{name}.py')
        backbone = cfg.model.backbone.backbone
        assert backbone.init_cfg.pop('checkpoint')
        backbone.init_cfg.type = 'RandomWeights'
        with torch.device('meta'):
            return cfg, MODELS.build(cfg.model)

    return on_meta


@pytest.mark.parametrize('name', COUNTS)
def test_config(build, name):
    expected, paper = COUNTS[name]
    cfg, model = build(name)
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert expected in (None, count)
    if paper:
        digits = len(paper.partition('.')[2])
        assert f'{count / 1e6:.{digits}f}' == paper
    assert_frames_agree(cfg, model)
    assert cfg.model.cls_head.num_classes == CLASSES[name.rsplit('_')[-1]]


def assert_frames_agree(cfg, model):
    """Pipelines, adapters and head speak of the same number of frames."""
    frames = {cfg.model.cls_head.num_frames} | {
        m.images_per_clip
        for m in model.modules() if getattr(m, 'images_per_clip', None)
    }
    for part in ('train', 'val', 'test'):
        pipeline = cfg[f'{part}_dataloader'].dataset.pipeline
        sampling, = (s for s in pipeline if 'clip_len' in s)
        layout, = (s for s in pipeline if s.type == 'FormatShape')
        frames.add(sampling.clip_len)
        assert layout.input_format == 'NCHW'
    assert len(frames) == 1


def test_the_posters_counts_without_the_classifier(build):
    """Rows of the poster that leave the FC out, as their figures show."""
    for name, paper in (('prompt-tuning', '1.18'), ('adapter', '6.77'),
                        ('attentive-pooling', '2.36')):
        _, model = build(f'{name}_vitb_k400')
        count = sum(p.numel() for p in model.parameters() if p.requires_grad)
        assert f'{(count - fc(400)) / 1e6:.2f}' == paper


def test_all_configs_are_counted():
    """A new config of a full-size baseline comes with its count."""
    names = {
        path.stem
        for path in CONFIGS.glob('*.py')
        if '_base_/baselines/' in path.read_text() and 'mini' not in path.stem
    }
    assert names == set(COUNTS)
