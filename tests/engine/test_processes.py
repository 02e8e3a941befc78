"""One training in one and in two processes, over gloo."""
import os
import subprocess
import sys
from pathlib import Path

import engine_runs
import numpy as np
import pytest
import torch
from helpers import ROOT
from mmaction.evaluation import AccMetric
from mmengine.config import Config


@pytest.fixture(scope='module')
def cfg(tmp_path_factory):
    """Without dropout, whose draws belong to a process."""
    cfg = engine_runs.config(tmp_path_factory.mktemp('processes'))
    cfg.model.cls_head.dropout = 0.
    return cfg


def test_two_processes_train_like_one(cfg, tmp_path):
    """The same videos, augmentations and losses at a total batch of 4."""
    batch = 'train_dataloader.batch_size'
    one = engine_runs.run(cfg, tmp_path / 'one', **{batch: 4})
    assert engine_runs.together(cfg, tmp_path / 'two', **{batch: 2}) == [0, 0]
    two = engine_runs.read(tmp_path / 'two')
    assert len(one['notes']) == 4 and len(two) == 8
    for note in one['notes']:
        parts = [n for n in two if n['iter'] == note['iter']]
        assert sorted(v for n in parts for v in n['videos']) \
            == sorted(note['videos'])
        loss = np.mean([float.fromhex(n['loss']) for n in parts])
        assert loss == pytest.approx(float.fromhex(note['loss']), rel=1e-4)
    state = torch.load(tmp_path / 'two' / 'epoch_2.pth')['state_dict']
    for name, value in state.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            torch.testing.assert_close(
                value, one['model'][name], rtol=1e-3, atol=1e-4)


def test_two_processes_resume_exactly(cfg, tmp_path):
    """Both die inside an epoch; dropout differs and comes back in each."""
    options = {'model.cls_head.dropout': 0.5}
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    assert engine_runs.together(cfg, whole, **options) == [0, 0]

    def stopping(cfg, work, **more):

        def before(runner):
            step = runner.model.train_step

            def counted(*args, **kwargs):
                if runner.iter == 3:
                    os._exit(9)
                return step(*args, **kwargs)

            runner.model.train_step = counted

        engine_runs.run(cfg, work, before, **more)

    assert engine_runs.together(cfg, parts, stopping, **options) == [9, 9]
    assert engine_runs.together(cfg, parts, resume=True, **options) == [0, 0]
    order = lambda notes: sorted(notes, key=lambda n: (n['iter'], n['rank']))
    assert order(engine_runs.read(parts)) == order(engine_runs.read(whole))


def evaluate(cfg: Config, work: Path, **options) -> None:
    """Test, and note the videos that the metric was given."""
    process, compute = AccMetric.process, AccMetric.compute_metrics
    AccMetric.process = lambda self, batch, samples: (process(
        self, batch, samples), [
            r.update(video=Path(s['filename']).name)
            for r, s in zip(self.results[-len(samples):], samples)
        ])

    def noted(self, results):
        metrics = compute(self, results)
        (work / 'result').write_text(
            f'{sorted(r["video"] for r in results)} {metrics["top1"]:.6f}')
        return metrics

    AccMetric.compute_metrics = noted
    engine_runs.make_runner(cfg, work_dir=str(work), **options).test()


def test_each_video_is_counted_once(cfg, tmp_path):
    """Seven videos, one unreadable, on one and on two processes."""
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    lines = [f'{i}.mp4 {i % 2}\n' for i in range(6)] + ['missing.mp4 1\n']
    (tmp_path / 'seven.txt').write_text(''.join(lines))
    dataset = cfg.test_dataloader.dataset
    dataset.update(
        type='ReliableVideoDataset',
        ann_file=str(tmp_path / 'seven.txt'),
        test_mode=True,
        unreadable='wrong',
        max_bad_share=0.2)
    dataset.pipeline[-1].meta_keys = ('filename', )
    dataset.pipeline.insert(
        3, dict(type='Resize', scale=(32, 32), keep_ratio=False))
    results = []
    for name, launch in (('one', None), ('two', engine_runs.together)):
        work = tmp_path / name
        work.mkdir()
        if launch:
            assert launch(cfg, work, evaluate) == [0, 0]
        else:
            child = engine_runs.started(evaluate, cfg, work)
            child.join()
        results.append((work / 'result').read_text())
        report = (work / 'bad_videos_seven.tsv').read_text()
        assert report.count('missing.mp4\t') == 1
    assert results[0] == results[1]
    names = results[0][:results[0].index(']') + 1]
    assert names == str([f'{i}.mp4' for i in range(6)] + ['missing.mp4'])


@pytest.mark.slow
def test_a_dying_process_ends_the_job(cfg, tmp_path):
    """tools/dist_train.sh returns an error; a hang would run into a limit."""
    (tmp_path / 'dying.py').write_text(
        'import os, signal\n'
        'from mmengine.dist import get_rank\n'
        'from mmengine.hooks import Hook\n'
        'from mmengine.registry import HOOKS\n'
        '@HOOKS.register_module()\n'
        'class DyingHook(Hook):\n'
        '    def before_train_iter(self, runner, **kwargs):\n'
        '        if get_rank() == 1 and runner.iter == 1:\n'
        '            os.kill(os.getpid(), signal.SIGKILL)\n')
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.custom_imports.imports = ['mmdualpath', 'dying']
    cfg.custom_hooks = [dict(type='DyingHook')]
    cfg.dump(tmp_path / 'cfg.py')
    paths = [str(tmp_path), str(ROOT), os.environ.get('PYTHONPATH', '')]
    env = dict(
        os.environ,
        CUDA_VISIBLE_DEVICES='',
        OMP_NUM_THREADS='1',
        PORT='29677',
        PYTHONPATH=os.pathsep.join(paths),
        PATH=os.pathsep.join(
            [str(Path(sys.executable).parent), os.environ['PATH']]))
    result = subprocess.run([
        'bash',
        str(ROOT / 'tools/dist_train.sh'),
        str(tmp_path / 'cfg.py'), '2', '--work-dir',
        str(tmp_path / 'work')
    ],
                            env=env,
                            capture_output=True,
                            text=True,
                            timeout=300)
    assert result.returncode != 0
    assert 'Signal 9 (SIGKILL)' in result.stdout + result.stderr
    assert not (tmp_path / 'work' / 'epoch_2.pth').exists()
