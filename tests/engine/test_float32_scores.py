"""Stock heads train and are tested in bfloat16, on CPU and on a GPU."""
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.optim.optimizer import amp_optimizer_wrapper
from tiny_training import make_config, make_runner, write_videos

HOOK = [dict(type='Float32ScoresHook')]


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    """A frozen CLIP under MMAction2's own head, trained in bfloat16."""
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available',
                        lambda: True)
    write_videos(tmp_path)
    cfg = make_config(
        tmp_path,
        optim_wrapper=dict(
            type='AmpOptimWrapper',
            dtype='bfloat16',
            loss_scale=dict(enabled=False),
            optimizer=dict(type='AdamW', lr=0.01)),
        test_cfg=dict(type='TestLoop', fp16=True))
    cfg.model.cls_head = dict(
        type='TimeSformerHead',
        num_classes=2,
        in_channels=48,
        topk=(1, ),
        average_clips='prob')
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    return cfg


def test_a_stock_head_in_bfloat16(cfg):
    runner = make_runner(cfg, custom_hooks=HOOK)
    scores = []
    runner.model.cls_head.fc_cls.register_forward_hook(
        lambda layer, inputs, output: scores.append(output.dtype))
    runner.train()
    runner.test()
    # the layer computes in bfloat16 all the same
    assert torch.bfloat16 in scores and torch.float32 not in scores
    assert not runner.model.cls_head._forward_hooks


def test_it_is_needed(cfg):
    with pytest.raises(TypeError, match='BFloat16'):
        make_runner(cfg).train()


def test_no_other_model_is_changed(cfg):
    other = MODELS.build(cfg.model.cls_head).bfloat16()
    make_runner(cfg, custom_hooks=HOOK).train()
    assert other(torch.rand(1, 48).bfloat16()).dtype == torch.bfloat16
