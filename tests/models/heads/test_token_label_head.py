import math

import pytest
import torch

from mmdualpath.models import TokenLabelHead


def expected_loss(student: torch.Tensor, teacher: torch.Tensor,
                  topk: int) -> float:
    """Cross entropy to the softmax of the best scores, place by place."""
    student, teacher = (
        t.movedim(1, -1).reshape(-1, t.shape[1]).tolist()
        for t in (student, teacher))
    total = 0.
    for ours, theirs in zip(student, teacher):
        best = sorted(range(len(theirs)), key=lambda c: -theirs[c])[:topk]
        mass = sum(math.exp(theirs[c]) for c in best)
        log_sum = math.log(sum(math.exp(s) for s in ours))
        for c in best:
            total -= math.exp(theirs[c]) / mass * (ours[c] - log_sum)
    return total / len(student)


@pytest.mark.parametrize('shape', [(2, 3, 4), (3, 5), (7, )])
@pytest.mark.parametrize('topk, weight', [(5, 0.5), (2, 1.), (9, 0.5)])
def test_loss(shape, topk, weight):
    head = TokenLabelHead(9, 6, topk=topk, loss_weight=weight).eval()
    maps, scores = torch.randn(2, 6, *shape), 3 * torch.randn(2, 9, *shape)
    student = head(maps)
    assert student.shape == scores.shape
    assert head.loss(maps, scores).item() == pytest.approx(
        weight * expected_loss(student, scores, topk), rel=1e-4)


def test_published_settings():
    head = TokenLabelHead(400, 8)
    assert (head.topk, head.loss_weight) == (5, 0.5)
    widths = [(layer.in_features, layer.out_features) for layer in head.layers
              if isinstance(layer, torch.nn.Linear)]
    assert widths == [(8, 16), (16, 32), (32, 400)]


def test_every_location_is_classified_by_itself():
    head = TokenLabelHead(9, 6).eval()
    maps = torch.randn(2, 6, 2, 3, 4)
    other = maps.clone()
    other[:, :, 1, 2, 3] = 0
    changed = (head(maps) != head(other)).any(1)
    assert changed[:, 1, 2, 3].all() and changed.sum() == 2


@pytest.mark.parametrize('theirs, ours', [((4, 6, 6), (2, 3, 3)),
                                          ((2, 3, 3), (4, 3, 3))])
def test_a_teacher_of_another_size(theirs, ours):
    head = TokenLabelHead(9, 6).eval()
    maps, scores = torch.randn(2, 6, *ours), torch.randn(2, 9, *theirs)
    if theirs[0] < ours[0]:
        fitted = scores.repeat_interleave(2, 2)
    else:
        fitted = scores.unflatten(4, (3, 2)).unflatten(3, (3, 2)).unflatten(
            2, (2, 2)).mean((3, 5, 7))
    assert head.loss(maps, scores).item() == pytest.approx(
        0.5 * expected_loss(head(maps), fitted, 5), rel=1e-4)


@pytest.mark.parametrize('maps, scores', [((2, 6), (2, 9)),
                                          ((2, 6, 3, 3), (2, 9, 3, 3, 3))])
def test_inputs_that_are_no_maps(maps, scores):
    with pytest.raises(ValueError, match='a map of tokens'):
        TokenLabelHead(9, 6).loss(torch.randn(maps), torch.randn(scores))


@pytest.mark.parametrize('topk', [0, 10])
def test_topk_out_of_range(topk):
    with pytest.raises(ValueError, match=f'topk={topk}'):
        TokenLabelHead(9, 6, topk=topk)
