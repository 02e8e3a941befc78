"""The miniature study: its data, its cells, one training, its report."""
import json
import logging
import math
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import ROOT, load_tool
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.hooks import EarlyStoppingHook
from mmengine.registry import init_default_scope
from PIL import Image
from sklearn.datasets import load_digits

from mmdualpath.analysis.provenance import stale
from mmdualpath.analysis.structure import build_structure, without_weights

sys.path.append(str(ROOT / 'tools/miniature'))
import curves  # noqa: E402
import grid as grids  # noqa: E402
import inputs  # noqa: E402
import report as reports  # noqa: E402
import train as trainings  # noqa: E402

render = load_tool('data/render_digits.py')
TABLES = grids.tables()
RESULTS = ROOT / 'docs/miniature/results.json'


@pytest.fixture(scope='module')
def quick(tmp_path_factory):
    """The quick grid, run by its program."""
    folder = tmp_path_factory.mktemp('miniature')
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    patch.setenv('PYTHONPATH', str(ROOT))
    subprocess.run([
        sys.executable, '-W', 'ignore', ROOT / 'tools/miniature/train.py',
        '--grid', 'quick'
    ],
                   check=True)
    threads = torch.get_num_threads()
    yield grids.QUICK
    torch.set_num_threads(threads)
    patch.undo()


def labels(path):
    return [int(line.split()[1]) for line in path.read_text().splitlines()]


def test_three_tasks_label_the_same_videos(tmp_path):
    digits = load_digits()
    for split, part in (('train', slice(0, 1400)), ('test', slice(1400,
                                                                  None))):
        number = 0 if split == 'train' else 1
        render.write_annotations(tmp_path, split, number, part, 24)
        motion, digit, both = (
            labels(tmp_path / f'{split}{task}.txt')
            for task in ('', '_appearance', '_both'))
        for i, (m, d, b) in enumerate(zip(motion, digit, both)):
            assert b == 2 * m + (d < 5)
            # The digit is the first thing that is drawn for a video.
            index = np.random.default_rng(
                (number, i)).integers(len(digits.target[part]))
            assert digits.target[part][index] == d


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


@pytest.mark.parametrize('number', [1, 2, 4, 8])
@pytest.mark.parametrize('length', [16, 48])
def test_spatial_frames_are_symmetric_in_time(number, length):
    frames = grids.symmetric(number, length)
    assert len(set(frames)) == number and frames == sorted(frames)
    if number > 1:
        assert [length - 1 - i for i in reversed(frames)] == frames


def test_every_cell_builds_and_trains_something():
    cells = {
        cell.digest(): cell
        for rows in TABLES.values()
        for cell in rows.values()
    }
    assert len(cells) > 100
    for cell in cells.values():
        cfg = cell.resolve()
        init_default_scope(cfg.default_scope)
        model = build_structure(without_weights(cfg.model))
        assert any(p.requires_grad for p in model.parameters())
        assert model.cls_head.num_classes == grids.TASKS[cell.task]


def test_cells_differ_in_what_their_labels_say():
    rows = TABLES['positions']
    digests = {label: cell.digest() for label, cell in rows.items()}
    assert len(set(digests.values())) == len(rows) == 24
    for label, cell in rows.items():
        code, embedding, form = label.split(', ')
        view = cell.resolve().model.backbone.temporal
        kind = view.adapters.get('positions', dict(type=None))['type']
        assert kind == {
            '3-D': 'FramesetPositions',
            'frame number': 'FrameIndexPositions',
            'no code': None
        }[code]
        for name in ('attn_in', 'attn_out', 'mlp'):
            assert view.adapters[name].skip == (form == 'skip')
        assert ('pos_embed' in view.zero) == (embedding == 'none')
        assert ('pos_embed' in view.trainable) == (embedding == 'trained')
        assert ('pos_embed' in view.fresh) == (embedding == 'fresh')
    assert TABLES['amplitude']['match, skip'].digest(
    ) == digests['3-D, none, skip']


