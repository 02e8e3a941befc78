"""A page that says what a trained model is worth, and shows it."""
import copy
import datetime
import shlex
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import (Any, Dict, Iterator, List, Mapping, Optional, Sequence,
                    Tuple, Union)

import numpy as np
import torch
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, TestLoop
from rich.progress import Progress, track
from torch.utils.data import Dataset, Subset

from ..analysis.pipelines import DECODE
from ..analysis.scores import METRICS, Answers
from ..datasets.bad_videos import BadVideoReport
from ..datasets.collection import read_names
from ..datasets.decoding import open_video
from ..datasets.transforms.reorder import ORDERS
from ..fileio import whole_file
from ..version import __version__
from ..visualization.page import (Compared, Mistake, Page, render, thumbnail,
                                  what_is_read)

TOOLS = Path('tools')
INSTALLED_TOOLS = Path(__file__).parents[1] / '.mim' / 'tools'


class CollectScores(BaseMetric):
    """Keeps scores and labels of all videos, in the order of the data set."""
    default_prefix = 'kept'

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep those of a batch."""
        for sample in data_samples:
            if isinstance(sample['pred_score'], dict):
                raise ValueError('model.cls_head gives several scores a video '
                                 f'({", ".join(sample["pred_score"])}); a '
                                 'report is of one.')
            score = sample['pred_score'].float().cpu()
            self.results.append(
                # Without average_clips each clip has its own.
                (score.reshape(-1, score.shape[-1]).mean(0).numpy(),
                 sample['gt_label'].cpu().numpy()))

    def compute_metrics(self, results: list) -> dict:
        """Nothing: what is kept is the result."""
        self.kept = results
        return {}


class AdvanceHook(Hook):
    """Moves a bar of progress on.

    Args:
        progress: The bars.

    Attributes:
        what: What is tested.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.what = ''

    def before_test(self, runner: Runner) -> None:
        """Begin a bar."""
        self.task = self.progress.add_task(
            f'{self.what:<16}', total=len(runner.test_loop.dataloader))

    def after_test_iter(self, runner: Runner, *args, **kwargs) -> None:
        """A batch is done."""
        self.progress.advance(self.task)


@dataclass
class Tested:
    """What a model said of the videos of a data set that could be read.

    Attributes:
        answers: Scores and labels.
        numbers: Numbers of the videos in the data set.
        unreadable: Why others could not be read, by path.
    """
    answers: Answers
    numbers: np.ndarray
    unreadable: Dict[str, str] = field(default_factory=dict)


def probabilities(scores: np.ndarray, several: bool) -> np.ndarray:
    """Scores ``(videos, classes)`` as probabilities, whatever the head gives.

    Args:
        scores: Probabilities, or what a softmax (a sigmoid where a video may
            have several labels) makes some of.
        several: Whether a video may have several labels.

    Raises:
        ValueError: If there are several labels, and scores sum to one.
    """
    inside = ((scores >= 0) & (scores <= 1)).all()
    of_one = inside and np.allclose(scores.sum(1), 1, atol=1e-3)
    if several and of_one and scores.shape[1] > 1:
        raise ValueError(
            'The scores of a video sum to one, though it may have several '
            "labels: average_clips='prob' of model.cls_head is a softmax. "
            "Take 'score', or multi_class=True with a head of this package.")
    values = torch.from_numpy(scores).double()
    if several:
        return scores if inside else values.sigmoid().numpy()
    return scores if of_one else values.softmax(1).numpy()


def _data_sets(cfg: Mapping) -> Iterator[dict]:
    """The configs of data sets of videos in one, wrappers left out."""
    if 'pipeline' in cfg:
        yield cfg
    for part in (cfg.get('dataset'), *(cfg.get('datasets') or ())):
        if isinstance(part, Mapping):
            yield from _data_sets(part)


def _reordered(pipeline: Sequence[dict], order: str) -> List[dict]:
    """A pipeline that puts the decoded frames into another order."""
    steps = list(pipeline)
    decode = [i for i, s in enumerate(steps) if _name(s['type']) in DECODE]
    if not decode:
        raise ValueError('test_dataloader.dataset.pipeline has no step that '
                         f'decodes ({", ".join(DECODE)}): a report is of '
                         'videos.')
    steps.insert(decode[-1] + 1, dict(type='ReorderFrames', order=order))
    return steps


