"""What to do about classes of several sizes, measured on held-out videos."""
from pathlib import Path
from typing import Dict, Iterator, Mapping, Sequence, Tuple

import numpy as np
from mmengine.config import Config

from ...analysis.scores import Answers, bootstrap
from ...datasets.splitting import folds_of
from . import runs, writing

WAYS = ('none', 'sampler', 'loss')
# What is done unless another way is clearly better. A probe knows little of
# what adapters will learn, and where it cannot tell, chance would decide.
USUAL = 'loss'


def held_out(cfg: Config, features: Path, labels: Sequence[Sequence[int]],
             groups: Sequence[str],
             counts: Sequence[int]) -> Iterator[Tuple[str, Answers]]:
    """Each way, and what a probe trained so says of videos held out.

    Thirds of the training videos are held out in turn.

    Args:
        cfg: Of the probe.
        features: Of the training videos.
        labels: Of each training video.
        groups: What recording each is of.
        counts: Training videos of each class.
    """
    folds = folds_of(labels, groups)
    for way in WAYS:
        own = cfg.copy()
        changes = writing.balance(way, counts, False)
        own.merge_from_dict(
            dict(
                model=dict(cls_head=dict(loss_cls=changes['loss'])),
                train_dataloader=changes['train_dataloader']))
        found = [runs.trained_on(own, features, *sides) for sides in folds]
        yield way, Answers(*(np.concatenate(part)
                             for part in zip(*((a.scores, a.truth)
                                               for a in found))))


def decide(found: Mapping[str, Answers], train: Sequence[int],
           val: Sequence[int]) -> Tuple[str, str, Dict[str, float]]:
    """The way to take, why, and macro-F1 of each.

    It is the loss, unless the interval of another way's difference to it is
    above zero; of several such ways the best. The videos held out count as if
    their classes were as frequent as among the videos to validate: what
    favours small classes costs precision where these are small as well.

    Args:
        found: Answers to the same training videos by way.
        train: Training videos of each class.
        val: Videos to validate of each class.
    """
    frequent = np.asarray(val) / np.maximum(train, 1)

    def macro_f1(way: str, weights: np.ndarray) -> np.ndarray:
        answers = found[way]
        return answers.macro_f1(weights * (answers.truth @ frequent))

    total = len(found[USUAL])
    once = np.ones((1, total))
    reached = {way: float(macro_f1(way, once)[0]) for way in found}
    better = [
        way for way in found if bootstrap(
            lambda weights: macro_f1(way, weights) - macro_f1(USUAL, weights),
            total).low > 0
    ]
    best = max(better or [USUAL], key=reached.__getitem__)
    said = ', '.join(f'{way} {value:.3f}' for way, value in reached.items())
    verdict = f'clearly better than the usual {USUAL}' if better else \
        'usual, as nothing else is clearly better'
    return best, (f'{verdict}: macro-F1 of the probe that reads order, on '
                  f'held-out thirds of the training videos: {said}'), reached
