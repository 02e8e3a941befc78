"""No recording stands on both sides of a split."""
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdualpath.datasets.collection import Video
from mmdualpath.datasets.splitting import (folds_of, group_videos,
                                           recording_of, split_videos)


@pytest.mark.parametrize('name, recording', [
    ('person01_take2.mp4', 'person01'),
    ('person01_3.mp4', 'person01'),
    ('take/anna clip 12.mov', 'anna'),
    ('v_Archery_g07_c02.avi', 'v_Archery_g07'),
    ('video_003.mp4', 'video_003'),
    ('00012.mp4', '00012'),
    ('jump.mp4', 'jump'),
])
def test_recording_by_name(name, recording):
    assert recording_of(name) == recording


def videos(*names, label='a'):
    return [Video(name, (label, )) for name in names]


def test_groups():
    takes = videos('p1_take1.mp4', 'p1_take2.mp4', 'p2_take1.mp4')
    assert group_videos(takes)[0] == ['p1', 'p1', 'p2']
    assert group_videos(takes, 'none')[0] == [v.path for v in takes]
    assert group_videos(takes, r'take(\d)')[0] == ['1', '2', '1']
    assert group_videos(takes, r'take\d')[0] == ['take1', 'take2', 'take1']
    # Whom a rule says nothing of stands alone.
    groups, said = group_videos(takes, r'p1_(take2)?')
    assert groups == ['p1_take1.mp4', 'take2', 'p2_take1.mp4']
    assert '2 that it says nothing of' in said
    # What a list says counts more than names.
    said = [v._replace(group=g) for v, g in zip(takes, ('x', 'y', 'x'))]
    assert group_videos(said)[0] == ['x', 'y', 'x']
    # All of a class one recording: then names tell none.
    one = videos('p1_take1.mp4', 'p1_take2.mp4')
    groups, said = group_videos(one)
    assert groups == [v.path for v in one] and 'all of a' in said
    for rule, message in (('(', 'no regular expression'), ('q', 'fits none')):
        with pytest.raises(ValueError, match=message):
            group_videos(takes, rule)


@pytest.mark.parametrize('share', [0, -1, 0.51, 2, float('nan')])
def test_no_share(share):
    with pytest.raises(ValueError, match='more than 0 and at most 0.5'):
        split_videos([[0], [0], [1], [1]], 'abcd', share)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_split(data):
    """Whole groups, every video once, every class to train on."""
    classes = data.draw(st.integers(2, 4))
    several = data.draw(st.booleans())
    # at least two recordings of each class alone
    labels = [[i // 2] for i in range(2 * classes)]
    groups = [f'own{i}' for i in range(2 * classes)]
    more = data.draw(
        st.lists(
            st.tuples(
                st.sets(
                    st.integers(0, classes - 1),
                    min_size=1,
                    max_size=2 if several else 1), st.integers(0, 5)),
            max_size=20))
    labels += [sorted(row) for row, _ in more]
    groups += [f'shared{group}' for _, group in more]
    train, val = split_videos(labels, groups)
    assert sorted(train + val) == list(range(len(labels)))
    assert not {groups[i] for i in train} & {groups[i] for i in val}
    assert {c for i in train for c in labels[i]} == set(range(classes))
    assert val
    for train, val in folds_of(labels, groups):
        assert not {groups[i] for i in train} & {groups[i] for i in val}


def test_split_of_unequal_classes():
    """A share of each class, also of a small one."""
    labels = [[0]] * 300 + [[1]] * 5
    _, val = split_videos(labels, [str(i) for i in range(305)])
    counts = Counter(labels[i][0] for i in val)
    assert counts[1] == 1 and 55 <= counts[0] <= 65


def test_nothing_to_split():
    with pytest.raises(ValueError, match='of one recording'):
        split_videos([[0], [1]], ['a', 'a'])
    with pytest.raises(ValueError, match='none is left to train on'):
        split_videos([[0], [1]], ['a', 'b'])
