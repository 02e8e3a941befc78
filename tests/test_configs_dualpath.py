"""Every DualPath config: built, trained a step, tested, and documented."""
import argparse
import re

import numpy as np
import pytest
import torch
from helpers import CONFIGS, PIXELS, config, load_tool, shrink
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper

from mmdualpath.analysis.complexity import count_params
from mmdualpath.analysis.structure import build_structure
from mmdualpath.models.adapters import Bottleneck

tool = load_tool('results_table.py')
NAMES = sorted(
    p.stem for pattern in ('dualpath*.py', 'pilot/*.py')
    for p in CONFIGS.glob(pattern) if 'mini' not in p.stem)
RECIPES = dict(  # Table A1: learning rate, weight decay, batch, views
    k400=(3e-4, 5e-2, 64, (3, 1), 400),
    ssv2=(5e-4, 5e-2, 128, (1, 3), 174),
    hmdb51=(1e-4, 2e-2, 128, (2, 3), 51),
    diving48=(3e-4, 3e-2, 128, (1, 1), 48))
# The dump's, where Table A1 has it.
ERASING = dict(ssv2=[0.1], hmdb51=[0.5])


def load(name: str) -> Config:
    return Config.fromfile(config(name))


def steps(cfg: Config, loader: str) -> dict:
    pipeline = cfg[f'{loader}_dataloader'].dataset.pipeline
    return {step.type: step for step in pipeline}


def sampling(cfg: Config, loader: str) -> dict:
    pipeline = cfg[f'{loader}_dataloader'].dataset.pipeline
    return pipeline[pipeline.index(cfg.open_video) + 1]


def views_of(cfg: Config, loader: str, frames: int = 70) -> dict:
    """A video of noise through a pipeline, decoding left out."""
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (frames, 70, 90, 3), dtype=np.uint8)
    results = dict(total_frames=frames, start_index=0, label=3, modality='RGB')
    for step in cfg[f'{loader}_dataloader'].dataset.pipeline:
        if step == cfg.decode_video:
            results['imgs'] = list(video[results['frame_inds'].reshape(-1)])
            results['img_shape'] = results['original_shape'] = (70, 90)
        elif step != cfg.open_video:
            results = TRANSFORMS.build(step)(results)
    return results


@pytest.mark.parametrize('name', NAMES)
def test_trains_a_step_and_tests(name):
    cfg = shrink(load(name))
    model = MODELS.build(cfg.model)
    model.init_weights()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    losses = model.train_step(
        pseudo_collate([views_of(cfg, 'train')] * 2), optimizer)
    assert torch.isfinite(losses['loss'])
    # `up` is zero at first, so `down` gets no gradient in the first step; nor
    # does an adapter behind which another one has no skip.
    still = {
        n
        for n, p in model.named_parameters()
        if p.requires_grad and torch.equal(p, before[n])
    }
    assert all('.down.' in n or 'attn.base.adapter.up' in n
               for n in still), still
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert all(
        torch.equal(dict(model.named_parameters())[n], before[n])
        for n in frozen)

    sample, = model.test_step(pseudo_collate([views_of(cfg, 'test')]))
    assert sample.pred_score.shape == (cfg.model.cls_head.num_classes, )


