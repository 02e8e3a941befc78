"""Train the cells of a grid until their accuracy has stopped rising.

    python tools/miniature/train.py --grid reduced

What has a result is not trained again: the same command goes on where it was
stopped. The result of a training is one JSON file with its learning curve; a
training that fails does not stop the others.
"""
import argparse
import json
import logging
import multiprocessing
import os
import time
import warnings
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import torch
from grid import BACKBONES, CONFIGS, GRIDS, OF_CELL, Cell, Grid, named
from inputs import prepare, prepare_stills, prepared, views_of
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

import mmdualpath  # noqa: F401
from mmdualpath.analysis.complexity import count_macs, count_params, view_of
from mmdualpath.analysis.provenance import commit, machine, stale
from mmdualpath.analysis.structure import build_structure, without_weights
from mmdualpath.apis.programs import program
from mmdualpath.models.weights import convert, read_file, write_checkpoint

Job = Tuple[str, str, Cell, int]  # grid, name, cell, seed
RESULTS = Path(__file__).parents[2] / 'docs/miniature/results.json'


def quiet() -> None:
    """One thread a training, and none of the trainer's lines."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.filterwarnings('ignore')


def write(path: Path, content: Dict[str, Any]) -> None:
    """A whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix('.part')
    draft.write_text(json.dumps(content))
    draft.replace(path)


