"""The DualPath recognizer.

Paper: Dual-path Adaptation from Image to Video Transformers, CVPR 2023.
https://arxiv.org/abs/2303.09857
"""
from typing import Any, Dict, Tuple, Union

from mmaction.models import BaseRecognizer
from mmaction.registry import MODELS
from torch import Tensor

from ..backbones import DualPathBackbone
from ..consistency import check_head, check_model
from ..data_preprocessor import DualPathDataPreprocessor


@MODELS.register_module()
class DualPath(BaseRecognizer):
    """Recognise actions from spatial frames and framesets.

    Takes a ``DualPathBackbone``, a ``DualPathDataPreprocessor`` that makes
    its two inputs, and any head that reads ``(B, C)`` features. Arguments as
    MMAction2's ``BaseRecognizer``.

    Raises:
        ValueError: If one of the three is something else, or they are set
            for other clips.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for part, kind in ((self.backbone, DualPathBackbone),
                           (self.data_preprocessor, DualPathDataPreprocessor)):
            if not isinstance(part, kind):
                raise ValueError(f'DualPath takes a {kind.__name__}, given '
                                 f'{type(part).__name__}.')
        check_head(self.cls_head)
        check_model(self)

    def extract_feat(self,
                     inputs: Union[Dict[str, Tensor], Tensor],
                     stage: str = 'backbone',
                     **kwargs) -> Tuple[Tensor, dict]:
        """Features of every clip and crop of a batch.

        Args:
            inputs: ``spatial`` ``(B, M, T_S, 3, H, W)`` and ``temporal``
                ``(B, M, T_G, 3, H', W')`` as the data preprocessor makes
                them, M being clips times crops; or whole normalised clips
                ``(B, M, 3, T, H, W)``, which are split first.
            stage: ``backbone`` for features, ``head`` for class scores.

        Returns:
            ``(B*M, C)`` and an empty dict, by MMAction2's convention.
        """
        if isinstance(inputs, Tensor):
            inputs = self.data_preprocessor.split(inputs.transpose(2, 3))
        x = self.backbone(**{k: v.flatten(0, 1) for k, v in inputs.items()})
        return (self.cls_head(x) if stage == 'head' else x), {}
