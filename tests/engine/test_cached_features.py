"""Features in files: the same as computed, whole or not there."""
import json
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from helpers import ROOT, load_tool
from mmaction.registry import DATASETS
from mmengine.config import Config
from rows import BACKBONES
from tiny_training import CLIP, make_config, make_runner, write_videos

from mmdualpath.datasets.feature_cache import FeatureCache
from mmdualpath.datasets.randomness import Draw

tool = load_tool('cache_features.py')
VIDEOS = 6


def tiny(folder, **options):
    """A probe on two blocks' width of tokens, of frames one by one."""
    cfg = make_config(folder)
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=4, frame_interval=1),
        dict(type='DecordDecode'),
        dict(type='RandomResizedCrop', area_range=(0.3, 1.0)),
        dict(type='Resize', scale=(32, 32), keep_ratio=False),
        dict(type='FormatShape', input_format='NCHW'),
        dict(type='PackActionInputs')
    ]
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.dataset.type = 'ReliableVideoDataset'
        loader.dataset.pipeline = pipeline[:3] + pipeline[3 + 2 *
                                                          (split != 'train'):]
        loader.dataset.test_mode = split != 'train'
        loader.dataset.pipeline[1].test_mode = split != 'train'
    cfg.train_dataloader.sampler = dict(type='ResumableSampler')
    cfg.model = dict(
        type='Recognizer2D',
        backbone=dict(
            type='FrozenFeatures',
            backbone=dict(CLIP, out_dims=None),
            final_norm=True),
        cls_head=dict(
            type='AttentiveProbe',
            num_classes=2,
            in_channels=48,
            num_frames=4,
            num_heads=4,
            depth=2,
            topk=(1, ),
            average_clips='prob'),
        data_preprocessor=dict(
            type='ActionDataPreprocessor',
            mean=[122.771, 116.746, 104.094],
            std=[68.500, 66.632, 70.323],
            format_shape='NCHW'))
    cfg.optim_wrapper.optimizer.weight_decay = 0.05
    cfg.default_hooks.cached_features = dict(type='CachedFeaturesHook')
    cfg.default_hooks.sampler_seed = dict(type='ExactResumeHook')
    cfg.randomness = dict(seed=0)
    cfg.merge_from_dict(options)
    cfg.dump(folder / 'tiny.py')
    return Config.fromfile(folder / 'tiny.py')


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp('cache')
    write_videos(folder, VIDEOS)
    tiny(folder)
    return folder


def write(place, out, *options, dtype='fp32'):
    tool.main([
        str(place / 'tiny.py'), '--out',
        str(out), '--dtype', dtype, '--shard-bytes', '60000', *options
    ])


@pytest.fixture(scope='module')
def written(place):
    write(place, place / 'features', '--views', '2', '--splits', 'train',
          'val', 'test')
    return place / 'features'


def model_and_data(place, split, **options):
    from mmaction.registry import DATASETS, MODELS
    cfg = Config.fromfile(place / 'tiny.py')
    cfg.merge_from_dict(options)
    model = MODELS.build(cfg.model).eval()
    return model, DATASETS.build(cfg[f'{split}_dataloader'].dataset)


def test_features_are_those_of_the_network_bit_for_bit(place, written):
    for split, views in (('train', 2), ('val', 1)):
        model, data = model_and_data(place, split)
        cache = FeatureCache(written / split)
        assert len(cache) == VIDEOS * views and len(cache.shards()) > 1
        for item in range(len(cache)):
            video, view = divmod(item, views)
            sample = data[Draw(video, (0, view, video))]
            batch = model.data_preprocessor(
                dict(
                    inputs=[sample['inputs']],
                    data_samples=[sample['data_samples']]))
            expected, _ = model.extract_feat(batch['inputs'])
            features, label = cache.read(item)
            assert torch.equal(features[:, 0], expected.tokens[0])
            assert label['label'] == [video % 2]
    one, two = (FeatureCache(written / 'train').read(i)[0] for i in range(2))
    assert not torch.equal(one, two)  # views are drawn


