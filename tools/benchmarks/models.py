"""Models side by side.

All run in one process, and in every round each contestant has one turn, so
that a machine that drifts is fair to all; a matrix product takes part as the
yardstick. Measured are clips/s, latency at batch 1, the time of a training
step and peak memory. All is kept in the JSON file after every turn: run the
same command again to go on where it stopped. A table is written beside it.
Weights are random; no file of weights is read.
"""
import argparse
import ctypes
import shlex
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence

import torch
from rich.console import Console
from rich.progress import track

from mmdualpath.analysis.provenance import provenance
from .contestants import CONTESTANTS, MODES, Entry
from .results import MATMUL, MATMUL_SIZE, Results
from .tables import markdown

DTYPES = dict(fp32=torch.float32, fp16=torch.float16, bf16=torch.bfloat16)
MEASURES = ('latency', 'throughput', 'train', 'memory')
# What other processes take of a core is not in CPU time.
CLOCKS = dict(wall=time.perf_counter, cpu=time.process_time)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line of ``models`` takes."""
    parser.add_argument(
        'contestants', nargs='*', help='all of: ' + '; '.join(CONTESTANTS))
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--device', choices=MATMUL_SIZE, default='cpu')
    parser.add_argument('--dtype', choices=DTYPES, default='fp32')
    parser.add_argument('--mode', choices=MODES, default='eager')
    parser.add_argument(
        '--keep-memory',
        action='store_true',
        help='do not give memory back to the system between layers (glibc)')
    parser.add_argument(
        '--clock',
        choices=CLOCKS,
        default='wall',
        help='cpu: of one thread, where other processes disturb')
    parser.add_argument(
        '--measures', nargs='+', choices=MEASURES, default=['latency'])
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument(
        '--repeats', type=int, default=1, help='timed calls in a turn')
    parser.add_argument(
        '--batch',
        type=int,
        help='clips a call; on a GPU by default as many as fit, else 1')
    parser.add_argument(
        '--max-batch', type=int, default=512, help='where the search ends')


def seconds(run: Callable[[], Any], device: str, clock: str) -> float:
    """Time of a call, the device's work included, by one of ``CLOCKS``."""
    if device == 'cuda':
        torch.cuda.synchronize()
    start = CLOCKS[clock]()
    run()
    if device == 'cuda':
        torch.cuda.synchronize()
    return CLOCKS[clock]() - start


def matmul(device: str, dtype: torch.dtype) -> Callable[[], Any]:
    """A product of square matrices."""
    size = MATMUL_SIZE[device]
    a, b = torch.randn(2, size, size, device=device).to(dtype)
    return lambda: a @ b


def largest_batch(make: Callable[[int], Callable], limit: int) -> int:
    """The largest power of two, up to a limit, that fits on the GPU.

    Raises:
        RuntimeError: If not even one clip fits.
    """
    fits = 0
    while 2 * fits <= limit:
        batch = 2 * fits or 1
        try:
            make(batch)()
            torch.cuda.synchronize()
        except torch.cuda.OutOfMemoryError:
            break
        finally:
            torch.cuda.empty_cache()
        fits = batch
    if not fits:
        raise RuntimeError('Not even one clip fits.')
    return fits


def take_turns(results: Results, names: Sequence[str], measures: Sequence[str],
               rounds: int, repeats: int, batch: Optional[int],
               limit: int) -> None:
    """Fill in all samples that are missing, a turn of each in a round.

    Args:
        results: Where they are kept.
        names: Contestants.
        measures: Some of ``MEASURES``.
        rounds: Turns of each contestant.
        repeats: Timed calls in a turn; of them one sample each is kept.
        batch: Clips of throughput, training and memory; None searches for
            the largest that fits.
        limit: Where that search ends.
    """
    settings = results.content['settings']
    device, mode = settings['device'], settings['mode']
    clock = settings['clock']
    dtype = DTYPES[settings['dtype']]
    entries: Dict[str, Entry] = {}
    product = matmul(device, dtype)
    for number in range(rounds):
        due = [
            n for n in names if 'error' not in results.of(n) and any(
                missing(results, n, m, (number + 1) * repeats)
                for m in measures)
        ]
        for name in track(
                due,
                f'round {number + 1} of {rounds}',
                console=Console(stderr=True)):
            known = results.of(name)
            try:
                if name not in entries:
                    entries[name] = Entry(CONTESTANTS[name], device, dtype,
                                          mode)
                    known.update(entries[name].counts())
                _turn(results, name, entries[name], measures,
                      (number + 1) * repeats, batch, limit)
            except (RuntimeError, ValueError) as error:
                known['error'] = str(error).splitlines()[0]
            results.samples(MATMUL, 'seconds').extend(
                seconds(product, device, clock) for _ in range(5))
            if device == 'cuda':
                torch.cuda.empty_cache()
            results.save()