def test_frames_of_a_frameset_have_at_least_four_patches():
    for table, rows in TABLES.items():
        for label, cell in rows.items():
            cfg = cell.resolve()
            views = inputs.views_of(cfg, cell.frames)
            if 'temporal' in views:
                view = views['temporal']
                patches = view.size[0] // 8 // view.grid[0]
                assert patches >= 2, (table, label)


def test_a_digest_follows_the_shipped_config(monkeypatch):
    cell = grids.Cell()
    before = cell.digest()
    changed = deepcopy(grids.shipped(cell.config))
    changed.optim_wrapper.optimizer.lr = 1.
    monkeypatch.setattr(grids, 'shipped', lambda name: changed)
    assert cell.digest() != before


@pytest.mark.parametrize('chosen, refused', [
    ({
        'motoin': (1, ())
    }, 'motoin'),
    ({
        'motion': (1, ('DaulPath', ))
    }, 'DaulPath'),
])
def test_a_grid_of_what_there_is_not_is_refused(chosen, refused):
    with pytest.raises(ValueError, match=refused):
        replace(grids.QUICK, chosen=chosen).runs()


def test_some_tables_of_a_grid():
    some = grids.WHOLE.only(['positions', 'width'])
    assert list(some.tables()) == ['positions', 'width']
    assert grids.WHOLE.only([]) == grids.WHOLE
    assert some.work == grids.WHOLE.work
    with pytest.raises(ValueError, match="whole: there is no table .'widths'"):
        grids.WHOLE.only(['widths'])


def test_a_wrong_name_is_refused():
    with pytest.raises(ValueError, match="'quikc' is none of quick, reduced"):
        grids.named('quikc')
    with pytest.raises(ValueError, match="embedding='nothing'"):
        grids.temporal(embedding='nothing')
    with pytest.raises(ValueError, match="no table 'motoin'"):
        reports.fill(
            '<!-- table of miniature/results.json: motoin -->\n'
            '<!-- end of table -->', content())


def test_order_of_the_trainings():
    chosen = {
        'paths': (2, ()),
        'motion': (3, ('DualPath', 'linear')),  # DualPath stands in both
        'width': (1, ('width 8', ))
    }
    runs = replace(grids.QUICK, chosen=chosen).runs()
    assert [(name, seed)
            for name, _, seed in runs] == [('paths: both', 0),
                                           ('paths: temporal alone', 0),
                                           ('paths: spatial alone', 0),
                                           ('paths: both', 1),
                                           ('paths: temporal alone', 1),
                                           ('paths: spatial alone', 1),
                                           ('motion: linear', 0),
                                           ('motion: linear', 1),
                                           ('motion: DualPath', 2),
                                           ('motion: linear', 2),
                                           ('width: width 8', 0)]


def test_steps_to_90():
    curve = [0.2, 0.895, 0.9, 0.85, 0.97]
    assert curves.steps_to(curve, 250) == 750
    assert curves.steps_to(curve, 250, 0.97) == 1250
    assert math.isinf(curves.steps_to(curve, 250, 0.98))
    assert curves.spread([500, 750, math.inf]) == '750 (500 to never)'
    assert curves.spread([500, math.inf, math.inf]) == 'never (500 to never)'
    assert curves.spread([500, 500]) == '500'
    assert curves.mean([0.9, 0.95]) == '92.5 ± 3.5'
    assert curves.fewer(6000, 1500) == '4.0'
    assert curves.fewer(math.inf, 1500, 9000) == 'more than 6.0'
    assert curves.fewer(6000, math.inf) == 'undecided'


