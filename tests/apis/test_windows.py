"""Windows of many videos together, against one video after the other."""
from functools import partial

import pytest
import torch
import videos as files
from mmaction.apis import init_recognizer
from tiny_training import make_config

from mmdualpath.apis.inference import VideoInferencer
from mmdualpath.apis.windows import over_windows
from mmdualpath.sliding import sliding_windows

LENGTHS = (16, 9, 24, 16, 31)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Videos of several lengths, two sizes, and a model."""
    folder = tmp_path_factory.mktemp('windows')
    cfg = make_config(folder)
    model = init_recognizer(cfg, device='cpu')
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    torch.save(dict(state_dict=model.state_dict()), folder / 'a.pth')
    names = [
        str(files.write(folder / f'{i}.mp4', length, 32, 32))
        for i, length in enumerate(LENGTHS)
    ]
    inferencer = VideoInferencer(cfg, str(folder / 'a.pth'), 'cpu')
    single = [inferencer.predict(n, window=1., stride=0.5) for n in names]
    return folder, names, inferencer, single


@pytest.mark.parametrize('batch_size,workers', [(1, 0), (3, 0), (4, 2), (7, 3),
                                                (64, 1)])
def test_together_as_one_by_one(made, batch_size, workers):
    _, names, inferencer, single = made
    results = list(inferencer.predict_all(names, 1., 0.5, batch_size, workers))
    assert sorted(r.number for r in results) == list(range(len(names)))
    for result in results:
        wanted = single[result.number]
        assert result.video == wanted['video']
        assert len(result.outputs) == len(wanted['windows'])
        for (start, stop), scores, window in zip(result.opened.windows,
                                                 result.outputs,
                                                 wanted['windows']):
            assert (start / 8, stop / 8) == (window['start'], window['end'])
            got = {p['index']: p['score'] for p in window['predictions']}
            torch.testing.assert_close(
                scores, torch.tensor([got[0], got[1]]), atol=1e-6, rtol=0)


@pytest.mark.parametrize('workers', [0, 2])
def test_batches_are_full(made, workers):
    """Those of all videos together, but the last one."""
    _, names, inferencer, single = made
    sizes = []

    def model(batch):
        sizes.append(len(batch['data_samples']))
        return inferencer._score(batch)

    cut = partial(sliding_windows, window=1., stride=0.5)
    list(over_windows(names, inferencer.pipeline, cut, model, 4, workers))
    total = sum(len(s['windows']) for s in single)
    assert sizes == [4] * (total // 4) + [total % 4] * (total % 4 > 0)


@pytest.mark.parametrize('batch_size,workers', [(1, 0), (8, 0), (4, 2)])
def test_a_video_that_fails_takes_no_other_along(made, tmp_path, batch_size,
                                                 workers):
    """In opening, in the middle, and in the model."""
    folder, names, inferencer, single = made
    (tmp_path / 'text.mp4').write_text('no video')
    broken = [
        str(tmp_path / 'text.mp4'),
        'http://127.0.0.1:9/nothing.mp4',
        # The model takes no such size.
        str(files.write(tmp_path / 'wide.mp4', 16, 32, 64)),
        str(files.write(tmp_path / 'torn.mp4', 40, 32, 32)),
    ]
    every = [names[0], *broken[:2], names[1], *broken[2:], *names[2:]]
    pipeline = partial(fails_late, inferencer.pipeline, 40)
    cut = partial(sliding_windows, window=1., stride=0.5)

    def model(batch):
        if batch['inputs'][0].shape[-1] != 32:
            raise ValueError('no such size')
        return inferencer._score(batch)

    results = {
        r.video: r
        for r in over_windows(every, pipeline, cut, model, batch_size, workers)
    }
    assert set(results) == set(every)
    assert {v for v, r in results.items() if r.error} == set(broken)
    assert 'torn' in results[broken[3]].error
    for wanted in single:
        scores = torch.stack(results[wanted['video']].outputs).mean(0)
        for best in wanted['predictions']:
            assert scores[best['index']].item() == pytest.approx(
                best['score'], abs=2e-6)
    for video in broken:
        with pytest.raises(Exception):
            list(over_windows([video], pipeline, cut, model))


def fails_late(pipeline, length, inputs):
    """A pipeline that cannot read the third window of the longest video."""
    if len(inputs['video_reader']) == length and inputs['start_index'] >= 8:
        raise RuntimeError('torn')
    return pipeline(inputs)


@pytest.mark.parametrize('frames,window,stride,wanted', [
    (11, 4, 4, [(0, 4), (4, 8)]),
    (12, 4, 4, [(0, 4), (4, 8), (8, 12)]),
    (3, 4, 2, [(0, 3)]),
])
def test_windows_of_a_grid(frames, window, stride, wanted):
    assert sliding_windows(
        frames, 1., window, stride, to_the_end=False) == wanted


@pytest.mark.parametrize('options', [dict(batch_size=0), dict(num_workers=-1)])
def test_mistakes(made, options):
    with pytest.raises(ValueError, match='batch_size=.*num_workers='):
        list(made[2].predict_all(made[1], **options))
