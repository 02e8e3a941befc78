"""What was checked, in words."""
from typing import Any, Dict, List, Mapping, Sequence

NOT_RUN = 'not yet run'
OUTCOMES = ('passed', 'failed', 'skipped', 'not run')


def counts(notes: Mapping[str, Mapping[str, Any]]) -> Dict[str, int]:
    """How many tests of a part ended how."""
    found = dict.fromkeys(OUTCOMES, 0)
    for note in notes.values():
        found[note['outcome']] += 1
    return found


def checks_table(content: Mapping[str, Any]) -> List[List[str]]:
    """A row for each part."""
    rows = [['part', 'shows', *OUTCOMES, 's'], ['---'] * (len(OUTCOMES) + 3)]
    for name, part in content['checks'].items():
        if 'reason' in part:
            rows.append([name, part['title'], NOT_RUN, '', '', '', ''])
            continue
        rows.append([
            name, part['title'], *map(str,
                                      counts(part['tests']).values()),
            f'{part["seconds"]:.0f}'
        ])
    return rows


def failures_table(content: Mapping[str, Any]) -> List[List[str]]:
    """What failed, and why."""
    rows = [['failed', 'says'], ['---', '---']]
    for part in content['checks'].values():
        for name, note in part.get('tests', {}).items():
            if note['outcome'] == 'failed':
                says = note['message'].replace('|', r'\|')
                rows.append([f'`{name}`', says])
    return rows


def targets_table(content: Mapping[str, Any]) -> List[List[str]]:
    """What is aimed at, and what was measured."""
    rows = [['target', 'measured'], ['---', '---']]
    for title, target in content['targets'].items():
        value = target['value']
        rows.append([
            title, NOT_RUN if value is None else
            f'{value:.3g}{"" if target["met"] else ": not met"}'
        ])
    return rows


def memory_table(content: Mapping[str, Any]) -> List[List[str]]:
    """Memory of the steps of each config."""
    rows = [['config', 'MiB, 2 clips under AMP'], ['---', '---']]
    tests = content['checks'].get('configs', {}).get('tests', {})
    for name, note in sorted(tests.items()):
        if 'MiB' in note.get('figures', {}):
            config = name.partition('[')[2].partition('-cuda')[0]
            rows.append([config, f'{note["figures"]["MiB"]:.0f}'])
    return rows


def sections(content: Mapping[str, Any],
             whole: bool) -> List[Sequence[Sequence[str]]]:
    """All tables that have rows.

    Args:
        content: Of the JSON file.
        whole: Whether with the memory of each config.
    """
    tables = [
        checks_table(content),
        failures_table(content),
        targets_table(content)
    ]
    if whole:
        tables.append(memory_table(content))
    return [table for table in tables if len(table) > 2]
