"""Optimizer groups for models of which little trains."""
import logging
from typing import List, Optional, Union

from mmengine.logging import MMLogger
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
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


def _tells_more(record: logging.LogRecord) -> bool:
    return 'skipped since its requires_grad' not in record.getMessage()
