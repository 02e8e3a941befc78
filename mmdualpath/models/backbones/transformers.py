"""Vision transformers of Hugging Face's library as frozen backbones.

Library: https://github.com/huggingface/transformers (Apache-2.0).
The network is the library's own. What its parts hand on beside tokens is kept
out of the way of adapters: an attention, and V-JEPA 2's block, is the ``base``
of a :class:`Pair`, and patches and tokens pass a child ``out``.
"""
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Dict, Mapping, Optional, Tuple

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked, nearest
from ..weights.transformers import facts_of, format_of, vision_config
from .library import LibraryBackbone

OUT_TYPES = ('cls_token', 'pooled', 'raw')


@dataclass(frozen=True)
class Family:
    """How a model of the library is written.

    Attributes:
        blocks: Path of its blocks.
        attn: Name of the attention in a block.
        stem: Path of the layer that makes tokens of patches.
        embeddings: Path of what makes tokens with their positions of images.
        extra_tokens: Whether class and register tokens stand in front.
        call: What it is called with beside images.
        unread: Parts that the tokens do not depend on.
        clips: Whether it reads clips of one size, and its blocks give a tuple.
    """
    blocks: str
    attn: str
    stem: str
    embeddings: str = 'embeddings'
    extra_tokens: bool = False
    call: Mapping[str, Any] = field(default_factory=dict)
    unread: Tuple[str, ...] = ()
    clips: bool = False


DINOV2 = Family(
    'encoder.layer',
    'attention',
    'embeddings.patch_embeddings.projection',
    extra_tokens=True)
# By the library's model_type. Only V-JEPA 2 reads clips, and its rotary
# positions are those of one size.
FAMILIES = dict(
    dinov2=DINOV2,
    dinov2_with_registers=DINOV2,
    dinov3_vit=Family(
        'model.layer',
        'attention',
        'embeddings.patch_embeddings',
        extra_tokens=True),
    siglip_vision_model=Family(
        'encoder.layers',
        'self_attn',
        'embeddings.patch_embedding',
        call=dict(interpolate_pos_encoding=True),
        unread=('head', )),
    siglip2_vision_model=Family(
        'encoder.layers',
        'self_attn',
        'embeddings.patch_embedding',
        unread=('head', )),
    vjepa2=Family(
        'encoder.layer',
        'attention',
        'encoder.embeddings.patch_embeddings.proj',
        'encoder.embeddings',
        call=dict(skip_predictor=True),
        unread=('predictor', ),
        clips=True))
# DINOv3 moves and scales rotary positions at random while it trains.
RANDOM_POSITIONS = ('pos_embed_shift', 'pos_embed_jitter', 'pos_embed_rescale')


@MODELS.register_module()
@checked
class TransformersBackbone(LibraryBackbone):
    """A vision model of ``transformers``, by a folder or a name of the hub.

    DINOv2, also with registers, DINOv3 ViT, SigLIP, SigLIP 2 and V-JEPA 2. An
    instance is also one of the library's class. Images of another size than
    that of pretraining are read as the library does, which interpolates
    positions as it runs; V-JEPA 2 takes one size. Positions of DINOv3 are
    those of testing, also in training.

    Args:
        model_name: Folder with the ``config.json`` of the library, a name in
            the hub, such as ``facebook/vjepa2-vitl-fpc64-256``, or the
            library's ``model_type``, such as ``vjepa2``, whose defaults
            ``kwargs`` change.
        out_type: ``cls_token`` is the class token behind the last norm,
            ``pooled`` the library's own feature (attention pooling of
            SigLIP), or the mean of all tokens where it has none (V-JEPA 2),
            ``raw`` all tokens behind the last norm. None is ``cls_token``
            where there is one, else ``pooled``.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` with that folder
            or a file in it, read by ``init_weights`` where no adapters are.
        kwargs: Entries of the library's config to change, such as
            ``crop_size`` of V-JEPA 2.

    Attributes:
        normalization: ``mean`` and ``std`` of pretraining, of pixels from 0
            to 255, as the files beside the weights tell; None before.
        format: The published format that fits.
        num_extra_tokens: Class and register tokens in front of the patches.
        input_size: Height and width of images, if there is only one.

    Raises:
        ImportError: If transformers is not installed.
        ValueError: If there is no such model, it is none of those above, or
            it lacks a class token or a config entry that is asked for.
    """

    normalization: Optional[Dict[str, Any]] = None

    def __init__(self,
                 model_name: str,
                 out_type: Optional[str] = None,
                 init_cfg: Optional[dict] = None,
                 **kwargs: Any) -> None:
        if out_type not in (None, *OUT_TYPES):
            raise ValueError(f'out_type={out_type!r} is none of '
                             f'{", ".join(OUT_TYPES)}.')
        config = _config(model_name, kwargs)
        family = FAMILIES[config.model_type]
        if out_type is None:
            out_type = 'cls_token' if family.extra_tokens else 'pooled'
        if out_type == 'cls_token' and not family.extra_tokens:
            raise ValueError(f'{model_name} has no class token; '
                             "out_type='pooled' is its own feature.")
        from transformers import AutoModel
        model = AutoModel.from_config(
            config, attn_implementation='sdpa', dtype=torch.float32)
        for name in family.unread:
            if out_type != 'pooled' or name == 'predictor':
                setattr(model, name, None)  # no tensors that nothing reads
                model.use_head = False
        blocks = model.get_submodule(family.blocks)
        for i, block in enumerate(blocks):
            attn = getattr(block, family.attn)
            setattr(block, family.attn, Pair(attn))
            if family.clips:
                blocks[i] = Pair(block)
        for path in (family.stem, family.embeddings):
            _open_behind(model.get_submodule(path))
        self.become(model)
        self.model_name = model_name
        self.format = format_of(config.model_type)
        self.patch_size = config.patch_size
        self.out_type = out_type
        self.init_cfg = init_cfg
        self.num_extra_tokens = family.extra_tokens + getattr(
            config, 'num_register_tokens', 0)
        self.input_size = (config.crop_size, ) * 2 if family.clips \
            else None

    @property
    def facts(self) -> Dict[str, Any]:
        """What is not seen in names and shapes of tensors."""
        return facts_of(self.config)

    def forward(self, x: Tensor) -> Tensor:
        """Features of images or clips.

        Args:
            x: Images ``(N, 3, H, W)``; of V-JEPA 2 clips ``(N, 3, T, H, W)``.

        Returns:
            ``(N, C)``, or with ``out_type='raw'`` tokens ``(N, L, C)``.

        Raises:
            ValueError: If a size is no multiple of a patch's, or not the only
                one that there is.
        """
        family = FAMILIES[self.config.model_type]
        patch = (self.patch_size, ) * 2
        if family.clips:
            patch = (self.config.tubelet_size, *patch)
        if x.dim() != 2 + len(patch) \
                or any(s % p for s, p in zip(x.shape[2:], patch)):
            raise ValueError(
                f'{type(self).__name__} reads (N, 3, '
                f'{"T, " * (len(patch) == 3)}H, W) in multiples of {patch}, '
                f'given {tuple(x.shape)}.')
        self.check_size(x)
        call = dict(family.call)
        if family.clips:
            x = x.transpose(1, 2)
        elif self.config.model_type == 'siglip2_vision_model':
            x, call = _patches(x, patch[0])
        out = super().forward(x, **call)
        tokens = out.last_hidden_state
        if self.out_type == 'raw':
            return tokens
        if self.out_type == 'cls_token':
            return tokens[:, 0]
        pooled = getattr(out, 'pooler_output', None)
        return tokens.mean(1) if pooled is None else pooled


