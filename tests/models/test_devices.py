"""What a GPU computes is what a CPU computes, whatever makes it fast.

On a CPU the same checks compare single with double precision, for one place
of each adapter and each backbone.
"""
import copy
from functools import lru_cache
from typing import List, Optional, Tuple

import pytest
import torch
from devices import GPU, difference, exact, on_each_device
from mmaction.registry import MODELS
from rows import (BACKBONES, OPTIONS, RANDOM, SITES, SWIN, VIT, build, frozen,
                  samples, stir)
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from mmdualpath.models.backbones.frozen import tensors_of


def places(backbone: str, adapter: str) -> List[str]:
    """Sites of a backbone where an adapter fits."""
    found = []
    for site in SITES:
        try:
            build(backbone, adapter, site)
        except ValueError:  # see test_rows_and_adapters
            continue
        found.append(site)
    return found


@lru_cache(maxsize=None)
def place(backbone: str) -> Tuple[str, str]:
    """An adapter of each backbone, and where it stands."""
    for adapter in ('ParallelAdapter', 'SerialAdapter'):
        for site in places(backbone, adapter)[::-1]:
            return adapter, site
    raise AssertionError(backbone)


def computed(view: nn.Module,
             x: Tensor,
             weights: Optional[Tensor] = None,
             device: str = 'cpu',
             dtype: torch.dtype = torch.float32,
             autocast: Optional[torch.dtype] = None) -> List[Tensor]:
    """Output and gradients of a copy of a view, on a device.

    Args:
        view: A view with adapters.
        x: Its input.
        weights: Of the output, in the sum whose gradients are computed.
        device: Where.
        dtype: Of weights and inputs.
        autocast: Type that products are computed in, if another one.
    """
    view = copy.deepcopy(view).to(device, dtype)
    with torch.autocast(
            device, autocast or torch.bfloat16, enabled=autocast is not None):
        out = view(x.to(device, dtype))
    trained = [p for p in view.parameters() if p.requires_grad]
    if weights is None or not trained:
        return [out.detach()]
    (weights.to(out) * out).sum().backward()
    return [out.detach(), *(p.grad for p in trained)]


def stirred(backbone: str, adapter: str, site: str,
            **options) -> Tuple[nn.Module, Tensor, Tensor]:
    """A view whose adapters have moved, an input, and weights of its output.

    What is measured at the first input is measured.
    """
    torch.manual_seed(1)
    view = build(backbone, adapter, site, **options)
    x = samples(backbone)
    view(x)
    stir(view)
    return view, x, torch.randn_like(view(x))


def compared(backbone: str, adapter: str, site: str, device: str) -> float:
    """The largest difference of output and gradients from the reference."""
    case = stirred(backbone, adapter, site)
    dtype = torch.float64 if device == 'cpu' else torch.float32
    with exact():
        return max(
            map(difference, computed(*case, device=device),
                computed(*case, dtype=dtype)))


@pytest.mark.parametrize('adapter', OPTIONS)
def test_single_precision_is_enough(adapter):
    """On a CPU, at one place of each adapter."""
    for backbone in BACKBONES:
        for site in places(backbone, adapter)[:1]:
            assert compared(backbone, adapter, site, 'cpu') < 1e-4
            return


@pytest.mark.parametrize('adapter', OPTIONS)
@pytest.mark.parametrize('backbone',
                         [pytest.param(name, marks=GPU) for name in BACKBONES])
def test_every_adapter_on_every_row(backbone, adapter):
    """Output and gradients of a GPU, TF32 off, and of a CPU."""
    far = {
        site: distance
        for site in places(backbone, adapter)
        for distance in [compared(backbone, adapter, site, 'cuda')]
        if not distance < 1e-4
    }
    assert not far


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
@on_each_device
@pytest.mark.parametrize('backbone', BACKBONES)
def test_mixed_precision(backbone, device, dtype):
    """The output is the same but for rounding, and gradients are finite."""
    case = stirred(backbone, *place(backbone))
    expected = computed(*case)
    mixed = computed(*case, device=device, autocast=getattr(torch, dtype))
    assert len(mixed) == len(expected)
    assert all(t.isfinite().all() for t in mixed)
    assert difference(mixed[0], expected[0]) < 0.05


@pytest.mark.parametrize('autocast', [None, 'bfloat16'])
@on_each_device
@pytest.mark.parametrize('backbone', BACKBONES)
def test_recomputing(backbone, device, autocast):
    """The same output and gradients, to the last digits."""
    kind, site = place(backbone)
    plain, x, weights = stirred(backbone, kind, site)
    again = build(backbone, kind, site, with_cp=True)
    again.load_state_dict(plain.state_dict())
    autocast = autocast and getattr(torch, autocast)
    one, two = (
        computed(view, x, weights, device, autocast=autocast)
        for view in (plain, again))
    limit = 1e-2 if autocast else 1e-5
    assert max(map(difference, two, one)) < limit


