"""The tables of configs: the papers' figures and what was measured.

They are docs/results.md, those in the README.md of configs/ and of each folder
in it, and docs/tradeoff/*.json; tools/tables.py writes them.

What the papers print stands in configs/papers.yml, row by row; a config says
its own target in the line "# paper: ..." at its head. Parameters are counted.
What was measured is the ``Results`` of a config's entry in its metafile,
which tools/publish_model.py writes; what has none says so.
"""
import json
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Tuple

import yaml

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
START, END = '<!-- configs -->\n', '<!-- end of configs -->\n'
POINTS = dict(k400='Table 1', ssv2='Table 2')  # of DualPath, for docs/tradeoff
TITLE = """# Results

Written by `python tools/tables.py` from `configs/papers.yml`: every row
of every table of the four papers, and of the tables of models that AIM's and
ZeroI2V's authors publish, with the config that runs it, or why it is only
quoted. Figures in the columns "paper" are the papers', accuracy being top-1 /
top-5 and GFLOPs those of all test views; "measured here" is what was trained
and tested with this package and released; everything else is "not yet run".
Parameters and multiply-adds: `python tools/complexity.py CONFIG`; the READMEs
of [configs](../configs) have the parameters of all.
"""


@lru_cache(maxsize=None)
def configs() -> Dict[str, Path]:
    """All configs that are no base, by name."""
    return {
        path.stem: path
        for path in sorted(CONFIGS.rglob('*.py'))
        if '_base_' not in path.relative_to(CONFIGS).parts
    }


def papers() -> Tuple[List[Dict[str, Any]], Dict[str, str]]:
    """The papers with their tables, and the reasons for quoting."""
    # As text: 57.70 is printed with its zero.
    text = (CONFIGS / 'papers.yml').read_text()
    content = yaml.load(text, yaml.BaseLoader)
    return content['papers'], content['reasons']


def rows() -> List[Dict[str, Any]]:
    """All rows of all tables, with the names of paper and table.

    Figures are text as it is printed, ``options`` are values.
    """
    return [
        dict(
            row,
            paper=paper['paper'],
            table=table['table'],
            options={
                name: yaml.safe_load(value)
                for name, value in row.get('options', {}).items()
            }) for paper in papers()[0] for table in paper['tables']
        for row in table['rows']
    ]


def head(config: Path) -> List[str]:
    """The comment a config begins with, without its hashes."""
    lines = config.read_text().split('\n')
    end = next(i for i, line in enumerate(lines) if not line.startswith('#'))
    return [line[2:] for line in lines[:end]]


def command(config: Path) -> str:
    """The command at the head of a config."""
    text = '\n'.join(head(config))
    return re.match(r'(?:.*\\\n)*.*', text).group().replace('\\\n    ', '')


def target(config: Path) -> str:
    """The paper's figure at the head of a config."""
    text = '\n'.join(head(config))
    found = re.search(r'^paper: (.+(?:\n {2}.+)*)', text, re.M)
    return re.sub(r'\s+', ' ', found.group(1))


def measured() -> Dict[str, str]:
    """Results of the metafiles by config, as text."""
    found = {}
    for path in sorted(CONFIGS.rglob('metafile.yml')):
        for model in yaml.safe_load(path.read_text())['Models']:
            metrics = [
                f'{value} {name}' for result in model.get('Results') or []
                for name, value in result['Metrics'].items()
            ]
            if metrics:
                found[model['Name']] = ', '.join(metrics)
    return found


@lru_cache(maxsize=None)
def counted(config: Path, macs: bool = False) -> Dict[str, int]:
    """Parameters of a config's model, ``trainable`` and ``total``.

    Args:
        config: Its path.
        macs: Whether to count ``macs``, multiply-adds of all test views.
    """
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    import mmdualpath  # noqa: F401
    from mmdualpath.analysis import complexity
    from mmdualpath.analysis.structure import build_structure
    cfg = Config.fromfile(config)
    init_default_scope(cfg.default_scope)
    model = build_structure(cfg.model)
    counts = dict(complexity.count_params(model))
    if macs:
        _, clips, crops, _ = complexity.test_views(cfg)
        parts = complexity.count_macs(model, complexity.view_of(cfg))
        counts['macs'] = clips * crops * sum(
            sum(part.values()) for part in parts.values())
    return counts


def millions(config: Path) -> str:
    """Parameters of a config's model, trainable / all."""
    counts = counted(config)
    return f'{counts["trainable"] / 1e6:.2f} / {counts["total"] / 1e6:.2f}'


