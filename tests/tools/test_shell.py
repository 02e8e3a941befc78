"""The scripts that start several processes."""
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_training
import yaml
from helpers import ROOT, free_port
from mmengine.config import Config

TOOLS = ROOT / 'tools'


def run(script, *arguments, **env) -> subprocess.CompletedProcess:
    return subprocess.run(['bash', TOOLS / script, *map(str, arguments)],
                          env=dict(
                              os.environ,
                              CUDA_VISIBLE_DEVICES='',
                              OMP_NUM_THREADS='1',
                              PYTHONPATH=str(ROOT),
                              PYTHONWARNINGS='ignore',
                              **{
                                  'PATH':
                                  os.pathsep.join([
                                      str(Path(sys.executable).parent),
                                      os.environ['PATH']
                                  ]),
                                  **env
                              }),
                          capture_output=True,
                          text=True)


@pytest.mark.parametrize('script, arguments', [
    ('dist_train.sh', []),
    ('dist_train.sh', ['CONFIG']),
    ('dist_train.sh', ['CONFIG', '--amp']),
    ('dist_test.sh', ['CONFIG', '8']),
    ('train_hmdb51.sh', []),
    ('slurm_train.sh', ['PARTITION', 'JOB']),
    ('slurm_train.sh', ['PARTITION', 'JOB', '--amp']),
    ('slurm_test.sh', ['PARTITION', 'JOB', 'CONFIG']),
])
def test_wrong_arguments_say_what_to_type(script, arguments):
    result = run(script, *arguments)
    assert result.returncode == 2
    job = 'PARTITION JOB ' if 'slurm' in script else ''
    assert f'bash tools/{script} {job}CONFIG ' in result.stderr
    assert len(result.stderr.splitlines()) < 6


@pytest.mark.parametrize('script, arguments', [
    ('dist_train.sh', ['a.py', '1', '--amp']),
    ('dist_test.sh', ['a.py', 'a.pth', '1']),
    ('train_hmdb51.sh', ['a.py', '1']),
])
def test_a_port_in_use_says_what_to_type(script, arguments):
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        result = run(script, *arguments, PORT=str(port))
    assert result.returncode == 1
    typed = ' '.join([f'bash {TOOLS / script}', *arguments])
    assert result.stderr.splitlines() == [
        f'Port {port} is in use, by another training perhaps. Type:',
        f'  PORT={port + 1} {typed}'
    ]


