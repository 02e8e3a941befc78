"""What is said of answers, by one rule wherever it is said."""
import numpy as np
import pytest

from mmdualpath.analysis.scores import Answers, Estimate, difference
from mmdualpath.analysis.verdict import ENOUGH, finding, on_order, on_others

RNG = np.random.default_rng(0)


def answers(right) -> Answers:
    """To videos of two classes, each right or wrong."""
    right = np.asarray(right, int)
    truth = np.eye(2, dtype=bool)[np.arange(len(right)) % 2]
    return Answers(np.where(right[:, None], truth, ~truth) * 1., truth)


def share(total: int, hits: int) -> Answers:
    """As many right as that, by chance those and not others."""
    return answers(RNG.permutation(total) < hits)


def said(total, model, shuffled, backwards, probe):
    """Sentences on answers of which as many are right."""
    model, probe, *others = (
        share(total, hits) for hits in (model, probe, shuffled, backwards))
    orders = {
        order: difference(model, other, 'top-1')
        for order, other in zip(('shuffled', 'reversed'), others)
    }
    gain = difference(model, probe, 'top-1')
    return (*on_order(orders, 'top-1', total),
            *on_others({'the probe': gain}, 'top-1', total))


def test_order_matters():
    time, probe = said(200, 180, 100, 110, 100)
    assert time.startswith('Time matters: frames in their order are worth '
                           '+40.0 points of top-1 [')
    assert '] to shuffled ones and +35.0 points' in time
    assert probe.startswith('The model is better than the probe, by +40.0')


def test_one_order_is_enough_to_matter():
    """Whoever takes a motion for its opposite may not mind a mixture."""
    time, opposites, _ = said(200, 180, 180, 20, 180)
    assert time.startswith('Time matters') and 'to reversed ones' in time
    assert 'shuffled' not in time and 'opposites' in opposites


def test_order_does_not_matter_and_the_probe_is_enough():
    model = share(400, 300)
    none = difference(model, model, 'top-1')
    time, = on_order(dict(shuffled=none, reversed=none), 'top-1', 400)
    assert time.startswith('Time does not matter here')
    assert '+0.0 points of top-1 [+0.0, +0.0] to shuffled ones and' in time
    probe, = on_others({'the probe': none}, 'top-1', 400)
    assert 'no better than the probe, which is enough' in probe


def test_what_is_better_is_taken():
    *_, probe = said(200, 100, 100, 100, 180)
    assert probe.startswith('The model is worse than the probe, by -40.0')
    assert probe.endswith('take the probe.')


def test_not_enough_videos():
    """Nothing is told, though every single one speaks for the model."""
    few = ENOUGH - 1
    time, probe = said(few, few, 0, 0, 0)
    assert time.startswith(f'Whether time matters cannot be told from {few}')
    assert f'cannot be told from {few} videos: +100.0 points' in probe
    for sentence in (time, probe):
        assert sentence.endswith(f'{ENOUGH} are a beginning.')
    time, probe = said(ENOUGH, ENOUGH, 0, 0, 0)
    assert time.startswith('Time matters') and 'better' in probe


def test_too_wide_to_tell():
    time, probe = said(50, 30, 28, 29, 28)
    assert time.startswith('Whether time matters cannot be told from 50')
    assert 'better than the probe cannot be told from 50 videos' in probe
    assert time.endswith('More videos would tell.')


@pytest.mark.parametrize('gain, found', [
    ((.3, .2, .4), 'better'),
    ((.01, .001, .02), 'better'),
    ((-.3, -.4, -.2), 'worse'),
    ((0., -.01, .02), 'enough'),
    ((0., 0., 0.), 'enough'),
    ((-.1, -.2, .01), 'enough'),
    ((0., -.01, .021), 'unknown'),
    ((.1, 0., .2), 'unknown'),
])
def test_findings(gain, found):
    assert finding(Estimate(*gain), ENOUGH) == found
    assert finding(Estimate(*gain), ENOUGH - 1) == 'unknown'
    # An order that costs nothing says nothing of one that may.
    orders = dict(shuffled=Estimate(*gain), reversed=Estimate(0., 0., 0.))
    time = on_order(orders, 'top-1', ENOUGH)[0]
    assert time.split(':')[0] == dict(
        better='Time matters',
        unknown='Whether time matters cannot be told from 20 videos').get(
            found, 'Time does not matter here')
