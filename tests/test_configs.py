"""Every shipped config: its form, its size, and the papers' tables."""
import math
import re
from functools import lru_cache

import pytest
import torch
import yaml
from helpers import CONFIGS, ROOT, config, load_tool
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmdualpath.analysis.structure import build_structure
from mmdualpath.models.backbones import CLIPVisionTransformer
from mmdualpath.models.consistency import check_normalization

tool = load_tool('results_table.py')
complexity = load_tool('complexity.py')
NAMES = sorted(tool.configs())
BASES = sorted((CONFIGS / '_base_').rglob('*.py'))
FOLDERS = sorted(p.parent for p in CONFIGS.rglob('README.md'))


@lru_cache(maxsize=None)
def read(name: str) -> Config:
    return Config.fromfile(config(name))


def load(name: str) -> Config:
    cfg = read(name).copy()
    init_default_scope(cfg.default_scope)
    return cfg


@lru_cache(maxsize=None)
def builds(name: str, **options) -> bool:
    cfg = load(name)
    cfg.merge_from_dict(options)
    return build_structure(cfg.model) is not None


def test_names_are_unique():
    """mim and the tools find a config by its name."""
    paths = [p for p in CONFIGS.rglob('*.py') if p not in BASES]
    assert sorted(p.stem for p in paths) == NAMES


@pytest.mark.parametrize('path', BASES, ids=lambda p: p.stem)
def test_a_base_inherits_from_bases(path):
    text = path.read_text()
    inherited = re.search(r"^_base_ = (\[.*?\])", text, re.M | re.S)
    for name in re.findall(r"'(.+?)'", inherited[1] if inherited else ''):
        assert (path.parent / name).resolve() in BASES


def test_nothing_is_changed_by_index_or_in_place():
    surgery = re.compile(r'\w\[-?\d|\.(insert|append|update|pop)\(|'
                         r'^\s*_base_\.[\w.]+ (=|\+=) ')
    for path in CONFIGS.rglob('*.py'):
        for line in path.read_text().split('\n'):
            assert not surgery.search(line.split('#')[0]), (path, line)


def test_how_a_video_is_read_stands_in_one_place():
    pieces = Config.fromfile(CONFIGS / '_base_/datasets/video.py')
    everything = ''.join(p.read_text() for p in CONFIGS.rglob('*.py'))
    for piece in (pieces.open_video, pieces.decode_video):
        assert everything.count(f"'{piece.type}'") == 1


@pytest.mark.parametrize('name', NAMES)
def test_head(name):
    """A command that runs it, and the paper's figure."""
    path = config(name)
    command = tool.command(path)
    if name == 'dualpath_vit-mini_digits':
        assert command == 'bash tools/quickstart.sh'
    else:
        assert command.split()[3 if 'mim' in command else 2] == str(
            path.relative_to(ROOT))
    for script in re.findall(r'tools/\S+', command):
        assert (ROOT / script).is_file()
    assert re.match(r'\d|no figure', tool.target(path))

    cfg = load(name)
    gpus = re.search(r'(?:py|gpus) (\d+)', command)
    batch = cfg.get('auto_scale_lr', {}).get('base_batch_size')
    if gpus and batch and not cfg.auto_scale_lr.get('enable'):
        steps = cfg.optim_wrapper.get('accumulative_counts', 1)
        assert cfg.train_dataloader.batch_size * steps * int(gpus[1]) == batch


@pytest.mark.parametrize(
    'name', [n for n in NAMES if load(n).default_scope == 'mmaction'])
