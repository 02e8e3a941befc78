"""What scores of videos are worth: figures with intervals, calibration.

Everything is an array over videos; an estimate is a figure with its 95 %
interval. Proportions have Wilson's interval (Probable inference, JASA 1927),
all else the bias-corrected percentiles of a bootstrap over videos
(Nonparametric standard errors and confidence intervals, Efron, 1981).
"""
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Callable, Dict, List, NamedTuple, Tuple

import numpy as np

NORMAL = NormalDist()
Z = NORMAL.inv_cdf(0.975)
# Resamples for what is as fast as a matrix product, and for what is not.
RESAMPLES, FEW_RESAMPLES = 1000, 200
# What a figure is called, and the method of ``Answers`` that has it.
METRICS = {
    'top-1': 'accuracy',
    'macro-F1': 'macro_f1',
    'mean average precision': 'mean_average_precision'
}
# Of ``weights`` (resamples, videos): (resamples,).
Statistic = Callable[[np.ndarray], np.ndarray]


class Estimate(NamedTuple):
    """A figure and the ends of its 95 % interval."""
    value: float
    low: float
    high: float


def wilson(hits: float, total: float) -> Estimate:
    """A proportion with Wilson's score interval.

    Args:
        hits: How many of them.
        total: How many there are, at least one.
    """
    share = hits / total
    middle = (share + Z**2 / (2 * total)) / (1 + Z**2 / total)
    reach = Z / (1 + Z**2 / total) * np.sqrt(share * (1 - share) / total +
                                             (Z / (2 * total))**2)
    # Rounding must not put the ends on the wrong side of 0, 1 or the share.
    return Estimate(share, max(0., min(middle - reach, share)),
                    min(1., max(middle + reach, share)))


def bootstrap(statistic: Statistic,
              total: int,
              resamples: int = RESAMPLES,
              seed: int = 0) -> Estimate:
    """A figure with percentiles of those of resampled videos.

    A mean F1 of small classes is lower in most resamples than it is. The
    percentiles are those that the normal distribution has if the figure
    itself stands at its median, which corrects that.

    Args:
        statistic: How often each video counts ``(resamples, videos)`` ->
            ``(resamples,)``; NaN where a resample has none.
        total: Number of videos.
        resamples: How often videos are drawn.
        seed: Of the draws.
    """
    draw = np.random.default_rng(seed)
    values = []
    for start in range(0, resamples, 50):
        size = min(50, resamples - start)
        drawn = draw.integers(0, total, (size, total))
        drawn += np.arange(size)[:, None] * total
        weights = np.bincount(drawn.ravel(), minlength=size * total)
        values.append(statistic(weights.reshape(size, total)))
    drawn = np.concatenate(values)
    drawn = drawn[~np.isnan(drawn)]
    value, = statistic(np.ones((1, total), int))
    below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    shift = 2 * NORMAL.inv_cdf(
        np.clip(below, 0.5 / resamples, 1 - 0.5 / resamples))
    low, high = np.quantile(
        drawn,
        [NORMAL.cdf(shift - Z), NORMAL.cdf(shift + Z)])
    return Estimate(float(value), float(low), float(high))


