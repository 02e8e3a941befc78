"""Where the parts of each backbone are: one row per backbone class.

A new backbone is a new row. Paths are dotted names inside a block; every
module a path leads to maps tokens to tokens, ``y = f(x, ...)``, without an
inner residual. ``attn`` is all of a block's attention, ``msa`` the module that
attends among one set of tokens, which in Swin is inside the windows. Two sites
take in the residual stream itself: ``block`` is a whole block, and
``residual_mlp`` its second half z + MLP(LN z).
"""
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from torch import Tensor, nn

from ..adapters.base import Site

STEM = 'stem'
BLOCK = 'block'


@dataclass(frozen=True)
class Sites:
    """The row of a backbone.

    Attributes:
        blocks: Dotted pattern of the blocks in order; ``*`` runs over the
            children of a list.
        norm: Path in a block to a LayerNorm of the block's width.
        paths: Path in a block of each named site.
        only: For sites that exist in some blocks alone, a path in the block
            to a number and the condition it must meet: ``(path, zero)``.
        residual: For sites that are called as ``f(LN z, identity=z)``, the
            name of that LayerNorm in the block; it becomes a part of the
            site, see :func:`open_residual`.
        windows: Whether attention runs in windows of a map.
        stem: Path in the backbone to the patch embedding.
    """
    blocks: str
    norm: str
    paths: Mapping[str, str]
    only: Mapping[str, Tuple[str, bool]] = field(default_factory=dict)
    residual: Mapping[str, str] = field(default_factory=dict)
    windows: bool = False
    stem: str = 'patch_embed'


TABLE: Dict[str, Sites] = {
    'mmpretrain.models.backbones.vision_transformer.VisionTransformer':
    Sites(
        blocks='layers.*',
        norm='ln1',
        paths=dict(
            attn='attn',
            msa='attn',
            qkv='attn.qkv',
            mlp='ffn.layers',
            residual_mlp='ffn'),
        residual=dict(residual_mlp='ln2')),
    # In Swin an attention adapter of DualPath stands on plain windows alone.
    'mmpretrain.models.backbones.swin_transformer.SwinTransformer':
    Sites(
        blocks='stages.*.blocks.*',
        norm='norm1',
        paths=dict(
            attn='attn',
            window_attn='attn',
            msa='attn.w_msa',
            qkv='attn.w_msa.qkv',
            mlp='ffn.layers',
            residual_mlp='ffn'),
        residual=dict(residual_mlp='norm2'),
        windows=True,
        only=dict(window_attn=('attn.shift_size', True))),
    # Local and global attention alternate; only the local one has a qkv.
    'mmdualpath.models.backbones.dualformer.DualFormer':
    Sites(
        blocks='stages.*.blocks.*',
        norm='norm1',
        paths=dict(
            attn='attn',
            local_attn='attn',
            global_attn='attn',
            qkv='attn.qkv',
            mlp='mlp'),
        only=dict(
            local_attn=('attn.num_levels', True),
            global_attn=('attn.num_levels', False),
            qkv=('attn.num_levels', True)),
        stem='stages.0.patch_embed'),
    'mmaction.models.backbones.swin.SwinTransformer3D':
    Sites(
        blocks='layers.*.blocks.*',
        norm='norm1',
        paths=dict(attn='attn', msa='attn', qkv='attn.qkv', mlp='mlp'),
        windows=True),
    # VideoMAE's ViT; it reads qkv.weight and never calls qkv.
    'mmaction.models.backbones.vit_mae.VisionTransformer':
    Sites(
        blocks='blocks.*',
        norm='norm1',
        paths=dict(attn='attn', msa='attn', mlp='mlp')),
}


def sites_of(backbone: nn.Module) -> Sites:
    """The row of a backbone or of the class it inherits from.

    Raises:
        ValueError: If the table has none.
    """
    for cls in type(backbone).__mro__:
        row = TABLE.get(f'{cls.__module__}.{cls.__qualname__}')
        if row is not None:
            return row
    known = ', '.join(name.rsplit('.', 1)[-1] for name in TABLE)
    raise ValueError(
        f'No sites are known for {type(backbone).__name__}; the table has '
        f'{known}. Add a row to mmdualpath.models.backbones.sites.TABLE.')


def blocks_of(backbone: nn.Module) -> List[Tuple[nn.Module, str]]:
    """All blocks in order, each as its parent module and its name there."""
    found = [(None, '', backbone)]
    for part in sites_of(backbone).blocks.split('.'):
        found = [(module, name, child) for _, _, module in found
                 for name, child in _children(module, part)]
    return [(parent, name) for parent, name, _ in found]


def _children(module: nn.Module, part: str) -> Iterator[Tuple[str, nn.Module]]:
    if part == '*':
        return module.named_children()
    return iter([(part, getattr(module, part))])


def locate(backbone: nn.Module,
           site: str) -> List[Tuple[nn.Module, str, Site]]:
    """Every place of a site in a backbone.

    The answer stays valid while adapters are attached: it names the module
    that holds the adapted one, and a wrapped module keeps its own parts.

    Args:
        backbone: A bare backbone, without adapters.
        site: ``'stem'``, ``'block'`` or a site of the backbone's row.

    Returns:
        Parent module, name of the adapted module there, description.

    Raises:
        ValueError: If the backbone has no such site.
    """
    row = sites_of(backbone)
    blocks = blocks_of(backbone)
    extra_tokens = getattr(backbone, 'num_extra_tokens', 0)

    if site == STEM:
        parent, name = _parent(backbone, row.stem)
        dims = backbone.embed_dims
        return [(parent, name,
                 Site(site, dims, -1, len(blocks), extra_tokens, row.windows))]
    if site != BLOCK and site not in row.paths:
        allowed = ', '.join([STEM, BLOCK, *row.paths])
        raise ValueError(f'{type(backbone).__name__} has no site {site!r}; '
                         f'it has {allowed}.')

    places = []
    for index, (holder, key) in enumerate(blocks):
        block = getattr(holder, key)
        if site in row.only:
            path, wants_zero = row.only[site]
            if (_get(block, path) == 0) != wants_zero:
                continue
        dims = _get(block, row.norm).normalized_shape[-1]
        parent, name = (holder, key) if site == BLOCK else _parent(
            block, row.paths[site])
        places.append((parent, name,
                       Site(site, dims, index, len(blocks), extra_tokens,
                            row.windows)))
    return places


class Residual(nn.Module):
    """``z + f(LN z)`` as one module, made of two of a block.

    Args:
        norm: The LayerNorm.
        branch: Called with the normalised tokens and ``identity``.
    """

    def __init__(self, norm: nn.Module, branch: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.branch = branch

    def forward(self, x: Tensor, identity: Optional[Tensor] = None) -> Tensor:
        """``(B*T, N, C) -> same``; the block's own ``identity`` is x."""
        return self.branch(self.norm(x), identity=x)


def open_residual(block: nn.Module, branch: str, norm: str) -> None:
    """Let a branch of a block read the residual stream, once.

    ``branch(norm(z), identity=z)`` becomes ``residual(z)``, so that an
    adapter can change z itself or look at it before it is normalised.
    """
    if not isinstance(getattr(block, norm), nn.Identity):
        setattr(block, branch,
                Residual(getattr(block, norm), getattr(block, branch)))
        setattr(block, norm, nn.Identity())


def _get(module: nn.Module, path: str):
    for name in path.split('.'):
        module = getattr(module, name)
    return module


def _parent(module: nn.Module, path: str) -> Tuple[nn.Module, str]:
    lead, _, name = path.rpartition('.')
    return (_get(module, lead) if lead else module), name