def missing(results: Results, name: str, measure: str, wanted: int) -> int:
    """Samples of a measure that a contestant still owes."""
    if measure in ('train', 'memory') and CONTESTANTS[name].bare:
        return 0  # nothing in it trains
    wanted = 1 if measure == 'memory' else wanted  # it does not vary
    return max(0, wanted - len(results.samples(name, measure)))


def _turn(results: Results, name: str, entry: Entry, measures: Sequence[str],
          wanted: int, batch: Optional[int], limit: int) -> None:
    known, device = results.of(name), entry.device
    clock = results.content['settings']['clock']
    batches = known.setdefault('batch', {})
    for measure in measures:
        due = missing(results, name, measure, wanted)
        if not due:
            continue
        taken = results.samples(name, measure)
        make = entry.training if measure in ('train',
                                             'memory') else entry.inference
        if measure not in batches:
            batches[measure] = 1 if measure == 'latency' else \
                batch or largest_batch(make, limit)
        if measure == 'memory':
            taken.append(entry.memory(batches[measure]))
            continue
        run = make(batches[measure])
        if (device, entry.mode) != ('cpu', 'eager') \
                or measure not in entry.warm:
            run()  # compiles, allocates, warms the caches
            entry.warm.add(measure)
        taken.extend(seconds(run, device, clock) for _ in range(due))


def keep_memory() -> None:
    """Let glibc keep what tensors leave, whatever their size.

    Raises:
        ValueError: If the C library is another one.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        raise ValueError('--keep-memory: this C library has no mallopt.')
    most = 2**31 - 1
    for option, value in ((-4, 0), (-1, most), (-2, 2**29)):
        mallopt(option, value)  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD


def main(args: argparse.Namespace) -> str:
    """Measure, and give the table."""
    unknown = set(args.contestants) - set(CONTESTANTS)
    if unknown:
        raise ValueError(f'{", ".join(sorted(unknown))}: there are '
                         f'{"; ".join(CONTESTANTS)}.')
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise ValueError('--device cuda: there is no GPU here.')
    if args.device == 'cpu' and args.mode == 'graphs':
        raise ValueError('--mode graphs: CUDA graphs need --device cuda.')
    batch = args.batch or (1 if args.device == 'cpu' else None)
    if args.device == 'cuda' and args.clock == 'cpu':
        raise ValueError('--clock cpu: the work of a GPU is not in it.')
    if args.clock == 'cpu':
        torch.set_num_threads(1)
    if args.keep_memory:
        keep_memory()
    names = args.contestants or list(CONTESTANTS)
    results = Results(
        args.out,
        dict(
            device=args.device,
            dtype=args.dtype,
            mode=args.mode,
            clock=args.clock,
            **(dict(memory='kept') if args.keep_memory else {})),
        provenance(f'python tools/benchmark.py {shlex.join(sys.argv[1:])}',
                   sorted({d
                           for n in names
                           for d in CONTESTANTS[n].depends}), args.device), {
                               n: contestant.depends
                               for n, contestant in CONTESTANTS.items()
                           })
    take_turns(results, names, args.measures, args.rounds, args.repeats, batch,
               args.max_batch)
    results.save()
    text = markdown(results)
    args.out.with_suffix('.md').write_text(text)
    return text