@dataclass
class Answers:
    """What a model says of labelled videos.

    Args:
        scores: ``(videos, classes)``, probabilities: of one another where a
            video has one label, each for itself where it may have several.
        truth: ``(videos, classes)``, whether a video has a label.
        several: Whether a video may have several labels.
    """
    scores: np.ndarray
    truth: np.ndarray
    several: bool = False

    def __len__(self) -> int:
        return len(self.scores)

    def subset(self, keep: np.ndarray) -> 'Answers':
        """Those of some videos."""
        return Answers(self.scores[keep], self.truth[keep], self.several)

    @cached_property
    def predicted(self) -> np.ndarray:
        """``(videos, classes)``: the best class, or all from 0.5 on."""
        if self.several:
            return self.scores >= 0.5
        return np.eye(self.scores.shape[1], dtype=bool)[self.scores.argmax(1)]

    @cached_property
    def right(self) -> np.ndarray:
        """``(videos,)``, whether exactly the labels are predicted."""
        return (self.predicted == self.truth).all(1)

    def accuracy(self, weights: np.ndarray) -> np.ndarray:
        """Share of the videos that are right."""
        return weights @ self.right / weights.sum(1)

    def within(self, most: int) -> np.ndarray:
        """``(videos,)``, whether a label is among the best classes."""
        best = np.argsort(-self.scores, 1, kind='stable')[:, :most]
        return np.take_along_axis(self.truth, best, 1).any(1)

    def rates(self, weights: np.ndarray) -> Dict[str, np.ndarray]:
        """Precision, recall and F1 of each class, ``(resamples, classes)``.

        NaN where nothing can be said: no video of the class for recall, none
        predicted for precision, neither for F1.
        """
        weights = weights.astype(np.float32)
        hits, true, told = (
            weights @ which.astype(np.float32)
            for which in (self.truth & self.predicted, self.truth,
                          self.predicted))
        with np.errstate(invalid='ignore'):
            return dict(
                precision=hits / told,
                recall=hits / true,
                f1=2 * hits / (true + told))

    def mean_class_accuracy(self, weights: np.ndarray) -> np.ndarray:
        """Mean recall of the classes that have videos."""
        return np.nanmean(self.rates(weights)['recall'], 1)

    def macro_f1(self, weights: np.ndarray) -> np.ndarray:
        """Mean F1 of the classes that have videos or are predicted."""
        return np.nanmean(self.rates(weights)['f1'], 1)

    def average_precisions(self, weights: np.ndarray) -> np.ndarray:
        """Area under each class's precision and recall.

        Sum over the scores of (R_n - R_(n-1)) P_n, as scikit-learn's.

        Returns:
            ``(resamples, classes)``; NaN without a video of the class.
        """
        columns = []
        for scores, truth in zip(self.scores.T, self.truth.T):
            order = np.argsort(-scores, kind='stable')
            counted = weights[:, order]
            hits = np.cumsum(counted * truth[order], 1)
            told = np.cumsum(counted, 1)
            # Videos of one score are told together.
            ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
            hits, told = hits[:, ends], told[:, ends]
            with np.errstate(invalid='ignore'):
                precision = np.nan_to_num(hits / told)
                steps = np.diff(hits, axis=1, prepend=0) / hits[:, -1:]
            columns.append((steps * precision).sum(1))
        return np.stack(columns, 1)

    def mean_average_precision(self, weights: np.ndarray) -> np.ndarray:
        """Mean of the classes that have videos."""
        return np.nanmean(self.average_precisions(weights), 1)

    @property
    def main(self) -> Tuple[str, Statistic, int]:
        """The figure they are judged by, and its number of resamples."""
        if self.several:
            return ('mean average precision', self.mean_average_precision,
                    FEW_RESAMPLES)
        return 'top-1 accuracy', self.accuracy, RESAMPLES

    def main_estimate(self) -> Estimate:
        """That figure with its interval."""
        name, statistic, resamples = self.main
        if self.several:
            return bootstrap(statistic, len(self), resamples)
        return wilson(self.right.sum(), len(self))

    def confusion(self) -> np.ndarray:
        """``(classes, classes)``: videos of a class predicted as another.

        Where a video has several labels, row i has the videos in which i was
        missed, by what was predicted there and is no label; right ones stand
        on the diagonal.
        """
        truth, predicted = (
            x.astype(np.float32) for x in (self.truth, self.predicted))
        if not self.several:
            return (truth.T @ predicted).astype(int)
        missed, wrong = truth * (1 - predicted), predicted * (1 - truth)
        return (missed.T @ wrong).astype(int) + np.diag(
            (truth * predicted).sum(0).astype(int))

    def errors(self) -> Tuple[np.ndarray, np.ndarray]:
        """The videos with a mistake, the most confident one first.

        Returns:
            Their numbers, and how confident the worst mistake of each is: the
            score of what was predicted and is no label, or 1 less the score
            of a label that was not.
        """
        if self.several:
            told = np.where(self.truth, 1 - self.scores, self.scores)
            confidence = np.where(self.predicted != self.truth, told, 0)
        else:
            confidence = np.where(self.predicted & ~self.truth, self.scores, 0)
        confidence = confidence.max(1)
        wrong = np.flatnonzero(~self.right)
        order = wrong[np.argsort(-confidence[wrong], kind='stable')]
        return order, confidence[order]


class Bin(NamedTuple):
    """Answers of similar confidence."""
    low: float
    high: float
    count: int
    confidence: float
    accuracy: Estimate


def calibration(answers: Answers,
                number: int = 10) -> Tuple[List[Bin], float, float]:
    """Whether scores are probabilities.

    On Calibration of Modern Neural Networks, ICML 2017.
    https://arxiv.org/abs/1706.04599
    Where a video may have several labels each score is an answer of its own.

    Args:
        answers: The answers.
        number: Bins of one width from 0 to 1.

    Returns:
        The bins that have answers; the expected calibration error, mean of
        |accuracy - confidence| over answers; and confidence less accuracy,
        positive for a model that is too sure.
    """
    if answers.several:
        confidence, right = answers.scores.ravel(), answers.truth.ravel()
    else:
        confidence, right = answers.scores.max(1), answers.right
    place = np.minimum((confidence * number).astype(int), number - 1)
    bins = []
    for i in np.unique(place):
        mine = place == i
        bins.append(
            Bin(i / number, (i + 1) / number, int(mine.sum()),
                float(confidence[mine].mean()),
                wilson(right[mine].sum(), mine.sum())))
    error = sum(b.count * abs(b.accuracy.value - b.confidence) for b in bins)
    return (bins, error / len(confidence),
            float(confidence.mean() - right.mean()))


def value_of(answers: Answers, name: str) -> float:
    """A figure by its name in ``METRICS``."""
    once = np.ones((1, len(answers)), int)
    return float(getattr(answers, METRICS[name])(once)[0])


def estimate(answers: Answers, name: str) -> Estimate:
    """A figure with its interval."""
    if METRICS[name] == answers.main[1].__name__:
        return answers.main_estimate()
    return bootstrap(getattr(answers, METRICS[name]), len(answers))


def difference(first: Answers, second: Answers, name: str) -> Estimate:
    """How much better one model answers the same videos, with interval."""
    mine, other = (getattr(a, METRICS[name]) for a in (first, second))
    return bootstrap(
        lambda weights: mine(weights) - other(weights),
        len(first),
        resamples=FEW_RESAMPLES if first.several else RESAMPLES)
