"""timm's image transformers as frozen backbones.

Library: https://github.com/huggingface/pytorch-image-models (Apache-2.0).
The network is timm's own, with its names of parameters, so that files that
timm publishes fit as they are.
"""
from typing import Any, Dict, Optional, Sequence, Union

from mmaction.registry import MODELS
from torch import Tensor

from ...options import checked, nearest
from ..weights.timm import TIMM, exact_clip, pixels, plain_facts, quick_sibling
from .library import LibraryBackbone

OUT_TYPES = ('cls_token', 'pooled', 'raw')
# Those whose positions fit any image; the others are built for one size.
ANY_SIZE = ('vision_transformer', 'deit', 'eva')


@MODELS.register_module()
@checked
class TimmBackbone(LibraryBackbone):
    """A model of timm, by its name, without its classifier.

    An instance is also one of timm's class, such as ``VisionTransformer`` or
    ``Eva``. Images of another size than ``img_size`` are read where timm
    interpolates positions as it runs (ViT and Eva); Swin, Swin V2 and Hiera
    take the one that they are built for.

    Args:
        model_name: timm's name, such as ``vit_base_patch16_dinov3``; with the
            tag of the weights, ``vit_base_patch14_dinov2.lvd142m``, their
            normalisation and size.
        img_size: Pixels of an image, or None for the size of pretraining.
        out_type: ``cls_token`` is the class token behind the last norm,
            ``pooled`` timm's own feature (attention pooling of SigLIP, the
            mean of Swin), ``raw`` all tokens behind the last norm. None is
            ``cls_token`` where there is one, else ``pooled``.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` with a file of
            timm, read by ``init_weights`` where no adapters are.
        kwargs: Further arguments of timm's model.

    Attributes:
        normalization: ``mean`` and ``std`` of pretraining, of pixels from 0
            to 255; None if timm does not know.
        format: The published format that fits.
        antialias: Whether positions are interpolated so, as timm does.
        num_extra_tokens: Class and register tokens in front of the patches.

    Raises:
        ImportError: If timm is not installed.
        ValueError: If timm has no such model, it lacks a class token that is
            asked for, or weights were trained with another activation.
    """

    format = TIMM
    antialias = True

    def __init__(self,
                 model_name: str,
                 img_size: Union[int, Sequence[int], None] = None,
                 out_type: Optional[str] = None,
                 init_cfg: Optional[dict] = None,
                 **kwargs: Any) -> None:
        timm = _import_timm()
        if out_type not in (None, *OUT_TYPES):
            raise ValueError(f'out_type={out_type!r} is none of '
                             f'{", ".join(OUT_TYPES)}.')
        if not timm.is_model(model_name):
            raise ValueError(
                f'timm {timm.__version__} has no model {model_name!r}'
                f'{nearest(model_name, timm.list_models())}')
        if exact_clip(timm, model_name):
            raise ValueError(
                f'The weights of {model_name} were trained with QuickGELU: '
                f'model_name={exact_clip(timm, model_name)!r}.')
        if img_size is not None:
            kwargs['img_size'] = img_size if isinstance(img_size, int) \
                else tuple(img_size)
        family = timm.model_entrypoint(model_name).__module__
        if family.rpartition('.')[-1] in ANY_SIZE:
            kwargs.setdefault('dynamic_img_size', True)
        any_size = kwargs.get('dynamic_img_size', False) \
            or not kwargs.get('strict_img_size', True)
        model = timm.create_model(
            model_name, pretrained=False, num_classes=0, **kwargs)

        has_class_token = getattr(model, 'cls_token', None) is not None
        if out_type is None:
            out_type = 'cls_token' if has_class_token else 'pooled'
        if out_type == 'cls_token' and not has_class_token:
            raise ValueError(f'{model_name} has no class token; '
                             "out_type='pooled' is its own feature.")
        self.become(model)
        if out_type != 'pooled' and getattr(self, 'attn_pool', None):
            self.attn_pool = None  # no tensors that nothing reads
        self.model_name = model_name
        self.out_type = out_type
        self.init_cfg = init_cfg
        self.num_extra_tokens = getattr(self, 'num_prefix_tokens', 0)
        self.normalization = pixels(self.pretrained_cfg)
        if not any_size:
            size = kwargs.get('img_size',
                              self.pretrained_cfg['input_size'][1:])
            self.input_size = (size, size) if isinstance(size, int) \
                else tuple(size)
        # With a tag, the constructor has compared the activation.
        self.knows_activation = '.' in model_name or not quick_sibling(
            timm, model_name) and 'quickgelu' not in model_name

    @property
    def facts(self) -> Dict[str, Any]:
        """What is not seen in names and shapes of tensors."""
        return plain_facts(self)

    @property
    def pooling(self) -> Optional[str]:
        """Name of what makes one feature of the tokens, if it matters."""
        return getattr(self, 'global_pool',
                       None) if self.out_type == 'pooled' else None

    def forward(self, x: Tensor) -> Tensor:
        """Features of images.

        Args:
            x: Images ``(N, 3, H, W)``.

        Returns:
            ``(N, C)``, or with ``out_type='raw'`` tokens ``(N, L, C)``, of
            Swin a map ``(N, h, w, C)``.

        Raises:
            ValueError: If it does not take their size.
        """
        self.check_size(x)
        tokens = self.forward_features(x)
        if self.out_type == 'raw':
            return tokens
        if self.out_type == 'cls_token':
            return self.fc_norm(tokens[:, 0])
        return self.forward_head(tokens, pre_logits=True)


def _import_timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ImportError('TimmBackbone needs timm: pip install '
                          "'mmdualpath[timm]'.") from error
    return timm
