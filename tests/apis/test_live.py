"""Sources that stall, fail and end, and the events of a stream."""
import threading

import numpy as np
import pytest
import torch
from videos import write

from mmdualpath.apis.events import Event, EventFinder
from mmdualpath.apis.live import (Follower, LiveSource, is_live, open_stream,
                                  opener_of)

FPS = 10.


class Clock:
    """Time that a source moves on."""

    def __init__(self):
        self.now = 100.

    def __call__(self):
        return self.now


def frame(value):
    return np.full((4, 4, 3), value, np.uint8)


def paced(clock, seconds):
    """A frame after each of some pauses; its value counts them."""
    for value, pause in enumerate(seconds):
        clock.now += pause
        yield frame(value)


def numbered(batches):
    return [(number, int(image[0, 0, 0])) for batch in batches
            for number, image in batch]


def source(openers, clock, **options):
    """Opened by one after the other; an error is raised, not given."""
    openers = iter(openers)

    def opener():
        frames = next(openers, ValueError('nobody is there'))
        if isinstance(frames, Exception):
            raise frames
        return FPS, frames

    options = dict(dict(stall=5., retries=0, pause=0.), **options)
    return LiveSource(opener, clock=clock, **options)


def test_numbers_are_times():
    """At 10 frames a second; what comes too soon is dropped."""
    clock = Clock()
    live = source([paced(clock, [0, .1, .1, .02, .5, .1])], clock)
    assert numbered(live) == [(0, 0), (1, 1), (2, 2), (7, 4), (8, 5)]
    assert live.dropped == 1


def test_frames_are_dropped_rather_than_late():
    """While nobody takes them, the newest wait."""
    clock, done = Clock(), threading.Event()

    def frames():
        yield from paced(clock, [.1] * 20)
        done.set()

    live = source([frames()], clock, waiting=4)
    assert done.wait(5)
    assert numbered(live) == [(16, 16), (17, 17), (18, 18), (19, 19)]
    assert live.dropped == 16


def test_it_is_opened_anew():
    """Having ended, failed or stalled; time goes on."""
    clock, forever = Clock(), threading.Event()

    def failing():
        yield from paced(clock, [.1, .1])
        raise OSError('the cable is out')

    def stalling():
        yield from paced(clock, [1., .1])
        forever.wait(20)
        yield frame(99)

    live = source([
        paced(clock, [0, .1]),
        failing(),
        OSError('no route'),
        stalling(),
        paced(clock, [1., .1])
    ], clock, stall=0.3, retries=2)  # yapf: disable
    batches = list(live)
    assert numbered(batches) == [(0, 0), (1, 1), (2, 0), (3, 1), (13, 0),
                                 (14, 1), (24, 0), (25, 1)]
    assert [] in batches
    # four times there was more, and twice nobody at last
    assert live.reconnects == 6
    forever.set()


def test_what_never_was_there_is_an_error():
    with pytest.raises(ValueError, match='nobody is there'):
        source([], Clock())
    with pytest.raises(ValueError, match='rtsp://127.0.0.1:9'):
        opener_of('rtsp://127.0.0.1:9/none')()
    with pytest.raises(ValueError, match='webcam:x: webcams are'):
        opener_of('webcam:x')


def test_names_of_sources():
    live = ['webcam', 'webcam:1', 'rtsp://host/1', 'udp://@:1234',
            'https://host/live/list.m3u8?x=1']  # yapf: disable
    assert all(map(is_live, live))
    files = ['a.mp4', 'https://host/clip.mp4', 'webcam.mp4', 'folder']
    assert not any(map(is_live, files))


def test_ffmpeg_reads_a_stream(tmp_path):
    """Here a file; its frames are those that were written."""
    path = write(tmp_path / 'a.mp4', 5)
    fps, frames = open_stream(str(path))
    frames = list(frames)
    assert fps == 8 and len(frames) == 5
    assert frames[0].shape == (32, 64, 3) and frames[0].dtype == np.uint8
    live = LiveSource(lambda: open_stream(str(path)), retries=0)
    assert sum(map(len, live)) + live.dropped == 5


class Recognizer:
    """Says of a window what its last frame shows."""
    hop, window = 2, 4

    def __init__(self):
        self.count, self.begun, self.span = 0, 0, None

    def add(self, image, number):
        if number - self.count >= self.window:
            self.begun = number
        self.count, self.value = number + 1, int(image[0, 0, 0])

    def predict(self):
        length = self.count - self.begun
        stop = self.begun + length // 2 * 2
        if length < 4 or self.span == (stop - 4, stop):
            return None
        self.span = stop - 4, stop
        return torch.eye(3)[self.value]

    def finish(self):
        return None


def test_events_of_a_stream():
    """Times are those of the windows' middles; a gap and a loss end one."""
    shown = [0] * 8 + [1] * 8
    follower = Follower(Recognizer(), EventFinder(), FPS)
    events = []
    for number, value in enumerate(shown):
        events += follower.update([(number, frame(value))]).events
    # The window of frames 6 to 9 is the first of the other class.
    assert events == [Event(0., 0.7, 0, 1.)]
    lost = follower.update([])
    assert lost.events == [Event(0.7, 1.5, 1, 1.)] and lost.shown is None
    events = []
    for number in range(40, 48):
        events += follower.update([(number, frame(1))]).events
    news = follower.finish()
    assert not events and news.events == [Event(4., 4.8, 1, 1.)]


def test_hysteresis():
    """A score that wavers about a threshold is one event."""
    wavering = [.2, .55, .45, .52, .35, .6, .2, .9]
    scores = [torch.tensor([s, 0.]) for s in wavering]

    def found(**options):
        finder, events = EventFinder(**options), []
        for i, s in enumerate(scores):
            events += finder.update(i, i + 1, s)
        return [(e.start, e.end) for e in events + finder.finish()]

    assert found(begin=.5, stay=.3) == [(1, 6), (7, 8)]
    assert found(begin=.5, stay=.5) == [(1, 2), (3, 4), (5, 6), (7, 8)]
    assert found(begin=.95, stay=.3) == []


def test_another_class_takes_over():
    finder = EventFinder(0.5, 0.1)
    assert not finder.update(0, 1, torch.tensor([.6, .4]))
    assert not finder.update(1, 2, torch.tensor([.5, .4]))
    first, = finder.update(2, 3, torch.tensor([.4, .6]))
    assert first == Event(0, 2, 0, pytest.approx(.55))
    assert finder.shown == 1
    second, = finder.finish(5.)
    assert second.as_dict(['a', 'b'].__getitem__) == {
        'start': 2,
        'end': 5.,
        'class': 'b',
        'score': .6
    }


def test_smoothing():
    """s + (1 - exp(-dt / tau)) (x - s)"""
    finder = EventFinder(smooth=2.)
    finder.update(0, 1, torch.tensor([1., 0.]))
    finder.update(1, 1.5, torch.tensor([0., 1.]))
    torch.testing.assert_close(
        finder.scores,
        torch.tensor([np.exp(-.25), 1 - np.exp(-.25)]).float())
    finder.finish()
    assert finder.scores is None


@pytest.mark.parametrize('options', [
    dict(begin=.3, stay=.5),
    dict(stay=0),
    dict(begin=1.5),
])
def test_thresholds_in_order(options):
    with pytest.raises(ValueError, match='0 < stay <= begin <= 1'):
        EventFinder(**options)
    with pytest.raises(ValueError, match='must not be negative'):
        EventFinder(smooth=-1)
