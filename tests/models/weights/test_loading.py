"""Position tables fit other sizes; what does not fit is an error."""
import logging

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine.logging import MMLogger

from mmdualpath.models import AdaptedBackbone, FrozenBackbone
from mmdualpath.models.weights.loading import load_pretrained


@pytest.fixture
def clip(tiny_clip):
    tiny_clip.pop('init_cfg')
    return tiny_clip


@pytest.fixture
def swin(tiny_swin):
    tiny_swin.pop('init_cfg')
    return tiny_swin


@pytest.fixture
def log():
    """Everything MMEngine logs while a test runs."""
    lines = []

    class Keep(logging.Handler):

        def emit(self, record):
            lines.append(record.getMessage())

    handler = Keep()
    logger = MMLogger.get_instance('weights', logger_name='weights')
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def save(cfg, path, edit=lambda state: state):
    """A file with the random weights of a config."""
    torch.manual_seed(3)
    network = MODELS.build(dict(cfg))
    network.init_weights()
    state = {n: t.clone() for n, t in network.state_dict().items()}
    torch.save(edit(state) or state, path)
    return state, str(path)


def load(cfg, path):
    return FrozenBackbone.build(
        dict(cfg, init_cfg=dict(type='Pretrained', checkpoint=path))).module


def test_position_embedding(clip, log, tmp_path):
    state, path = save(clip, tmp_path / 'a.pth')
    larger = load(dict(clip, img_size=(48, 64)), path)
    table = state['pos_embed'][:, 1:].unflatten(1, (4, 4)).movedim(-1, 1)
    wanted = F.interpolate(table, (6, 8), mode='bicubic').flatten(2).mT
    torch.testing.assert_close(larger.pos_embed[:, 1:], wanted)
    assert torch.equal(larger.pos_embed[:, :1], state['pos_embed'][:, :1])
    assert any('pos_embed' in x and 'from 4x4 to 6x8 patches' in x
               for x in log)


def test_without_class_token(clip, log, tmp_path):
    """The class token and its position go, and the log says so."""
    state, path = save(clip, tmp_path / 'a.pth')
    model = load(
        dict(clip, with_cls_token=False, out_type='featmap', out_dims=None),
        path)
    assert torch.equal(model.pos_embed, state['pos_embed'][:, 1:])
    assert any('Not part of this model: cls_token, proj' in x
               or 'Not part of this model: proj, cls_token' in x for x in log)


def test_relative_position_table(swin, log, tmp_path):
    state, path = save(swin, tmp_path / 'a.pth')
    larger = load(dict(swin, img_size=64, window_size=8), path)
    name = 'stages.1.blocks.0.attn.w_msa.relative_position_bias_table'
    table = state[name].T.unflatten(1, (7, 7))[None]
    wanted = F.interpolate(table, (15, 15), mode='bicubic')
    torch.testing.assert_close(larger.state_dict()[name],
                               wanted.flatten(2)[0].T)
    assert any('from 4x4 to 8x8 windows (4 of them)' in x for x in log)
    larger(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize('window, sizes', [
    ((2, 8, 8), 'from 2x4x4 to 2x8x8'),
    ((4, 4, 4), 'from 2x4x4 to 4x4x4'),
])
def test_relative_position_table_of_videos(window, sizes, log, tmp_path):
    cfg = dict(
        type='mmaction.SwinTransformer3D',
        arch=dict(embed_dims=16, depths=[1], num_heads=[2]),
        patch_size=(2, 4, 4),
        window_size=(2, 4, 4),
        pretrained2d=False,
        out_indices=(0, ))
    state, path = save(cfg, tmp_path / 'a.pth')
    model = load(dict(cfg, window_size=window), path)
    name = 'layers.0.blocks.0.attn.relative_position_bias_table'
    table = state[name].T.unflatten(1, (3, 7, 7))[None]
    wanted = F.interpolate(
        table, [2 * w - 1 for w in window], mode='trilinear')
    if window[1] == 8:  # bicubic over space
        wanted = F.interpolate(table[0], (15, 15), mode='bicubic')[None]
    torch.testing.assert_close(model.state_dict()[name],
                               wanted.flatten(2)[0].T)
    assert any(sizes in x for x in log)


def drop(name):

    def edit(state):
        del state[name]

    return edit


def replace(**tensors):

    def edit(state):
        state.update({n.replace('__', '.'): t for n, t in tensors.items()})

    return edit


@pytest.mark.parametrize('edit, message', [
    (drop('layers.1.ln1.weight'), 'missing: layers.1.ln1.weight'),
    (drop('proj'), 'missing: proj'),
    (replace(extra__weight=torch.zeros(1)), 'unexpected: extra.weight'),
    (replace(proj=torch.zeros(48, 7)),
     r'of another shape: proj \(\(48, 7\) in the file, \(48, 24\) in the mod'),
    (replace(pos_embed=torch.zeros(1, 12, 48)),
     r'another shape: pos_embed \(\(1, 12, 48\)'),
    (lambda state: {
        'w': 1
    }, 'holds no tensors'),
])
def test_what_does_not_fit(edit, message, clip, tmp_path):
    _, path = save(clip, tmp_path / 'a.pth', edit)
    with pytest.raises(ValueError, match=message):
        load(clip, path)


def test_nothing_is_loaded_after_an_error(clip, tmp_path):
    _, path = save(clip, tmp_path / 'a.pth', drop('proj'))
    network = MODELS.build(clip)
    before = {n: t.clone() for n, t in network.state_dict().items()}
    with pytest.raises(ValueError, match='recognised as openmmlab'):
        load_pretrained(network, path)
    assert all(
        torch.equal(t, before[n]) for n, t in network.state_dict().items())


def test_names_are_counted_not_flooded(clip, swin, tmp_path):
    """A file of another network altogether."""
    _, path = save(swin, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'missing: .* and \d+ more\. unexp'):
        load(clip, path)


def test_what_is_left_out_is_logged(clip, log, tmp_path):

    def whole_model(state):
        return {
            **{
                f'backbone.{n}': t
                for n, t in state.items()
            }, 'cls_head.fc.bias': torch.zeros(3)
        }

    _, path = save(clip, tmp_path / 'a.pth', whole_model)
    load(clip, path)
    assert any('1 tensors of other parts left out: cls_head.' in x
               for x in log)


def test_the_fingerprint_names_the_source(clip, tmp_path):
    _, path = save(clip, tmp_path / 'some-vit.pth')
    view = AdaptedBackbone(
        dict(clip, init_cfg=dict(type='Pretrained', checkpoint=path)))
    fingerprint = view.fingerprint
    assert fingerprint.format == 'openmmlab'
    assert fingerprint.name == 'some-vit.pth'
