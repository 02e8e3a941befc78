"""What is checked, and how long each part may take."""
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Part:
    """Tests that run together.

    Attributes:
        title: What they show.
        files: Where they stand.
        shares: Processes that they are shared out to on a GPU.
    """
    title: str
    files: Tuple[str, ...]
    shares: int = 1


TESTS: Dict[str, Part] = dict(
    adapters=Part(
        'every adapter on every backbone as on a CPU; mixed precision, '
        'recomputing, one graph, channels last, fused attention',
        ('tests/models/test_devices.py', ), 4),
    configs=Part(
        'every config at full size: a training step under AMP, a test step',
        ('tests/test_configs_devices.py', ), 6),
    scripts=Part(
        'stock scripts: AMP, NCCL, resumed, averaged weights, accumulated '
        'gradients, scaled rates', ('tests/test_end_to_end.py', )),
    input=Part('augmentation and framesets on the device',
               ('tests/test_framesets.py', 'tests/models/test_dualpath.py',
                'tests/models/test_data_preprocessor.py')))
QUICKSTART = 'bash tools/quickstart.sh --at-least 90'

VITB = ('DualPath B/16, 16 frames', 'bare ViT-B/16, the same 9 images')
SIDE_BY_SIDE = (*VITB, 'DualPath L/14, 16 frames', 'ST-Adapter B/16, 8 frames',
                'AIM B/16, 8 frames', 'AdaptFormer B/16, 8 frames',
                'full fine-tuning B/16, 8 frames', 'UniFormer-B, 32 frames',
                'Video Swin-B, 32 frames', 'VideoMAE-B, 16 frames')
TRAINED = ('DualPath B/16, 16 frames', 'DualPath B/16, checkpointing',
           'full fine-tuning B/16, 8 frames',
           'full fine-tuning B/16, 16 frames', 'ST-Adapter B/16, 8 frames',
           'AIM B/16, 8 frames', 'AdaptFormer B/16, 8 frames')
BOTH = ('--measures', 'latency', 'throughput', '--max-batch', '64', '--rounds',
        '2', '--repeats', '5')
# Files of docs/benchmarks: models and options of tools/benchmark.py models.
SPEED: Dict[str, Tuple[Tuple[str, ...], Tuple[str, ...]]] = {
    'cuda-bf16-eager': (SIDE_BY_SIDE, ('--dtype', 'bf16', *BOTH)),
    'cuda-bf16-train':
    (TRAINED, ('--dtype', 'bf16', '--batch', '16', '--measures', 'train',
               'memory', '--rounds', '2', '--repeats', '3')),
    'cuda-bf16-compile':
    (VITB, ('--dtype', 'bf16', '--mode', 'compile', *BOTH)),
    'cuda-bf16-graphs': (VITB, ('--dtype', 'bf16', '--mode', 'graphs',
                                '--rounds', '2', '--repeats', '20')),
    'cuda-fp16-eager': (VITB, ('--dtype', 'fp16', *BOTH)),
    'cuda-fp16-compile':
    (VITB, ('--dtype', 'fp16', '--mode', 'compile', *BOTH)),
}


@dataclass(frozen=True)
class Target:
    """What is aimed at.

    Attributes:
        title: In words.
        file: Where it is measured, of ``SPEED``.
        value: Of the figures of each model there, by its name.
        limit: The least, or the most.
        at_most: Which of the two.
    """
    title: str
    file: str
    value: Callable[[Dict[str, Dict[str, Any]]], float]
    limit: float
    at_most: bool = False

    def __str__(self) -> str:
        kind = 'at most' if self.at_most else 'at least'
        return f'{self.title}: {kind} {self.limit}'


DUALPATH, BARE = VITB
TARGETS = (
    Target('time of inference / bare backbone on the same images',
           'cuda-bf16-eager', lambda rows: 1 / rows[BARE]['time_ratio'], 1.06,
           True),
    Target('the same, compiled', 'cuda-bf16-compile',
           lambda rows: 1 / rows[BARE]['time_ratio'], 1.06, True),
    Target('share of the matrix rate in inference', 'cuda-bf16-eager',
           lambda rows: rows[DUALPATH]['share'], 0.5),
    Target('share of the matrix rate in training', 'cuda-bf16-train',
           lambda rows: rows[DUALPATH]['train_share'], 0.4),
    Target(
        'training memory, checkpointing / full fine-tuning on 16 frames',
        'cuda-bf16-train',
        lambda rows: rows[TRAINED[1]]['memory'] / rows[TRAINED[3]]['memory'],
        0.3, True),
)
