"""The stages from videos to a model, each done once."""
import json
import logging
import os
import shlex
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

from ...analysis import verdict
from ...analysis.scores import Answers, difference, estimate
from ...datasets.transforms.reorder import ORDERS
from ..caching import write_features
from ..report import write_report
from . import balancing, figures, runs, writing
from .backbones import Backbone, find_backbone
from .balancing import WAYS
from .data import Data, find_data
from .recipe import Choice, Facts, Machine, choose, refuse

STAGES = ('look', 'configs', 'probe', 'adapters')
# From here on classes count as being of several sizes.
UNEQUAL = 2.
PROBE = 'the linear probe'
OPTIONS = 'options.json'
WRITTEN = ('train.txt', 'val.txt', 'labels.txt', 'data.py', 'balance.py',
           'linear.py', 'order.py', 'dualpath.py', 'results.json')


def fit(source: Path,
        backbone: str,
        out: Path,
        *,
        val: Optional[Path] = None,
        root: Optional[Path] = None,
        labels: Optional[Path] = None,
        group: str = 'auto',
        val_share: float = 0.2,
        balance: str = 'auto',
        until: str = 'adapters',
        console: Optional[Console] = None,
        **given: Any) -> Dict[str, Any]:
    """Train a model for the videos of a folder or a list.

    A run that was stopped goes on where it was: what is in ``out`` is not
    made again.

    Args:
        source: See :func:`mmdualpath.datasets.collection.read_collection`.
        backbone: See :func:`find_backbone`.
        out: Folder for all that is written.
        val: Another collection, to validate.
        root: What paths of lists begin in.
        labels: File with a name of a class per line, for lists of numbers.
        group: What tells recordings apart, see
            :func:`mmdualpath.datasets.splitting.group_videos`.
        val_share: Of the videos, where the lists do not split them.
        balance: ``none``, ``sampler``, ``loss``, or ``auto`` for what
            :func:`mmdualpath.apis.fit.balancing.decide` finds.
        until: The last of ``STAGES`` to do.
        console: Where to print.
        given: What :func:`mmdualpath.apis.fit.recipe.choose` is to take
            instead of choosing: ``frames``, ``batch_size``, ``epochs``, ...

    Returns:
        What was found, ``results.json``.

    Raises:
        ValueError: If the data, the backbone or an option is not as
            described, or ``out`` was made with other options.
    """
    source, out = Path(source), Path(out)
    # Names of files and classes are no markup.
    console = console or Console(markup=False, emoji=False)
    refuse(given)
    if until not in STAGES:
        raise ValueError(f'until={until!r} is none of {", ".join(STAGES)}.')
    if balance not in ('auto', *WAYS):
        raise ValueError(f'balance={balance!r} is none of auto, '
                         f'{", ".join(WAYS)}.')
    logging.getLogger('mmengine').setLevel(logging.ERROR)
    init_default_scope('mmaction')
    for folder in (source, *([val] if val else [])):
        _refuse_inside(out, Path(folder))
    options = dict(
        given,
        source=os.path.abspath(source),
        backbone=backbone,
        val=val and os.path.abspath(val),
        root=root and os.path.abspath(root),
        labels=labels and os.path.abspath(labels),
        group=group,
        val_share=val_share,
        balance=balance)
    _refuse_others(out, options)
    frozen = find_backbone(backbone) if STAGES.index(until) else None
    data = find_data(
        source, out, val, root, labels, group, val_share, console=console)
    data.show(console)
    fitting = Fitting(data, out, console, balance)
    stages: List[Callable[[], None]] = [
        lambda: fitting.write(source, frozen, given, options), fitting.probe,
        fitting.adapt
    ]
    for stage in stages[:STAGES.index(until)]:
        stage()
    fitting.conclude()
    return fitting.results


def _refuse_inside(out: Path, folder: Path) -> None:
    """Refuse to write among videos.

    Raises:
        ValueError: If ``out`` is a folder of videos or inside one.
    """
    place, folder = out.resolve(), folder.resolve()
    if folder.is_dir() and folder in (place, *place.parents):
        raise ValueError(f'out={out} is inside {folder}, whose folders are '
                         'classes: give another --out.')


def _refuse_others(out: Path, options: Dict[str, Any]) -> None:
    """Refuse to go on in a folder that was made otherwise.

    Raises:
        ValueError: If it was, with the options that differ, or holds files
            of others.
    """
    file = out / OPTIONS
    if not file.is_file():
        there = [n for n in WRITTEN if (out / n).exists()]
        if there:
            raise ValueError(f'{out} holds {", ".join(there)} of something '
                             'else: give another --out.')
        return
    before = runs.kept(file)
    options = _as_written(options)
    other = [
        f'{n} was {before.get(n, "not given")}, is now '
        f'{options.get(n, "not given")}' for n in sorted({*before, *options})
        if before.get(n) != options.get(n)
    ]
    if other:
        raise ValueError(f'{out} was made with other options: '
                         f'{"; ".join(other)}. Give another --out, or change '
                         'its configs and train again by tools/train.py.')


