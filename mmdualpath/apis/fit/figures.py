"""What a model answers: which figures of it count, and its file."""
from pathlib import Path
from typing import Any, Dict, List, Sequence
from zipfile import BadZipFile

import numpy as np

from ...analysis.scores import Answers
from ...fileio import whole_file


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


def save(path: Path, answers: Answers) -> None:
    """Answers as a file of NumPy, whole or not at all."""
    with whole_file(path) as part, part.open('wb') as file:
        np.savez(
            file,
            scores=answers.scores,
            truth=answers.truth,
            several=answers.several)


def read(path: Path) -> Answers:
    """Answers from a file.

    Raises:
        ValueError: If it holds none.
    """
    try:
        with np.load(path) as arrays:
            return Answers(arrays['scores'], arrays['truth'],
                           bool(arrays['several']))
    except (AttributeError, BadZipFile, EOFError, KeyError, OSError,
            ValueError) as error:
        raise ValueError(f'{path} holds no answers ({error}): remove it, and '
                         'the model answers again.') from None
