"""What is exported gives the scores of the model, with every runtime."""
import json
import sys

import helpers
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdualpath.apis.inference import VideoInferencer
from mmdualpath.deploy import export
from mmdualpath.deploy.runtimes import ExportedGraph
from mmdualpath.framesets import shrink_frames
from mmdualpath.models.backbones import fold

sys.path.append(str(helpers.ROOT / 'tests/models'))
from test_compile import SWIN3D, VIDEOMAE, VPETL  # noqa: E402
from test_methods import METHODS, T, frozen, stir  # noqa: E402

NORMALISED = dict(mean=[120.] * 3, std=[60.] * 3)
FRAMES = (T, 32, 32)


def dualpath(name: str):
    cfg = helpers.shrink(Config.fromfile(helpers.config(name)))
    cfg.model.cls_head.num_classes = 8
    model = MODELS.build(cfg.model)
    frames = cfg.test_dataloader.dataset.pipeline[1].clip_len
    return model, (frames, 64, 64)


def of_frames(backbone: dict, head: str, **options):
    return MODELS.build(
        dict(
            type='Recognizer2D',
            data_preprocessor=dict(
                type='ActionDataPreprocessor', **NORMALISED),
            backbone=backbone,
            cls_head=dict(
                type=head,
                num_classes=5,
                in_channels=48,
                num_frames=T,
                topk=1,
                **options))), FRAMES


def one_view(method: str, backbone: str):
    row = METHODS[method]
    return of_frames(
        dict(
            type='AdaptedBackbone',
            backbone=frozen(backbone),
            adapters=row.adapters), row.head)


def frozen_features(head: str, reads: dict, **options):
    return of_frames(
        dict(type='FrozenFeatures', backbone=frozen('clip'), **reads), head,
        **options)


def of_clips(backbone: dict, head: str, frames=(4, 32, 32), **more):
    return MODELS.build(
        dict(
            type='Recognizer3D',
            data_preprocessor=dict(
                type='ActionDataPreprocessor',
                format_shape='NCTHW',
                **NORMALISED),
            backbone=backbone,
            cls_head=dict(type=head, num_classes=5, in_channels=32,
                          **more))), frames


CASES = dict(
    dualpath_vit=lambda: dualpath('dualpath_vitb-in21k_ssv2'),
    dualpath_clip=lambda: dualpath('dualpath_vitb_ssv2'),
    dualpath_swin=lambda: dualpath('dualpath_swinb_ssv2'),
    st_adapter=lambda: one_view('st_adapter', 'clip'),
    adaptformer=lambda: one_view('adaptformer', 'vit'),
    vpt=lambda: one_view('vpt', 'vit'),
    aim=lambda: one_view('aim', 'clip'),
    zeroi2v=lambda: one_view('zeroi2v', 'clip'),
    zeroi2v_folded=lambda: one_view('zeroi2v', 'clip'),
    linear_probe=lambda: frozen_features(
        'FrameMeanHead', dict(tokens='class_token', final_norm=True)),
    attentive_probe=lambda: frozen_features(
        'AttentiveProbe', dict(final_norm=True), depth=2, num_heads=4),
    evl=lambda: frozen_features(
        'EVLDecoder',
        dict(blocks=[-2, -1], queries_keys=True),
        num_layers=2,
        grid=4),
    side4video=lambda: frozen_features(
        'SideNetwork',
        dict(blocks=[0, 1, 2], images=True),
        dims=16,
        num_blocks=3,
        patch_size=8,
        grid=4),
    patt=lambda: of_clips(
        dict(
            type='AdaptedBackbone', backbone=SWIN3D, adapters=[VPETL['patt']]),
        'I3DHead'),
    videomae=lambda: of_clips(
        dict(
            type='AdaptedBackbone',
            backbone=VIDEOMAE,
            adapters=[VPETL['adaptformer']]), 'TimeSformerHead'),
    dualformer=lambda: of_clips(
        dict(
            type='DualFormer',
            arch=dict(embed_dims=16, num_heads=2, depths=(2, 4)),
            window=(2, 4, 4),
            fine_sizes=((2, 2, 2), (4, 2, 2)),
            coarse_kernels=(((1, 2, 2), (2, 2, 2)), None)), 'I3DHead',
        (8, 32, 32)),
)


