"""Features of windows, read back by the arithmetic of those who read them."""
import json
import sys

import numpy as np
import pytest
import torch
import videos as files
from helpers import (CONFIGS, PIXELS, config, load_tool, on_rendered_videos,
                     shrink)
from mmaction.apis import init_recognizer
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from rows import frozen, samples

from mmdualpath.apis import videos as of_apis
from mmdualpath.apis import windows
from mmdualpath.apis.features import FeatureReader

tool = load_tool('extract_features.py')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Videos of one folder, a config and a checkpoint of DualPath."""
    init_default_scope('mmaction')
    folder = tmp_path_factory.mktemp('extract')
    cfg = shrink(Config.fromfile(CONFIGS / 'dualpath_vitb_ssv2.py'))
    cfg = on_rendered_videos(cfg, folder, 1, 1)
    save(cfg, folder)
    (folder / 'videos/deep').mkdir(parents=True)
    for i, name in enumerate(('a', 'b', 'deep/c')):
        files.write(folder / f'videos/{name}.mp4', 30 + 7 * i, PIXELS, PIXELS)
    return folder


def save(cfg, folder, name='config'):
    cfg.dump(folder / f'{name}.py')
    model = init_recognizer(cfg, device='cpu')
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    for key, value in model.named_buffers():
        if key.endswith('amplitude'):  # as if it had been trained
            value.fill_(0.5)
    torch.save(dict(state_dict=model.state_dict()), folder / f'{name}.pth')


def extract(monkeypatch, made, out, *args, videos=None, name='config'):
    monkeypatch.setattr(sys, 'argv', [
        'extract_features.py',
        *map(str, (made / f'{name}.py', made / f'{name}.pth', videos
                   or made / 'videos', '--out', out, '--device', 'cpu', *args))
    ])
    return tool.main()


def clip(made, video, start, stop, name='config'):
    """A window as a video of its own through the config's test pipeline."""
    cfg = Config.fromfile(made / f'{name}.py')
    reader = of_apis.open_video(video)
    steps = cfg.test_dataloader.dataset.pipeline[1:]
    return pseudo_collate([
        Compose(steps)(dict(
            video_reader=reader,
            total_frames=stop - start,
            start_index=start,
            avg_fps=reader.get_avg_fps(),
            label=-1,
            modality='RGB'))
    ])


def actionformer_seconds(i, num_frames, feat_stride, fps):
    """Inverse of its (seconds * fps - 0.5 * num_frames) / feat_stride."""
    return (i * feat_stride + 0.5 * num_frames) / fps


def opentad_seconds(i, snippet_stride, offset_frames, fps):
    return (i * snippet_stride + offset_frames) / fps


@pytest.mark.parametrize('kind', ['npy', 'npz'])
def test_read_back(made, monkeypatch, tmp_path, kind):
    """Each row is what the model says of the frames around its time."""
    assert not extract(monkeypatch, made, tmp_path, '--window', 8, '--stride',
                       6, '--format', kind, '--workers', 2, '--batch-size', 4)
    model = init_recognizer(
        str(made / 'config.py'), str(made / 'config.pth'), device='cpu')
    assert {p.name
            for p in tmp_path.rglob('*.*')
            } == {f'{n}.{e}'
                  for n in 'abc'
                  for e in (kind, 'json')} | {'_features.json'}
    for name, frames in (('a', 30), ('b', 37), ('deep/c', 44)):
        feats = np.load(tmp_path / f'{name}.{kind}')
        feats = feats['feats'] if kind == 'npz' else feats
        about = json.loads((tmp_path / f'{name}.json').read_text())
        assert about['shape'] == list(feats.shape)
        assert feats.shape == (1 + (frames - 8) // 6, 48)
        assert (about['fps'], about['frames']) == (8, frames)
        assert about['duration'] == frames / 8
        for i, row in enumerate(feats):
            middle = actionformer_seconds(i, about['window'], about['stride'],
                                          about['fps'])
            assert middle == opentad_seconds(i, about['stride'],
                                             about['offset'], about['fps'])
            start = round(middle * 8) - 4
            batch = clip(made, made / f'videos/{name}.mp4', start, start + 8)
            inputs = model.data_preprocessor(batch)['inputs']
            with torch.no_grad():
                wanted = model.extract_feat(inputs)[0].mean(0)
            np.testing.assert_allclose(row, wanted, atol=1e-5)


def test_seconds_are_the_same_windows(made, monkeypatch, tmp_path):
    extract(monkeypatch, made, tmp_path / 'frames', '--window', 8, '--stride',
            4)
    extract(monkeypatch, made, tmp_path / 'seconds', '--window', '1s',
            '--stride', '.5s')
    for name in 'ab':
        a, b = (
            np.load(tmp_path / where / f'{name}.npy')
            for where in ('frames', 'seconds'))
        np.testing.assert_array_equal(a, b)


def test_paths(made, monkeypatch, tmp_path):
    """Each path is its half, and half precision its rounding."""
    found = {}
    for feature in ('both', 'spatial', 'temporal'):
        extract(monkeypatch, made, tmp_path / feature, '--feature', feature)
        found[feature] = np.load(tmp_path / feature / 'a.npy')
        assert len(found[feature]) == 1  # the whole video
    np.testing.assert_allclose(
        found['both'],
        np.concatenate([found['spatial'], found['temporal']], 1),
        atol=1e-6)
    extract(monkeypatch, made, tmp_path / 'half', '--dtype', 'fp16')
    half = np.load(tmp_path / 'half/a.npy')
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, found['both'], rtol=2e-3, atol=1e-3)


