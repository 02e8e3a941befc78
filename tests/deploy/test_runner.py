"""The runner predicts as the inferencer, and without OpenMMLab's packages."""
import json
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from helpers import ROOT, config, load_tool
from mmaction.datasets.transforms import (CenterCrop, Resize, SampleFrames,
                                          UniformSample)
from mmengine.config import Config

from mmdualpath.apis.inference import VideoInferencer, frames_in
from mmdualpath.datasets.decoding import open_video
from mmdualpath.deploy import export, runner, runtimes, steps
from mmdualpath.sliding import sliding_windows

RELEASED = ROOT / 'mmdualpath/released'
WEIGHTS = 'mmdualpath://dualpath_vit-mini_digits.pth'
# An import of any of these fails in the process that it is run in.
FORBIDDEN = '''
import runpy, sys
sys.path[:0] = [{root!r}]
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {names!r}:
            raise ModuleNotFoundError(name)
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda n, *a: (
    None if n in {names!r} else find_spec(n, *a))
sys.meta_path.insert(0, Finder())
sys.argv = ['tools/predict.py', *{arguments!r}]
runpy.run_path({tool!r}, run_name='__main__')
'''
PACKAGES = ('mmaction', 'mmengine', 'mmcv', 'mmpretrain', 'torch',
            'torchvision', 'cv2')
ALSO_MATPLOTLIB = (*PACKAGES, 'matplotlib', 'PIL')


@pytest.fixture(scope='module')
def inferencer(tmp_path_factory):
    """The released model, for videos of any size."""
    cfg = Config.fromfile(config('dualpath_vit-mini_digits'))
    cfg.test_dataloader.dataset.pipeline[3:3] = [
        dict(type='Resize', scale=(-1, 64)),
        dict(type='ThreeCrop', crop_size=64)
    ]
    path = tmp_path_factory.mktemp('config') / 'config.py'
    cfg.dump(path)
    return VideoInferencer(path, WEIGHTS, 'cpu', RELEASED / 'labels.txt')


@pytest.fixture(scope='module')
def files(inferencer, tmp_path_factory):
    """The released model as each format, by its name."""
    folder = tmp_path_factory.mktemp('exported')
    network = export.Deployable(inferencer.model)
    metadata = export.describe(inferencer)
    program = export.trace(network, metadata['frames'])
    return {
        kind: export.save(program, kind, folder / kind, metadata)
        for kind in runtimes.FILES
    }


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Released ones, and a wide one."""
    folder = tmp_path_factory.mktemp('videos')
    tool = load_tool('data/render_digits.py')
    tool.render_video(3, folder, 1, slice(0, 50), 40, 100)
    return [RELEASED / 'clockwise.mp4', next(folder.rglob('*.mp4'))]


def same(ours, theirs) -> None:
    """Equal, but for the last digits of scores."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            same(ours[key], theirs[key])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for pair in zip(ours, theirs):
            same(*pair)
    else:
        assert ours == (
            pytest.approx(theirs, abs=2e-5)
            if isinstance(ours, float) else theirs)


@pytest.mark.parametrize('kind', runtimes.FILES)
def test_predicts_as_the_inferencer(kind, inferencer, files, videos):
    model = runner.ExportedModel(files[kind])
    for video in videos:
        for window in (None, 0.3):
            ours = model.predict(video, 3, window)
            theirs = inferencer.predict(video, 3, window)
            same(ours, theirs)
    assert len(ours['windows']) > 2


def test_the_same_stream(inferencer, files, videos):
    """As windows of the file, and as the recognizer's stream."""
    model = runner.ExportedModel(files['onnx'])
    reader = open_video(videos[1])
    fps = reader.get_avg_fps()
    found = []
    for predictor in (model, inferencer):
        stream = predictor.streaming(fps, 0.7, 0.2)
        scores = [stream.push(frame) for frame in frames_in(reader)]
        pushed = [s for s in scores if s is not None]
        last = stream.finish()
        found.append(np.stack(pushed + [last] * (last is not None)))
    assert len(found[0]) > 3
    np.testing.assert_allclose(*found, atol=2e-5)
    windows = sliding_windows(len(reader), fps, 0.7, 0.2)
    np.testing.assert_allclose(
        found[0], list(model.scores(reader, windows, fps)), atol=2e-5)
    shown = [p for _, p in model.watch(frames_in(reader), fps, 0.7, 0.2)]
    assert shown[0] == [] and len(shown) == len(reader)
    same(shown[-1], model.ranked(pushed[-1]))


