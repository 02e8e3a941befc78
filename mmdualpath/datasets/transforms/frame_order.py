"""The frames of a clip in another order than they were shown."""
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...options import checked
from ..randomness import seeded

ORDERS = ('shuffled', 'reversed')


@TRANSFORMS.register_module()
@checked
class FrameOrder(BaseTransform):
    """Shuffle the sampled frames of each clip, or turn them round.

    It stands between sampling and decoding. A model that is as good on such
    clips makes no use of time. How a clip is shuffled is a function of the
    seed and of the number of its video in the data set.

    Required keys:
        frame_inds, clip_len, sample_idx (0 if there is none)

    Modified keys:
        frame_inds

    Args:
        order: ``shuffled`` or ``reversed``.
        seed: Another one shuffles otherwise.

    Raises:
        ValueError: If there is no such order.
    """

    def __init__(self, order: str, seed: int = 0) -> None:
        if order not in ORDERS:
            raise ValueError(f'order={order!r} is none of '
                             f'{", ".join(ORDERS)}.')
        self.order = order
        self.seed = seed

    def transform(self, results: dict) -> dict:
        """Change the order of the frames to be decoded."""
        clips = np.reshape(results['frame_inds'], (-1, results['clip_len']))
        if self.order == 'reversed':
            clips = clips[:, ::-1]
        else:
            with seeded(self.seed, results.get('sample_idx', 0)):
                clips = np.stack([np.random.permutation(c) for c in clips])
        results['frame_inds'] = np.reshape(clips, -1)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(order={self.order!r})'
