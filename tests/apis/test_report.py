"""The page about a model: its figures, how it looks, what it refuses."""
import json
import re
import shlex
import sys
from html.parser import HTMLParser

import numpy as np
import pages
import pytest
import torch
from browser import needs_browser, opened
from helpers import CONFIGS, config, load_tool
from mmaction.apis import init_recognizer
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from sklearn import metrics

from mmdualpath.analysis.scores import Answers
from mmdualpath.apis.report import write_report
from mmdualpath.visualization.page import Page, effect_of_time, render

CONFIG = CONFIGS / 'dualpath_vit-mini_digits.py'
CHECKPOINT = 'mmdualpath://dualpath_vit-mini_digits.pth'
HOSTILE = '<script>document.title = "taken"</script>'
LABELS = [
    HOSTILE, 'right & "wrong"', 'up', 'down', 'clockwise', 'counter-clockwise',
    'growing', 'shrinking'
]
NAME = 'a <img src=x onerror=alert(1)>.mp4'
VIDEOS = 24
RENDERED = 2  # the number of the first, which is no "left"


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    """Videos, two of them labelled wrongly and one broken."""
    root = tmp_path_factory.mktemp('digits')
    tool = load_tool('data/render_digits.py')
    (root / 'videos').mkdir()
    lines, several = [], []
    for i in range(VIDEOS):
        tool.render_video(i, root / 'videos', 1, tool.TEST_DIGITS, 16, 64)
        label = i % 8
        name = f'{i:05d}.mp4'
        if i == RENDERED:
            (root / 'videos' / name).rename(root / 'videos' / NAME)
            name, label = NAME, 0
        if i == 13:
            label = 1
        lines.append(f'{name} {label}\n')
        if i != RENDERED:
            several.append(f'{name} {label} {(i // 8 + label) % 8}\n')
    (root / 'videos' / 'broken.mp4').write_text('nothing')
    (root / 'one.txt').write_text(''.join([*lines[:5], 'broken.mp4 3\n'] +
                                          lines[5:]))
    (root / 'several.txt').write_text(''.join(several))
    (root / 'labels.txt').write_text('\n'.join(LABELS) + '\n')
    return root


def on(digits, ann_file='one.txt', **options):
    cfg = Config.fromfile(CONFIG)
    cfg.test_dataloader.update(
        num_workers=0, persistent_workers=False, batch_size=10)
    cfg.test_dataloader.dataset.update(
        ann_file=str(digits / ann_file),
        data_prefix=dict(video=str(digits / 'videos')))
    cfg.merge_from_dict(options)
    return cfg


SEVERAL = {
    'test_dataloader.dataset.multi_class': True,
    'test_dataloader.dataset.num_classes': 8,
    'model.cls_head.average_clips': 'score',
}


@pytest.fixture(scope='module')
def single(digits, tmp_path_factory):
    """The page of the released model."""
    out = tmp_path_factory.mktemp('page') / 'deep' / 'report.html'
    assert write_report(
        on(digits),
        CHECKPOINT,
        out,
        digits / 'labels.txt',
        device='cpu',
        compare={'a probe & more': 0.25}) == out
    return out


@pytest.fixture(scope='module')
def multi(digits, tmp_path_factory):
    out = tmp_path_factory.mktemp('page') / 'report.html'
    write_report(
        on(digits, 'several.txt', **SEVERAL),
        CHECKPOINT,
        out,
        LABELS,
        device='cpu',
        time_videos=0)
    return out


def scores_by_hand(cfg, order=''):
    """Scores and labels of every video that can be read, one by one."""
    model = init_recognizer(cfg.copy(), CHECKPOINT, device='cpu')
    steps = [Compose([s]) for s in cfg.test_dataloader.dataset.pipeline]
    scores, labels = [], []
    data = cfg.test_dataloader.dataset
    number = -1
    for line in open(data.ann_file):
        name, *label = line.split(' ') if data.get('multi_class') else \
            line.rsplit(' ', 1)
        number += 1
        if name == 'broken.mp4':
            continue
        results = dict(
            filename=f'{data.data_prefix.video}/{name}',
            label=0,
            start_index=0,
            modality='RGB')
        for step, this in zip(data.pipeline, steps):
            results = this(results)
            if step.type == 'VideoDecode' and order == 'reversed':
                results['imgs'] = results['imgs'][::-1]
            if step.type == 'VideoDecode' and order == 'shuffled':
                draw = np.random.default_rng((0, number)).permutation(16)
                results['imgs'] = [results['imgs'][i] for i in draw]
        with torch.no_grad():
            sample, = model.test_step(pseudo_collate([results]))
        scores.append(sample.pred_score.numpy())
        labels.append([int(v) for v in label])
    return np.stack(scores), labels


