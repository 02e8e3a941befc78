"""The miniature study: its data, its cells, one training, its report."""
import json
import logging
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import ROOT, load_tool
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image
from scipy import stats
from sklearn.datasets import load_digits

sys.path.append(str(ROOT / 'tools/miniature'))
import grid as grids  # noqa: E402
import report as reports  # noqa: E402
import train as trainings  # noqa: E402

render = load_tool('data/render_digits.py')


def labels(path):
    return [int(line.split()[1]) for line in path.read_text().splitlines()]


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with a small grid's videos and random frozen weights."""
    folder = tmp_path_factory.mktemp('miniature')
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    grid = grids.Grid(
        'tiny', videos=16, epochs=10, seeds=2, tasks=('motion', ))
    patch.setitem(grids.GRIDS, 'tiny', grid)
    subprocess.run(
        [sys.executable, ROOT / 'tools/data/render_digits.py', grid.data] +
        '--shift --length 48 --train-videos 24 --test-videos 16 --images 10'.
        split(),
        check=True)
    init_default_scope('mmaction')
    for name, cfg in grids.BACKBONES.items():
        path = grid.pretrained(name)
        path.parent.mkdir(parents=True)
        weights = MODELS.build(cfg).state_dict()
        torch.save(
            dict(state_dict={
                f'backbone.{k}': v
                for k, v in weights.items()
            }), path)
        path.with_name('result.json').write_text('{"accuracy/top1": 50.0}')
    for split in ('train', 'test'):
        trainings.decode(grid, split)
    threads = torch.get_num_threads()
    yield grid
    torch.set_num_threads(threads)
    logging.disable(logging.NOTSET)
    patch.undo()


def test_three_tasks_label_the_same_videos(place):
    digits = load_digits()
    for split, part in (('train', slice(0, 1400)), ('test', slice(1400,
                                                                  None))):
        motion, digit, both = (
            labels(place.data / f'{split}{task}.txt')
            for task in ('', '_appearance', '_both'))
        for i, (m, d, b) in enumerate(zip(motion, digit, both)):
            assert b == 2 * m + (d < 5)
            # The digit is the first thing that is drawn for a video.
            seed = (0 if split == 'train' else 1, i)
            number = np.random.default_rng(seed).integers(
                len(digits.target[part]))
            assert digits.target[part][number] == d
    names = (place.data / 'labels_both.txt').read_text().splitlines()
    assert names[2 * 3 + 1] == 'down, 0 to 4'


def test_test_videos_have_other_speeds():

    def travel(shift):
        paths = [
            render.trajectory(
                np.random.default_rng(i), 'right', 16, 64, shift)
            for i in range(200)
        ]
        return np.array([(p[-1][0] - p[0][0]) / 64 for p in paths])

    usual, shifted = travel(False), travel(True)
    assert usual.min() > 0.35 and usual.max() < 0.55
    assert not ((shifted > 0.35) & (shifted < 0.55)).any()
    assert (shifted < 0.35).any() and (shifted > 0.55).any()


def test_test_videos_have_other_backgrounds():

    def roughness(shift):
        images = [
            render.texture(np.random.default_rng(i), 64, shift)
            for i in range(50)
        ]
        return np.mean([np.abs(np.diff(i, axis=1)).mean() for i in images])

    assert roughness(True) > 1.1 * roughness(False)


def test_spatial_frames_are_symmetric_in_time():
    for number, frames in grids.SPATIAL.items():
        assert len(frames) == number
        if number > 1:
            assert [15 - i for i in reversed(frames)] == frames


@pytest.mark.parametrize('name', grids.cells())
def test_every_cell_builds_and_trains_something(name, place):
    cell = grids.cells()[name]
    cfg = cell.load('motion', 0, place.work / 'any', place)
    counts = trainings.counts(cfg)
    assert counts['trainable'] > 0
    model = MODELS.build(cfg.model)
    assert counts['trainable'] == sum(p.numel() for p in model.parameters()
                                      if p.requires_grad)
    assert counts['macs'] > 1e6
    trained = [
        name for name, p in model.backbone.named_parameters()
        if p.requires_grad
    ]
    if name in ('linear', 'temporal head'):
        assert not trained
    elif name == 'full':
        assert len(trained) == len(list(model.backbone.named_parameters()))


def test_no_two_cells_are_the_same(place):
    configs = {}
    for name, cell in grids.cells().items():
        cfg = cell.load('motion', 0, place.work / 'any', place)
        configs[name] = json.dumps(cfg.to_dict(), sort_keys=True, default=str)
    assert len(set(configs.values())) == len(configs)


