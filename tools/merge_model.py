"""Merge a trained checkpoint with its frozen backbone, or split them again.

    python tools/merge_model.py merge CONFIG CHECKPOINT OUT
    python tools/merge_model.py fold CONFIG CHECKPOINT OUT
    python tools/merge_model.py split CONFIG MERGED OUT_DIR

``merge`` writes one self-contained file, and ``OUT``'s config beside it, which
needs no other weights. ``fold`` does the same without the adapters: what is
linear (LoRA, DoRA, SSF, bottlenecks without activation at ``qkv``, ``proj``,
``fc1`` and ``fc2``) becomes a part of the weights it stands at, what costs
nothing (token shifts, positions in time) stays, anything else is refused.
``split`` gives back the small checkpoint ``adapters.pth`` and the backbone
``backbone.pth``, which CONFIG's ``init_cfg`` may name.
"""
import argparse
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn

from mmdualpath.apis.programs import program
from mmdualpath.models import AdaptedBackbone, FrozenBackbone, views_of
from mmdualpath.models.adapters import Adapter
from mmdualpath.models.backbones import Fingerprint
from mmdualpath.models.backbones import fold as fold_adapters
from mmdualpath.models.backbones.adapted import FINGERPRINT
from mmdualpath.models.backbones.frozen import tensors_of
from mmdualpath.models.weights import read_file, write_checkpoint


def frozen_config(cfg: Config) -> Dict[str, Any]:
    """The config of the frozen backbone: the innermost ``backbone``.

    Raises:
        ValueError: If the model has none.
    """
    inner = cfg.model
    while isinstance(inner.get('backbone'), dict):
        inner = inner['backbone']
    if inner is cfg.model or 'init_cfg' not in inner:
        raise ValueError(f'{cfg.filename} has no model with a frozen '
                         'backbone.')
    return inner


def load_config(path: str) -> Config:
    """A config whose frozen tensors are built in full precision."""
    cfg = Config.fromfile(path)
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    cfg.model.backbone.pop('frozen_dtype', None)
    for view in ('spatial', 'temporal'):
        if cfg.model.backbone.get(view):
            cfg.model.backbone[view].pop('frozen_dtype', None)
    return cfg


def adapted_views(model: nn.Module) -> Iterator[Tuple[str, AdaptedBackbone]]:
    """Every view of the frozen backbone, with its prefix."""
    for path, view in views_of(model.backbone).items():
        yield ('backbone.'
               if view is model.backbone else f'backbone.{path}.'), view


def frozen_tensors(model: nn.Module) -> Dict[str, Tensor]:
    """The tensors that ``state_dict`` leaves out, by their full names."""
    return {
        prefix + name: tensor
        for prefix, view in adapted_views(model)
        for name, tensor in tensors_of(view) if name in view.frozen_names()
    }


def merge(config: str, checkpoint: str, out: Path) -> None:
    """One file of everything, and the config that reads it.

    What every view trains or zeroes is in no view as it was published; those
    tensors are kept in the entry ``backbone``, for :func:`split`.
    """
    cfg = load_config(config)
    model, meta = trained(cfg, checkpoint)
    _write(model, cfg, meta, out)


