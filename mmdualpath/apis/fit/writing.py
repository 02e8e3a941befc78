"""Ordinary configs and lists, each choice with its reason above it."""
import textwrap
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence

from mmengine.config import Config
from yapf.yapflib.yapf_api import FormatCode

from ...datasets.collection import Video
from ...fileio import whole_file
from .backbones import Backbone
from .recipe import STEPS, Choice, framesets, spatial_frames, width_of

Choices = Mapping[str, Choice]
STYLE = dict(
    based_on_style='pep8',
    blank_line_before_nested_class_or_def=True,
    split_before_expression_after_opening_paren=True)
PROBE_BATCH = 32


class Code(str):
    """A piece of a config that is no value, such as ``_base_.loss``."""


CENTER = [
    dict(type='Resize', scale=(-1, Code('size'))),
    dict(type='CenterCrop', crop_size=Code('size'))
]


def crops(chosen: Choices) -> Any:
    """The steps that augment."""
    kind, size = chosen['augment'].value, chosen['size'].value
    if kind == 'none':
        return Code('[*val_steps, *flip]')
    steps = [
        dict(type='Resize', scale=(-1, round(size * 8 / 7))),
        dict(
            type='RandomResizedCrop',
            area_range=(0.5 if kind == 'mild' else 0.08, 1.0)),
        dict(
            type='Resize',
            scale=(Code('size'), Code('size')),
            keep_ratio=False),
        Code('*flip')  # in front of what leaves frames as planes
    ]
    if kind == 'strong':
        steps.append(
            dict(type='ClipAugment', transforms=Code('_base_.rand_augment')))
    return steps


def list_of(videos: Sequence[Video], root: Path, numbers: Mapping[str, int],
            delimiter: str) -> str:
    """An annotation file of MMAction2, paths as they are below ``root``.

    Raises:
        ValueError: If a path begins or ends with a blank, which a line of it
            does not keep.
    """
    lines = []
    for video in videos:
        path = str(Path(video.path).absolute().relative_to(root))
        if path != path.strip():
            raise ValueError(f'{path!r} in {root} begins or ends with a '
                             'blank, which no list keeps: rename it.')
        lines.append(
            delimiter.join((path, *(str(numbers[n]) for n in video.labels))))
    return ''.join(f'{line}\n' for line in lines)


def data_config(chosen: Choices, source: str, classes: Sequence[str],
                root: Path, delimiter: str, several: bool) -> str:
    """``data.py``: what is read, and how.

    Args:
        chosen: All choices.
        source: What a user called the videos.
        classes: Their names.
        root: Folder that the paths of the lists begin in.
        delimiter: Of the lists.
        several: Whether a video may have several labels.
    """
    metric: Dict[str, Any] = dict(
        type='AccMetric',
        metric_list=('top_k_accuracy', 'mean_class_accuracy'),
        metric_options=dict(top_k_accuracy=dict(topk=(1, ))))
    labels: Dict[str, Any] = {}
    if several:
        metric = dict(type='AccMetric', metric_list='mean_average_precision')
        labels = dict(multi_class=True, num_classes=Code('num_classes'))
    if delimiter != ' ':
        labels['delimiter'] = delimiter
    flip = [dict(type='Flip', flip_ratio=0.5)] if chosen['flip'].value else []
    loaders = '\n'.join(f'{split}_dataloader = ' + code(
        dict(
            batch_size=Code('batch_size'),
            num_workers=Code('num_workers'),
            persistent_workers=Code('num_workers > 0'),
            dataset=dict(
                ann_file=Code(f"f'{{here}}/{list_}.txt'"),
                data_prefix=dict(video=Code('root')),
                pipeline=Code(f'{list_}_pipeline'),
                **labels)))
                        for split, list_ in (('train', 'train'),
                                             ('val', 'val'), ('test', 'val')))
    return f'''{wrapped(f'The videos of {source}, and how they are read.')}
{bases('datasets/video')}

here = "{{{{ fileDirname }}}}"
root = {str(root)!r}
classes = {list(classes)!r}
num_classes = {len(classes)}
{assigned(chosen, 'frames', 'size', 'batch_size', 'num_workers')}
val_steps = {code(CENTER)}
{commented(chosen['flip'])}
flip = {code(flip)}
{commented(chosen['augment'])}
augment = {code(crops(chosen))}

sample = dict(type='UniformSample', clip_len=frames)
train_pipeline = [_base_.open_video, sample, _base_.decode_video, *augment,
    *_base_.pack_clip]
val_pipeline = [_base_.open_video, dict(sample, test_mode=True),
    _base_.decode_video, *val_steps, *_base_.pack_clip]

{loaders}

val_evaluator = {code(metric)}
test_evaluator = {code(metric)}
'''


