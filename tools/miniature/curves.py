"""What learning curves say: how soon, and how far."""
import math
import statistics
from typing import Optional, Sequence

LEVEL = 0.9  # accuracy that the steps are counted to
MIN_DELTA = 0.01  # what a new best is better by, as the trainer counts it


def steps_to(curve: Sequence[float],
             interval: int,
             level: float = LEVEL) -> float:
    """Steps until an accuracy is first seen; infinity if it never is.

    Args:
        curve: Accuracy at each evaluation.
        interval: Steps between evaluations.
        level: The accuracy.
    """
    return next(
        (interval * i for i, top1 in enumerate(curve, 1) if top1 >= level),
        math.inf)


def last_best(curve: Sequence[float], min_delta: float = MIN_DELTA) -> int:
    """Index of the last evaluation that brought a new best, as the trainer
    counts it.

    Args:
        curve: Accuracy at each evaluation.
        min_delta: What an accuracy must be better by.
    """
    best, index = -math.inf, 0
    for i, top1 in enumerate(curve):
        if top1 >= best + min_delta:
            best, index = top1, i
    return index


def stopped(curve: Sequence[float], patience: int) -> bool:
    """Whether a curve had stopped rising; otherwise the steps ran out.

    Args:
        curve: Accuracy at each evaluation.
        patience: Evaluations without a new best that end a training.
    """
    return len(curve) - 1 - last_best(curve) >= patience


def number(steps: float) -> str:
    """Steps as they are written."""
    return 'never' if math.isinf(steps) else f'{steps:,.0f}'


def spread(steps: Sequence[float]) -> str:
    """Median and range over the seeds."""
    text = number(statistics.median(steps))
    if min(steps) != max(steps):
        text += f' ({number(min(steps))} to {number(max(steps))})'
    return text


def mean(values: Sequence[float]) -> str:
    """Mean and standard deviation over the seeds, in per cent."""
    text = f'{100 * statistics.mean(values):.1f}'
    if len(values) > 1:
        text += f' ± {100 * statistics.stdev(values):.1f}'
    return text


def span(values: Sequence[float], digits: int) -> str:
    """The least and the most of some figures.

    Args:
        values: One for each seed.
        digits: Behind the point.
    """
    low, high = (f'{v:.{digits}f}' for v in (min(values), max(values)))
    return low if low == high else f'{low} to {high}'


def fewer(before: float, after: float, seen: Optional[float] = None) -> str:
    """How many times fewer steps.

    Args:
        before: Steps it took; infinity if it was not reached.
        after: Steps it takes.
        seen: Steps that were seen without its being reached.
    """
    if math.isinf(after):
        return 'undecided'
    if math.isinf(before):
        return f'more than {seen / after:.1f}'
    return f'{before / after:.1f}'
