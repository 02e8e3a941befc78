"""Reports of unreadable videos in the work folder."""
from pathlib import Path
from typing import Iterator, List

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from ...datasets.video_dataset import ReliableVideoDataset
from ...options import checked


def inner_datasets(dataset: Dataset) -> List[Dataset]:
    """What a wrapper of data sets holds."""
    one = [dataset.dataset] if hasattr(dataset, 'dataset') else []
    return getattr(dataset, 'datasets', one)


def video_datasets(dataset: Dataset) -> Iterator[ReliableVideoDataset]:
    """A data set of videos, or those that a wrapper of MMEngine holds."""
    if isinstance(dataset, ReliableVideoDataset):
        yield dataset
    for part in inner_datasets(dataset):
        yield from video_datasets(part)


@HOOKS.register_module()
@checked
class BadVideoHook(Hook):
    """Let ``ReliableVideoDataset`` report into the work folder.

    Each annotation file ``NAME.txt`` has a report ``bad_videos_NAME.tsv``.
    Labels that the model has no class for are refused before the first step.

    Raises:
        ValueError: If a label is no class of the model's head.
    """

    def before_train(self, runner: Runner) -> None:
        """Prepare the training data."""
        self._prepare(runner, runner.train_loop.dataloader)

    def before_val(self, runner: Runner) -> None:
        """Prepare the validation data."""
        self._prepare(runner, runner.val_loop.dataloader)

    def before_test(self, runner: Runner) -> None:
        """Prepare the test data."""
        self._prepare(runner, runner.test_loop.dataloader)

    @staticmethod
    def _prepare(runner: Runner, loader: DataLoader) -> None:
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        head = getattr(model, 'cls_head', None)
        classes = getattr(head, 'num_classes', None)
        for dataset in video_datasets(loader.dataset):
            if dataset.report is None:
                name = f'bad_videos_{Path(dataset.ann_file).stem}.tsv'
                dataset.report = str(Path(runner.work_dir, name))
            if classes and dataset.max_label >= classes:
                raise ValueError(
                    f'ann_file {dataset.ann_file} has the label '
                    f'{dataset.max_label}, but cls_head.num_classes='
                    f'{classes} allows 0 to {classes - 1}.')
