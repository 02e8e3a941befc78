"""A folder of videos in, a trained model out."""
import html
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import videos
from helpers import ROOT, load_tool
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from pages import write_clip
from rich.console import Console
from sklearn.metrics import f1_score

from mmdualpath.analysis.memory import bytes_of, peak_bytes
from mmdualpath.analysis.scores import Answers, difference, value_of
from mmdualpath.apis.fit import (data, figures, find_backbone, fit, recipe,
                                 runs, writing)
from mmdualpath.apis.fit.backbones import Backbone
from mmdualpath.apis.fit.balancing import decide
from mmdualpath.apis.fit.data import find_data
from mmdualpath.apis.fit.figures import answers_of
from mmdualpath.apis.fit.fitting import Fitting
from mmdualpath.datasets.bad_videos import BadVideoReport
from mmdualpath.datasets.collection import Video

MINI = 'mmdualpath://vit-mini_digits.pth'
digits = load_tool('data/render_digits.py')


def render(folder: Path, motion: str, count: int, pixels: int = 72) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        frames = digits.render_frames((7, i), motion, slice(0, 50), 18, pixels)
        digits.write_video(folder / f'{motion}{i}_take1.mp4', frames)


@pytest.fixture(scope='module', autouse=True)
def _short_probes():
    """Probes train for a few epochs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, 'probe_epochs', lambda train: 4)
        yield


# ---- from beginning to end ----


class Killed(Exception):
    """Stands for a signal."""


class KillHook(Hook):
    """Ends a training in its second epoch."""

    def before_train_epoch(self, runner) -> None:
        if runner.epoch == 1:
            raise Killed


@pytest.fixture(scope='module')
def fitted(tmp_path_factory):
    """Two classes of four videos, killed once; its folder and what it said."""
    folder = tmp_path_factory.mktemp('fit')
    source, out = folder / 'my videos', folder / 'out'
    render(source / 'left', 'left', 4)
    render(source / 'growing', 'growing', 4)
    broken = source / 'left' / 'left3_take1.mp4'
    broken.write_bytes(broken.read_bytes()[:300])
    mislabelled = source / 'growing' / 'growing3_take1.mp4'
    videos.write(mislabelled.with_suffix('.mkv')).rename(mislabelled)
    (source / 'left' / 'notes.txt').write_text('nothing')
    console = Console(record=True, width=200)
    trained, train = [], runs.train

    def noted(cfg: Config) -> str:
        trained.append(Path(cfg.work_dir).name)
        if trained == ['linear', 'order', 'dualpath']:
            runner = runs.runner_of(cfg)
            runner.register_hook(KillHook())
            runner.train()
        return train(cfg)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, 'train', noted)
        for attempt in range(2):
            try:
                results = fit(source, MINI, out, epochs=2, console=console)
            except Killed:
                assert attempt == 0
    return out, console.export_text(), results, trained


def test_what_was_found(fitted):
    out, said, results, _ = fitted
    assert '7 videos of 2 classes' in said
    assert 'growing3_take1.mp4 is matroska, whatever its name says' in said
    assert 'left3_take1.mp4 cannot be read and is left out' in said
    assert '1 files are no videos' in said
    assert (out / 'labels.txt').read_text() == 'growing\nleft\n'
    lists = [(out / f'{s}.txt').read_text() for s in ('train', 'val')]
    lines = [line for text in lists for line in text.splitlines()]
    assert sorted(lines) == sorted(
        [f'growing/growing{i}_take1.mp4 0'
         for i in range(4)] + [f'left/left{i}_take1.mp4 1' for i in range(3)])
    for text in lists:  # both classes on both sides
        assert {line[-1] for line in text.splitlines()} == {'0', '1'}


def test_it_goes_on_where_it_was_killed(fitted):
    out, said, _, trained = fitted
    assert trained == ['linear', 'order', 'dualpath', 'dualpath']
    assert 'are there already' in said
    log = '\n'.join(p.read_text() for p in (out / 'dualpath').glob('*/*.log'))
    assert 'resumed epoch: 1' in log


def test_what_it_tells(fitted):
    out, said, results, _ = fitted
    assert set(results['models']) == {
        'linear/as shown', 'order/as shown', 'dualpath/as shown',
        'dualpath/shuffled', 'dualpath/reversed'
    }
    # The figures are those of the answers, which are those of the model.
    checkpoint = results['trained']['dualpath']
    with np.load(out / 'dualpath/as shown.npz') as file:
        scores, truth = file['scores'], file['truth']
    share = (scores.argmax(1) == truth.argmax(1)).mean()
    assert results['models']['dualpath/as shown']['top-1']['value'] == share
    again = runs.predict(Config.fromfile(out / 'dualpath.py'), checkpoint)
    np.testing.assert_allclose(again.scores, scores, atol=1e-6)
    backwards = runs.predict(
        Config.fromfile(out / 'dualpath.py'), checkpoint, 'reversed')
    assert abs(backwards.scores - scores).max() > 1e-4
    assert 'Whether time matters cannot be told from' in said
    for command in ('tools/train.py', 'tools/predict.py', 'tools/export.py'):
        assert f'python {command}' in said
    page = (out / 'report.html').read_text()
    assert 'growing' in page
    # The page says the same, by the same rule.
    text = html.unescape(re.sub(r'<.*?>', '', page))
    assert len(results['verdict']) == 2
    for sentence in results['verdict']:
        assert sentence in text


def test_other_options_are_refused(fitted):
    out, *_ = fitted
    with pytest.raises(ValueError, match='epochs was 2, is now 3'):
        fit(out.parent / 'my videos', MINI, out, epochs=3)


def test_other_videos_are_refused(fitted):
    """The lists there are of others than the folder has now."""
    out, *_ = fitted
    source = out.parent / 'my videos'
    file = source / 'left' / 'left0_take1.mp4'
    file.rename(file.with_name('elsewhere.mp4'))
    try:
        with pytest.raises(ValueError, match='lists other videos'):
            fit(source, MINI, out, epochs=2)
    finally:
        file.with_name('elsewhere.mp4').rename(file)


def test_stock_tools_run_the_configs(fitted):
    """From another folder, since they name all files in full."""
    out, *_ = fitted
    done = subprocess.run([
        sys.executable, '-W', 'ignore', ROOT / 'tools/train.py',
        out / 'dualpath.py', '--work-dir', out / 'again', '--cfg-options',
        'train_cfg.max_epochs=1', 'param_scheduler=None'
    ],
                          cwd=out.parent,
                          capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (out / 'again/epoch_1.pth').is_file()


def test_several_labels(tmp_path):
    """Loss, metric and outputs are those of several labels."""
    render(tmp_path / 'all', 'left', 6)
    names = sorted(p.name for p in (tmp_path / 'all').iterdir())
    (tmp_path /
     'list.csv').write_text('video,labels\n' +
                            ''.join(f'{name},{"a;b" if i % 2 else "b"}\n'
                                    for i, name in enumerate(names)))
    results = fit(
        tmp_path / 'list.csv',
        MINI,
        tmp_path / 'out',
        root=tmp_path / 'all',
        epochs=1)
    assert list(
        results['models']['dualpath/as shown']) == ['mean average precision']
    cfg = Config.fromfile(tmp_path / 'out/dualpath.py')
    head = MODELS.build(cfg.model).cls_head
    scores = torch.randn(2, 2)
    torch.testing.assert_close(
        head.average_clip(scores), scores.sigmoid(), rtol=0, atol=0)
    labels = torch.tensor([[1., 0.], [0., 1.]])
    torch.testing.assert_close(
        head.loss_cls(scores, labels),
        -(labels * scores.sigmoid().log() + (1 - labels) *
          (1 - scores.sigmoid()).log()).mean())


# ---- videos as they are found ----

PAIR = {f'{name}/{name}{i}.mp4': 16 for name in 'ab' for i in 'wxyz'}
FLAT = dict.fromkeys((f'{name}{i}.mp4' for name in 'ab' for i in 'wxyz'), 16)


def files(folder: Path, content) -> Path:
    """Write files: texts, bytes, or videos of a number of frames."""
    for name, what in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, int):
            videos.write(path, what)
        else:
            path.write_bytes(
                what if isinstance(what, bytes) else what.encode())
    return folder


def table(rows='', labels=('a', 'b'), which='wxyz') -> str:
    """A table of the videos of ``FLAT``, and more rows."""
    return 'video,label\n' + ''.join(f'{name}{i}.mp4,"{label}"\n'
                                     for name, label in zip('ab', labels)
                                     for i in which) + rows


def look(source: Path, **options) -> str:
    """What is said of videos."""
    console = Console(record=True, width=200)
    out = source.parent / f'{source.name}_out'
    if source.is_file():
        out = source.parents[1] / 'out'
    find_data(source, out, console=console, **options).show(console)
    return console.export_text()


@pytest.mark.parametrize(
    'content, source, said',
    [
        (dict(PAIR, **{'c/notes.txt': 'x'
                       }), '', 'No videos are in {}/c: these'),
        ({
            f'{n[0]}/by someone/{n[2:]}': 16
            for n in PAIR
        }, '',
         '8 videos lie deeper than the folders of the classes, such as {}/a'
         '/by someone/aw.mp4'),
        (dict(PAIR, **{'a/aw.mp4': 1
                       }), '', '1 videos have a single frame, such '
         'as {}/a/aw.mp4'),
        (dict(PAIR, **{f'b/{i}.mp4': b'?'
                       for i in range(12)}), '', '2 more cannot be read'),
        (dict(FLAT, **{'l.csv': table('aw.mp4,b\n')}), 'l.csv',
         '1 of 8 videos have several labels, such as {}/aw.mp4 (a, b)'),
        # The same file by another path.
        (dict(FLAT, **{'l.csv': table('d/../aw.mp4,a\n')
                       }), 'l.csv', '8 videos of 2 classes'),
        (dict(FLAT, **{'l.csv': table(labels=('run, fast', 'b'))}), 'l.csv',
         '4 of 8 videos have several labels, such as {}/aw.mp4 (run, fast)'),
        (dict(
            FLAT, **{
                'l.csv':
                '\ufeff"Video";"Label"\r\n' + ''.join(f'"{n}";"{n[0]}; x"\r\n'
                                                      for n in FLAT)
            }), 'l.csv', '8 videos of 3 classes'),
        (dict(FLAT, **{'l.csv': table('bv.mp4,b\n')}), 'l.csv',
         'bv.mp4 cannot be read and is left out: ValueError: {}/bv.mp4 is '
         'not a file'),
    ])
def test_what_may_not_be_meant_is_said(tmp_path, content, source, said):
    folder = files(tmp_path / 'v', content)
    assert said.format(folder) in look(folder / source)


def test_what_is_meant_is_not_remarked_on(tmp_path):
    """Folders to validate, and folders that names are given for."""
    train = files(tmp_path / 'train', {f'{n[0]}/{n}': 16 for n in FLAT})
    val = files(tmp_path / 'val', {f'{n[0]}/x{n}': 16 for n in FLAT})
    numbers = files(tmp_path / 'numbers',
                    {f'{"ab".index(n[0])}/{n}': 16
                     for n in FLAT})
    labels = tmp_path / 'labels.txt'
    labels.write_text('a\nb\n')
    for said in (look(train, val=val), look(numbers, labels=labels)):
        assert 'deeper' not in said and 'No videos are in' not in said
    (val / 'a/in').mkdir()
    (val / 'a/xaw.mp4').rename(val / 'a/in/xaw.mp4')
    assert '1 videos lie deeper than' in look(train, val=val)


@pytest.mark.parametrize('content, source, options, message', [
    ({}, '', {}, 'neither a folder nor a list'),
    ({'a/aw.mp4': 16, 'a/ax.mp4': 16}, '', {}, 'at least two classes'),
    (dict(PAIR, **{'c/cw.mp4': 16}), '', {}, 'but 1 of c: give'),
    (dict(PAIR, **{'c/cw.mp4': b'?'}), '', {}, 'but none of c: give'),
    ({f'all/{n}': 16 for n in PAIR}, '', {},
     'If the folders in .*/v/all are classes, give that'),
    (dict({f'{side}/{n}': 16
           for n in PAIR
           for side in ('train', 'test')}, **{'more/x.txt': 'x'}), '', {},
     'more beside them'),
    (dict(FLAT, **{
        'l.csv': table(which='wx'),
        'v.csv': table(which='xyz')
    }), 'l.csv', dict(val='v.csv'), 'ax.mp4 is listed for training and for'),
    (dict(FLAT, **{
        'l.csv': table(which='wx'),
        'v.csv': table(which='yz', labels='ac')
    }), 'l.csv', dict(val='v.csv'), 'no videos to train on of c, which'),
    (dict(FLAT, **{
        'l.csv': table(which='wx'),
        'v.csv': 'video,label\nau.mp4,a\n'
    }), 'l.csv', dict(val='v.csv'), 'None of the 1 videos that are to'),
    (dict(FLAT, **{
        'l.csv': 'video,label,split\n' + ''.join(
            f'{n},{n[0]},{"val" if n[1] == "w" else "train"}\n'
            for n in FLAT),
        'v.csv': table(which='w')
    }), 'l.csv', dict(val='v.csv'), 'has videos to validate already'),
    (dict(FLAT, **{
        'l.csv': 'video,label,split\n' + ''.join(
            f'{n},{n[0]},{dict(w="val", x="train").get(n[1], "")}\n'
            for n in FLAT)
    }), 'l.csv', {}, 'others not, such as .*ay.mp4'),
    (dict(FLAT, **{
        'l.csv': 'video,label,split\n' + ''.join(
            f'{n},{n[0]},{"val" if n[1] == "w" else ""}\n' for n in FLAT)
    }), 'l.csv', {}, 'others not, such as .*ax.mp4'),
    (PAIR, '', dict(group='(x'), 'no regular expression'),
    (PAIR, '', dict(group='nobody'), 'fits none of the names, such as a'),
    (PAIR, '', dict(val_share=0), 'more than 0 and at most 0.5'),
    (PAIR, '', dict(val_share=.9), 'more than 0 and at most 0.5'),
    (PAIR, '', dict(labels='none.txt'), 'none.txt is no file'),
    (dict(PAIR, **{'b.txt': ' \n'}), '', dict(labels='b.txt'),
     'no name of a class'),
])  # yapf: disable
def test_what_cannot_be_fitted(tmp_path, content, source, options, message):
    folder = files(tmp_path / 'v', content)
    for name in {'val', 'labels'} & set(options):
        options = dict(options, **{name: folder / options[name]})
    with pytest.raises(ValueError, match=message):
        look(folder / source, **options)


def test_what_was_looked_at_and_changed(tmp_path, monkeypatch):
    """Is looked at again: a file that broke, and one that was mended."""
    seen, check = [], data.check_videos

    def noted(paths, *args):
        seen.append(sorted(Path(p).name for p in paths))
        return check(paths, *args)

    monkeypatch.setattr(data, 'check_videos', noted)
    folder = files(tmp_path / 'v', dict(PAIR, **{'a/au.mp4': b'?'}))
    assert 'au.mp4 cannot be read' in look(folder)
    files(folder, {'a/au.mp4': 16, 'b/bw.mp4': b'?'})
    said = look(folder)
    assert 'au.mp4 cannot' not in said and 'bw.mp4 cannot be read' in said
    assert seen[0] == sorted([Path(n).name for n in PAIR] + ['au.mp4'])
    assert seen[1:] == [['au.mp4', 'bw.mp4']]
    assert list(BadVideoReport(
        tmp_path / 'v_out/unreadable.tsv').read()) == [f'{folder}/b/bw.mp4']
    # What another version wrote of a file is not taken for its own.
    (tmp_path / 'v_out/found.json'
     ).write_text(f'{{"{folder}/a/aw.mp4": ["", 9, 1.0, 1, 1, ""]}}')
    look(folder)
    assert len(seen[2]) == 9


# ---- options and folders ----


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    """Two classes of four videos, in names that mean something elsewhere."""
    names = {'a': "it's [bold]b[a] :smile:", 'b': 'Größe 日本'}
    return files(
        tmp_path_factory.mktemp('John\'s') / "John's [red]", {
            f'{names[n[0]]}/{n[2:]}': frames
            for n, frames in PAIR.items()
        })


def test_names_are_no_code(plain, tmp_path, capsys):
    """Nor markup: configs are read, and videos by them."""
    out = tmp_path / "John's [öut]"
    fit(plain, MINI, out, until='configs', epochs=1)
    said = capsys.readouterr().out
    assert "it's [bold]b[a] :smile:" in said and 'Größe 日本' in said
    for name in ('linear', 'order', 'dualpath'):
        cfg = Config.fromfile(out / f'{name}.py')
        assert cfg.work_dir == str(out / name)
    sample = DATASETS.build(cfg.train_dataloader.dataset)[0]
    assert sample['inputs'].shape == (1, 3, 16, 64, 64)
    assert cfg.classes == ['Größe 日本', "it's [bold]b[a] :smile:"]


@pytest.mark.parametrize('augment', recipe.AUGMENTATIONS)
def test_flipped_and_augmented(plain, tmp_path, augment):
    """Without workers, and more frames than there are."""
    fit(plain,
        MINI,
        tmp_path,
        until='configs',
        augment=augment,
        flip=True,
        frames=32,
        num_workers=0,
        batch_size=100)
    cfg = Config.fromfile(tmp_path / 'dualpath.py')
    steps = [step['type'] for step in cfg.train_pipeline]
    assert steps.count('Flip') == 1
    assert ('ClipAugment' in steps) == (augment == 'strong')
    next(s for s in cfg.train_dataloader.dataset.pipeline
         if s['type'] == 'Flip')['flip_ratio'] = 1.
    loader = Runner.build_dataloader(cfg.train_dataloader)
    batch, = loader
    assert len(batch['inputs']) == 6
    assert {x.shape for x in batch['inputs']} == {(1, 3, 32, 64, 64)}


def test_a_step_in_bfloat16():
    """Whose scores numpy reads, as in a training with --amp."""
    code = '''if True:
        from mmdualpath.apis.fit import find_backbone, recipe
        from mmdualpath.compat import enable_cpu
        from mmengine.registry import init_default_scope
        init_default_scope('mmaction')
        enable_cpu()
        cfg = recipe.model_for(find_backbone({name!r}), 2, 16)
        machine = recipe.Machine(1, 10**9)
        print(recipe.seconds_of(cfg, 16, 64, machine, True) > 0)'''
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c',
         code.format(name=MINI)],
        cwd=ROOT,
        capture_output=True,
        text=True)
    assert done.stdout.strip() == 'True', done.stderr[-2000:]


@pytest.mark.parametrize('name', [' aw.mp4', 'aw.mp4 ', '\taw.mp4'])
def test_blanks_that_no_list_keeps(name):
    video = Video(f'/videos/{name}', ('a', ))
    with pytest.raises(ValueError, match='begins or ends with a blank'):
        writing.list_of([video], Path('/videos'), dict(a=0), ' ')
    inside = Video(f'/videos/x{name}x', ('a', ))
    assert writing.list_of([inside], Path('/videos'), dict(a=0),
                           ' ') == f'x{name}x 0\n'


def test_commands_are_quoted(plain, tmp_path):
    console = Console(record=True, width=200)
    out = tmp_path / "John's out"
    fitting = Fitting(
        find_data(plain, out, console=console), out, console, 'none')
    (out / 'report.html').touch()
    fitting.results.update(
        trained=dict(dualpath=str(out / 'epoch_1.pth')), verdict=['[b]'])
    fitting.conclude()
    lines = [
        shlex.split(line.partition('python ')[2])
        for line in console.export_text().splitlines() if 'tools/' in line
    ]
    assert [line[0] for line in lines
            ] == ['tools/train.py', 'tools/predict.py', 'tools/export.py']
    assert lines[0][1:] == [str(out / 'dualpath.py')]
    assert str(out / 'epoch_1.pth') in lines[1]


@pytest.mark.parametrize('options, message', [
    (dict(epochs=0), 'epochs=0: it is at least 1'),
    (dict(batch_size=0), 'batch_size=0'),
    (dict(num_workers=-1), 'num_workers=-1: it is at least 0'),
    (dict(seed=2**32), 'seed=4294967296: it is at most 4294967295'),
    (dict(hours=0.), 'hours=0.0: it is more than 0'),
    (dict(lr=float('nan')), 'lr=nan'),
    (dict(lr=float('inf')), 'lr=inf'),
    (dict(weight_decay=-1.), 'weight_decay=-1.0'),
    (dict(augment='wild'), 'none, mild, strong'),
    (dict(epoch=3), "'epoch' is no option .* did you mean epochs"),
    (dict(frames=17), 'frames=17 make no framesets'),
    (dict(backbone='vit-mimi'), 'did you mean vit-mini'),
    (dict(balance='all'), "balance='all' is none of"),
    (dict(until='end'), "until='end' is none of look, configs"),
])
def test_a_wrong_option_does_not_stay(plain, tmp_path, options, message):
    """The next try with another one is not refused for it."""
    options = dict(dict(backbone=MINI, until='configs'), **options)
    with pytest.raises(ValueError, match=message):
        fit(plain, out=tmp_path, **options)
    left = {p.name for p in tmp_path.iterdir()}
    assert left <= {'found.json'}


def test_where_to_write(plain, tmp_path):
    for out in (plain, plain / 'a', plain / 'a/b'):
        with pytest.raises(ValueError, match='inside .* give another --out'):
            fit(plain, MINI, out)
    (tmp_path / 'link').symlink_to(plain)
    with pytest.raises(ValueError, match='give another --out'):
        fit(plain, MINI, tmp_path / 'link/out')
    assert len(list(plain.iterdir())) == 2
    # The list that is read is not written over.
    files(tmp_path / 'lists', dict(FLAT, **{'train.txt': table()}))
    with pytest.raises(ValueError, match='holds train.txt of something else'):
        fit(tmp_path / 'lists/train.txt', MINI, tmp_path / 'lists')
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='file'):
        fit(plain, MINI, tmp_path / 'file/out', until='look')


@pytest.mark.parametrize('name', ['found', 'options', 'results'])
@pytest.mark.parametrize('text', ['[]', '{"a"', '\xff', '3'])
def test_what_is_kept_is_checked(plain, tmp_path, name, text):
    (tmp_path / 'options.json').write_text('{}')
    (tmp_path / f'{name}.json').write_text(text, encoding='latin-1')
    with pytest.raises(ValueError, match=f'{name}.json .* remove it'):
        if name == 'options':
            fit(plain, MINI, tmp_path)
        console = Console(record=True)
        found = find_data(plain, tmp_path, console=console)
        Fitting(found, tmp_path, console, 'none')


# ---- small classes ----


def test_balance_is_measured(tmp_path):
    """On held-out thirds, and what is taken is written."""
    source = tmp_path / 'videos'
    render(source / 'left', 'left', 9)
    render(source / 'growing', 'growing', 3)
    results = fit(source, MINI, tmp_path / 'out', until='probe')
    found = results['balance']
    assert set(found['figures']) == {'none', 'sampler', 'loss'}
    text = (tmp_path / 'out/balance.py').read_text()
    assert f'# {found["way"]}: ' in text and 'macro-F1 of the' in text
    assert 'macro-F1' == next(iter(results['models']['linear/as shown']))
    # Each way makes a config that trains as it says.
    ways = {w: writing.balance(w, [6, 2], False) for w in found['figures']}
    assert ways['loss']['loss'] == dict(
        type='LogitAdjustedLoss', counts=[6, 2])
    several = writing.balance('loss', [6, 2], True)
    assert several['loss']['class_weight'] == [0.5, 1.5]
    assert ways['sampler']['train_dataloader']['sampler']['type'] \
        == 'BalancedSampler'


def test_another_way_must_be_clearly_better():
    """Than the loss; chance does not decide."""
    rng = np.random.default_rng(1)
    train, val = (80, 15, 5), (25, 25, 25)
    truth = np.eye(3, dtype=bool)[np.repeat(np.arange(3), train)]

    def answers(share):
        """Right with this probability."""
        said = np.where(
            rng.random((100, 1)) < share, truth, np.roll(truth, 1, 1))
        return Answers(said.astype(float), truth)

    alike = dict(none=answers(.5), sampler=answers(.5), loss=answers(.5))
    way, reason, reached = decide(alike, train, val)
    assert max(reached, key=reached.get) != 'loss'  # or this shows nothing
    assert way == 'loss' and 'nothing else is clearly better' in reason
    # As if there were as many held out of each class as to validate.
    labels = truth.argmax(1)
    assert reached == {
        name:
        pytest.approx(
            f1_score(
                labels,
                found.scores.argmax(1),
                average='macro',
                sample_weight=(1 / np.array(train))[labels]))
        for name, found in alike.items()
    }
    way, reason, _ = decide(
        dict(alike, sampler=answers(.95), none=answers(.8)), train, val)
    assert way == 'sampler' and reason.startswith('clearly better')


# ---- which network ----


def test_clip_by_its_tensors(tmp_path):
    write_clip(tmp_path / 'some.pt')
    found = find_backbone(str(tmp_path / 'some.pt'))
    network = MODELS.build(found.config.model).backbone.spatial.base
    assert (network.embed_dims, network.num_layers) == (128, 2)
    assert network.proj.shape == (128, 24)
    assert network.patch_embed.projection.kernel_size == (8, 8)
    assert found.config.model.cls_head.in_channels == 48
    assert found.config.model.data_preprocessor.frameset_size == 64


def test_networks_by_name(monkeypatch, tmp_path):
    for name in ('vit-mini', 'dualpath_vit-mini_digits',
                 str(ROOT / 'configs/dualpath_vit-mini_digits.py'), MINI):
        assert find_backbone(name).base == 'models/dualpath_vit-mini'
    monkeypatch.chdir(tmp_path)
    for name, message in (('vitb', 'expected in checkpoints/ViT-B-16.pt'),
                          ('vit-mimi', 'did you mean vit-mini'),
                          ('st-adapter_vitb_k400', 'no config of DualPath')):
        with pytest.raises(ValueError, match=message):
            find_backbone(name)
    with pytest.raises(ValueError, match='do not tell the whole network'):
        find_backbone('mmdualpath://dualpath_vit-mini_digits.pth')


# ---- sizes ----

BASE = Backbone('models/dualpath_vitb', {}, '')


def chosen(monkeypatch, step, machine, given=None, **facts):
    """Choices where a clip takes a time, and 0.9 GB, 0.3 GB recomputed."""
    monkeypatch.setattr(recipe, 'seconds_of', lambda *_: step)
    monkeypatch.setattr(
        recipe, 'bytes_of_clips', lambda cfg, frames, size, with_cp:
        (4e8, 3e8 if with_cp else 9e8))
    facts = recipe.Facts(**dict(
        dict(
            train=400, counts=[200, 200], frames=60, seconds=2.,
            several=False), **facts))
    return {
        n: c.value
        for n, c in recipe.choose(given or {}, facts, BASE, machine).items()
    }


def test_a_small_machine(monkeypatch):
    """Small batches, few workers, a line of the log for every step."""
    small = chosen(monkeypatch, 10., recipe.Machine(2, 8 * 10**9))
    assert small['batch_size'] * small['accumulate'] == 8
    assert small['batch_size'] == 2 and small['num_workers'] == 1
    assert small['interval'] == 1 and not small['amp']
    assert small['epochs'] * 400 * 10 / 3600 <= 2  # hours
    tight = chosen(monkeypatch, .1, recipe.Machine(2, 3 * 10**9))
    assert tight['with_cp'] and not small['with_cp']
    # 1.8 of 3 GB, less what the network itself takes
    assert tight['batch_size'] == 4


def test_bytes_of_clips():
    """As many as a step of the network keeps, computed for real."""
    cfg = recipe.model_for(find_backbone(MINI), 3, 16)
    fixed, each = recipe.bytes_of_clips(cfg, 16, 64, False)
    model = MODELS.build(cfg.model).train()
    for clips in (1, 3):
        data = torch.zeros(clips, 1, 3, 16, 64, 64)
        peak = peak_bytes(lambda: model(data, stage='head').sum().backward())
        expected = fixed + clips * each
        assert abs(peak + bytes_of(model) - expected) < 0.1 * expected
    _, less = recipe.bytes_of_clips(cfg, 16, 64, True)
    assert less < each


def test_a_large_machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda: True)
    large = chosen(monkeypatch, .02, recipe.Machine(64, 80 * 10**9, 'a GPU'))
    assert large['batch_size'] == 16 and large['accumulate'] == 1
    assert large['num_workers'] == 8 and large['amp']
    assert not large['with_cp']
    # about as many steps, whatever the number of videos
    assert large['epochs'] * (400 // 16) >= recipe.STEPS
    few = chosen(
        monkeypatch,
        .02,
        recipe.Machine(64, 80 * 10**9, 'a GPU'),
        train=10,
        counts=[5, 5])
    assert few['batch_size'] <= 5 and few['epochs'] == recipe.EPOCHS[1]
    long = chosen(
        monkeypatch,
        .02,
        recipe.Machine(64, 80 * 10**9, 'a GPU'),
        frames=300,
        seconds=10.)
    assert long['frames'] == 32


def test_what_is_given_counts(monkeypatch):
    given = dict(
        frames=48, batch_size=3, epochs=7, lr=.5, flip=True, with_cp=True)
    found = chosen(monkeypatch, 1., recipe.Machine(2, 8 * 10**9), given)
    assert {n: found[n] for n in given} == given
    # A step has no more clips than there are.
    all_ = chosen(monkeypatch, 1., recipe.Machine(2, 8 * 10**9),
                  dict(batch_size=400))
    more = chosen(monkeypatch, 1., recipe.Machine(2, 8 * 10**9),
                  dict(batch_size=4000))
    assert more['lr'] == all_['lr'] > 0
    with pytest.raises(ValueError, match='multiple'):
        chosen(monkeypatch, 1., recipe.Machine(2, 8 * 10**9), dict(frames=20))


# ---- figures ----


@pytest.mark.parametrize('change', [
    lambda data: b'', lambda data: b'nothing', lambda data: data[:-9],
    lambda data: data[:9], lambda data: data.replace(b'truth', b'Truth')
])
def test_files_of_answers(tmp_path, change):
    file = tmp_path / 'as shown.npz'
    some = Answers(np.eye(3), np.eye(3) > 0)
    figures.save(file, some)
    same = figures.read(file)
    np.testing.assert_array_equal(same.scores, some.scores)
    assert same.truth.dtype == bool and not same.several
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ValueError, match='as shown.npz holds no answers'):
        figures.read(file)


def test_answers_and_differences():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=60)
    samples = [
        dict(
            pred_score=torch.eye(3)[label if i % 4 else (label + 1) % 3],
            gt_label=torch.tensor([label])) for i, label in enumerate(labels)
    ]
    right = answers_of(samples)
    assert value_of(right, 'top-1') == 0.75
    chance = Answers(rng.random((60, 3)), right.truth)
    found = difference(right, chance, 'top-1')
    expected = 0.75 - (chance.scores.argmax(1) == labels).mean()
    assert found.value == pytest.approx(expected)
    assert 0 < found.low < expected < found.high
    assert difference(right, right, 'macro-F1') == (0, 0, 0)


def test_command_line(monkeypatch):
    tool = load_tool('fit.py')
    seen = {}
    monkeypatch.setattr(tool, 'fit', lambda **given: seen.update(given))
    tool.main('v --backbone b --out o --no-flip --epochs 3'.split())
    assert seen['flip'] is False and seen['epochs'] == 3
    assert seen['with_cp'] is None and seen['source'] == Path('v')
    # What it hands on is what fit takes, or what a recipe chooses.
    own = set(inspect.signature(fit).parameters) - {'console', 'given'}
    monkeypatch.setattr(recipe, 'seconds_of', lambda *_: 1.)
    facts = recipe.Facts(9, [5, 4], 20, 1., False)
    choices = recipe.choose({}, facts, find_backbone(MINI),
                            recipe.Machine(2, 10**9))
    assert own <= set(seen)
    assert set(seen) - own - {'hours'} <= set(choices)
