"""Layers that adapters share."""
import torch
from torch import Tensor, nn


class Conv3d(nn.Conv3d):
    """torch's, with right gradients in bfloat16 on a CPU.

    On CPUs with bfloat16 instructions torch 2.8 and 2.11 return noise as the
    gradient of the weight for some sizes and layouts, without an error
    (related: https://github.com/pytorch/pytorch/issues/169688). There this
    layer computes in float32 and rounds its output. Arguments as
    ``nn.Conv3d``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, T, H, W) -> (B, C', T', H', W')``."""
        dtype = torch.get_autocast_dtype('cpu') \
            if torch.is_autocast_enabled('cpu') else x.dtype
        if x.device.type != 'cpu' or dtype != torch.bfloat16:
            return self._conv_forward(x, self.weight, self.bias)
        with torch.autocast('cpu', enabled=False):
            y = self._conv_forward(
                x.float(), self.weight.float(),
                None if self.bias is None else self.bias.float())
        return y.to(dtype)
