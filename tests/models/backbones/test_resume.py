"""An adapted network goes on from what its frozen blocks have put out."""
import copy

import pytest
import torch
from mmaction.registry import MODELS
from models.backbones.test_features import other_orders, stirred
from rows import BACKBONES, VIT, frozen, samples
from torch.utils._pytree import tree_leaves

from mmdualpath.models.backbones.frozen import tensors_of
from mmdualpath.models.backbones.resume import first_changed, put_out
from mmdualpath.models.consistency import check_size
from mmdualpath.models.sites import blocks_of

LAST = dict(type='ParallelAdapter', site='mlp', width=4, blocks=[-1])


def from_block(network, first):
    """Patterns of the parameters of the blocks from one on."""
    blocks = [getattr(*place) for place in blocks_of(network)[first:]]
    names = [n for n, m in network.named_modules() if m in blocks]
    return [name.replace('.', r'\.') + r'\..*' for name in names]


def build(backbone, **options):
    return MODELS.build(
        dict(type='AdaptedBackbone', backbone=backbone, **options))


def stir(view):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in view.parameters():
            if p.requires_grad:
                p += 0.1 * torch.randn(p.shape, generator=generator)


def test_the_size_of_images_is_still_compared():
    """Beforehand, when no features have been read yet."""
    view = build(VIT, cache='somewhere', adapters=[LAST])
    check_size(view, (3, 32, 32))
    with pytest.raises(ValueError, match='no multiple'):
        check_size(view, (3, 36, 36))
    with pytest.raises(ValueError, match='CachedFeaturesHook must be among'):
        view(torch.zeros(1, 3, 32, 32))


def pair(backbone, x, **options):
    """What it gives of images, and of the features of a block of them."""
    plain = build(backbone, **options)
    features = MODELS.build(plain.features_of(dict(backbone=backbone)))
    tokens, = features(x).tokens
    cached = build(backbone, cache='somewhere', **options)
    cached.base.image_shape = tuple(x.shape[1:])
    stir(plain)
    cached.load_state_dict(plain.state_dict())
    for view in (plain, cached):
        view.eval()
    return plain, cached, tokens


# TimeSformer's is of one block, but below it has two.
@pytest.mark.parametrize('backbone',
                         [b for b in BACKBONES if b != 'timesformer'])
def test_every_row(backbone):
    x = samples(backbone)
    plain, cached, tokens = pair(
        frozen(backbone), x, trainable=from_block(frozen(backbone).module, -1))
    number = len(blocks_of(plain.base))
    assert first_changed(plain.base) == number - 1
    torch.testing.assert_close(
        put_out(plain.base, number - 2, x), tokens, rtol=0, atol=0)
    out = plain(x)
    assert not torch.equal(out, build(frozen(backbone)).eval()(x))
    torch.testing.assert_close(cached(tokens[:, None]), out, rtol=0, atol=0)
    assert list(cached.state_dict()) == list(plain.state_dict())


@other_orders
def test_behind_every_block(backbone, changes, size):
    """Of blocks that hand on something else than tokens in their order."""
    own, x = stirred(backbone, changes), torch.randn(2, 3, *size)
    for first in range(1, len(blocks_of(own.module))):
        plain, cached, tokens = pair(
            own, x, trainable=from_block(own.module, first))
        assert first_changed(plain.base) == first
        torch.testing.assert_close(
            tree_leaves(cached(tokens[:, None])),
            tree_leaves(plain(x)),
            rtol=0,
            atol=0)
        with pytest.raises(ValueError, match='are not of the size'):
            cached(tokens[:, None, 1:])


TWO_READ = dict(layers=4, return_list=[1, 3], n_layers=2, mlp_dropout=[0, 0])


@pytest.mark.parametrize('backbone, changes, first, options', [
    ('uniformerv2', TWO_READ, 3, {}),
    ('vit', dict(out_indices=[0, 2]), 2, dict(as_tuple=True)),
])
def test_what_is_read_of_blocks_that_do_not_run(backbone, changes, first,
                                                options):
    """Is refused; from the one behind the first that is read it goes on."""
    own, x = stirred(backbone, changes), samples(backbone)
    for number in (first, first - 1):
        plain, cached, tokens = pair(
            own, x, trainable=from_block(own.module, number), **options)
        assert first_changed(plain.base) == number
        if number == first:
            message = f'reads blocks in front of block {first - 1}'
            with pytest.raises(ValueError, match=message):
                cached(tokens[:, None])
            continue
        torch.testing.assert_close(
            tree_leaves(cached(tokens[:, None])), tree_leaves(plain(x)))


@pytest.mark.parametrize('with_cp', [False, True])
def test_the_same_gradients_without_the_frozen_blocks(with_cp):
    x = samples('vit')
    plain, cached, tokens = pair(
        frozen('vit'), x, adapters=[LAST], with_cp=with_cp)
    ran = []
    for number, (parent, name) in enumerate(blocks_of(cached.base)):
        getattr(parent, name).register_forward_hook(
            lambda *args, number=number: ran.append(number))
    for view, y in ((plain, x), (cached, tokens[:, None])):
        view(y).square().mean().backward()
    assert set(ran) == {2}
    grads = [{
        n: p.grad
        for n, p in view.named_parameters() if p.grad is not None
    } for view in (plain, cached)]
    assert grads[0].keys() == grads[1].keys() and grads[0]
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, rtol=0, atol=0)
    # and the network is whole again
    assert len(list(tensors_of(cached.base))) == len(
        list(tensors_of(plain.base)))


def test_nothing_is_adapted():
    """A linear probe reads what the last block puts out."""
    x = samples('vit')
    plain, cached, tokens = pair(frozen('vit'), x)
    assert first_changed(plain.base) == 3
    torch.testing.assert_close(cached(tokens[:, None]), plain(x))


def test_copies_read_features_too():
    x = samples('vit')
    plain, cached, tokens = pair(frozen('vit'), x, adapters=[LAST])
    torch.testing.assert_close(
        copy.deepcopy(cached)(tokens[:, None]), plain(x))


@pytest.mark.parametrize('options', [
    dict(adapters=[dict(LAST, blocks=[0])]),
    dict(adapters=[LAST], zero=['pos_embed']),
    dict(trainable=['.*']),
])
def test_what_is_not_frozen_at_first_is_refused(options):
    with pytest.raises(ValueError, match='VisionTransformer is not the froz'):
        build(VIT, cache='somewhere', **options)


def test_what_trains_in_front_is_refused():
    x = samples('vit')
    options = dict(adapters=[LAST], trainable=['cls_token'])
    plain, cached, tokens = pair(frozen('vit'), x, **options)
    for call in (lambda: put_out(plain.base, 1, x),
                 lambda: cached(tokens[:, None])):
        with pytest.raises(ValueError, match='in front of the blocks trains'):
            call()


def test_features_that_do_not_fit():
    x = samples('vit')
    _, cached, tokens = pair(frozen('vit'), x, adapters=[LAST])
    with pytest.raises(ValueError, match='are not of the size'):
        cached(tokens[:, None, 1:])
    cached.base.image_shape = None
    with pytest.raises(ValueError, match='CachedFeaturesHook must be'):
        cached(tokens[:, None])
