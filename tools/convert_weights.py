"""Convert a published checkpoint to the names of the models in this package.

    python tools/convert_weights.py SRC DST

SRC is a path or URL in any format of docs/weights.md, a backbone or a whole
model that its authors trained; DST is a ``.pth`` or ``.safetensors`` file.
Nothing needs to be converted before training or testing: configs and
tools/test.py read the published files themselves.
"""
import argparse
from pathlib import Path

from mmdualpath.models.weights import (convert, convert_trained,
                                       read_checkpoint, write_checkpoint)


def main(args=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('src', help='published file, path or URL')
    parser.add_argument('dst', type=Path, help='.pth or .safetensors')
    parser.add_argument(
        '--prefix', help="the backbone alone: prefix of its names in SRC")
    args = parser.parse_args(args)

    tensors = read_checkpoint(args.src)
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
    main()
