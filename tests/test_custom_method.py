"""The method that the documentation shows, taken from its page."""
import importlib.util
import re
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS

from mmdualpath.models.backbones import fold

PAGE = Path(__file__).parents[1] / 'docs/custom_method.md'


@pytest.fixture(scope='module')
def method(tmp_path_factory):
    """The page's block of code, imported as the file it is."""
    code = re.search(r'```python\n("""\(IA\).*?)```', PAGE.read_text(),
                     re.S).group(1)
    path = tmp_path_factory.mktemp('user') / 'ia3.py'
    path.write_text(code)
    assert len(code.splitlines()) <= 35
    spec = importlib.util.spec_from_file_location('ia3', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    MODELS.module_dict.pop('IA3')


@pytest.mark.parametrize('name, qkv',
                         [('tiny_clip', 'layers.1.attn.qkv'),
                          ('tiny_swin', 'stages.0.blocks.1.attn.w_msa.qkv')])
def test_ia3(method, request, name, qkv):
    cfg = request.getfixturevalue(name)

    def build(adapters):
        return MODELS.build(
            dict(type='AdaptedBackbone', backbone=cfg, adapters=adapters))

    adapted = build([dict(type='IA3', site='qkv')]).eval()
    frozen = build([]).eval()
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(adapted(images), frozen(images))

    adapted(images).square().sum().backward()
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    assert all(re.search(r'\.qkv\.(keys|values)$', n) for n in trained)
    assert set(adapted.state_dict()) == trained | {'frozen_backbone'}

    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    layer = adapted.base.get_submodule(qkv)
    x = torch.randn(2, 5, layer.site.dims)
    q, k, v = layer.base(x).split(layer.site.dims, -1)
    expected = torch.cat((q, layer.keys * k, layer.values * v), -1)
    torch.testing.assert_close(layer(x), expected)
    expected = adapted(images)
    fold(adapted)
    torch.testing.assert_close(adapted(images), expected)
    assert not [m for m in adapted.modules() if isinstance(m, method.IA3)]
