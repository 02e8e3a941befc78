"""What a run trains, and on what, in one block at its beginning."""
from typing import (Any, Callable, Dict, Iterator, List, Optional, Sequence,
                    Tuple)

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel

from ...augmentation import Clip
from ...datasets.transforms import ClipAugment, GridFrameset
from ...framesets import to_pair
from ...models import DualPathDataPreprocessor
from ...models.backbones import AdaptedBackbone, views_of
from ...models.backbones.library import LibraryBackbone
from ...models.complete import listed, misfits
from ...models.consistency import (adapters_of, check_model, check_size,
                                   clip_lengths)
from ...options import checked
from .compile import CompileHook

Size = Tuple[int, int]
# What steps make of the size of frames, (H, W); None is not known.
SIZES: Dict[str, Callable[[Any], Optional[Size]]] = dict(
    CenterCrop=lambda step: step.crop_size[::-1],
    ThreeCrop=lambda step: step.crop_size[::-1],
    TenCrop=lambda step: step.crop_size[::-1],
    RandomCrop=lambda step: (step.size, step.size),
    Resize=lambda step: None if step.keep_ratio else step.scale[::-1])
# Those that change no size; all others may.
KEEPING = ('Flip', 'ColorJitter', 'RandomErasing', 'Fuse', 'FormatShape',
           'PackActionInputs')


@HOOKS.register_module()
@checked
class ModelReportHook(Hook):
    """Checks a model and says what of it trains.

    Before a run the parts of the model are compared with each other and with
    the clips and the size of images of the data. One block then shows
    trainable and total parameters by path and method, the frozen backbone and
    its fingerprint, and what was measured; MMEngine's list of the
    initialisation of every tensor is left out.
    With ``load_from`` for other classes, tensors of the head that do not
    fit keep their initial values and are named.

    Raises:
        ValueError: If parts of the model or the data do not fit each other,
            ``compile`` has no :class:`CompileHook`, or FSDP wraps the model.
    """
    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        """Check the model before anything is loaded or trained."""
        if isinstance(runner.model, FullyShardedDataParallel):
            raise ValueError(
                f'{type(runner.model).__name__} divides what the modules of a '
                'model hold: a frozen backbone that two views share would be '
                'divided twice, and its checkpoints lack the tensors it looks '
                "for. Take default_hooks.shards=dict(type='ShardFrozenHook') "
                'instead.')
        model = _bare(runner.model)
        if getattr(model, 'backbone', None) is None:
            return
        check_model(model)
        if runner.cfg.get('compile') and not any(
                isinstance(hook, CompileHook) for hook in runner.hooks):
            raise ValueError(
                f'compile={runner.cfg.compile!r}: MMEngine would compile the '
                'whole training step, which fails after minutes. Compile the '
                "network: custom_hooks=[dict(type='CompileHook')].")
        # On this model alone: everything frozen would be a screen of lines.
        model._dump_init_info = lambda: None
        for name in ('train', 'val', 'test'):
            loop = getattr(runner, f'_{name}_loop', None)
            if isinstance(loop, BaseLoop):
                steps = _steps(loop.dataloader.dataset)
                _check_clips(model, steps, name)
                _check_sizes(model, steps, name)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Leave out what a head of other classes cannot take."""
        fine_tunes = isinstance(runner._train_loop, BaseLoop) \
            and not runner._resume
        head = getattr(_bare(runner.model), 'cls_head', None)
        tensors = checkpoint.get('state_dict', {})
        if not fine_tunes or head is None:
            return
        own = {f'cls_head.{n}': t for n, t in head.state_dict().items()}
        given = {n: t for n, t in tensors.items() if n.startswith('cls_head.')}
        left_out = misfits(own, given)['of another shape']
        for text in left_out:
            name = text.partition(' ')[0]
            tensors[name] = own[name].detach().cpu()
        if left_out:
            runner.logger.info('Left out of the checkpoint, and trained from '
                               f'new: {listed(left_out)}.')

    def before_train(self, runner: Runner) -> None:
        """Show the block."""
        model = _bare(runner.model)
        if getattr(model, 'backbone', None) is not None:
            runner.logger.info('\n'.join(report(model)))

    before_test = before_train

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: Optional[dict] = None) -> None:
        """Show what the first step has measured."""
        if batch_idx == 0 and runner.epoch == 0:
            for line in measured(_bare(runner.model)):
                runner.logger.info(line)


def _bare(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model


def report(model: nn.Module) -> List[str]:
    """Lines that say what of a recognizer trains and what is frozen."""

    def size(tensors: Iterator[torch.Tensor]) -> str:
        return f'{sum(t.numel() for t in tensors) / 1e6:.3f} M'

    parameters = {id(p): p for p in model.parameters()}.values()
    trained = size(p for p in parameters if p.requires_grad)
    lines = [
        f'{type(model).__name__}: {trained} of {size(parameters)} parameters '
        'train'
    ]
    for path, view in views_of(model.backbone).items():
        methods: Dict[str, List[torch.Tensor]] = {}
        for name, parameter in view.named_parameters():
            if parameter.requires_grad:
                owner = _method_of(view, name)
                methods.setdefault(owner, []).append(parameter)
        for method, tensors in methods.items():
            lines.append(f'  {path + ":":<10}{method:<24}'
                         f'{size(iter(tensors)):>12}')
    head = getattr(model, 'cls_head', None) or getattr(model, 'head', None)
    if head is not None:
        lines.append(f'  {"head:":<10}{type(head).__name__:<24}'
                     f'{size(head.parameters()):>12}')
    frozen = {
        str(view.fingerprint): type(view.base).__name__
        for view in views_of(model.backbone).values()
        if isinstance(view, AdaptedBackbone) and view.frozen_names()
    }
    lines += [f'  frozen:   {kind}, {text}' for text, kind in frozen.items()]
    return lines + [f'  {line}' for line in measured(model)]


def measured(model: nn.Module) -> List[str]:
    """Lines that say how large fixed positions are."""
    return [
        f'{type(a).__name__}: amplitude {float(a.amplitude):.3g}'
        for a in adapters_of(model.backbone) if getattr(a, 'measured', False)
        and isinstance(a.amplitude, torch.Tensor)
    ]


def _method_of(view: nn.Module, name: str) -> str:
    """The adapter that a parameter belongs to, or the backbone."""
    owner = type(view.base).__name__ if isinstance(
        view, AdaptedBackbone) else type(view).__name__
    module, adapters = view, set(adapters_of(view))
    for part in name.split('.')[:-1]:
        module = getattr(module, part)
        if module in adapters:
            owner = type(module).__name__
        elif part == 'base':
            owner = type(view.base).__name__ if module is view.base else owner
    return owner


def _steps(dataset: Any) -> List[Any]:
    """The steps of a data set's pipeline, also of one that is wrapped."""
    while not hasattr(dataset, 'pipeline') and hasattr(dataset, 'dataset'):
        dataset = dataset.dataset
    return list(getattr(getattr(dataset, 'pipeline', None), 'transforms', ()))


