"""The notebooks run, and are kept with what came out."""
import os
import re
import sys
from pathlib import Path

import nbformat
import pages
import pytest
from helpers import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted(ROOT.glob('docs/*.ipynb'))
PICTURES = ('image/png', 'image/jpeg')


def outputs(notebook: nbformat.NotebookNode):
    """Texts, and kinds of pictures, of each cell of code."""
    cells = [c for c in notebook.cells if c.cell_type == 'code']
    for cell in cells:
        text = ''.join(
            out.get('text', '') + out.get('data', {}).get('text/plain', '')
            for out in cell.outputs)
        kinds = [k for out in cell.outputs for k in out.get('data', {})]
        yield text, sorted(set(kinds) & set(PICTURES))


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_it_is_kept_with_what_came_out(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [c for c in notebook.cells if c.cell_type == 'code']
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    kept = path.read_text()
    assert not re.search(r'"output_type": "error"|site-packages', kept)
    assert str(ROOT) not in kept and 'Warning' not in kept
    assert path.stat().st_size < 1e6


@pytest.mark.slow
@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    """In a copy of the checkout, with as much to show for it."""
    checkout = pages.copy_checkout(tmp_path / 'checkout')
    programs = str(Path(sys.executable).parent)
    monkeypatch.setenv('PATH', os.pathsep.join([programs, os.environ['PATH']]))
    monkeypatch.setenv('PYTHONPATH', str(checkout))
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    notebook = nbformat.read(path, as_version=4)
    kept = list(outputs(notebook))
    NotebookClient(
        notebook,
        timeout=900,
        resources=dict(metadata=dict(path=checkout / 'docs'))).execute()
    for (before, drawn), (now, pictures) in zip(kept, outputs(notebook)):
        assert pictures == drawn
        assert bool(now) == bool(before), now
    text = ''.join(now for now, _ in outputs(notebook))
    accuracies = [float(a) for a in re.findall(r'acc/top1: ([\d.]+)', text)]
    assert accuracies[-1] > 0.8
    if 'shuffled' in text:  # of two motions each, one is the other backwards
        right, mixed, count = map(
            int,
            re.search(r'in order (\d+), shuffled (\d+) of (\d+)',
                      text).groups())
        assert right > 0.8 * count and mixed < 0.6 * count
