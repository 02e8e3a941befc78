"""Let models recognise videos and a camera, on a page in a browser.

    python tools/demo.py
    python tools/demo.py --model CONFIG CHECKPOINT labels.txt
    python tools/demo.py --model CHECKPOINT --model work_dirs/app/model.onnx

The page shows the classes of a video over its time, what the model reads and
what it attends to. Without --model it is the model that comes with the
package. The page is for this machine alone unless --host says otherwise, and
asks no other host for anything. Needs pip install -e ".[gradio]".
"""
import argparse
import json
import os
import threading
import time
from collections import deque
from functools import wraps
from pathlib import Path
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple, Union

import numpy as np
from mmaction.datasets.transforms import CenterCrop, Resize

import mmdualpath
from mmdualpath.analysis.complexity import find_image_size
from mmdualpath.apis.events import EventFinder
from mmdualpath.apis.inference import FrameBuffer, VideoInferencer, find_videos
from mmdualpath.apis.live import Follower
from mmdualpath.apis.programs import mistake, program
from mmdualpath.datasets.decoding import open_video
from mmdualpath.deploy.runner import ExportedModel
from mmdualpath.deploy.runtimes import is_exported
from mmdualpath.sliding import sliding_windows
from mmdualpath.visualization.pictures import sheet
from mmdualpath.visualization.predictions import as_image, timeline
from mmdualpath.visualization.sheets import (attention_rows, model_sections,
                                             read_segment)

os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
try:
    import gradio as gr
except ImportError:
    gr = None

Model = Union[VideoInferencer, ExportedModel]
RELEASED = Path(mmdualpath.__file__).parent / 'released'
OWN = ('mmdualpath://dualpath_vit-mini_digits.pth',
       str(RELEASED / 'labels.txt'))
RATE = 10.  # frames of a camera in a second
HOP = 0.5  # seconds from one prediction of a camera to the next
SHOWN = 30.  # seconds of a camera that are drawn
ATTENTION = ('of the last block', 'rolled out over all blocks')
# The page is served to one visitor after the other: a model takes no two
# batches at once, since attention is recorded inside of it.
TURN = threading.Lock()


def load(names: List[str], device: Optional[str]) -> Tuple[str, Model]:
    """A model and what it is called.

    Args:
        names: ``[CONFIG.py] CHECKPOINT [LABELS.txt]``, or an exported model.
        device: Such as ``cpu``.

    Raises:
        ValueError: If the names are of something else.
    """
    config = [n for n in names if n.endswith('.py')]
    labels = [n for n in names if n.endswith('.txt')]
    weights = [n for n in names if n not in config + labels]
    if len(weights) != 1 or len(config) > 1 or len(labels) > 1:
        raise ValueError(f'--model {" ".join(names)}: give [CONFIG.py] '
                         'CHECKPOINT [LABELS.txt], or an exported model.')
    name = ' '.join(config + weights)
    if is_exported(weights[0]):
        return name, ExportedModel(weights[0])
    model = VideoInferencer(
        next(iter(config), None), weights[0], device, next(iter(labels), None))
    take_any_size(model)
    return name, model


def take_any_size(inferencer: VideoInferencer) -> None:
    """Let a pipeline that does not resize take videos of any size.

    Their shorter side is resized to what the model reads, and the middle is
    taken; a video of that size stays as it is.
    """
    steps = inferencer.pipeline.transforms
    kinds = [type(step).__name__ for step in steps]
    size = find_image_size(inferencer.cfg.model.backbone)
    if size is None or any('Resize' in k or 'Crop' in k for k in kinds):
        return
    behind = 1 + next(i for i, kind in enumerate(kinds) if 'Decode' in kind)
    steps[behind:behind] = [Resize(scale=(-1, size)), CenterCrop(size)]


def predicted(model: Model, video: str, window: float,
              progress: Callable) -> Dict[str, Any]:
    """As ``VideoInferencer.predict``; windows have a ``segment`` in frames.

    Args:
        model: The model.
        video: A file.
        window: Seconds of a window; 0 is the whole video.
        progress: Told the share that is done.
    """
    reader = open_video(video)
    fps, frames = reader.get_avg_fps(), len(reader)
    segments = sliding_windows(frames, fps, window or None)
    scores = []
    for found in model.scores(reader, segments, fps):
        scores.append(found)
        progress(len(scores) / len(segments))
    return dict(
        video=video,
        fps=fps,
        frames=frames,
        predictions=model.ranked(sum(scores) / len(scores)),
        windows=[
            dict(
                segment=segment,
                start=segment[0] / fps,
                end=segment[1] / fps,
                predictions=model.ranked(found))
            for segment, found in zip(segments, scores)
        ])


def repeated(model: Model, found: dict) -> str:
    """What to say of windows that are shorter than the model's clips."""
    start, stop = found['windows'][0]['segment']
    frames = stop - start
    clip = model.frames[0] if isinstance(model, ExportedModel) else next(
        step.clip_len for step in model.pipeline.transforms
        if hasattr(step, 'clip_len'))
    if frames >= clip:
        return ''
    return (f'⚠ Too short: of {frames} frames some are read more than '
            f'once, since the model reads {clip}.')