class Figures(HTMLParser):
    """What a page says, by the names in its attributes."""

    def __init__(self, path):
        super().__init__()
        self.figures, self.orders, self.text = {}, {}, []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if 'data-figure' in found:
            self.figures[found['data-figure']] = [
                float(found[key])
                for key in ('data-value', 'data-low', 'data-high')
                if key in found
            ]
        if 'data-order' in found:
            self.orders[found['data-order']] = float(found['data-value'])

    def handle_data(self, data):
        self.text.append(' '.join(data.split()))


def interval(hits, total):
    """Wilson's, solved as the two roots of a quadratic equation."""
    z = 1.959964
    share = hits / total
    return sorted(
        np.roots([1 + z**2 / total, -(2 * share + z**2 / total), share**2]))


def test_figures(single, digits):
    cfg = on(digits)
    scores, labels = scores_by_hand(cfg)
    labels = [label for label, in labels]
    predicted = scores.argmax(1)
    page = Figures(single)
    value, low, high = page.figures['top-1 accuracy']
    hits = sum(p == t for p, t in zip(predicted, labels))
    assert 1 < hits < len(labels) == VIDEOS
    assert value == pytest.approx(hits / VIDEOS)
    assert [low, high] == pytest.approx(interval(hits, VIDEOS), abs=1e-6)
    for name, expected in (('mean class accuracy',
                            metrics.balanced_accuracy_score(labels,
                                                            predicted)),
                           ('macro-F1',
                            metrics.f1_score(
                                labels, predicted, average='macro'))):
        value, low, high = page.figures[name]
        assert value == pytest.approx(expected) and low < value <= high
    for order, value in page.orders.items():
        again, _ = scores_by_hand(cfg, order)
        assert value == pytest.approx((again.argmax(1) == labels).mean())
    assert set(page.orders) == {'ordinary', 'shuffled', 'reversed'}
    text = ' '.join(page.text)
    assert 'Time matters:' in text
    assert 'better than a probe & more, by ' in text
    assert '1 could not be read' in text and 'broken.mp4' in text


def test_multi_label_figures(multi, digits):
    scores, labels = scores_by_hand(on(digits, 'several.txt', **SEVERAL))
    truth = np.zeros((len(labels), 8), int)
    for row, mine in zip(truth, labels):
        row[mine] = 1
    told = 1 / (1 + np.exp(-scores))
    page = Figures(multi)
    value, low, high = page.figures['mean average precision']
    assert value == pytest.approx(
        metrics.average_precision_score(truth, told, average='macro'))
    assert low < value < high
    assert page.figures['macro-F1'][0] == pytest.approx(
        metrics.f1_score(truth, told >= 0.5, average='macro'))
    hits = ((told >= 0.5) == truth).all(1).sum()
    assert page.figures['all labels right'] == pytest.approx(
        [hits / len(truth), *interval(hits, len(truth))], abs=1e-6)
    assert not page.orders


