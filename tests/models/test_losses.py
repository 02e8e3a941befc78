"""Losses for classes of several sizes."""
import pytest
import torch
from mmaction.registry import MODELS


def build(counts, **options):
    return MODELS.build(
        dict(type='LogitAdjustedLoss', counts=counts, **options))


@pytest.mark.parametrize('tau', [1., 0.5])
def test_equation_10(tau):
    """- log of pi_y^tau exp(f_y) over the sum of pi_c^tau exp(f_c)."""
    scores, label = torch.randn(5, 3), torch.tensor([0, 2, 1, 2, 2])
    shares = torch.tensor([70., 20., 10.]) / 100
    each = shares**tau * scores.exp()
    share = each.gather(1, label[:, None])[:, 0] / each.sum(1)
    found = build([70, 20, 10], tau=tau)(scores, label)
    torch.testing.assert_close(found, -share.log().mean())


def test_labels_that_are_shares():
    """A mixture of labels mixes the losses."""
    scores, loss = torch.randn(4, 3), build([9, 2, 1], loss_weight=2.)
    mixed = torch.tensor([[0.25, 0.75, 0.]]).expand(4, 3)
    first, second = (loss(scores, torch.full((4, ), n)) for n in (0, 1))
    torch.testing.assert_close(
        loss(scores, mixed), 0.25 * first + 0.75 * second)


def test_equal_classes_are_plain_cross_entropy():
    scores, label = torch.randn(6, 4), torch.randint(4, (6, ))
    torch.testing.assert_close(
        build([5, 5, 5, 5])(scores, label),
        torch.nn.functional.cross_entropy(scores, label))


def test_a_class_without_samples():
    with pytest.raises(ValueError, match=r'counts=\[3, 0\]: every class'):
        build([3, 0])
    with pytest.raises(ValueError, match=r'counts=\[\]: every class'):
        build([])


def test_several_classes_at_a_time():
    with pytest.raises(ValueError, match='BCELossWithLogits is the loss'):
        build([3, 1])(torch.randn(2, 2), torch.tensor([[1., 1.], [1., 0.]]))


def test_another_number_of_classes():
    with pytest.raises(ValueError, match='counts of 2 classes, logits of 3'):
        build([3, 1])(torch.randn(2, 3), torch.tensor([0, 1]))