def fold(config: str, checkpoint: str, out: Path) -> None:
    """The same without the adapters that fold into the frozen weights.

    Raises:
        ValueError: If the model has several views of one backbone, an adapter
            does not fold, or there is nothing to fold.
    """
    cfg = load_config(config)
    frozen_config(cfg)
    model, meta = trained(cfg, checkpoint)
    if len(views_of(model.backbone)) > 1:
        raise ValueError(f'{config}: the views of one backbone share its '
                         'weights, so that their adapters cannot become a '
                         'part of them. fold takes a model of one view.')
    view = model.backbone
    named = view.bare_names()
    bare = {named[n]: t for n, t in tensors_of(view) if n in named}
    before = {type(m) for m in view.modules() if isinstance(m, Adapter)}
    fold_adapters(view.base)
    stay = {type(m) for m in view.modules() if isinstance(m, Adapter)}
    if stay == before:
        raise ValueError(f'{config} has no adapters that fold.')

    adapters = cfg.model.backbone.adapters
    if isinstance(adapters, dict):
        cfg.model.backbone.adapters = {
            name: adapter
            for name, adapter in adapters.items()
            if adapter and MODELS.get(adapter.type) in stay
        }
    else:
        cfg.model.backbone.adapters = [
            a for a in adapters if MODELS.get(a.type) in stay
        ]
    folded = MODELS.build(cfg.model)
    tensors = dict(tensors_of(model))
    tensors.update({
        f'backbone.{name}': bare[base]
        for name, base in folded.backbone.bare_names().items()
    })
    state = {n: tensors[n] for n, _ in tensors_of(folded)}
    source = Fingerprint('', 'folded', Path(checkpoint).name)
    state[f'backbone.{FINGERPRINT}'] = source.encode()
    load_state_dict(folded, state, strict=True)
    alone = cfg.copy()
    frozen_config(alone)['init_cfg'] = dict(type='RandomWeights')
    _write(folded, cfg, dict(meta, cfg=alone.pretty_text), out)


def trained(cfg: Config, checkpoint: str) -> Tuple[nn.Module, Dict[str, Any]]:
    """The model of a config with a checkpoint loaded, and its ``meta``."""
    content = read_file(Path(checkpoint))
    model = MODELS.build(cfg.model)
    load_state_dict(model, content['state_dict'], strict=True)
    return model, content.get('meta', {})


def _write(model: nn.Module, cfg: Config, meta: Dict[str, Any],
           out: Path) -> None:
    published = FrozenBackbone.build(frozen_config(cfg)).module.state_dict()
    seen = {
        base
        for _, view in adapted_views(model)
        for base in view.shared_names().values()
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(
        dict(
            meta=meta,
            state_dict={
                **model.state_dict(),
                **frozen_tensors(model)
            },
            backbone={
                n: t
                for n, t in published.items() if n not in seen
            }), out)
    frozen_config(cfg)['init_cfg'] = dict(type='RandomWeights')
    cfg.dump(out.with_suffix('.py'))


def split(config: str, merged: str, out_dir: Path) -> None:
    """The small checkpoint and the backbone of a merged file."""
    cfg = load_config(config)
    frozen_config(cfg)['init_cfg'] = dict(type='RandomWeights')
    content = read_file(Path(merged))
    model = MODELS.build(cfg.model)
    load_state_dict(model, content['state_dict'], strict=True)
    backbone = dict(content['backbone'])
    for prefix, view in adapted_views(model):
        backbone.update({
            base: content['state_dict'][prefix + name]
            for name, base in view.shared_names().items()
        })
    out_dir.mkdir(parents=True, exist_ok=True)
    write_checkpoint(
        dict(meta=content.get('meta', {}), state_dict=model.state_dict()),
        out_dir / 'adapters.pth')
    write_checkpoint(dict(state_dict=backbone), out_dir / 'backbone.pth')


def main(args=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    commands = parser.add_subparsers(dest='command', required=True)
    for name, inputs in (('merge', ('config', 'checkpoint', 'out')),
                         ('fold', ('config', 'checkpoint', 'out')),
                         ('split', ('config', 'merged', 'out_dir'))):
        command = commands.add_parser(name)
        for argument in inputs[:2]:
            command.add_argument(argument)
        command.add_argument(inputs[2], type=Path)
    args = parser.parse_args(args)
    if args.command == 'merge':
        merge(args.config, args.checkpoint, args.out)
    elif args.command == 'fold':
        fold(args.config, args.checkpoint, args.out)
    else:
        split(args.config, args.merged, args.out_dir)


if __name__ == '__main__':
    with program():
        main()
