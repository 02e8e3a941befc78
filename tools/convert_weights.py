"""Convert a published checkpoint to the names of the models in this package.

    python tools/convert_weights.py SRC DST

SRC is a path or URL in any format of docs/weights.md, a backbone or a whole
model that its authors trained; DST is a ``.pth`` or ``.safetensors`` file.
Nothing needs to be converted before training or testing: configs and
tools/test.py read the published files themselves.
"""
import argparse
from pathlib import Path

from mmdualpath.apis.programs import program
from mmdualpath.models.complete import without_recompute_level
from mmdualpath.models.weights import (convert, convert_trained,
                                       read_checkpoint, read_file,
                                       write_checkpoint)


def rename(src: Path, dst: Path) -> None:
    """Give the tensors of a checkpoint with ``with_cp=True`` their names.

    Raises:
        ValueError: If none is called as it was then.
    """
    content = read_file(src)
    tensors = content.get('state_dict', {})
    renamed = {without_recompute_level(n): t for n, t in tensors.items()}
    count = len(set(tensors) - set(renamed))
    if not count:
        raise ValueError(f'{src} has no tensor of a recomputed block.')
    write_checkpoint(
        dict(meta=content.get('meta', {}), state_dict=renamed), dst)
    print(f'{src}: {count} of {len(tensors)} tensors renamed in {dst}')


def main(args=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('src', help='published file, path or URL')
    parser.add_argument('dst', type=Path, help='.pth or .safetensors')
    parser.add_argument(
        '--prefix', help="the backbone alone: prefix of its names in SRC")
    parser.add_argument(
        '--recomputed',
        action='store_true',
        help='SRC is of a training by this package before version 0.1.0 with '
        'with_cp=True: its tensors get their present names')
    args = parser.parse_args(args)

    if args.recomputed:
        if args.prefix:
            raise ValueError(f'--prefix {args.prefix} with --recomputed: that '
                             'renames a whole checkpoint.')
        rename(Path(args.src), args.dst)
        return
    tensors, _ = read_checkpoint(args.src)
    converted = None if args.prefix else convert_trained(tensors)
    converted = converted or convert(tensors, args.prefix)
    args.dst.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(
        dict(
            meta=dict(
                format=converted.format.name, source=Path(args.src).name),
            state_dict=converted.tensors), args.dst)
    print(f'{args.src}: {converted.format.name}, {len(converted.tensors)} '
          f'tensors in {args.dst}, {len(converted.left_out)} of other parts '
          'left out')


if __name__ == '__main__':
    with program():
        main()
