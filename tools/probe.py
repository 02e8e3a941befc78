"""Train one head with several learning rates and weight decays at once.

    python tools/probe.py configs/probes/probe_vitb_ssv2.py \\
        --cfg-options model.backbone.cache=work_dirs/features

All heads read the same features in one training, each with its own gradient
and schedule; the config says the rest. At the end stand a table and a plot of
what each reaches in validation, and the best as a checkpoint of the config's
own model.
"""
import argparse
import itertools
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmaction.registry import METRICS
from mmengine.config import Config, DictAction
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdualpath.apis.programs import program
from mmdualpath.fileio import whole_file
from mmdualpath.models.heads.grid import SCORES

# Those of V-JEPA 2's probes.
RATES = (5e-3, 3e-3, 1e-3, 3e-4, 1e-4)
DECAYS = (0.01, 0.1, 0.4, 0.8)


class OfHead(BaseMetric):
    """A metric of the scores of one of several heads.

    Args:
        number: Which head.
        cfg: Config of the metric.
    """

    def __init__(self, number: int, cfg: Dict[str, Any]) -> None:
        super().__init__()
        self.number = number
        self.metric = METRICS.build(cfg)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Hand the samples on with the scores of the head."""
        samples = []
        for sample in data_samples:
            scores = sample[SCORES][self.number]
            samples.append(
                dict(
                    sample,
                    pred_score=scores,
                    pred_label=scores.argmax(-1, keepdim=True)))
        self.metric.process(data_batch, samples)

    def evaluate(self, size: int) -> Dict[str, float]:
        """Figures of the head, with its number in front."""
        return {
            f'{self.number}/{name}': value
            for name, value in self.metric.evaluate(size).items()
        }

    def compute_metrics(self, results: list) -> dict:
        """Not called: the metric itself does."""
        raise NotImplementedError


class KeepHook(Hook):
    """Keeps the figures of the last validation."""

    def __init__(self) -> None:
        self.metrics: Dict[str, float] = {}

    def after_val_epoch(self,
                        runner: Runner,
                        metrics: Optional[Dict[str, float]] = None) -> None:
        """Keep them."""
        self.metrics = dict(metrics or {})


def grid_of(cfg: Config, pairs: Sequence[Tuple[float, float]]) -> Config:
    """A config whose model has a head for each pair.

    Raises:
        ValueError: If the heads would not be independent.
    """
    if cfg.optim_wrapper.get('clip_grad'):
        raise ValueError('optim_wrapper.clip_grad counts the gradients of '
                         'all heads together: leave it out.')
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.model.cls_head = dict(
        type='HeadGrid', head=cfg.model.cls_head, pairs=[*map(list, pairs)])
    cfg.optim_wrapper.constructor = 'GridConstructor'
    checkpoint = cfg.get('default_hooks', {}).get('checkpoint')
    if checkpoint:
        checkpoint.save_best = None  # there are many
    return cfg


def plot(figures: Sequence[float], pairs: Sequence[Tuple[float, float]],
         name: str) -> Figure:
    """A line over the learning rates for each weight decay."""
    figure = Figure(figsize=(6, 4), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for decay in dict.fromkeys(d for _, d in pairs):
        points = sorted(
            (r, v) for (r, d), v in zip(pairs, figures) if d == decay)
        axes.plot(*zip(*points), marker='o', label=f'{decay:g}')
    axes.set(xscale='log', xlabel='learning rate', ylabel=name)
    axes.grid(alpha=.3)
    axes.legend(title='weight decay')
    return figure


def report(figures: Sequence[float], pairs: Sequence[Tuple[float, float]],
           name: str) -> str:
    """A table in markdown, a row for each learning rate."""
    decays = list(dict.fromkeys(d for _, d in pairs))
    found = dict(zip(pairs, figures))
    rows = [[f'{name}, rate', *(f'decay {d:g}' for d in decays)],
            ['---'] * (len(decays) + 1)]
    for rate in dict.fromkeys(r for r, _ in pairs):
        rows.append([f'{rate:g}', *(f'{found[rate, d]:.4f}' for d in decays)])
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def main(args: Optional[Sequence[str]] = None) -> List[float]:
    """Train, and tell what each head reaches."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--rates', nargs='+', type=float, default=RATES)
    parser.add_argument('--decays', nargs='+', type=float, default=DECAYS)
    parser.add_argument('--work-dir', type=Path)
    parser.add_argument('--resume', action='store_true')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args(args)
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    work = args.work_dir or Path('work_dirs', f'{Path(args.config).stem}_grid')
    pairs = list(itertools.product(args.rates, args.decays))
    grid = grid_of(cfg, pairs)
    grid.work_dir, grid.resume = str(work), args.resume
    metrics = cfg.val_evaluator
    metrics = metrics if isinstance(metrics, list) else [metrics]
    runner = Runner.from_cfg(grid)
    runner._val_evaluator = Evaluator(
        [OfHead(i, m) for i in range(len(pairs)) for m in metrics])
    keep = KeepHook()
    runner.register_hook(keep)
    runner.train()
    if not keep.metrics:
        raise ValueError('The config validates nothing: it needs a '
                         'val_dataloader and an epoch of it at the end.')

    name = next(iter(keep.metrics)).partition('/')[2]
    figures = [keep.metrics[f'{i}/{name}'] for i in range(len(pairs))]
    best = max(range(len(pairs)), key=figures.__getitem__)
    model = getattr(runner.model, 'module', runner.model)
    rate, decay = pairs[best]
    with whole_file(work / 'best.pth') as part:
        torch.save(
            dict(
                state_dict=model.cls_head.state_of(best, model.state_dict()),
                meta=dict(
                    lr=rate, weight_decay=decay, **{name: figures[best]})),
            part)
    text = (f'{report(figures, pairs, name)}\n\nThe best on the validation '
            f'set, {name} {figures[best]:.4f}, has rate {rate:g} and decay '
            f'{decay:g}. It is what `{work / "best.pth"}` holds.')
    (work / 'grid.md').write_text(text + '\n')
    plot(figures, pairs, name).savefig(work / 'grid.png', dpi=120)
    print(text)
    return figures


if __name__ == '__main__':
    with program():
        main()