def _frames_of(steps: Sequence[Any]) -> Optional[int]:
    return next((s.clip_len for s in steps if hasattr(s, 'clip_len')), None)


def _check_clips(model: nn.Module, steps: Sequence[Any], split: str) -> None:
    """Compare the length of a pipeline's clips with the model's.

    Raises:
        ValueError: If they differ.
    """
    frames = _frames_of(steps)
    if frames is None or any(isinstance(s, GridFrameset) for s in steps):
        return
    given = dict(frames=frames)
    preprocessor = model.data_preprocessor
    if isinstance(preprocessor, DualPathDataPreprocessor):
        given = preprocessor.images_of(frames)
    for path, lengths in clip_lengths(model).items():
        if lengths - {given[path]}:
            raise ValueError(
                f'The {split} pipeline gives clips of clip_len={frames} '
                f'frames, {given[path]} images for the path {path!r}, but '
                f'its adapters are set for {sorted(lengths)}.')
    head = getattr(model, 'cls_head', None)
    expected = getattr(head, 'num_frames', frames)
    if expected != frames:
        raise ValueError(
            f'The {split} pipeline gives clips of clip_len='
            f'{frames} frames, but cls_head.num_frames={expected}.')


def _check_sizes(model: nn.Module, steps: Sequence[Any], split: str) -> None:
    """Try whether frozen backbones take the images of a pipeline.

    Raises:
        ValueError: If one does not.
    """
    frames = _frames_of(steps)
    layout = next(
        (s.input_format for s in steps if hasattr(s, 'input_format')), None)
    for path, size in _sizes(model.data_preprocessor, steps).items():
        view = views_of(model.backbone).get(path)
        if size is None \
                or not isinstance(view, (AdaptedBackbone, LibraryBackbone)):
            continue
        of_clips = path == 'frames' and layout != 'NCHW'
        if of_clips and (layout != 'NCTHW' or frames is None):
            continue
        try:
            check_size(view, (3, frames, *size) if of_clips else (3, *size))
        except ValueError as error:
            raise ValueError(
                f'The {split} pipeline gives images of {size[0]}x{size[1]} '
                f'pixels{f" for the path {path!r}" * (path != "frames")}: '
                f'{error}') from error


def _sizes(preprocessor: nn.Module,
           steps: Sequence[Any]) -> Dict[str, Optional[Size]]:
    """Height and width of the images of each path, None if not known."""
    size = None
    for step in steps:
        kind = type(step).__name__
        if isinstance(step, GridFrameset):
            given = to_pair(step.size, 'size') if step.size else size
            if step.num_spatial_frames is not None:
                return dict(spatial=size, temporal=given)
            size = given
        elif kind in SIZES:
            size = SIZES[kind](step)
        elif isinstance(step, ClipAugment):
            size = size and _augmented(step.transforms, size)
        elif kind not in KEEPING:
            size = None
    if not isinstance(preprocessor, DualPathDataPreprocessor):
        return dict(frames=size)
    if size and preprocessor.augmentation is not None:
        size = _augmented(preprocessor.augmentation, size)
    frameset = preprocessor.frameset_size
    return dict(
        spatial=size,
        temporal=to_pair(frameset, 'frameset_size') if frameset else size)


def _augmented(transforms: Callable[[Clip], Tensor], size: Size) -> Size:
    """The size of images that are augmented, without a draw that counts."""
    with torch.random.fork_rng(devices=[]):
        clip = transforms(Clip(torch.zeros(1, 3, *size, dtype=torch.uint8)))
    return tuple(clip.shape[-2:])
