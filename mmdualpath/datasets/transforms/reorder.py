"""Frames in another order, to see whether a model needs theirs."""
from typing import Dict

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...options import checked

ORDERS = ('shuffled', 'reversed')


@TRANSFORMS.register_module()
@checked
class ReorderFrames(BaseTransform):
    """Shuffle or reverse the frames of every clip.

    Stands behind decoding and before whatever lays frames out. A model that
    answers shuffled frames as well as the ordinary ones does not use time. All
    clips of a video get one order, and a video the same one in each run. Where
    a clip is a single frame, as TSN samples them, the clips are reordered.

    Required keys:
        imgs (list of frames), clip_len, sample_idx (of shuffled ones, set by
        the data set; 0 without one)

    Modified keys:
        imgs

    Args:
        order: ``shuffled`` or ``reversed``.
        seed: Of the shuffling.

    Raises:
        ValueError: If there is no such order, or the frames are no whole
            number of clips.
    """

    def __init__(self, order: str = 'shuffled', seed: int = 0) -> None:
        if order not in ORDERS:
            raise ValueError(f'order={order!r} is none of '
                             f'{", ".join(ORDERS)}.')
        self.order = order
        self.seed = seed

    def transform(self, results: Dict) -> Dict:
        """Reorder the frames."""
        frames, length = results['imgs'], results['clip_len']
        if length == 1:
            length = len(frames)
        if len(frames) % length:
            raise ValueError(f'{len(frames)} frames are no whole number of '
                             f'clips of {length} frames.')
        order = np.arange(length)[::-1]
        if self.order == 'shuffled':
            key = (self.seed, int(results.get('sample_idx', 0)))
            order = np.random.default_rng(key).permutation(length)
        results['imgs'] = [
            frames[start + i] for start in range(0, len(frames), length)
            for i in order
        ]
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(order={self.order!r}, '
                f'seed={self.seed})')
