"""Filters of an image network for a video network.

Paper: Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset,
CVPR 2017. https://arxiv.org/abs/1705.07750
"""
from typing import Dict, Mapping

from torch import Tensor

StateDict = Dict[str, Tensor]


def inflate(tensors: StateDict, own: Mapping[str, Tensor]) -> StateDict:
    """Repeat 2-D filters along time and divide by their length there.

    ``W3[:, :, t] = W2 / k_t`` for t = 1 ... k_t, so that a clip of one
    repeated frame gives what the frame gives.

    Args:
        tensors: Weights by name; filters ``(C, C', h, w)`` among them.
        own: The network's tensors; where one is a filter
            ``(C, C', k_t, h, w)`` of the same name, the 2-D one is inflated.
            All others stay as they are.
    """
    return {
        name:
        _repeat(tensor, own[name].shape[2]) if name in own
        and tensor.dim() == 4 and own[name].dim() == 5 else tensor
        for name, tensor in tensors.items()
    }


def _repeat(filters: Tensor, length: int) -> Tensor:
    return filters.unsqueeze(2).repeat(1, 1, length, 1, 1) / length