@pytest.mark.parametrize('backbone, device', [
    ('vit', 'cpu'),
    *(pytest.param(name, 'cuda', marks=GPU)
      for name in ('vit', 'swin', 'videomae', 'timm_vit', 'dualformer')),
])
def test_one_graph(backbone, device):
    """Compiled whole, output and gradients are the same."""
    view, x, weights = stirred(backbone, *place(backbone))
    expected = computed(view, x, weights, device)
    torch._dynamo.reset()
    view.compile(
        fullgraph=True,
        backend='inductor' if device == 'cuda' else 'aot_eager')
    view.to(device)
    out = view(x.to(device))
    (weights.to(device) * out).sum().backward()
    found = [out, *(p.grad for p in view.parameters() if p.requires_grad)]
    with exact():
        assert max(map(difference, found, expected)) < 1e-3


@on_each_device
@pytest.mark.parametrize('backbone', BACKBONES)
def test_channels_last(backbone, device):
    """Pixels and kernels with channels side by side."""
    view, x, weights = stirred(backbone, *place(backbone))
    expected = computed(view, x, weights, device)
    layout = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
    view = copy.deepcopy(view)
    for _, tensor in tensors_of(view):
        if tensor.dim() == x.dim():
            tensor.data = tensor.data.contiguous(memory_format=layout)
    with exact():
        found = computed(view, x.contiguous(memory_format=layout), weights,
                         device)
    assert max(map(difference, found, expected)) < 1e-4


class Kernels(TorchDispatchMode):
    """Counts the kernels that attention runs on."""

    def __init__(self) -> None:
        super().__init__()
        self.fused = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.fused += name.startswith('_scaled_dot_product') \
            and 'backward' not in name and 'math' not in name
        return func(*args, **(kwargs or {}))


# Rows whose own attention multiplies, and is not PyTorch's.
WRITTEN_OUT = ('swin', 'video_swin', 'videomae', 'timm_swinv2', 'swinv2',
               'beit', 'eva02', 'hivit', 'hivit_rpe', 'timesformer', 'mvit',
               'timm_swin')


@pytest.mark.parametrize('backbone', BACKBONES)
def test_which_rows_attend_in_one_kernel(backbone):
    with torch.no_grad(), Kernels() as kernels:
        frozen(backbone).module(samples(backbone))
    assert bool(kernels.fused) == (backbone not in WRITTEN_OUT)


# Heads of 32 channels, which kernels of GPUs take.
DIMS = 64
WIDE = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=DIMS, num_layers=3, num_heads=2, feedforward_channels=128),
    **{
        k: v
        for k, v in VIT.items() if k not in ('type', 'arch')
    })
WIDE_SWIN = dict(
    BACKBONES['swin'][0], arch=dict(SWIN, embed_dims=DIMS, num_heads=[2, 4]))
# Blocks, adapters in front of their attention, and the least fused calls.
FUSED = dict(
    vit=(WIDE, dict(type='ParallelAdapter', site='mlp', width=4), 3),
    prefix=(WIDE, dict(type='PrefixTuning', site='msa', num_tokens=2,
                       width=4), 3),
    window_bias=(WIDE_SWIN,
                 dict(type='PrefixTuning', site='msa', num_tokens=2,
                      width=4), 4),
    dualformer=(dict(
        BACKBONES['dualformer'][0],
        arch=dict(embed_dims=DIMS, num_heads=2, depths=(2, 2))),
                dict(type='ParallelAdapter', site='mlp', width=4), 4))
KERNELS = [
    SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.CUDNN_ATTENTION
]


@on_each_device
@pytest.mark.parametrize('case', FUSED)
def test_fused_attention(case, device):
    """Of the kernels only fused ones are allowed, and they run; biases too."""
    backbone, adapter, calls = FUSED[case]
    torch.manual_seed(1)
    view = MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=dict(backbone, init_cfg=RANDOM),
            adapters=[adapter]))
    shape = (3, 8, 32, 32) if case == 'dualformer' else (3, 32, 32)
    x = torch.randn(2, *shape)
    dtype = torch.float32 if device == 'cpu' else torch.bfloat16
    with sdpa_kernel(KERNELS), Kernels() as kernels:
        out = view.to(device, dtype)(x.to(device, dtype))
        out.float().square().sum().backward()
    assert kernels.fused >= calls
    assert all(p.grad.isfinite().all() for p in view.parameters()
               if p.requires_grad)
