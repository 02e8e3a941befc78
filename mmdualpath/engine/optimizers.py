"""Optimizer groups for models of which little trains."""
from typing import List, Optional, Union

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableParamsConstructor(DefaultOptimWrapperConstructor):
    """MMEngine's constructor, without groups for frozen parameters.

    With ``paramwise_cfg`` MMEngine gives every parameter a group of its own,
    frozen ones too. Two views of one backbone share theirs, which torch's
    optimizers refuse to see twice; and an optimizer has no use for them.
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
        return super().__call__(model)

    def add_params(self,
                   params: List[dict],
                   module: nn.Module,
                   prefix: str = '',
                   is_dcn_module: Optional[Union[int, float]] = None) -> None:
        """Append the groups of a module's trainable parameters."""
        super().add_params(params, module, prefix, is_dcn_module)
        params[:] = [
            group for group in params if group['params'][0].requires_grad
        ]
