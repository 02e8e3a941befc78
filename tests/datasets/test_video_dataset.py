"""Broken videos in training and testing: real files, the stock pipeline."""
import pickle

import cv2
import numpy as np
import pytest
import torch
import videos
from mmaction.evaluation import AccMetric
from mmaction.registry import DATASETS
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmdualpath.datasets.bad_videos import BadVideoReport

T = 8
READ = [
    dict(type='VideoInit'),
    dict(type='UniformSample', clip_len=T, test_mode=True),
    dict(type='VideoDecode'),
]
PACK = [
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('filename', 'total_frames'))
]


def make(folder, lines, pipeline=READ + PACK, **options):
    (folder / 'list.txt').write_text('\n'.join(lines), encoding='utf-8')
    return DATASETS.build(
        dict(
            type='ReliableVideoDataset',
            ann_file=str(folder / 'list.txt'),
            data_prefix=dict(video=str(folder)),
            pipeline=pipeline,
            report=str(folder / 'bad.tsv'),
            **options))


@pytest.fixture(scope='module')
def mixed(tmp_path_factory):
    """Nine unreadable videos with label 0, eleven good ones with 1 to 11."""
    folder = tmp_path_factory.mktemp('mixed')
    bad = videos.unreadable(folder)
    lines = [f'{p.name} 0' for p in bad.values()]
    for i in range(1, 12):
        videos.write(folder / f'good {i}.mp4', count=4 + i)
        lines.append(f'good {i}.mp4 {i}')
    return folder, bad, lines


def test_training_goes_on_and_reports_once(mixed, tmp_path):
    """Two epochs in two workers: nine files listed, no label swapped."""
    folder, bad, lines = mixed
    dataset = make(folder, lines, max_bad_share=0.45)
    dataset.report = str(tmp_path / 'bad.tsv')
    loader = DataLoader(
        dataset, batch_size=4, num_workers=2, collate_fn=pseudo_collate)
    for _ in range(2):
        samples = [s for b in loader for s in b['data_samples']]
        assert len(samples) == 20
        for sample in samples:
            label = sample.gt_label.item()
            assert sample.filename == str(folder / f'good {label}.mp4')
            assert sample.total_frames == 4 + label
    text = (tmp_path / 'bad.tsv').read_text(encoding='utf-8')
    assert len(text.splitlines()) == 9
    listed = BadVideoReport(tmp_path / 'bad.tsv').read()
    assert set(listed) == {str(p) for p in bad.values()}
    assert all(len(reason) > 15 for reason in listed.values())


def test_too_many_stop_the_training(mixed, tmp_path):
    folder, _, lines = mixed
    dataset = make(folder, lines, max_bad_share=0.4)
    dataset.report = str(tmp_path / 'bad.tsv')
    with pytest.raises(ValueError, match='9 of the 20.*max_bad_share=0.4'):
        for i in range(9):
            dataset[i]
    assert len(BadVideoReport(tmp_path / 'bad.tsv').read()) == 9


def test_without_a_report_each_process_counts(mixed):
    folder, _, lines = mixed
    dataset = make(folder, lines, max_bad_share=0.05)
    dataset.report = None
    with pytest.raises(ValueError, match='2 of the 20'):
        for i in range(2):
            dataset[i]


def test_a_test_fails_loudly(mixed, tmp_path):
    folder, bad, lines = mixed
    dataset = make(folder, lines, test_mode=True, max_bad_share=1)
    dataset.report = str(tmp_path / 'bad.tsv')
    for i, path in enumerate(bad.values()):
        with pytest.raises(ValueError, match="unreadable='wrong'") as error:
            dataset[i]
        assert str(path) in str(error.value)
    assert dataset[9]['data_samples'].gt_label.item() == 1