def balance_config(way: str, reason: str, counts: Sequence[int],
                   several: bool) -> str:
    """``balance.py``: what is done about classes of several sizes.

    Args:
        way: ``none``, ``sampler`` or ``loss``.
        reason: Why.
        counts: Training videos of each class.
        several: Whether a video may have several labels.
    """
    return '\n'.join(
        (f'# Classes have {max(counts)} to {min(counts)} training videos.',
         wrapped(f'{way}: {reason}.'), "_base_ = ['./data.py']", '',
         *(f'{name} = {code(value)}'
           for name, value in balance(way, counts, several).items()), ''))


def balance(way: str, counts: Sequence[int], several: bool) -> Dict[str, Any]:
    """What a config with ``loss`` and ``train_dataloader`` says of it."""
    loss: Dict[str, Any] = dict(
        type='BCELossWithLogits' if several else 'CrossEntropyLoss')
    if way == 'loss' and several:
        weights = [1 / max(n, 1) for n in counts]
        scale = len(weights) / sum(weights)
        loss['class_weight'] = [float(f'{scale * w:.3g}') for w in weights]
    elif way == 'loss':
        loss = dict(
            type='LogitAdjustedLoss', counts=[max(n, 1) for n in counts])
    kind = 'BalancedSampler' if way == 'sampler' else 'ResumableSampler'
    return dict(loss=loss, train_dataloader=dict(sampler=dict(type=kind)))


def linear_config(chosen: Choices, backbone: Backbone, cfg: Config,
                  several: bool) -> str:
    """``linear.py``: a linear probe on the frozen network.

    Args:
        chosen: All choices.
        backbone: The frozen network.
        cfg: Its config with DualPath on it.
        several: Whether a video may have several labels.
    """
    preprocessor = cfg.model.data_preprocessor
    train = chosen['train_videos'].value
    epochs = probe_epochs(train)
    network: Any = Code('_base_.model.backbone.backbone')
    if backbone.options:
        network = Code(code(cfg.model.backbone.backbone.to_dict()))
    spatial = cfg.model.backbone.get('spatial') or {}
    has_token = 'cls_token' in spatial.get('trainable', ())
    model = dict(
        _delete_=True,
        type='Recognizer2D',
        backbone=dict(
            type='FrozenFeatures',
            backbone=network,
            tokens='class_token' if has_token else 'patches',
            final_norm=True),
        cls_head=dict(
            type='FrameMeanHead',
            num_classes=Code('_base_.num_classes'),
            in_channels=width_of(cfg.model),
            num_frames=Code('probe_frames'),
            loss_cls=Code('_base_.loss'),
            multi_class=several,
            topk=(1, ),
            average_clips='prob'),
        data_preprocessor=dict(
            type='ActionDataPreprocessor',
            mean=list(preprocessor.mean),
            std=list(preprocessor.std),
            format_shape='NCHW'))
    return f'''# A linear probe on frozen features, blind to the frames' order:
# tools/train.py THIS FILE --cfg-options model.backbone.cache=FEATURES
# {backbone.about}
{bases(backbone.base, 'schedules/adamw_cosine', 'default_runtime',
       own="['./balance.py'] + ")}

{assigned(chosen, 'probe_frames')}
model = {code(model)}

# Features are computed once, so that nothing is augmented.
pipeline = [_base_.open_video,
    dict(type='UniformSample', clip_len=probe_frames, test_mode=True),
    _base_.decode_video, *_base_.val_steps, *_base_.pack_frames]
loader = dict(batch_size={PROBE_BATCH}, num_workers=0,
    persistent_workers=False, dataset=dict(pipeline=pipeline))
train_dataloader = loader
val_dataloader = loader
test_dataloader = loader

# On features in files an epoch takes a moment.
epochs = {epochs}
{schedule('1e-3', 0.01, epochs * -(-train // PROBE_BATCH))}
train_cfg = dict(max_epochs=epochs, val_interval=epochs)
custom_hooks = [dict(type='CachedFeaturesHook')]
default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(interval=epochs, max_keep_ckpts=1, save_best=None))
randomness = dict(seed={chosen['seed'].value})
work_dir = "{{{{ fileDirname }}}}/linear"
'''


