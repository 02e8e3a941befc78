"""Frozen weights divided among the processes of a run."""
from typing import Any, Callable

import torch.distributed as dist
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from ...models.backbones import AdaptedBackbone, views_of
from ...models.recompute import recomputed
from ...models.shards import shard_frozen
from ...options import checked
from .attention_picture import AttentionPictureHook


@HOOKS.register_module()
@checked
class ShardFrozenHook(Hook):
    """Let each process hold a part of the frozen weights.

    A block's weights are gathered when it computes and let go of afterwards;
    the backward pass gathers them anew, since blocks are recomputed
    (``with_cp=True``). All else is as without: what trains is whole in each
    process, and so are checkpoints, which go on in any number of processes,
    with or without this hook. In one process it does nothing.

    Raises:
        ValueError: If the backbone does not recompute its blocks or is
            compiled, nothing in it is frozen, or another hook runs the model
            in one process alone.
    """
    priority = 'VERY_LOW'  # what others count and copy is whole

    def before_run(self, runner: Runner) -> None:
        """Refuse at once what does not fit."""
        backbone = _bare(runner.model).backbone
        for path, view in views_of(backbone).items():
            if not (isinstance(view, AdaptedBackbone) and recomputed(view)):
                raise ValueError(
                    f'ShardFrozenHook: the {path} view, {type(view).__name__},'
                    ' recomputes no blocks, so that their weights would have '
                    'to stay. Set model.backbone.with_cp=True of an '
                    'AdaptedBackbone or DualPathBackbone.')
        if backbone._compiled_call_impl is not None \
                or runner.cfg.get('compile'):
            raise ValueError('ShardFrozenHook does not go with compile=True: '
                             'what is gathered is no part of a graph.')
        for hook in runner.hooks:
            if isinstance(hook, AttentionPictureHook):
                raise ValueError(
                    'ShardFrozenHook does not go with AttentionPictureHook, '
                    'which runs the model in one process: the others would '
                    'not give it their part of the weights.')

    def before_train(self, runner: Runner) -> None:
        """Divide the weights, once."""
        self._shard(runner)

    before_val = before_test = before_train

    def _shard(self, runner: Runner) -> None:
        model = _bare(runner.model)
        if get_world_size() == 1:
            runner.logger.info('ShardFrozenHook: one process holds all.')
            return
        copies = [
            hook.ema_model.module for hook in runner.hooks
            if isinstance(hook, EMAHook) and hasattr(hook, 'ema_model')
        ]
        for one in (model, *copies):
            views = list(views_of(one.backbone).values())
            if any(hasattr(b, 'shards') for v in views for b in recomputed(v)):
                continue
            count = shard_frozen(one, views, get_rank(), get_world_size(),
                                 gather_in(dist.new_group()))
            runner.logger.info(
                f'{count / 1e6:.1f} M frozen parameters are divided among '
                f'{get_world_size()} processes.')


def gather_in(group: Any) -> Callable[[Tensor], Tensor]:
    """What gathers a vector from the processes of a group.

    Args:
        group: One of its own: gradients are exchanged meanwhile.
    """

    def gather(part: Tensor) -> Tensor:
        out = part.new_empty(dist.get_world_size(group) * len(part))
        dist.all_gather_into_tensor(out, part, group=group)
        return out

    return gather


def _bare(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model
