"""Trainings that are killed and resumed, and disks that are full."""
import contextlib
import ctypes
import errno
import os
import random
import resource
import signal
import time
from pathlib import Path
from typing import Callable
from unittest.mock import MagicMock

import engine_runs
import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.registry import HOOKS

from mmdualpath.datasets import ReliableVideoDataset
from mmdualpath.fileio import WholeFileBackend, whole_file

STEPS = 8


@pytest.fixture(scope='module')
def cfg(tmp_path_factory):
    cfg = engine_runs.config(tmp_path_factory.mktemp('kills'))
    # what the main process draws, beside what the loader draws
    cfg.model.data_preprocessor.blending = dict(
        type='MixupBlending', num_classes=2, alpha=0.8)
    return cfg


@pytest.fixture(scope='module')
def whole(cfg, tmp_path_factory):
    """An uninterrupted run."""
    return engine_runs.run(cfg, tmp_path_factory.mktemp('whole'))


def same(got: dict, expected: dict) -> None:
    assert engine_runs.last_of_each(got['notes']) == expected['notes']
    for name, value in expected['model'].items():
        assert torch.equal(got['model'][name], value), name


def resumable(work: Path) -> bool:
    """What ``--resume`` finds is a whole checkpoint; True if there is one."""
    pointer = work / 'last_checkpoint'
    if not pointer.exists():
        return False
    state = torch.load(pointer.read_text(), weights_only=True)
    assert state['state_dict'] and state['optimizer']
    return True


def killed_at(step: int):
    """Kill the process by SIGKILL after some steps of it."""

    def before(runner):
        train_step = runner.model.train_step
        left = [step]

        def counted(*args, **kwargs):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return train_step(*args, **kwargs)

        runner.model.train_step = counted

    return before


def test_the_run_draws_everything_anew(whole):
    """Otherwise equal runs would prove nothing."""
    assert len({n['pixels'] for n in whole['notes']}) == STEPS
    first, second = whole['notes'][:4], whole['notes'][4:]
    order = [[v for n in part for v in n['videos']]
             for part in (first, second)]
    assert sorted(order[0]) == sorted(order[1]) and order[0] != order[1]


@pytest.mark.parametrize('step, workers', [(1, 0), (3, 2), (4, 0), (6, 2)])
def test_killed_in_an_epoch(cfg, whole, tmp_path, step, workers):
    """Inside both epochs and between them, with and without workers."""
    options = {
        'train_dataloader.num_workers': workers,
        'train_dataloader.persistent_workers': bool(workers)
    }
    child = engine_runs.started(engine_runs.run, cfg, tmp_path,
                                killed_at(step), **options)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert resumable(tmp_path)
    got = engine_runs.run(cfg, tmp_path, resume=True, **options)
    same(got, whole)
    # no step is lost or done twice: it was saved after each
    assert [n['iter'] for n in got['notes']] == list(range(STEPS))


def test_a_run_without_a_seed(cfg, tmp_path):
    """The seed of the checkpoint, not a new one, orders what is left."""
    expected = engine_runs.run(cfg, tmp_path / 'whole',
                               **{'randomness.seed': None})
    (tmp_path / 'stopped').mkdir()
    saved = tmp_path / 'whole' / 'epoch_1.pth'
    # that run kept its last checkpoint only, so an epoch is made anew
    seed = torch.load(tmp_path / 'whole' / 'epoch_2.pth')['meta']['seed']
    assert not saved.exists()
    child = engine_runs.started(engine_runs.run, cfg, tmp_path / 'stopped',
                                killed_at(6), **{'randomness.seed': seed})
    child.join()
    got = engine_runs.run(
        cfg, tmp_path / 'stopped', resume=True, **{'randomness.seed': None})
    same(got, expected)


