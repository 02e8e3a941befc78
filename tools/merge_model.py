"""Merge a trained checkpoint with its frozen backbone, or split them again.

    python tools/merge_model.py merge CONFIG CHECKPOINT OUT
    python tools/merge_model.py split CONFIG MERGED OUT_DIR

``merge`` writes one self-contained file, and ``OUT``'s config beside it, which
needs no other weights. ``split`` gives back the small checkpoint
``adapters.pth`` and the backbone ``backbone.pth``, which CONFIG's
``init_cfg`` may name.
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
    content = read_file(Path(checkpoint))
    model = MODELS.build(cfg.model)
    load_state_dict(model, content['state_dict'], strict=True)
    published = FrozenBackbone.build(frozen_config(cfg)).module.state_dict()
    seen = {
        base
        for _, view in adapted_views(model)
        for base in view.shared_names().values()
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(
        dict(
            meta=content.get('meta', {}),
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
                         ('split', ('config', 'merged', 'out_dir'))):
        command = commands.add_parser(name)
        for argument in inputs[:2]:
            command.add_argument(argument)
        command.add_argument(inputs[2], type=Path)
    args = parser.parse_args(args)
    if args.command == 'merge':
        merge(args.config, args.checkpoint, args.out)
    else:
        split(args.config, args.merged, args.out_dir)


if __name__ == '__main__':
    with program():
        main()
