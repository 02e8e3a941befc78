"""Whether everything runs, is right and is fast on this machine's GPU.

    bash tools/check_gpu.sh [--minutes 9] [--fresh]

Runs the tests that are marked ``gpu``, several processes at once, the
quickstart, and then, alone, what fills the tables of docs/benchmarks.md. All
is noted when it ends: run the command again to go on where it stopped. What
was found is written to docs/benchmarks/gpu.json, and python tools/tables.py
puts it into the pages. Without a GPU the same tests run on the CPU, as far as
they can, and nothing in docs/ is written.
"""
import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import torch
from benchmarks.tables import as_table, described, figures
from checks import page
from checks.parts import QUICKSTART, ROOT, SPEED, TARGETS, TESTS
from checks.recorder import read
from rich.console import Console

from mmdualpath.analysis.provenance import commit, provenance
from mmdualpath.apis.programs import program
from mmdualpath.fileio import whole_file

# Of the time, what the tests may take; what is left is for measuring.
SHARE_OF_TESTS = 0.58
console = Console(stderr=True)


@dataclass
class Job:
    """A command that runs beside others.

    Attributes:
        part: Which part it belongs to.
        record: What it notes, if it is a test.
        process: The command.
        start: When it began.
        seconds: How long it took, if it has ended.
    """
    part: str
    record: Path
    process: subprocess.Popen
    start: float
    seconds: Optional[float] = None


def started(command: Sequence[str], log: Path, **env: str) -> subprocess.Popen:
    """Start a command in a group of its own; its output goes to a file."""
    paths = [str(ROOT), str(ROOT / 'tools'), os.environ.get('PYTHONPATH', '')]
    with open(log, 'w') as file:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(
                os.environ,
                OMP_NUM_THREADS='1',
                PYTHONPATH=os.pathsep.join(filter(None, paths)),
                **env))


def ended(jobs: Sequence[Job], limit: float) -> None:
    """Wait for jobs, tell how far they are, and end them at a time limit.

    Args:
        jobs: All that run.
        limit: Of ``time.monotonic``.
    """
    told = 0.
    while any(job.seconds is None for job in jobs):
        now = time.monotonic()
        for job in jobs:
            if job.seconds is None and job.process.poll() is not None:
                job.seconds = now - job.start
            elif job.seconds is None and now > limit:
                os.killpg(job.process.pid, signal.SIGTERM)
                job.process.wait()
                job.seconds = now - job.start
        if now - told > 10:
            told = now
            console.print(', '.join(
                f'{name} {progress([j for j in jobs if j.part == name])}'
                for name in dict.fromkeys(j.part for j in jobs)))
        time.sleep(0.5)


def progress(jobs: Sequence[Job]) -> str:
    """How many tests of a part have ended."""
    notes = {k: v for job in jobs for k, v in read(job.record).items()}
    left = page.counts(notes)['not run']
    running = any(job.seconds is None for job in jobs)
    return f'{len(notes) - left}/{len(notes)}' + ('' if running else ' ended')


def run_tests(device: str, folder: Path, limit: float) -> Dict[str, Any]:
    """All parts that are tests, at the same time."""
    jobs = []
    for name, part in TESTS.items():
        shares = part.shares if device == 'cuda' else 1
        chosen = ['-m', 'gpu'] if device == 'cuda' else [
            '-m', 'not gpu', '-k', 'cpu or single_precision or one_kernel'
        ]
        for number in range(shares):
            record = folder / f'{name}-{number}.jsonl'
            command = [
                sys.executable, '-m', 'pytest', '-q', '-p', 'checks.recorder',
                '-p', 'no:cacheprovider', f'--record={record}',
                f'--share={number}/{shares}', *chosen, *part.files
            ]
            log = record.with_suffix('.log')
            jobs.append(
                Job(name, record, started(command, log), time.monotonic()))
    if device == 'cuda':
        record = folder / 'quickstart-0.jsonl'
        process = started(
            shlex.split(QUICKSTART), record.with_suffix('.log'), AS_IT_IS='1')
        jobs.append(Job('quickstart', record, process, time.monotonic()))
    ended(jobs, limit)
    checks = {
        name:
        dict(
            title=part.title,
            seconds=max(j.seconds for j in jobs if j.part == name),
            tests={
                k: v
                for j in jobs if j.part == name for k, v in noted(j).items()
            })
        for name, part in TESTS.items()
    }
    return dict(
        checks,
        quickstart=quickstart([j for j in jobs if j.part == 'quickstart']))


