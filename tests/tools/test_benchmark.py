"""The benchmark measures what it says, keeps it and goes on with it."""
import json
import subprocess
import sys
from pathlib import Path

import helpers
import pytest
import tiny_training
import torch
from mmengine.config import Config

from mmdualpath.analysis.pipelines import time_pipelines, with_decoder

tool = helpers.load_tool('benchmark.py')
pages = helpers.load_tool('tables.py')
from benchmarks import contestants, models, results, shards  # noqa: E402


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """Two contestants of a few thousand parameters."""
    cfg = helpers.shrink(
        Config.fromfile(helpers.CONFIGS / 'dualpath-tg2_vitb_ssv2.py'))
    cfg.dump(tmp_path / 'tiny.py')
    config = str(tmp_path / 'tiny')
    monkeypatch.setattr(
        models, 'CONTESTANTS', {
            'tiny':
            contestants.Contestant(config),
            'bare':
            contestants.Contestant(config, bare=True),
            'broken':
            contestants.Contestant(
                config,
                options={
                    'model.backbone.temporal.adapters.positions.num_framesets':
                    5
                })
        })
    monkeypatch.setitem(results.MATMUL_SIZE, 'cpu', 16)
    return tmp_path / 'out' / 'cpu.json'


def run(out: Path, *args: str) -> str:
    return tool.main(['models', *args, '--out', str(out)])


def read(out: Path) -> dict:
    return json.loads(out.read_text())['contestants']


def test_models(tiny):
    text = run(tiny, 'tiny', 'bare', '--measures', *models.MEASURES,
               '--rounds', '2', '--repeats', '3', '--batch', '2')
    found = read(tiny)
    assert list(map(len, found['tiny']['samples'].values())) == [6, 6, 6, 1]
    assert list(map(len, found['bare']['samples'].values())) == [6, 6]
    assert len(found['matrix product']['samples']['seconds']) == 2 * 2 * 5
    assert found['tiny']['batch'] == dict(
        latency=1, throughput=2, train=2, memory=2)
    # The bare backbone does all the frozen work and nothing else.
    counted = contestants.Entry(models.CONTESTANTS['tiny'], 'cpu',
                                torch.float32, 'eager')
    parts = contestants.count_macs(
        contestants.build_structure(counted.cfg.model),
        contestants.view_of(counted.cfg))
    assert found['bare']['macs'] == sum(parts[path]['frozen']
                                        for path in ('spatial', 'temporal'))
    assert found['bare']['macs'] < found['tiny']['macs']
    assert tiny.with_suffix('.md').read_text() == text
    assert '| tiny |' in text and '| bare |' in text


def test_it_goes_on(tiny):
    run(tiny, 'tiny', '--rounds', '1')
    first = read(tiny)['tiny']
    run(tiny, 'tiny', 'bare', '--rounds', '1')
    second = read(tiny)
    assert second['tiny'] == first
    run(tiny, 'tiny', 'bare', '--rounds', '2')
    third = read(tiny)
    assert third['tiny']['samples']['latency'][:1] == \
        first['samples']['latency']
    assert [len(third[n]['samples']['latency'])
            for n in ('tiny', 'bare')] == [2, 2]
    with pytest.raises(ValueError, match='another --out'):
        run(tiny, 'tiny', '--dtype', 'bf16')


@pytest.mark.parametrize('name', ['tiny', 'bare'])
def test_what_is_compared_compiles_in_one_graph(tiny, monkeypatch, name):
    """As DualPath does, whose frozen network the package mends."""
    compiled = torch.compile
    monkeypatch.setattr(
        torch, 'compile',
        lambda model: compiled(model, fullgraph=True, backend='eager'))
    torch._dynamo.reset()
    entry = contestants.Entry(models.CONTESTANTS[name], 'cpu', torch.float32,
                              'compile')
    inputs = entry.data(2)
    monkeypatch.setattr(entry, 'data', lambda batch: inputs)
    run = entry.inference(2)
    torch.testing.assert_close(run(),
                               entry.inference_model(inputs, stage='head'))


@pytest.mark.parametrize('measure, left', [('memory', {'two', 'three'}),
                                           ('latency', set())])