def test_means_of_squares_are_kept(place, written, tmp_path):
    write(place, tmp_path, '--splits', 'val', '--cfg-options',
          'model.backbone.pool=2')
    pooled, whole = (FeatureCache(f / 'val') for f in (tmp_path, written))
    assert pooled.shape[2] == 1 + (whole.shape[2] - 1) // 4
    options = {'model.backbone.pool': 2, 'model.backbone.cache': str(tmp_path)}
    model, _ = model_and_data(place, 'val', **options)
    tokens, _ = pooled.read(0)
    kept = model.backbone(tokens)
    patches = whole.read(0)[0][:, 0, 1:]
    side = int(patches.shape[1]**0.5)
    expected = torch.nn.functional.avg_pool2d(
        patches.mT.unflatten(2, (side, side)), 2).flatten(2).mT
    torch.testing.assert_close(kept.patches(), expected)
    torch.testing.assert_close(kept.extra(), whole.read(0)[0][:, 0, :1])


@pytest.mark.parametrize('dtype, name', [('fp16', 'float16'),
                                         ('bf16', 'bfloat16')])
def test_types(place, written, tmp_path, dtype, name):
    write(place, tmp_path, '--splits', 'val', dtype=dtype)
    for item in range(VIDEOS):
        exact, _ = FeatureCache(written / 'val').read(item)
        rounded, _ = FeatureCache(tmp_path / 'val').read(item)
        assert torch.equal(rounded, exact.to(getattr(torch, name)))


def test_parts_share_the_shards(place, written, tmp_path):
    for number in (2, 1):
        write(place, tmp_path, '--splits', 'val', '--part', f'{number}/2')
    for file in sorted((written / 'val').iterdir()):
        assert (tmp_path / 'val' / file.name).read_bytes() == \
            file.read_bytes()


def outputs_of(place, cache, **options):
    """Losses of a training of two epochs and the score of its end."""
    cfg = Config.fromfile(place / 'tiny.py')
    cfg.model.backbone.cache = cache and str(cache)
    cfg.merge_from_dict(options)
    runner = make_runner(cfg, work_dir=str(place / f'work{time.time_ns()}'))
    losses = []
    step = runner.model.train_step

    def noting(data, optim_wrapper):
        losses.append((data, step(data, optim_wrapper)['loss'].item()))
        return losses[-1]

    runner.model.train_step = lambda data, optim_wrapper: dict(
        loss=torch.tensor(noting(data, optim_wrapper)[1]))
    runner.train()
    return losses, runner