@pytest.mark.parametrize('name', NAMES)
def test_recipe(name):
    cfg = load(name)
    data = name.split('_')[-1]
    lr, decay, batch, views, classes = RECIPES[data]
    assert cfg.optim_wrapper.optimizer.type == 'AdamW'
    assert cfg.optim_wrapper.optimizer.lr == lr
    assert cfg.optim_wrapper.optimizer.weight_decay == decay
    assert cfg.train_dataloader.batch_size * 8 == batch
    assert cfg.model.cls_head.num_classes == classes
    # The other reading of the rate: one per 256 clips.
    per_256 = 'dump' in name or name.startswith('pilot-rate')
    assert cfg.auto_scale_lr.base_batch_size == (256 if per_256 else batch)
    assert cfg.auto_scale_lr.enable == per_256
    assert bool(cfg.optim_wrapper.paramwise_cfg) == ('dump' not in name)

    train, test = steps(cfg, 'train'), steps(cfg, 'test')
    augment = train['ClipAugment'].transforms
    assert augment == cfg.augment
    assert [t.p for t in augment
            if t.type == 'RandomErasing'] == ERASING.get(data, [])
    if not name.startswith('pilot-mild'):
        operation = dict(type='RandAugment', num_ops=1, magnitude=30)
        assert [
            t for t in augment if t.type == 'RandomApply'
        ] == 2 * [dict(type='RandomApply', p=0.5, transforms=[operation])]
        assert train['RandomResizedCrop'].area_range == (0.08, 1.0)
    assert ('Flip' in train) == (data != 'ssv2')
    crops = 3 if 'ThreeCrop' in test else 1
    assert (sampling(cfg, 'test').get('num_clips', 1), crops) == views

    five = data == 'ssv2'  # adapters in a block (Table A1)
    temporal = cfg.model.backbone.get('temporal')
    for adapter in (temporal.adapters if temporal else {}).values():
        if not adapter.get('enabled', True):
            continue
        width = 192 if 'dump-192' in name else 128
        assert adapter.get('width', width) == width
    if temporal:
        names = [
            n for n, a in temporal.adapters.items() if a.get('enabled', True)
        ]
        expected = ['positions', 'attn_in', 'attn_out', 'mlp']
        assert names == [n for n in expected if n != 'attn_in' or five]
        skips = {temporal.adapters[n].skip for n in names[1:]}
        assert skips == {'-skip' in name}


@pytest.mark.parametrize('name', NAMES)
def test_frames_fill_the_framesets(name):
    """T, T_G and the grid agree over pipelines, preprocessor and adapters."""
    cfg = load(name)
    preprocessor = cfg.model.data_preprocessor
    frames = sampling(cfg, 'test').clip_len
    if preprocessor.grid is not None:
        positions = cfg.model.backbone.temporal.adapters.positions
        rows, columns = preprocessor.grid
        assert tuple(positions.grid) == (rows, columns)
        assert positions.num_framesets * rows * columns == frames
    interval = sampling(cfg, 'train').get('frame_interval')
    if interval:
        expected = {16: 4, 32: 2, 48: 1}[frames]  # Sec. 5.1
        assert interval == (8 if '16x8' in name else expected)
    elif 'dump' not in name:
        assert name.endswith('ssv2')


def test_the_dump_draws_the_stride_of_each_clip():
    for name in ('dualpath-dump_vitb_ssv2', 'dualpath-dump_vitb_k400'):
        cfg = load(name)
        draw = TRANSFORMS.build(sampling(cfg, 'train'))
        strides = []
        for _ in range(200):
            clip = draw(dict(total_frames=90, start_index=0))['frame_inds']
            strides.append(clip[1] - clip[0])
            frames = clip[0] + strides[-1] * np.arange(16)
            last = frames[frames < 90].max()
            assert clip.tolist() == np.minimum(frames, last).tolist()
        assert {s for s in strides if strides.count(s) > 25} == {1, 2, 4, 8}


# What each family adds to the tokens of the temporal path, in numpy. Frames
# are 3.5 patches wide, so that every other patch straddles two.


def wave(place, dims, alternating=False):
    """The sinusoids of "Attention is all you need"."""
    angles = np.multiply.outer(
        np.asarray(place, float), 1e4**(-np.arange(0, dims, 2) / dims))
    both = [np.sin(angles), np.cos(angles)]
    if alternating:
        return np.stack(both, -1).reshape(*angles.shape[:-1], dims)
    return np.concatenate(both, -1)


