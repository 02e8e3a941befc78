"""A mistake ends a program with one message."""
import os
import re
import subprocess
import sys

import pytest
import tiny_training
import torch
from helpers import ROOT
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import HOOKS
from torch.utils.data import DataLoader

from mmdualpath.apis.programs import program


def end_of(work, monkeypatch, *arguments) -> str:
    """What a program ends with that is given these arguments."""
    monkeypatch.setattr(sys, 'argv', ['tool', *arguments])
    with pytest.raises(SystemExit) as end, program():
        work()
    return end.value.code


def raises(error):

    def work():
        raise error

    return work


class Broken(torch.utils.data.Dataset):

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise ValueError('clip_len=3: give an even one.')


@pytest.mark.parametrize('work, message', [
    (raises(ValueError('width=0')), 'width=0'),
    (raises(FileNotFoundError(2, 'No such file',
                              'a.pth')), "[Errno 2] No such file: 'a.pth'"),
    (raises(AssertionError('`--amp` is not supported')),
     '`--amp` is not supported'),
    (lambda: torch.optim.SGD(lrr=3),
     "SGD.__init__() got an unexpected keyword argument 'lrr'"),
    (lambda: MODELS.build(dict(type='DualPaht')),
     'There is no DualPaht among the "model" types of mmaction: did you mean '
     'DualPath?'),
    (lambda: HOOKS.build(dict(type='BadVideosHook', _scope_='mmengine')),
     'There is no BadVideosHook among the "hook" types of mmengine: did you '
     'mean BadVideoHook?'),
    (lambda: MODELS.build({}),
     '`cfg` or `default_args` must contain the key "type", but got {}\nNone'),
    (lambda: Config.fromfile(ROOT / 'README.md'),
     'Only py/yml/yaml/json type are supported now!'),
    (lambda: next(iter(DataLoader(Broken(), num_workers=1))),
     'clip_len=3: give an even one.'),
])
def test_mistakes_are_one_message(work, message, monkeypatch):
    # Without the log file of a run before.
    monkeypatch.setattr(MMLogger, '_instance_dict',
                        type(MMLogger._instance_dict)())
    assert end_of(work, monkeypatch) == f'{message}\n(--trace shows where.)'
    monkeypatch.setattr(sys, 'argv', ['tool', 'a', '--trace', '-b'])
    with pytest.raises(Exception) as error, program():
        assert sys.argv == ['tool', 'a', '-b']
        work()
    assert not isinstance(error.value, SystemExit)


@pytest.mark.parametrize('error', [
    RuntimeError('out of memory'),
    KeyError('inputs'),
    TypeError('unsupported operand'),
    AssertionError()
])
def test_other_errors_keep_their_trace(error):
    with pytest.raises(type(error)), program():
        raise error


def test_a_log_file_has_the_trace(monkeypatch, tmp_path):
    """A training that ends in the night is told from it."""
    monkeypatch.setattr(MMLogger, '_instance_dict',
                        MMLogger._instance_dict.copy())
    log = tmp_path / 'run.log'
    logger = MMLogger.get_instance('test', log_file=str(log))
    try:
        said = end_of(raises(ValueError('NaN')), monkeypatch)
    finally:
        for handler in logger.handlers:
            handler.close()
    assert said == f'NaN\n(The trace is in {log}.)'
    assert re.search(r'Traceback.*in work\n.*ValueError: NaN', log.read_text(),
                     re.DOTALL)


@pytest.mark.parametrize('rank, waits', [(None, []), ('0', []), ('3', [30])])
def test_the_first_process_of_a_machine_speaks(rank, waits, monkeypatch):
    """A launcher ends the others while they wait."""
    waited = []
    monkeypatch.setattr('time.sleep', waited.append)
    monkeypatch.delenv('LOCAL_RANK', raising=False)
    if rank:
        monkeypatch.setenv('LOCAL_RANK', rank)
    assert end_of(raises(ValueError('x')), monkeypatch).startswith('x')
    assert waited == waits


@pytest.mark.parametrize('name', [
    'dualpath_vitb_ssv2', 'dualpath_vitb_ssv2.py',
    '_base_/schedules/adamw_cosine'
])
def test_bases_of_this_package(name, tmp_path):
    """They are what they are by path, without a scope of their own."""
    path = tmp_path / 'config.py'
    path.write_text(f"_base_ = ['mmdualpath::{name}']\nnew = 3")
    with program():
        cfg = Config.fromfile(path)
    expected = Config.fromfile(ROOT / 'configs' /
                               f'{name.removesuffix(".py")}.py')
    expected.new = 3
    assert cfg.to_dict() == expected.to_dict()
    with pytest.raises((ValueError, AssertionError)):
        Config.fromfile(path)  # MMEngine is as it was


def test_a_base_that_is_not_there(tmp_path, monkeypatch):
    path = tmp_path / 'config.py'
    path.write_text("_base_ = 'mmdualpath::dualpath_vitb_ssv'")
    said = end_of(lambda: Config.fromfile(path), monkeypatch)
    assert 'mmdualpath::dualpath_vitb_ssv in' in said
    assert 'did you mean dualpath_vitb_ssv2 or' in said


def test_bases_of_other_packages(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text("_base_ = 'mmaction::_base_/models/tsn_r50.py'")
    with program():
        assert Config.fromfile(path).model.type == 'Recognizer2D'


@pytest.mark.parametrize('tool', ['train', 'test'])
def test_the_doors(tool, tmp_path):
    """No trace on the screen, one message at the end, and status 1."""
    tiny_training.write_videos(tmp_path)
    cfg = tiny_training.make_config(tmp_path)
    command = [
        sys.executable, '-W', 'ignore', ROOT / 'tools' / f'{tool}.py',
        cfg.filename, *(['none.pth'] if tool == 'test' else []),
        '--cfg-options', 'model.backbone.spatial.adapters.0.widht=3'
    ]
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    for trace in (False, True):
        run = subprocess.run(
            command + ['--trace'] * trace,
            env=env,
            capture_output=True,
            text=True)
        assert run.returncode == 1
        assert ('Traceback' in run.stdout + run.stderr) == trace
        lines = run.stderr.strip().splitlines()
        message = lines[-1 if trace else -2]
        assert 'ParallelAdapter has no option widht: did you mean width?' \
            in message
