"""Measure models side by side, the input pipeline, or whole predictions.

What they write under docs/ stands in the documentation by tools/tables.py.

    python tools/benchmark.py models --out work_dirs/benchmark/cpu.json
    python tools/benchmark.py models --device cuda --dtype bf16 \\
        --mode compile --out work_dirs/benchmark/gpu.json
    python tools/benchmark.py pipeline configs/dualpath_vitb_ssv2.py *.mp4 \\
        --decoders pyav decord --also vp9 mjpeg
    python tools/benchmark.py predict configs/dualpath_vit-mini_digits.py \\
        mmdualpath://dualpath_vit-mini_digits.pth
    python tools/benchmark.py stream hops --out docs/benchmarks/stream.json
    python tools/benchmark.py deploy --out docs/benchmarks/deploy.json
    python tools/benchmark.py fit imbalance --out docs/benchmarks/fit.json
    python tools/benchmark.py shards --out docs/benchmarks/shards.json
    python tools/benchmark.py picture docs/benchmarks/cpu.json
"""
import argparse
import logging
from typing import Optional, Sequence

from benchmarks import (deploy, fit, models, picture, pipeline, predict,
                        shards, stream)

from mmdualpath.apis.programs import program

PROGRAMS = dict(
    models=models,
    pipeline=pipeline,
    predict=predict,
    stream=stream,
    deploy=deploy,
    fit=fit,
    shards=shards,
    picture=picture)


def main(args: Optional[Sequence[str]] = None) -> str:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest='program', required=True)
    for name, module in PROGRAMS.items():
        module.add_arguments(
            commands.add_parser(
                name,
                help=module.__doc__.split('\n')[0],
                description=module.__doc__,
                formatter_class=argparse.RawTextHelpFormatter))
    args = parser.parse_args(args)

    logging.disable(logging.WARNING)  # what random weights are, at length
    text = PROGRAMS[args.program].main(args)
    print(text)
    return text


if __name__ == '__main__':
    with program():
        main()
