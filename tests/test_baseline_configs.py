"""Every baseline config, built at full size on the meta device."""
import numpy as np
import pytest
from helpers import CONFIGS, config
from mmaction.registry import TRANSFORMS
from mmengine.config import Config

from mmdualpath.analysis.structure import build_structure

D, L, T = 768, 12, 8
CLASSES = dict(ssv2=174, k400=400, hmdb51=51, diving48=48)


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
# Patches, class token, positions, LN in front and behind, blocks; that of
# ImageNet-21K has a bias on the patches and no LN in front.
VITB = 3 * 16**2 * D + D + 197 * D + 4 * D + L * BLOCK
VITL = 3 * 14**2 * 1024 + 1024 + 257 * 1024 + 4 * 1024 + 24 * (12 * 1024**2 +
                                                               13 * 1024)
IN21K = VITB - 2 * D + D
SWIN = [(128, 2), (256, 2), (512, 18), (1024, 2)]
PRO_TUNING = L * (bottleneck(128) + 26 * 128)

# Config: trainable parameters from the equations, and the paper's figure in
# millions as it prints it, or None.
COUNTS = {
    'linear_vitb_hmdb51': (fc(51), None),  # 0.04; the paper's 0.1 rounds up
    'full_vitb_hmdb51': (VITB + fc(51), '86'),
    'full_vitl_ssv2': (VITL + fc(174, 1024), '303'),
    'full_vitl_k400': (VITL + fc(400, 1024), None),
    'vpt_vitb_ssv2': (L * 8 * D + TRANSFORMER + fc(174), None),
    'vpt_vitb_hmdb51': (L * 8 * D + TRANSFORMER + fc(51), '7'),
    'adaptformer_vitb_ssv2': (L * bottleneck(64) + TRANSFORMER + fc(174), '8'),
    'adaptformer_vitb_hmdb51':
    (L * bottleneck(64) + TRANSFORMER + fc(51), '8'),
    # The paper rounds 9.6 and 9.5 down to 9.
    'pro-tuning_vitb_ssv2': (PRO_TUNING + TRANSFORMER + fc(174), None),
    'pro-tuning_vitb_hmdb51': (PRO_TUNING + TRANSFORMER + fc(51), None),
    # The paper prints 6.
    'video-prompt_vitb_ssv2': (TRANSFORMER + fc(174), None),
    'video-prompt_vitb_hmdb51': (TRANSFORMER + fc(51), None),
    'video-prompt-visual_vitb_ssv2': (8 * D + TRANSFORMER + fc(174), None),
    'video-prompt-visual_vitb_hmdb51': (8 * D + TRANSFORMER + fc(51), None),
    'st-adapter-release_vitb_ssv2': (2 * L * space_time(384) + fc(174), None),
    'st-adapter-release_vitb_k400': (L * space_time(384) + fc(400), None),
    'st-adapter-t8_vitb_ssv2': (2 * L * space_time(384) + fc(174), None),
    'st-adapter-last4_vitb_ssv2': (2 * 4 * space_time(384) + fc(174), None),
    'st-adapter_vitb_ssv2': (2 * L * space_time(384) + fc(174), None),
    'st-adapter_vitb_k400': (L * space_time(384) + fc(400), '7'),
    'st-adapter_vitb_hmdb51': (L * space_time(384) + fc(51), '7'),
    'st-adapter_vitl_ssv2': (24 * space_time(384, 1024) + fc(174, 1024), None),
    'st-adapter-48x384_vitl_ssv2':
    (48 * space_time(384, 1024) + fc(174, 1024), None),
    'st-adapter_vitl_k400': (24 * space_time(384, 1024) + fc(400, 1024), None),
    'st-adapter_swinb_ssv2': (sum(n * space_time(d // 2, d)
                                  for d, n in SWIN) + fc(174, 1024), '7'),
    'full_swinb_ssv2': (None, '87'),
    'full_swinb_hmdb51': (None, '87'),
}
# AIM and ZeroI2V train the last norm and a vector of each frame as well.
WIDTHS = dict(vitb=(D, L), vitl=(1024, 24))


def quarters(backbone: str, number: int, frames: int, classes: int) -> int:
    """A number of bottlenecks of a quarter of the channels in each block."""
    dims, layers = WIDTHS[backbone]
    return layers * number * bottleneck(
        dims // 4, dims) + (2 + frames) * dims + fc(classes, dims)


COUNTS.update({
    f'aim{name}_{backbone}_k400': (quarters(backbone, 3, frames, 400), paper)
    for backbone, paper in (('vitb', '11'), ('vitl', '38'))
    for name, frames in (('', 8), ('-16f', 16), ('-32f', 32))
})
TIA_CONVS = 3 * 192 + 192 + 192**2 + 192
COUNTS.update({
    'aim_vitb_ssv2': (quarters('vitb', 4, 8, 174), '14'),
    'aim_vitb_diving48': (quarters('vitb', 3, 32, 48), '11'),
    'aim_vitl_diving48': (quarters('vitl', 3, 32, 48), '38'),
    'zeroi2v_vitb_k400': (quarters('vitb', 4, 8, 400), None),
    'zeroi2v_vitl_k400': (quarters('vitl', 4, 8, 400), None),
    'zeroi2v-32f_vitl_k400': (quarters('vitl', 4, 32, 400), None),
    'zeroi2v_vitb_ssv2': (quarters('vitb', 4, 8, 174), None),
    'zeroi2v-16f_vitb_ssv2': (quarters('vitb', 4, 16, 174), None),
    'tia_vitb_k400': (L * (bottleneck(192) + TIA_CONVS + 1) + fc(400), None),
})


# What reads frozen features: blocks and one query; a decoder layer for each
# block, its two tables of offsets; a side block for each block.
def probe(dims: int) -> int:
    block = 12 * dims**2 + 13 * dims
    return 3 * block + dims + (3 * dims**2 + 7 * dims) + (8 * dims**2 +
                                                          5 * dims)


def evl(dims: int, layers: int, frames: int, grid: int) -> int:
    layer = 12 * dims**2 + 19 * dims + frames * dims
    return layers * (layer + 2 * (2 * grid - 1)**2 * dims) + 3 * dims


SIDE = 320
SIDE_BLOCK = (2 * D + D * SIDE + SIDE) + (2 * SIDE**2 + 6 * SIDE) + (
    4 * SIDE**2 + 4 * SIDE) + (2 * SIDE**2 + 2 * SIDE) + 3 * 2 * SIDE
SIDE_NETWORK = L * SIDE_BLOCK + (3 * 3 * 16**2 + 1 + 2 + 196 + 2) * SIDE
COUNTS.update({
    f'probe_{backbone}_{data}': (probe(dims) + fc(CLASSES[data], dims), None)
    for backbone, dims in (('vitb', D), ('vitb-dinov2', D), ('vitl-vjepa2',
                                                             1024))
    for data in ('k400', 'ssv2', 'diving48')
})
COUNTS.update({
    'evl_vitb_k400': (evl(D, 4, 8, 14) + fc(400), None),
    'evl_vitl_k400': (evl(1024, 4, 8, 16) + fc(400, 1024), None),
    'evl-32f_vitl_k400': (evl(1024, 4, 32, 16) + fc(400, 1024), '59'),
    'evl-32f_vitl_ssv2': (evl(1024, 12, 32, 16) + fc(174, 1024), '175'),
    'side4video_vitb_k400': (SIDE_NETWORK + fc(400, SIDE), None),
    'side4video_vitb_ssv2': (SIDE_NETWORK + fc(174, SIDE), None),
})
# The poster's benchmark, without the classifier: a method's parameters with
# CLIP and with ImageNet-21K, and the figure with Kinetics-400's classifier,
# or without where the poster leaves it out.
BENCHMARK = {
    'full': (VITB, IN21K, '86.11'),
    'full-ta':
    (VITB + L * TEMPORAL + T * D, IN21K + L * TEMPORAL + T * D, '121.57'),
    # X-ViT's own classifier has 0.6 M more: 93.79.
    'full-ts': (VITB + TRANSFORMER, IN21K + TRANSFORMER, None),
    'partial': (BLOCK, BLOCK, '7.40'),
    'partial-ta':
    (BLOCK + TEMPORAL + T * D, BLOCK + TEMPORAL + T * D, '10.36'),
    'temporal': (L * TEMPORAL + T * D, L * TEMPORAL + T * D, '35.8'),
    'prompt-tuning': (L * 128 * D, L * 128 * D, None),
    'attentive-pooling': (4 * D**2 + 5 * D, 4 * D**2 + 5 * D, None),
    'linear': (0, 0, '0.31'),
    'adapter': (2 * L * bottleneck(183), 2 * L * bottleneck(183), None),
    'st-adapter-12x384': (L * space_time(384), L * space_time(384), None),
}
for method, (clip, in21k, paper) in BENCHMARK.items():
    for data in ('k400', 'ssv2'):
        COUNTS[f'{method}_vitb_{data}'] = (clip + fc(CLASSES[data]),
                                           paper if data == 'k400' else None)
        COUNTS[f'{method}_vitb-in21k_{data}'] = (in21k + fc(CLASSES[data]),
                                                 None)


def build(name: str):
    cfg = Config.fromfile(config(name))
    return cfg, build_structure(cfg.model)


def trainable(model) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize('name', COUNTS)
def test_config(name):
    expected, paper = COUNTS[name]
    cfg, model = build(name)
    count = trainable(model)
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
        # a video backbone takes the clip, an image one its frames
        video = cfg.model.type == 'Recognizer3D'
        assert layout.input_format == ('NCTHW' if video else 'NCHW')
    assert len(frames) == 1


@pytest.mark.parametrize('name, paper', [('prompt-tuning', '1.18'),
                                         ('adapter', '6.77'),
                                         ('attentive-pooling', '2.36')])
def test_the_posters_counts_without_the_classifier(name, paper):
    """Rows of the poster that leave the FC out, as their figures show."""
    for backbone in ('vitb', 'vitb-in21k'):
        _, model = build(f'{name}_{backbone}_k400')
        assert f'{(trainable(model) - fc(400)) / 1e6:.2f}' == paper


def test_st_adapters_figure_is_that_of_ssv2():
    _, model = build('st-adapter-12x384_vitb_ssv2')
    assert f'{trainable(model) / 1e6:.1f}' == '7.2'  # the poster's 7.20


def test_all_configs_are_counted():
    """A new config of a full-size baseline comes with its count."""
    names = {
        path.stem
        for folder in ('baselines', 'st_adapter', 'aim', 'zeroi2v', 'tia',
                       'probes', 'evl', 'side4video')
        for path in (CONFIGS / folder).glob('*.py')
    }
    assert names == set(COUNTS)


@pytest.mark.parametrize('name, paper', [('aim_vitb_k400', '97'),
                                         ('aim-32f_vitl_k400', '341')])
def test_all_parameters_of_aim(name, paper):
    _, model = build(name)
    assert f'{sum(p.numel() for p in model.parameters()) / 1e6:.0f}' == paper


@pytest.mark.parametrize('name, bare, dims, frames, paper', [
    ('zeroi2v_vitb_k400', VITB, D, 8, '86'),
    ('zeroi2v-32f_vitl_k400', VITL, 1024, 32, '304'),
])
def test_zeroi2v_at_inference(name, bare, dims, frames, paper):
    """Folded, it is the backbone and a vector of each frame."""
    cfg = Config.fromfile(config(name))
    cfg.model.backbone.adapters = {
        key: adapter
        for key, adapter in cfg.model.backbone.adapters.items()
        if adapter.type in ('STDHA', 'FramePositions')
    }
    total = sum(p.numel() for p in build_structure(cfg.model).parameters())
    assert total == bare + frames * dims + fc(400, dims)
    assert f'{total / 1e6:.0f}' == paper


def test_zeroi2v_names_what_folds_first():
    """An adapter that folds stands at the bare layer."""
    for path in (CONFIGS / 'zeroi2v').glob('*.py'):
        _, model = build(path.stem)
        for part in model.modules():
            if type(part).__name__ in ('PreAdapter', 'SerialAdapter'):
                assert type(part.base).__name__ == 'Linear'


@pytest.mark.parametrize('label, flipped', [(86, 87), (87, 86), (93, 94),
                                            (94, 93), (166, 167), (167, 166),
                                            (5, 5)])
def test_flips_change_left_and_right(label, flipped):
    cfg = Config.fromfile(config('zeroi2v_vitb_ssv2'))
    step, = (s for s in cfg.train_pipeline if s.type == 'Flip')
    flip = TRANSFORMS.build(dict(step, flip_ratio=1.))
    results = dict(
        imgs=[np.arange(12, dtype=np.uint8).reshape(2, 2, 3)],
        img_shape=(2, 2),
        modality='RGB',
        label=label)
    assert flip(results)['label'] == flipped
    assert not any(s.type == 'Flip' for s in cfg.test_pipeline)
