"""The command that checks a GPU, with tests of its own."""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from helpers import ROOT, load_tool

tool = load_tool('check_gpu.py')
from benchmarks import contestants, models, tables  # noqa: E402
from checks import page, parts, recorder  # noqa: E402

TESTS = '''
import pytest

@pytest.mark.parametrize('device', ['cpu', 'cuda'])
@pytest.mark.parametrize('number', range(4))
def test_of(number, device, record_property):
    record_property('MiB', 10. * number)
    assert number != 2, 'two | is wrong'
    if number == 3:
        pytest.skip('not here')

def test_elsewhere():
    raise AssertionError('it is not chosen')
'''


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A checkout with one file of tests, and no GPU."""
    (tmp_path / 'tests').mkdir()
    (tmp_path / 'tests/test_it.py').write_text(TESTS)
    (tmp_path / 'pytest.ini').write_text('[pytest]\nmarkers = gpu: a GPU\n')
    monkeypatch.setattr(tool, 'ROOT', tmp_path)
    monkeypatch.setattr(
        tool, 'TESTS',
        dict(it=parts.Part('that it works', ('tests/test_it.py', ))))
    monkeypatch.setattr(tool, 'commit', lambda: 'abc')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setenv('PYTHONPATH', f'{ROOT}/tools:{ROOT}')
    return tmp_path


def test_without_a_gpu(checkout, capsys):
    """It says so, runs what it can, and goes on with what has not passed."""
    assert not tool.main([])
    told = capsys.readouterr()
    assert 'There is no GPU here' in told.err
    assert re.search(r'\| it \| that it works \| 2 \| 1 \| 1 \| 0 \|',
                     told.out)
    assert '| quickstart | ' in told.out and '| not yet run |' in told.out
    assert not (checkout / 'docs').exists()
    written = json.loads(
        (checkout / 'work_dirs/check_gpu/cpu.json').read_text())
    tests = written['checks']['it']['tests']
    assert tests['tests/test_it.py::test_of[2-cpu]']['message'].startswith(
        'AssertionError: two | is wrong')
    assert r'two \| is wrong' in told.out
    assert all(t['value'] is None for t in written['targets'].values())

    text = (checkout / 'tests/test_it.py').read_text()
    (checkout / 'tests/test_it.py').write_text(
        text.replace('number != 2', 'number != 0'))
    assert tool.main([])  # what had passed is not run again
    notes = recorder.read(checkout / 'work_dirs/check_gpu/cpu-abc/it-0.jsonl')
    assert page.counts(notes) == {
        'passed': 3,
        'failed': 0,
        'skipped': 1,
        'not run': 0
    }
    assert not tool.main(['--fresh'])


# Instead of tools/benchmark.py: the second command fails.
MEASURES = """
import json, sys
out = sys.argv[sys.argv.index('--out') + 1]
assert 'compile' not in sys.argv, 'it does not compile'
open(out, 'w').write(json.dumps(RESULTS))
"""


def test_with_a_gpu(checkout, monkeypatch, capsys):
    """The tests that are marked, the quickstart, then each table by itself."""
    (checkout / 'tests/test_it.py').write_text(
        TESTS.replace('def test_elsewhere',
                      '@pytest.mark.gpu\ndef test_elsewhere'))
    (checkout / 'tools').mkdir()
    (checkout / 'docs/benchmarks').mkdir(parents=True)
    (checkout / 'tools/quickstart.sh'
     ).write_text('[ "$AS_IT_IS $*" = "1 --at-least 90" ]')
    rows = {
        parts.DUALPATH: dict(throughput=1.05),
        parts.BARE: dict(throughput=1.)
    }
    (checkout / 'tools/benchmark.py').write_text(
        MEASURES.replace('RESULTS', repr(results(**rows))))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'a GPU')
    monkeypatch.setattr(
        tool, 'TESTS',
        dict(it=parts.Part('that it works', ('tests/test_it.py', ), 2)))
    monkeypatch.setattr(
        tool, 'SPEED',
        {k: parts.SPEED[k]
         for k in ('cuda-bf16-eager', 'cuda-bf16-compile')})
    assert not tool.main([])
    path = checkout / 'docs/benchmarks/gpu.json'
    written = json.loads(path.read_text())
    assert written['machine']['gpu'] == 'a GPU'
    outcomes = {
        name: [t['outcome'] for t in part['tests'].values()]
        for name, part in written['checks'].items()
    }
    assert outcomes == dict(
        it=['failed'], quickstart=['passed'], speed=['passed', 'failed'])
    command, failed = written['checks']['speed']['tests'].items()
    assert command[0].startswith('python tools/benchmark.py models')
    assert failed[1]['message'].endswith('it does not compile')
    values = [t['value'] for t in written['targets'].values()]
    assert values[:2] == [pytest.approx(1.05), None]
    assert '1.05' in capsys.readouterr().out


def test_shares_are_everything(checkout):
    seen = []
    for number in range(3):
        record = checkout / f'{number}.jsonl'
        subprocess.run([
            'python', '-m', 'pytest', '-p', 'checks.recorder',
            f'--record={record}', f'--share={number}/3', 'tests/test_it.py'
        ],
                       cwd=checkout,
                       capture_output=True)
        seen += recorder.read(record)
    assert len(seen) == len(set(seen)) == 9


def test_time_limit(tmp_path):
    """What has not ended is ended, with all that it started."""
    log = tmp_path / 'log'
    process = tool.started(['bash', '-c', 'sleep 60 & echo $!; wait'], log)
    job = tool.Job('it', tmp_path / 'notes', process, time.monotonic())
    while not log.read_text():
        time.sleep(0.05)
    tool.ended([job], time.monotonic())
    assert process.returncode == -signal.SIGTERM and job.seconds is not None
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # until it is reaped
            os.kill(int(log.read_text()), 0)
            time.sleep(0.05)


def test_what_cannot_begin_has_failed(tmp_path):
    (tmp_path / 'a.log').write_text('no module named x')
    process = subprocess.Popen(['false'])
    process.wait()
    job = tool.Job('a', tmp_path / 'a.jsonl', process, 0., 1.)
    assert tool.noted(job) == {
        'a': dict(outcome='failed', message='no module named x')
    }


def test_no_test_of_a_gpu_is_left_out():
    marked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / 'tests').rglob('test_*.py') if re.search(
            r'mark\.gpu\b|^from devices import|=GPU\b', path.read_text(), re.M)
    } - {str(Path(__file__).relative_to(ROOT))}
    assert marked == {f for p in parts.TESTS.values() for f in p.files}


def test_what_is_measured_is_there():
    names = {n for models_, _ in parts.SPEED.values() for n in models_}
    assert names <= set(contestants.CONTESTANTS)
    told = (ROOT / 'docs/benchmarks.md').read_text()
    for name in parts.SPEED:
        assert f'<!-- table of benchmarks/{name}.json -->' in told
    for target in parts.TARGETS:
        assert target.file in parts.SPEED
    for _, options in parts.SPEED.values():
        measures = options[options.index('--measures') +
                           1:] if '--measures' in options else ['latency']
        assert measures[0] in models.MEASURES


def results(**samples) -> dict:
    """Of a matrix product of 1 s, and models of 10 GMACs."""
    return dict(
        settings=dict(device='cuda'),
        contestants={
            'matrix product': dict(samples=dict(seconds=[1.])),
            **{
                name:
                dict(
                    macs=1e10,
                    params=1,
                    trainable=1,
                    train_flops=6e10,
                    batch=dict.fromkeys(models.MEASURES, 2),
                    samples={
                        k: [v]
                        for k, v in taken.items()
                    })
                for name, taken in samples.items()
            }
        })


def test_targets(tmp_path):
    """From seconds and bytes; a figure that is not there is not yet run."""
    before = tool.targets(tmp_path)
    assert len(before) == len(parts.TARGETS)
    assert not any(t['met'] for t in before.values())
    rate = 2 * 8192**3  # FLOP/s of the product
    (tmp_path / 'cuda-bf16-eager.json').write_text(
        json.dumps(
            results(
                **{
                    parts.DUALPATH: dict(throughput=4e10 / rate / 0.6),
                    parts.BARE: dict(throughput=4e10 / rate / 0.6 / 1.05)
                })))
    (tmp_path / 'cuda-bf16-train.json').write_text(
        json.dumps(
            results(
                **{
                    parts.DUALPATH: dict(train=12e10 / rate / 0.39, memory=50),
                    parts.TRAINED[1]: dict(memory=10),
                    parts.TRAINED[3]: dict(memory=40)
                })))
    values = [t['value'] for t in tool.targets(tmp_path).values()]
    assert values == [
        pytest.approx(1.05), None,
        pytest.approx(0.6),
        pytest.approx(0.39), 0.25
    ]
    assert [t['met'] for t in tool.targets(tmp_path).values()
            ] == [True, False, True, False, True]


def test_the_page(tmp_path):
    """Parts, failures, targets, and the memory of each config."""
    steps = 'tests/test_configs_devices.py::test_a_step'
    content = dict(
        command='bash tools/check_gpu.sh',
        date='2026-01-01',
        commit='abc',
        machine=dict(gpu='a GPU'),
        checks=dict(
            configs=dict(
                title='configs',
                seconds=61.2,
                tests={
                    f'{steps}[a-cuda]':
                    dict(outcome='passed', figures=dict(MiB=1234.5)),
                    f'{steps}[b-cuda]':
                    dict(outcome='failed', message='out of memory'),
                    f'{steps}[c-cuda]':
                    dict(outcome='not run')
                })),
        targets={'half': dict(value=0.25, met=False)})
    path = tmp_path / 'gpu.json'
    path.write_text(json.dumps(content))
    text = tables.table(path)
    assert '| configs | configs | 1 | 1 | 0 | 1 | 61 |' in text
    assert f'| `{steps}[b-cuda]` | out of memory |' in text
    assert '| half | 0.25: not met |' in text
    assert '| a | 1234 |' in text or '| a | 1235 |' in text
    assert '2026-01-01, commit abc: gpu a GPU.' in text
