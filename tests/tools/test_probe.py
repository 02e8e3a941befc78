"""Heads side by side are heads by themselves."""
import pytest
import torch
from engine.test_cached_features import tiny
from helpers import load_tool
from mmengine.config import Config
from tiny_training import make_runner, write_videos

tool = load_tool('probe.py')
PAIRS = [(1e-2, 0.1), (1e-3, 0.5)]


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp('probe')
    write_videos(folder, 4)
    tiny(folder)
    return folder


def test_each_head_trains_as_it_does_alone(place, tmp_path):
    cfg = Config.fromfile(place / 'tiny.py')
    # biases are not decayed
    cfg.optim_wrapper.paramwise_cfg = dict(bias_decay_mult=0.)
    cfg.optim_wrapper.constructor = 'TrainableParamsConstructor'
    grid = make_runner(
        tool.grid_of(cfg, PAIRS),
        work_dir=str(tmp_path / 'grid'),
        val_dataloader=None,
        val_evaluator=None,
        val_cfg=None)
    grid.model.init_weights()
    first = grid.model.cls_head.state_of(0, grid.model.state_dict())
    torch.save(dict(state_dict=first), tmp_path / 'start.pth')
    grid.load_or_resume = lambda: None
    grid.model.init_weights = lambda: None
    grid.train()
    states = [
        grid.model.cls_head.state_of(i, grid.model.state_dict())
        for i in range(2)
    ]
    assert any((states[0][n] != states[1][n]).any() for n in states[0])
    for (rate, decay), state in zip(PAIRS, states):
        alone = make_runner(
            cfg,
            work_dir=str(tmp_path / f'{rate}'),
            load_from=str(tmp_path / 'start.pth'),
            val_dataloader=None,
            val_evaluator=None,
            val_cfg=None,
            **{
                'optim_wrapper.optimizer.lr': rate,
                'optim_wrapper.optimizer.weight_decay': decay
            })
        alone.train()
        expected = alone.model.state_dict()
        assert set(state) == set(expected)
        for name, tensor in expected.items():
            torch.testing.assert_close(state[name], tensor, msg=name)


def test_the_program(place, tmp_path, capsys):
    rates, decays = [1e-2, 1e-4], [0.01, 0.3]
    figures = tool.main([
        str(place / 'tiny.py'), '--work-dir',
        str(tmp_path), '--rates', *map(str, rates), '--decays',
        *map(str, decays)
    ])
    assert len(figures) == 4 and all(0 <= v <= 1 for v in figures)
    assert 'The best on the validation set, acc/top1' in capsys.readouterr(
    ).out
    assert (tmp_path / 'grid.png').is_file()
    # the best runs in the stock model, and reaches what it is said to
    runner = make_runner(
        Config.fromfile(place / 'tiny.py'),
        work_dir=str(tmp_path / 'test'),
        load_from=str(tmp_path / 'best.pth'),
        **{'test_dataloader.dataset.pipeline.1.test_mode': True})
    assert runner.test()['acc/top1'] == pytest.approx(max(figures))


@pytest.mark.parametrize('options, message', [
    ({
        'optim_wrapper.clip_grad': dict(max_norm=1)
    }, 'clip_grad counts'),
    ({
        'model.backbone.type': 'AdaptedBackbone',
        'model.backbone.final_norm': None,
        'model.backbone.trainable': ['.*bias']
    }, 'front of the heads trains'),
    ({
        'optim_wrapper.optimizer.weight_decay': 0.
    }, 'needs lr and weight_decay'),
])
def test_mistakes(place, tmp_path, options, message):
    cfg = Config.fromfile(place / 'tiny.py')
    cfg.merge_from_dict(options)
    if cfg.model.backbone.final_norm is None:
        del cfg.model.backbone['final_norm']
    cfg.dump(tmp_path / 'changed.py')
    with pytest.raises(ValueError, match=message):
        tool.main([
            str(tmp_path / 'changed.py'), '--work-dir',
            str(tmp_path), '--rates', '0.1', '--decays', '0.1'
        ])
