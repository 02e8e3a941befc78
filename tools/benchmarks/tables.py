"""The tables of what was measured, in markdown."""
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, Sequence

from checks import page

from .results import MATMUL, MATMUL_SIZE, Results, summary

COLUMNS = {
    'model': '{contestant}',
    'GMACs': '{macs:.1f}',
    'M trainable / all': '{trainable:.1f} / {params:.1f}',
    'batch': '{batch}',
    'clips/s': '{clips:.3g}',
    'time, first = 1': '{time_ratio:.3g}',
    'latency median / p95, ms': '{latency:.0f} / {p95:.0f}',
    'GFLOP/s': '{flops:.0f}',
    'of the matrix rate': '{share:.0%}',
    'training, s a clip (batch)': '{train:.3g} ({train_batch})',
    'training time, first = 1': '{train_ratio:.3g}',
    'training, of the matrix rate': '{train_share:.0%}',
    'training memory, MiB (batch)': '{memory:.0f} ({memory_batch})',
    'memory, first = 1': '{memory_ratio:.3g}'
}
UNITS = dict(
    macs=1e-9,
    params=1e-6,
    trainable=1e-6,
    latency=1e3,
    p95=1e3,
    flops=1e-9,
    memory=2**-20)


def rows_of(results: Results) -> List[Dict[str, Any]]:
    """The figures of the table in its units."""
    return [{
        k: v * UNITS[k] if k in UNITS else v
        for k, v in row.items()
    } for row in summary(results)]


def markdown(results: Results) -> str:
    """The table, with the machine, versions and command above it."""
    rows = []
    for row in rows_of(results):
        cells = []
        for form in COLUMNS.values():
            try:
                cells.append(form.format(**row))
            except KeyError:
                cells.append('-')
        if 'error' in row:
            cells[1] = f'failed: {row["error"]}'
        rows.append(cells)
    # A measure that nobody took has no column.
    keep = [i for i in range(len(COLUMNS)) if any(r[i] != '-' for r in rows)]
    table = [[list(COLUMNS)[i] for i in keep], ['---'] * len(keep)]
    table += [[r[i] for i in keep] for r in rows]
    content = results.content
    device = content['settings']['device']
    extra = {}
    product = content['contestants'].get(MATMUL)
    if product and 'of the matrix rate' in ' '.join(table[0]):
        size = MATMUL_SIZE[device]
        rate = 2e-9 * size**3 / statistics.median(
            product['samples']['seconds'])
        extra['matrix rate'] = f'{rate:.0f} GFLOP/s ({size} x {size})'
    return described(content, as_table(table), **extra)


def described(content: Dict[str, Any], table: str, **extra: Any) -> str:
    """A table with the machine, versions and command above it."""
    about = {**content['machine'], **content.get('settings', {}), **extra}
    told = ', '.join(f'{k} {" and ".join(v) if isinstance(v, list) else v}'
                     for k, v in about.items() if v)
    when = f'{content["date"]}, commit {content["commit"]}'
    return f'`{content["command"]}`\n\n{when}: {told}.\n\n{table}'


def pipeline_table(content: Dict[str, Any]) -> str:
    """The tables of what ``pipeline`` wrote: each video, and means."""
    decoders = content['settings']['decoders']
    ratio = f'{decoders[0]} / {decoders[-1]}'
    header = [
        'video', 'frames', 'MB', 'pipeline',
        *(f'{name}, ms' for name in decoders), ratio, 'largest difference',
        'the rest, ms', 'clips/s a core'
    ]
    rows, groups = [header, ['---'] * len(header)], defaultdict(list)
    for name, video in content['videos'].items():
        for split in ('train', 'test'):
            taken = video[split]
            spent = [taken['decoding'][d] for d in decoders]
            rest = sum(taken['steps'].values())
            kind = name.partition(', as ')[2] or 'as they are'
            groups[kind, split].append((spent[0] / spent[-1], taken['steps']))
            rows.append([
                name, f'{video["frames"]} of {video["shape"][1]}x'
                f'{video["shape"][0]}', f'{video["bytes"] / 1e6:.2f}', split,
                *(f'{t:.1f}' for t in spent), f'{spent[0] / spent[-1]:.2f}',
                str(taken['difference']), f'{rest:.1f}',
                f'{1e3 / (spent[0] + rest):.1f}'
            ])
    header = ['mean over videos', 'pipeline', ratio, 'steps of the rest, ms']
    means = [header, ['---'] * len(header)]
    for (kind, split), taken in groups.items():
        ratios, steps = zip(*taken)
        means.append([
            kind, split, f'{statistics.mean(ratios):.2f}',
            ', '.join(f'{step} {statistics.mean(s[step] for s in steps):.1f}'
                      for step in steps[0])
        ])
    return as_table(rows) + '\n' + as_table(means)