def _name(kind: Union[str, type]) -> str:
    name = kind if isinstance(kind, str) else kind.__name__
    return name.rpartition('.')[2]


class Tester:
    """A model that answers the test videos of its config, in any order.

    Stock testing but for three things: what cannot be read is listed and left
    out, features in files are not used, and nothing is logged.

    Args:
        cfg: The config.
        checkpoint: Path, or address, of the checkpoint.
        device: Such as ``cpu``; ``auto`` is a GPU if there is one.
        folder: For what a run leaves.
        progress: Shows how far it is.

    Raises:
        ValueError: If the config tests no list of videos.
    """

    def __init__(self, cfg: Config, checkpoint: str, device: str, folder: Path,
                 progress: Progress) -> None:
        if not cfg.get('test_dataloader'):
            raise ValueError(f'{cfg.filename} has no test_dataloader.')
        cfg = Config(cfg.to_dict(), filename=cfg.filename)
        init_default_scope(cfg.get('default_scope', 'mmaction'))
        self.listed = BadVideoReport(folder / 'unreadable.tsv')
        for data in _data_sets(cfg.test_dataloader.dataset):
            if _name(data['type']) in ('VideoDataset', 'ReliableVideoDataset'):
                data.update(
                    type='ReliableVideoDataset',
                    test_mode=True,
                    unreadable='wrong',
                    max_bad_share=1.,
                    report=str(self.listed.path))
            _reordered(data['pipeline'], ORDERS[0])  # or it says what lacks
        cfg.test_dataloader.update(
            sampler=dict(type='DefaultSampler', shuffle=False),
            persistent_workers=False)
        if cfg.model.backbone.get('cache'):
            cfg.model.backbone.cache = None
        cfg.update(
            launcher='none',
            resume=False,
            load_from=checkpoint,
            work_dir=str(folder),
            log_level='WARNING',
            experiment_name=f'report-{uuid.uuid4().hex}',
            visualizer=dict(type='ActionVisualizer', vis_backends=[]))
        self.loader = cfg.test_dataloader
        self.dataset = self._data('')
        first = self.dataset.get_data_info(0)
        if 'filename' not in first:
            raise ValueError('test_dataloader.dataset is no list of videos: '
                             f'{_name(self.loader.dataset["type"])}.')
        self.runner = Runner.from_cfg(cfg)
        if device != 'auto':
            self.runner.model.to(device)
        self.bar = AdvanceHook(progress)
        self.runner.register_hook(self.bar, priority='VERY_LOW')

    def _data(self, order: str) -> Dataset:
        """The data set, its frames in the usual order or another."""
        cfg = copy.deepcopy(self.loader.dataset)
        for data in _data_sets(cfg) if order else ():
            data['pipeline'] = _reordered(data['pipeline'], order)
        return DATASETS.build(cfg)

    @property
    def clip_len(self) -> Optional[int]:
        """Frames of a clip, or of several clips of one frame."""
        for data in _data_sets(self.loader.dataset):
            for step in data['pipeline']:
                if 'clip_len' in step:
                    return step['clip_len'] if step['clip_len'] > 1 \
                        else step.get('num_clips', 1)
        return None

    def path(self, number: int) -> str:
        """The file of a video."""
        return self.dataset.get_data_info(int(number))['filename']

    def test(self, order: str = '', numbers: Any = None) -> Tested:
        """Answer the videos.

        Args:
            order: Of the frames: the usual one, ``shuffled`` or ``reversed``.
            numbers: Of the videos; defaults to all.

        Raises:
            ValueError: If they have no labels, or labels the model has no
                class for, or none can be read.
        """
        dataset = self._data(order) if order else self.dataset
        if numbers is None:
            numbers = np.arange(len(dataset))
        self.bar.what = order or 'ordinary'
        metric = CollectScores()
        videos = Subset(dataset, numbers.tolist())
        videos.metainfo = dataset.metainfo
        loader = Runner.build_dataloader(dict(self.loader, dataset=videos))
        self.runner._test_loop = TestLoop(
            self.runner, loader, Evaluator([metric]), **{
                k: v
                for k, v in (self.runner.cfg.get('test_cfg') or {}).items()
                if k == 'fp16'
            })
        self.runner.test()
        scores = np.stack([score for score, _ in metric.kept])
        several = any(label.size > 1 for _, label in metric.kept)
        unreadable = self.listed.read()
        read = np.array([self.path(n) not in unreadable for n in numbers])
        if not read.any():
            path, reason = next(iter(unreadable.items()))
            raise ValueError(f'None of the {len(numbers)} videos could be '
                             f'read; the first is {path}: {reason}.')
        truth = np.stack([label for _, label in metric.kept])
        if not several:
            if truth.min() < 0 or truth.max() >= scores.shape[1]:
                raise ValueError(
                    f'The test videos have labels from {truth.min()} to '
                    f'{truth.max()}, the model has the classes 0 to '
                    f'{scores.shape[1] - 1}.')
            truth = np.eye(scores.shape[1])[truth[:, 0]]
        scores = probabilities(scores[read], several)
        return Tested(
            Answers(scores, truth[read] > 0, several), numbers[read],
            unreadable)


