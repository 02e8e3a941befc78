"""What differences between answers mean, in words: one rule for all.

A gain is a figure of a model less another one, with its 95 % interval. It is
one if the interval lies above zero, and a loss if it lies below. Otherwise it
is none to speak of if the interval ends at ``NEGLIGIBLE`` or below. In
between, and on fewer than ``ENOUGH`` videos, it cannot be told.
"""
from typing import List, Mapping

from .scores import Estimate

# A gain that may be zero and is at most this much is none to speak of.
NEGLIGIBLE = 0.02
# Videos from which on a gain is spoken of.
ENOUGH = 20


def finding(gain: Estimate, videos: int) -> str:
    """``better``, ``worse``, ``enough`` (what is gained on) or ``unknown``.

    Args:
        gain: Of a model.
        videos: How many were answered.
    """
    if videos < ENOUGH:
        return 'unknown'
    if gain.low > 0:
        return 'better'
    if gain.high < 0:
        return 'worse'
    return 'enough' if gain.high <= NEGLIGIBLE else 'unknown'


def on_order(gains: Mapping[str, Estimate], metric: str,
             videos: int) -> List[str]:
    """Whether the order of frames matters to a model.

    Args:
        gains: Of the model on frames in their order, to itself on ``shuffled``
            and on ``reversed`` ones.
        metric: What is gained, such as ``top-1``.
        videos: How many were answered.

    Returns:
        Sentences.
    """
    found = {order: finding(gain, videos) for order, gain in gains.items()}
    better = [order for order in found if found[order] == 'better']
    worth = 'frames in their order are worth ' + ' and '.join(
        f'{_points(gains[order], metric)} to {order} ones'
        for order in better or found)
    if better:
        said = [
            f'Time matters: {worth}. The model uses the order of the frames, '
            'which a linear probe on the mean of frozen features cannot see.'
        ]
    elif 'unknown' in found.values():
        said = [
            f'Whether time matters cannot be told from {videos} videos: '
            f'{worth}. {_more(videos)}'
        ]
    else:
        said = [
            f'Time does not matter here: {worth}. What cannot see the order '
            'of frames, such as a linear probe on frozen features, may be '
            'enough.'
        ]
    if found['reversed'] == 'better' and \
            gains['reversed'].low > gains['shuffled'].high:
        said.append(
            'Reversed frames cost more than shuffled ones: the model takes '
            'actions for those that are their opposites in time.')
    return said


def on_others(gains: Mapping[str, Estimate], metric: str,
              videos: int) -> List[str]:
    """Whether a model is better than others, or one of them is enough.

    Args:
        gains: Of the model, by what each is to, such as ``the linear probe``.
        metric: What is gained.
        videos: How many were answered.

    Returns:
        A sentence for each.
    """
    sentences = dict(
        better='The model is better than {name}, by {by}.',
        worse='The model is worse than {name}, by {by}: take {name}.',
        enough='The model is no better than {name}, which is enough: {by}.',
        unknown='Whether the model is better than {name} cannot be told from '
        '{videos} videos: {by}. {more}')
    return [
        sentences[finding(gain, videos)].format(
            name=name,
            by=_points(gain, metric),
            videos=videos,
            more=_more(videos)) for name, gain in gains.items()
    ]


def _points(gain: Estimate, metric: str) -> str:
    value, low, high = (100 * v + 0. for v in gain)
    return f'{value:+.1f} points of {metric} [{low:+.1f}, {high:+.1f}]'


def _more(videos: int) -> str:
    return f'{ENOUGH} are a beginning.' if videos < ENOUGH else \
        'More videos would tell.'
