"""Optimizer groups for models of which little trains."""
import logging
from typing import List, Optional, Union

from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from ..options import checked


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
@checked
class TrainableParamsConstructor(DefaultOptimWrapperConstructor):
    """MMEngine's constructor for views that share their parameters.

    With ``paramwise_cfg`` MMEngine gives every trained parameter a group of
    its own, one that two views share two of them, which torch's optimizers
    refuse; and it prints a line for every frozen one, here none.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer wrapper of a model.

        Raises:
            ValueError: If nothing in the model trains.
        """
        if not any(p.requires_grad for p in model.parameters()):
            raise ValueError(
                'Nothing in the model trains. Give its backbone adapters or '
                'trainable=[...], or a cls_head that is not frozen.')
        logger = MMLogger.get_current_instance()
        logger.addFilter(_tells_more)
        try:
            return super().__call__(model)
        finally:
            logger.removeFilter(_tells_more)

    def add_params(self,
                   params: List[dict],
                   module: nn.Module,
                   prefix: str = '',
                   is_dcn_module: Optional[Union[int, float]] = None) -> None:
        """Append the groups of a module's trainable parameters, each once."""
        super().add_params(params, module, prefix, is_dcn_module)
        groups = {id(group['params'][0]): group for group in params[::-1]}
        params[:] = list(groups.values())[::-1]


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
@checked
class GridConstructor(TrainableParamsConstructor):
    """Each head of a ``HeadGrid`` with its learning rate and weight decay.

    They take the place of the optimizer's; factors of ``paramwise_cfg`` stay.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer wrapper of a model.

        Raises:
            ValueError: If something else than the heads trains, or the
                optimizer has no learning rate and weight decay.
        """
        head = (model.module if is_model_wrapper(model) else model).cls_head
        number = {
            id(p): i
            for i, part in enumerate(head.heads)
            for p in part.parameters()
        }
        if any(
                p.requires_grad and id(p) not in number
                for p in model.parameters()):
            raise ValueError('Something in front of the heads trains: only '
                             'heads on a frozen network go side by side.')
        if not (self.base_lr and self.base_wd):
            raise ValueError('optim_wrapper.optimizer needs lr and '
                             'weight_decay, which those of the heads replace.')
        # Anything in it gives every parameter a group of its own.
        self.paramwise_cfg = {'bypass_duplicate': False, **self.paramwise_cfg}
        wrapper = super().__call__(model)
        for group in wrapper.optimizer.param_groups:
            lr, decay = head.pairs[number[id(group['params'][0])]]
            group['lr'] = group.get('lr', self.base_lr) / self.base_lr * lr
            group['weight_decay'] = group.get(
                'weight_decay', self.base_wd) / self.base_wd * decay
        return wrapper


def _tells_more(record: logging.LogRecord) -> bool:
    return 'skipped since its requires_grad' not in record.getMessage()