def pretrain(job: Tuple[str, str]) -> None:
    """Pretrain a backbone on still images, with mmpretrain."""
    grid, backbone = named(job[0]), job[1]
    quiet()
    weights = grid.pretrained(backbone)
    if weights.exists():
        return
    config, images, _ = BACKBONES[backbone]
    cfg = Config.fromfile(CONFIGS / f'miniature/{config}.py')
    for part, split in (('train', 'train'), ('val', 'test'), ('test', 'test')):
        loader = cfg[f'{part}_dataloader']
        loader.num_workers = 0
        loader.dataset.data_prefix = str(grid.data / images / split)
    steps = grid.pretrain
    cfg.train_cfg.update(max_iters=steps, val_interval=steps)
    warmup = min(cfg.param_scheduler[0].end, steps // 2)
    cfg.param_scheduler[0].end = cfg.param_scheduler[1].begin = warmup
    cfg.param_scheduler[1].end = steps
    cfg.default_hooks.checkpoint.interval = steps
    cfg.work_dir = str(grid.work / backbone)
    runner = Runner.from_cfg(cfg)
    runner.train()
    curve = runner.message_hub.get_scalar('val/accuracy/top1').data[0]
    write(weights.with_suffix('.json'), dict(top1=float(curve[-1])))
    content = read_file(grid.work / backbone / f'iter_{steps}.pth')
    tensors = convert(content['state_dict']).tensors
    write_checkpoint(dict(state_dict=tensors), weights)


def configure(cell: Cell, seed: int, grid: Grid) -> Config:
    """The whole config of one training."""
    cfg = cell.resolve()
    init = dict(
        type='Pretrained', checkpoint=str(grid.pretrained(cell.backbone)))
    cfg.model.backbone.backbone.init_cfg = init
    prepared(cfg, cell.frames, grid.data, cell.task)
    cfg.train_cfg.max_iters = grid.steps
    cfg.train_cfg.val_interval = grid.interval
    for hook in cfg.custom_hooks:
        if hook.type == 'EarlyStoppingHook':
            hook.patience = grid.patience
    cfg.default_hooks.checkpoint.update(
        interval=-1, save_last=False, save_best=None)
    # The same steps in one pass over all parameters, not in one of each.
    cfg.optim_wrapper.optimizer.fused = True
    cfg.randomness = dict(seed=seed)
    cfg.work_dir = str(grid.work / 'logs' / f'{cell.digest()}-{seed}')
    return cfg


def matched(cfg: Config) -> float:
    """The amplitude at which a code is as loud as the tokens."""
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    data = DATASETS.build(cfg.train_dataloader.dataset)
    batch = pseudo_collate([data[i] for i in range(min(64, len(data)))])
    with torch.no_grad():
        model(**model.data_preprocessor(batch), mode='tensor')
    return amplitude(model)


def amplitude(model: torch.nn.Module) -> Optional[float]:
    """The amplitude of a model's fixed code."""
    for part in model.modules():
        if hasattr(part, 'amplitude'):
            return float(part.amplitude)
    return None


def counts(cfg: Config) -> Dict[str, float]:
    """Parameters to train and multiply-adds of a clip."""
    init_default_scope(cfg.default_scope)
    model = build_structure(without_weights(cfg.model))
    macs = count_macs(model, view_of(cfg))
    return dict(
        trainable=count_params(model)['trainable'],
        macs=sum(sum(split.values()) for split in macs.values()))


def train(job: Job) -> Dict[str, Any]:
    """Train one cell; its result, which is on disk then."""
    grid, _, cell, seed = named(job[0]), *job[1:]
    quiet()
    known = counts(cell.resolve())
    cfg = configure(cell, seed, grid)
    if cell.match:
        positions = cfg.model.backbone.temporal.adapters.positions
        positions.amplitude = cell.match * matched(cfg)
    runner = Runner.from_cfg(cfg)
    start = time.process_time()
    runner.train()
    result = dict(
        known,
        cell=cell.digest(),
        seed=seed,
        stills=grid.stills(cell.backbone),
        interval=grid.interval,
        curve=[
            round(float(v), 5)
            for v in runner.message_hub.get_scalar('val/acc/top1').data[0]
        ],
        amplitude=amplitude(runner.model),
        seconds=time.process_time() - start,
        commit=commit(),
        cpu=machine()['cpu'])
    write(grid.place(cell, seed), result)
    return result


def attempt(job: Job) -> Tuple[Job, Any]:
    """A training's result, or why it failed; the others go on."""
    try:
        return job, train(job)
    except Exception as error:
        return job, f'{type(error).__name__}: {error}'


def take_over(grid: Grid, known: Path = RESULTS, anew: bool = False) -> int:
    """Results of former runs, on whatever machine, are not trained again.

    Args:
        grid: What is to be trained; only the study has former results.
        known: The figures of the study's page. They count as long as nothing
            that they depend on has changed.
        anew: Whether they are to be trained again after all.

    Returns:
        How many trainings were taken over.

    Raises:
        ValueError: If they are to be trained again and were taken over
            before.
    """
    if not grid.study or not known.exists():
        return 0
    content = json.loads(known.read_text())
    if changed := stale(content):
        print(f'{known.name} is of other {", ".join(changed)}: all is '
              'trained anew.')
        return 0
    count = 0
    for digest, row in content['cells'].items():
        shared = {k: row[k] for k in OF_CELL}
        for seed, result in row['seeds'].items():
            path = grid.work / 'trainings' / f'{digest}-{seed}.json'
            whole = dict(cell=digest, seed=int(seed), **shared, **result)
            if anew and path.exists() and json.loads(
                    path.read_text()) == whole:
                raise ValueError(
                    f'--anew: {path} is what {known.name} has, and would not '
                    f'be trained again. Move {grid.work} away first.')
            if not anew and not path.exists():
                write(path, whole)
                count += 1
    return count


def run(grid: Grid, workers: int) -> None:
    """All trainings of a grid that have no result yet."""
    runs = grid.runs()
    jobs = [(grid.name, *job) for job in runs
            if not grid.place(*job[1:]).exists()]
    context = multiprocessing.get_context('forkserver')
    failed = []
    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    console = Console()
    with context.Pool(
            workers, maxtasksperchild=1) as pool, Progress(
                *columns, console=console) as bar:
        task = bar.add_task(
            f'{len(runs)} trainings',
            total=len(runs),
            completed=len(runs) - len(jobs))
        for job, result in pool.imap_unordered(attempt, jobs):
            bar.advance(task)
            done = int(bar.tasks[0].completed)
            what = result
            if isinstance(result, str):
                failed.append(job[1:])
            else:
                what = (f'{100 * result["curve"][-1]:.1f} after '
                        f'{len(result["curve"]) * grid.interval} steps, '
                        f'{result["seconds"]:.0f} CPU seconds')
            console.print(
                f'{done}/{len(runs)} {job[1]}, seed {job[3]}: {what}; '
                f'left {bar.tasks[0].time_remaining or "?"} s',
                highlight=False)
    if failed:
        raise SystemExit(f'{len(failed)} trainings failed: '
                         f'{[(name, seed) for name, _, seed in failed]}.')


def main() -> None:
    """Prepare inputs and backbones and train what has no result yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--grid', default='reduced', help=', '.join(GRIDS))
    parser.add_argument(
        '--workers',
        type=int,
        default=8 if torch.cuda.is_available() else os.cpu_count(),
        help='trainings at a time')
    parser.add_argument(
        '--tables', nargs='+', default=[], help='only the cells of these')
    parser.add_argument(
        '--anew',
        action='store_true',
        help='also what docs/miniature/results.json already knows')
    args = parser.parse_args()
    grid = named(args.grid).only(args.tables)
    if count := take_over(grid, anew=args.anew):
        print(f'{count} trainings are known from {RESULTS.name}.')
    cells = [cell for _, cell, _ in grid.runs()]
    splits = ('train', 'test')
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['inputs', 'mmdualpath'])
    backbones = sorted({cell.backbone for cell in cells})
    due = [name for name in backbones if not grid.pretrained(name).exists()]
    if due:
        print(f'Pretraining {", ".join(due)}', flush=True)
        prepare_stills(grid.data, dict(zip(splits, grid.images)))
        with context.Pool(args.workers) as pool:
            pool.map(pretrain, [(grid.name, name) for name in due])
    views = {
        view
        for cell in cells
        for view in views_of(cell.resolve(), cell.frames).values()
    }
    prepare(grid.data, views, dict(zip(splits, grid.videos)))
    run(grid, args.workers)


if __name__ == '__main__':
    with program():
        main()