def noted(job: Job) -> Dict[str, Any]:
    """The notes of a job; without any, that it failed to begin."""
    notes = read(job.record)
    if notes or job.process.returncode in (0, 5):  # 5: no test is left
        return notes
    log = job.record.with_suffix('.log')
    return {
        job.record.stem:
        dict(outcome='failed', message=end_of(log) or 'it did not begin')
    }


def end_of(log: Path) -> str:
    """The last words of what a command has said, in one line."""
    return ' '.join(log.read_text().split())[-300:]


def quickstart(jobs: Sequence[Job]) -> Dict[str, Any]:
    """What became of the quickstart."""
    title = 'the quickstart from nothing to the end'
    if not jobs:
        return dict(title=title, reason='no GPU')
    code, log = jobs[0].process.returncode, jobs[0].record.with_suffix('.log')
    outcome = {0: 'passed', -signal.SIGTERM: 'not run'}.get(code, 'failed')
    note = dict(outcome=outcome, message=end_of(log))
    return dict(title=title, seconds=jobs[0].seconds, tests={QUICKSTART: note})


def measure(folder: Path, limit: float) -> Dict[str, Any]:
    """Fill the tables of speed and memory, one after the other."""
    start, notes = time.monotonic(), {}
    for name, (models, options) in SPEED.items():
        out = ROOT / 'docs/benchmarks' / f'{name}.json'
        command = [
            sys.executable, 'tools/benchmark.py', 'models', *models,
            '--device', 'cuda', *options, '--out',
            str(out.relative_to(ROOT))
        ]
        text = f'python {shlex.join(command[1:])}'
        if time.monotonic() > limit:
            notes[text] = dict(outcome='not run')
            continue
        console.print(f'measuring {name}')
        log = folder / f'{name}.log'
        job = Job(name, log, started(command, log), time.monotonic())
        while job.process.poll() is None and time.monotonic() < limit:
            time.sleep(0.5)
        if job.process.poll() is None:
            os.killpg(job.process.pid, signal.SIGTERM)
            job.process.wait()
        code = job.process.returncode
        outcome = {0: 'passed', -signal.SIGTERM: 'not run'}.get(code, 'failed')
        notes[text] = dict(outcome=outcome, message=end_of(log))
    return dict(
        title='the tables of speed and memory',
        seconds=time.monotonic() - start,
        tests=notes)


def targets(measured: Path) -> Dict[str, Any]:
    """What is aimed at, from the files that are there.

    Args:
        measured: Their folder.
    """
    found = {}
    for target in TARGETS:
        path, value = measured / f'{target.file}.json', None
        if path.is_file():
            try:
                value = target.value(figures(path))
            except KeyError:  # not measured to the end
                value = None
        met = value is not None and (value <= target.limit if target.at_most
                                     else value >= target.limit)
        found[str(target)] = dict(value=value, met=met)
    return found


def write(path: Path, device: str, checks: Mapping[str,
                                                   Any]) -> Dict[str, Any]:
    """Write the JSON file."""
    content = dict(
        provenance('bash tools/check_gpu.sh', [], device),
        checks=checks,
        targets=targets(ROOT / 'docs/benchmarks'))
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1))
    return content


def main(args: Optional[List[str]] = None) -> bool:
    """Check, and say whether nothing failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        '--minutes', type=float, default=9, help='all that it may take')
    parser.add_argument(
        '--fresh', action='store_true', help='forget what has passed before')
    args = parser.parse_args(args)
    start, limit = time.monotonic(), 60 * args.minutes
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    name = commit()
    folder = ROOT / 'work_dirs/check_gpu' / f'{device}-{name}'
    if args.fresh or 'dirty' in name or name == 'unknown':
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    out = ROOT / ('docs/benchmarks/gpu.json'
                  if device == 'cuda' else 'work_dirs/check_gpu/cpu.json')
    if device == 'cpu':
        console.print('There is no GPU here: what can be checked runs on the '
                      'CPU, the rest is not run.')
        checks = run_tests(device, folder, start + limit)
        checks['speed'] = dict(
            title='the tables of speed and memory', reason='no GPU')
    else:
        checks = run_tests(device, folder, start + SHARE_OF_TESTS * limit)
        write(out, device, checks)  # should measuring be killed
        checks['speed'] = measure(folder, start + 0.97 * limit)
    content = write(out, device, checks)
    text = '\n'.join(map(as_table, page.sections(content, whole=False)))
    print(described(content, text))
    print(f'Written to {out.relative_to(ROOT)}; logs are in '
          f'{folder.relative_to(ROOT)}.')
    return not any(
        page.counts(part.get('tests', {}))['failed']
        for part in checks.values())


if __name__ == '__main__':
    with program():
        sys.exit(not main())
