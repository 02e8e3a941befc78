"""What was measured, kept in a file, and the figures that follow from it."""
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from mmdualpath.fileio import whole_file

MATMUL = 'matrix product'
# Square matrices large enough that the product, not its start, is timed.
MATMUL_SIZE = dict(cpu=1024, cuda=8192)


class Results:
    """The JSON file, written after every turn.

    Args:
        path: Its path.
        settings: How is measured; None reads a file that is there.
        origin: Where the figures come from.
        uses: What the figures of each contestant depend on. Those that
            depend on something that has changed since are forgotten, and
            with a time all: it is compared with others of the same turn.

    Raises:
        ValueError: If the file is of other settings or of another machine, so
            that samples are not comparable.
    """

    def __init__(self,
                 path: Path,
                 settings: Optional[Dict[str, Any]] = None,
                 origin: Optional[Dict[str, Any]] = None,
                 uses: Mapping[str, Sequence[str]] = {}) -> None:
        self.path = path
        now = dict(origin or {}, settings=settings, contestants={})
        self.content = now
        if settings is None or path.is_file():
            self.content = json.loads(path.read_text())
        if settings is not None:
            for key in ('settings', 'machine'):
                if self.content[key] != now[key]:
                    raise ValueError(
                        f'{path} was made with {key} {self.content[key]}, now '
                        f'it is {now[key]}: give another --out.')
            self._forget_changed(now, uses)

    def _forget_changed(self, now: Dict[str, Any],
                        uses: Mapping[str, Sequence[str]]) -> None:
        """Leave what is measured anew; others may have joined, too."""
        before = self.content['depends']
        changed = {
            name
            for name, value in now['depends'].items()
            if before.get(name, value) != value
        }
        self.content['depends'] = {**before, **now['depends']}
        known = self.content['contestants']
        gone = [n for n in known if changed.intersection(uses.get(n, ()))]
        if any(set(known[n]['samples']) - {'memory'} for n in gone):
            gone = list(known)
        for name in gone:
            del known[name]
        if gone:
            commits = (self.content['commit'], now['commit'])
            self.content.update(
                commit=', '.join(dict.fromkeys(commits)), date=now['date'])

    def of(self, name: str) -> Dict[str, Any]:
        """Everything known of a contestant."""
        return self.content['contestants'].setdefault(
            name, dict(samples=defaultdict(list)))

    def samples(self, name: str, measure: str) -> List[float]:
        """All samples of a measure so far."""
        return self.of(name)['samples'].setdefault(measure, [])

    def save(self) -> None:
        """Write the file, or leave the old one whole."""
        with whole_file(self.path) as part:
            part.write_text(json.dumps(self.content, indent=1))


def summary(results: Results) -> List[Dict[str, Any]]:
    """The figures of the table, one row a contestant."""
    content = results.content['contestants']
    rows = []
    product = content.get(MATMUL, dict(samples={}))['samples'].get('seconds')
    settings = results.content['settings']
    rate = product and 2 * MATMUL_SIZE[
        settings['device']]**3 / statistics.median(product)
    for name, known in content.items():
        if name == MATMUL:
            continue
        samples, batch = known['samples'], known.get('batch', {})
        row = dict(
            contestant=name,
            **{
                k: known[k]
                for k in ('macs', 'params', 'trainable', 'error') if k in known
            })
        if samples.get('latency'):
            taken = sorted(samples['latency'])
            row.update(
                latency=statistics.median(taken),
                p95=taken[max(0, -(-95 * len(taken) // 100) - 1)])
        timed = 'throughput' if samples.get('throughput') else 'latency'
        if samples.get(timed):
            per_clip = statistics.median(samples[timed]) / batch[timed]
            row.update(batch=batch[timed], clips=1 / per_clip)
            row['flops'] = 2 * known['macs'] / per_clip
            row['share'] = row['flops'] / rate
        if samples.get('train'):
            per_clip = statistics.median(samples['train']) / batch['train']
            row.update(train_batch=batch['train'], train=per_clip)
            if 'train_flops' in known:
                row['train_share'] = known['train_flops'] / per_clip / rate
        if samples.get('memory'):
            row.update(
                memory=samples['memory'][0], memory_batch=batch['memory'])
        rows.append(row)
    first = next(iter(rows), {})
    for row in rows:
        for key in ('throughput', 'latency', 'train'):
            pair = [
                content[r['contestant']]['samples'].get(key)
                for r in (row, first)
            ]
            if all(pair):
                batches = [
                    content[r['contestant']]['batch'][key]
                    for r in (row, first)
                ]
                # Turn by turn, so that what slows a whole round cancels.
                row[f'{key}_ratio'] = statistics.median(
                    a / b for a, b in zip(*pair)) * batches[1] / batches[0]
        row['time_ratio'] = row.get('throughput_ratio',
                                    row.get('latency_ratio'))
        if 'memory' in row and 'memory' in first:
            row['memory_ratio'] = row['memory'] / first['memory']
    return [{k: v for k, v in row.items() if v is not None} for row in rows]
