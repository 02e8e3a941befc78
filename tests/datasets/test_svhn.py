"""SVHN for mmpretrain's models, and a run of the config that uses it."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from scipy.io import savemat
from torchvision.datasets import SVHN as TorchvisionSVHN

from mmdualpath.datasets.svhn import SVHN

CONFIG = Path(__file__).parents[2] / 'configs/vpetl/bapat_mae-vitb_svhn.py'


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """Eight digits in the files' own layout, in which 0 has the label 10."""
    images = np.random.RandomState(0).randint(
        255, size=(32, 32, 3, 8), dtype=np.uint8)
    labels = np.array([[10], [1], [2], [3], [10], [9], [4], [7]])
    for split in ('train', 'test'):
        savemat(tmp_path / f'{split}_32x32.mat', dict(X=images, y=labels))
    # These are not the published files.
    monkeypatch.setattr(TorchvisionSVHN, '_check_integrity', lambda self: True)
    return tmp_path, images, labels


def test_images_and_labels(digits):
    root, images, labels = digits
    dataset = SVHN(data_root=str(root), split='test', download=False)
    assert len(dataset) == 8 and dataset.test_mode
    for i in range(8):
        sample = dataset[i]
        np.testing.assert_array_equal(sample['img'], images[..., i])
        assert sample['gt_label'] == labels[i, 0] % 10
    assert dataset.CLASSES[9] == '9'


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split='val'"):
        SVHN(data_root=str(tmp_path), split='val')


def test_an_image_config_runs_with_mmpretrains_parts(digits, tmp_path):
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.backbone.update(
        arch=dict(
            embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
        init_cfg=dict(type='RandomWeights'))
    cfg.model.neck.input_features = cfg.model.head.in_channels = 16
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[loader].update(
            batch_size=4, num_workers=0, persistent_workers=False)
        cfg[loader].dataset.update(data_root=str(digits[0]), download=False)
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.param_scheduler = []  # their warm-up is longer than that
    cfg.work_dir = str(tmp_path / 'work')
    cfg.log_level = 'ERROR'
    cfg.experiment_name = 'svhn'
    init_default_scope('mmpretrain')
    runner = Runner.from_cfg(cfg)
    runner.train()
    saved = torch.load(tmp_path / 'work/epoch_1.pth')['state_dict']
    assert any(k.endswith('attn.down.weight') for k in saved)
    assert not any('attn.base' in k for k in saved)
    assert 0 <= runner.test()['accuracy/top1'] <= 100