def test_training_reads_features_and_labels_of_one_view(place, written):
    losses, runner = outputs_of(place, written)
    cache = FeatureCache(written / 'train')
    seen = []
    for data, _ in losses:
        for x, sample in zip(data['inputs'], data['data_samples']):
            found = [
                i for i in range(len(cache))
                if torch.equal(cache.read(i)[0], x)
            ]
            assert len(found) == 1
            assert sample.gt_label.tolist() == [found[0] // 2 % 2]
            seen.append(found[0])
    assert sorted(i // 2 for i in seen) == sorted(2 * list(range(VIDEOS)))
    assert {i % 2 for i in seen} == {0, 1}
    # a checkpoint of it works on videos
    state = runner.model.state_dict()
    model, data = model_and_data(place, 'val')
    model.load_state_dict(state)
    sample = data[Draw(0, (0, 0, 0))]
    scores = [
        m.predict(
            m.data_preprocessor(
                dict(inputs=[x],
                     data_samples=[sample['data_samples']]))['inputs'],
            [sample['data_samples']])[0].pred_score.clone()
        for m, x in ((model, sample['inputs']),
                     (runner.model.eval(),
                      FeatureCache(written / 'val').read(0)[0]))
    ]
    assert torch.equal(*scores)


@pytest.mark.parametrize('options, message', [
    ({
        'model.backbone.final_norm': False
    }, 'another backbone than'),
    ({
        'model.backbone.backbone.init_cfg.seed': 7
    }, 'another weights than'),
    ({
        'model.data_preprocessor.std': [1., 1., 1.]
    }, 'another data_preprocessor than'),
    ({
        'train_dataloader.dataset.pipeline.1.clip_len': 8
    }, 'another pipeline than'),
    ({
        'train_dataloader.dataset.start_index': 0,
        'train_dataloader.dataset.indices': 3
    }, 'another videos than'),
    ({
        'model.data_preprocessor.blending':
        dict(type='MixupBlending', num_classes=2)
    }, 'blending changes images'),
    ({
        'model.backbone.images': True
    }, 'images=True: only tokens'),
])
def test_stale_features_are_refused(place, written, options, message):
    with pytest.raises(ValueError, match=message):
        outputs_of(place, written, **options)


def test_nothing_there(place, tmp_path):
    with pytest.raises(ValueError, match='holds no features'):
        outputs_of(place, tmp_path)


def spoilt(written, tmp_path):
    """A copy of the training features."""
    shutil.copytree(written / 'train', tmp_path / 'train')
    return tmp_path / 'train'


@pytest.mark.parametrize('name, change', [
    ('00001.npy', lambda data: data[:-1]),
    ('00001.npy', lambda data: data + b'0'),
    ('00001.npy', lambda data: b'\x93NUMPY\x01\x00' + b'\xff' * 40),
    ('00001.npy', lambda data: b''),
    ('00001.npy', lambda data: data.replace(b"'<f4'", b"'|O8'")),
    ('00001.npy', lambda data: data.replace(b"'<f4'", b"'<i4'")),
    ('00001.json', lambda data: b'{}'),
    ('00001.json', lambda data: b'[1'),
    ('00001.json', lambda data: b'\xff'),
    ('00001.json', lambda data: data.replace(b'"label"', b'"Label"')),
    ('00001.json', lambda data: data.replace(b'{"label": [', b'{"label": ["', 1
                                             ).replace(b']', b'"]', 1)),
    ('00001.json',
     lambda data: data.replace(b'{"label": [', b'{"label": [1, ', 1)),
    ('00001.json', lambda data: data.replace(b'true', b'"no"')),
])
def test_hostile_files(written, tmp_path, name, change):
    folder = spoilt(written, tmp_path)
    before = (folder / name).read_bytes()
    assert change(before) != before
    (folder / name).write_bytes(change(before))
    with pytest.raises(ValueError, match=name):
        cache = FeatureCache(folder)
        for item in range(len(cache)):
            cache.read(item)


@pytest.mark.parametrize('change, said', [
    (lambda index: index.pop('image'), 'has no image: another version'),
    (lambda index: [index.pop('key'), index.pop('views')],
     'has no key, views'),
    (lambda index: index.update(key=3), 'key=3'),
    (lambda index: index.update(key=['ab']), "key=['ab']"),
    (lambda index: index.update(key=dict(videos=[])), "key={'videos': []}"),
    (lambda index: index.update(videos='6'), "videos='6'"),
    (lambda index: index.update(videos=6.5), 'videos=6.5'),
    (lambda index: index.update(views=True), 'views=True'),
    (lambda index: index.update(per_shard=0), 'per_shard=0'),
    (lambda index: index.update(shape='888'), "shape='888'"),
    (lambda index: index.update(shape=[]), 'shape=[]'),
    (lambda index: index.update(shape=[4, None]), 'shape=[4, None]'),
    (lambda index: index.update(image=[3, 32]), 'image=[3, 32]'),
    (lambda index: index.update(image=None), 'image=None'),
    (lambda index: index.update(dtype='float33'), "dtype='float33'"),
    (lambda index: index.update(dtype=['float32']), "dtype=['float32']"),
    ('{"key"', 'cannot be read'),
    ('', 'cannot be read'),
    ('\xff', 'cannot be read'),
    ('[]', 'is no mapping'),
    ('null', 'is no mapping'),
])
def test_hostile_indices(place, written, tmp_path, change, said):
    """Named, with the command that writes them anew, in every way in."""
    shutil.copytree(written / 'val', tmp_path / 'my features/val')
    folder = tmp_path / 'my features'
    path = folder / 'val/index.json'
    text = change
    if callable(change):
        index = json.loads(path.read_text())
        change(index)
        text = json.dumps(index)
    path.write_text(text, encoding='latin-1')
    for use in (lambda: FeatureCache(folder / 'val'), lambda: DATASETS.build(
            dict(type='FeatureDataset', folder=str(folder / 'val'))),
                lambda: write(place, folder, '--splits', 'val')):
        with pytest.raises(ValueError) as raised:
            use()
        assert f'{path} {said}' in str(
            raised.value) or (f'{path} is no index of features: {said}.'
                              in str(raised.value))
        command = str(raised.value).partition('anew: ')[2]
        assert shlex.split(command) == [
            'python', 'tools/cache_features.py', 'CONFIG', '--out',
            str(folder), '--splits', 'val'
        ]
    # As it says.
    shutil.rmtree(folder / 'val')
    write(place, *shlex.split(command)[4:])
    assert len(FeatureCache(folder / 'val')) == VIDEOS


def test_a_bad_shard_is_no_unreadable_video(place, written, tmp_path):
    folder = spoilt(written, tmp_path)
    for change in (lambda f: f.write_bytes(f.read_bytes()[:-1]),
                   lambda f: f.unlink()):
        change(folder / '00001.npy')
        with pytest.raises(ValueError, match='00001.npy is n'):
            outputs_of(place, tmp_path,
                       **{'train_dataloader.dataset.max_bad_share': 1.})


def test_checksums(written, tmp_path):
    folder = spoilt(written, tmp_path)
    cache = FeatureCache(folder)
    cache.check(1)
    array = np.load(folder / '00001.npy', mmap_mode='r+')
    array[0, 0, 0, 0, 0] += 1
    array.flush()
    with pytest.raises(ValueError, match='00001.npy is not as it was'):
        FeatureCache(folder).check(1)


def test_a_full_disk(place, written, tmp_path, monkeypatch):
    cache = FeatureCache(spoilt(written, tmp_path))
    usage = type('Usage', (), dict(free=1000))
    with monkeypatch.context() as patch:
        patch.setattr('shutil.disk_usage', lambda folder: usage)
        with pytest.raises(ValueError, match='do not fit.*1e-06 GB'):
            cache.refuse_no_space([0, 1])
    (cache.folder / '00001.json').unlink()
    (cache.folder / '00001.npy').unlink()

    def samples():
        yield cache.read(0)
        raise OSError(28, 'No space left on device')

    with pytest.raises(OSError, match='No space left'):
        cache.write(1, samples())
    assert cache.missing() == [1]
    assert not list(cache.folder.glob('.*')) + list(
        cache.folder.glob('00001*'))


def test_killed_at_any_moment(place, written, tmp_path):
    """Nothing is lost, and what is done is not done again."""
    program = ('import sys, time; sys.path[:0] = ["tests"]\n'
               'from helpers import load_tool\n'
               'tool = load_tool("cache_features.py")\n'
               'from mmdualpath.datasets.feature_cache import FeatureCache\n'
               'write = FeatureCache.write\n'
               'def slow(samples):\n'
               '    for s in samples: time.sleep(.05); yield s\n'
               'FeatureCache.write = lambda self, n, samples: '
               'write(self, n, slow(samples))\n'
               'print("ready", flush=True)\n'
               'tool.main(sys.argv[1:])\n')
    command = [
        sys.executable, '-W', 'ignore', '-c', program,
        str(place / 'tiny.py'), '--out',
        str(tmp_path), '--views', '2', '--dtype', 'fp32', '--shard-bytes',
        '60000', '--splits', 'train'
    ]
    draw, done = random.Random(0), {}
    folder = tmp_path / 'train'
    for turn in range(3):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True)
        # a line of the sizes comes in front of the first shard
        for line in process.stdout:
            if 'to write here' in line:
                break
        if turn < 2:
            time.sleep(draw.uniform(0.05, 0.4))
            process.send_signal(signal.SIGKILL)
        process.wait()
        for path in folder.glob('0*.json'):
            stamp = path.with_suffix('.npy').stat().st_mtime_ns
            assert done.setdefault(path.name, stamp) == stamp
            json.loads(path.read_text())
    assert process.returncode == 0
    files = sorted(p.name for p in (written / 'train').iterdir())
    assert sorted(p.name for p in folder.iterdir()) == files  # nothing left
    for name in files:
        assert (folder / name).read_bytes() == \
            (written / 'train' / name).read_bytes()


@pytest.mark.parametrize('backbone, block, shape', [
    ('timm_hiera', 1, (4, 1, 16, 12)),
    ('timesformer', 0, (1, 1, 1 + 4 * 4, 24)),
    ('mvit', 2, (1, 1, 1 + 2 * 4, 16)),
    ('uniformerv2', 1, (1, 1, 4 + 4 * 4, 24)),
])
def test_rows_in_another_order(backbone, block, shape, tmp_path):
    """Written and read bit for bit, and a probe trains on them."""
    write_videos(tmp_path, VIDEOS)
    cfg, clips = tiny(tmp_path), len(BACKBONES[backbone][1]) == 4
    layout = 'NCTHW' if clips else 'NCHW'
    cfg.model.type = 'Recognizer3D' if clips else 'Recognizer2D'
    cfg.model.data_preprocessor.format_shape = layout
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.pipeline = cfg.val_dataloader.dataset.pipeline
        dataset.pipeline[-2].input_format = layout
    cfg.model.backbone = dict(
        type='FrozenFeatures',
        backbone=BACKBONES[backbone][0],
        blocks=[block],
        pool=2)
    cfg.model.cls_head.in_channels = shape[-1]
    cfg.dump(tmp_path / 'tiny.py')
    folder = tmp_path / 'features'
    write(tmp_path, folder)
    model, data = model_and_data(tmp_path, 'val')
    cache = FeatureCache(folder / 'val')
    assert len(cache) == VIDEOS
    for item in range(VIDEOS):
        sample = data[Draw(item, (0, 0, item))]
        batch = model.data_preprocessor(
            dict(
                inputs=[sample['inputs']],
                data_samples=[sample['data_samples']]))
        expected, _ = model.extract_feat(batch['inputs'])
        features, _ = cache.read(item)
        assert features.shape == shape
        assert torch.equal(features[:, 0], expected.tokens[0])
    plain, cached = (outputs_of(tmp_path, c) for c in (None, folder))
    assert len(cached[0]) == len(plain[0]) > 1
    for (_, ours), (batch, theirs) in zip(plain[0], cached[0]):
        assert batch['inputs'][0].shape == shape
        assert ours == pytest.approx(theirs, rel=1e-4)
    states = [
        runner.model.cls_head.state_dict() for _, runner in (plain, cached)
    ]
    for name, tensor in states[0].items():
        torch.testing.assert_close(
            states[1][name], tensor, rtol=1e-3, atol=1e-4)


LAST = dict(type='STAdapter', site='block', width=8, num_frames=4)


@pytest.fixture(scope='module')
def adapted(place):
    """Adapters in the last block; training sees the same frames each time."""
    folder = place / 'adapted'
    folder.mkdir()
    write_videos(folder, VIDEOS)
    cfg = tiny(folder)
    cfg.model.backbone = dict(
        type='AdaptedBackbone',
        backbone=dict(CLIP, out_dims=None),
        adapters=[dict(LAST, blocks=[-1])])
    cfg.model.cls_head.type = 'FrameMeanHead'
    for option in ('depth', 'num_heads'):
        del cfg.model.cls_head[option]
    cfg.train_dataloader.dataset.pipeline = \
        cfg.val_dataloader.dataset.pipeline
    cfg.dump(folder / 'tiny.py')
    write(folder, folder / 'features')
    return folder


def test_training_goes_on_from_the_frozen_blocks(adapted):
    """The same losses, weights and predictions as through all of it."""
    plain, cached = (
        outputs_of(adapted, cache) for cache in (None, adapted / 'features'))
    for (_, ours), (data, theirs) in zip(plain[0], cached[0]):
        assert data['inputs'][0].shape == (4, 1, 17, 48)
        assert ours == pytest.approx(theirs, rel=1e-5)
    states = [runner.model.state_dict() for _, runner in (plain, cached)]
    assert list(states[0]) == list(states[1])
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor)