def write_report(config: Union[str, Path, Config],
                 checkpoint: str,
                 out: Union[str, Path],
                 labels: Union[str, Path, Sequence[str], None] = None,
                 device: str = 'auto',
                 compare: Optional[Compared] = None,
                 errors: int = 12,
                 time_videos: int = 1000,
                 metric: str = '') -> Path:
    """Test a model and write what came out as one page of HTML.

    The page needs nothing besides itself. The model is tested three times by
    stock testing: on the test videos of its config, and on ``time_videos`` of
    them with shuffled and reversed frames.

    Args:
        config: A config of videos. If one in memory is not what its file
            says, it is written beside the page, for the commands there.
        checkpoint: Path, or address, of a checkpoint.
        out: The page.
        labels: Names of the classes, or a file with one per line.
        device: Such as ``cpu``; ``auto`` is a GPU if there is one.
        compare: Others, by name, to stand beside the model: figures from 0
            to 1, or answers to all test videos in their order.
        errors: Mistakes that are shown at most.
        time_videos: Videos that are read in another order at most.
        metric: What of them is compared, one of
            ``mmdualpath.analysis.scores.METRICS``; by default top-1, or mean
            average precision where a video may have several labels.

    Returns:
        Where the page is.

    Raises:
        ValueError: If an argument is not as described, the config tests no
            list of labelled videos, or none of them can be read.
    """
    out = Path(out)
    if out.is_dir():
        raise ValueError(f'out={out} is a folder; name a file in it.')
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise ValueError(f'There is no checkpoint {checkpoint}.')
    try:
        device == 'auto' or torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f'device={device!r}: {error}') from None
    for name, value in (compare or {}).items():
        if not isinstance(value, Answers) and not 0 <= value <= 1:
            raise ValueError(f'compare: {name}={value} is no figure from 0 '
                             'to 1.')
    if metric not in ('', *METRICS):
        raise ValueError(f'metric={metric!r} is none of {", ".join(METRICS)}.')
    for name, number in dict(errors=errors, time_videos=time_videos).items():
        if number < 0:
            raise ValueError(f'{name}={number} is less than 0.')
    cfg = config if isinstance(config, Config) else Config.fromfile(config)
    names = _names(labels)

    with tempfile.TemporaryDirectory() as folder:
        with Progress() as progress:
            tester = Tester(cfg, checkpoint, device, Path(folder), progress)
            tested = tester.test()
            classes = tested.answers.scores.shape[1]
            if names is None:
                names = [f'class {i}' for i in range(classes)]
            if len(names) != classes:
                raise ValueError(f'{len(names)} labels were given, but the '
                                 f'model has {classes} classes.')
            others = _same_videos(compare or {}, tester, tested)
            orders = _orders(tester, tested, time_videos)
        mistakes = _mistakes(tester, tested, names, errors)

    page = Page(
        title=Path(cfg.filename or 'model').stem,
        checkpoint=Path(checkpoint).name,
        ann_file=str(
            next(_data_sets(cfg.test_dataloader.dataset)).get('ann_file')),
        names=names,
        answers=tested.answers,
        unreadable=tested.unreadable,
        orders=orders,
        compare=others,
        metric=metric,
        mistakes=mistakes,
        commands=_commands(
            _config_file(cfg, out), checkpoint, out, labels,
            tester.path(tested.numbers[0])),
        written=f'{datetime.date.today():%d %B %Y}, mmdualpath {__version__}')
    with whole_file(out) as part:
        part.write_text(render(page), encoding='utf-8')
    return out