def looked_at(model: Model, kind: str, reader: Any, segment: Tuple[int, int],
              fps: float) -> np.ndarray:
    """A picture of what a model reads of a segment, and attends to in it."""
    if isinstance(model, ExportedModel):
        raise ValueError('An exported model does not tell what it attends to.')
    inputs = read_segment(model, reader, *segment, fps)
    scores = next(model.scores(reader, [segment], fps))
    first = model.ranked(scores)[0]
    start, stop = (n / fps for n in segment)
    title = (f'{start:.2f} to {stop:.2f} s: {first["label"]} '
             f'({first["score"]:.0%})')
    try:
        rows = attention_rows(model.model, inputs, roll=kind == ATTENTION[1])
    except ValueError as error:  # of a model whose attention is not known
        rows, title = {path: {} for path in inputs}, f'{title}. {error}'
    return as_image(sheet(model_sections(model.model, inputs, rows), title))


class Camera:
    """A camera's frames as they come, and what has been seen in them.

    A frame's number is its time; what comes sooner than the rate is left out.

    Args:
        model: Predicts windows.
        window: Seconds that a prediction looks back.

    Attributes:
        frames: Those of the latest window.
        windows: The latest ones, as of a file.
        lines: A line of JSON for each event that has ended.
    """

    def __init__(self, model: Model, window: float) -> None:
        recognizer = model.streaming(RATE, window, HOP)
        finder = EventFinder(smooth=window / 4)
        self.model, self.follower = model, Follower(recognizer, finder, RATE)
        self.frames: Deque[np.ndarray] = deque(maxlen=recognizer.window)
        self.windows: Deque[dict] = deque(maxlen=round(SHOWN / HOP))
        self.lines: Deque[str] = deque(maxlen=20)
        self._start, self._number = time.monotonic(), -1

    def push(self, frame: np.ndarray) -> bool:
        """The next frame; whether there is something new to show."""
        number = round((time.monotonic() - self._start) * RATE)
        if number <= self._number:
            return False
        if self.frames and self.frames[-1].shape != frame.shape:
            self.frames.clear()
        before = [*self.frames][-1:]  # stands for those that are missing
        self.frames.extend(before * (number - self._number - 1) + [frame])
        self._number = number
        news = self.follower.update([(number, frame)])
        self.lines.extend(
            json.dumps(event.as_dict(self.model.name), ensure_ascii=False)
            for event in news.events)
        if news.window is None:
            return False
        start, stop = (n / RATE for n in news.window)
        predictions = self.model.ranked(news.smoothed)
        self.windows.append(
            dict(start=start, end=stop, predictions=predictions))
        return True

    def result(self) -> dict:
        """As of a file."""
        return dict(
            video='camera',
            fps=RATE,
            frames=self._number + 1,
            predictions=self.windows[-1]['predictions'],
            windows=list(self.windows))


def page(models: Dict[str, Model], videos: List[str], window: float) -> Any:
    """The page, as Gradio's ``Blocks``.

    Args:
        models: By name; the first one is chosen.
        videos: Files to choose from; the first one is shown.
        window: Seconds of a window at first.
    """
    with gr.Blocks(
            title='mmdualpath', analytics_enabled=False,
            delete_cache=(3600, 3600)) as blocks:
        gr.Markdown('# What a model makes of a video')
        with gr.Row():
            name = gr.Radio([*models], value=next(iter(models)), label='model')
            kind = gr.Radio(ATTENTION, value=ATTENTION[0], label='attention')
        with gr.Tab('Video'):
            video_tab(models, name, kind, videos, window, blocks.load)
        with gr.Tab('Camera'):
            camera_tab(models, name, kind)
    return blocks


def video_tab(models: Dict[str, Model], name: Any, kind: Any,
              videos: List[str], window: float, load: Any) -> None:
    """Where videos are chosen; ``load`` is the event of a page's opening."""
    with gr.Row():
        with gr.Column(scale=2):
            video = gr.Video(
                videos[0], sources=['upload'], height=360, label='video')
            gr.Examples([[v] for v in videos], video, label='videos')
            length = gr.Slider(
                0,
                10,
                window,
                step=0.1,
                label='seconds of a window; 0 is the whole video')
        with gr.Column(scale=3):
            said, classes, course = answers()
            moment = gr.Slider(0, 10, 0, label='second that is looked at')
    picture = drawing()
    result = gr.State()

    @answering(said, classes, course, picture, result)
    def recognise(model: str, video: Optional[str], window: float,
                  progress: Any = gr.Progress()) -> dict:  # yapf: disable
        if video is None:
            raise ValueError('Choose a video.')
        found = predicted(models[model], video, window, progress)
        duration = round(found['frames'] / found['fps'], 2)
        return {
            result: found,
            said: repeated(models[model], found),
            classes: best(found),
            course: as_image(timeline(found)),
            moment: gr.Slider(value=0, maximum=duration)
        }

    @answering(said, picture)
    def look(model: str, kind: str, found: Optional[dict],
             second: float) -> dict:
        if found is None:
            return {picture: None}
        segment = min(
            found['windows'],
            key=lambda w: abs(w['start'] + w['end'] - 2 * second))['segment']
        reader = open_video(found['video'])
        return {
            picture: looked_at(models[model], kind, reader, segment,
                               found['fps'])
        }

    looking = dict(
        fn=look, inputs=[name, kind, result, moment], outputs=[said, picture])
    gr.on([load, video.change, name.change, length.release], recognise,
          [name, video, length],
          [said, classes, course, picture, result, moment]).then(**looking)
    gr.on([moment.release, kind.change], **looking)


