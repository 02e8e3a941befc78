"""What it costs to read and transform videos: CPU time of one worker."""
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
import torch
from mmengine.registry import TRANSFORMS

OPEN = ('VideoInit', 'DecordInit', 'PyAVInit', 'OpenCVInit')
DECODE = ('VideoDecode', 'DecordDecode', 'PyAVDecode', 'OpenCVDecode')


@dataclass
class PipelineTime:
    """What a pipeline took for one video.

    Attributes:
        decoding: Milliseconds to open the video, choose frames and decode
            them, the median.
        steps: Milliseconds of each later step, the mean, since some draw what
            they do.
        frames: Frames of the video.
        shape: Height and width of a frame.
        difference: The largest difference between a pixel of its frames and
            of those of the first pipeline.
    """
    decoding: float = 0.
    steps: Dict[str, float] = field(default_factory=dict)
    frames: int = 0
    shape: Tuple[int, int] = (0, 0)
    difference: int = 0

    @property
    def rest(self) -> float:
        """Milliseconds of all later steps."""
        return sum(self.steps.values())

    @property
    def clips(self) -> float:
        """Clips a second that one core reads and transforms."""
        return 1e3 / (self.decoding + self.rest)


def with_decoder(pipeline: Sequence[dict], **options: Any) -> List[dict]:
    """A pipeline of a config that opens videos by ``VideoInit``.

    Args:
        pipeline: Configs of its steps.
        options: Arguments of ``VideoInit``.
    """
    changed = []
    for step in pipeline:
        if step['type'] in OPEN:
            step = dict(type='VideoInit', **options)
        elif step['type'] in DECODE:
            step = dict(type='VideoDecode')
        changed.append(step)
    return changed


def time_pipelines(pipelines: Dict[str, Sequence[dict]],
                   video: str,
                   repeats: int = 5) -> Dict[str, PipelineTime]:
    """Run pipelines on one video, in turns and with the same random draws.

    Args:
        pipelines: Configs of the steps of each, by name.
        video: A file.
        repeats: Turns that count; one more in front of them reads the file
            from disk.
    """
    built = {
        name: [(step['type'], TRANSFORMS.build(dict(step))) for step in steps]
        for name, steps in pipelines.items()
    }
    times = {name: PipelineTime() for name in built}
    taken = {name: defaultdict(list) for name in built}
    for turn in range(repeats + 1):
        first = None
        for name, steps in built.items():
            np.random.seed(turn)
            torch.manual_seed(turn)
            results = dict(
                filename=video, label=0, start_index=0, modality='RGB')
            spent, decoded = defaultdict(float), False
            for step, transform in steps:
                start = time.process_time()
                results = transform(results)
                end = time.process_time()
                key = step if decoded else 'decoding'
                spent[key] += 1e3 * (end - start)
                if step in DECODE:
                    decoded = True
                    known, images = times[name], np.stack(results['imgs'])
                    known.frames = results['total_frames']
                    known.shape = tuple(results['original_shape'])
                    first = images if first is None else first
                    known.difference = max(
                        known.difference,
                        int(abs(images.astype(np.int16) - first).max()))
            for key, value in spent.items() if turn else ():
                taken[name][key].append(value)
    for name, known in times.items():
        known.decoding = statistics.median(taken[name].pop('decoding'))
        known.steps = {k: statistics.mean(v) for k, v in taken[name].items()}
    return times
