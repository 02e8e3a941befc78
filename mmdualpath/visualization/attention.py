"""What the class token of each path attends to.

The maps of Figures 4 and A1 of Dual-path Adaptation from Image to Video
Transformers, CVPR 2023. https://arxiv.org/abs/2303.09857
Rollout: Quantifying Attention Flow in Transformers, ACL 2020.
https://arxiv.org/abs/2005.00928
Departures: a network without a class token, such as Swin, averages its tokens
in the end, so the mean over the queries of all tokens stands for the class
token's query. In windows a token attends to those of its own window alone.
Rollout follows the blocks of one resolution only and leaves adapters out.

Models attend as always, fused where PyTorch can. Only inside
:func:`recorded` do adapters stand around the attention modules that compute
the weights from queries and keys once more.
"""
from contextlib import contextmanager
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import torch
from mmaction.models.backbones.swin import get_window_size
from mmpretrain.models.utils import ShiftWindowMSA
from torch import Tensor, nn

from ..models.adapters.attention import (LAYOUTS, AttentionAdapter,
                                         AttentionInputs)
from ..models.adapters.base import Adapter, Site
from ..models.backbones.adapted import AdaptedBackbone
from ..models.backbones.frozen import FrozenBackbone, tensors_of
from ..models.backbones.sites import blocks_of, sites_of


def attention_weights(inputs: AttentionInputs,
                      scale: Optional[float] = None) -> Tensor:
    """softmax(scale * q k^T + bias), ``(B, H, N, M)`` in float32.

    Args:
        inputs: Queries, keys and bias.
        scale: Factor of the products; None is ``D**-0.5``.
    """
    q, k, _, bias = inputs
    scale = q.shape[-1]**-0.5 if scale is None else scale
    scores = scale * (q.float() @ k.float().mT)
    if bias is not None:
        scores = scores.unflatten(0, (-1, len(bias))) + bias
        scores = scores.flatten(0, 1)
    return scores.softmax(-1)


class AttentionRecorder(AttentionAdapter):
    """Notes the weights of the attention it wraps and changes nothing.

    Args:
        base: The attention module, or an adapter around it.
        site: Where it stands.

    Attributes:
        weights: ``(B, H, N, M)`` of the last call; B counts windows where
            attention runs in windows.
    """
    weights: Optional[Tensor] = None

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """As the module itself."""
        scale = LAYOUTS[type(self.attention)].scale(self.attention)
        self.weights = attention_weights(
            self.inputs(x, *args, **kwargs), scale)
        return self.base(x, *args, **kwargs)


class BlockRecorder(nn.Module):
    """Notes how large the map is that a block of windows reads.

    Args:
        base: The block, adapters included.
        attention: Recorder of its attention.
        windows: Module that holds the window's size and shift, or None.
    """

    def __init__(self, base: nn.Module, attention: AttentionRecorder,
                 windows: Optional[nn.Module]) -> None:
        super().__init__()
        self.base = base
        self.attention = attention
        self.windows = windows
        self.size: Optional[Tuple[int, ...]] = None

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """As the block itself."""
        if self.windows is not None:
            # (B, N, C) and (H, W) in Swin, (B, T, H, W, C) in Video Swin
            self.size = tuple(args[0] if x.dim() == 3 else x.shape[1:-1])
        return self.base(x, *args, **kwargs)

    def class_token(self) -> Tensor:
        """What the class token, or the mean token, attends to.

        Returns:
            ``(B, H, P)`` over the P patches of an image. What goes to the
            class token, prompts and prefixes is left out.
        """
        weights = self.attention.weights
        if self.windows is None:
            extra = self.attention.site.extra_tokens
            patches = self._stream - extra
            if extra:  # the class token is the first of the stream
                return weights[:, :, -self._stream, -patches:]
            return weights[:, :, -patches:, -patches:].mean(2)
        index = self._index(weights.device)  # W, n
        keys = weights[..., -index.shape[1]:].unflatten(0, (-1, len(index)))
        inside = (index >= 0)[:, None, :, None]
        number = inside.sum()
        received = (keys * inside).sum(3) / number  # B, W, H, n
        out = received.new_zeros(
            len(received), received.shape[2],
            int(index.max()) + 2)
        out[:, :, index.flatten()] = received.transpose(1, 2).flatten(2)
        return out[:, :, :-1]

    def matrix(self) -> Tensor:
        """Weights among the tokens that leave the block, ``(B, H, N, N)``.

        Prompts and prefixes are left out and rows sum to one; pairs of
        tokens in different windows have zero.
        """
        weights = self.attention.weights
        if self.windows is None:
            weights = weights[:, :, -self._stream:, -self._stream:]
            return weights / weights.sum(-1, keepdim=True)
        index = self._index(weights.device)
        windows, n = index.shape
        tokens = int(index.max()) + 1
        keys = weights[..., -n:].unflatten(0, (-1, windows))
        out = keys.new_zeros(len(keys), keys.shape[2], tokens + 1, tokens + 1)
        # Padding has the index -1, a row and a column that are cut off.
        out[:, :, index[:, :, None], index[:, None]] = keys.transpose(1, 2)
        out = out[:, :, :tokens, :tokens]
        return out / out.sum(-1, keepdim=True)

    @property
    def _stream(self) -> int:
        prompts = sum(m.added_tokens for m in self.base.modules()
                      if isinstance(m, Adapter))
        return self.attention.weights.shape[2] - prompts

    def _index(self, device: torch.device) -> Tensor:
        size, owner = self.size, self.windows
        if isinstance(owner, ShiftWindowMSA):
            shift = owner.shift_size
            if min(size) == owner.window_size and not owner.pad_small_map:
                shift = 0
            window, shift = (owner.window_size, ) * 2, (shift, ) * 2
        else:
            window, shift = get_window_size(size, owner.window_size,
                                            owner.shift_size)
        return window_index(size, window, shift).to(device)


