"""Make a trained checkpoint ready to be released.

    python tools/publish_model.py work_dirs/x/epoch_60.pth --out-dir release

The optimizer and the rest of the training state go; what stays are tensors
and plain values, so that the file loads with ``weights_only=True``. It is
called ``{config}_{date}-{first 8 digits of its SHA-256}.pth``, and its entry
for a metafile is printed, or put in one with ``--metafile``.
"""
import argparse
import hashlib
import re
import shutil
import tempfile
from datetime import date
from pathlib import Path
from typing import Any, Dict, Sequence

import torch
import yaml
from mmengine.config import Config, DictAction

import mmdualpath
from mmdualpath.apis.programs import program
from mmdualpath.models.weights import read_file, write_checkpoint

CONFIGS = Path(__file__).parents[1] / 'configs'
# What a checkpoint tells of its training, and what reading it needs.
KEPT = ('cfg', 'dataset_meta', 'epoch', 'iter', 'seed', 'mmengine_version',
        'mmdualpath_version')


def publish(checkpoint: Path, out_dir: Path, config: str, day: str,
            suffix: str, options: Dict[str, Any]) -> Path:
    """Write the released file and give its path.

    Args:
        checkpoint: A checkpoint that MMEngine wrote. With an ``EMAHook``, its
            ``state_dict`` is the average.
        out_dir: Folder of the released file.
        config: Name of the config; empty to take it from the checkpoint.
        day: Date, ``20240131``; empty to take it from the checkpoint.
        suffix: ``.pth`` or ``.safetensors``.
        options: Changes to the config in the checkpoint.

    Raises:
        ValueError: If the file is no checkpoint of MMEngine, or tells no
            config's name.
    """
    content = read_file(checkpoint)
    if not {'meta', 'state_dict'} <= set(content):
        raise ValueError(f'{checkpoint} is no checkpoint of a training: its '
                         f'entries are {", ".join(map(str, content))}.')
    meta = content['meta']
    # MMEngine names an experiment {config}_{date}_{time}.
    told = re.fullmatch(r'(.+)_(\d{8})_\d{6}', meta.get('experiment_name', ''))
    config = config or (told[1] if told else '')
    if not config:
        raise ValueError(f'{checkpoint} does not tell the name of its config: '
                         'give it with --config.')
    day = day or meta.get('time', '')[:8] or date.today().strftime('%Y%m%d')

    if options:
        if 'cfg' not in meta:
            raise ValueError(f'--cfg-options: {checkpoint} has no config to '
                             'change.')
        cfg = Config.fromstring(meta['cfg'], '.py')
        cfg.merge_from_dict(options)
        meta['cfg'] = cfg.pretty_text
    released = dict(
        meta=dict({k: meta[k]
                   for k in KEPT if k in meta},
                  mmdualpath_version=mmdualpath.__version__),
        state_dict=content['state_dict'])
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir) as folder:
        # torch keeps a file's name inside it: one name, one hash.
        written = Path(folder, 'model' + suffix)
        write_checkpoint(released, written)
        if suffix == '.pth':
            torch.load(written, map_location='cpu', weights_only=True)
        digest = hashlib.sha256(written.read_bytes()).hexdigest()
        path = out_dir / f'{config}_{day}-{digest[:8]}{suffix}'
        shutil.move(written, path)
    return path


def entry(config: str, file: Path, url: str,
          results: Sequence[str]) -> Dict[str, Any]:
    """A model's entry in a metafile, as far as the checkpoint tells.

    Args:
        config: Name of the config.
        file: The released file.
        url: Where the folder of released files is reached.
        results: Metrics, such as ``Something-Something V2/Top 1
            Accuracy=69.3``.

    Raises:
        ValueError: If a result is of another form.
    """
    meta = read_file(file)['meta']
    place = next(CONFIGS.rglob(f'{config}.py'), CONFIGS / f'{config}.py')
    metrics: Dict[str, Dict[str, float]] = {}
    for result in results:
        found = re.fullmatch(r'(.+)/(.+)=([\d.]+)', result)
        if not found:
            raise ValueError(f'--result {result!r}: give DATASET/METRIC=VALUE')
        metrics.setdefault(found[1], {})[found[2]] = float(found[3])
    model: Dict[str, Any] = dict(
        Name=config,
        Config=str(place.relative_to(CONFIGS.parent)),
        Metadata=dict(Epochs=meta['epoch']) if 'epoch' in meta else {},
        Modality='RGB',
        Results=[
            dict(Dataset=name, Task='Action Recognition', Metrics=values)
            for name, values in metrics.items()
        ],
        Weights=f'{url.rstrip("/")}/{file.name}' if url else file.name)
    return {k: v for k, v in model.items() if v}


def update(metafile: Path, model: Dict[str, Any]) -> None:
    """Put a model's entry into a metafile; what it does not tell stays."""
    content = yaml.safe_load(metafile.read_text()) \
        if metafile.is_file() else {}
    models = content.setdefault('Models', [])
    for known in models:
        if known['Name'] == model['Name']:
            known['Metadata'] = {
                **known.get('Metadata', {}),
                **model.pop('Metadata', {})
            }
            known.update(model)
            break
    else:
        for collection in content.get('Collections', [])[:1]:
            model['In Collection'] = collection['Name']
        models.append(model)
    metafile.write_text(yaml.safe_dump(content, sort_keys=False))


def main(args=None) -> Path:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--out-dir', type=Path, default=Path('release'))
    parser.add_argument('--config', default='', help='name of the config')
    parser.add_argument('--date', default='', help='such as 20240131')
    parser.add_argument(
        '--safetensors', action='store_true', help='instead of .pth')
    parser.add_argument('--url', default='', help='of the released folder')
    parser.add_argument(
        '--result',
        action='append',
        default=[],
        metavar='DATASET/METRIC=VALUE')
    parser.add_argument('--log', type=Path, help='log to release beside it')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        help='changes to the config in the checkpoint, such as where others '
        'find the frozen weights: '
        'model.backbone.backbone.init_cfg.checkpoint=...')
    parser.add_argument('--metafile', type=Path, help='file to update')
    args = parser.parse_args(args)

    path = publish(args.checkpoint, args.out_dir, args.config, args.date,
                   '.safetensors' if args.safetensors else '.pth',
                   args.cfg_options)
    config = re.sub(r'_\d{8}-[0-9a-f]{8}$', '', path.stem)
    model = entry(config, path, args.url, args.result)
    if args.log:
        log = shutil.copy(args.log, path.with_suffix('.log'))
        model['Training Log'] = model['Weights'].replace(
            path.name,
            Path(log).name)
    if args.metafile:
        update(args.metafile, model)
    else:
        print(yaml.safe_dump([model], sort_keys=False))
    print(f'{path} ({path.stat().st_size / 2**20:.1f} MiB)')
    return path


if __name__ == '__main__':
    with program():
        main()
