"""The page of tools/demo.py, opened and clicked through in a browser."""
import json
import math
import re
import sys
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
import videos
from browser import needs_browser, opened
from helpers import CONFIGS, ROOT, load_tool

from mmdualpath.apis.inference import FrameBuffer, VideoInferencer
from mmdualpath.datasets.decoding import open_video

tool = load_tool('demo.py')
RELEASED = ROOT / 'mmdualpath/released'
CONFIG = str(CONFIGS / 'dualpath_vit-mini_digits.py')
CHECKPOINT, LABELS = tool.OWN
BEST = '[data-testid=label-output-value]'


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp('exported')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [
            'export.py', CONFIG, CHECKPOINT, '--format', 'pt2', '--out',
            str(folder), '--labels', LABELS
        ])
        load_tool('export.py').main()
    return str(folder / 'model.pt2')


@pytest.fixture(scope='module')
def address(exported):
    """Of a page with the released model, without names, and exported."""
    given = (tool.OWN, (CONFIG, CHECKPOINT), (exported, ))
    models = dict(tool.load(names, 'cpu') for names in given)
    page = tool.page(models, [str(RELEASED / 'clockwise.mp4')], 0.)
    tool.serve(page, '127.0.0.1', None, prevent_thread_lock=True)
    yield page.local_url
    page.close()


def choose(page, video):
    page.get_by_label('Clear').first.click()
    page.get_by_text('Choose a video.').wait_for()
    page.set_input_files('input[type=file] >> nth=0', str(video))


def wait(page, best, pictures):
    """For the best class, and so many pictures that the page drew."""
    if best:
        page.locator(BEST, has_text=best).wait_for()
    page.wait_for_function(
        'n => [...document.querySelectorAll("img")].filter(i => '
        'i.src.includes("/file=") && i.offsetParent).length == n',
        arg=pictures)


@needs_browser
def test_videos(address, tmp_path):
    with opened(address) as page:
        wait(page, 'clockwise', 2)  # the first of the videos to choose from
        choose(page, RELEASED / 'growing.mp4')
        wait(page, 'growing', 2)
        page.get_by_role('radio', name=CONFIG).click()
        wait(page, 'class 6', 2)
        page.get_by_role('radio', name='rolled out').click()
        page.get_by_role('radio', name='model.pt2').click()
        page.get_by_text('does not tell what it attends to').wait_for()
        wait(page, 'growing', 1)  # no sheet


@needs_browser
def test_videos_that_are_bad(address, tmp_path):
    with opened(address) as page:
        wait(page, 'clockwise', 2)
        (tmp_path / 'text.mp4').write_text('no video')
        choose(page, tmp_path / 'text.mp4')
        page.get_by_text('⚠ text.mp4 cannot be read').wait_for()
        wait(page, None, 0)
        assert not page.locator(BEST).count()
        choose(page, videos.write(tmp_path / 'short.mp4', 5, 96, 128))
        page.get_by_text('of 5 frames some are read more than once').wait_for()
        wait(page, None, 2)