def run_without(packages, *arguments):
    """``tools/predict.py`` where there are no such packages."""
    code = FORBIDDEN.format(
        root=str(ROOT),
        names=packages,
        tool=str(ROOT / 'tools/predict.py'),
        arguments=[*map(str, arguments)])
    return subprocess.run([sys.executable, '-c', code],
                          capture_output=True,
                          text=True)


@pytest.mark.parametrize('kind', ['onnx', 'openvino'])
def test_needs_no_openmmlab(kind, inferencer, files, videos, tmp_path):
    out = tmp_path / 'out.json'
    done = run_without(ALSO_MATPLOTLIB, files[kind], videos[0], '--window',
                       0.3, '--json', out)
    assert done.returncode == 0, done.stderr
    given, = json.loads(out.read_text())
    same(given, inferencer.predict(videos[0], 5, 0.3))


def test_draws_without_openmmlab(files, videos, tmp_path):
    """Several videos, one of them broken, and the picture of each."""
    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(b'nothing')
    done = run_without(PACKAGES, files['onnx'], *videos, broken, '--window',
                       0.7, '--out', tmp_path / 'drawn', '--timeline',
                       tmp_path / 'time')
    assert done.returncode == 1 and '1 of 3 videos were skipped' in done.stdout
    drawn = sorted((tmp_path / 'drawn').rglob('*.mp4'))
    assert len(drawn) == len(list((tmp_path / 'time').rglob('*.png'))) == 2
    lengths = [len(open_video(v)) for v in videos]
    assert sorted(len(open_video(v)) for v in drawn) == sorted(lengths)
    frame = open_video(next(v for v in drawn if 'clockwise' in v.name))[0]
    own = open_video(videos[0])[0]
    factor = len(frame) // len(own)
    own = own.repeat(factor, 0).repeat(factor, 1).astype(int)
    difference = np.abs(frame.astype(int) - own).mean(-1)
    assert difference[-60:, -60:].mean() < 6 < difference[:40, :40].mean()


def test_streams_without_openmmlab(inferencer, files, videos, tmp_path):
    """Windows, events and a drawn stream of a file as it comes."""
    events, out = tmp_path / 'events.jsonl', tmp_path / 'out.json'
    done = run_without(PACKAGES, files['onnx'], videos[0], '--stream',
                       '--window', 0.7, '--stride', 0.2, '--json', out,
                       '--events', events, '--out', tmp_path / 'drawn.mp4')
    assert done.returncode == 0, done.stderr
    given, = json.loads(out.read_text())
    wanted = inferencer.predict(videos[0], 5, 0.7, 0.2)
    same(given['windows'], wanted['windows'])
    assert given['frames'] == len(open_video(tmp_path / 'drawn.mp4'))
    first = json.loads(events.read_text().splitlines()[0])
    assert first['class'] == wanted['predictions'][0]['label']


@pytest.mark.parametrize('options', [
    dict(clip_len=8),
    dict(clip_len=16, num_clips=3),
])
def test_uniform_sample(options):
    theirs = UniformSample(test_mode=True, **options)
    step = dict(num_clips=1, **options) if len(options) == 1 else options
    for total in (*range(1, 60), 1000):
        wanted = theirs.transform(dict(total_frames=total, start_index=0))
        np.testing.assert_array_equal(
            steps._uniform_sample(total, 30, step), wanted['frame_inds'])


@pytest.mark.parametrize('options', [
    dict(clip_len=8, frame_interval=4),
    dict(clip_len=8, frame_interval=4, num_clips=4),
    dict(clip_len=1, frame_interval=1, num_clips=8),
    dict(clip_len=1, num_clips=8, twice_sample=True),
    dict(clip_len=8, frame_interval=4, out_of_bound_opt='repeat_last'),
    dict(clip_len=8, frame_interval=2, num_clips=3, target_fps=24),
])
def test_sample_frames(options):
    theirs = SampleFrames(test_mode=True, **options)
    step = {k: getattr(theirs, k) for k in steps.STEPS['SampleFrames']}
    for total in (*range(1, 80), 1000):
        for fps in (12., 30.):
            wanted = theirs.transform(
                dict(total_frames=total, start_index=0, avg_fps=fps))
            np.testing.assert_array_equal(
                steps._sample_frames(total, fps, step), wanted['frame_inds'])