def window_index(size: Sequence[int], window: Sequence[int],
                 shift: Sequence[int]) -> Tensor:
    """Which tokens of a map lie in each padded and shifted window.

    Args:
        size: Tokens of the map along each axis.
        window: Tokens of a window along each axis.
        shift: Tokens the map is rolled back along each axis.

    Returns:
        ``(W, n)``: numbers of the n tokens of each of the W windows in the
        flattened map, -1 for padding.
    """
    number = torch.arange(torch.Size(size).numel()).view(*size)
    padding = []
    for s, w in zip(reversed(size), reversed(window)):
        padding += [0, -s % w]
    number = nn.functional.pad(number, padding, value=-1)
    axes = tuple(range(number.dim()))
    number = number.roll([-s for s in shift], axes)
    for axis, w in reversed(list(zip(axes, window))):
        number = number.unflatten(axis, (-1, w))
    # (n0, w0, n1, w1, ...) -> (n0, n1, ..., w0, w1, ...)
    number = number.permute(*(2 * a for a in axes), *(2 * a + 1 for a in axes))
    return number.flatten(0, len(axes) - 1).flatten(1)


@contextmanager
def recorded(network: nn.Module,
             blocks: Sequence[int]) -> Iterator[Dict[int, BlockRecorder]]:
    """Record the attention of some blocks of a network while inside.

    Args:
        network: A backbone, with adapters or without.
        blocks: Numbers of the blocks, negative ones from the end.

    Yields:
        Recorder of each block by its number; their ``weights`` are those of
        the last forward pass.

    Raises:
        ValueError: If there is no such block, or it has no softmax attention
            that ``LAYOUTS`` knows.
    """
    places = blocks_of(network)
    wrong = [b for b in blocks if not -len(places) <= b < len(places)]
    if wrong:
        raise ValueError(f'blocks={list(blocks)}: the network has '
                         f'{len(places)} blocks, {wrong} are not among them.')
    recorders, undo = {}, []
    try:
        for number in sorted({b % len(places) for b in blocks}):
            holder, key = places[number]
            block = getattr(holder, key)
            parent, name = _attention_of(block)
            windows = None
            if sites_of(network).windows:
                windows = parent if isinstance(
                    parent, ShiftWindowMSA) else _bare(block)
            base = getattr(parent, name)
            layer = base.attention if isinstance(base,
                                                 AttentionAdapter) else base
            recorder = AttentionRecorder(
                base,
                Site('msa', layer.proj.out_features, number, len(places),
                     getattr(network, 'num_extra_tokens', 0), windows
                     is not None))
            recorders[number] = BlockRecorder(block, recorder, windows)
            undo += [(parent, name, base), (holder, key, block)]
            setattr(parent, name, recorder)
            setattr(holder, key, recorders[number])
        yield recorders
    finally:
        for parent, name, module in reversed(undo):
            setattr(parent, name, module)


