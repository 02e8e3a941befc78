"""What predictions are worth, and whether a difference is one."""
from typing import (Any, Callable, Dict, List, NamedTuple, Optional, Sequence,
                    Tuple)

import numpy as np
from mmaction.evaluation import mean_average_precision
from scipy.stats import binomtest


class Predictions(NamedTuple):
    """Those of a model on a list of videos.

    Attributes:
        scores: ``(videos, classes)``.
        labels: ``(videos,)`` of numbers, or ``(videos, classes)`` of 0 and 1.
    """
    scores: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, samples: Sequence[Dict[str, Any]]) -> 'Predictions':
        """From the samples that MMEngine's ``DumpResults`` keeps."""
        labels = np.stack([np.asarray(s['gt_label']) for s in samples])
        return cls(
            np.stack([np.asarray(s['pred_score']) for s in samples]),
            labels[:, 0] if labels.shape[1] == 1 else labels)

    def take(self, numbers: np.ndarray) -> 'Predictions':
        """Some of the videos."""
        return Predictions(self.scores[numbers], self.labels[numbers])


Metric = Callable[[Predictions], float]


def accuracy(found: Predictions) -> float:
    """Share of the videos whose best class is theirs."""
    return float((found.scores.argmax(1) == found.labels).mean())


def macro_f1(found: Predictions) -> float:
    """Mean over classes of F1, by scikit-learn; no class counts more."""
    from sklearn.metrics import f1_score
    return float(
        f1_score(
            found.labels,
            found.scores.argmax(1),
            average='macro',
            zero_division=0))


def mean_precision(found: Predictions) -> float:
    """MMAction2's mean average precision."""
    return float(mean_average_precision(found.scores, found.labels))


def metrics_of(several: bool, unequal: bool) -> Dict[str, Metric]:
    """Metrics by their names, the one that decides first.

    Args:
        several: Whether a video may have several labels.
        unequal: Whether classes are of several sizes.
    """
    if several:
        return {'mean average precision': mean_precision}
    both = {'top-1': accuracy, 'macro-F1': macro_f1}
    return dict(reversed(both.items())) if unequal else both


def interval(metric: Metric,
             found: Predictions,
             other: Optional[Predictions] = None,
             draws: int = 500) -> Tuple[float, float]:
    """A 95 % interval of a metric.

    That of an accuracy is Wilson's; others are from drawing the videos anew.

    Args:
        metric: Of predictions.
        found: Predictions.
        other: What the metric of the same videos is compared with; the
            interval is then that of the difference, ``found`` less ``other``.
        draws: How often to draw.
    """
    if metric is accuracy and other is None:
        right = int((found.scores.argmax(1) == found.labels).sum())
        wilson = binomtest(right,
                           len(found.labels)).proportion_ci(method='wilson')
        return wilson.low, wilson.high
    draw = np.random.default_rng(0)
    values: List[float] = []
    for _ in range(draws):
        numbers = draw.integers(len(found.labels), size=len(found.labels))
        value = metric(found.take(numbers))
        if other is not None:
            value -= metric(other.take(numbers))
        if np.isfinite(value):
            values.append(value)
    if not values:
        return float('nan'), float('nan')
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
