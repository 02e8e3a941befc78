"""The plan adds up, and says where each figure is from."""
import argparse
from pathlib import Path

import helpers
import pytest
import tiny_training

tool = helpers.load_tool('plan.py')


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / 'videos').mkdir()
    tiny_training.write_videos(tmp_path / 'videos', 3)
    return tmp_path


def run(folder: Path, *args: str) -> str:
    cfg = tiny_training.make_config(folder)
    return tool.main([
        cfg.filename,
        str(folder / 'videos'), '--repeats', '1', '--cores', '2', *args
    ])


def test_everything_is_measured(folder):
    text = run(folder, '--trials', '1')
    lines = text.splitlines()
    assert '3 of 3 videos' in lines[0]
    assert len(lines) < 25 and max(map(len, lines[1:])) < 120
    label = {line.split(' ')[0] for line in lines[1:] if line}
    assert label == {'measured', 'so', 'model', 'given', 'guess'}
    assert 'measured, ' in next(i for i in lines if i.startswith('model'))
    for name in tool.TRIALS:
        assert sum(name in line for line in lines) == 3
    assert not list((folder / 'videos').glob('*.part'))


def test_a_given_step_needs_no_model(folder, monkeypatch):
    monkeypatch.setattr(tool, 'step_time', None)
    text = run(folder, '--step', '0.5', '--trials', '0', '--gpus', '4')
    assert 'given: 0.5 s for a step of 2' in text
    assert '2 cores, 4 devices, 3 clips' in text
    assert 'JPEG' not in text


@pytest.mark.parametrize('rate, cores, needed, epoch, limit', [
    (100., 4, '2.5 cores', '10.0 s', 'the model'),
    (100., 2, '2.5 cores', '12.5 s', 'reading'),
])
def test_what_limits(tmp_path, rate, cores, needed, epoch, limit):
    """25 ms a clip is 40 clips/s a core."""
    (tmp_path / 'a.mp4').write_bytes(b'0' * 1000)
    args = argparse.Namespace(
        config='c', videos=tmp_path, cores=cores, gpus=1, clips=1000)
    text = tool.plan(args, [tmp_path / 'a.mp4'], (20., 5., 3.),
                     {'again': (5., 5., 3e6)}, rate, 'given', 1)
    line = next(i for i in text.splitlines() if 'as they are' in i)
    assert all(part in line for part in (needed, epoch, limit))
    assert '40.0 clips/s a core in training' in text
    assert '1 cores a device; epoch 10.0 s, limited by the model' in text
    assert 'again: 3 GB' in text


def test_wrong_arguments(tmp_path):
    for args in (['no.py',
                  str(tmp_path)], ['no.py',
                                   str(tmp_path), '--cores', '0']):
        with pytest.raises(SystemExit):
            tool.main(args)
