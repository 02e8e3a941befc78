"""Frames in another order."""
import numpy as np
import pytest
from mmaction.registry import TRANSFORMS


def reorder(frames, clip_len, index=0, **options):
    results = dict(
        imgs=[np.full((2, 2, 3), i, np.uint8) for i in range(frames)],
        clip_len=clip_len,
        sample_idx=index)
    step = TRANSFORMS.build(dict(type='ReorderFrames', **options))
    return [int(i[0, 0, 0]) for i in step.transform(results)['imgs']]


def test_reversed():
    assert reorder(6, 3, order='reversed') == [2, 1, 0, 5, 4, 3]
    # clips of one frame
    assert reorder(4, 1, order='reversed') == [3, 2, 1, 0]


def test_shuffled():
    first = reorder(32, 16)
    assert first != list(range(32))
    assert sorted(first[:16]) == list(range(16))
    # all clips of a video alike, and always
    assert [i + 16 for i in first[:16]] == first[16:]
    assert reorder(32, 16) == first
    # another video, another seed
    assert reorder(32, 16, index=1) != first != reorder(32, 16, seed=1)


def test_places_are_equally_likely():
    """No frame prefers a place."""
    drawn = np.array([reorder(4, 4, index=i) for i in range(800)])
    for place in drawn.T:
        counts = np.bincount(place, minlength=4)
        assert abs(counts - 200).max() < 60  # five deviations


def test_mistakes():
    with pytest.raises(ValueError, match="order='random' is none of shuff"):
        reorder(4, 4, order='random')
    with pytest.raises(ValueError, match='5 frames are no whole number'):
        reorder(5, 4)
