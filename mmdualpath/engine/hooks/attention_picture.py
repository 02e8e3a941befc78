"""A picture of the training every so often."""
from typing import Optional, Sequence, Union

import torch
from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ...options import checked


@HOOKS.register_module()
@checked
class AttentionPictureHook(Hook):
    """Shows the visualizer what the model reads and attends to.

    The spatial frames and framesets of the batch's first clip, and the
    attention of the class tokens on them, go to every backend of the
    visualizer (files, TensorBoard) as the image ``attention``. Training is
    not changed by it.

    Args:
        interval: Iterations between two pictures; the first one is of the
            first iteration.
        block: Number of the block, negative from the end.
        heads: ``'mean'``, ``'each'`` or numbers of heads.
        max_images: Frames that are drawn at most.

    Raises:
        ValueError: If the interval is not positive.
    """
    priority = 'LOW'

    def __init__(self,
                 interval: int = 500,
                 block: int = -1,
                 heads: Union[str, Sequence[int]] = 'mean',
                 max_images: int = 8) -> None:
        if interval < 1:
            raise ValueError(f'interval={interval} must be positive.')
        self.interval = interval
        self.block = block
        self.heads = heads
        self.max_images = max_images

    @torch.no_grad()
    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Draw the first clip of the batch."""
        if runner.iter % self.interval or not is_main_process():
            return
        # matplotlib is loaded when there is something to draw
        from ...visualization.pictures import sheet
        from ...visualization.predictions import as_image
        from ...visualization.sheets import (attention_rows, model_sections,
                                             path_inputs)
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        data = model.data_preprocessor(data_batch, training=False)
        inputs = path_inputs(data['inputs'], model.data_preprocessor)
        with runner.optim_wrapper.optim_context(runner.model):
            rows = attention_rows(
                model, inputs, block=self.block, heads=self.heads)
        sections = model_sections(model, inputs, rows, self.max_images)
        figure = sheet(sections, f'iteration {runner.iter + 1}')
        runner.visualizer.add_image(
            'attention', as_image(figure), step=runner.iter + 1)
