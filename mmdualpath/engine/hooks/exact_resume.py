"""A run that is killed and resumed computes what it would have computed."""
from typing import Any, Optional

from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import DistSamplerSeedHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.data import Dataset

from ...datasets.randomness import Draw, seed_all
from ...datasets.sampler import ResumableSampler
from ...options import checked
from .bad_videos import inner_datasets, video_datasets

PROGRESS = 'progress'


@HOOKS.register_module()
@checked
class ExactResumeHook(DistSamplerSeedHook):
    """MMEngine's sampler hook, which also resumes inside an epoch.

    With a ``ResumableSampler``:

    - a resumed epoch begins with the first sample that was not trained on;
    - each step is seeded by (seed, process, iteration), so that dropout and
      batch blending need no saved state;
    - the seed of a run without a configured one is that of its checkpoint.

    Augmentations are seeded by ``ReliableVideoDataset``. With another sampler
    or an iteration-based loop the hook does what MMEngine's does.

    Raises:
        ValueError: If a run resumes inside an epoch with another total batch
            or another number of samples, or a wrapper of the data set keeps
            the seed of a sample from it.
    """

    def __init__(self) -> None:
        self._resumed: Optional[dict] = None

    @staticmethod
    def _sampler(runner: Runner) -> Optional[ResumableSampler]:
        batches = runner.train_loop.dataloader.batch_sampler
        sampler = getattr(batches, 'sampler', None)
        return sampler if isinstance(sampler, ResumableSampler) else None

    @staticmethod
    def _progress(runner: Runner) -> dict:
        loader = runner.train_loop.dataloader
        return dict(
            batches=len(loader),
            total_batch=loader.batch_sampler.batch_size * get_world_size())

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember how the run that wrote a checkpoint counted."""
        meta = checkpoint.get('meta') or {}
        self._resumed = meta.get(PROGRESS) if 'iter' in meta else None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note how this run counts."""
        if self._sampler(runner):
            checkpoint['meta'][PROGRESS] = self._progress(runner)

    def before_train(self, runner: Runner) -> None:
        """Take over the seed, and refuse what cannot go on exactly."""
        sampler = self._sampler(runner)
        if sampler is None:
            return
        refuse_plain_indices(runner.train_loop.dataloader.dataset)
        different = runner._randomness_cfg.get('diff_rank_seed', False)
        sampler.seed = runner.seed - (get_rank() if different else 0)
        if not runner.iter or not self._resumed:
            return
        now = self._progress(runner)
        inside = runner.iter != runner.epoch * self._resumed['batches']
        if inside and now != self._resumed:
            raise ValueError(
                'The checkpoint was written inside an epoch of '
                f'{self._resumed["batches"]} batches of '
                f'{self._resumed["total_batch"]} samples in all processes; '
                f'there are {now["batches"]} of {now["total_batch"]} now. '
                "Resume with the same, or from an epoch's end.")
        steps = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if runner.iter % steps:
            runner.logger.warning(
                f'Resuming at iteration {runner.iter}, no multiple of '
                f'accumulative_counts={steps}: the gradients accumulated '
                'before it are lost. Save at multiples of it.')

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the epoch, and where in it to begin."""
        super().before_train_epoch(runner)
        sampler = self._sampler(runner)
        if sampler is not None:
            loader = runner.train_loop.dataloader
            done = runner.iter - runner.epoch * len(loader)
            # Epochs of another length lie behind a run that has changed.
            inside = 0 <= done <= len(loader) and (self._resumed
                                                   in (None,
                                                       self._progress(runner)))
            sampler.start = (
                done * loader.batch_sampler.batch_size if inside else 0)

    def before_train_iter(self,
                          runner: Runner,
                          batch_idx: int,
                          data_batch: Any = None) -> None:
        """Seed what the model draws in this step."""
        sampler = self._sampler(runner)
        if sampler is not None:
            seed_all(sampler.seed, get_rank(), runner.iter)


def refuse_plain_indices(dataset: Dataset) -> None:
    """Refuse wrappers whose indices do not carry the seed of a sample.

    Raises:
        ValueError: If a wrapper of a ``ReliableVideoDataset`` is one.
    """
    for part in inner_datasets(dataset):
        if not list(video_datasets(part)):
            continue
        refuse_plain_indices(part)
        locate = getattr(dataset, '_get_ori_dataset_idx', int)
        index = locate(Draw(len(dataset) - 1, (0, )))
        if not isinstance(index[-1] if isinstance(index, tuple) else index,
                          Draw):
            raise ValueError(
                f'{type(dataset).__name__} hands on plain indices, without '
                'the seed of a sample, so that a resumed training would not '
                'repeat its augmentations. Take RepeatDataset or '
                'ConcatDataset, or DefaultSampler for a training that need '
                'not resume exactly.')