def test_pipelines(name):
    """They build, are named at the top, and tell of the same clips."""
    cfg = load(name)
    lengths = []
    for part in ('train', 'val', 'test'):
        for step in cfg[f'{part}_dataloader'].dataset.pipeline:
            TRANSFORMS.build(step)
            lengths += [step.clip_len] if 'clip_len' in step else []
    assert len(set(lengths)) == 1
    # inference_recognizer reads it there.
    assert cfg.test_pipeline == cfg.test_dataloader.dataset.pipeline
    assert cfg.train_pipeline == cfg.train_dataloader.dataset.pipeline
    assert cfg.val_dataloader.dataset.unreadable == 'wrong'
    assert 'unreadable' not in cfg.test_dataloader.dataset


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda p: p.name)
def test_readme(folder):
    """Its table is that of the folder's configs, of the sizes they have."""
    assert (folder / 'README.md').read_text() == tool.readme(folder)


def test_pages_are_written_by_the_tool():
    assert (ROOT / 'docs/results.md').read_text() == tool.results()
    for data in tool.POINTS:
        points = (ROOT / f'docs/tradeoff/{data}.json').read_text()
        assert points == tool.points(data)


ROWS = tool.rows()


@pytest.mark.parametrize(
    'row', ROWS, ids=lambda r: f'{r["paper"]}, {r["table"]}: {r["row"]}')
def test_row_of_a_paper(row):
    """It is run by a config that builds and names its figure, or quoted."""
    assert ('config' in row) != ('quoted' in row)
    if 'quoted' in row:
        assert row['quoted'].strip()
        return
    assert builds(row['config'], **row['options'])
    if 'top1' in row:
        text = tool.target(config(row['config']))
        assert re.search(rf'(?<![\d.]){re.escape(row["top1"])}(?!\d)', text)


def test_every_figure_in_a_head_is_in_a_table():
    """Accuracies that configs name are printed by the row they run."""
    printed = {}
    for row in ROWS:
        if 'config' in row and 'top1' in row and not row['options']:
            printed.setdefault(row['config'], set()).add(row['top1'])
    # The row of the default family is that of the paper's letter.
    alias = re.compile(r'^dualpath-(literal(-added)?|16x8)_')
    visual = re.compile(r'^video-prompt-visual_')
    # A release runs the row of the config that is called as it is.
    rows = {
        'st-adapter-release_vitb_k400': 'st-adapter-12x384_vitb_k400',
        'st-adapter-release_vitb_ssv2': 'st-adapter-t8_vitb_ssv2'
    }
    for name in NAMES:
        text = tool.target(config(name))
        own = alias.sub('dualpath_', visual.sub('video-prompt_', name))
        own = rows.get(own, own.replace('-release', ''))
        for figure in re.findall(r'(\d\d\.\d+) top-1', text):
            if 'for 32 (Table 1)' not in text:
                assert figure in printed[own], name


def test_complexity_shows_what_the_papers_print():
    printed = complexity.printed()
    assert printed['dualpath_vitb_ssv2'] == ('13 / 99', '642')
    assert printed['dualpath-grid2_vitb_ssv2'] == ('13 / -', '1752')
    assert printed['st-adapter_vitl_ssv2'] == ('-', '2062')


@pytest.mark.parametrize('name, paper', [
    ('st-adapter-12x384_vitb_k400', 455),
    ('st-adapter-t8_vitb_ssv2', 489),
    ('st-adapter_vitl_k400', 2062),
    ('st-adapter_vitl_ssv2', 2062),
])
def test_the_posters_gflops_follow_from_counting(name, paper):
    """One adapter a block in ViT-L; two would be 6 % more."""
    macs = complexity.complexity(config(name))['macs'] / 1e9
    assert macs == pytest.approx(paper, rel=0.012)
    assert complexity.printed()[name][1] == str(paper)


# AIM prints four times its 8 frames for 32; attention along time grows with
# the square of the frames: blocks, tokens, its two products, channels.
@pytest.mark.parametrize('name, paper, growth',
                         [('aim_vitb_k400', 606, 0),
                          ('aim_vitb_diving48', 809, 12 * 197 * 2 * 768 *
                           (32**2 - 4 * 8**2))])
def test_aims_gflops_follow_from_counting(name, paper, growth):
    macs = complexity.complexity(config(name))['macs']
    assert (macs - growth) / 1e9 == pytest.approx(paper, rel=0.001)
    assert complexity.printed()[name][1] == str(paper)


