"""Which library reads a video: the one place that decides."""
import importlib.util
import io
import os
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence, Tuple, Union

from .reader import Frames, VideoReader


class TorchCodecReader:
    """torchcodec's decoder as :class:`VideoReader` is read.

    Args:
        video: A file, or its content.
        num_threads: Threads that decode; 0 takes as many as there are cores.
        device: ``cuda`` decodes on a GPU; frames come back to the CPU.
    """

    def __init__(self,
                 video: Union[str, bytes],
                 num_threads: int = 1,
                 device: str = 'cpu') -> None:
        from torchcodec.decoders import VideoDecoder
        self._decoder = VideoDecoder(
            video,
            dimension_order='NHWC',
            num_ffmpeg_threads=num_threads,
            device=device)

    def __len__(self) -> int:
        return self._decoder.metadata.num_frames

    def get_avg_fps(self) -> float:
        """Mean frames per second."""
        return self._decoder.metadata.average_fps

    def get_batch(self, indices: Sequence[int]) -> Frames:
        """Frames ``(n, H, W, 3)`` of some numbers."""
        frames = self._decoder.get_frames_at([int(i) for i in indices]).data
        return frames.cpu().numpy().view(Frames)


def _decord(video: Union[str, bytes], num_threads: int) -> Any:
    import decord

    # Given AVI files that end early as bytes, decord 0.6.0 crashes.
    source = io.BytesIO(video) if isinstance(video, bytes) else video
    return decord.VideoReader(source, num_threads=num_threads)


def _torchcodec_cuda(video: Union[str, bytes],
                     num_threads: int) -> TorchCodecReader:
    return TorchCodecReader(video, num_threads, 'cuda')


# The package that each needs, and what opens a video; the best comes first.
DECODERS: Dict[str, Tuple[str, Callable]] = {
    'pyav': ('av', VideoReader),
    'decord': ('decord', _decord),
    'torchcodec': ('torchcodec', TorchCodecReader),
    'torchcodec-cuda': ('torchcodec', _torchcodec_cuda),
}


def choose_decoder(decoder: str = 'auto') -> str:
    """The decoder that is used where ``decoder`` is asked for.

    Args:
        decoder: One of ``DECODERS``, or ``auto`` for the first of them that is
            installed.

    Raises:
        ValueError: If there is none of that name, or it is not installed.
    """
    if decoder != 'auto' and decoder not in DECODERS:
        raise ValueError(f'decoder={decoder!r} is none of '
                         f'auto, {", ".join(DECODERS)}.')
    for name in DECODERS if decoder == 'auto' else [decoder]:
        if importlib.util.find_spec(DECODERS[name][0]) is not None:
            return name
    missing = ' or '.join(DECODERS) if decoder == 'auto' \
        else DECODERS[decoder][0]
    raise ValueError(f'decoder={decoder!r} needs {missing}, which is not '
                     'installed.')


def open_video(video: Union[str, Path, bytes],
               decoder: str = 'auto',
               num_threads: int = 1,
               short_side: Optional[int] = None) -> Any:
    """A reader of a video: ``len``, ``get_avg_fps`` and ``get_batch``.

    Args:
        video: A file, or its content.
        decoder: See :func:`choose_decoder`.
        num_threads: Threads that decode; 0 takes as many as there are cores.
        short_side: See :class:`VideoReader`, which alone can do it.

    Raises:
        ValueError: If there is no such file or decoder, or ``short_side`` is
            asked of another decoder.
    """
    decoder = choose_decoder(decoder)
    options = {}
    if short_side is not None:
        if decoder != 'pyav':
            raise ValueError(f'short_side={short_side} needs decoder="pyav", '
                             f'given {decoder!r}.')
        options['short_side'] = short_side
    if not isinstance(video, bytes):
        # A path that begins with a slash is an address to no library.
        video = os.path.abspath(video)
        if not os.path.isfile(video):
            raise ValueError(f'{video} is not a file.')
    return DECODERS[decoder][1](video, num_threads=num_threads, **options)
