"""Measure how the memory of one loader process grows with what it decodes.

    python tools/data/measure_memory.py data/hmdb51/videos --decodes 20000

Reads videos over and over as a training does, by ``ReliableVideoDataset``, and
prints the resident memory. Figures from 1/10 of the decodes on are
compared, since caches fill first. The growth is also given for 20,000 decodes,
by a straight line through the figures.
"""
import argparse
import json
import os
import shlex
import sys
import tempfile
from pathlib import Path

import numpy as np
from mmaction.registry import DATASETS
from mmengine.registry import init_default_scope

import mmdualpath  # noqa: F401
from mmdualpath.analysis.pipelines import with_decoder
from mmdualpath.analysis.provenance import PACKAGES, provenance
from mmdualpath.apis.programs import program
from mmdualpath.datasets.decoding import DECODERS, choose_decoder
from mmdualpath.datasets.randomness import Draw
from mmdualpath.datasets.video_files import videos_in

DEPENDS = ('tools/data/measure_memory.py', 'mmdualpath/datasets/reader.py',
           'mmdualpath/datasets/video_dataset.py',
           'mmdualpath/datasets/transforms/video.py',
           'mmdualpath/datasets/transforms/clip_augment.py',
           'mmdualpath/augmentation.py')
PIPELINE = [
    dict(type='VideoInit'),
    dict(type='SampleFrames', clip_len=16, frame_interval=4),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(-1, 128)),
    dict(type='RandomResizedCrop'),
    dict(type='Resize', scale=(112, 112), keep_ratio=False),
    dict(
        type='ClipAugment',
        transforms=[dict(type='RandAugment', num_ops=2, magnitude=7)]),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]


def resident() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def main() -> None:
    """Decode and print figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('folder', type=Path, help='folder of videos')
    parser.add_argument('--decodes', type=int, default=20000)
    parser.add_argument(
        '--decoder', choices=('auto', *DECODERS), default='auto')
    parser.add_argument('--out', type=Path, help='JSON file to write')
    args = parser.parse_args()
    paths = videos_in(args.folder)

    init_default_scope('mmaction')
    with tempfile.TemporaryDirectory() as folder:
        ann_file = Path(folder, 'all.txt')
        ann_file.write_text(
            ''.join(f'{p.absolute()} 0\n' for p in paths), encoding='utf-8')
        dataset = DATASETS.build(
            dict(
                type='ReliableVideoDataset',
                ann_file=str(ann_file),
                report=str(Path(folder, 'bad.tsv')),
                max_bad_share=1,
                pipeline=with_decoder(PIPELINE, decoder=args.decoder)))
        every = max(args.decodes // 20, 1)
        figures = []
        for done in range(1, args.decodes + 1):
            index = done % len(paths)
            dataset[Draw(index, (0, done, index))]
            if done % every == 0:
                figures.append((done, resident()))
                print(f'{done:6d} decodes  {figures[-1][1]:8.1f} MB')
    settled = np.array(figures[max(len(figures) // 10, 1):])
    slope = np.polyfit(*settled.T, 1)[0]
    first, last = settled[0], settled[-1]
    print(f'growth from {first[0]:.0f} to {last[0]:.0f} decodes: '
          f'{last[1] - first[1]:.1f} MB; '
          f'by a line, for 20,000: {slope * 20000:.1f} MB')
    if args.out:
        decoder = choose_decoder(args.decoder)
        content = dict(
            provenance(
                f'python tools/data/measure_memory.py '
                f'{shlex.join(sys.argv[1:])}',
                DEPENDS,
                packages=(*PACKAGES, 'torchvision', DECODERS[decoder][0])),
            decodes=args.decodes,
            videos=len(paths),
            figures=figures,
            first=dict(decodes=int(first[0]), MB=first[1]),
            last=dict(decodes=int(last[0]), MB=last[1]),
            least=min(settled[:, 1]),
            most=max(settled[:, 1]))
        args.out.write_text(json.dumps(content, indent=1))


if __name__ == '__main__':
    with program():
        main()
