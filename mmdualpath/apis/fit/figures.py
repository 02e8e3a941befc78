"""What a model's answers are worth, and whether a difference is one."""
from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from ...analysis.scores import Answers, Estimate, bootstrap
from ...fileio import whole_file

# What a figure is called, and the method of ``Answers`` that has it.
METRICS = {
    'top-1': 'accuracy',
    'macro-F1': 'macro_f1',
    'mean average precision': 'mean_average_precision'
}


def metrics_of(several: bool, unequal: bool) -> List[str]:
    """Names of what counts, the one that decides first.

    Args:
        several: Whether a video may have several labels.
        unequal: Whether classes are of several sizes.
    """
    if several:
        return ['mean average precision']
    return ['macro-F1', 'top-1'] if unequal else ['top-1', 'macro-F1']


def answers_of(samples: Sequence[Dict[str, Any]]) -> Answers:
    """From the samples that MMEngine's ``DumpResults`` keeps."""
    scores = np.stack([np.asarray(s['pred_score']) for s in samples])
    labels = np.stack([np.asarray(s['gt_label']) for s in samples])
    several = labels.shape[1] > 1
    truth = labels > 0 if several else np.eye(
        scores.shape[1], dtype=bool)[labels[:, 0]]
    return Answers(scores, truth, several)


def value_of(answers: Answers, name: str) -> float:
    """A figure by its name."""
    once = np.ones((1, len(answers)), int)
    return float(getattr(answers, METRICS[name])(once)[0])


def estimate(answers: Answers, name: str) -> Estimate:
    """A figure with its interval."""
    own = answers.main_estimate
    if METRICS[name] == answers.main[1].__name__:
        return own()
    return bootstrap(getattr(answers, METRICS[name]), len(answers))


def difference(first: Answers, second: Answers, name: str) -> Estimate:
    """How much better one model answers the same videos, with interval."""
    mine, other = (getattr(a, METRICS[name]) for a in (first, second))
    return bootstrap(
        lambda weights: mine(weights) - other(weights),
        len(first),
        resamples=200 if first.several else 1000)


def save(path: Path, answers: Answers) -> None:
    """Answers as a file of NumPy, whole or not at all."""
    with whole_file(path) as part, part.open('wb') as file:
        np.savez(
            file,
            scores=answers.scores,
            truth=answers.truth,
            several=answers.several)


def read(path: Path) -> Answers:
    """Answers from a file."""
    with np.load(path) as arrays:
        return Answers(arrays['scores'], arrays['truth'],
                       bool(arrays['several']))
