"""Build what a config of the documentation has: a model, steps, a pipeline.

    python tests/build_config.py CONFIG [VIDEO]

A video is read by the pipeline.
"""
import sys

from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdualpath.analysis.structure import build_structure


def main(path: str, *videos: str) -> None:
    cfg = Config.fromfile(path)
    init_default_scope('mmaction')
    for part in cfg.values():
        kind = part.get('type', '') if isinstance(part, dict) else ''
        if kind and kind in MODELS:
            build_structure(part)
        elif kind and kind in TRANSFORMS:
            TRANSFORMS.build(part)
    for video in videos:
        results = dict(filename=video, start_index=0, modality='RGB')
        for step in cfg.pipeline:
            results = TRANSFORMS.build(step)(results)


if __name__ == '__main__':
    main(*sys.argv[1:])