def line(*cells: Any) -> str:
    """A line of a table; what is None stays empty."""
    return '| ' + ' | '.join('' if c is None else str(c) for c in cells) + ' |'


def result_row(row: Dict[str, Any], found: Dict[str, str],
               reasons: Dict[str, str]) -> str:
    """A row of a table in docs/results.md."""
    accuracy = ' / '.join(row[k] for k in ('top1', 'top5') if k in row)
    figure = ', '.join(filter(None, (accuracy, row.get('figure'))))
    trainable = row.get('trainable', row.get('total'))
    if 'config' in row:
        path = configs()[row['config']].relative_to(ROOT)
        where = f'[{row["config"]}](../{path})'
        for name, value in row.get('options', {}).items():
            where += f' `{name}={value}`'
        state = found.get(row['config'], 'not yet run')
        if row.get('options'):
            state = 'not yet run'
    else:
        reason = reasons.get(row['quoted'], row['quoted'])
        where, state = f'quoted only: {reason}', '-'
    return line(row['row'], row.get('views'), figure or '-', trainable,
                row.get('gflops'), where, state)


def results() -> str:
    """docs/results.md."""
    found = measured()
    content, reasons = papers()
    text = TITLE
    for paper in content:
        text += f'\n## {paper["paper"]}\n\n{paper["title"]}, {paper["url"]}\n'
        for table in paper['tables']:
            text += f'\n### {table["table"]}: {table["title"]}\n\n'
            if 'note' in table:
                text += f'{table["note"]}\n\n'
            text += line('row', 'views', 'paper', 'paper: M trainable',
                         'paper: GFLOPs', 'config', 'measured here') + '\n'
            text += line(*['---'] * 7) + '\n'
            text += ''.join(
                result_row(row, found, reasons) + '\n'
                for row in table['rows'])
    listed = {row.get('config') for row in rows()}
    text += '\n## In no table\n\n'
    text += line('config', 'paper', 'measured here') + '\n'
    text += line(*['---'] * 3) + '\n'
    for name, path in configs().items():
        if name not in listed:
            text += line(f'[{name}](../{path.relative_to(ROOT)})',
                         target(path), found.get(name, 'not yet run')) + '\n'
    return text


def readme(folder: Path) -> str:
    """The README of a folder of configs, with its table anew."""
    text = (folder / 'README.md').read_text()
    before, after = text.split(START)[0], text.split(END)[1]
    table = line('config', 'paper', 'M trainable / all', 'command') + '\n'
    table += line(*['---'] * 4) + '\n'
    for name, path in configs().items():
        if path.parent == folder:
            table += line(f'[{name}]({path.name})', target(path),
                          millions(path), f'`{command(path)}`') + '\n'
    return before + START + table + END + after


def points(data: str) -> str:
    """Rows of a data set for tools/plot_tradeoff.py.

    Those of DualPath's table, and of the tables of models that others publish;
    where one prints no trainable parameters or GFLOPs, those of the config.
    """
    found = [
        r for r in rows() if (r['paper'], r['table']) ==
        ('DualPath', POINTS[data]) and 'gflops' in r or r['table'] == 'Models'
        and 'views' in r and r.get('config', '').endswith(f'_{data}')
    ]
    for r in found:
        if r['table'] == 'Models':
            r['row'] = f'{r["paper"]} {r["row"].split(",")[0]}'
    often = Counter(r['row'] for r in found)
    lines = []
    for r in found:
        frames = r['views'].split('x')[0]
        name = r['row'] + (f', {frames} f' if often[r['row']] > 1 else '')
        own = {} if 'trainable' in r and 'gflops' in r else \
            counted(configs()[r['config']], macs='gflops' not in r)
        trainable = int(r['trainable']) * 10**6 if 'trainable' in r else \
            own['trainable']
        macs = int(r['gflops']) * 10**9 if 'gflops' in r else \
            round(own['macs'], -9)
        lines.append('  ' + json.dumps(
            dict(
                name=name,
                source='paper',
                trainable=trainable,
                macs=macs,
                accuracy=float(r['top1']))))
    return '[\n' + ',\n'.join(lines) + '\n]\n'


def pages() -> Dict[Path, str]:
    """All files that are written from papers, configs and metafiles."""
    written = {ROOT / 'docs/results.md': results()}
    for path in sorted(CONFIGS.rglob('README.md')):
        written[path] = readme(path.parent)
    for data in POINTS:
        written[ROOT / f'docs/tradeoff/{data}.json'] = points(data)
    return written
