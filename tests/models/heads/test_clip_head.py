"""The head of clips against plain torch."""
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS

B, C, T, CLASSES = 3, 12, 4, 7


def build(**options):
    return MODELS.build(
        dict(
            type='ClipMeanHead', num_classes=CLASSES, in_channels=C,
            **options)).eval()


def fc(head, x):
    return x @ head.fc_cls.weight.T + head.fc_cls.bias


def test_mean():
    head, maps = build(), torch.randn(B, C, T, 2, 5)
    torch.testing.assert_close(head(maps), fc(head, maps.mean((2, 3, 4))))
    torch.testing.assert_close(
        head(maps[..., 0, 0, 0]), fc(head, maps[..., 0, 0, 0]))


@pytest.mark.parametrize('pool, weights',
                         [(2, [1, 2, 2, 1]), (3, [1, 2, 2, 1]),
                          (4, [1, 1, 1, 1])])
def test_neighbouring_frames_first(pool, weights):
    """Every run of ``pool`` frames counts once."""
    head, maps = build(pool_frames=pool), torch.randn(B, C, T, 2, 5)
    runs = [
        maps[:, :, t:t + pool].mean((2, 3, 4)) for t in range(T - pool + 1)
    ]
    torch.testing.assert_close(head(maps), fc(head, sum(runs) / len(runs)))
    weights = torch.tensor(weights) / sum(weights)
    mean = (maps.mean((3, 4)) * weights).sum(-1)
    torch.testing.assert_close(head(maps), fc(head, mean))


def test_batch_norm():
    """Without parameters; the statistics of training are used in testing."""
    head, x = build(batch_norm=True), 3 * torch.randn(64, C) + 1
    assert {n
            for n, _ in head.named_parameters()
            } == {'fc_cls.weight', 'fc_cls.bias'}
    head.train()
    wanted = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-6).sqrt()
    torch.testing.assert_close(head(x), fc(head, wanted))
    head.eval()
    seen = (0.9 * torch.zeros(C) + 0.1 * x.mean(0),
            0.9 * torch.ones(C) + 0.1 * x.var(0))
    wanted = (x - seen[0]) / (seen[1] + 1e-6).sqrt()
    torch.testing.assert_close(head(x), fc(head, wanted))


def test_dropout():
    head, x = build(dropout=0.5).train(), torch.ones(1, C)
    with torch.no_grad():
        head.fc_cls.weight.fill_(1)
        head.fc_cls.bias.zero_()
        sums = np.array([head(x)[0, 0].item() for _ in range(50)])
    assert set((sums / 2).round(4)) <= set(range(C + 1))
    assert len(set(sums)) > 3


@pytest.mark.parametrize('shape', [(B, C, T), (B, C, 1, 2, 5), (B, C)])
def test_what_it_does_not_read(shape):
    with pytest.raises(ValueError, match='pool_frames=2'):
        build(pool_frames=2)(torch.zeros(shape))


@pytest.mark.parametrize('options, message', [
    (dict(pool_frames=0), 'pool_frames=0'),
    (dict(batch_norm='yes'), "batch_norm='yes' must be bool"),
    (dict(pool_frames=2.), r'pool_frames=2.0 must be int'),
])
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_other_classes_are_refused():
    state = build().state_dict()
    state['fc_cls.bias'] = torch.zeros(3)
    with pytest.raises(ValueError, match=r'fc_cls.bias \(\(3,\) in the check'):
        build().load_state_dict(state)