def _attention_of(block: nn.Module) -> Tuple[nn.Module, str]:
    for parent in block.modules():
        if isinstance(parent, AttentionAdapter):
            continue  # what it wraps is recorded around it
        for name, child in parent.named_children():
            if isinstance(child, AttentionAdapter) or type(child) in LAYOUTS:
                return parent, name
    known = ', '.join(cls.__name__ for cls in LAYOUTS)
    raise ValueError(f'{type(block).__name__} has no attention whose weights '
                     f'are known how to compute; known are {known}.')


def _bare(block: nn.Module) -> nn.Module:
    while hasattr(block, 'base'):
        block = block.base
    return block


def rollout(matrices: Sequence[Tensor]) -> Tensor:
    """R = A_L ... A_1 with A_l = (mean over heads of W_l + I) / 2.

    Args:
        matrices: Weights W_l ``(B, H, N, N)`` of consecutive blocks.

    Returns:
        ``(B, N, N)``.
    """
    product = None
    for weights in matrices:
        mean = weights.mean(1)
        mean = (mean + torch.eye(mean.shape[-1]).to(mean)) / 2
        product = mean if product is None else mean @ product
    return product


@torch.no_grad()
def attention_maps(view: nn.Module,
                   images: Tensor,
                   block: int = -1,
                   roll: bool = False) -> Tensor:
    """Maps of what the class token of a view attends to.

    Args:
        view: An ``AdaptedBackbone`` or a bare backbone of the sites table.
        images: What it reads, ``(B, 3, H, W)`` or ``(B, 3, T, H, W)``.
        block: Number of the block, negative from the end.
        roll: Whether attention is rolled out over the blocks up to this one.

    Returns:
        ``(B, heads, h, w)``, or ``(B, heads, t, h, w)`` of a video network;
        one "head" if rolled out.
    """
    network = view.base if isinstance(view, AdaptedBackbone) else view
    number = len(blocks_of(network))
    if not -number <= block < number:
        raise ValueError(f'block={block}: the network has {number} blocks.')
    last = block % number
    training = view.training
    view.train(False)
    try:
        with recorded(network, range(last + 1) if roll else [last]) as blocks:
            view(images)
            maps = _rolled(blocks) if roll else blocks[last].class_token()
            size = blocks[last].size
    finally:
        view.train(training)
    return maps.unflatten(-1, size or _map_size(network, maps, images))


def _rolled(blocks: Mapping[int, BlockRecorder]) -> Tensor:
    last = blocks[max(blocks)]
    matrices: List[Tensor] = []
    for number in sorted(blocks, reverse=True):
        if blocks[number].size != last.size:
            break  # another resolution
        matrices.insert(0, blocks[number].matrix())
    rolled = rollout(matrices)
    extra = last.attention.site.extra_tokens
    rows = rolled[:, :1] if extra else rolled.mean(1, keepdim=True)
    return rows[..., extra:]


def _map_size(network: nn.Module, maps: Tensor,
              images: Tensor) -> Tuple[int, ...]:
    """Size of a map of square patches."""
    patches, (height, width) = maps.shape[-1], images.shape[-2:]
    if images.dim() == 5:
        h, w = height // network.patch_size, width // network.patch_size
        return patches // (h * w), h, w
    h = round((patches * height / width)**0.5)
    return h, patches // h


def without_adapters(view: AdaptedBackbone, backbone: Mapping) -> nn.Module:
    """The bare network of a view, "without temporal adaptation".

    Frozen tensors are the view's own; what the view trained or switched off,
    such as class token and position embedding, is as pretrained.

    Args:
        view: The view.
        backbone: Config of its backbone, with ``init_cfg``.
    """
    bare = FrozenBackbone.build(backbone).module
    own = dict(tensors_of(view))
    bare.load_state_dict(
        {
            base: own[name]
            for name, base in view.shared_names().items()
        },
        strict=False)
    bare.to(next(iter(own.values())).device).train(False)
    return bare


def views_of(backbone: nn.Module) -> Dict[str, nn.Module]:
    """The paths of a model's backbone by name; one view is ``frames``."""
    paths = getattr(backbone, 'paths', None)
    if paths:
        return {path: getattr(backbone, path) for path in paths}
    return dict(frames=backbone)
