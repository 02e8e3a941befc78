"""The method that the README shows, taken from the README itself."""
import importlib.util
import re
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS

PAGE = Path(__file__).parents[1] / 'README.md'


@pytest.fixture(scope='module')
def lora(tmp_path_factory):
    """The README's block of code, imported as the file it is."""
    code = re.search(r'```python\n("""LoRA.*?)```', PAGE.read_text(),
                     re.S).group(1)
    path = tmp_path_factory.mktemp('user') / 'lora.py'
    path.write_text(code)
    assert len(code.splitlines()) <= 35
    spec = importlib.util.spec_from_file_location('lora', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    MODELS.module_dict.pop('LoRA')


@pytest.mark.parametrize('name, qkv',
                         [('tiny_clip', 'layers.1.attn.qkv'),
                          ('tiny_swin', 'stages.0.blocks.1.attn.w_msa.qkv')])
def test_lora(lora, request, name, qkv):
    cfg = request.getfixturevalue(name)
    method = dict(type='LoRA', site='qkv', rank=2, alpha=3.)

    def build(adapters):
        return MODELS.build(
            dict(type='AdaptedBackbone', backbone=cfg, adapters=adapters))

    adapted, frozen = build([method]).eval(), build([]).eval()
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(adapted(images), frozen(images))

    adapted(images).square().sum().backward()
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    assert all(re.search(r'\.qkv\.[qv]\.[01]\.weight$', n) for n in trained)
    assert set(adapted.state_dict()) == trained | {'frozen_backbone'}

    layer = adapted.base.get_submodule(qkv)
    for weights in (layer.q, layer.v):
        torch.nn.init.normal_(weights[1].weight)
    x = torch.randn(2, 5, layer.site.dims)
    q, k, v = layer.base(x).split(layer.site.dims, -1)
    change = [
        1.5 * x @ (m[1].weight @ m[0].weight).T for m in (layer.q, layer.v)
    ]
    expected = torch.cat((q + change[0], k, v + change[1]), -1)
    torch.testing.assert_close(layer(x), expected)