def test_what_has_changed_is_measured_anew(tmp_path, measure, left):
    path, uses = tmp_path / 'r.json', dict(one=['x'], two=['y'], three=[])
    origin = dict(commit='a', date='1', machine={}, depends=dict(x='1', y='1'))
    first = results.Results(path, {}, origin, uses)
    for name in uses:
        first.samples(name, measure).append(1.)
    first.save()
    same = results.Results(path, {}, dict(origin, commit='b'), uses).content
    assert same == json.loads(path.read_text())
    now = dict(origin, commit='b', date='2', depends=dict(x='2'))
    content = results.Results(path, {}, now, uses).content
    assert set(content['contestants']) == left
    assert content['depends'] == dict(x='2', y='1')
    assert (content['commit'], content['date']) == ('a, b', '2')


def test_memory_is_kept(tiny):
    """What a tensor leaves is taken again without the system."""
    code = '''
import sys, psutil, torch
sys.path.insert(0, 'tools')
from benchmarks.models import keep_memory
def left():
    """MiB that stay after a tensor of 64 MiB."""
    before = psutil.Process().memory_info().rss
    torch.zeros(2**24).add_(1)
    return (psutil.Process().memory_info().rss - before) / 2**20
left()
given = left()
keep_memory()
print(given, left())
'''
    given, kept = map(
        float,
        subprocess.run([sys.executable, '-W', 'ignore', '-c', code],
                       cwd=helpers.ROOT,
                       capture_output=True,
                       text=True,
                       check=True).stdout.split())
    assert given < 16 and kept > 48
    run(tiny, 'tiny', '--rounds', '1')
    with pytest.raises(ValueError, match='another --out'):
        run(tiny, 'tiny', '--rounds', '1', '--keep-memory')


def test_one_that_fails_stops_no_other(tiny):
    text = run(tiny, 'broken', 'tiny', '--rounds', '1', '--batch', '1')
    found = read(tiny)
    assert 'error' in found['broken'] and 'error' not in found['tiny']
    assert '| failed: ' in text and len(found['tiny']['samples']['latency'])


def test_half_precision(tiny):
    run(tiny, 'tiny', 'bare', '--dtype', 'bf16', '--rounds', '1', '--measures',
        'latency', 'train')
    found = read(tiny)
    assert 'error' not in found['tiny'] and 'error' not in found['bare']


def test_frozen_in_half_trains_under_autocast_alone(tiny):
    config = models.CONTESTANTS['tiny'].config
    models.CONTESTANTS['half'] = contestants.Contestant(
        config, options={'model.backbone.frozen_dtype': 'bfloat16'})
    for dtype in ('fp32', 'bf16'):
        out = tiny.with_stem(dtype)
        run(out, 'half', '--measures', 'memory', 'train', '--dtype', dtype,
            '--rounds', '1')
        error = read(out)['half'].get('error', '')
        assert ('autocast' in error) == (dtype == 'fp32')


def test_tables_and_picture(tiny, tmp_path):
    page = tmp_path / 'out' / 'page.md'
    text = run(tiny, 'tiny', 'bare', '--rounds', '1')
    page.write_text('# Title\n<!-- table of cpu.json -->\nold\n'
                    '<!-- end of table -->\nbetween\n'
                    '<!-- table of gpu.json -->\n<!-- end of table -->\n')
    page.write_text(pages.filled(page, page.read_text()))
    assert page.read_text() == (
        f'# Title\n<!-- table of cpu.json -->\n\n{text}\n'
        '<!-- end of table -->\nbetween\n'
        '<!-- table of gpu.json -->\n\nNot yet run.\n\n'
        '<!-- end of table -->\n')
    tool.main(['picture', str(tiny), '--out', str(tmp_path / 'bars.png')])
    assert (tmp_path / 'bars.png').read_bytes()[:4] == b'\x89PNG'


@pytest.mark.parametrize('args, message', [
    (['nobody'], 'nobody'),
    (['--mode', 'graphs'], 'graphs'),
    (['--device', 'cuda'], 'no GPU'),
])
def test_wrong_arguments(tiny, monkeypatch, args, message):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with pytest.raises(ValueError, match=message):
        run(tiny, *args)


