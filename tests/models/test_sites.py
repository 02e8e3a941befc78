"""The table of sites as its users meet it."""
import pytest
import torch
from mmaction.registry import MODELS
from torch import nn

from mmdualpath.models.adapters import ParallelAdapter
from mmdualpath.models.backbones import inject
from mmdualpath.models.sites import (Place, Sites, locate, register_sites,
                                     rows, sites_of)


class Block(nn.Module):

    def __init__(self, dims: int = 8) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dims)
        self.mix = nn.Linear(dims, dims)
        self.scale = nn.Linear(dims, dims, bias=False)

    def forward(self, x):
        return x + self.scale(self.mix(self.norm(x)))


class Network(nn.Module):

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([Block() for _ in range(3)])

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


@pytest.fixture
def table(monkeypatch):
    monkeypatch.setattr(rows, 'TABLE', dict(rows.TABLE))


ROW = Sites(
    blocks='parts.*',
    norm='norm',
    places=dict(mix=Place('mix', then='scale'), plain='mix'))


def test_a_backbone_of_ones_own(table):
    """A branch ends behind its scale, or in front of it, as the row says."""
    network = Network()
    with pytest.raises(ValueError, match='Network; the table has.*register'):
        sites_of(network)
    register_sites(Network, ROW)
    assert [s.site.block for s in locate(network, 'mix')] == [0, 1, 2]
    x = torch.randn(2, 4, 8)
    for site in ('mix', 'plain'):
        network = Network()
        scale = network.parts[1].scale
        inject(network, [
            dict(type='ParallelAdapter', site=site, width=4, blocks=[1])
        ])
        adapter = next(m for m in network.modules()
                       if isinstance(m, ParallelAdapter))
        nn.init.normal_(adapter.adapter.up.weight)
        block = network.parts[1]
        normed = block.norm(x)
        mixed = (adapter.base if site == 'plain' else adapter.base.base)(
            normed)
        delta = adapter.adapter(normed)
        expected = x + (scale(mixed + delta)
                        if site == 'plain' else scale(mixed) + delta)
        torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize('change, message', [
    (dict(blocks=''), "blocks=''"),
    (dict(norm=3), 'norm=3'),
    (dict(row='batch'), "row='batch'"),
    (dict(places=['attn']), "places="),
    (dict(places=dict(block='x')), "'block' is a site of every backbone"),
    (dict(places=dict(attn=4)), r"places\['attn'\]"),
    (dict(places=dict(attn=Place('attn', row='x'))), r"places\['attn'\]"),
])
def test_a_row_is_checked_when_it_is_written(change, message):
    with pytest.raises(ValueError, match=message):
        Sites(**{**dict(blocks='a.*', norm='n', places={}), **change})


@pytest.mark.parametrize('backbone, row', [(Network, dict()), ('Network', ROW),
                                           (Network(), ROW)])
def test_what_cannot_be_registered(table, backbone, row):
    with pytest.raises(ValueError, match='Network'):
        register_sites(backbone, row)


def test_a_path_that_is_not_there(table):
    register_sites(
        Network, Sites(blocks='parts.*', norm='norm', places=dict(a='attn')))
    with pytest.raises(ValueError, match="Network.*site 'a'.*attn"):
        locate(Network(), 'a')
    register_sites(Network, Sites(blocks='parts.*', norm='ln', places={}))
    with pytest.raises(ValueError, match="Network is not built as.*'ln'"):
        sites_of(Network())


def test_an_attention_that_the_row_does_not_know(tiny_clip):
    tiny_clip.pop('init_cfg')
    network = MODELS.build(tiny_clip)
    network.layers[1].attn = nn.Identity()
    with pytest.raises(ValueError, match="'attn'.*Identity.*MultiheadAtt"):
        locate(network, 'attn')
