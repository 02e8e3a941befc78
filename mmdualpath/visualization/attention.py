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
from torch import Tensor, nn

from ..models.adapters.attention import AttentionAdapter
from ..models.adapters.base import Adapter
from ..models.backbones import AdaptedBackbone, FrozenBackbone
from ..models.backbones.frozen import tensors_of
from ..models.sites import (Site, Windows, Wrapper, blocks_of, resolve,
                            sites_of, unwrapped)


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
        scale = self.site.layout.scale(self.attention)
        self.weights = self.inputs(x, *args, **kwargs).weights(scale)
        return self.base(x, *args, **kwargs)


class BlockRecorder(Wrapper):
    """Notes how large the map is that a block of windows reads.

    Args:
        base: The block, adapters included.
        attention: Recorder of its attention.
        windows: How its map is cut into windows, if it is.
    """

    def __init__(self, base: nn.Module, attention: AttentionRecorder,
                 windows: Optional[Windows]) -> None:
        super().__init__()
        self.base = base
        self.attention = attention
        self.windows = windows
        self.size: Optional[Tuple[int, ...]] = None

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """As the block itself."""
        if self.windows is not None:
            self.size = self.windows.size(x, *args, **kwargs)
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
        return self.windows.index(unwrapped(self.base), self.size).to(device)


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
            that the table of sites knows.
    """
    places, row = blocks_of(network), sites_of(network)
    wrong = [b for b in blocks if not -len(places) <= b < len(places)]
    if wrong:
        raise ValueError(f'blocks={list(blocks)}: the network has '
                         f'{len(places)} blocks, {wrong} are not among them.')
    msa = row.places.get('msa')
    if msa is None or msa.layout is None:
        raise ValueError(f'{type(network).__name__} has no attention whose '
                         'weights the table of sites knows how to compute.')
    recorders, undo = {}, []
    try:
        for number in sorted({b % len(places) for b in blocks}):
            holder, key = places[number]
            block = getattr(holder, key)
            parent, name = _attention_of(block, msa.path)
            base = getattr(parent, name)
            layer = base.attention if isinstance(base,
                                                 AttentionAdapter) else base
            if not msa.layout.knows(layer):
                raise ValueError(
                    f'The attention of block {number} of '
                    f'{type(network).__name__} is a {type(layer).__name__}; '
                    f'its row in the table of sites knows '
                    f'{" and ".join(msa.layout.modules)}.')
            recorder = AttentionRecorder(
                base,
                Site(
                    'msa',
                    dims=0,
                    block=number,
                    extra_tokens=row.extra_tokens(network),
                    layout=msa.layout))
            recorders[number] = BlockRecorder(block, recorder, row.windows)
            undo += [(parent, name, base), (holder, key, block)]
            setattr(parent, name, recorder)
            setattr(holder, key, recorders[number])
        yield recorders
    finally:
        for parent, name, module in reversed(undo):
            setattr(parent, name, module)


def _attention_of(block: nn.Module, path: str) -> Tuple[nn.Module, str]:
    """Where the attention is called, adapters that own the call included."""
    parent, name = resolve(block, path)
    module = getattr(parent, name)
    while isinstance(module,
                     Wrapper) and not isinstance(module, AttentionAdapter):
        parent, name, module = module, 'base', module.base
    return parent, name


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
    if size is None:
        size = sites_of(network).map_size(network, maps.shape[-1], images)
    return maps.unflatten(-1, size)


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