def order_config(cfg: Config) -> str:
    """``order.py``: a probe that reads frames in their order."""
    dims = width_of(cfg.model)
    heads = next(n for n in (dims // 64, 8, 4, 2, 1) if n and not dims % n)
    return f'''# A probe on the same features that reads frames in their order.
_base_ = ['./linear.py']

model = dict(cls_head=dict(type='TemporalTransformerHead', num_heads={heads}))
work_dir = "{{{{ fileDirname }}}}/order"
'''


def dualpath_config(chosen: Choices, backbone: Backbone, cfg: Config,
                    several: bool) -> str:
    """``dualpath.py``: DualPath's adapters on the frozen network."""
    frames = chosen['frames'].value
    model = dict(backbone.overrides)
    own = dict(
        backbone=dict(
            with_cp=Code('with_cp'),
            temporal=dict(
                adapters=dict(
                    positions=dict(num_framesets=framesets(cfg, frames))))),
        cls_head=dict(
            num_classes=Code('_base_.num_classes'),
            loss_cls=Code('_base_.loss'),
            multi_class=several,
            topk=(1, )),
        data_preprocessor=dict(num_spatial_frames=spatial_frames(cfg, frames)))
    for part, values in own.items():
        model[part] = dict(model.get(part, {}), **values)
    steps = chosen['epochs'].value * -(-chosen['train_videos'].value //
                                       chosen['batch_size'].value)
    wrapper = 'clip_grad=dict(max_norm=1.0),'
    if chosen['amp'].value:
        wrapper += "type='AmpOptimWrapper', dtype='bfloat16',"
    return f'''# DualPath: adapters of both paths on the frozen network:
# python tools/train.py dualpath.py
# {backbone.about}
{bases(backbone.base, 'schedules/adamw_cosine', 'default_runtime',
       own="['./balance.py'] + ")}

{assigned(chosen, 'with_cp')}
model = {code(model)}

{assigned(chosen, 'epochs', 'accumulate', 'lr', 'weight_decay')}
{commented(chosen['amp'])}
{schedule('lr', 'weight_decay', steps, 'accumulate', wrapper)}
train_cfg = dict(max_epochs=epochs, val_interval=max(1, epochs // 4))
{assigned(chosen, 'interval', 'save_every')}
default_hooks = dict(
    logger=dict(interval=interval),
    checkpoint=dict(
        max_keep_ckpts=1, save_best=None, every_n_iters=save_every))
randomness = dict(seed={chosen['seed'].value})
work_dir = "{{{{ fileDirname }}}}/dualpath"
'''


def bases(*names: str, own: str = '') -> str:
    """Bases of this package, found by whatever reads the config.

    Args:
        names: Below ``configs/_base_``.
        own: Code of a list in front of theirs.
    """
    return f'''_base_ = {own}[
    __import__('mmdualpath').__path__[0] + f'/.mim/configs/_base_/{{name}}.py'
    for name in {code(list(names))}]'''


def schedule(rate: str,
             decay: Any,
             steps: int,
             accumulate: str = '1',
             wrapper: str = '') -> str:
    """Warm-up, a constant rate, and its last quarter down to zero.

    Args:
        rate: Learning rate.
        decay: Weight decay.
        steps: Of the whole training, in batches.
        accumulate: Batches of a step of the optimizer.
        wrapper: Further options of the optimizer's wrapper.
    """
    rates = '''# A sixteenth of warm-up, a constant rate, a quarter to zero.
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=epochs / 16,
        convert_to_iter_based=True),
    dict(type='LinearLR', start_factor=1., end_factor=0.,
        begin=epochs * 3 / 4, end=epochs, convert_to_iter_based=True)
]''' if steps >= 64 else '''# So few steps have one rate.
param_scheduler = None'''
    return f'''optim_wrapper = dict({wrapper}
    optimizer=dict(lr={rate}, weight_decay={decay}),
    accumulative_counts={accumulate})
{rates}'''


def probe_epochs(train: int) -> int:
    """Of a probe, whose steps are cheap."""
    return max(8, min(200, STEPS // max(1, train // PROBE_BATCH)))


def code(value: Any) -> str:
    """A value as one writes it in a config."""
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, dict):
        return f'dict({", ".join(f"{k}={code(v)}" for k, v in value.items())})'
    if isinstance(value, list):
        return f'[{", ".join(map(code, value))}]'
    if isinstance(value, tuple):
        return f'({", ".join(map(code, value))}{"," * (len(value) == 1)})'
    return repr(value)


def wrapped(text: str) -> str:
    """A comment."""
    return '\n'.join(f'# {line}' for line in textwrap.wrap(text, 76))


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f'{text[:1].upper()}{text[1:]}.'


def commented(choice: Choice) -> str:
    """A comment that says what is chosen, and why."""
    return wrapped(f'{choice.value}: {choice.reason}.')


def assigned(chosen: Choices, *names: str) -> str:
    """Each choice as a variable, its reason above it."""
    return '\n'.join(
        f'{wrapped(sentence(chosen[n].reason))}\n{n} = {chosen[n].value!r}'
        for n in names)


def write_config(path: Path, text: str) -> None:
    """A config, laid out as MMEngine lays out its own."""
    write_text(path, FormatCode(text, style_config=STYLE)[0])


def write_text(path: Path, text: str) -> None:
    """A file, whole or as it was."""
    with whole_file(path) as part:
        part.write_text(text, encoding='utf-8')
