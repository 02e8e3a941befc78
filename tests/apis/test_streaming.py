"""A stream has the scores of the clip model, at every step."""
import itertools
import tracemalloc

import helpers
import numpy as np
import pytest
import torch
from helpers import CONFIGS, load_tool, shrink
from mmaction.apis import init_recognizer
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmdualpath.apis.inference import FrameBuffer, VideoInferencer, frames_in
from mmdualpath.apis.streaming import (StreamingRecognizer, segment,
                                       shortest_window, window_pipeline)
from mmdualpath.datasets.decoding import open_video

QUICKSTART = str(CONFIGS / 'dualpath_vit-mini_digits.py')
RELEASED = 'mmdualpath://dualpath_vit-mini_digits.pth'


@pytest.fixture(scope='module')
def render():
    return load_tool('data/render_digits.py')


@pytest.fixture(scope='module')
def released():
    return init_recognizer(QUICKSTART, RELEASED, device='cpu')


@pytest.fixture(scope='module')
def rendered(render, tmp_path_factory):
    """A video of 500 frames, and its file."""
    frames = list(
        itertools.chain(*(render.render_frames((
            0, i), render.MOTIONS[i % 8], slice(0, 1400), 25, 64)
                          for i in range(20))))
    path = tmp_path_factory.mktemp('rendered') / 'long.mp4'
    render.write_video(path, frames)
    return frames_in(open_video(path)), path


@pytest.fixture(scope='module')
def frames(rendered):
    return list(rendered[0])


def clip_scores(model, windows, batch=32):
    """The clip model on whole windows, each a list of frames, in batches."""
    pipeline, scores = window_pipeline(model.cfg), []
    for start in range(0, len(windows), batch):
        data = [
            pipeline(
                dict(
                    segment(0, len(window), 30.),
                    video_reader=FrameBuffer(window)))
            for window in windows[start:start + batch]
        ]
        with torch.no_grad():
            samples = model.test_step(pseudo_collate(data))
        scores += [sample.pred_score for sample in samples]
    return torch.stack(scores)


def pushed(recognizer, numbered):
    """Every prediction and its window."""
    found = []
    for number, frame in numbered:
        scores = recognizer.push(frame, number)
        if scores is not None:
            found.append((recognizer.span, scores))
    return found


def assert_equal(model, found, held, least):
    """Held gives the frame of each number."""
    assert len(found) >= least
    got = torch.stack([scores for _, scores in found])
    wanted = clip_scores(model, [[held(n) for n in range(*span)]
                                 for span, _ in found])
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-5)
    assert wanted.std(0).max() > 0.01  # they differ from window to window


@pytest.mark.parametrize('hop, window', [(1, None), (2, None), (3, 16),
                                         (5, 33), (16, 48), (7, 5)])