def frameset_code(dims, patches=14, frames=4, first=0):
    """Frame, y and x of every patch's centre, a third of the channels each."""
    code = np.zeros((patches, patches, dims))
    size = patches / frames
    third = dims // 6 * 2
    for row in range(patches):
        for column in range(patches):
            down, across = int((row + .5) // size), int((column + .5) // size)
            axes = (down * frames + across + first, row + .5 - down * size,
                    column + .5 - across * size)
            widths = (dims - 2 * third, third, third)
            code[row, column] = np.concatenate(
                [wave(a, w) for a, w in zip(axes, widths)])
    return code.reshape(-1, dims)


def frame_number_code(dims, patches=14, frames=4, first=0):
    """Numbers on a 16 x 16 map, resized to the patches, then a sinusoid."""
    numbers = first + np.kron(
        np.arange(frames**2).reshape(frames, frames), np.ones((4, 4)))
    centres = (np.arange(patches) + .5) * len(numbers) / patches - .5
    low = np.floor(centres).astype(int)
    share = centres - low
    low, high = (np.clip(i, 0, len(numbers) - 1) for i in (low, low + 1))
    down = numbers[low].T * (1 - share) + numbers[high].T * share
    both = down[low].T * (1 - share) + down[high].T * share
    return wave(both.reshape(-1), dims, alternating=True)


FAMILIES = {  # code of the patches, of the class token, amplitude, embedding
    'dualpath': (frameset_code, None, 'match', 'zero'),
    'dualpath-skip': (frameset_code, None, 'match', 'zero'),
    'dualpath-frame-number': (frame_number_code, None, 'match', 'trained'),
    'dualpath-literal': (frameset_code, [0, 0, 0], 1, 'zero'),
    'dualpath-literal-added': (frameset_code, [0, 0, 0], 1, 'frozen'),
    'dualpath-dump': (frame_number_code, [0], 1, 'fresh'),
    'dualpath-dump-192': (frame_number_code, [0], 1, 'fresh'),
}


@pytest.mark.parametrize('data', ['ssv2', 'k400'])
@pytest.mark.parametrize('family', FAMILIES)
def test_positions_of_a_family_at_every_patch(family, data):
    code, class_token, amplitude, embedding = FAMILIES[family]
    cfg = shrink(load(f'{family}_vitb_{data}'))
    cfg.model.backbone.backbone.update(img_size=224, patch_size=16)
    model = MODELS.build(cfg.model).eval()
    backbone = model.backbone
    temporal, dims = backbone.temporal.base, 48
    pretrained = backbone.spatial.base.pos_embed.detach()

    # Between the patches and the first norm: what the path adds.
    images = torch.rand(1, 3, 224, 224)
    seen = []
    temporal.pre_norm.register_forward_pre_hook(
        lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        backbone.temporal(images)
        patches = backbone.spatial.base.patch_embed(images)[0]
    tokens, = seen
    added = tokens - torch.cat((temporal.cls_token, patches), 1)
    added = (added - temporal.pos_embed)[0].detach().numpy()

    expected = code(dims, first=0 if class_token is None else 1)
    if amplitude == 'match':
        expected = expected * patches.std().item() / expected.std(ddof=1)
    np.testing.assert_allclose(added[1:], expected, atol=2e-5)
    if class_token is None:
        np.testing.assert_allclose(added[0], 0, atol=1e-6)
    else:  # number 0 on every axis: sines 0, cosines 1
        third = dims // 6 * 2
        widths = [dims - 2 * third, third, third] if len(class_token) == 3 \
            else [dims]
        expected = np.concatenate([
            wave(p, w, alternating=len(widths) == 1)
            for p, w in zip(class_token, widths)
        ])
        np.testing.assert_allclose(added[0], expected, atol=2e-5)

    within = {  # where Kaiming-uniform ends and Kaiming-normal does not
        m.down.weight.abs().max().item() <= dims**-.5
        for m in backbone.modules() if isinstance(m, Bottleneck)
    }
    assert within == {'dump' in family}

    own = temporal.pos_embed
    assert own.requires_grad == (embedding in ('trained', 'fresh'))
    if embedding == 'zero':
        assert torch.equal(own[:, 0], pretrained[:, 0])
        assert not own[:, 1:].any()
    else:
        assert torch.equal(own, pretrained) == (embedding != 'fresh')
    if embedding == 'fresh':
        assert own.std().item() == pytest.approx(dims**-.5, rel=0.05)
    shared = temporal.cls_token is backbone.spatial.base.cls_token
    assert shared == ('dump' in family)
    assert temporal.cls_token.requires_grad


def test_what_the_families_train():
    """Docs/recipes.md: with a trained embedding (N + 1) d more."""
    counts = {}
    for name in FAMILIES:
        model = build_structure(load(f'{name}_vitb_k400').model)
        counts[name] = count_params(model)['trainable']
    paper, more = counts['dualpath'], (14 * 14 + 1) * 768
    assert counts['dualpath-skip'] == counts['dualpath-literal'] == paper
    assert counts['dualpath-literal-added'] == paper
    assert counts['dualpath-frame-number'] == paper + more
    assert counts['dualpath-dump'] == paper + more - 768  # one class token


def test_a_pilot_changes_one_thing():
    """Six runs: a fifth of the data, and one change against the first."""
    first = load('pilot-match_vitb_ssv2')
    assert first.train_dataloader.dataset.indices == 168913 // 5 + 1
    assert first.train_cfg.max_epochs == 10
    changed = {}
    for name in NAMES:
        if name.startswith('pilot-') and 'match' not in name:
            cfg = load(name)
            changed[name.split('_')[0]] = {
                key
                for key in ('model', 'optim_wrapper', 'auto_scale_lr',
                            'train_pipeline', 'test_pipeline', 'train_cfg')
                if cfg[key] != first[key]
            }
            assert cfg.train_dataloader.dataset.indices == 33783
    assert changed == {
        'pilot-amplitude1': {'model'},
        'pilot-skip': {'model'},
        'pilot-frame-number': {'model'},
        'pilot-rate': {'auto_scale_lr'},
        'pilot-mild': {'train_pipeline'}
    }


def test_augmentation_moves_to_the_device(tmp_path):
    """The override that docs/data.md shows."""
    page = (CONFIGS.parent / 'docs/data.md').read_text()
    block = re.search(r"```python\n(_base_ = \['configs/dualpath.*?)```", page,
                      re.S).group(1)
    path = tmp_path / 'mine.py'
    path.write_text(block.replace("'configs/", f"'{CONFIGS}/"))
    cfg, stock = Config.fromfile(path), load('dualpath_vitb_ssv2')
    gone = [s for s in stock.train_pipeline if s not in cfg.train_pipeline]
    assert [s.type for s in gone] == ['ClipAugment']
    assert cfg.train_dataloader.dataset.pipeline == cfg.train_pipeline
    assert cfg.model.data_preprocessor.augment == gone[0].transforms
    preprocessor = MODELS.build(shrink(cfg).model.data_preprocessor)
    preprocessor(pseudo_collate([views_of(cfg, 'train')]), training=True)


PAGE = (CONFIGS.parent / 'docs/recipes.md').read_text()


def test_the_page_counts_right():
    text = re.sub(r'<!--.*?-->', '', PAGE)
    rows = re.findall(r'\| (dualpath\S+) \| ([\d.]+ / [\d.]+) \|', text)
    assert len(rows) == 12
    for name, counted in rows:
        assert counted == tool.millions(config(name)), name


def test_the_page_carries_decisions_on():
    """Its options make of the first pilot what the later ones are."""
    rows = re.findall(r'\[(pilot-\S+)\]\((\S+?)\) \| [^|]+ \|(.*)\|', PAGE)
    assert len(rows) == 6
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    for name, path, options in rows:
        pilot = Config.fromfile(CONFIGS.parent / 'docs' / path)
        assert config(f'{name}_vitb_ssv2').samefile(pilot.filename)
        if options.strip():
            first = load('pilot-match_vitb_ssv2')
            words = options.strip(' `').split()
            first.merge_from_dict(
                parser.parse_args(['--cfg-options', *words]).cfg_options)
            assert first.model == pilot.model
            assert first.auto_scale_lr == pilot.auto_scale_lr


def test_three_lines_for_a_data_set_of_ones_own(tmp_path):
    """The override that the page for it shows."""
    page = (CONFIGS.parent / 'docs/start.md').read_text()
    block = re.search(r"```python\n(_base_ = \['configs/dualpath.*?)```", page,
                      re.S).group(1)
    path = tmp_path / 'mine.py'
    path.write_text(block.replace("'configs/", f"'{CONFIGS}/"))
    cfg = Config.fromfile(path)
    assert cfg.model.cls_head.num_classes == 12
    assert cfg.train_dataloader.dataset.ann_file.startswith('data/mine')
    assert cfg.train_dataloader.dataset.pipeline
    MODELS.build(shrink(cfg).model)


def test_the_spatial_frames_are_among_the_temporal_ones():
    cfg = shrink(load('dualpath_vitb_k400'))
    cfg.model.data_preprocessor.update(
        mean=None, std=None, frameset_size=4 * PIXELS)
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    data = preprocessor(pseudo_collate([views_of(cfg, 'train')]))['inputs']
    frames = data['temporal'][0, 0, 0].unfold(1, PIXELS, PIXELS).unfold(
        2, PIXELS, PIXELS).flatten(1, 2).movedim(1, 0)
    assert torch.equal(data['spatial'][0, 0], frames[::2])
