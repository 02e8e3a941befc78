"""The tool that looks for unreadable videos beforehand."""
import os
import signal
import sys
import time

import pytest
import videos
from helpers import load_tool

from mmdualpath.datasets import checking
from mmdualpath.datasets.bad_videos import BadVideoReport


@pytest.fixture(scope='module')
def tool():
    return load_tool('data/check_videos.py')


def run(tool, monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['tool', *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        tool.main()
    return end.value.code


def test_a_list(tool, tmp_path, monkeypatch, capsys):
    """Everything broken is listed, everything unusual is not."""
    bad = videos.unreadable(tmp_path)
    good = [path for path, _, _ in videos.unusual(tmp_path).values()]
    # a name that a shell would act on
    evil = videos.write(tmp_path / '; touch evil $(touch evil).mp4')
    good.append(evil)
    source = tmp_path / 'list.txt'
    paths = [*good, *bad.values()]
    source.write_text(''.join(f'{p.name} 3\n' for p in paths), 'utf-8')
    monkeypatch.chdir(tmp_path)
    code = run(tool, monkeypatch, source, '--root', tmp_path, '--write-good',
               tmp_path / 'good.txt', '--processes', 2)
    assert code == 1
    assert set(BadVideoReport('bad_videos.tsv').read()) \
        == {str(p) for p in bad.values()}
    assert (tmp_path / 'good.txt').read_text('utf-8') \
        == ''.join(f'{p.name} 3\n' for p in good)
    assert f'{len(bad)} of {len(paths)} videos' in capsys.readouterr().out
    assert not (tmp_path / 'evil').exists()


def test_a_folder(tool, tmp_path, monkeypatch):
    (tmp_path / 'a').mkdir()
    videos.write(tmp_path / 'a' / 'b.mp4')
    (tmp_path / 'notes.md').touch()
    out = tmp_path / 'bad.tsv'
    assert run(tool, monkeypatch, tmp_path, '--out', out, '--frames', 0) == 0
    assert not out.exists()
    (tmp_path / 'c.MP4').touch()
    assert run(tool, monkeypatch, tmp_path, '--out', out) == 1
    assert list(BadVideoReport(out).read()) == [str(tmp_path / 'c.MP4')]


def test_crashes_and_hangs(monkeypatch):
    """The video at fault is named, and those behind it are still read."""

    def look_at(path, frames):
        if path == 'crash':
            os.kill(os.getpid(), signal.SIGSEGV)
        if path == 'hang':
            time.sleep(1000)
        return checking.Look('broken' if path == 'broken' else '')

    monkeypatch.setattr(checking, 'look_at', look_at)
    monkeypatch.setattr(checking, 'CHUNK', 4)
    paths = ['a', 'crash', 'b', 'c', 'hang', 'd', 'broken', 'e', 'crash']
    answers = sorted(checking.check_videos(paths, processes=2, timeout=2))
    assert [p for p, _ in answers] == sorted(paths)
    faults = [(p, look.fault) for p, look in answers if look.fault]
    assert [p for p, _ in faults] == ['broken', 'crash', 'crash', 'hang']
    assert faults[1][1] == 'crashes the decoder (exit status -11)'
    assert 'hangs' in faults[3][1]
