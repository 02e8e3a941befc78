"""Checkpoints that outlive the kill of the run that writes them."""
from collections import deque
from pathlib import Path
from typing import Any, Optional

import torch
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...fileio import WholeFileBackend
from ...options import checked

INSIDE = 'inside_epoch.pth'


@HOOKS.register_module()
@checked
class ReliableCheckpointHook(CheckpointHook):
    """MMEngine's hook, in an order that leaves a checkpoint at any moment.

    A local file is written under another name and renamed, then
    ``last_checkpoint`` is pointed to it, and only then older ones go. A
    checkpoint with values that are not finite is refused. Apart from
    checkpoints by epoch, one file can be kept up to date inside the epoch.

    Args:
        every_n_iters: Iterations between two updates of
            ``inside_epoch.pth``; 0 for none. A multiple of
            ``accumulative_counts``.
        args: As ``CheckpointHook``.
        kwargs: As ``CheckpointHook``.

    Raises:
        ValueError: If ``every_n_iters`` is negative, or a checkpoint holds
            NaN or infinity.
    """

    def __init__(self,
                 *args: Any,
                 every_n_iters: int = 0,
                 **kwargs: Any) -> None:
        if every_n_iters < 0:
            raise ValueError(f'every_n_iters={every_n_iters} is negative.')
        super().__init__(*args, **kwargs)
        self.every_n_iters = every_n_iters

    def before_train(self, runner: Runner) -> None:
        """Write whole files, and clear away what a killed run left half."""
        super().before_train(runner)
        if type(self.file_backend) is LocalBackend:
            self.file_backend = WholeFileBackend()
            self.backend_args = dict(backend='whole_files')
        if is_main_process():
            for part in Path(self.out_dir).glob('.*.pth.*.part'):
                part.unlink()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse values that no training comes back from."""
        broken = [
            name for name, value in checkpoint['state_dict'].items()
            if isinstance(value, torch.Tensor) and value.is_floating_point()
            and not value.isfinite().all()
        ]
        if broken:
            raise ValueError(
                f'After iteration {runner.iter + 1} the model has values that '
                f'are not finite, in {", ".join(broken[:4])} and '
                f'{max(len(broken) - 4, 0)} more tensors. No checkpoint is '
                f'written. The last one is {self._last(runner)}; a lower '
                'learning rate, clip_grad or bfloat16 may help.')

    def _last(self, runner: Runner) -> Optional[str]:
        path = self.file_backend.join_path(runner.work_dir, 'last_checkpoint')
        if self.file_backend.isfile(path):
            return self.file_backend.get_text(path)
        return None

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: Any = None) -> None:
        """Save by iteration, or inside the epoch."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if self.by_epoch and self.every_n_train_iters(runner,
                                                      self.every_n_iters):
            self._save(runner, INSIDE,
                       dict(epoch=runner.epoch, iter=runner.iter + 1))

    def _save(self, runner: Runner, name: str, meta: dict) -> None:
        """Write a checkpoint, then point ``last_checkpoint`` to it."""
        path = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', path)
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args)
        if is_main_process():
            pointer = self.file_backend.join_path(runner.work_dir,
                                                  'last_checkpoint')
            self.file_backend.put_text(path, pointer)

    def _save_checkpoint_with_step(self, runner: Runner, step: int,
                                   meta: dict) -> None:
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        outdated = [INSIDE] if self.every_n_iters else []
        if self.max_keep_ckpts > 0:
            kept = [s for s in self.keep_ckpt_ids if s != step] + [step]
            outdated += [
                self.filename_tmpl.format(s)
                for s in kept[:-self.max_keep_ckpts]
            ]
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids',
                                           list(self.keep_ckpt_ids))
        self._save(runner, name, meta)
        if is_main_process():
            self._remove(outdated)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """As MMEngine's, which removes the previous best before it writes."""
        if not self.save_best:
            return
        one = len(self.key_indicators) == 1
        best = (
            dict(best_ckpt_path=self.best_ckpt_path)
            if one else self.best_ckpt_path_dict)
        paths = vars(self) if one else best
        before = dict(best)
        paths.update(dict.fromkeys(before))  # none to remove
        super()._save_best_checkpoint(runner, metrics)
        for key, path in before.items():
            if paths[key] is None:
                paths[key] = path
            elif path and path != paths[key] and is_main_process():
                self.file_backend.remove(path)

    def _remove(self, names: list) -> None:
        for name in names:
            path = self.file_backend.join_path(self.out_dir, name)
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