def seeds_table(content: Dict[str, Any]) -> str:
    """The table of ``seeds``: what each seed gave, and the least and mean."""
    seeds = dict(sorted(content['seeds'].items(), key=lambda s: int(s[0])))
    rows = [['top-1, seed', *seeds, 'least', 'mean'],
            ['---'] * (len(seeds) + 3)]
    for name in next(iter(seeds.values())):
        values = [figures[name] for figures in seeds.values()]
        values += [min(values), statistics.mean(values)]
        rows.append([name, *(f'{value:.1f}' for value in values)])
    return as_table(rows)


def predict_table(content: Dict[str, Any]) -> str:
    """The table of ``predict``: medians of the rounds."""
    first = next(iter(content['predict'].values()))['rate']
    rows = [['videos', 'videos/s', 'first = 1', 'seconds', 'CPU seconds'],
            ['---'] * 5]
    for name, row in content['predict'].items():
        rows.append([
            name, f'{row["rate"]:.1f}', f'{row["rate"] / first:.2f}',
            *(f'{statistics.median(row[key]):.1f}' for key in ('wall', 'cpu'))
        ])
    return as_table(rows)


def stream_table(content: Dict[str, Any]) -> str:
    """The table of ``stream hops``: each hop beside the clip."""
    clip = content['hops']['clip']
    rows = [[
        'frames of a hop', 'new spatial frames and framesets', 'GMACs',
        'times fewer', 'CPU time, ms', 'times faster'
    ]]
    rows.append(['---'] * len(rows[0]))
    for hop, taken in content['hops'].items():
        ratios = [f'{taken["fewer"]:.2f}', f'{taken["faster"]:.2f}']
        rows.append([
            'the clip model' if taken is clip else hop,
            ' + '.join(map(str,
                           taken['images'])), f'{1e-9 * taken["macs"]:.1f}',
            ratios[0], f'{1e3 * taken["seconds"]:.0f}', ratios[1]
        ])
    return as_table(rows)


def rows_table(content: Dict[str, Any]) -> str:
    """The table of a file that holds its rows by name."""
    columns = list(
        dict.fromkeys(k for r in content['rows'].values() for k in r))
    rows = [['', *columns], ['---'] * (len(columns) + 1)]
    for name, row in content['rows'].items():
        rows.append(
            [name, *(f'{row[c]:.3g}' if c in row else '-' for c in columns)])
    return as_table(rows)


def as_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as markdown."""
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows)


def table(path: Path) -> str:
    """What stands in a page of a file of figures."""
    content = json.loads(path.read_text())
    if isinstance(content.get('videos'), dict):
        return described(content, pipeline_table(content))
    if 'predict' in content:
        return described(content, predict_table(content))
    if 'hops' in content:
        return described(content, stream_table(content))
    if 'rows' in content:
        return described(content, rows_table(content))
    if 'checks' in content:
        found = page.sections(content, whole=True)
        return described(content, '\n'.join(map(as_table, found)))
    if 'seeds' in content:
        return described(content, seeds_table(content))
    return markdown(Results(path))


def figures(path: Path) -> Dict[str, Any]:
    """The figures of such a file by name, in the units of the tables."""
    content = json.loads(path.read_text())
    if 'contestants' in content:
        return {row['contestant']: row for row in rows_of(Results(path))}
    if not isinstance(content.get('videos'), dict):
        return content
    decoders = content['settings']['decoders']
    found: Dict[str, Any] = defaultdict(lambda: dict(train={}, test={}))
    for name, video in content['videos'].items():
        found[name]['bytes'] = video['bytes']
        for split in ('train', 'test'):
            taken = video[split]
            first, last = (taken['decoding'][decoders[i]] for i in (0, -1))
            rest = sum(taken['steps'].values())
            found[name][split] = dict(
                decoding=first,
                ratio=first / last,
                rest=rest,
                share=rest / first,
                clips=1e3 / (first + rest),
                **taken['steps'])
    for name in content['videos']:
        before = found[name.partition(', as ')[0]]
        found[name]['times bytes'] = found[name]['bytes'] / before['bytes']
        for split in ('train', 'test'):
            now, then = found[name][split], before[split]
            now['times clips'] = now['clips'] / then['clips']
            now['times decoded'] = then['decoding'] / now['decoding']
    for kind in {n.partition(', as ')[2] for n in content['videos']}:
        names = [n for n in found if n.partition(', as ')[2] == kind]
        for split in ('train', 'test'):
            taken = [found[n][split] for n in names]
            found[f'mean as {kind or "they are"}'][split] = {
                key: statistics.mean(t[key] for t in taken)
                for key in taken[0]
            }
    return found