def _as_written(options: Dict[str, Any]) -> Dict[str, Any]:
    """Options that are given, as a file of JSON has them."""
    return json.loads(
        json.dumps({
            k: v
            for k, v in options.items() if v is not None
        }))


class Fitting:
    """A folder of configs, and what was trained of them.

    Args:
        data: What there is to train on.
        out: The folder.
        console: Where to print.
        balance: See :func:`fit`.
    """

    def __init__(self, data: Data, out: Path, console: Console,
                 balance: str) -> None:
        self.data, self.out, self.console = data, out, console
        self.balance = balance
        self.file = out / 'results.json'
        self.results: Dict[str, Any] = dict(
            runs.kept(self.file) if self.file.is_file() else {},
            classes=data.classes,
            train=len(data.train),
            val=len(data.val),
            unreadable=data.unreadable,
            misnamed=data.misnamed)

    @property
    def unequal(self) -> bool:
        """Whether classes are of several sizes."""
        counts = self.data.counts(self.data.train)
        return max(counts) > UNEQUAL * max(1, min(counts))

    @property
    def metrics(self) -> List[str]:
        """What counts, the one that decides first."""
        return figures.metrics_of(self.data.several, self.unequal)

    def config(self, name: str) -> Config:
        """One of the folder's configs."""
        return Config.fromfile(self.out / f'{name}.py')

    # ---- configs ---------------------------------------------------------

    def write(self, source: Path, backbone: Backbone, given: Dict[str, Any],
              options: Dict[str, Any]) -> None:
        """Lists and configs, unless they are there.

        Args:
            source: What a user called the videos.
            backbone: The frozen network.
            given: See :func:`choose`.
            options: All that was given, to compare with later on.

        Raises:
            ValueError: If the lists there are of other videos.
        """
        data, out = self.data, self.out
        numbers = {n: i for i, n in enumerate(data.classes)}
        spaced = any(len(str(v.path).split()) > 1 for v in data.videos)
        delimiter = '\t' if data.several and spaced else ' '
        lists = {
            out / f'{split}.txt':
            writing.list_of([data.videos[i]
                             for i in chosen], data.root, numbers, delimiter)
            for split, chosen in dict(train=data.train, val=data.val).items()
        }
        if (out / 'dualpath.py').is_file():
            for file, text in lists.items():
                if file.read_text(encoding='utf-8') != text:
                    raise ValueError(f'{file} lists other videos than there '
                                     f'are now in {source}: give another '
                                     '--out.')
            self.console.print(f'The configs in {out} are there already.')
            return
        self.console.print(f'Frozen network: {backbone.about}. Trying a '
                           'training step ...')
        facts = Facts.of([data.looks[i] for i in data.train],
                         data.labels(data.train), len(data.classes))
        picked = choose(given, facts, backbone, Machine.here())
        self._show(picked)
        cfg = backbone.config
        runs.keep(out / OPTIONS, _as_written(options))
        for file, text in lists.items():
            writing.write_text(file, text)
        writing.write_text(out / 'labels.txt', '\n'.join(data.classes) + '\n')
        texts = dict(
            data=writing.data_config(picked, str(source), data.classes,
                                     data.root, delimiter, data.several),
            balance=self._balanced('none', 'nothing is measured yet'),
            linear=writing.linear_config(picked, backbone, cfg, data.several),
            order=writing.order_config(cfg),
            dualpath=writing.dualpath_config(picked, backbone, cfg,
                                             data.several))
        self.results['choices'] = {
            n: dict(value=c.value, reason=c.reason)
            for n, c in picked.items()
        }
        runs.keep(self.file, self.results)
        for name, text in texts.items():  # dualpath.py is the last
            writing.write_config(out / f'{name}.py', text)

    def _balanced(self, way: str, reason: str) -> str:
        return writing.balance_config(way, reason,
                                      self.data.counts(self.data.train),
                                      self.data.several)

    def _show(self, picked: Dict[str, Choice]) -> None:
        table = Table(title='Choices', title_justify='left')
        for name in ('option', 'value', 'why'):
            table.add_column(name)
        for name, choice in picked.items():
            table.add_row(name, str(choice.value), choice.reason)
        self.console.print(table)

    # ---- probes ----------------------------------------------------------

    def probe(self) -> None:
        """Features, what to do about small classes, and two probes."""
        features = self.out / 'features'
        write_features(self.config('linear'), features)
        if 'balance' not in self.results:
            way, reason, reached = self._choose_balance(features)
            writing.write_config(self.out / 'balance.py',
                                 self._balanced(way, reason))
            self.results['balance'] = dict(
                way=way, reason=reason, figures=reached)
            runs.keep(self.file, self.results)
        self.console.print(
            'Classes: {way}, {reason}.'.format(**self.results['balance']))
        for name in ('linear', 'order'):
            cfg = self.config(name)
            cfg.model.backbone.cache = str(features)
            self._trained(name, cfg)

    def _choose_balance(self,
                        features: Path) -> Tuple[str, str, Dict[str, float]]:
        """A way, why, and macro-F1 of each that was tried."""
        data = self.data
        if self.balance != 'auto':
            return self.balance, 'as given', {}
        if data.several:
            return 'none', ('for several labels a video nothing else is '
                            'tried'), {}
        counts = data.counts(data.train)
        if not self.unequal:
            return 'none', (f'{min(counts)} to {max(counts)} training videos '
                            'a class are nearly equal'), {}
        found = {}
        for way, answers in balancing.held_out(
                self.config('order'), features / 'train',
                data.labels(data.train), [data.groups[i] for i in data.train],
                counts):
            self.console.print(f'Held-out training videos, {way}: done.')
            found[way] = answers
        return balancing.decide(found, counts, data.counts(data.val))

    def _answers(self,
                 file: str,
                 cfg: Config,
                 checkpoint: Optional[str],
                 order: Optional[str] = None) -> Answers:
        """What a model says of the videos; what is there is read."""
        path = self.out / f'{file}.npz'
        if not path.is_file():
            figures.save(path, runs.predict(cfg, checkpoint, order))
        answers = figures.read(path)
        self.results.setdefault('models', {})[file] = {
            name: estimate(answers, name)._asdict()
            for name in self.metrics
        }
        runs.keep(self.file, self.results)
        return answers

    def _trained(self, name: str, cfg: Config) -> Tuple[str, Answers]:
        """The checkpoint of a model, trained if need be, and its answers."""
        self.results.setdefault('trained', {})
        if name not in self.results['trained']:
            self.console.print(f'Training {name} ...')
            self.results['trained'][name] = runs.train(cfg)
            runs.keep(self.file, self.results)
        checkpoint = self.results['trained'][name]
        return checkpoint, self._answers(f'{name}/as shown', cfg, checkpoint)

    # ---- adapters --------------------------------------------------------

    def adapt(self) -> None:
        """DualPath, with frames as they are and in another order."""
        cfg = self.config('dualpath')
        checkpoint, shown = self._trained('dualpath', cfg)
        others = dict(linear=figures.read(self.out / 'linear/as shown.npz'))
        for order in ORDERS:
            self.console.print(f'Frames {order} ...')
            others[order] = self._answers(f'dualpath/{order}', cfg, checkpoint,
                                          order)
        name = self.metrics[0]
        differences = {
            other: difference(shown, answers, name)
            for other, answers in others.items()
        }
        orders = {order: differences[order] for order in ORDERS}
        self.results['verdict'] = [
            *verdict.on_order(orders, name, len(shown)), *verdict.on_others(
                {PROBE: differences['linear']}, name, len(shown))
        ]
        self.results['differences'] = {
            other: dict(metric=name, **found._asdict())
            for other, found in differences.items()
        }
        runs.keep(self.file, self.results)

    # ---- the end -----------------------------------------------------------

    def conclude(self) -> None:
        """Figures, what they mean, the report, and what to type next."""
        models = self.results.get('models', {})
        if models:
            table = Table(
                title=f'{len(self.data.val)} validation videos',
                title_justify='left')
            table.add_column('model')
            for name in self.metrics:
                table.add_column(name, justify='right')
            for name, reached in models.items():
                table.add_row(
                    name.replace('/', ', '),
                    *('{value:.3f} [{low:.3f}, {high:.3f}]'.format(**found)
                      for found in reached.values()))
            self.console.print(table)
            self.console.print(
                'In brackets: 95 % intervals, Wilson\'s of accuracies, others '
                'from drawing the videos anew.')
        for sentence in self.results.get('verdict', ()):
            self.console.print(sentence)
        checkpoint = self.results.get('trained', {}).get('dualpath')
        if not checkpoint:
            return
        config = self.out / 'dualpath.py'
        self._report(config, checkpoint)
        labels = self.out / 'labels.txt'
        commands: Dict[str, Tuple[Any, ...]] = {
            'train again': ('train.py', config),
            'predict': ('predict.py', 'VIDEO', '--config', config,
                        '--checkpoint', checkpoint, '--labels', labels),
            'export': ('export.py', config, checkpoint, '--labels', labels,
                       '--out', self.out / 'exported'),
        }
        self.console.print()
        for what, (tool, *words) in commands.items():
            command = shlex.join(['python', f'tools/{tool}', *map(str, words)])
            self.console.print(
                f'{what:<12} {command}', soft_wrap=True, highlight=False)

    def _report(self, config: Path, checkpoint: str) -> None:
        """The page, once."""
        page = self.out / 'report.html'
        if not page.is_file():
            write_report(
                config,
                checkpoint,
                page,
                labels=self.out / 'labels.txt',
                compare={
                    PROBE: figures.read(self.out / 'linear/as shown.npz')
                },
                metric=self.metrics[0])
        self.console.print(f'Report: {page}', highlight=False)