def wait(page, condition):
    """Until JavaScript is true; the page itself allows no evaluation."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(condition)


@needs_browser
@pytest.mark.parametrize('width', [1280, 390])
def test_in_a_browser(single, digits, width):
    with opened(single.as_uri(), width=width) as page:
        assert page.title().startswith('dualpath_vit-mini_digits')
        # nothing is wider than the window
        assert page.evaluate('document.documentElement.scrollWidth') <= width
        # mistakes, the worst first, with videos that play
        titles = page.locator('.mistake .file')
        shown = [
            titles.nth(i).get_attribute('title') for i in range(titles.count())
        ]
        assert f'{digits}/videos/{NAME}' in shown
        assert f'{digits}/videos/00013.mp4' in shown
        wait(
            page, '[...document.querySelectorAll("video")].every(v => '
            'v.readyState == 4 && v.videoWidth == 64)')
        page.evaluate('document.querySelector("video").play()')
        wait(page, 'document.querySelector("video").currentTime > 0.1')
        assert page.evaluate(
            '[...document.images].every(i => i.naturalWidth >= 64)')
        # hostile names are text
        assert page.locator('#classes td.name').first.inner_text() == HOSTILE
        assert page.locator('img[src="x"]').count() == 0


@needs_browser
def test_the_table_is_sorted_by_a_click(single, digits):
    scores, labels = scores_by_hand(on(digits))
    labels = np.array(labels)[:, 0]
    recall = metrics.recall_score(
        labels, scores.argmax(1), average=None, labels=range(8))
    with opened(single.as_uri()) as page:
        head = page.locator('#classes th', has_text='recall')
        column = page.locator('#classes tbody td:nth-child(4)')

        def shown():
            return [
                float(text.split()[0]) for text in column.all_inner_texts()
            ]

        assert shown() == pytest.approx([*(100 * recall)], abs=0.051)
        head.locator('button').click()
        assert head.get_attribute('aria-sort') == 'descending'
        assert shown() == sorted(shown(), reverse=True) != shown()[::-1]
        head.locator('button').press('Enter')
        assert head.get_attribute('aria-sort') == 'ascending'
        assert shown() == sorted(shown())
        page.locator('#classes th button').first.click()
        assert page.locator('#classes td.name').first.inner_text() == HOSTILE
        # the matrix is that of scikit-learn
        expected = metrics.confusion_matrix(
            labels, scores.argmax(1), labels=range(8))
        found = [[int(c.replace('·', '0')) for c in row.split()]
                 for row in page.evaluate(
                     '[...document.querySelectorAll(".matrix tbody tr")].map('
                     'r => [...r.querySelectorAll("td")].map('
                     'c => c.textContent).join(" "))')]
        assert found == expected.tolist()


@needs_browser
def test_dark_and_light(single):
    colours = set()
    for scheme in ('light', 'dark'):
        with opened(single.as_uri()) as page:
            page.emulate_media(color_scheme=scheme)
            colours.add(
                page.evaluate('getComputedStyle(document.body).background'))
    assert len(colours) == 2


@needs_browser
def test_several_labels_and_many_classes(multi, tmp_path):
    with opened(multi.as_uri()) as page:
        assert page.locator('.mistake').count() > 0
        assert page.locator('#classes th').count() == 6
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 400, 900)
    told = np.where(draw.random(900) < 0.7, labels, (labels + 7) % 400)
    answers = Answers(
        np.eye(400)[told] * 0.9 + 0.1 / 400,
        np.eye(400)[labels] > 0)
    path = tmp_path / 'many.html'
    path.write_text(
        render(
            Page('many', 'a.pth', 'list.txt',
                 [f'name {i}' for i in range(400)], answers)))
    wrong = np.flatnonzero(told != labels)
    pairs = np.bincount(labels[wrong], minlength=400)
    with opened(path.as_uri()) as page:
        first = page.locator('#pairs tbody tr').first.inner_text().split('\t')
        assert int(first[2]) == pairs.max()
        assert int(first[1].split()[1]) == (int(first[0].split()[1]) + 7) % 400
        page.locator('#find').fill('name 39')
        assert page.locator('#classes tbody tr:visible').count() == 11
        # what is pointed at has a name
        pixels = page.locator('#pixels')
        box = pixels.bounding_box()
        i = int(labels[wrong[0]])
        pixels.hover(
            position=dict(
                x=(i + 7.5) / 400 * box['width'],
                y=(i + 0.5) / 400 * box['height']))
        found = re.fullmatch(r'name (\d+) → name (\d+): (\d+) videos',
                             page.locator('#cell').inner_text())
        row, column, count = map(int, found.groups())
        # a cell is little more than a pixel
        assert abs(row - i) <= 1 and abs(column - i - 7) <= 1
        assert count == pairs[row] * (column == row + 7)


def test_commands_can_be_pasted(single, digits, monkeypatch, capsys, tmp_path):
    lines = [t for t in Figures(single).text if t.startswith('python ')]
    programs = [shlex.split(line)[1].split('/')[-1] for line in lines]
    assert programs == [
        'train.py', 'test.py', 'predict.py', 'export.py', 'report.py'
    ]
    for line in lines:
        pages.check_command(line)
    # the config beside the page is what was tested
    words = shlex.split(lines[0])
    assert Config.fromfile(words[2]).to_dict() == on(digits).to_dict()
    predict = shlex.split(lines[2])[2:]
    monkeypatch.setattr(sys, 'argv', [
        'predict.py', *predict, '--workers', '0', '--json',
        str(tmp_path / 'told.json')
    ])
    load_tool('predict.py').main()
    told, = json.loads((tmp_path / 'told.json').read_text())
    scores, _ = scores_by_hand(on(digits))
    assert told['predictions'][0]['label'] == LABELS[scores[0].argmax()]


def test_the_program(digits, tmp_path, capsys):
    """With a config as it is, whose name stands in the commands."""
    cfg = tmp_path / 'mine.py'
    on(digits).dump(cfg)
    load_tool('report.py').main([
        str(cfg), CHECKPOINT, '--out',
        str(tmp_path / 'page.html'), '--compare', 'a probe=0.5',
        '--time-videos', '9', '--errors', '1', '--device', 'cpu'
    ])
    assert 'page.html' in capsys.readouterr().out
    page = (tmp_path / 'page.html').read_text()
    assert f'tools/train.py {cfg}' in page
    assert page.count('<article') == 1
    assert 'on the same 9 videos' in page
    assert not list(tmp_path.glob('page_config*'))


def test_frames_of_one_view(digits, tmp_path):
    """A model that reads frames one by one shows them."""
    cfg = on(digits)
    tiny = Config.fromfile(config('frames_vit-micro_digits'))
    cfg.model = tiny.model
    cfg.model.backbone.backbone.init_cfg = dict(type='RandomWeights')
    pipeline = cfg.test_dataloader.dataset.pipeline
    pipeline[1].clip_len = 8
    pipeline[3].input_format = tiny.test_pipeline[-2].input_format
    model = init_recognizer(cfg.copy(), device='cpu')
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'a.pth')
    out = write_report(
        cfg, str(tmp_path / 'a.pth'), tmp_path / 'a.html', device='cpu')
    page = Figures(out)
    assert '<figcaption>8 frames' in out.read_text()
    # the mean of frames has no order
    assert len(set(page.orders.values())) == 1
    assert 'Time does not matter here:' in page.text


@pytest.mark.parametrize('figure, words', [
    (0.2, 'better than P, by +30.0 points of top-1'),
    (0.9, 'worse than P, by -40.0 points of top-1'),
    (0.5, 'whether the model is better than P cannot be told from 80'),
    ('all', 'worse than P, by -50.0 points of top-1'),
    ('same', 'no better than P, which is enough: +0.0'),
])
def test_others(figure, words):
    """By a figure, or by their answers, video by video."""
    truth = np.eye(2, dtype=bool)[np.arange(80) % 2]
    half = Answers(
        np.where(np.arange(80)[:, None] < 40, truth, ~truth) * 1., truth)
    value = dict(all=Answers(truth * 1., truth), same=half).get(figure, figure)
    orders = dict(ordinary=half, shuffled=half, reversed=half)
    page = Page('', '', '', 'ab', half, orders=orders, compare=dict(P=value))
    effect = effect_of_time(page)
    assert effect.verdict[0].startswith('Time does not matter here')
    assert words in effect.verdict[1].replace('Whether', 'whether')
    assert effect.compare['P'] == dict(all=1., same=.5).get(figure, figure)
    assert effect.figures['ordinary'].value == .5


def test_answers_to_other_videos_are_refused(digits, tmp_path):
    truth = np.eye(8, dtype=bool)[:5]
    with pytest.raises(ValueError, match='compare: P does not answer the'):
        write_report(
            on(digits),
            CHECKPOINT,
            tmp_path / 'a.html',
            device='cpu',
            compare=dict(P=Answers(truth * 1., truth)))


@pytest.mark.parametrize('arguments, message', [
    (dict(checkpoint='nothing.pth'), 'no checkpoint nothing.pth'),
    (dict(labels=['a', 'b']), '2 labels were given, but the model has 8'),
    (dict(labels='nothing.txt'), 'nothing.txt is no file'),
    (dict(device='tpu:9'), "device='tpu:9'"),
    (dict(compare=dict(probe=61)), 'compare: probe=61 is no figure'),
    (dict(errors=-1), 'errors=-1'),
    (dict(metric='top-5'), "metric='top-5' is none of top-1"),
    (dict(out='.'), 'out=. is a folder'),
])
def test_arguments(digits, tmp_path, arguments, message):
    given = dict(
        config=on(digits),
        checkpoint=CHECKPOINT,
        out=tmp_path / 'a.html',
        time_videos=0)
    with pytest.raises(ValueError, match=message):
        write_report(**dict(given, **arguments))
    assert not (tmp_path / 'a.html').exists()


@pytest.mark.parametrize('lines, options, message', [
    ('broken.mp4 1\n', {}, 'None of the 1 videos could be read.*broken.mp4'),
    ('00000.mp4\n', {}, 'labels from -1'),
    ('00000.mp4 8\n', {}, 'label 8'),
    ('00000.mp4 1 2\n', {
        k: v
        for k, v in SEVERAL.items() if 'average' not in k
    }, "average_clips='prob' of .* is a softmax"),
])
def test_data(digits, tmp_path, lines, options, message):
    (tmp_path / 'list.txt').write_text(lines)
    options['test_dataloader.dataset.ann_file'] = str(tmp_path / 'list.txt')
    with pytest.raises(ValueError, match=message):
        write_report(
            on(digits, **options),
            CHECKPOINT,
            tmp_path / 'a.html',
            device='cpu')


def test_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match='a report is of videos'):
        write_report(
            config('bapat_mae-vitb_svhn'), CHECKPOINT, tmp_path / 'a.html')