def test_a_path_alone_does_not_run_the_other(made):
    model = init_recognizer(str(made / 'config.py'), device='cpu')
    model.backbone.temporal.forward = None
    batch = clip(made, made / 'videos/a.mp4', 0, 16)
    assert FeatureReader(model, 'spatial')(batch).shape == (1, 24)


def test_the_head_gives_its_scores(made):
    """Of its input the last layer makes the scores."""
    model = init_recognizer(
        str(made / 'config.py'), str(made / 'config.pth'), device='cpu')
    model.cls_head.average_clips = None
    batch = clip(made, made / 'videos/a.mp4', 0, 16)
    got = FeatureReader(model, 'head')(batch)
    with torch.no_grad():
        scores = model.test_step(batch)[0].pred_score
        torch.testing.assert_close(model.cls_head.layers[-1](got)[0],
                                   scores.mean(0))


@pytest.mark.parametrize('block', [0, -1])
def test_blocks(made, block):
    """Class tokens of both paths, their images averaged."""
    model = init_recognizer(
        str(made / 'config.py'), str(made / 'config.pth'), device='cpu')
    batch = clip(made, made / 'videos/b.mp4', 3, 30)
    got = FeatureReader(model, f'block:{block}')(batch)
    inputs = model.data_preprocessor(batch)['inputs']
    halves = []
    for path, view in model.backbone.views().items():
        heard = []
        layer = view.base.layers[block]
        handle = layer.register_forward_hook(
            lambda m, a, out: heard.append(out))
        with torch.no_grad():
            view(inputs[path].flatten(0, 2))
        handle.remove()
        halves.append(heard[0][:, 0].mean(0))
    torch.testing.assert_close(got[0], torch.cat(halves))


@pytest.mark.parametrize('backbone, tokens', [('uniformerv2', 4), ('mvit', 1),
                                              ('timm_hiera', 0)])
def test_blocks_of_networks_in_another_order(backbone, tokens):
    """Means of the class tokens of a video, or of all patches."""
    model = torch.nn.Module()
    model.backbone = MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=frozen(backbone),
            adapters=[dict(type='ParallelAdapter', site='mlp')])).eval()
    model.test_step = lambda batch: model.backbone(batch['inputs'])
    x = samples(backbone)
    got = FeatureReader(model, 'block:0')(dict(inputs=x, data_samples=[0] * 4))
    whole, = MODELS.build(
        dict(type='FrozenFeatures', backbone=frozen(backbone),
             blocks=[0]))(x).tokens
    part = whole[:, :tokens] if tokens else whole
    torch.testing.assert_close(got, part.mean(1))


def test_other_models(made, monkeypatch, tmp_path):
    """The vector that the FC of an adapted backbone reads."""
    cfg = shrink(Config.fromfile(config('st-adapter-t8_vitb_ssv2')))
    on_rendered_videos(cfg, tmp_path, 1, 1)
    save(cfg, tmp_path, 'st')
    extract(
        monkeypatch,
        tmp_path,
        tmp_path / 'out',
        videos=made / 'videos',
        name='st')
    model = init_recognizer(
        str(tmp_path / 'st.py'), str(tmp_path / 'st.pth'), device='cpu')
    heard = []
    linear = [
        m for m in model.cls_head.modules() if hasattr(m, 'out_features')
    ]
    linear[-1].register_forward_pre_hook(lambda m, args: heard.append(args[0]))
    with torch.no_grad():
        model.test_step(clip(tmp_path, made / 'videos/a.mp4', 0, 30, 'st'))
    np.testing.assert_allclose(
        np.load(tmp_path / 'out/a.npy')[0],
        heard[0].reshape(-1, heard[0].shape[-1]).mean(0),
        atol=1e-5)


