"""Token labelling for any video backbone that puts out a map of tokens.

Paper: All Tokens Matter: Token Labeling for Training Better Vision
Transformers, NeurIPS 2021. https://arxiv.org/abs/2104.10858
As DualFormer uses it (ECCV 2022, supplement B.2): a DualFormer-B labels the
clips while DualFormer-T or -S trains. https://github.com/sail-sg/dualformer
Departures: see ``heads/token_label_head.py``.
"""
from typing import Any, Mapping, Tuple

import torch
from mmaction.models import Recognizer3D
from mmaction.registry import MODELS
from mmaction.utils import OptSampleList
from torch import Tensor

from ...options import checked
from ..weights import load_pretrained


@MODELS.register_module()
@checked
class TokenLabelRecognizer3D(Recognizer3D):
    """A recognizer that also learns from a teacher's label of every location.

    ``L = L_cls + L_token``; see :class:`TokenLabelHead` for L_token and its
    weight. The teacher's own head is applied to each location of its map.

    The teacher is used in training alone: it is not in checkpoints, its
    weights are read by ``init_weights``, and a trained model is tested
    without them.

    Args:
        teacher: Config of a recognizer over the same classes and the same
            normalised input. Its ``init_cfg`` is ``dict(type='Pretrained',
            checkpoint=PATH_OR_URL)``, or ``dict(type='RandomWeights')`` where
            random weights are meant.
        token_head: Options of :class:`TokenLabelHead`.
        kwargs: Arguments of MMAction2's ``Recognizer3D``.

    Raises:
        ValueError: If the teacher has no weights or other classes.
    """

    def __init__(self,
                 *args: Any,
                 teacher: Mapping,
                 token_head: Mapping = dict(),
                 **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        teacher = dict(teacher)
        self.teacher_cfg = dict(teacher.pop('init_cfg', None) or {})
        if self.teacher_cfg.get('type') not in ('Pretrained', 'RandomWeights'):
            raise ValueError(
                f'The teacher has no weights (init_cfg={self.teacher_cfg}). '
                "Give init_cfg=dict(type='Pretrained', checkpoint=...), or "
                "init_cfg=dict(type='RandomWeights') if random weights are "
                'meant.')
        teacher = MODELS.build(teacher).eval().requires_grad_(False)
        head = self.cls_head
        if teacher.cls_head.num_classes != head.num_classes:
            raise ValueError(
                f'The teacher knows {teacher.cls_head.num_classes} classes, '
                f'the model {head.num_classes}: they must be the same.')
        # No submodule: it is in no checkpoint, optimizer or training mode.
        self.__dict__['teacher'] = teacher
        self.teacher_ready = False
        self.token_head = MODELS.build(
            dict(
                type='TokenLabelHead',
                num_classes=head.num_classes,
                in_channels=head.in_channels,
                **token_head))

    def init_weights(self) -> None:
        """Initialise the model and load the teacher."""
        super().init_weights()
        cfg = dict(self.teacher_cfg)
        if cfg.pop('type') == 'Pretrained':
            load_pretrained(self.teacher, prefix='', **cfg)
        else:
            self.teacher.init_weights()
        self.teacher_ready = True

    @torch.no_grad()
    def token_scores(self, inputs: Tensor) -> Tensor:
        """What the teacher says of every location.

        Args:
            inputs: Normalised clips ``(B, M, 3, T, H, W)``.

        Returns:
            Class scores ``(B*M, classes, T', H', W')``.

        Raises:
            ValueError: If ``init_weights`` was never called, or the teacher's
                backbone gives no map.
        """
        if not self.teacher_ready:
            raise ValueError('The teacher has no weights yet: call '
                             'init_weights() before training.')
        teacher = self.teacher.to(inputs.device)
        maps, _ = teacher.extract_feat(inputs)
        if not isinstance(maps, Tensor) or maps.dim() < 3:
            raise ValueError("The teacher's backbone must give a map of "
                             'tokens (B, C, T, H, W).')
        batch, channels, *shape = maps.shape
        locations = maps.movedim(1, -1).reshape(-1, channels,
                                                *[1 for _ in shape])
        scores = teacher.cls_head(locations)
        return scores.unflatten(0, (batch, *shape)).movedim(-1, 1)

    def extract_feat(self,
                     inputs: Tensor,
                     stage: str = 'neck',
                     data_samples: OptSampleList = None,
                     test_mode: bool = False) -> Tuple[Tensor, dict]:
        """As MMAction2's; in training ``loss_token`` joins the losses.

        Args:
            inputs: Clips ``(B, M, 3, T, H, W)``.
            stage: ``backbone``, ``neck`` or ``head``.
            data_samples: Labels, in training.
            test_mode: Whether to test.
        """
        x, kwargs = super().extract_feat(inputs, stage, data_samples,
                                         test_mode)
        if data_samples is not None and not test_mode:
            kwargs['loss_aux']['loss_token'] = self.token_head.loss(
                x, self.token_scores(inputs))
        return x, kwargs