@pytest.mark.parametrize('best', [0, 1])
def test_a_test_counts_every_video(mixed, tmp_path, best):
    """A perfect model gets 11 of 20, though black frames may fit class 0."""
    folder, _, lines = mixed
    dataset = make(
        folder, lines, test_mode=True, max_bad_share=1, unreadable='wrong')
    dataset.report = str(tmp_path / 'bad.tsv')
    metric = AccMetric(metric_options=dict(top_k_accuracy=dict(topk=(1, 5))))
    loader = DataLoader(
        dataset, batch_size=4, num_workers=1, collate_fn=pseudo_collate)
    count = 0
    for batch in loader:
        assert {i.shape for i in batch['inputs']} == {(1, 3, T, 32, 32)}
        for sample in batch['data_samples']:
            sample = sample.to('cpu')  # as the data preprocessor
            scores = torch.eye(12)[sample.gt_label.item()] * best
            sample.set_pred_score(scores).set_pred_label(scores.argmax())
            metric.process(batch, [sample.to_dict()])
            count += 1
            if sample.gt_label.item() == 0:
                assert sample.pred_label.item() != 0
    assert count == 20
    got = metric.evaluate(20)
    if best:
        assert got['acc/top1'] == got['acc/top5'] == pytest.approx(11 / 20)
        assert got['acc/mean1'] == pytest.approx(11 / 12)


def test_multi_label_and_several_scores_are_wrong():
    from mmdualpath.datasets.video_dataset import UnreadableVideo
    sample = UnreadableVideo().set_gt_label(torch.tensor([1, 0, 1, 0]))
    sample.set_pred_score(dict(rgb=torch.tensor([9., 1., 9., 1.])))
    assert torch.equal(sample.pred_score['rgb'] > 0,
                       torch.tensor([False, True, False, True]))


def test_a_broken_pipeline_is_no_broken_video(mixed, tmp_path):
    """Its own error appears, and no file is blamed for it."""
    folder, _, lines = mixed
    pipeline = READ + [dict(type='GridFrameset', grid=3)] + PACK
    dataset = make(folder, lines, pipeline, max_bad_share=1)
    dataset.report = str(tmp_path / 'bad.tsv')
    with pytest.raises(ValueError, match='framesets of 3x3'):
        dataset[15]
    assert not (tmp_path / 'bad.tsv').exists()


@pytest.mark.parametrize('decoder', ['pyav', 'decord'])
def test_unusual_videos_are_read(tmp_path, decoder):
    """Every frame where it belongs, whatever the container and the pixels."""
    pytest.importorskip(decoder.replace('pyav', 'av'))
    cases = videos.unusual(tmp_path)
    everything = [
        dict(type='VideoInit', decoder=decoder),
        dict(type='SampleFrames', clip_len=64, test_mode=True),
        dict(type='VideoDecode')
    ]
    dataset = make(tmp_path, [f'{p.name} 1' for p, _, _ in cases.values()],
                   everything)
    for i, (case, (_, count, size)) in enumerate(cases.items()):
        results = dataset[i]
        frames = np.stack(results['imgs']).astype(float)
        assert frames.shape == (64, *size, 3), case
        assert results['total_frames'] == count or 5 < results[
            'total_frames'] < 60 and count is None, case
        if case == 'rotated':
            frames = np.rot90(frames, axes=(1, 2))
            size = size[::-1]
            if abs(frames[0] - videos.noise(16, *size)[0]).mean() > 20:
                frames = np.rot90(frames, 2, axes=(1, 2))
        if case == 'size changes':
            # scaled to the first size; decord repeats what it skips
            second = [
                cv2.resize(f, size[::-1], interpolation=cv2.INTER_AREA)
                for f in videos.noise(16, 96, 128)
            ]
            known = np.stack([*videos.noise(16), *second]).astype(float)
            assert all(
                abs(known - f).mean((1, 2, 3)).min() < 15 for f in frames)
            continue
        expected = videos.noise(count or 64, *size)
        for t in range(min(count or 4, 64)):
            error = [abs(frames[t] - e).mean() for e in expected]
            assert np.argmin(error) == t and error[t] < 30, (case, t)
    assert not (tmp_path / 'bad.tsv').exists()