def test_it_goes_on(made, monkeypatch, tmp_path, capsys):
    """What is there is not read again, what was cut short is."""
    extract(monkeypatch, made, tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*.npy')}
    (tmp_path / 'b.npy').unlink()
    (tmp_path / 'b.npy.part').write_bytes(b'half of it')
    opened = []
    monkeypatch.setattr(
        of_apis,
        'open_video',
        lambda video, read=of_apis.open_video: opened.append(video) or read(
            video))
    extract(monkeypatch, made, tmp_path, '--workers', 0)
    assert [o.rsplit('/', 1)[1] for o in opened] == ['b.mp4']
    assert '3 videos, 2 of them are done.' in capsys.readouterr().out
    assert not list(tmp_path.rglob('*.part'))
    for path, time in before.items():
        assert (path.stat().st_mtime_ns == time) == (path.name != 'b.npy')


def test_parts_make_the_whole(made, monkeypatch, tmp_path):
    for part in ('1/2', '2/2'):
        extract(monkeypatch, made, tmp_path / 'parts', '--part', part)
        there = len(list((tmp_path / 'parts').rglob('*.npy')))
        assert there == (2 if part == '1/2' else 3)
    extract(monkeypatch, made, tmp_path / 'whole')
    for name in ('a', 'b', 'deep/c'):
        a, b = (
            np.load(tmp_path / where / f'{name}.npy')
            for where in ('parts', 'whole'))
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_other_features_are_refused(made, monkeypatch, tmp_path):
    """By what differs, and only by that."""
    out = tmp_path / 'out'
    extract(monkeypatch, made, out, '--window', 8)
    for args, differs in ((('--window', 16), r'window \(8 there, 16 now\)\.'),
                          (('--window', 8, '--stride', 2),
                           r'stride \(None there, 2 now\)\.'),
                          (('--window', 8, '--feature', 'spatial'),
                           r'feature \(both there'),
                          (('--window', 8, '--dtype', 'fp16'),
                           r'dtype \(fp32 there'), (('--window', 8, '--format',
                                                     'npz'),
                                                    r'format \(npy there'),
                          (('--window', 8, '--cfg-options',
                            'model.data_preprocessor.to_rgb=True'),
                           r'another model \(')):
        with pytest.raises(ValueError, match=differs):
            extract(monkeypatch, made, out, *args)
    state = torch.load(made / 'config.pth', weights_only=False)
    next(v for k, v in state['state_dict'].items() if 'cls_head' in k).add_(1)
    torch.save(state, tmp_path / 'config.pth')
    (tmp_path / 'config.py').write_text((made / 'config.py').read_text())
    with pytest.raises(ValueError, match=r'another weights \(\w{12} there'):
        extract(
            monkeypatch, tmp_path, out, '--window', 8, videos=made / 'videos')
    with pytest.raises(ValueError, match=r'features of .*a\.mp4, not of'):
        (tmp_path / 'other').mkdir()
        files.write(tmp_path / 'other/a.mp4', 16, PIXELS, PIXELS)
        extract(
            monkeypatch, made, out, '--window', 8, videos=tmp_path / 'other')


def test_bad_videos_are_skipped(made, monkeypatch, tmp_path, capsys):
    folder = tmp_path / 'videos'
    folder.mkdir()
    (folder / 'broken.mp4').write_text('nothing')
    files.write(folder / 'good.mp4', 16, PIXELS, PIXELS)
    assert extract(monkeypatch, made, tmp_path / 'out', videos=folder)
    assert (tmp_path / 'out/good.npy').exists()
    assert not (tmp_path / 'out/broken.npy').exists()
    said = capsys.readouterr().out
    assert 'broken.mp4: skipped. ' in said and '1 of 2 videos' in said
    # Alone that is left, it ends the program with its error.
    with pytest.raises(ValueError, match='broken.mp4'):
        extract(monkeypatch, made, tmp_path / 'out', videos=folder)


def test_what_training_measures_must_be_known(made):
    """The amplitude of positions would be that of the first batch."""
    model = init_recognizer(str(made / 'config.py'), device='cpu')
    with pytest.raises(ValueError, match='temporal.*amplitude: it is measure'):
        FeatureReader(model)
    FeatureReader(model, 'spatial')


def test_half_precision_that_overflows(made, tmp_path):
    from mmdualpath.apis.features import FeatureFolder
    folder = FeatureFolder(tmp_path, {}, dtype='fp16')
    opened = windows.Opened('a.mp4', 8., 16, [(0, 16)])
    with pytest.raises(ValueError, match='fp16 cannot hold'):
        folder.write('a', 'a.mp4', opened, 16, torch.full((1, 2), 1e5))


@pytest.mark.parametrize('args, message', [
    (['--window', '2x'], "window='2x'"),
    (['--window', '0'], "window='0'"),
    (['--stride', '4'], 'give a window'),
    (['--feature', 'third'], 'both, spatial, temporal, head and block:N'),
    (['--feature', 'block:9'], 'has 2 blocks'),
])
def test_mistakes(made, monkeypatch, tmp_path, args, message):
    with pytest.raises(ValueError, match=message):
        extract(monkeypatch, made, tmp_path / 'out', *args)
    assert not (tmp_path / 'out').exists()