def test_every_step(released, frames, hop, window):
    recognizer = StreamingRecognizer(released, hop, window)
    assert not recognizer.recomputes
    found = pushed(recognizer, enumerate(frames))
    length = recognizer.window
    spans = [(start, start + length)
             for start in range(0,
                                len(frames) - length + 1, hop)]
    assert [span for span, _ in found] == spans
    step = slice(None, None, 1 + len(found) // 160)  # to be quick
    assert_equal(released, found[step], frames.__getitem__, 15)


def test_random_hops_dropped_frames_and_reset(released, frames):
    """Of missing frames the one before stands."""
    draw = np.random.default_rng(0)
    checked = 0
    for _ in range(4):
        hop, window = int(draw.integers(1, 20)), int(draw.integers(10, 40))
        recognizer = StreamingRecognizer(released, hop, window)
        for _ in range(2):  # the second time after a reset
            start = int(draw.integers(100))
            there = [n for n in range(start, start + 200)
                     if n == start or draw.random() > 0.3]  # yapf: disable
            found = pushed(recognizer, ((n, frames[n]) for n in there))

            def held(number):
                return frames[max(n for n in there if n <= number)]

            assert_equal(released, found, held, 5)
            assert all((span[0] - start) % hop == 0 for span, _ in found)
            checked += len(found)
            recognizer.reset()
            assert recognizer.held == 0 and recognizer.span is None
    assert checked > 100


def test_a_hop_of_two_is_one_frame_and_one_frameset(frames):
    """With 8 of 16 frames at an even distance."""
    cfg = Config.fromfile(QUICKSTART)
    cfg.model.data_preprocessor.num_spatial_frames = 8
    model = init_recognizer(cfg, RELEASED, device='cpu')
    recognizer = StreamingRecognizer(model, 2)
    computed = []
    for frame in frames[:41]:
        if recognizer.push(frame) is not None:
            computed.append(dict(recognizer.computed))
    assert computed[0] == dict(spatial=8, temporal=1)
    assert len(computed) == 13
    assert computed[1:] == [dict(spatial=1, temporal=1)] * 12


def shrunk(name, change=lambda cfg: None, **options):
    cfg = shrink(Config.fromfile(helpers.config(name)))
    cfg.merge_from_dict(options)
    change(cfg)
    model = init_recognizer(cfg, device='cpu')
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def no_positions(cfg):
    del cfg.model.backbone.temporal.adapters['positions']


def smaller_grid(cfg):
    cfg.model.backbone.temporal.adapters.positions.update(
        num_framesets=4, grid=(2, 2))
    cfg.model.data_preprocessor.grid = (2, 2)


CASES = {
    'three crops': ('dualpath_vitb_ssv2', lambda cfg: None),
    'three clips': ('dualpath_vitb_k400', lambda cfg: None),
    'T_G 2': ('dualpath-tg2_vitb_ssv2', lambda cfg: None),
    'T_G 2, no positions': ('dualpath-tg2_vitb_ssv2', no_positions),
    'grid 2x2': ('dualpath_vitb_ssv2', smaller_grid),
    'T_S 4':
    ('dualpath_vitb_ssv2',
     lambda cfg: cfg.model.data_preprocessor.update(num_spatial_frames=4)),
    'spatial alone': ('dualpath-spatial_vitb_ssv2', lambda cfg: None),
    'Swin': ('dualpath_swinb_hmdb51', lambda cfg: None),
    'class token counted': ('dualpath-dump-192_vitb_ssv2', lambda cfg: None),
}


@pytest.mark.parametrize('case', CASES)
def test_other_models(case):
    """Of several crops, clips, grids and framesets, on larger frames."""
    model = shrunk(*CASES[case])
    draw = np.random.default_rng(0)
    noise = draw.integers(0, 256, (140, 10, 12, 3))
    noise = noise * np.linspace(0, 1, 140)[:, None, None, None]  # it dawns
    video = noise.astype(np.uint8).repeat(8, 1).repeat(8, 2)
    clip_scores(model, [video[:70]])  # measures the amplitude of positions
    recognizer = StreamingRecognizer(model, 8)
    found = pushed(recognizer, enumerate(video))[:6]
    got = torch.stack([scores for _, scores in found])
    wanted = clip_scores(model, [video[slice(*span)] for span, _ in found])
    torch.testing.assert_close(got, wanted, rtol=0, atol=2e-6)
    assert (wanted[-1] - wanted[0]).abs().max() > 2e-4
    assert not recognizer.recomputes


def test_whole_framesets_are_kept():
    """Where no position tells the first one from the second."""
    video = np.random.default_rng(0).integers(0, 256, (90, 64, 64, 3),
                                              np.uint8)
    computed = {}
    for name, change in (('kept', no_positions), ('placed', lambda cfg: None)):
        model = shrunk('dualpath-tg2_vitb_ssv2', change)
        recognizer = StreamingRecognizer(model, 16)
        pushed(recognizer, enumerate(video))
        computed[name] = recognizer.computed['temporal']
    assert computed == dict(kept=1, placed=2)


@pytest.mark.parametrize(
    'name', ['st-adapter_vitb_ssv2', 'aim_vitb_k400', 'adaptformer_vitb_ssv2'])
def test_models_that_recompute_say_so(name, monkeypatch):
    said = []
    monkeypatch.setattr('mmdualpath.apis.streaming.print_log',
                        lambda text, **kwargs: said.append(text))
    model = shrunk(name)
    recognizer = StreamingRecognizer(model, 3)
    assert 'DualPath alone' in recognizer.recomputes
    assert len(said) == 1 and recognizer.recomputes in said[0]
    video = np.random.default_rng(0).integers(
        0, 256, (recognizer.window + 7, 64, 64, 3), np.uint8)
    found = pushed(recognizer, enumerate(video))
    assert len(found) == 3
    got = torch.stack([scores for _, scores in found])
    wanted = clip_scores(model, [video[slice(*span)] for span, _ in found])
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-5)


def test_a_transform_of_whole_clips_recomputes(released):
    cfg = Config.fromfile(QUICKSTART)
    cfg.test_pipeline.insert(3, dict(type='Flip', flip_ratio=0))
    released.cfg, before = cfg, released.cfg
    try:
        assert 'Flip' in StreamingRecognizer(released).recomputes
    finally:
        released.cfg = before


