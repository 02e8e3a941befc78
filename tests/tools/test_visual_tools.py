"""The tools that draw, on tiny models and rendered videos."""
import itertools
import json
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest
import torch
from helpers import CONFIGS
from helpers import config as find
from helpers import load_tool, on_rendered_videos, shrink
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from mmaction.apis import init_recognizer
from mmengine.config import Config
from PIL import Image

from mmdualpath.apis import inference, live
from mmdualpath.apis import videos as of_apis
from mmdualpath.visualization.tradeoff import areas


def run(monkeypatch, tool, *args):
    module = load_tool(tool)
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, args)])
    return module.main()


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A tiny DualPath over rendered videos: folder, config, checkpoint."""
    folder = tmp_path_factory.mktemp('made')
    cfg = shrink(Config.fromfile(CONFIGS / 'dualpath_vitb_ssv2.py'))
    on_rendered_videos(cfg, folder, 2, 3)
    cfg.dump(folder / 'config.py')
    model = init_recognizer(cfg, device='cpu')
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    torch.save(dict(state_dict=model.state_dict()), folder / 'adapters.pth')
    (folder / 'labels.txt').write_text('\n'.join(f'motion {i}'
                                                 for i in range(8)))
    return folder


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return float(stream.average_rate), [
            f.to_ndarray(format='rgb24') for f in container.decode(video=0)
        ]


def common(made):
    return [
        '--config', made / 'config.py', '--checkpoint', made / 'adapters.pth',
        '--labels', made / 'labels.txt', '--device', 'cpu'
    ]


def test_predict_one_video(made, monkeypatch, tmp_path, capsys):
    video = made / 'test' / '00000.mp4'
    run(monkeypatch, 'predict.py', video, *common(made), '--window', 0.5,
        '--out', tmp_path / 'drawn.mp4', '--timeline', tmp_path / 'time.png',
        '--json', tmp_path / 'out.json')
    result, = json.loads((tmp_path / 'out.json').read_text())
    assert len(result['predictions']) == 5
    assert len(result['windows']) > 2
    assert result['windows'][-1]['end'] == pytest.approx(
        result['frames'] / result['fps'], abs=1e-2)
    best = result['predictions'][0]
    assert f'{best["score"]:.1%}  {best["label"]}' in capsys.readouterr().out
    # The same frames, with text in a corner of them.
    rate, frames = decoded(tmp_path / 'drawn.mp4')
    own_rate, originals = decoded(video)
    assert rate == pytest.approx(own_rate, rel=1e-3)
    assert len(frames) == len(originals)
    # Small videos are drawn larger; the lower right stays as it was.
    factor = len(frames[3]) // len(originals[3])
    assert factor > 1
    large = originals[3].repeat(factor, 0).repeat(factor, 1).astype(int)
    difference = np.abs(frames[3].astype(int) - large).mean(-1)
    assert difference[-60:, -60:].mean() < 6 < difference[:40, :40].mean()
    with Image.open(tmp_path / 'time.png') as image:
        assert image.width > 800


class Torn:
    """A video that opens, and whose frames cannot be decoded."""
    __len__ = staticmethod(lambda: 16)
    get_avg_fps = staticmethod(lambda: 8.)

    def get_batch(self, indices):
        raise Exception('Error sending packet.')


@pytest.fixture
def clips(made, tmp_path, monkeypatch):
    """A folder with two good videos of one name, and two broken ones."""
    folder = tmp_path / 'clips'
    for number, name in enumerate('ab'):
        (folder / name).mkdir(parents=True)
        (folder / name / '1.mp4').write_bytes(
            (made / 'test' / f'0000{number}.mp4').read_bytes())
    (folder / 'broken.mp4').write_text('nothing')
    (folder / 'cut.mp4').write_text('opened below')
    monkeypatch.setattr(
        of_apis,
        'open_video',
        lambda video, read=of_apis.open_video: Torn()
        if 'cut.mp4' in str(video) else read(video))
    return folder


def files(folder):
    return {
        str(p.relative_to(folder))
        for p in folder.rglob('*') if not p.is_dir()
    }


def test_predict_a_folder(made, clips, monkeypatch, tmp_path, capsys):
    """What cannot be read is skipped, and no result replaces another."""
    skipped = run(monkeypatch, 'predict.py', clips, *common(made), '--out',
                  tmp_path / 'drawn', '--timeline', tmp_path / 'time',
                  '--json', tmp_path / 'out.json')
    assert skipped
    assert files(tmp_path / 'drawn') == {'a/1.mp4', 'b/1.mp4'}
    assert files(tmp_path / 'time') == {'a/1.png', 'b/1.png'}
    results = json.loads((tmp_path / 'out.json').read_text())
    assert [r['video'] for r in results
            ] == [str(clips / name / '1.mp4') for name in 'ab']
    said = capsys.readouterr().out
    assert 'broken.mp4: skipped. ' in said
    assert 'cut.mp4: skipped. Exception: Error sending packet.' in said
    assert '2 of 4 videos were skipped.' in said


def test_predict_what_is_no_video(made, clips, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match='no file'):
        run(monkeypatch, 'predict.py', tmp_path / 'none', *common(made))
    with pytest.raises(ValueError, match='broken.mp4'):
        run(monkeypatch, 'predict.py', clips / 'broken.mp4', *common(made))


def test_an_untrained_head_predicts_nothing(made, monkeypatch, capsys):
    with pytest.raises(ValueError, match='untrained.*give a checkpoint'):
        run(monkeypatch, 'predict.py', made / 'test', '--config',
            made / 'config.py', '--device', 'cpu')
    assert '%' not in capsys.readouterr().out
    inferencer = inference.VideoInferencer(made / 'config.py', device='cpu')
    with pytest.raises(ValueError, match='untrained'):
        inferencer.predict(made / 'test' / '00000.mp4')


def test_predict_url(made, monkeypatch, tmp_path):
    handler = partial(SimpleHTTPRequestHandler, directory=made / 'test')
    handler.log_message = lambda *args: None
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f'http://127.0.0.1:{server.server_port}/00001.mp4'
        run(monkeypatch, 'predict.py', url, made / 'test' / '00001.mp4',
            *common(made), '--json', tmp_path / 'out.json')
    finally:
        server.shutdown()
        server.server_close()
    there, here = json.loads((tmp_path / 'out.json').read_text())
    assert there['video'] == url
    assert there['predictions'] == here['predictions']


def test_predict_webcam(made, monkeypatch, tmp_path, capsys):
    """Which is pulled out once, and for good after that."""
    import cv2
    _, frames = decoded(made / 'test' / '00000.mp4')
    opened = []

    class Camera:

        def __init__(self, number):
            assert number == 1
            opened.append(self)
            self.left = list(frames[:10] if len(opened) < 3 else [])

        isOpened = staticmethod(lambda: True)
        release = staticmethod(lambda: None)
        get = staticmethod(lambda prop: 100.)

        def read(self):
            time.sleep(0.012)
            return (True,
                    self.left.pop(0)[..., ::-1]) if self.left else (False,
                                                                    None)

    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    source = partial(live.LiveSource, pause=0.)
    module = load_tool('predict.py')
    monkeypatch.setattr(module, 'LiveSource', source)
    monkeypatch.setattr(sys, 'argv', [
        'predict.py', 'webcam:1', *map(str, common(made)), '--window', '0.05',
        '--reconnect', '2', '--out',
        str(tmp_path / 'cam.mp4')
    ])
    module.main()
    told = capsys.readouterr().out
    assert 'motion' in told and 'opened anew 3 times' in told
    assert len(opened) == 4
    # Time goes on where frames are missing.
    assert len(decoded(tmp_path / 'cam.mp4')[1]) >= 20


def test_predict_a_file_as_a_stream(made, monkeypatch, tmp_path):
    """By windows and frame by frame it is the same; events go to a file."""
    results = []
    # The first framesets, on which this model measures the amplitude of its
    # positions, are those of one window.
    for flags in (['--batch-size', 1], [
            '--stream', '--events', tmp_path / 'events.jsonl', '--threshold',
            0.01, 0.005
    ]):
        run(monkeypatch, 'predict.py', made / 'test' / '00000.mp4',
            *common(made), '--window', 0.7, '--stride', 0.2, '--json',
            tmp_path / 'out.json', '--topk', 8, *flags)
        result, = json.loads((tmp_path / 'out.json').read_text())
        results.append(result)
    windows = results[0]['windows']
    assert len(windows) == len(results[1]['windows']) > 4
    for one, other in zip(windows, results[1]['windows']):
        assert (one['start'], one['end']) == (other['start'], other['end'])
        scores = [{
            p['index']: p['score']
            for p in w['predictions']
        } for w in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=2e-6)
    lines = (tmp_path / 'events.jsonl').read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert events[0]['start'] == 0
    assert events[-1]['end'] == windows[-1]['end']
    best = windows[0]['predictions'][0]
    assert events[0]['class'] == best['label']
    assert set(events[0]) == {'start', 'end', 'class', 'score'}


def test_a_stream_is_one_source(made, monkeypatch):
    with pytest.raises(SystemExit):
        run(monkeypatch, 'predict.py', 'webcam', 'webcam:1', *common(made))


@pytest.mark.parametrize('flags, message', [
    (['--events', 'e.jsonl'], '--events is of streams: give --stream'),
    (['--smooth', '1'], '--smooth is of streams'),
    (['--stream', '--timeline', 'a.png'], '--timeline is of files'),
    (['--stream', '--batch-size', '2'], '--batch-size is of files'),
])
def test_options_of_another_source(made, monkeypatch, capsys, flags, message):
    with pytest.raises(SystemExit):
        run(monkeypatch, 'predict.py', made / 'test' / '00000.mp4',
            *common(made), *flags)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('option', ['--window', '--stride'])
def test_streams_have_no_windows_of_no_time(made, monkeypatch, option):
    with pytest.raises(ValueError, match='must be positive'):
        run(monkeypatch, 'predict.py', made / 'test' / '00000.mp4',
            *common(made), '--stream', option, 0)


@pytest.mark.parametrize('flags,rows', [([], 3), (['--heads', '0,3'], 5),
                                        (['--rollout'], 3)])
def test_attention_sheet(made, monkeypatch, tmp_path, flags, rows):
    module = load_tool('visualize_attention.py')
    drawn = []
    sheet = module.sheet
    monkeypatch.setattr(
        module, 'sheet', lambda sections, title: (drawn.append(
            (sections, title)), sheet(sections, title))[1])
    monkeypatch.setattr(sys, 'argv', [
        'visualize_attention.py',
        str(made / 'config.py'),
        str(made / 'adapters.pth'), '--out',
        str(tmp_path), '--video', '--device', 'cpu', '--labels',
        str(made / 'labels.txt'), *flags,
        str(made / 'test' / '00002.mp4')
    ])
    module.main()
    (spatial, temporal), title = drawn[0]
    assert len(spatial.rows) == len(temporal.rows) == rows
    assert title.startswith('00002.mp4: motion')
    labels = [row.label for row in temporal.rows]
    if rows == 5:  # a head without and with adaptation below each other
        assert [label.split(',')[0] for label in labels[1:]
                ] == ['head 0', 'head 0', 'head 3', 'head 3']
        assert 'without' in labels[1] and 'without' not in labels[2]
    # Each row has a bar of its own, and the input none.
    assert temporal.rows[0].scale is None
    figure = sheet([temporal], title)
    bars = [[t.get_text() for t in axes.get_yticklabels()]
            for axes in figure.axes if axes.axison]
    assert len(bars) == rows - 1
    for row, (top, bottom) in zip(temporal.rows[1:], bars):
        low, high = row.scale
        assert 0 <= low < 1 < high  # the mean lies between
        assert float(bottom[1:]) == pytest.approx(low, abs=0.051)
        assert float(top[1:]) == pytest.approx(high, abs=0.051)
    # Without and with adaptation are different pictures of one input.
    first, second = (temporal.rows[i].pictures[0] for i in (1, 2))
    assert first.shape == second.shape == (64, 64, 3)
    assert (first != second).any()
    assert (tmp_path / '00002.png').stat().st_size > 5000
    assert len(decoded(tmp_path / '00002.mp4')[1]) == 16


def test_attention_of_a_folder(made, clips, monkeypatch, tmp_path, capsys):
    skipped = run(monkeypatch, 'visualize_attention.py', made / 'config.py',
                  made / 'adapters.pth', clips, '--video', '--device', 'cpu',
                  '--out', tmp_path / 'drawn')
    assert skipped
    assert files(tmp_path /
                 'drawn') == {'a/1.png', 'a/1.mp4', 'b/1.png', 'b/1.mp4'}
    assert '2 of 4 videos were skipped.' in capsys.readouterr().out


def test_attention_of_samples_as_pretrained(made, monkeypatch, tmp_path):
    run(monkeypatch, 'visualize_attention.py', made / 'config.py', '-',
        '--samples', 2, '--out', tmp_path, '--device', 'cpu')
    assert {p.name for p in tmp_path.iterdir()} == {'00000.png', '00001.png'}
    with pytest.raises(ValueError, match='2 blocks'):
        run(monkeypatch, 'visualize_attention.py', made / 'config.py', '-',
            '--samples', 1, '--block', 7, '--out', tmp_path)


@pytest.mark.parametrize(
    'config',
    ['dualpath_swinb_ssv2', 'adaptformer_vitb_hmdb51', 'bapat_vswinb_hmdb51'])
def test_attention_of_other_models(config, made, monkeypatch, tmp_path):
    cfg = Config.fromfile(find(config))
    if config.startswith('dualpath'):
        shrink(cfg)
    else:
        tiny(cfg)
    on_rendered_videos(cfg, tmp_path / 'data', 1, 1)
    cfg.dump(tmp_path / 'config.py')
    run(monkeypatch, 'visualize_attention.py', tmp_path / 'config.py', '-',
        '--samples', 1, '--out', tmp_path, '--device', 'cpu')
    assert (tmp_path / '00000.png').stat().st_size > 5000


def tiny(cfg):
    """A baseline or V-PETL config of 64 pixels."""
    backbone = cfg.model.backbone.backbone
    backbone.init_cfg = dict(type='RandomWeights')
    if 'Swin' in backbone.type:
        backbone.arch = dict(embed_dims=24, depths=[2, 2], num_heads=[2, 4])
        backbone.update(window_size=(2, 4, 4), out_indices=(1, ))
        cfg.model.cls_head.in_channels = 48
    else:
        backbone.arch = dict(
            embed_dims=64, num_layers=2, num_heads=4, feedforward_channels=96)
        backbone.update(img_size=64, patch_size=8)
        cfg.model.cls_head.in_channels = 64
    for loader in ('train', 'val', 'test'):
        for step in cfg[f'{loader}_dataloader'].dataset.pipeline:
            if step.type == 'Resize':
                step.scale = (64, 64)
                step.keep_ratio = False
            if 'crop_size' in step:
                step.crop_size = 64
    return cfg


@pytest.mark.parametrize('frames, across', [(8, 1), (2, 2)])
def test_browse_framesets(made, monkeypatch, tmp_path, frames, across):
    """Framesets are twice as high as frames; narrow samples share a row."""
    drawn = []
    monkeypatch.setattr(Figure, 'savefig',
                        lambda self, *_, **__: drawn.append(self))
    run(monkeypatch, 'browse_framesets.py', made / 'config.py', '--out',
        tmp_path / 'sets.png', '--samples', 2, '--labels', made / 'labels.txt',
        '--cfg-options',
        f'model.data_preprocessor.num_spatial_frames={frames}')
    axes = drawn[0].axes
    assert [a.get_ylabel() for a in axes] == ['motion 0', '', 'motion 1', '']
    tops = {a.get_subplotspec().rowspan.start for a in axes}
    assert len(tops) == 2 // across
    spatial, temporal = (a.images[0].get_array().shape for a in axes[:2])
    gap = 2
    assert spatial[:2] == (2 * 64 + gap, frames // 2 * (64 + gap) - gap)
    assert temporal[:2] == (64, 64)
    drawn[0].canvas.draw()
    heights = [a.get_window_extent().height for a in axes[:2]]
    assert heights[0] == pytest.approx(heights[1], rel=0.05)


@pytest.fixture
def results(tmp_path):
    """Files of the three kinds."""
    (tmp_path / 'paper.json').write_text(
        json.dumps([
            dict(
                name='A',
                source='paper',
                trainable=5e6,
                macs=9e11,
                accuracy=60.),
            dict(
                name='B',
                source='paper',
                trainable=90e6,
                macs=36e11,
                accuracy=44.)
        ]))
    (tmp_path / 'counts.json').write_text(
        json.dumps([dict(config='A', trainable=6e6, macs=9e11, total=1e8)]))
    run_folder = tmp_path / 'work_dirs' / 'A' / '20250101_000000'
    run_folder.mkdir(parents=True)
    result = run_folder / '20250101_000000.json'
    result.write_text(json.dumps({'acc/top1': 0.625, 'time': 1.}))
    return [tmp_path / 'paper.json', tmp_path / 'counts.json', result]


def test_tradeoff(results, monkeypatch, tmp_path):
    tool = load_tool('plot_tradeoff.py')
    points = {(p['name'], p['source']): p for p in tool.load(results)}
    assert set(points) == {('A', 'paper'), ('B', 'paper'), ('A', 'measured')}
    measured = points['A', 'measured']
    assert (measured['trainable'], measured['accuracy']) == (6e6, 62.5)
    # Areas, not radii, are in proportion.
    np.testing.assert_allclose(areas([9e11, 36e11]), [1500 / 4, 1500.])

    axes = tool.plot(tool.load(results)).axes[0]
    circles = {
        tuple(c.get_offsets()[0]): c
        for c in axes.collections
        if len(c.get_offsets()) and c.get_sizes()[0] > 60
    }
    assert len(circles[5e6, 60.].get_facecolors()) == 0  # hollow: the paper's
    assert len(circles[6e6, 62.5].get_facecolors()) == 1
    names = sorted(t.get_text() for t in axes.texts if t.get_text())
    assert names == ['A', 'A', 'B']
    run(monkeypatch, 'plot_tradeoff.py', *results, '--out',
        tmp_path / 'plot.png')
    assert (tmp_path / 'plot.png').stat().st_size > 5000


def test_tradeoff_highlights(results, monkeypatch, tmp_path):
    """One's own methods have a colour, bold names and a line in the legend."""
    tool = load_tool('plot_tradeoff.py')
    figure = tool.plot(tool.load(results), highlight=['A'])
    names = {(t.get_text(), t.get_weight())
             for t in figure.axes[0].texts if t.get_text()}
    assert names == {('A', 'bold'), ('B', 'normal')}
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert legend == ['paper', 'A, paper', 'A, measured']
    with pytest.raises(ValueError, match="highlight='C': no name .* A, B"):
        run(monkeypatch, 'plot_tradeoff.py', *results, '--highlight', 'A', 'C',
            '--out', tmp_path / 'a.png')


