"""Every config at its full size on a GPU; one made small on a CPU."""
from functools import partial

import pytest
import torch
from devices import GPU
from helpers import CONFIGS, load_tool, shrink
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample

from mmdualpath.analysis.complexity import find_image_size, view_of
from mmdualpath.analysis.structure import without_weights
from mmdualpath.engine.hooks.float32_scores import in_float32

NAMES = sorted(load_tool('results_table.py').configs())
BATCH = 2


def samples(cfg: Config) -> dict:
    """A batch of noise of the size that a config tests at."""
    if cfg.default_scope == 'mmpretrain':
        size = find_image_size(cfg.model.backbone) or 224
        shape, kind = (3, size, size), DataSample
    else:
        shape, kind = view_of(cfg).shape[1:], ActionDataSample
    return dict(
        inputs=[
            torch.randint(256, shape, dtype=torch.uint8) for _ in range(BATCH)
        ],
        data_samples=[kind().set_gt_label(i) for i in range(BATCH)])


def steps(cfg: Config, device: str) -> tuple:
    """A training step under AMP and a test step with random weights."""
    init_default_scope(cfg.default_scope)
    model = MODELS.build(without_weights(cfg.model)).to(device)
    model.init_weights()
    if hasattr(model, 'cls_head'):  # as Float32ScoresHook does
        model.cls_head.register_forward_hook(in_float32)
    optim_wrapper = build_optim_wrapper(
        model, dict(cfg.optim_wrapper, type='AmpOptimWrapper'))
    before = [p.detach().clone() for p in model.parameters()
              if p.requires_grad]  # yapf: disable
    log = model.train().train_step(samples(cfg), optim_wrapper)
    after = [p for p in model.parameters() if p.requires_grad]
    changed = any(not torch.equal(a, b) for a, b in zip(before, after))
    with torch.no_grad():
        scores = model.eval().test_step(samples(cfg))
    return log, changed, scores


@pytest.mark.parametrize('name, device', [
    ('dualpath_vitb_k400', 'cpu'),
    *(pytest.param(name, 'cuda', marks=GPU) for name in NAMES),
])
def test_a_training_and_a_test_step(name, device, monkeypatch,
                                    record_property):
    path, = CONFIGS.rglob(f'{name}.py')
    cfg = Config.fromfile(path)
    if device == 'cpu':
        shrink(cfg)
        monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available',
                            lambda: True)
        monkeypatch.setattr(
            amp_optimizer_wrapper, 'GradScaler',
            partial(torch.amp.GradScaler, 'cpu', enabled=False))
    else:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    log, changed, scores = steps(cfg, device)
    if device == 'cuda':
        record_property('MiB', torch.cuda.max_memory_allocated() / 2**20)
    assert len(scores) == BATCH
    for sample in scores:
        score = sample.pred_score
        assert score.isfinite().all()
        assert abs(float(score.float().sum()) - 1) < 0.05
    loss = float(log['loss'])
    assert 0 < loss < 100
    # A step whose gradients overflow in half precision is left out.
    assert changed or device == 'cuda'
