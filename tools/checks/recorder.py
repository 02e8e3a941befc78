"""A plugin of pytest that notes each test when it ends.

    python -m pytest -p checks.recorder --record FILE --share 0/4

What a file says has passed is not run again; of four runs with shares 0/4 to
3/4 each takes its fourth of the tests.
"""
import json
from pathlib import Path
from typing import Any, Dict, List

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options above."""
    parser.addoption('--record', type=Path, required=True)
    parser.addoption('--share', default='0/1')


def pytest_configure(config: pytest.Config) -> None:
    """Start noting."""
    config.pluginmanager.register(Recorder(config.getoption('--record')))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config,
                                  items: List[pytest.Item]) -> None:
    """Leave what is another's share, and what has passed."""
    path = config.getoption('--record')
    number, count = map(int, config.getoption('--share').split('/'))
    own = items[number::count]
    passed = {
        name
        for name, note in read(path).items() if note['outcome'] == 'passed'
    }
    _write(path, dict(planned=[item.nodeid for item in own]))
    items[:] = [item for item in own if item.nodeid not in passed]


class Recorder:
    """Appends a line to a file for each test.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the test itself, and what goes wrong around it."""
        if report.when != 'call' and report.passed:
            return
        message = ''
        if report.failed:
            crash = getattr(report.longrepr, 'reprcrash', None)
            text = crash.message if crash else str(report.longrepr)
            message = ' '.join(text.split())[:300]
        _write(
            self.path,
            dict(
                test=report.nodeid,
                outcome=report.outcome,
                seconds=round(report.duration, 2),
                message=message,
                figures=dict(report.user_properties)))


def _write(path: Path, note: Dict[str, Any]) -> None:
    with open(path, 'a') as file:
        file.write(json.dumps(note) + '\n')


def read(path: Path) -> Dict[str, Dict[str, Any]]:
    """The last note of each test, ``not run`` of those that have none."""
    notes: Dict[str, Dict[str, Any]] = {}
    lines = path.read_text().splitlines() if path.is_file() else []
    for note in map(json.loads, lines):
        for name in note.get('planned', ()):
            notes.setdefault(name, dict(outcome='not run'))
        if 'test' in note:
            notes[note.pop('test')] = note
    return notes
