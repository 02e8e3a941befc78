"""The picture of the training goes to the visualizer and changes nothing."""
from pathlib import Path

import numpy as np
import pytest
import tiny_training
import torch
from PIL import Image
from tiny_training import make_config, make_runner

from mmdualpath.engine import AttentionPictureHook


def train(folder, name, hooks):
    cfg = make_config(folder, custom_hooks=hooks, randomness=dict(seed=0))
    runner = make_runner(cfg, name, work_dir=str(folder / name))
    runner.train()
    return runner


def test_pictures_come_every_so_often(tmp_path):
    tiny_training.write_videos(tmp_path)
    hook = dict(type='AttentionPictureHook', interval=2, heads='each')
    drawn = train(tmp_path, 'drawn', [hook])
    plain = train(tmp_path, 'plain', [])
    found = sorted(Path(tmp_path / 'drawn').rglob('attention_*.png'))
    # Two epochs of two iterations: after the first and the third.
    assert [p.stem for p in found] == ['attention_1', 'attention_3']
    assert len(np.unique(np.asarray(Image.open(found[0])))) > 50
    mine, theirs = (r.model.state_dict() for r in (drawn, plain))
    for name, tensor in mine.items():
        assert torch.equal(tensor, theirs[name]), name
    assert drawn.model.training == plain.model.training


def test_interval():
    with pytest.raises(ValueError, match='must be positive'):
        AttentionPictureHook(interval=0)