@pytest.mark.parametrize('sample, expected', [
    (dict(type='SampleFrames', clip_len=8), [0, 1, 2, 0, 1, 2, 0, 1]),
    (dict(type='SampleFrames', clip_len=8,
          frame_interval=4), [0, 1, 2, 0, 1, 2, 0, 1]),
    (dict(type='SampleFrames', clip_len=8,
          out_of_bound_opt='repeat_last'), [0, 1, 2, 2, 2, 2, 2, 2]),
    (dict(type='UniformSample', clip_len=8), [0, 0, 0, 1, 1, 1, 2, 2]),
])
def test_short_clips_are_padded_as_documented(tmp_path, sample, expected):
    """docs/reliability.md, "Short videos", for three frames and T = 8."""
    videos.write(tmp_path / 'three.mp4', count=3)
    read = [
        dict(type='VideoInit'),
        dict(sample, test_mode=True),
        dict(type='VideoDecode')
    ]
    results = make(tmp_path, ['three.mp4 0'], read)[0]
    assert results['frame_inds'].tolist() == expected
    assert len(results['imgs']) == 8


@pytest.mark.parametrize('line, message', [
    ('a.mp4', 'line 2: label is missing'),
    ('a.mp4 one', 'line 2: label must be a class number'),
    ('a.mp4 -1', 'line 2: label must be a class number'),
    ('a.mp4 1.0', 'line 2: label must be a class number'),
    ('a.mp4 99999999999999999999', 'line 2: label must be a class number'),
    ('a.mp4 7', 'line 2: label must be below num_classes=5'),
    ('\0 1', 'line 2: path must be'),
])
def test_bad_lines_are_named(tmp_path, line, message):
    with pytest.raises(ValueError, match=f'list.txt, {message}'):
        make(tmp_path, ['b.mp4 1', line], num_classes=5)


@pytest.mark.parametrize('content, message', [
    (b'', 'lists no videos'),
    (b'\n \n', 'lists no videos'),
    (b'\xff\xfe\x00a 1', 'no text in UTF-8'),
])
def test_bad_files_are_named(tmp_path, content, message):
    (tmp_path / 'list.txt').write_bytes(content)
    with pytest.raises(ValueError, match=f'ann_file .*{message}'):
        DATASETS.build(
            dict(
                type='ReliableVideoDataset',
                ann_file=str(tmp_path / 'list.txt'),
                pipeline=[]))


@pytest.mark.parametrize('options, message', [
    (dict(unreadable='skip'), 'unreadable'),
    (dict(max_bad_share=2), 'max_bad_share'),
    (dict(max_bad_share='1%'), 'max_bad_share'),
    (dict(multi_class=True), 'num_classes'),
])
def test_bad_options_are_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path, ['a.mp4 1'], **options)


def test_list_with_everything_that_is_allowed(tmp_path):
    """A byte order mark, Windows ends, empty lines, spaces in a path."""
    (tmp_path / 'list.txt').write_bytes(
        '\ufeffa.mp4 1\r\n\r\nb c é.mp4 2\r\n'.encode())
    dataset = DATASETS.build(
        dict(
            type='ReliableVideoDataset',
            ann_file=str(tmp_path / 'list.txt'),
            data_prefix=dict(video='x'),
            pipeline=[]))
    found = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert [(f['filename'], f['label']) for f in found] \
        == [('x/a.mp4', 1), ('x/b c é.mp4', 2)]
    assert dataset.max_label == 2
    several = make(tmp_path, ['a 0 2', 'b 1'], multi_class=True, num_classes=3)
    assert several.get_data_info(0)['label'].tolist() == [1., 0., 1.]


def test_what_is_no_file_is_not_opened(tmp_path):
    """A device that never ends is reported, as is an address."""
    videos.write(tmp_path / 'good.mp4')
    lines = ['good.mp4 1', '/dev/zero 0', 'http://127.0.0.1:1/a.mp4 0']
    dataset = make(tmp_path, lines, max_bad_share=1)
    for i in (1, 2):
        assert dataset[i]['data_samples'].gt_label.item() == 1
    reasons = list(BadVideoReport(tmp_path / 'bad.tsv').read().values())
    assert 'no regular file' in reasons[0]
    assert 'not a file' in reasons[1]


def test_samples_pass_between_processes():
    from mmdualpath.datasets.randomness import Draw
    draw = pickle.loads(pickle.dumps(Draw(7, (1, 2, 7))))
    assert draw == 7 and draw.key == (1, 2, 7)