class Pair(nn.Module):
    """What the library expects of a module that gives tokens alone here.

    Args:
        base: A module that gives a tuple, of which the first entry is
            tokens; it gives them alone from now on.
    """

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        base.__class__ = _first(type(base))
        self.base = base

    def forward(self, hidden_states: Tensor, *args: Any,
                **kwargs: Any) -> Tuple[Tensor, None]:
        """Tokens, and no weights of attention."""
        return self.base(hidden_states, *args, **kwargs), None


def _open_behind(module: nn.Module) -> None:
    """Let what a module gives pass a child ``out``, where adapters can stand.

    The module itself stays, since the library reads its attributes.
    """
    module.out = nn.Identity()
    module.__class__ = _passing_out(type(module))


@lru_cache(maxsize=None)
def _first(kind: type) -> type:

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return kind.forward(self, *args, **kwargs)[0]

    return _changed(kind, forward)


@lru_cache(maxsize=None)
def _passing_out(kind: type) -> type:

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.out(kind.forward(self, *args, **kwargs))

    return _changed(kind, forward)


def _changed(kind: type, forward: Any) -> type:
    return type(
        kind.__name__, (kind, ),
        dict(
            forward=forward,
            __qualname__=kind.__qualname__,
            __module__=kind.__module__))


def _patches(images: Tensor, size: int) -> Tuple[Tensor, Dict[str, Tensor]]:
    """Images as SigLIP 2 of any aspect ratio reads them.

    Returns:
        ``(N, h*w, size*size*3)``, and what else it is called with.
    """
    x = images.unflatten(3, (-1, size)).unflatten(2, (-1, size))
    x = x.permute(0, 2, 4, 3, 5, 1)  # N, h, w, size, size, 3
    shapes = x.new_tensor([x.shape[1:3]], dtype=int).expand(x.shape[0], -1)
    x = x.flatten(3).flatten(1, 2)
    return x, dict(
        spatial_shapes=shapes,
        pixel_attention_mask=x.new_ones(x.shape[:2], dtype=int))


def _config(model_name: str, changes: Mapping[str, Any]) -> Any:
    """The library's config of a vision model."""
    try:
        from transformers import AutoConfig
    except ImportError as error:
        raise ImportError('TransformersBackbone needs transformers: pip '
                          "install 'mmdualpath[transformers]'.") from error
    try:
        config = AutoConfig.for_model(model_name) \
            if model_name in FAMILIES else \
            AutoConfig.from_pretrained(model_name)
    except (OSError, ValueError) as error:
        raise ValueError(
            f'model_name={model_name!r} is neither a folder with the '
            'config.json of a model that transformers knows, nor a name of '
            f'the hub that can be reached, nor one of {", ".join(FAMILIES)} '
            f'({str(error).strip().splitlines()[0]})') from error
    config = vision_config(config)
    if config.model_type not in FAMILIES:
        raise ValueError(f'{model_name} is a {config.model_type}; a '
                         'TransformersBackbone is one of '
                         f'{", ".join(FAMILIES)}.')
    entries = config.to_dict()
    for name in changes:
        if name not in entries:
            raise ValueError(f'The config of {model_name} has no entry '
                             f'{name}{nearest(name, entries)}')
    known = dict.fromkeys(set(RANDOM_POSITIONS) & set(entries))
    for name, value in {**known, **changes}.items():
        setattr(config, name, value)
    return config
