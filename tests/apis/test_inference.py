"""Videos of any length, against MMAction2's own inference."""
import numpy as np
import pytest
import tiny_training
import torch
from mmaction.apis import inference_recognizer, init_recognizer
from tiny_training import make_config

from mmdualpath.apis.inference import (FrameBuffer, VideoInferencer,
                                       find_videos, frames_in, prediction_at)
from mmdualpath.datasets.decoding import open_video
from mmdualpath.sliding import sliding_windows


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A folder of videos, a config, and an adapter checkpoint."""
    folder = tmp_path_factory.mktemp('inference')
    tiny_training.write_videos(folder)
    cfg = make_config(folder)
    model = init_recognizer(cfg, device='cpu')
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    cfg.test_pipeline = cfg.test_dataloader.dataset.pipeline
    torch.save(
        dict(state_dict=model.state_dict(), meta=dict(cfg=cfg.pretty_text)),
        folder / 'adapters.pth')
    (folder / 'labels.txt').write_text('noise\nstatic\n')
    return folder, cfg


@pytest.fixture
def inferencer(made):
    folder, cfg = made
    return VideoInferencer(cfg.copy(), str(folder / 'adapters.pth'), 'cpu',
                           folder / 'labels.txt')


def reference(made, video):
    folder, cfg = made
    model = init_recognizer(
        cfg.copy(), str(folder / 'adapters.pth'), device='cpu')
    return inference_recognizer(model, str(video)).pred_score


def test_a_whole_video_is_what_mmaction_says(made, inferencer):
    video = made[0] / '1.mp4'
    result = inferencer.predict(video)
    wanted = reference(made, video)
    got = {p['index']: p['score'] for p in result['predictions']}
    torch.testing.assert_close(
        torch.tensor([got[0], got[1]]), wanted, atol=1e-5, rtol=0)
    names = ['noise', 'static']
    assert [p['label'] for p in result['predictions']
            ] == [names[i] for i in wanted.argsort(descending=True)]
    assert result['frames'] == 16 and len(result['windows']) == 1


def test_a_window_is_a_video_of_its_own(made, inferencer, tmp_path):
    """Frames 16 to 31 of two videos in a row are the second video."""
    frames = [
        f for n in (0, 1) for f in frames_in(open_video(made[0] / f'{n}.mp4'))
    ]
    scores = list(
        inferencer.scores(FrameBuffer(frames), [(0, 16), (16, 32)], 8.))
    for number, got in enumerate(scores):
        wanted = reference(made, made[0] / f'{number}.mp4')
        torch.testing.assert_close(got, wanted)
    assert not torch.allclose(*scores)


def test_timeline_of_windows(made, inferencer):
    result = inferencer.predict(made[0] / '0.mp4', window=1., stride=0.5)
    times = [(w['start'], w['end']) for w in result['windows']]
    assert times == [(0., 1.), (0.5, 1.5), (1., 2.)]
    means = {0: 0., 1: 0.}
    for window in result['windows']:
        for p in window['predictions']:
            means[p['index']] += p['score'] / 3
    for p in result['predictions']:
        assert p['score'] == pytest.approx(means[p['index']], abs=1e-5)
    assert prediction_at(result['windows'],
                         1.6) is result['windows'][-1]['predictions']


def test_the_config_in_a_checkpoint(made):
    inferencer = VideoInferencer(
        weights=str(made[0] / 'adapters.pth'), device='cpu')
    result = inferencer.predict(made[0] / '0.mp4', topk=1)
    wanted = reference(made, made[0] / '0.mp4')
    best = result['predictions'][0]
    assert best['label'] == f'class {wanted.argmax()}'
    assert best['score'] == pytest.approx(wanted.max().item(), abs=1e-5)


def test_a_stream(made, inferencer):
    frames = list(frames_in(open_video(made[0] / '0.mp4')))
    seen = list(inferencer.watch(iter(frames), 8., window=1., stride=0.5))
    assert len(seen) == 16
    # Nothing before a window is full, then news every four frames.
    assert not any(p for _, p in seen[:7])
    first, second = seen[7][1], seen[11][1]
    assert seen[10][1] is first and second is not first
    scores = next(inferencer.scores(FrameBuffer(frames[4:12]), [(0, 8)], 8.))
    wanted = inferencer.ranked(scores)
    assert [p['label'] for p in second] == [p['label'] for p in wanted]
    assert [p['score']
            for p in second] == pytest.approx([p['score'] for p in wanted],
                                              abs=2e-6)


@pytest.mark.parametrize('frames,window,stride,wanted', [
    (10, None, None, [(0, 10)]),
    (10, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10)]),
    (11, 4, 4, [(0, 4), (4, 8), (7, 11)]),
    (3, 4, 2, [(0, 3)]),
    (4, 4, None, [(0, 4)]),
])
def test_sliding_windows(frames, window, stride, wanted):
    assert sliding_windows(frames, 1., window, stride) == wanted


@pytest.mark.parametrize('window,stride', [(0, None), (2, 0), (-1, 1)])
def test_no_window_at_all(window, stride):
    with pytest.raises(ValueError, match='must be positive'):
        sliding_windows(10, 1., window, stride)


def test_find_videos(tmp_path):
    for name in ('b.AVI', 'a.mp4', 'notes.txt'):
        (tmp_path / name).touch()
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'c.webm').touch()
    found = find_videos([str(tmp_path), 'https://example.org/d.mp4'])
    assert [f.rsplit('/', 1)[1]
            for f in found] == ['a.mp4', 'b.AVI', 'c.webm', 'd.mp4']
    with pytest.raises(ValueError, match='no file, folder, URL'):
        find_videos([str(tmp_path / 'nothing.mp4')])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='holds no video'):
        find_videos([str(tmp_path / 'empty')])


def test_mistakes(made, tmp_path):
    folder, cfg = made
    labels = tmp_path / 'labels.txt'
    labels.write_text('one\ntwo\nthree\n')
    with pytest.raises(ValueError, match='3 classes, but the model has 2'):
        VideoInferencer(cfg.copy(), str(folder / 'adapters.pth'), 'cpu',
                        labels)
    with pytest.raises(ValueError, match='Give a config'):
        VideoInferencer()
    with pytest.raises(ValueError, match='is not a file'):
        open_video(tmp_path / 'nothing.mp4')
    (tmp_path / 'text.mp4').write_text('this is no video')
    with pytest.raises(ValueError, match='cannot be read|no video'):
        open_video(tmp_path / 'text.mp4')


def test_a_buffer_is_read_like_a_video():
    frames = np.arange(5 * 2 * 2 * 3, dtype=np.uint8).reshape(5, 2, 2, 3)
    batch = FrameBuffer(frames).get_batch(np.array([3, 0, 3])).asnumpy()
    np.testing.assert_array_equal(batch, frames[[3, 0, 3]])