def test_summary(tmp_path, monkeypatch):
    """Ratios are taken turn by turn, shares of the measured matrix rate."""
    monkeypatch.setitem(results.MATMUL_SIZE, 'cpu', 10)
    found = results.Results(tmp_path / 'x.json', dict(device='cpu'),
                            dict(machine={}, depends={}))
    found.content['contestants'] = {
        'a':
        dict(
            macs=500,
            train_flops=3000,
            batch=dict(latency=1, throughput=2, train=4),
            samples=dict(latency=[1, 2, 9], throughput=[4, 8], train=[8])),
        'b':
        dict(
            macs=250,
            batch=dict(latency=1, throughput=4),
            samples=dict(latency=[2, 2, 3], throughput=[4, 16])),
        results.MATMUL:
        dict(samples=dict(seconds=[1., 1., 5.]))
    }
    a, b = results.summary(found)
    assert (a['latency'], a['p95']) == (2, 9)
    assert a['clips'] == 1 / 3 and a['time_ratio'] == 1
    assert a['flops'] == 1000 / 3
    assert a['share'] == pytest.approx(1000 / 3 / 2000)  # 2 * 10^3 a second
    assert a['train'] == 2 and a['train_share'] == 3000 / 2 / 2000
    assert b['latency_ratio'] == 1  # of 2, 1 and 1/3
    assert b['time_ratio'] == pytest.approx((4 / 4 + 16 / 8) / 2 * 2 / 4)
    assert 'train_share' not in b


@pytest.mark.parametrize('name', contestants.CONTESTANTS)
def test_contestants_are_as_they_are_called(name):
    contestant = contestants.CONTESTANTS[name]
    cfg = contestant.load()
    shape = contestants.view_of(cfg).shape[1:]
    frames = shape[0] if len(shape) == 4 else shape[2]
    if ' frames' in name:
        assert f' {frames} frames' in name
    assert shape[-2:] == (224, 224)


def test_pipeline(tmp_path):
    """Decoders take turns; what is written makes the table of a page."""
    pytest.importorskip('decord')
    tiny_training.write_videos(tmp_path, 1)
    cfg = tiny_training.make_config(tmp_path)
    out, page = tmp_path / 'input.json', tmp_path / 'page.md'
    text = tool.main([
        'pipeline', cfg.filename,
        str(tmp_path / '0.mp4'), '--repeats', '1', '--decoders', 'pyav',
        'decord', '--also', 'vp9', 'mjpeg', '--out',
        str(out)
    ])
    rows = [line for line in text.splitlines() if line.startswith('| 0.mp4')]
    assert len(rows) == 6
    assert ['| train |' in r for r in rows] == [True, False] * 3
    assert all('| 16 of 32x32 |' in r for r in rows[:4])
    assert '0.mp4, as vp9' in rows[2] and '0.mp4, as mjpeg' in rows[5]
    assert 'FormatShape' in text
    assert 'VideoDecode' not in text and 'SampleFrames' not in text
    content = json.loads(out.read_text())
    for video in content['videos'].values():
        for split in ('train', 'test'):
            assert video[split]['difference'] == 0
            assert min(video[split]['decoding'].values()) > 0
    page.write_text('<!-- table of input.json -->\n<!-- end of table -->\n')
    assert text.strip() in pages.filled(page, page.read_text())


def test_stream(tiny, tmp_path):
    """Of 32 frames with T_S = 8 a hop of four has one that is new."""
    cfg = Config.fromfile(tmp_path / 'tiny.py')
    cfg.test_pipeline = cfg.val_pipeline = cfg.val_dataloader.dataset.pipeline
    cfg.dump(tmp_path / 'tiny.py')
    out, page = tmp_path / 'stream.json', tmp_path / 'page.md'
    text = tool.main([
        'stream', 'hops', '--config',
        str(tmp_path / 'tiny'), '--hops', '4', '16', '--rounds', '1', '--out',
        str(out)
    ])
    found = json.loads(out.read_text())['hops']
    # T_G is 2, whose positions change: both framesets are new.
    assert [found[n]['images'] for n in ('clip', '4', '16')] == [[8,
                                                                  2], [1, 2],
                                                                 [4, 2]]
    counted = contestants.Entry(models.CONTESTANTS['tiny'], 'cpu',
                                torch.float32, 'eager')
    macs = contestants.count_macs(
        contestants.build_structure(counted.cfg.model),
        contestants.view_of(counted.cfg))
    spatial, temporal, head = (
        sum(macs[part].values()) for part in ('spatial', 'temporal', 'head'))
    assert found['clip']['macs'] == spatial + temporal + head
    assert found['4']['macs'] == spatial // 8 + temporal + head
    assert found['16']['macs'] == spatial // 2 + temporal + head
    page.write_text('<!-- table of stream.json -->\n<!-- end of table -->\n')
    assert text.strip() in pages.filled(page, page.read_text())


