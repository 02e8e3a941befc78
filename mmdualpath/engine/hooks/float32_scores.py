"""Scores that numpy can read."""
from typing import Any

import torch
from mmaction.models.heads import BaseHead
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn
from torch.utils._pytree import tree_map_only

from ...options import checked


@HOOKS.register_module()
@checked
class Float32ScoresHook(Hook):
    """Let the heads of the runner's model put out float32.

    MMAction2's heads hand their scores to numpy, in the accuracy of a
    training step and in the metric, and numpy has no bfloat16: without this
    hook ``--amp`` in bfloat16 fails there, on CUDA and on CPU.
    """

    def before_run(self, runner: Runner) -> None:
        """Hook the heads of this model; no class is changed."""
        self._handles = [
            head.register_forward_hook(in_float32)
            for head in runner.model.modules() if isinstance(head, BaseHead)
        ]

    def after_run(self, runner: Runner) -> None:
        """Leave the heads as they were."""
        for handle in self._handles:
            handle.remove()


def in_float32(head: nn.Module, inputs: tuple, scores: Any) -> Any:
    """The scores in float32, in whatever structure."""
    return tree_map_only(torch.Tensor, torch.Tensor.float, scores)
