"""LoRA, DoRA and SSF, layer by layer, from their equations."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmdualpath.models.adapters import SSF, DoRA, LoRA, Site

C, HIDDEN = 6, 10


def site(name: str) -> Site:
    return Site(name, C, 0, 1, backbone='Network')


def layer_of(name: str, bias: bool = True) -> nn.Linear:
    sizes = dict(qkv=(C, 3 * C), proj=(C, C), fc1=(C, HIDDEN), fc2=(HIDDEN, C))
    return nn.Linear(*sizes[name], bias=bias).double()


def stirred(adapter: nn.Module) -> nn.Module:
    adapter = adapter.double()
    for name, p in adapter.named_parameters():
        if not name.startswith('base.'):
            nn.init.normal_(p)
    return adapter


def updates(lora: LoRA, rank: int, alpha: float) -> list:
    """(alpha / r) B A of each part that is updated."""
    return [alpha / rank * up @ down for up, down in zip(lora.up, lora.down)]


PLACES = [('qkv', None, (0, 2)), ('qkv', 'k', (1, )), ('qkv', 'vq', (0, 2)),
          ('qkv', 'qkv', (0, 1, 2)), ('proj', None, (0, )),
          ('fc1', None, (0, )), ('fc2', None, (0, ))]


@pytest.mark.parametrize('name, on, parts', PLACES)
@pytest.mark.parametrize('kind', [LoRA, DoRA])
@pytest.mark.parametrize('bias', [True, False])
def test_low_rank(kind, name, on, parts, bias):
    layer = layer_of(name, bias)
    x = torch.randn(2, 5, layer.in_features, dtype=torch.float64)
    lora = kind(layer, site(name), rank=2, alpha=3., on=on).double()
    torch.testing.assert_close(lora(x), layer(x))
    assert sum(p.numel() for n, p in lora.named_parameters()
               if n in ('down', 'up')) == len(parts) * 2 * (
                   layer.in_features + layer.out_features //
                   (3 if name == 'qkv' else 1))

    lora = stirred(lora)
    number = 3 if name == 'qkv' else 1
    frozen = layer.weight.detach().chunk(number)
    weights = list(frozen)
    for index, part in enumerate(parts):
        weights[part] = frozen[part] + updates(lora, 2, 3.)[index]
        if kind is DoRA:
            norm = weights[part].square().sum(1).sqrt()
            weights[part] = (lora.magnitude[index] /
                             norm)[:, None] * weights[part]
    whole = torch.cat(weights)
    torch.testing.assert_close(lora(x), F.linear(x, whole, layer.bias))
    assert set(lora.folded()) == {'weight'}
    torch.testing.assert_close(lora.folded()['weight'], whole)


def test_dora_takes_the_norm_for_a_constant():
    layer = layer_of('proj', bias=False)
    dora = stirred(DoRA(layer, site('proj'), rank=2))
    x = torch.randn(4, C, dtype=torch.float64)
    dora(x).square().sum().backward()
    norm = (layer.weight + updates(dora, 2, 8.)[0]).norm(dim=1).detach()
    down = dora.down.detach().clone().requires_grad_()
    weight = layer.weight.detach() + 4 * dora.up[0].detach() @ down[0]
    y = F.linear(x, weight) * dora.magnitude[0].detach() / norm
    y.square().sum().backward()
    torch.testing.assert_close(dora.down.grad, down.grad)


def test_dropout_is_in_front_of_the_update():
    layer = layer_of('proj')
    lora = stirred(LoRA(layer, site('proj'), rank=2, dropout=1.))
    x = torch.randn(4, C, dtype=torch.float64)
    torch.testing.assert_close(lora(x), layer(x))
    assert not torch.allclose(lora.eval()(x), layer(x))


@pytest.mark.parametrize('name', ['qkv', 'proj', 'fc1', 'fc2', 'norm1'])
def test_ssf(name):
    layer = nn.LayerNorm(C).double() if name == 'norm1' else layer_of(name)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = torch.randn(2, 5, C if name != 'fc2' else HIDDEN, dtype=torch.float64)
    ssf = SSF(layer, site(name))
    torch.testing.assert_close(ssf.double()(x), layer(x))
    ssf = stirred(ssf)
    expected = layer(x) * ssf.scale + ssf.shift
    torch.testing.assert_close(ssf(x), expected)
    folded = ssf.folded()
    if name == 'norm1':
        y = F.layer_norm(x, (C, ), folded['weight'], folded['bias'])
    else:
        y = F.linear(x, folded['weight'], folded['bias'])
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize('kind, name, options, message', [
    (LoRA, 'mlp', {}, "LoRA at site='mlp' of Network.*'qkv' or 'q'"),
    (SSF, 'block', {}, "SSF at site='block' of Network.*'norm1'"),
    (LoRA, 'qkv', dict(rank=0), 'rank=0'),
    (LoRA, 'qkv', dict(on='qw'), "on='qw'"),
    (LoRA, 'qkv', dict(on=''), "on=''"),
    (LoRA, 'qkv', dict(on='qq'), "on='qq'"),
    (LoRA, 'proj', dict(on='q'), "on='q' at site='proj'"),
])
def test_mistakes(kind, name, options, message):
    with pytest.raises(ValueError, match=message):
        kind(nn.Linear(C, 3 * C), site(name), **options)


def test_dora_stands_on_a_bare_layer():
    inner = SSF(layer_of('proj'), site('proj'))
    with pytest.raises(ValueError, match="DoRA at site='proj'.*SSF"):
        DoRA(inner, site('proj'))


def test_what_stands_around_another_does_not_fold_alone():
    outer = LoRA(SSF(layer_of('proj'), site('proj')), site('proj'))
    with pytest.raises(ValueError, match='LoRA.*wraps a SSF'):
        outer.folded()