@pytest.mark.parametrize('moment', ['write', 'fsync', 'replace', 'removal'])
def test_killed_while_saving(cfg, whole, tmp_path, moment):
    """In the middle of the file, before and after it gets its name."""

    def before(runner):
        left = [9]  # calls before it happens: some checkpoints are there

        def kill(original):

            def call(*args, **kwargs):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*args, **kwargs)

            return call

        if moment == 'write':
            put = WholeFileBackend.put

            def half(self, obj, path):
                left[0] -= 1
                if left[0] < 0:
                    resource.setrlimit(resource.RLIMIT_FSIZE,
                                       (len(obj) // 2, len(obj) // 2))
                    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                return put(self, obj, path)

            WholeFileBackend.put = half
        elif moment == 'removal':
            left[0] = 0
            WholeFileBackend.remove = kill(WholeFileBackend.remove)
        else:
            setattr(os, moment, kill(getattr(os, moment)))

    child = engine_runs.started(engine_runs.run, cfg, tmp_path, before)
    child.join()
    assert child.exitcode in (-signal.SIGKILL, -signal.SIGXFSZ)
    assert resumable(tmp_path)
    same(engine_runs.run(cfg, tmp_path, resume=True), whole)
    assert not list(tmp_path.glob('.*.pth.*'))  # nor is half a file left


def test_killed_at_random_moments(cfg, whole, tmp_path):
    """As often as it takes, with a checkpoint at every step."""
    draw = random.Random(0)
    kills = 0
    for _ in range(12):
        seen = len(engine_runs.read(tmp_path))
        child = engine_runs.started(
            engine_runs.run, cfg, tmp_path, resume=True)
        while child.is_alive() and len(engine_runs.read(tmp_path)) == seen:
            time.sleep(0.002)
        time.sleep(draw.random() * 0.15)  # a step and its checkpoint
        if not child.is_alive():
            break
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        kills += 1
        resumable(tmp_path)
    assert kills > 1
    got = engine_runs.run(cfg, tmp_path, resume=True)
    same(got, whole)
    assert not list(tmp_path.glob('.*.pth.*'))


def test_file_too_large(tmp_path):
    """The error names the file, and what was there before is there."""
    backend = WholeFileBackend()
    path = tmp_path / 'epoch_1.pth'
    backend.put(b'before', path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match='epoch_1.pth.*as it was') as error:
            backend.put(bytes(2000), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno == errno.EFBIG
    assert path.read_bytes() == b'before'
    assert [p.name for p in tmp_path.iterdir()] == ['epoch_1.pth']


def test_links_stay_links(cfg, tmp_path):
    """Of checkpoints and of the pointer: what they lead to is written."""
    work, disk = tmp_path / 'work', tmp_path / 'disk'
    work.mkdir()
    disk.mkdir()
    names = ('inside_epoch.pth', 'epoch_2.pth', 'last_checkpoint')
    for name in names:
        (work / name).symlink_to(disk / name)
    (disk / 'last_checkpoint').write_text('elsewhere')
    engine_runs.run(
        cfg,
        work,
        custom_hooks=[],
        **{'default_hooks.checkpoint.max_keep_ckpts': 2})
    for name in ('epoch_2.pth', 'last_checkpoint'):
        assert (work / name).is_symlink()
        assert not (disk / name).is_symlink()
    assert (disk / 'last_checkpoint').read_text() == str(work / 'epoch_2.pth')
    assert resumable(disk)
    assert not list(tmp_path.rglob('*.part'))


def test_only_the_hook_writes_whole_files(cfg, tmp_path):
    """MMEngine's local files are as they were, also those asked for."""
    assert type(get_file_backend(tmp_path)) is LocalBackend
    for given in (None, dict(backend='local')):
        hook = HOOKS.build(
            dict(type='ReliableCheckpointHook', backend_args=given))
        hook.before_train(MagicMock(work_dir=str(tmp_path)))
        assert type(hook.file_backend) is WholeFileBackend
        assert type(get_file_backend(
            backend_args=hook.backend_args)) is WholeFileBackend


def test_a_file_that_fails_leaves_nothing(tmp_path):
    """An error of the writer itself, and folders that are made."""
    path = tmp_path / 'new' / 'file'
    with pytest.raises(KeyError), whole_file(path) as part:
        part.write_text('half')
        raise KeyError
    assert not list(path.parent.iterdir())
    with whole_file(path) as part:
        part.write_text('whole')
    assert path.read_text() == 'whole'


def small_disk(folder: Path) -> Callable:
    """Mount 3 MB there, seen by this process alone; gives what fills them."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    new_user_and_mounts = 0x10000000 | 0x00020000
    if libc.unshare(new_user_and_mounts):
        raise OSError(ctypes.get_errno(), 'unshare')
    Path('/proc/self/setgroups').write_text('deny')
    Path('/proc/self/uid_map').write_text(f'0 {user} 1')
    Path('/proc/self/gid_map').write_text(f'0 {group} 1')
    if libc.mount(b'none', bytes(folder), b'tmpfs', 0, b'size=3m'):
        raise OSError(ctypes.get_errno(), 'mount')

    def fill() -> None:
        filler = folder / 'filler'
        with contextlib.suppress(OSError), filler.open('wb', 0) as file:
            while True:
                file.write(bytes(4096))

    return fill


def full_device(folder: Path) -> Callable:
    """The same without any privilege: the kernel's device that is full.

    The name a checkpoint is written under leads to it. A checkpoint that is
    written under another name finds room, and the test fails.
    """
    part = folder / f'.inside_epoch.pth.{os.getpid()}.part'
    return lambda: part.symlink_to('/dev/full')


@pytest.mark.parametrize('prepare', [small_disk, full_device])
def test_disk_full(cfg, tmp_path, prepare):
    """After the first checkpoint there is no room for another."""
    work, result = tmp_path / 'work', tmp_path / 'result'
    work.mkdir()

    def child() -> None:
        try:
            fill = prepare(work)
        except OSError as error:
            result.write_text(f'no mount: {error}')
            return

        def before(runner):
            step = runner.model.train_step

            def counted(*args, **kwargs):
                if runner.iter == 1:
                    fill()
                return step(*args, **kwargs)

            runner.model.train_step = counted

        try:
            engine_runs.run(cfg, work, before, custom_hooks=[])
            message = 'it went through'
        except OSError as error:
            message = str(error)
        pointed = (work / 'last_checkpoint').read_text()
        count = torch.load(pointed, weights_only=True)['meta']['iter']
        left = [
            p.name for p in work.iterdir() if p.suffix in ('.pth', '.part')
        ]
        result.write_text(f'{message}\n{left} {count}')

    process = engine_runs.started(child)
    process.join()
    text = result.read_text()
    if text.startswith('no mount'):
        pytest.skip(f'{text}; the other disk is full all the same')
    assert f'No space left on device: {work}/inside_epoch.pth' in text
    assert 'as it was' in text
    assert text.endswith("['inside_epoch.pth'] 1")


def wrapped(cfg, **wrapper):
    """A config whose training data are wrapped."""
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.train_dataloader.dataset = wrapper
    return cfg


@pytest.mark.parametrize('wrapper', ['RepeatDataset', 'ConcatDataset'])
def test_killed_behind_a_wrapper(cfg, tmp_path, wrapper):
    """Half of the videos twice, with their augmentations."""
    dataset = dict(cfg.train_dataloader.dataset, indices=4)
    inner = dict(dataset=dataset, times=2) if wrapper == 'RepeatDataset' \
        else dict(datasets=[dataset, dataset])
    cfg = wrapped(cfg, type=wrapper, **inner)
    expected = engine_runs.run(cfg, tmp_path / 'whole')
    (tmp_path / 'stopped').mkdir()
    child = engine_runs.started(engine_runs.run, cfg, tmp_path / 'stopped',
                                killed_at(5))
    child.join()
    same(engine_runs.run(cfg, tmp_path / 'stopped', resume=True), expected)


@DATASETS.register_module()
class BalancedVideos(ReliableVideoDataset):
    """What ClassBalancedDataset needs."""

    def get_cat_ids(self, index):
        return [self.get_data_info(index)['label']]


@pytest.mark.parametrize('sampler, fits', [('ResumableSampler', False),
                                           ('DefaultSampler', True)])
@pytest.mark.parametrize('outer', [False, True])
def test_a_wrapper_that_loses_the_seed_is_refused(cfg, tmp_path, sampler, fits,
                                                  outer):
    dataset = dict(cfg.train_dataloader.dataset, type='BalancedVideos')
    wrapper = dict(
        type='ClassBalancedDataset', dataset=dataset, oversample_thr=0.1)
    if outer:
        wrapper = dict(type='RepeatDataset', dataset=wrapper, times=1)
    cfg = wrapped(cfg, **wrapper)
    cfg.train_dataloader.sampler = dict(type=sampler)
    cfg.train_cfg.max_epochs = 1
    if fits:
        engine_runs.run(cfg, tmp_path)
    else:
        with pytest.raises(
                ValueError, match='ClassBalancedDataset hands on plain ind'):
            engine_runs.run(cfg, tmp_path)


def test_other_batches_inside_an_epoch_are_refused(cfg, tmp_path):
    child = engine_runs.started(engine_runs.run, cfg, tmp_path, killed_at(3))
    child.join()
    with pytest.raises(ValueError, match='4 batches of 2.*8 of 1 now'):
        engine_runs.run(
            cfg, tmp_path, resume=True, **{'train_dataloader.batch_size': 1})


def test_other_batches_after_an_epoch(cfg, tmp_path):
    """As MMEngine: the next epoch is a whole one."""
    engine_runs.run(cfg, tmp_path, **{'train_cfg.max_epochs': 1})
    got = engine_runs.run(
        cfg, tmp_path, resume=True, **{'train_dataloader.batch_size': 1})
    videos = [v for n in got['notes'][4:] for v in n['videos']]
    assert sorted(videos) == [f'{i}.mp4' for i in range(8)]


def test_nan_never_gets_into_a_checkpoint(cfg, tmp_path):
    """The run stops, names the tensors and the last good checkpoint."""

    def before(runner):
        step = runner.model.train_step

        def poisoned(batch, optim_wrapper):
            if runner.iter == 2:
                batch['inputs'][1] = batch['inputs'][1] * float('nan')
            return step(batch, optim_wrapper)

        runner.model.train_step = poisoned

    with pytest.raises(
            ValueError, match='iteration 3 .*not finite, in .*'
            'inside_epoch.pth'):
        engine_runs.run(cfg, tmp_path, before)
    state = torch.load(tmp_path / 'inside_epoch.pth')
    assert state['meta']['iter'] == 2


def test_the_previous_best_stays_until_the_next_is_written(
        cfg, tmp_path, monkeypatch):
    """Also where several are followed, and the best is not the last."""
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.val_dataloader = cfg.test_dataloader
    cfg.val_evaluator = cfg.test_evaluator
    cfg.val_cfg = dict(type='ValLoop')
    cfg.train_cfg.val_interval = 1
    cfg.train_cfg.max_epochs = 3
    cfg.default_hooks.checkpoint.save_best = 'acc/top1'
    from mmaction.evaluation import AccMetric
    scores = iter([0.5, 0.4, 0.7])
    monkeypatch.setattr(AccMetric, 'compute_metrics',
                        lambda *_: dict(top1=next(scores)))
    put, seen = WholeFileBackend.put, []

    def watched(self, obj, path):
        seen.append(
            (Path(path).name, sorted(p.name for p in tmp_path.glob('best*'))))
        put(self, obj, path)

    monkeypatch.setattr(WholeFileBackend, 'put', watched)
    engine_runs.run(cfg, tmp_path)
    best = 'best_acc_top1_epoch_{}.pth'.format
    assert (best(3), [best(1)]) in seen
    assert [p.name for p in tmp_path.glob('best*')] == [best(3)]


def test_a_negative_interval_is_refused():
    with pytest.raises(ValueError, match='every_n_iters=-1'):
        HOOKS.build(dict(type='ReliableCheckpointHook', every_n_iters=-1))