@pytest.mark.slow
def test_hmdb51_trains_its_splits(tmp_path, monkeypatch):
    """Options of the training, of the test and of both; each its lists."""
    monkeypatch.chdir(tmp_path)
    tiny_training.write_videos(tmp_path, 4)
    cfg = tiny_training.make_config(
        tmp_path,
        log_level='INFO',
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=1),
            logger=dict(type='LoggerHook', interval=1)),
        custom_hooks=[dict(type='Float32ScoresHook')])
    lists = tmp_path / 'data' / 'hmdb51'
    lists.mkdir(parents=True)
    for split in (1, 2, 3):
        for part, count in (('train', 2 * split), ('val', split)):
            name = f'hmdb51_{part}_split_{split}_videos.txt'
            (lists / name).write_text(''.join(f'{i % 4}.mp4 {i % 2}\n'
                                              for i in range(count)))
    result = run(
        'train_hmdb51.sh',
        cfg.filename,
        1,
        '--amp',
        '--cfg-options',
        'train_cfg.max_epochs=1',
        '--seed',
        3,
        '--',
        '--dump',
        'scores.pkl',
        PORT=str(free_port()))
    assert result.returncode == 0, result.stdout + result.stderr
    found = []
    for split in (1, 2, 3):
        work = tmp_path / 'work_dirs' / 'dualpath_tiny_noise' / f'split{split}'
        # as the training and the test dumped it
        cfg = Config.fromfile(work / 'dualpath_tiny_noise.py')
        assert cfg.train_cfg.max_epochs == 1
        for part in ('train', 'val'):
            file = cfg[f'{part}_dataloader'].dataset.ann_file
            assert file.endswith(f'{part}_split_{split}_videos.txt')
        logs = ''.join(p.read_text() for p in work.rglob('*.log'))
        assert "type='AmpOptimWrapper'" in logs
        assert re.search(rf'Epoch\(train\) +\[1\]\[{split}/{split}\]', logs)
        batches = -(-split // 2)
        assert f'Epoch(test) [{batches}/{batches}]' in logs
        found.append(float(re.findall(r'acc/top1: ([0-9.]+)', logs)[-1]))
    assert (tmp_path / 'scores.pkl').is_file()
    told = yaml.safe_load('\n'.join(result.stdout.splitlines()[-4:]))
    assert [told[f'split {i}'] for i in (1, 2, 3)] == found
    assert told['mean'] == pytest.approx(sum(found) / 3, abs=1e-4)


# What Slurm's srun does: the command on each node, here all on this machine.
SRUN = """#!/usr/bin/env bash
echo "$@" >> "$(dirname "$0")/srun.txt"
for word; do
    case $word in --nodes=*) nodes=${word#*=} ;; esac
    [[ $word = --* ]] || break
    shift
done
pids=()
for ((node = 0; node < nodes; node++)); do
    SLURM_NNODES=$nodes SLURM_NODEID=$node SLURM_JOB_NODELIST=node[0-1] \\
        "$@" & pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
"""
SCONTROL = """#!/usr/bin/env bash
[ "$*" = 'show hostnames node[0-1]' ] && printf '127.0.0.1\\nelsewhere\\n'
"""
TORCHRUN = """#!/usr/bin/env bash
echo "$@" >> "$(dirname "$0")/torchrun.txt"
"""


def cluster(folder: Path, **programs: str) -> str:
    """PATH of a machine that has Slurm's programs."""
    folder.mkdir()
    for name, text in dict(srun=SRUN, scontrol=SCONTROL, **programs).items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return os.pathsep.join(
        [str(folder),
         str(Path(sys.executable).parent), os.environ['PATH']])


@pytest.mark.slow
def test_slurm_trains_on_two_nodes(tmp_path):
    """A process each, over the loopback: half as many steps as one has."""
    tiny_training.write_videos(tmp_path, 4)
    cfg = tiny_training.make_config(
        tmp_path,
        log_level='INFO',
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=1),
            logger=dict(type='LoggerHook', interval=1)))
    path = cluster(tmp_path / 'bin')
    result = run(
        'slurm_train.sh',
        'video',
        'tiny',
        cfg.filename,
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'val_cfg=None',
        'val_dataloader=None',
        'val_evaluator=None',
        PATH=path,
        GPUS='2',
        GPUS_PER_NODE='1',
        SRUN_ARGS='--time=1:00 --qos=low',
        PORT=str(free_port()))
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / 'bin/srun.txt').read_text().startswith(
        '--partition=video --job-name=tiny --nodes=2 --ntasks-per-node=1 '
        '--gres=gpu:1 --cpus-per-task=5 --kill-on-bad-exit=1 --time=1:00 '
        '--qos=low bash -c')
    output = result.stdout + result.stderr
    assert re.findall(r'Epoch\(train\) +\[1\]\[(\d/\d)\]', output) == ['1/1']
    assert (tmp_path / 'work' / 'epoch_1.pth').is_file()


def test_slurm_tests_on_all_gpus(tmp_path):
    """Each node is told of its place and of the first one."""
    path = cluster(tmp_path / 'bin', torchrun=TORCHRUN)
    result = run(
        'slurm_test.sh',
        'video',
        'tiny',
        'a.py',
        'a b.pth',
        '--dump',
        'scores.pkl',
        PATH=path,
        GPUS='8',
        GPUS_PER_NODE='4',
        PORT='29713')
    assert result.returncode == 0, result.stderr
    started = (tmp_path / 'bin/torchrun.txt').read_text().splitlines()
    assert sorted(started) == [
        f'--nnodes=2 --node_rank={node} --master_addr=127.0.0.1 '
        f'--master_port=29713 --nproc_per_node=4 {TOOLS}/test.py '
        '--launcher pytorch a.py a b.pth --dump scores.pkl'
        for node in range(2)
    ]


def test_nodes_of_unequal_size_are_refused():
    result = run(
        'slurm_train.sh', 'p', 'job', 'a.py', GPUS='12', GPUS_PER_NODE='8')
    assert result.returncode == 2
    assert result.stderr == 'GPUS=12 is no multiple of GPUS_PER_NODE=8.\n'
