"""Every DualPath config: built, trained a step, tested, and documented."""
import re

import numpy as np
import pytest
import torch
from helpers import CONFIGS, PIXELS, shrink
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper

NAMES = sorted(
    p.stem for p in CONFIGS.glob('dualpath*.py') if 'mini' not in p.stem)
RECIPES = dict(  # Table A1: learning rate, weight decay, batch, erasing, views
    k400=(3e-4, 5e-2, 64, False, (3, 1), 400),
    ssv2=(5e-4, 5e-2, 128, True, (1, 3), 174),
    hmdb51=(1e-4, 2e-2, 128, True, (2, 3), 51),
    diving48=(3e-4, 3e-2, 128, False, (1, 1), 48))


def load(name: str) -> Config:
    return Config.fromfile(CONFIGS / f'{name}.py')


def steps(cfg: Config, loader: str) -> dict:
    pipeline = cfg[f'{loader}_dataloader'].dataset.pipeline
    return {step.type: step for step in pipeline}


def views_of(cfg: Config, loader: str, frames: int = 70) -> dict:
    """A video of noise through a pipeline, decoding left out."""
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (frames, 70, 90, 3), dtype=np.uint8)
    results = dict(total_frames=frames, start_index=0, label=3, modality='RGB')
    for step in cfg[f'{loader}_dataloader'].dataset.pipeline:
        if step.type == 'DecordDecode':
            results['imgs'] = list(video[results['frame_inds'].reshape(-1)])
            results['img_shape'] = results['original_shape'] = (70, 90)
        elif step.type != 'DecordInit':
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
    # `up` is zero at first, so `down` gets no gradient in the first step.
    still = {
        n
        for n, p in model.named_parameters()
        if p.requires_grad and torch.equal(p, before[n])
    }
    assert all('.down.' in n for n in still), still
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert all(
        torch.equal(dict(model.named_parameters())[n], before[n])
        for n in frozen)

    sample, = model.test_step(pseudo_collate([views_of(cfg, 'test')]))
    assert sample.pred_score.shape == (cfg.model.cls_head.num_classes, )


@pytest.mark.parametrize('name', NAMES)
def test_recipe(name):
    cfg = load(name)
    lr, decay, batch, erasing, views, classes = RECIPES[name.split('_')[-1]]
    assert cfg.optim_wrapper.optimizer.type == 'AdamW'
    assert cfg.optim_wrapper.optimizer.lr == lr
    assert cfg.optim_wrapper.optimizer.weight_decay == decay
    assert cfg.auto_scale_lr.base_batch_size == batch
    assert cfg.train_dataloader.batch_size * 8 == batch
    assert cfg.model.cls_head.num_classes == classes

    train, test = steps(cfg, 'train'), steps(cfg, 'test')
    augment = [t.type for t in train['ClipAugment'].transforms]
    assert augment == ['RandAugment'] + ['RandomErasing'] * erasing
    assert ('Flip' in train) == ('ssv2' not in name)
    sampler = test.get('UniformSample') or test['SampleFrames']
    assert ('UniformSample' in train) == ('ssv2' in name)
    crops = 3 if 'ThreeCrop' in test else 1
    assert (sampler.get('num_clips', 1), crops) == views

    temporal = cfg.model.backbone.get('temporal')
    adapters = temporal.adapters if temporal else []
    kinds = [a['type'] for a in adapters]
    pre = ['PreAdapter'] * ('ssv2' in name)
    positions = 'FrameIndexPositions' if 'frame-index' in name \
        else 'FramesetPositions'
    assert kinds in ([], [positions, *pre, 'SerialAdapter', 'SerialAdapter'])
    assert all(a.get('width', 128) == 128 for a in adapters)

    end = cfg.train_cfg.max_epochs
    assert cfg.param_scheduler[1].end == end
    assert cfg.param_scheduler[1].T_max == end - cfg.param_scheduler[1].begin


@pytest.mark.parametrize('name', NAMES)
def test_frames_fill_the_framesets(name):
    """T, T_G and the grid agree over pipelines, preprocessor and adapters."""
    cfg = load(name)
    preprocessor = cfg.model.data_preprocessor
    lengths = {(s.get('UniformSample') or s['SampleFrames']).clip_len
               for s in (steps(cfg, loader)
                         for loader in ('train', 'val', 'test'))}
    assert len(lengths) == 1
    frames, = lengths
    if preprocessor.grid is not None:
        positions = cfg.model.backbone.temporal.adapters[0]
        rows, columns = preprocessor.grid
        assert tuple(positions.grid) == (rows, columns)
        assert positions.num_framesets * rows * columns == frames
    sampler = steps(cfg, 'train').get('SampleFrames')
    if sampler:  # Sec. 5.1
        assert sampler.frame_interval == {16: 4, 32: 2, 48: 1}[frames]


@pytest.mark.parametrize('name', NAMES)
def test_opens_with_command_and_paper_figure(name):
    head = (CONFIGS / f'{name}.py').read_text().split('\n_base_')[0]
    assert head.startswith(f'# bash tools/dist_train.sh configs/{name}.py 8')
    assert re.search(r'# paper: (\d\d\.\d top-1|no figure).*', head), head


def test_three_lines_for_a_data_set_of_ones_own(tmp_path):
    """The override that the README shows."""
    readme = (CONFIGS.parent / 'README.md').read_text()
    block = re.search(r"```python\n(_base_ = \['configs/dualpath.*?)```",
                      readme, re.S).group(1)
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