def test_a_training_stops_where_mmengine_stops_it():
    hook = dict(monitor='acc/top1', min_delta=0.01, patience=4)
    assert hook.items() <= {
        **grids.Cell().resolve().custom_hooks[1], 'patience': 4
    }.items()
    rng = np.random.default_rng(0)
    ends = set()
    for _ in range(50):
        curve = (rng.integers(0, 12, 40) / 12).tolist()
        early = EarlyStoppingHook(**hook)
        runner = SimpleNamespace(
            train_loop=SimpleNamespace(stop_training=False),
            logger=logging.getLogger('silent'))
        early.before_run(runner)
        for i, top1 in enumerate(curve, 1):
            early.after_val_epoch(runner, {'acc/top1': top1})
            assert runner.train_loop.stop_training == curves.stopped(
                curve[:i], 4)
            if runner.train_loop.stop_training:
                ends.add(i)
                break
    assert len(ends) > 3


@pytest.mark.parametrize('table, label', [
    ('motion', 'DualPath'),
    ('framesets', 'T_G = 2, amplitude match'),
    ('grid of 16 frames', 'w = h = 2'),
])
def test_prepared_videos_are_what_the_data_preprocessor_makes(
        table, label, tmp_path):
    cell = TABLES[table][label]
    cfg = cell.resolve()
    init_default_scope(cfg.default_scope)
    counts = dict(train=3, test=2)
    inputs.prepare(tmp_path,
                   inputs.views_of(cfg, cell.frames).values(), counts)
    reads = MODELS.build(cfg.model.data_preprocessor)
    frames = render.render_frames((1, 1), render.MOTIONS[1],
                                  render.TEST_DIGITS, cell.frames, 64)
    clip = torch.from_numpy(np.stack(frames)).permute(3, 0, 1, 2)[None]
    whole = reads(dict(inputs=[clip], data_samples=None))['inputs']

    inputs.prepared(cfg, cell.frames, tmp_path, cell.task)
    data = DATASETS.build(cfg.test_dataloader.dataset)
    batch = reads(pseudo_collate([data[1]]))
    assert batch['inputs'].keys() == whole.keys()
    for name, value in whole.items():
        assert torch.equal(batch['inputs'][name], value)
    assert batch['data_samples'][0].gt_label == 1
    assert len(data) == 2


def test_single_frames_are_prepared(tmp_path):
    cell = TABLES['motion']['linear, temporal head']
    cfg = cell.resolve()
    inputs.prepare(tmp_path,
                   inputs.views_of(cfg, cell.frames).values(),
                   dict(train=1, test=1))
    inputs.prepared(cfg, cell.frames, tmp_path, 'appearance')
    sample = DATASETS.build(cfg.train_dataloader.dataset)[0]
    frames = render.render_frames((0, 0), 'left', render.TRAIN_DIGITS, 16, 64)
    expected = np.stack([frames[i] for i in (2, 6, 9, 13)])
    assert np.array_equal(sample['inputs'].permute(0, 2, 3, 1), expected)
    digit = render.draw_digit(
        np.random.default_rng((0, 0)), render.TRAIN_DIGITS)[1]
    assert sample['data_samples'].gt_label == digit


def test_photographs_are_a_second_source(quick):
    folder = quick.data / 'images-and-photos/train'
    names = sorted(p.name for p in folder.iterdir())
    assert names == [*map(str, range(10)), 'china', 'flower']
    pieces = [np.asarray(Image.open(p)) for p in (folder / 'china').iterdir()]
    assert len(pieces) == quick.images[0] // 10
    assert {p.shape for p in pieces} == {(64, 64, 3)}
    digit = next(p for d in '0123456789' for p in (folder / d).glob('*.png'))
    assert np.asarray(Image.open(digit)).shape == (64, 64, 3)


