"""MMAction2's decoding of videos, by whichever library there is."""
import os
from typing import Any, Dict, Optional

import numpy as np
from mmaction.datasets.transforms import DecordDecode, DecordInit
from mmaction.registry import TRANSFORMS
from mmengine.fileio import get

from ..decoding import choose_decoder, open_video


@TRANSFORMS.register_module()
class VideoInit(DecordInit):
    """Open a video; it stands where ``DecordInit`` stands.

    Required keys:
        filename

    Added keys:
        video_reader, total_frames, avg_fps

    Args:
        decoder: ``pyav``, ``decord``, ``torchcodec``, ``torchcodec-cuda``, or
            ``auto`` for the first of them that is installed.
        num_threads: Threads that decode a video; 0 takes as many as there are
            cores. Beside several worker processes 1 is best.
        short_side: Pixels of the shorter side, to which larger frames are
            scaled while they are converted, by ``pyav`` only. It saves time
            where the pipeline scales anyway, and is not exact: None is.
        io_backend: Where MMEngine gets the file from. What is not on ``disk``
            is read as a whole first.
        kwargs: Other arguments of that backend.

    Raises:
        ValueError: If there is no such decoder, or it is not installed.
    """

    def __init__(self,
                 decoder: str = 'auto',
                 num_threads: int = 1,
                 short_side: Optional[int] = None,
                 io_backend: str = 'disk',
                 **kwargs: Any) -> None:
        super().__init__(io_backend, num_threads, **kwargs)
        self.decoder = choose_decoder(decoder)
        self.short_side = short_side

    def _get_video_reader(self, filename: str) -> Any:
        """A reader; a name without ending is one of ``.mp4``."""
        video = filename if os.path.splitext(filename)[1] \
            else f'{filename}.mp4'
        if self.io_backend != 'disk' or self.kwargs:
            video = get(video, dict(backend=self.io_backend, **self.kwargs))
        return open_video(video, self.decoder, self.num_threads,
                          self.short_side)

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(decoder={self.decoder!r}, '
                f'num_threads={self.num_threads}, '
                f'short_side={self.short_side}, '
                f'io_backend={self.io_backend!r})')


@TRANSFORMS.register_module()
class VideoDecode(DecordDecode):
    """Take the sampled frames out of an open video.

    It stands where ``DecordDecode`` stands, behind ``VideoInit`` or another
    transform that opens videos the same way.

    Required keys:
        video_reader, frame_inds

    Modified keys:
        video_reader (None), frame_inds (one dimension)

    Added keys:
        imgs (list of ``(H, W, 3)`` uint8 arrays, RGB), original_shape,
        img_shape
    """

    def __init__(self) -> None:
        super().__init__('accurate')

    def transform(self, results: Dict) -> Dict:
        """Decode."""
        results['frame_inds'] = np.reshape(results['frame_inds'], -1)
        return super().transform(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