@pytest.mark.parametrize('name', ['DualPath', 'AdaptFormer'])
def test_decoded_videos_are_what_the_stock_pipeline_reads(name, place):
    cell = grids.cells()[name]
    for task in grids.TASKS:
        cfg = cell.load(task, 0, place.work / 'any', place)
        stock = DATASETS.build(cfg.test_dataloader.dataset)
        once = DATASETS.build(
            trainings.decoded(cfg, place).test_dataloader.dataset)
        assert len(stock) == len(once) == 16
        for i in (0, 7, 15):
            a, b = stock[i], once[i]
            assert torch.equal(a['inputs'], b['inputs'])
            assert torch.equal(a['data_samples'].gt_label,
                               b['data_samples'].gt_label)


def test_a_cell_trains_keeps_its_config_and_is_not_run_again(place):
    before = {k: torch.load(place.pretrained(k)) for k in grids.BACKBONES}
    top1 = trainings.run_cell(('motion', 'DualPath', 0, 'tiny'))
    folder = place.place('motion', 'DualPath', 0)
    result = json.loads((folder / 'result.json').read_text())
    assert result['top1'] == top1 and 0 <= top1 <= 1
    assert round(top1 * 16, 6) % 1 == 0  # of 16 videos
    assert result['memory'] > 4 * result['trainable']

    # The config that is kept trains the same by the stock runner.
    cfg = Config.fromfile(folder / 'config.py')
    cfg.work_dir = str(folder / 'again')
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.test()['acc/top1'] == pytest.approx(top1)
    # What is frozen stayed as it was pretrained.
    for key, value in before['vit']['state_dict'].items():
        key = key.replace('backbone.', 'backbone.spatial.', 1)
        found = dict(runner.model.named_parameters()).get(key)
        if found is not None and not found.requires_grad:
            assert torch.equal(found, value)

    runs = place.runs()
    assert len(set(runs)) == len(runs) == 2 * len(grids.cells())
    due = trainings.due(place)
    assert ('motion', 'DualPath', 0, 'tiny') not in due
    assert ('motion', 'DualPath', 1, 'tiny') in due


def test_a_failing_cell_does_not_stop_the_others(place, monkeypatch):

    def fail(job):
        raise RuntimeError('no memory')

    monkeypatch.setattr(trainings, 'run_cell', fail)
    job = ('motion', 'linear', 0, 'tiny')
    assert trainings.attempt(job) == (job, 'RuntimeError: no memory')


def content(**top1):
    rows = [
        dict(
            task='motion',
            name=name.replace('_', ' '),
            top1=values,
            seconds=[1.],
            trainable=1000,
            macs=2e6,
            memory=2**20) for name, values in top1.items()
    ]
    return dict(
        date='2020-02-02',
        commits=['abc'],
        machine='a machine',
        grid=dict(name='reduced', videos=1, epochs=1, seeds=3),
        pretrained=dict(vit=80., swin=90.),
        rows=rows)


def test_gap_is_in_welchs_standard_errors():
    a, b = [90., 91., 95.], [80., 70., 86.]
    table = reports.Table(content(DualPath=a, VPT=b))
    text, verdict = table.ahead('DualPath', 'VPT')
    gap, error = (float(x) for x in text.split(' ± '))
    t = stats.ttest_ind(a, b, equal_var=False).statistic
    assert gap / (error / 2) == pytest.approx(t, rel=0.01)
    assert verdict == 'holds'
    assert table.ahead('VPT', 'DualPath')[1] == 'does not hold'
    near = reports.Table(content(DualPath=a, VPT=[91., 92., 93.]))
    assert near.ahead('DualPath', 'VPT')[1] == 'undecided'
    assert near.ahead('DualPath', 'linear') == ('not yet run', '')


def test_report_writes_tables_and_plots(tmp_path):
    reports.report(
        content(
            DualPath=[90., 91., 95.],
            VPT=[80., 70.],
            AdaptFormer=[50., 60., 55.]), tmp_path)
    page = (tmp_path / 'results.md').read_text()
    assert '| DualPath | 92.0 ± 2.6 | not yet run | not yet run |' in page
    assert '| VPT | 75.0 ± 7.1 (2) |' in page  # one seed is missing
    assert 'DualPath against VPT, motion' in page  # the best of image PETL
    assert '2020-02-02, commit abc, a machine' in page
    assert json.loads((tmp_path / 'results.json').read_text())['rows']
    for name in ('motion_vit.png', 'ablations.png'):
        image = np.asarray(Image.open(tmp_path / name))
        assert image.std() > 5
    assert not (tmp_path / 'appearance_vit.png').exists()