def test_three_ways(rendered, frames, released):
    """A file by windows, its frames one by one, and each window a video."""
    inferencer = VideoInferencer(QUICKSTART, RELEASED, 'cpu')
    result = inferencer.predict(
        rendered[1], topk=8, window=2.1, stride=0.7, batch_size=8)
    fps = result['fps']
    recognizer = inferencer.streaming(fps, 2.1, 0.7)
    found = pushed(recognizer, enumerate(frames))
    found.append((recognizer.span, recognizer.finish()))
    found[-1] = (recognizer.span, found[-1][1])
    spans = [span for span, _ in found]
    assert [(round(a / fps, 3), round(b / fps, 3)) for a, b in spans
            ] == [(w['start'], w['end']) for w in result['windows']]
    assert spans[-1][1] == 500
    for (_, scores), window in zip(found, result['windows']):
        for best in window['predictions']:
            assert best['score'] == pytest.approx(
                scores[best['index']].item(), abs=1e-5)
    assert_equal(released, found, frames.__getitem__, 50)


def test_a_stream_shorter_than_a_window(released, frames):
    recognizer = StreamingRecognizer(released, 2, 40)
    assert recognizer.finish() is None
    assert not pushed(recognizer, enumerate(frames[:20]))
    scores = recognizer.finish()
    torch.testing.assert_close(
        scores[None], clip_scores(released, [frames[:20]]), rtol=0, atol=1e-5)
    assert recognizer.finish() is None


@pytest.mark.parametrize('break_off', ['a long gap', 'another size'])
def test_it_begins_anew(released, frames, break_off):
    first, size = (30, 128) if break_off == 'another size' else (47, 64)
    later = [np.resize(f, (size, size, 3)) for f in frames[100:125]]
    cfg = Config.fromfile(QUICKSTART)
    cfg.test_pipeline.insert(3, dict(type='Resize', scale=(64, 64)))
    recognizer = StreamingRecognizer(
        released, 2, pipeline=window_pipeline(cfg))
    pushed(recognizer, enumerate(frames[:30]))
    found = pushed(recognizer, enumerate(later, first))
    assert [span for span, _ in found] == [(n, n + 17)
                                           for n in range(first, first + 9, 2)]
    fresh = pushed(
        StreamingRecognizer(released, 2, pipeline=window_pipeline(cfg)),
        enumerate(later))
    for (_, one), (_, other) in zip(found, fresh):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize('model', ['kept', 'recomputed'])
def test_memory_is_flat(released, frames, model):
    """What is held is bounded, and nothing else grows."""
    if model == 'recomputed':
        cfg = Config.fromfile(QUICKSTART)
        cfg.test_pipeline.insert(3, dict(type='Flip', flip_ratio=0))
        pipeline = window_pipeline(cfg)
    else:
        pipeline = window_pipeline(released.cfg)
    recognizer = StreamingRecognizer(released, 5, pipeline=pipeline)
    held, sizes = 0, []
    tracemalloc.start()
    for number in range(1200):
        recognizer.push(frames[number % 500])
        held = max(held, recognizer.held)
        if number in (300, 1199):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held <= 2 * (recognizer.window + recognizer.hop)
    assert sizes[1] - sizes[0] < 100e3  # 8 of its 64x64 frames


def test_windows_of_the_samplers():
    """Checked by hand: 16 frames 4 apart span 61."""
    windows = {
        name:
        shortest_window(
            window_pipeline(Config.fromfile(helpers.config(name))))
        for name in ('dualpath_vitb_k400', 'dualpath-16x8_vitb_k400',
                     'dualpath_vitb_ssv2', 'dualpath-tg2_vitb_ssv2')
    }
    assert windows == {
        'dualpath_vitb_k400': 61,
        'dualpath-16x8_vitb_k400': 121,
        'dualpath_vitb_ssv2': 17,
        'dualpath-tg2_vitb_ssv2': 33
    }


def test_mistakes(released, frames):
    for options in (dict(hop=0), dict(window=0), dict(hop=1.5)):
        with pytest.raises(ValueError, match='positive number of frames'):
            StreamingRecognizer(released, **options)
    recognizer = StreamingRecognizer(released)
    for frame in (frames[0].astype(np.float32), frames[0][..., 0], 'frame'):
        with pytest.raises(ValueError, match=r'uint8 array \(H, W, 3\)'):
            recognizer.push(frame)
    recognizer.push(frames[0], 7)
    with pytest.raises(ValueError, match='Frame 7 is not behind frame 7'):
        recognizer.push(frames[1], 7)
