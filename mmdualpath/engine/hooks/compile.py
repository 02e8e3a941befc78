"""``compile`` of a config, of the network."""
from typing import Any, Dict, Union

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...options import checked


@HOOKS.register_module()
@checked
class CompileHook(Hook):
    """Let ``compile = True``, or a dict of options, compile the backbone.

    It goes into ``custom_hooks``. The options are those of ``torch.compile``.
    MMEngine would compile the whole training step instead, optimizer and
    logging included, which fails after minutes, for MMAction2's own models
    too; ``ModelReportHook`` refuses that. Names in checkpoints stay as they
    are, and testing is compiled as well.
    """

    priority = 'VERY_LOW'  # whatever hooks do to the model is compiled

    def before_run(self, runner: Runner) -> None:
        """Compile at the first batch.

        Raises:
            ValueError: If ``compile`` is neither true or false nor a dict.
        """
        wanted: Union[None, bool, Dict[str, Any]] = runner.cfg.get('compile')
        if wanted is not None and not isinstance(wanted, (bool, dict)):
            raise ValueError(f'compile={wanted!r} is neither True or False '
                             'nor a dict of options of torch.compile.')
        if wanted is None or wanted is False:
            return
        runner.cfg.compile = False  # it is done
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        model.backbone.compile(**({} if wanted is True else wanted))