def test_the_quick_grid_runs_and_is_reported(quick, tmp_path):
    for _, cell, seed in quick.runs():
        result = json.loads(quick.place(cell, seed).read_text())
        assert 1 <= len(result['curve']) <= quick.steps / quick.interval
        for top1 in result['curve']:  # of 16 videos
            assert round(16 * top1, 6) % 1 == pytest.approx(0, abs=1e-3)
    page = tmp_path / 'page.md'
    page.write_text(''.join(
        f'<!-- table of miniature/results.json: {name} -->\n'
        '<!-- end of table -->\n'
        for name in ('about', 'claim', 'amplitude', 'motion', 'Swin',
                     'picture curves_methods', 'picture sweep')))
    subprocess.run([
        sys.executable, '-W', 'ignore', ROOT / 'tools/miniature/report.py',
        '--grid', 'quick', '--out', page
    ],
                   check=True)
    content = json.loads((tmp_path / 'page/results.json').read_text())
    assert list(content)[:5] == [
        'command', 'date', 'commit', 'machine', 'depends'
    ]
    assert content['command'] == 'bash tools/miniature.sh quick'
    assert stale(content) == []
    assert content['grid']['trainings'] == len(quick.runs())
    text = page.read_text()
    assert '| DualPath | never |' in text
    assert 'Not yet run: match, skip; 1, skip' in text
    assert '(miniature/curves_methods.png)' in text
    assert '(miniature/sweep.png)' not in text
    for name in ('curves_amplitude', 'curves_methods', 'framesets'):
        image = np.asarray(Image.open(tmp_path / f'page/{name}.png'))
        assert image.std() > 5
    assert reports.fill(text, content) == text
    # A study that went on elsewhere names both machines.
    run = next(iter(content['cells'].values()))['seeds']['0']
    cpu, run['cpu'] = run['cpu'], 'AAA'
    assert f'cpu AAA, {cpu}, cores' in reports.fill(text, content)


def test_a_result_of_another_version_is_refused(quick):
    _, cell, seed = quick.runs()[0]
    path = quick.place(cell, seed)
    before = path.read_text()
    try:
        for lacking in (('cpu', 'macs'), ('seed', ), ('cell', )):
            result = json.loads(before)
            for key in lacking:
                del result[key]
            path.write_text(json.dumps(result))
            said = f'does not say {", ".join(lacking)}:'
            with pytest.raises(ValueError, match=said) as error:
                reports.collect(quick)
            assert str(path) in str(error.value)
    finally:
        path.write_text(before)


def test_a_stopped_grid_goes_on(quick):
    """What is done stays, and what is not is what it would have been."""
    _, cell, seed = quick.runs()[0]
    path = quick.place(cell, seed)
    before = json.loads(path.read_text())
    others = {
        p: p.stat().st_mtime_ns
        for p in path.parent.iterdir() if p != path
    }
    path.unlink()
    trainings.run(quick, 1)
    after = json.loads(path.read_text())
    assert after['curve'] == before['curve']
    assert {p: p.stat().st_mtime_ns for p in others} == others


def test_results_of_another_machine_are_taken_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = json.loads(RESULTS.read_text())
    count = sum(len(row['seeds']) for row in told['cells'].values())
    assert trainings.take_over(grids.REDUCED) == count
    assert trainings.take_over(grids.REDUCED) == 0  # they are there
    again = reports.collect(grids.REDUCED)
    assert again['cells'] == told['cells']
    assert trainings.take_over(grids.QUICK) == 0  # it has its own
    with pytest.raises(ValueError, match='--anew: .* is what results.json'):
        trainings.take_over(grids.REDUCED, anew=True)


def test_what_is_known_can_be_trained_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert trainings.take_over(grids.REDUCED, anew=True) == 0
    assert not list(tmp_path.rglob('trainings'))


def test_results_of_something_else_are_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    told = json.loads(RESULTS.read_text())
    told['depends']['tools/data/render_digits.py'] = 'another'
    other = tmp_path / 'results.json'
    other.write_text(json.dumps(told))
    assert trainings.take_over(grids.REDUCED, other) == 0
    assert not list(tmp_path.rglob('trainings'))
    assert 'is of other tools/data/render_digits.py' in capsys.readouterr().out


