"""Videos encoded for reading: small, and little to decode for a frame."""
from fractions import Fraction
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import av
import numpy as np

from .reader import open_container, upright


def target_size(width: int, height: int, short_side: int) -> Tuple[int, int]:
    """Even width and height with the given short side, never enlarged."""
    scale = min(1., short_side / min(width, height))
    return tuple(2 * max(1, round(side * scale / 2))
                 for side in (width, height))


def frames_of(path: Path) -> Iterator[av.VideoFrame]:
    """All frames of a video, the right way up.

    Raises:
        ValueError: If it has no video.
    """
    with open_container(str(path)) as container:
        if not container.streams.video:
            raise ValueError('there is no video in it')
        stream = container.streams.video[0]
        stream.thread_type = 'NONE'  # one video a process is faster
        for frame in container.decode(stream):
            if frame.side_data.get('DISPLAYMATRIX') is not None:
                image = upright(frame.to_ndarray(format='rgb24'), frame)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image))
            yield frame


def count_frames(path: Path) -> int:
    """Frames that can be decoded."""
    return sum(1 for _ in frames_of(path))


def rate_of(path: Path) -> Fraction:
    """Mean frames per second, 25 where the file does not tell."""
    with open_container(str(path)) as container:
        stream = container.streams.video[:1]
        return stream and stream[0].average_rate or Fraction(25)


def encoder(settings: Dict[str, Any]) -> Tuple[str, str, Dict[str, str]]:
    """Codec, pixel format and options.

    Args:
        settings: ``format``, ``keyframes`` and ``quality``.
    """
    quality = str(settings['quality'])
    if settings['format'] == 'mjpeg':
        return 'mjpeg', 'yuvj420p', dict(
            qmin=quality, qmax=quality, huffman='optimal')
    keyframes = str(settings['keyframes'])
    return 'libx264', 'yuv420p', dict(
        crf=quality,
        tune='fastdecode',
        bf='0',
        refs='1',
        g=keyframes,
        keyint_min=keyframes,
        sc_threshold='0')


def transcode(source: Path, target: Path, settings: Dict[str, Any]) -> None:
    """Re-encode one video and check the result.

    Args:
        source: The video.
        target: Its new file, which appears only once it is whole.
        settings: ``short_side`` in pixels, ``format``, ``keyframes``, every
            how many frames there is one in H.264, and ``quality``, crf of
            H.264 (0 to 51) or the quantiser of JPEG (2 to 31), lower is
            better.

    Raises:
        ValueError: If the video cannot be read to its end, or the result has
            another number of frames.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix('.part')
    codec, pix_fmt, options = encoder(settings)
    count = 0
    try:
        rate = rate_of(source)
        with av.open(str(draft), 'w', format='mp4') as container:
            stream = None
            for frame in frames_of(source):
                if stream is None:
                    stream = container.add_stream(codec, rate, options)
                    stream.width, stream.height = target_size(
                        frame.width, frame.height, settings['short_side'])
                    stream.pix_fmt = pix_fmt
                    stream.codec_context.thread_count = 1
                frame = frame.reformat(
                    stream.width,
                    stream.height,
                    pix_fmt,
                    interpolation='AREA',
                    threads=1)
                frame.pict_type = av.video.frame.PictureType.NONE
                frame.pts = count
                frame.time_base = 1 / rate
                container.mux(stream.encode(frame))
                count += 1
            if stream is None:
                raise ValueError('it has no frames')
            container.mux(stream.encode())
        found = count_frames(draft)
        if found != count:
            raise ValueError(f'{count} frames went in, {found} came out')
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