def test_evls_gflops_follow_from_counting():
    """With T-CA, whose weighted sums are a sixth of the decoder's."""
    name = 'evl-32f_vitl_k400'
    macs = complexity.complexity(config(name))['macs']
    assert macs / 1e9 == pytest.approx(8088, rel=0.001)
    assert complexity.printed()[name] == ('59 / 368', '8088')


def test_two_adapters_a_block_do_not_give_the_posters_gflops():
    macs = complexity.complexity(config('st-adapter-48x384_vitl_ssv2'))['macs']
    assert macs / 1e9 > 1.04 * 2062


class Toy(BaseModel):

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, **kwargs):
        return dict(loss=self.weight)


# Warm-up, first factor, epochs; the cosine begins behind the warm-up or runs
# from the first step on.
@pytest.mark.parametrize('name, warm_up, first, epochs, behind', [
    ('dualpath_vitb_ssv2', 3, .01, 60, True),
    ('dualpath_vitb_k400', 3, .01, 30, True),
    ('bapat_vswinb_ssv2', 10, .01, 70, True),
    ('dualformer_tiny_k400', 3, .1, 30, False),
    ('dualformer_small_hmdb51', 1, .1, 16, False),
    ('aim_vitb_k400', 2.5, .1, 30, False),
    ('st-adapter-release_vitb_k400', 2, .01, 12, True),
])
def test_the_rate_over_a_training(name, warm_up, first, epochs, behind,
                                  tmp_path):
    cfg = load(name)
    steps = 4
    runner = Runner(
        Toy(),
        str(tmp_path),
        train_dataloader=DataLoader(range(steps)),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.)),
        train_cfg=dict(by_epoch=True, max_epochs=cfg.train_cfg.max_epochs),
        experiment_name=name,
        log_level='ERROR')
    runner.train_loop  # builds it, which the schedulers read
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    schedulers = runner.build_param_scheduler(cfg.param_scheduler)
    assert cfg.train_cfg.max_epochs == epochs
    for epoch in range(epochs):
        for step in range(steps):
            now = epoch + step / steps
            lr = runner.optim_wrapper.get_lr()['lr'][0]
            start = warm_up if behind else 0
            where = now if behind else epoch  # it steps by epochs
            expected = 0.5 * (1 + math.cos(math.pi * max(where - start, 0) /
                                           (epochs - start)))
            if now < warm_up:
                # Its last step is the first of the full rate.
                expected *= first + (1 - first) * now / (warm_up - 1 / steps)
            assert lr == pytest.approx(expected, abs=0.01), now
            for s in schedulers:
                if not s.by_epoch:
                    s.step()
        for s in schedulers:
            if s.by_epoch:
                s.step()


def test_metafiles_tell_the_frames():
    for path in CONFIGS.rglob('metafile.yml'):
        for model in yaml.safe_load(path.read_text())['Models']:
            cfg = load(model['Name'])
            frames = {
                s.clip_len
                for s in cfg.get('test_pipeline') or [] if 'clip_len' in s
            }
            told = model['Metadata'].get('Frame')
            assert frames == ({told} if told else set()), model['Name']


@pytest.mark.parametrize('name', [
    n for n in NAMES if 'CLIPVisionTransformer' in str(read(n).model.backbone)
])
def test_normalization_of_clip(name):
    """Only what says so normalises otherwise than CLIP was trained with."""
    model = load(name).model
    preprocessor = MODELS.build(model.data_preprocessor)
    base = CLIPVisionTransformer.__new__(CLIPVisionTransformer)
    torch.nn.Module.__init__(base)
    if model.backbone.get('any_normalization'):
        assert 'dump' in name
        with pytest.raises(ValueError, match='any_normalization'):
            check_normalization(preprocessor, base)
    else:
        check_normalization(preprocessor, base)