def _names(
        labels: Union[str, Path, Sequence[str], None]) -> Optional[List[str]]:
    if isinstance(labels, (str, Path)):
        return read_names(Path(labels))
    return None if labels is None else [str(name) for name in labels]


def _same_videos(compare: Compared, tester: Tester,
                 tested: Tested) -> Compared:
    """What is compared, answers being of the videos that could be read.

    Raises:
        ValueError: If they are of other videos.
    """
    others = dict(compare)
    for name, value in compare.items():
        if not isinstance(value, Answers):
            continue
        if len(value) == len(tester.dataset):
            others[name] = value.subset(tested.numbers)
        if not np.array_equal(others[name].truth, tested.answers.truth):
            raise ValueError(f'compare: {name} does not answer the '
                             f'{len(tester.dataset)} test videos.')
    return others


def _orders(tester: Tester, tested: Tested, most: int) -> Dict[str, Answers]:
    """Answers of some videos by the order of their frames."""
    numbers, total = tested.numbers, len(tested.numbers)
    if not most:
        return {}
    draw = np.random.default_rng(0)
    keep = np.sort(draw.permutation(total)[:most])
    answers = {'ordinary': tested.answers.subset(keep)}
    for order in ORDERS:
        again = tester.test(order, numbers[keep])
        if len(again.numbers) != len(keep):
            raise ValueError('Videos that could be read before cannot be read '
                             f'any more: {again.unreadable}.')
        answers[order] = again.answers
    return answers


def _mistakes(tester: Tester, tested: Tested, names: Sequence[str],
              most: int) -> List[Mistake]:
    """The most confident mistakes, with pictures."""
    answers, model = tested.answers, tester.runner.model
    found = []
    numbers, confidences = answers.errors()
    chosen = list(zip(numbers[:most], confidences[:most]))
    for i, confidence in track(chosen, 'mistakes') if chosen else ():
        number = int(tested.numbers[i])
        path = tester.path(number)
        with torch.no_grad():
            inputs = model.data_preprocessor(
                pseudo_collate([tester.dataset[number]]))['inputs']
        scores = answers.scores[i]
        best = np.argsort(-scores, kind='stable')[:3]
        true = np.flatnonzero(answers.truth[i])
        shown = [*best, *(t for t in true if t not in best)]
        found.append(
            Mistake(
                path=path,
                confidence=float(confidence),
                truth=[names[t] for t in true],
                predictions=[(names[k], float(scores[k]),
                              bool(answers.truth[i, k])) for k in shown],
                video=thumbnail(open_video(path)),
                sheets=what_is_read(model, inputs, tester.clip_len)))
    return found


def _config_file(cfg: Config, out: Path) -> Path:
    """A file that says what a config does, written if there is none."""
    file = Path(cfg.filename or '')
    if file.is_file() and \
            Config.fromfile(file).to_dict() == cfg.to_dict():
        return file
    file = out.with_name(f'{out.stem}_config.py')
    file.parent.mkdir(parents=True, exist_ok=True)
    cfg.dump(file)
    return file


def _commands(config: Path, checkpoint: str, out: Path,
              labels: Union[str, Path, Sequence[str],
                            None], video: str) -> List[Tuple[str, str]]:
    """What to type, by what it does, in the folder of this process."""
    tools = TOOLS if (TOOLS / 'report.py').is_file() else INSTALLED_TOOLS
    named = ['--labels', str(labels)] if isinstance(labels,
                                                    (str, Path)) else []
    config, checkpoint = str(config), str(checkpoint)
    both = [config, checkpoint]
    lines = {
        'train it again': ('train.py', config),
        'test it': ('test.py', *both),
        'predict a video, or a folder of them':
        ('predict.py', video, '--config', config, '--checkpoint', checkpoint,
         *named),
        'export it for a runtime without PyTorch':
        ('export.py', *both, '--format', 'onnx', '--out',
         str(out.with_name(f'{out.stem}_export'))),
        'write this page again':
        ('report.py', *both, '--out', str(out), *named),
    }
    return [(what, shlex.join(['python',
                               str(tools / program), *words]))
            for what, (program, *words) in lines.items()]
