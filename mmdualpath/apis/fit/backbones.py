"""Which frozen network a file or a name is."""
import copy
import os
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Dict, NamedTuple, Optional

from mmengine.config import Config

from ...models.weights import clip
from ...models.weights.formats import Converted, convert
from ...models.weights.reading import RELEASED, read_checkpoint
from ...options import nearest
from ..programs import CONFIGS

BASES = 'models/dualpath_'
BASE_CONFIGS = CONFIGS / '_base_'
# The same network as the plain one, trained by another reading of the paper.
VARIANTS = ('-literal', '-dump')
ARCHITECTURES = {(768, 12, 12, 3072): 'base', (1024, 24, 16, 4096): 'large'}


class Backbone(NamedTuple):
    """A frozen network and its shipped base config.

    Attributes:
        base: Name of the base below ``configs/_base_``, with DualPath
            on it.
        options: What of the network is otherwise than in the base.
        about: A few words on where that is from.
    """
    base: str
    options: Dict[str, Any]
    about: str

    @property
    def config(self) -> Config:
        """The model's config with these options."""
        cfg = Config.fromfile(BASE_CONFIGS / f'{self.base}.py')
        cfg.merge_from_dict(copy.deepcopy(dict(model=self.overrides)))
        return cfg

    @property
    def overrides(self) -> Dict[str, Any]:
        """What a config says of ``model`` on top of the base."""
        options = dict(self.options)
        if not options:
            return {}
        cfg = Config.fromfile(BASE_CONFIGS / f'{self.base}.py').model
        changed: Dict[str, Any] = dict(backbone=dict(backbone=options))
        dims = options.get('out_dims', 0)
        if 'out_dims' in options:
            dims = dims or _dims(options)
            changed['cls_head'] = dict(in_channels=2 * dims)
        size = options.get('img_size')
        if size and cfg.data_preprocessor.get('frameset_size'):
            changed['data_preprocessor'] = dict(frameset_size=size)
        return changed


def _dims(options: Dict[str, Any]) -> int:
    arch = options['arch']
    names = {name: dims[0] for dims, name in ARCHITECTURES.items()}
    return names[arch] if isinstance(arch, str) else arch['embed_dims']


def find_backbone(name: str) -> Backbone:
    """The network that a user names.

    Args:
        name: A file of CLIP's weights, whose sizes are read off its tensors;
            the published file of a network that there is a base config for,
            such as ``mmdualpath://vit-mini_digits.pth``; the network by its
            name here, such as ``vitb`` or ``vitl-eva02``, with its weights
            where the config looks for them; or the name or path of a shipped
            config of DualPath.

    Raises:
        ValueError: If it is none of these.
    """
    bases = _bases()
    if name in bases:
        return _found(name, {}, name)
    config = _shipped(name)
    if config is not None:
        network = Config.fromfile(config).get('model',
                                              {}).get('backbone',
                                                      {}).get('backbone')
        for own, cfg in bases.items():
            if network == cfg.model.backbone.backbone:
                return _found(own, {}, f'that of {config.stem}')
        raise ValueError(f'{name} is no config of DualPath on one of '
                         f'{", ".join(bases)}.')
    is_file = '://' in name or os.path.exists(name)
    if not is_file:
        raise ValueError(
            f'backbone={name!r} is neither a file nor a network'
            f'{nearest(name, bases)} There are {", ".join(bases)}.')
    found = convert(read_checkpoint(name).tensors)
    init_cfg = dict(type='Pretrained', checkpoint=_absolute(name))
    if found.format in clip.FORMATS:
        options = _clip_options(found)
        return _found('vitb', dict(options, init_cfg=init_cfg), _said(options))
    for own, cfg in bases.items():
        if _file_name(cfg.model.backbone.backbone.init_cfg.checkpoint) \
                == _file_name(name):
            return _found(own, dict(init_cfg=init_cfg), own)
    known = [
        f'{_file_name(c.model.backbone.backbone.init_cfg.checkpoint)} ({n})'
        for n, c in bases.items()
    ]
    raise ValueError(
        f'{name} is recognised as {found.format.name}, and its tensors do '
        'not tell the whole network. Files of CLIP are known by their '
        f'tensors, others by their names: {", ".join(known)}.')


def _found(name: str, options: Dict[str, Any], about: str) -> Backbone:
    backbone = Backbone(f'{BASES}{name}', options, about)
    path = backbone.config.model.backbone.backbone.init_cfg.checkpoint
    if '://' not in path and not os.path.exists(path):
        raise ValueError(f'The weights of {name} are expected in {path}, '
                         'which is not there: docs/weights.md says where '
                         'they are published.')
    return backbone


@lru_cache(maxsize=1)
def _bases() -> Dict[str, Config]:
    """Base configs of DualPath by the name of their network."""
    files = sorted(BASE_CONFIGS.glob(f'{BASES}*.py'))
    stem = PurePosixPath(BASES).name
    return {
        file.stem[len(stem):]: Config.fromfile(file)
        for file in files
        if not any(variant in file.stem for variant in VARIANTS)
    }


def _shipped(name: str) -> Optional[Path]:
    """A config by its path or its name."""
    if name.endswith('.py') and Path(name).is_file():
        return Path(name)
    found = [
        p for p in CONFIGS.rglob(f'{Path(name).stem}.py')
        if '_base_' not in p.parts
    ]
    return found[0] if found and '/' not in name.removeprefix('configs/') \
        else None


def _file_name(checkpoint: str) -> str:
    """Its name; with the folder where all are called alike."""
    path = PurePosixPath(checkpoint.removeprefix(RELEASED))
    return '/'.join(path.parts[-2:]) if path.stem == 'model' else path.name


def _absolute(name: str) -> str:
    return name if '://' in name else os.path.abspath(name)


def _clip_options(found: Converted) -> Dict[str, Any]:
    """What the tensors of CLIP's image encoder say of it."""
    tensors = found.tensors
    dims, _, patch, _ = tensors['patch_embed.projection.weight'].shape
    layers = 1 + max(
        int(name.split('.')[1])
        for name in tensors if name.startswith('layers.'))
    hidden = len(tensors['layers.0.ffn.layers.0.0.weight'])
    side = round((tensors['pos_embed'].shape[1] - 1)**0.5)
    facts = found.format.facts(found.source, {})
    sizes = (dims, layers, facts.get('num_heads', dims // 64), hidden)
    options = dict(
        arch=ARCHITECTURES.get(
            sizes,
            dict(
                zip(('embed_dims', 'num_layers', 'num_heads',
                     'feedforward_channels'), sizes),
                _delete_=True)),
        patch_size=patch,
        img_size=side * patch,
        out_dims=tensors['proj'].shape[1] if 'proj' in tensors else None)
    if facts.get('act') == 'GELU':
        options['quick_gelu'] = False
    if not any(name.startswith('ln1.') for name in tensors):
        options['final_norm'] = False
    return options


def _said(options: Dict[str, Any]) -> str:
    arch = options['arch']
    size = f'{arch[0].upper()}' if isinstance(arch, str) else \
        f'{arch["embed_dims"]}x{arch["num_layers"]}'
    return (f'CLIP ViT-{size}/{options["patch_size"]} of '
            f'{options["img_size"]} pixels, by its tensors')