def test_tradeoff_deviations():
    tool = load_tool('plot_tradeoff.py')
    points = [
        dict(
            name=name,
            trainable=trainable,
            macs=1e7,
            accuracy=60.,
            deviation=deviation,
            source='measured')
        for name, trainable, deviation in (('A', 1e4, 2.5), ('B', 1e5, 0.))
    ]
    bars, = (
        c for c in tool.plot(points).axes[0].collections
        if isinstance(c, LineCollection))
    assert [[list(end) for end in bar]
            for bar in bars.get_segments()] == [[[1e4, 57.5], [1e4, 62.5]],
                                                [[1e5, 60.], [1e5, 60.]]]


def test_tradeoff_mistakes(results):
    tool = load_tool('plot_tradeoff.py')
    with pytest.raises(ValueError, match=r'A \(measured\) has no accuracy'):
        tool.load(results[:2])
    results[0].write_text('[{"name": "A", "source": "hearsay"}]')
    with pytest.raises(ValueError, match="'hearsay'"):
        tool.load(results)
    results[0].write_text('{"loss": 1}')
    with pytest.raises(ValueError, match='neither a list of points'):
        tool.load(results)


def test_shipped_points_are_complete():
    tool = load_tool('plot_tradeoff.py')
    for name in ('k400', 'ssv2'):
        points = tool.load([CONFIGS.parent / f'docs/tradeoff/{name}.json'])
        assert all(p['source'] == 'paper' for p in points)
        assert any(p['name'].startswith('DualPath') for p in points)
        boxes = [
            text.get_window_extent()
            for text in tool.plot(points, highlight=['DualPath']).axes[0].texts
            if text.get_text()
        ]
        assert len(boxes) == len(points)
        assert not any(
            a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
