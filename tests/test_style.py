"""Style and imports, as setup.cfg has them."""
import subprocess
import sys

import pytest
import yaml
from helpers import ROOT

FOLDERS = ('mmdualpath', 'tools', 'tests', 'configs')
CHECKS = {
    'isort': ['--check-only', '--diff'],
    'yapf': ['--diff', '--recursive', '--parallel'],
    'flake8': []
}


@pytest.mark.parametrize('tool', CHECKS)
def test_style(tool):
    result = subprocess.run(
        [sys.executable, '-m', tool, *CHECKS[tool], *FOLDERS],
        cwd=ROOT,
        capture_output=True,
        text=True)
    assert not result.returncode, result.stdout + result.stderr


def test_pre_commit_runs_the_same():
    content = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())
    hooks = [h for repo in content['repos'] for h in repo['hooks']]
    assert [h['entry'].split()[2] for h in hooks] == list(CHECKS)