def test_files_outlive_other_adapters_but_no_other_block(adapted):
    options = {
        'model.backbone.adapters': [dict(LAST, blocks=[-1], width=4)],
        'train_cfg.max_epochs': 1
    }
    outputs_of(adapted, adapted / 'features', **options)
    options['model.backbone.adapters'] = [LAST]  # in all blocks
    with pytest.raises(ValueError, match='not the frozen network in its firs'):
        outputs_of(adapted, adapted / 'features', **options)
    options = {'model.backbone.adapters': []}  # of the last block
    with pytest.raises(ValueError, match='of another backbone than'):
        outputs_of(adapted, adapted / 'features', **options)


def test_blocks_that_draw_in_training_are_refused(adapted, tmp_path):
    with pytest.raises(ValueError, match='set its drop rates to zero'):
        write(adapted, tmp_path, '--cfg-options',
              'model.backbone.backbone.drop_rate=0.5')


def test_parts_that_are_being_written_stay(written, tmp_path):
    folder = spoilt(written, tmp_path)
    for name in ('00001.npy', '00001.json'):
        (folder / name).unlink()
    cache, there = FeatureCache(folder), []

    def samples():
        FeatureCache(folder).sweep()
        there.extend(p.name for p in folder.glob('.*'))
        for item in cache.items(1):
            yield FeatureCache(written / 'train').read(item)

    (folder / '.00001.npy.1.part').write_bytes(b'left')
    cache.write(1, samples())
    assert len(there) == 1 and there[0] != '.00001.npy.1.part'
    assert not cache.missing()


def test_without_the_hook_it_is_refused(place, written):
    model, data = model_and_data(place, 'val',
                                 **{'model.backbone.cache': str(written)})
    sample = data[0]
    batch = model.data_preprocessor(
        dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']]))
    with pytest.raises(ValueError, match='CachedFeaturesHook'):
        model.extract_feat(batch['inputs'])


def test_folds_of_a_split(written):
    """Some videos of a cache, with their labels and features."""
    data = DATASETS.build(
        dict(
            type='FeatureDataset',
            folder=str(written / 'train'),
            indices=[4, 1]))
    cache = FeatureCache(written / 'train')
    for place, video in enumerate((4, 1)):
        views = [
            cache.read(video * cache.views + v)[0] for v in range(cache.views)
        ]
        sample = data[place]
        assert any(torch.equal(sample['inputs'], view) for view in views)
        assert sample['data_samples'].gt_label.item() == video % 2
        assert data.get_data_info(place)['label'] == video % 2
    with pytest.raises(ValueError, match=r'indices=\[99\]'):
        DATASETS.build(
            dict(
                type='FeatureDataset',
                folder=str(written / 'train'),
                indices=[99]))