@pytest.mark.parametrize('name', CASES)
def test_scores_are_those_of_the_model(name, tmp_path):
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model, frames = CASES[name]()
    model.init_weights()
    stir(model)
    if name.endswith('folded'):
        fold(model.backbone.base)
    # Scores that tell clips apart; blocks in a row would multiply it.
    for key, weight in model.cls_head.named_parameters():
        if weight.dim() > 1 and not key.startswith('blocks.'):
            weight.data *= 10
    network = export.Deployable(model)
    program = export.trace(network, frames)
    metadata = dict(frames=frames, steps=[], labels=None, classes=5)
    for kind in export.FILES:
        path = export.save(program, kind, tmp_path / kind, metadata)
        found = export.verify(network, path)
        assert set(found) == {1, 3}
        exported = ExportedGraph(path)
        assert exported.frames == frames
        clips = export.random_frames(5, frames, 5)
        ours, theirs = export.eager(network, clips), exported.run(clips)
        assert np.ptp(ours, 0).max() > 1e-3  # of clips, not of biases alone
        np.testing.assert_allclose(theirs, ours, rtol=2e-5, atol=2e-4)
        assert (theirs.argmax(1) == ours.argmax(1)).all()


def test_network_is_the_recognizer():
    """By the data preprocessor's own door, one clip at a time."""
    torch.manual_seed(0)
    model, frames = CASES['dualpath_clip']()
    clips = export.random_frames(2, frames, 0)
    scores = export.eager(export.Deployable(model), clips)
    model.eval()
    for clip, row in zip(torch.from_numpy(clips), scores):
        data = model.data_preprocessor(
            dict(inputs=[clip.movedim(-1, 0)[None]], data_samples=[]))
        with torch.no_grad():
            theirs = model(data['inputs'], stage='head')
        np.testing.assert_allclose(row, theirs[0].numpy(), atol=1e-6)


@pytest.mark.parametrize('grid', [2, 3, 4])
@pytest.mark.parametrize('size', [48, 96, 240])
def test_pixels_of_framesets(grid, size):
    """By products of matrices every pixel is of the same level.

    Many values lie in the middle between two: of squares of two pixels.
    """
    torch.manual_seed(0)
    frames = torch.randint(256, (8, 3, size, size), dtype=torch.uint8)
    usual = shrink_frames(frames, grid)
    with export._traceable():
        ours = shrink_frames(frames, grid)
    assert torch.equal(ours, usual)


@pytest.mark.parametrize('size', [(2, 2, 2), (3, 2, 5)])
def test_adaptive_pooling(size):
    maps = torch.randn(2, 3, 4, 6, 7)
    torch.testing.assert_close(
        export._adaptive_avg_pool3d(maps, size),
        torch.nn.AdaptiveAvgPool3d(size)(maps))


def released(tmp_path, **changes):
    cfg = Config.fromfile(helpers.config('dualpath_vit-mini_digits'))
    for key, steps in changes.items():
        cfg[key].dataset.pipeline[2:2] = steps
    path = tmp_path / 'config.py'
    cfg.dump(path)
    return VideoInferencer(path, 'mmdualpath://dualpath_vit-mini_digits.pth',
                           'cpu')


def test_a_step_that_there_is_not_is_refused(tmp_path):
    inferencer = released(
        tmp_path, test_dataloader=[dict(type='RandomCrop', size=32)])
    with pytest.raises(ValueError, match='RandomCrop'):
        export.describe(inferencer)


def test_features_in_files_are_refused_by_name(tmp_path):
    model, frames = frozen_features('FrameMeanHead', dict(cache=str(tmp_path)))
    with pytest.raises(ValueError, match='FrozenFeatures cannot be .*cache='):
        export.trace(export.Deployable(model), frames)


def test_what_cannot_be_traced_is_refused_by_name():
    model, frames = CASES['st_adapter']()
    model.backbone.base.forward = lambda x: (x.sum().item() * x, )
    with pytest.raises(ValueError, match='Recognizer2D with AdaptedBackbone'):
        export.trace(export.Deployable(model), frames)


def test_a_model_that_differs_is_refused(tmp_path):
    model, frames = CASES['st_adapter']()
    network = export.Deployable(model)
    path = export.save(
        export.trace(network, frames), 'pt2', tmp_path,
        dict(frames=frames, steps=[], labels=None))
    network.model.cls_head.fc.bias.data += 1e-3
    with pytest.raises(ValueError, match='differs from the model by 0.001'):
        export.verify(network, path)


def test_int8(tmp_path):
    torch.manual_seed(0)
    model, frames = CASES['st_adapter']()
    network = export.Deployable(model)
    metadata = dict(frames=frames, steps=[], labels=None)
    path = export.save(
        export.trace(network, frames), 'openvino', tmp_path, metadata)
    clips = [export.random_frames(1, frames, i) for i in range(4)]
    small = export.quantize(path, clips, metadata)
    assert json.loads(
        (small.parent / 'model.json').read_text())['precision'] == 'int8'
    assert small.with_suffix('.bin').stat().st_size < \
        path.with_suffix('.bin').stat().st_size / 2
    ours = export.eager(network, clips[0])
    theirs = ExportedGraph(small).run(clips[0])
    assert 0 < abs(ours - theirs).max() < 0.1 * max(1, abs(ours).max())