@pytest.mark.parametrize('size', [(240, 320), (360, 202), (64, 64)])
@pytest.mark.parametrize('options', [
    dict(scale=(-1, 64)),
    dict(scale=(96, 80)),
    dict(scale=(64, 48), keep_ratio=False),
    dict(scale=0.5)
])
def test_resize(size, options):
    images = np.random.default_rng(0).integers(
        256, size=(2, *size, 3), dtype=np.uint8)
    theirs = Resize(**options)
    wanted = theirs.transform(
        dict(imgs=list(images), img_shape=size, modality='RGB'))
    step = dict(
        scale=[-1 if s == np.inf else s for s in np.atleast_1d(theirs.scale)],
        keep_ratio=theirs.keep_ratio)
    given = steps._resize(images, step).astype(int)
    # Enlarged by OpenCV's other path, a few pixels differ by a level.
    assert abs(given - np.stack(wanted['imgs'])).max() <= 1


def test_shrinking_is_exactly_that_of_opencv():
    image = np.random.default_rng(0).integers(
        256, size=(1, 240, 320, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        steps.bilinear(image, 224, 299)[0], cv2.resize(image[0], (299, 224)))


def test_center_crop():
    images = np.random.default_rng(0).integers(
        256, size=(2, 71, 90, 3), dtype=np.uint8)
    wanted = CenterCrop((64, 50)).transform(
        dict(imgs=list(images), img_shape=(71, 90), modality='RGB'))
    given = steps._center_crop(images, dict(crop_size=(64, 50)))
    np.testing.assert_array_equal(given, np.stack(wanted['imgs']))


@pytest.mark.parametrize('kind', runtimes.FILES)
def test_files_that_are_no_models(kind, files, tmp_path):
    whole = files[kind].read_bytes()
    cut = tmp_path / files[kind].name
    for content in (whole[:len(whole) // 2], b'nothing', b''):
        cut.write_bytes(content)
        with pytest.raises(ValueError, match='cut off or of something else'):
            runner.ExportedModel(cut)


def test_a_foreign_onnx_model(tmp_path):
    import onnx
    from onnx import TensorProto, helper
    value = helper.make_tensor_value_info('x', TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info('y', TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node('Relu', ['x'], ['y'])], 'g',
                              [value], [other])
    onnx.save(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=10),
        tmp_path / 'model.onnx')
    with pytest.raises(ValueError, match='not written by tools/export.py'):
        runner.ExportedModel(tmp_path / 'model.onnx')


@pytest.mark.parametrize('frames', [
    np.zeros((1, 8, 64, 64, 3), np.uint8),
    np.zeros((1, 16, 32, 64, 3), np.uint8),
    np.zeros((1, 16, 64, 64, 3), np.float32),
    np.zeros((16, 64, 64, 3), np.uint8),
    np.zeros((0, 16, 64, 64, 3), np.uint8),
])
def test_frames_of_another_kind(frames, files):
    model = runner.ExportedModel(files['onnx'])
    with pytest.raises(ValueError, match=r'\(B, 16, 64, 64, 3\), given'):
        model.run(frames)


def test_options_that_do_not_fit(files, tmp_path):
    with pytest.raises(ValueError, match='only OpenVINO'):
        runner.ExportedModel(files['onnx'], 'bf16')
    with pytest.raises(ValueError, match='there are fp32'):
        runner.ExportedModel(files['openvino'], 'int4')
    with pytest.raises(ValueError, match='is not a file'):
        runner.ExportedModel(tmp_path / 'a.onnx')
    with pytest.raises(ValueError, match='no exported model'):
        runner.ExportedModel(tmp_path / 'a.pth')


def test_the_command_line(files, monkeypatch, capsys):
    tool = load_tool('predict.py')
    model = str(files['onnx'])

    def parsed(*arguments):
        monkeypatch.setattr(sys, 'argv', ['predict.py', *arguments])
        return tool.parse()

    for line in ((model, 'b.mp4'), ('b.mp4', '--checkpoint', model)):
        args = parsed(*line)
        assert (args.checkpoint, args.videos, args.exported) == \
            (model, ['b.mp4'], True)
    assert not parsed('b.mp4', '--checkpoint', 'm.pth').exported
    assert parsed(model, 'webcam').stream
    for line, message in (
        ((model, ), 'give a video'),
        ((model, 'webcam', 'webcam:1'), 'one source'),
        ((model, 'b.mp4', '--labels', 'a.txt'), '--labels is of checkpoints'),
        ((model, 'b.mp4', '--workers', '3'), '--workers is of checkpoints'),
        (('b.mp4', '--precision', 'bf16'), '--precision is of exported mod'),
    ):
        with pytest.raises(SystemExit):
            parsed(*line)
        assert re.search(message, capsys.readouterr().err)


def test_a_mistake_is_one_message(tmp_path):
    (tmp_path / 'model.onnx').write_bytes(b'nothing')
    done = run_without(PACKAGES, tmp_path / 'model.onnx', 'a.mp4')
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert 'cut off or of something else' in done.stderr