def test_memory_and_events_of_a_stream(tmp_path):
    out = tmp_path / 'out.json'
    tool.main([
        'stream', 'memory', '--frames', '60', '--hops', '8', '--out',
        str(out)
    ])
    content = json.loads(out.read_text())
    assert [frames
            for frames, _ in content['figures']] == list(range(3, 61, 3))
    assert 0 < content['tensors'] < 60 and content['most'] > 100
    tool.main([
        'stream', 'events', '--motions', '4', '--videos', '1', '--hops', '4',
        '--length', '16', '--out',
        str(out)
    ])
    content = json.loads(out.read_text())
    assert content['mean']['whole'] >= 0.75  # of 4, where most are right
    assert 0 < content['mean']['macro'] <= 1


def test_pipelines_see_the_same_frames(tmp_path):
    """Whatever is random; another frame shows in the difference."""
    tiny_training.write_videos(tmp_path, 1)
    cfg = tiny_training.make_config(tmp_path)
    steps = cfg.train_dataloader.dataset.pipeline
    same = with_decoder(steps, decoder='pyav')
    assert [s['type'] for s in same if 'ecod' in s['type']] == ['VideoDecode']
    smaller = with_decoder(steps, decoder='pyav')
    smaller[1] = dict(type='SampleFrames', clip_len=16, frame_interval=3)
    times = time_pipelines(
        dict(a=same, b=same, c=smaller), str(tmp_path / '0.mp4'), 2)
    assert times['a'].difference == times['b'].difference == 0
    assert times['c'].difference > 0
    assert times['a'].clips == pytest.approx(
        1e3 / (times['a'].decoding + times['a'].rest))


def test_predict(tmp_path):
    """Both ways take turns; what is written makes the table of a page."""
    out, page = tmp_path / 'predict.json', tmp_path / 'page.md'
    text = tool.main([
        'predict', 'configs/dualpath_vit-mini_digits.py',
        'mmdualpath://dualpath_vit-mini_digits.pth', '--videos', '3',
        '--rounds', '2', '--workers', '1', '--device', 'cpu', '--out',
        str(out)
    ])
    content = json.loads(out.read_text())
    for row in content['predict'].values():
        assert len(row['wall']) == len(row['cpu']) == 2
        middle = sum(row['wall']) / 2
        assert row['rate'] == pytest.approx(3 / middle)
    assert '| together |' in text
    page.write_text('<!-- table of predict.json -->\n<!-- end of table -->\n')
    assert text.strip() in pages.filled(page, page.read_text())


def test_shards(tiny, monkeypatch):
    """Frozen weights of blocks fall to their part; all else stays."""

    def small(frozen: str, with_cp: bool = True) -> contestants.Contestant:
        return contestants.Contestant(
            models.CONTESTANTS['tiny'].config,
            options={
                'model.backbone.with_cp': with_cp,
                'model.backbone.frozen_dtype': frozen
            })

    monkeypatch.setattr(shards, 'giant', small)
    monkeypatch.setattr(shards.Contestant, 'depends', [])
    text = tool.main(['shards', '--out', str(tiny), '--processes', '4'])
    assert '| parts in 4, bf16 frozen, recomputing |' in text
    rows = json.loads(tiny.read_text())['rows']
    assert len(rows) == 6
    model = contestants.build_structure(small('float32').load().model)
    norms = {
        id(p)
        for m in model.modules() if isinstance(m, torch.nn.LayerNorm)
        for p in m.parameters()
    }

    def bytes_of(size, inside):
        """Frozen bytes in blocks or outside; norms stay in float32."""
        return sum(p.numel() * (4 if id(p) in norms else size)
                   for name, p in model.named_parameters()
                   if not p.requires_grad and ('.layers.' in name) == inside)

    for name, size in (('fp32', 4), ('bf16', 2)):
        inside, outside = bytes_of(size, True), bytes_of(size, False)
        whole = rows[f'DDP, {name} frozen, recomputing']
        parts = rows[f'parts in 4, {name} frozen, recomputing']
        for row, share in ((whole, 1), (parts, 4)):
            frozen = (inside / share + outside) / 2**30
            assert row['frozen weights, GiB'] == pytest.approx(frozen)
        fallen = {k: whole[k] - parts[k] for k in whole}
        assert fallen['all weights, GiB'] == pytest.approx(
            fallen['frozen weights, GiB'])
        kept = rows[f'DDP, {name} frozen']['peak of training, GiB']
        assert kept > whole['peak of training, GiB']
        # Of the peak nothing but weights has changed, and a block is gathered.
        assert 0 < fallen['peak of training, GiB'] \
            <= fallen['frozen weights, GiB']