def test_the_frozen_backbones_of_the_study_come_along():
    for name, (config, _, width) in grids.BACKBONES.items():
        weights = torch.load(grids.WHOLE.pretrained(name))['state_dict']
        cfg = Config.fromfile(ROOT / f'configs/miniature/{config}.py')
        init_default_scope('mmpretrain')
        built = MODELS.build(cfg.model.backbone).state_dict()
        assert weights.keys() == built.keys()
        for key, tensor in built.items():
            assert tensor.shape == weights[key].shape
        assert 50 < grids.WHOLE.stills(name) < 100


def test_match_times_a_number_is_that_loud(quick):
    cell = TABLES['amplitude, 3-D']['3 x match, skip']
    cfg = trainings.configure(cell, 0, quick)
    weights = torch.load(quick.pretrained(cell.backbone))['state_dict']
    framesets = np.load(cfg.train_dataloader.dataset.views['temporal'])
    pixels = (torch.from_numpy(framesets[:64, 0]).float() - 127.5) / 63.75
    tokens = torch.nn.functional.conv2d(
        pixels, weights['patch_embed.projection.weight'],
        weights['patch_embed.projection.bias'], 8)
    # Time, y and x: 16 channels each, half sines and half cosines.
    places = [(4 * (row // 2) + column // 2, row % 2 + 0.5, column % 2 + 0.5)
              for row in range(8) for column in range(8)]
    rates = 1e4**(-np.arange(8) / 8)
    code = np.array([[
        f(axis * rate) for axis in place for f in (np.sin, np.cos)
        for rate in rates
    ] for place in places])
    expected = tokens.std().item() / code.std(ddof=1)
    assert trainings.matched(cfg) == pytest.approx(expected, rel=1e-4)


def test_a_failing_cell_does_not_stop_the_others(monkeypatch):

    def fail(job):
        raise RuntimeError('no memory')

    monkeypatch.setattr(trainings, 'train', fail)
    job = ('quick', 'a cell', grids.Cell(), 0)
    assert trainings.attempt(job) == (job, 'RuntimeError: no memory')


def content(**seeds):
    """Results of the main claim's cells, by seed."""
    rows = TABLES['amplitude']
    cells = {
        rows[label.replace('_', ', ')].digest():
        dict(
            name=label,
            task='motion',
            trainable=1000,
            macs=2e6,
            interval=250,
            seeds={
                str(i):
                dict(
                    curve=curve,
                    amplitude=2.,
                    stills=80.,
                    seconds=1.,
                    commit='abc')
                for i, curve in enumerate(found)
            })
        for label, found in seeds.items()
    }
    return dict(
        grid=dict(steps=10_000, patience=2),
        tables={
            table: {
                label: cell.digest()
                for label, cell in rows.items()
            }
            for table, rows in TABLES.items()
        },
        cells=cells)


def test_the_claim_is_counted_by_seed():
    told = content(
        match_skip=[[.5, .9, .9, .9], [.9, .95, .8, .8], [.5, .5, .91]],
        **{'1_skip': [[.1] * 7 + [.9], [.1] * 3 + [.92], [.4, .4, .4]]})
    text = reports.claim_of(reports.Study(told))
    # Medians 2,000 and 500; the seeds 4, 4 and, as far as seen, 1 times.
    assert text.splitlines()[2:] == [
        '| skip | 2,000 (1,000 to never) | 500 (250 to 750) | 4.0 | '
        'more than 1.0 | 3 |'
    ]
    row = reports.Study(told).row('amplitude', 'match, skip')
    assert row[:4] == [
        'match, skip', '500 (250 to 750)', '87.0 ± 6.1',
        '1,000, 1 of 3 still rising'
    ]


def test_the_page_is_written_from_results_that_still_hold():
    told = json.loads(RESULTS.read_text())
    page = (ROOT / 'docs/miniature.md').read_text()
    assert reports.fill(page, told) == page
    for table, rows in told['tables'].items():
        for label, digest in rows.items():
            if digest in told['cells']:
                assert TABLES[table][label].digest() == digest, (table, label)
