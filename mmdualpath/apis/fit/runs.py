"""Trainings and validations by MMEngine's runner, in this process."""
import itertools
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from mmengine.config import Config
from mmengine.fileio import load
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from ...analysis.pipelines import DECODE
from ...analysis.scores import Answers
from ...fileio import whole_file
from .figures import answers_of

NUMBER = itertools.count()


class BriefRunner(Runner):
    """MMEngine's runner; on the screen come its progress and warnings.

    The log file has everything.
    """

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """As MMEngine's."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_progress)
        return logger


def _is_progress(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return record.levelno >= logging.ERROR or text.startswith(
        ('Epoch(', 'Iter('))


def runner_of(cfg: Config) -> Runner:
    """A runner, of which there may be several in a process."""
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.experiment_name = f'fit-{os.getpid()}-{next(NUMBER)}'
    return BriefRunner.from_cfg(cfg)


def train(cfg: Config) -> str:
    """Train, or go on, and give the last checkpoint."""
    cfg.resume = True
    runner_of(cfg).train()
    return Path(cfg.work_dir, 'last_checkpoint').read_text().strip()


def predict(cfg: Config,
            checkpoint: Optional[str] = None,
            order: Optional[str] = None) -> Answers:
    """What a model says of the validation videos.

    Args:
        cfg: Its config.
        checkpoint: What it was trained to.
        order: ``shuffled`` or ``reversed`` frames, see
            ``ReorderFrames``.
    """
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    if order:
        data = cfg.val_dataloader.dataset
        data.pipeline = reordered(data.pipeline, order)
    cfg.load_from, cfg.resume = checkpoint, False
    cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = None
    cfg.param_scheduler = None
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, 'predictions.pkl'))
        own = cfg.val_evaluator
        cfg.val_evaluator = [
            *(own if isinstance(own, list) else [own]),
            dict(type='DumpResults', out_file_path=file)
        ]
        runner_of(cfg).val()
        return answers_of(load(file))


def trained_on(cfg: Config, folder: Path, train: Sequence[int],
               val: Sequence[int]) -> Answers:
    """Train a probe on some features of a split and predict others.

    Nothing is kept.

    Args:
        cfg: Of the probe.
        folder: Features of the split.
        train: Numbers of the videos to train on.
        val: Numbers of the videos to predict.
    """
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.model.backbone.cache = str(folder.parent)
    cfg.model.data_preprocessor = dict(
        type='ActionDataPreprocessor', to_float32=False)
    for loader, indices in ((cfg.train_dataloader, train), (cfg.val_dataloader,
                                                            val)):
        loader.dataset = dict(
            type='FeatureDataset', folder=str(folder), indices=list(indices))
    cfg.default_hooks.checkpoint = None
    cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None
    with tempfile.TemporaryDirectory() as place:
        cfg.work_dir = place
        file = str(Path(place, 'predictions.pkl'))
        cfg.val_evaluator = dict(type='DumpResults', out_file_path=file)
        runner_of(cfg).train()
        return answers_of(load(file))


def reordered(pipeline: Sequence[Dict[str, Any]],
              order: str) -> List[Dict[str, Any]]:
    """A pipeline whose frames come in another order once they are decoded."""
    steps: List[Dict[str, Any]] = []
    for step in pipeline:
        steps.append(step)
        if step['type'] in DECODE:
            steps.append(dict(type='ReorderFrames', order=order))
    return steps


def keep(path: Path, content: Dict[str, Any]) -> Dict[str, Any]:
    """Write what a stage gave, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1) + '\n')
    return content


def kept(path: Path) -> Dict[str, Any]:
    """What :func:`keep` wrote.

    Raises:
        ValueError: If the file holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, OSError) as error:
        raise ValueError(f'{path} cannot be read ({error}): remove it, and '
                         'what it tells is found again.') from None
    if not isinstance(content, dict):
        raise ValueError(f'{path} holds no mapping but '
                         f'{type(content).__name__}: remove it, and what it '
                         'tells is found again.')
    return content