def camera_tab(models: Dict[str, Model], name: Any, kind: Any) -> None:
    """Where a camera is followed."""
    with gr.Row():
        with gr.Column(scale=2):
            image = gr.Image(
                sources=['webcam'],
                streaming=True,
                label='camera',
                webcam_options=gr.WebcamOptions(mirror=False))
            length = gr.Slider(
                0.5, 10, 2, step=0.1, label='seconds of a window')
            lines = gr.Textbox(label='events', lines=4, max_lines=4)
        with gr.Column(scale=3):
            said, classes, course = answers()
            button = gr.Button('Look at the last window')
    picture = drawing()
    camera = gr.State()

    @answering(said, classes, course, camera)
    def follow(model: str, frame: Optional[np.ndarray], window: float,
               followed: Optional[Camera]) -> dict:
        if frame is None:
            return {camera: followed}
        followed = followed or Camera(models[model], window)
        if not followed.push(frame):
            return {camera: followed}
        found = followed.result()
        return {
            camera: followed,
            said: '',
            classes: best(found),
            course: as_image(timeline(found)),
            lines: '\n'.join(reversed(followed.lines))
        }

    @answering(said, picture)
    def look(model: str, kind: str, followed: Optional[Camera]) -> dict:
        if followed is None:
            raise ValueError('Open the camera first.')
        frames = FrameBuffer(followed.frames)
        return {
            picture: looked_at(models[model], kind, frames, (0, len(frames)),
                               RATE)
        }

    image.stream(
        follow, [name, image, length, camera],
        [said, classes, course, camera, lines],
        stream_every=1 / RATE,
        time_limit=None,
        show_progress='hidden')
    gr.on([name.change, length.release], lambda: None, None, camera)
    button.click(look, [name, kind, camera], [said, picture])


def answers() -> Tuple[Any, ...]:
    """Where the page says what a model has found."""
    return gr.Markdown(), gr.Label(label='classes'), drawing()


def drawing() -> Any:
    """Where the page draws."""
    return gr.Image(show_label=False, buttons=['fullscreen', 'download'])


def answering(said: Any, *blank: Any) -> Callable:
    """Of what answers the page, one visitor after the other.

    Args:
        said: What says a user's mistake.
        blank: What is emptied then.
    """

    def around(work: Callable) -> Callable:

        @wraps(work)
        def answer(*args: Any) -> dict:
            with TURN:
                try:
                    return work(*args)
                except Exception as error:
                    text = mistake(error)
                    if text is None:
                        raise
                    for arg in args:  # uploads lie in folders of long names
                        if isinstance(arg, str):
                            text = text.replace(arg, Path(arg).name)
                    return {**dict.fromkeys(blank), said: f'### ⚠ {text}'}

        return answer

    return around


def best(found: dict) -> Dict[str, float]:
    """The best classes, as Gradio's ``Label`` reads them."""
    return {p['label']: p['score'] for p in found['predictions']}


def serve(blocks: Any, host: str, port: Optional[int], **options: Any) -> None:
    """Serve a page, by default until Ctrl-C.

    Args:
        blocks: See :func:`page`.
        host: Address to serve at.
        port: None takes the first free one from 7860 on.
        options: Others of Gradio's ``launch``.
    """
    # No visitor's browser is sent to another host, for fonts neither.
    theme = gr.themes.Default(
        font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    blocks.launch(
        server_name=host,
        server_port=port,
        share=False,
        theme=theme,
        footer_links=[],
        **options)


def main() -> None:
    """Serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        '--model',
        nargs='+',
        action='append',
        metavar='FILE',
        help='[CONFIG.py] CHECKPOINT [LABELS.txt], or an exported model;\n'
        'again for each model to choose from')
    parser.add_argument(
        '--videos',
        nargs='+',
        default=[str(RELEASED)],
        help='files or folders to choose from besides uploads')
    parser.add_argument(
        '--window',
        type=float,
        default=0.,
        help='seconds of a window at first; 0 is the whole video')
    parser.add_argument('--device', help='such as cpu or cuda:0')
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to serve at; 0.0.0.0 lets other machines in')
    parser.add_argument('--port', type=int, help='by default 7860, or a next')
    args = parser.parse_args()
    if gr is None:
        raise ValueError('The page is made by Gradio, which is not installed: '
                         'pip install -e ".[gradio]".')
    models = dict(load(m, args.device) for m in args.model or [OWN])
    serve(
        page(models, find_videos(args.videos), args.window), args.host,
        args.port)


if __name__ == '__main__':
    with program():
        main()
