"""Figures and intervals, compared with scikit-learn and by hand."""
import math

import numpy as np
import pytest
from sklearn import metrics

from mmdualpath.analysis.scores import Answers, bootstrap, calibration, wilson


def single(videos=60, classes=5, seed=0):
    """Answers with ties, a class without videos and one never predicted."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes - 1, videos)
    scores = draw.random((videos, classes))
    scores[:, 0] /= 9
    scores[np.arange(videos), labels] += draw.random(videos)
    scores /= scores.sum(1, keepdims=True)
    return Answers(scores, np.eye(classes)[labels] > 0), labels


def several(videos=80, classes=4, seed=0):
    draw = np.random.default_rng(seed)
    truth = draw.random((videos, classes)) < 0.3
    # rounded, so that videos share scores
    scores = (draw.random((videos, classes)) + 0.4 * truth).round(1) / 1.4
    return Answers(scores, truth, True)


def once(answers):
    return np.ones((1, len(answers)), int)


@pytest.mark.parametrize('hits, total', [(0, 10), (8, 10), (10, 10), (1, 1),
                                         (391, 400)])
def test_wilson(hits, total):
    """Its ends are where the share is 1.96 deviations away."""
    share, low, high = wilson(hits, total)
    assert share == hits / total and 0 <= low <= share <= high <= 1
    for end in (low, high):
        deviation = math.sqrt(end * (1 - end) / total)
        if 0 < end < 1:
            assert abs(share - end) == pytest.approx(1.959964 * deviation)
    if (hits, total) == (8, 10):  # as printed in textbooks
        assert (low, high) == pytest.approx((0.4902, 0.9433), abs=5e-5)


@pytest.mark.filterwarnings('ignore:y_pred contains classes')
def test_single_label_figures():
    answers, labels = single()
    predicted = answers.scores.argmax(1)
    assert answers.accuracy(once(answers)) == pytest.approx(
        metrics.accuracy_score(labels, predicted))
    assert answers.mean_class_accuracy(once(answers)) == pytest.approx(
        metrics.balanced_accuracy_score(labels, predicted))
    assert answers.macro_f1(once(answers)) == pytest.approx(
        metrics.f1_score(labels, predicted, average='macro'))
    assert answers.within(3).mean() == metrics.top_k_accuracy_score(
        labels, answers.scores, k=3, labels=range(5))
    np.testing.assert_array_equal(
        answers.confusion(),
        metrics.confusion_matrix(labels, predicted, labels=range(5)))
    expected = metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(5), zero_division=np.nan)
    found = answers.rates(once(answers))
    for name, value in zip(('precision', 'recall', 'f1'), expected):
        np.testing.assert_allclose(found[name][0], value, rtol=1e-6)


def test_multi_label_figures():
    answers = several()
    np.testing.assert_allclose(
        answers.average_precisions(once(answers))[0],
        metrics.average_precision_score(
            answers.truth, answers.scores, average=None))
    assert answers.macro_f1(once(answers)) == pytest.approx(
        metrics.f1_score(
            answers.truth, answers.scores >= 0.5, average='macro'))
    assert answers.right.mean() == metrics.accuracy_score(
        answers.truth, answers.scores >= 0.5)
    counts = answers.confusion()
    for i in range(4):
        assert counts[i, i] == sum(t[i] and s[i] >= 0.5
                                   for t, s in zip(*both(answers)))
    assert counts[0, 1] == sum(t[0] and s[0] < 0.5 and s[1] >= 0.5 and not t[1]
                               for t, s in zip(*both(answers)))


def both(answers):
    return answers.truth, answers.scores


@pytest.mark.parametrize('make, name', [
    (lambda: single()[0], 'accuracy'),
    (lambda: single()[0], 'mean_class_accuracy'),
    (lambda: single()[0], 'macro_f1'),
    (several, 'mean_average_precision'),
    (several, 'macro_f1'),
])
def test_weights_are_repetitions(make, name):
    """A resample by weights is what the same videos, repeated, give."""
    answers = make()
    draw = np.random.default_rng(1)
    drawn = draw.integers(0, len(answers), (3, len(answers)))
    weights = np.stack([np.bincount(d, minlength=len(answers)) for d in drawn])
    expected = [
        getattr(answers.subset(d), name)(once(answers))[0] for d in drawn
    ]
    np.testing.assert_allclose(
        getattr(answers, name)(weights), expected, rtol=1e-6)


def test_bootstrap_of_a_share_is_its_interval():
    right = np.arange(500) < 350
    found = bootstrap(lambda w: w @ right / w.sum(1), 500)
    expected = wilson(350, 500)
    assert found.value == 0.7
    np.testing.assert_allclose(found, expected, atol=0.008)
    assert bootstrap(lambda w: w @ right / w.sum(1), 500) == found


def test_bootstrap_is_not_biased():
    """Most resamples of five videos a class have a lower F1 than the videos.

    Plain percentiles would put the figure at the upper end.
    """
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(60), 5)
    scores = draw.random((300, 60))
    scores[np.arange(300), labels] += 0.5
    answers = Answers(scores, np.eye(60)[labels] > 0)
    value, low, high = bootstrap(answers.macro_f1, 300, 400)
    drawn = [answers.subset(draw.integers(0, 300, 300)) for _ in range(100)]
    lower = [a.macro_f1(once(a))[0] < value for a in drawn]
    assert np.mean(lower) > 0.6
    assert 0.5 < (high - value) / (value - low) < 2


def test_calibration():
    answers, labels = single(videos=200)
    confidence = answers.scores.max(1)
    right = answers.scores.argmax(1) == labels
    bins, error, excess = calibration(answers, 5)
    expected = 0
    for i in range(5):
        mine = (confidence >= i / 5) & (confidence < (i + 1) / 5)
        found = [b for b in bins if b.low == i / 5]
        assert bool(found) == mine.any()
        if found:
            assert found[0].count == mine.sum()
            assert found[0].accuracy.value == right[mine].mean()
            expected += abs(right[mine].sum() - confidence[mine].sum()) / 200
    assert error == pytest.approx(expected)
    assert excess == pytest.approx(confidence.mean() - right.mean())


def test_calibration_of_several_labels():
    truth = np.array([[1, 0], [1, 1], [0, 0], [1, 0]], bool)
    scores = np.array([[1., .2], [.95, .2], [.97, .2], [.98, .2]])
    bins, error, _ = calibration(Answers(scores, truth, True), 10)
    assert [(b.count, b.accuracy.value) for b in bins] == [(4, .25), (4, .75)]
    assert error == pytest.approx((.05 + abs(.975 - .75)) / 2)


def test_errors_come_by_confidence():
    scores = np.array([[.6, .4], [.1, .9], [.8, .2], [.3, .7]])
    truth = np.eye(2)[[1, 0, 0, 1]] > 0
    numbers, confidence = Answers(scores, truth).errors()
    assert numbers.tolist() == [1, 0] and confidence.tolist() == [.9, .6]
    # a label that was missed counts as well
    numbers, confidence = Answers(scores, truth, True).errors()
    assert numbers.tolist() == [1, 0] and confidence.tolist() == [.9, .6]
    missed = Answers(np.array([[.05, .1]]), np.array([[True, False]]), True)
    assert missed.errors()[1].tolist() == [.95]
