"""Write the tables and figures of the documentation.

    python tools/tables.py            # all pages
    python tools/tables.py --check    # whether they are as they would be

A measured figure stands in a JSON file under docs/ that its command wrote,
with what it depends on. In a page, between comments, stands what is written
from it:

- a table, ``<!-- table of FILE -->`` up to ``<!-- end of table -->``; so do
  tables of the adapters of a module, ``<!-- places of MODULE -->`` and
  ``<!-- options of MODULE -->``, from docstrings and annotations
  (``pip install -e ".[docs]"``);
- a figure, ``<!-- = FILE : KEY : ... : FORMAT -->4.09<!-- / -->``. The keys
  lead to it in the file; ``1/KEY`` is its inverse. FORMAT is Python's. Of a
  config instead of a file there are ``parameters`` (millions, trainable /
  all), ``megabytes`` (of a checkpoint in float32) and ``gmacs`` (10^9
  multiply-adds of one view, as tools/complexity.py counts them).

FILE is relative to the page. A file that is not there has not been run yet.
The tables of configs come from tools/results_table.py. Figures that depend on
something that has changed since are no longer true: they are named, with the
command that measures them again.
"""
import argparse
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping

import complexity
import option_tables
import results_table
from benchmarks import tables

from mmdualpath.analysis.provenance import stale
from mmdualpath.apis.programs import program

ROOT = Path(__file__).parents[1]
NOT_RUN = 'not yet run'
TABLE = re.compile(
    r'(<!-- (table|places|options) of (\S+) -->\n).*?(<!-- end of table -->)',
    re.DOTALL)
FIGURE = re.compile(r'(<!-- = ([^>]*?) -->)[^<]*(<!-- / -->)')


def measured(root: Path) -> Dict[Path, Mapping[str, Any]]:
    """The files of measured figures."""
    found = {
        path: json.loads(path.read_text())
        for path in sorted((root / 'docs').rglob('*.json'))
    }
    return {
        path: content
        for path, content in found.items() if 'depends' in content
    }


def outdated(root: Path) -> List[str]:
    """What to measure again, and why."""
    return [
        f'{path.relative_to(root)}: {", ".join(changed)} changed since it '
        f'was measured. Measure it again:\n    {content["command"]}'
        for path, content in measured(root).items()
        for changed in [stale(content)] if changed
    ]


def figures(path: Path, name: str) -> Mapping[str, Any]:
    """The figures of a file by name, or the one of a config."""
    if path.suffix != '.py':
        return tables.figures(path)
    of_config = dict(
        parameters=lambda: results_table.millions(path),
        megabytes=lambda: 4e-6 * results_table.counted(path)['trainable'],
        gmacs=lambda: 1e-9 * complexity.complexity(str(path))['macs_per_view'])
    return {n: get() if n == name else None for n, get in of_config.items()}


def figure(path: Path, keys: List[str], form: str) -> str:
    """One figure as text.

    Raises:
        ValueError: If the file has no such figure.
    """
    if not path.is_file():
        return NOT_RUN
    value: Any = figures(path, keys[0])
    for key in keys:
        inverse, _, name = key.rpartition('1/')
        name = key if inverse else name
        if not isinstance(value, Mapping) or name not in value:
            there = ', '.join(map(str, value)) if isinstance(
                value, Mapping) else value
            raise ValueError(f'{path.name} : {" : ".join(keys)}: there is no '
                             f'{name!r} in {there}.')
        value = 1 / value[name] if name != key else value[name]
    return format(value, form)


def filled(page: Path, text: str) -> str:
    """A page with its tables and figures.

    Args:
        page: Its path, from which it names files.
        text: What it says now.

    Raises:
        ValueError: If there is no such figure, or if its comment begins a
            line, which in markdown ends a paragraph.
    """
    begins = re.search(r'^ {0,3}<!-- = .*', text, re.M)
    if begins:
        raise ValueError(f'{page.name}: no line may begin with {begins[0]}')

    def as_table(found: re.Match) -> str:
        _, kind, name, end = found.groups()
        path = page.parent / name
        if kind in option_tables.TABLES:
            text = option_tables.TABLES[kind](name)
        else:
            text = tables.table(path) if path.is_file() else 'Not yet run.\n'
        return f'{found[1]}\n{text}\n{end}'

    def as_figure(found: re.Match) -> str:
        name, *keys = (part.strip() for part in found[2].split(' : '))
        form = keys.pop() if len(keys) > 1 else ''
        path = Path(os.path.normpath(page.parent / name))
        return found[1] + figure(path, keys, form) + found[3]

    return FIGURE.sub(as_figure, TABLE.sub(as_table, text))


def texts(root: Path) -> List[Path]:
    """The pages that have tables and figures."""
    return [root / 'README.md', *sorted(root.glob('docs/**/*.md'))]


def pages(root: Path) -> Dict[Path, str]:
    """All pages as they should be, by path."""
    written = {page: filled(page, page.read_text()) for page in texts(root)}
    if root == results_table.ROOT:
        written.update(results_table.pages())
    return written


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing')
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # what random weights are, at length
    differ = {
        path: text
        for path, text in pages(ROOT).items() if path.read_text() != text
    }
    for path, text in differ.items():
        print(('Differs: ' if args.check else 'Wrote ') +
              str(path.relative_to(ROOT)))
        if not args.check:
            path.write_text(text)
    old = outdated(ROOT)
    print('\n'.join(old))
    sys.exit(bool(old or (args.check and differ)))


if __name__ == '__main__':
    with program():
        main()