@pytest.fixture(scope='module')
def film(frames, tmp_path_factory):
    """What Chromium's fake camera shows, over and over."""
    path = tmp_path_factory.mktemp('film') / 'growing.y4m'
    with av.open(str(path), 'w', format='yuv4mpegpipe') as file:
        stream = file.add_stream('wrapped_avframe', rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 256, 'yuv420p'
        for frame in frames.repeat(4, 1).repeat(4, 2):
            frame = np.pad(frame, [(0, 0), (32, 32), (0, 0)])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        file.mux(stream.encode())
    return path


@needs_browser
def test_camera(address, film):
    with opened(
            address,
            options=[
                '--use-fake-device-for-media-stream',
                '--use-fake-ui-for-media-stream',
                f'--use-file-for-fake-video-capture={film}'
            ]) as page:
        page.get_by_role('tab', name='Camera').click()
        page.get_by_role('button', name='Look at').click()
        page.get_by_text('Open the camera first.').wait_for()
        page.get_by_text('Click to Access Webcam').click()
        page.get_by_text('Record').click()
        # Which of them depends on where the film is when it is read.
        page.locator(BEST, has_text=re.compile('growing|shrinking')).wait_for()
        page.wait_for_function(
            'document.querySelector("textarea").value.includes("start")')
        page.get_by_role('button', name='Look at').click()
        wait(page, None, 2)
        page.get_by_text('Stop').click()
        event = json.loads(
            page.locator('textarea').input_value().split('\n')[0])
        assert {*event} == {'start', 'end', 'class', 'score'}


@pytest.fixture(scope='module')
def loaded():
    return tool.load(tool.OWN, 'cpu')[1]


@pytest.fixture(scope='module')
def frames():
    reader = open_video(RELEASED / 'growing.mp4')
    return reader.get_batch(list(range(16))).asnumpy()


def test_frames_of_a_camera(loaded, frames, monkeypatch):
    """Numbers are times, the frame before stands for those that are missing,
    and scores are smoothed."""
    clock = SimpleNamespace(now=0., monotonic=lambda: clock.now)
    monkeypatch.setattr(tool, 'time', clock)
    camera = tool.Camera(loaded, 2.)
    there = [n for n in range(45) if n % 7 != 3]
    new = 0
    for n in there:
        clock.now = n / 10 + 0.01
        new += camera.push(frames[n % 16])
        clock.now += 0.02
        assert not camera.push(frames[0])  # sooner than the rate
    held = [frames[max(m for m in there if m <= n) % 16] for n in range(45)]
    np.testing.assert_array_equal([*camera.frames], held[-20:])
    spans = [(start, start + 20) for start in range(0, 26, 5)]
    assert new == len(spans)
    assert [(w['start'], w['end']) for w in camera.result()['windows']
            ] == [(start / 10, stop / 10) for start, stop in spans]
    smooth, *rest = loaded.scores(FrameBuffer(held), spans)
    for scores in rest:  # half a second each
        smooth = smooth + (1 - math.exp(-1)) * (scores - smooth)
    got = {p['index']: p['score'] for p in camera.result()['predictions']}
    assert got == pytest.approx({i: smooth[i].item() for i in got}, abs=1e-5)
    clock.now = 4.5
    camera.push(np.zeros((96, 128, 3), np.uint8))
    assert len(camera.frames) == 1


def test_videos_of_any_size(loaded, frames):
    """What is as large as the model reads stays as it is, of others the
    shorter side is resized and the middle taken."""
    as_it_is = VideoInferencer(CONFIG, CHECKPOINT, 'cpu')
    wanted, = as_it_is.scores(FrameBuffer(frames), [(0, 16)])
    larger = frames.repeat(2, 1).repeat(2, 2)
    larger = np.pad(larger, [(0, 0), (0, 0), (20, 20), (0, 0)])
    for video in (frames, larger):
        got, = loaded.scores(FrameBuffer(video), [(0, 16)])
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)


def test_windows_of_a_video(loaded):
    """As predict() gives them, and where they lie."""
    video, shares = str(RELEASED / 'left.mp4'), []
    found = tool.predicted(loaded, video, 0.7, shares.append)
    wanted = loaded.predict(video, window=0.7)
    assert found['predictions'] == wanted['predictions']
    assert [w['predictions'] for w in found['windows']
            ] == [w['predictions'] for w in wanted['windows']]
    assert [w['segment'] for w in found['windows']] == [(0, 8), (4, 12),
                                                        (8, 16)]
    assert shares == [1 / 3, 2 / 3, 1]


def test_it_is_for_this_machine_alone(monkeypatch):
    launched = {}
    monkeypatch.setattr(tool.gr.Blocks, 'launch',
                        lambda self, **options: launched.update(options))
    monkeypatch.setattr(sys, 'argv', ['demo.py', '--device', 'cpu'])
    tool.main()
    assert launched['server_name'] == '127.0.0.1' and not launched['share']
    assert 'google' not in launched['theme']._get_theme_css().lower()
    monkeypatch.setattr(sys, 'argv', ['demo.py', '--host', '0.0.0.0'])
    tool.main()
    assert launched['server_name'] == '0.0.0.0'


def test_a_camera_of_an_exported_model(exported):
    camera = tool.Camera(tool.load([exported], None)[1], 1.)
    frame = np.zeros((64, 64, 3), np.uint8)
    number = camera.follower.recognizer.window
    news = camera.follower.update([(n, frame) for n in range(number)])
    assert news.window == (0, number)
    assert news.scores.sum() == pytest.approx(1, abs=1e-5)


def test_mistakes(loaded, monkeypatch):
    for names in ([CONFIG], [CHECKPOINT, 'a.pth'], [CONFIG, CONFIG, 'a.pth']):
        with pytest.raises(ValueError, match='CHECKPOINT .LABELS.txt'):
            tool.load(names, 'cpu')
    monkeypatch.setattr(tool, 'gr', None)
    monkeypatch.setattr(sys, 'argv', ['demo.py'])
    with pytest.raises(ValueError, match=r'\[gradio\]'):
        tool.main()
