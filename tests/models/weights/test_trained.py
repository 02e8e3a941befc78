"""Models that authors trained give here what they give there."""
import argparse
import importlib.util
from pathlib import Path

import pytest
import references
import releases
import torch
from mmaction.apis import init_recognizer
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_checkpoint

from mmdualpath.models.backbones import fold
from mmdualpath.models.weights import convert_trained, read_file

ROOT = Path(__file__).parents[3]
CLASSES, T = 5, 4
RANDOM = dict(type='RandomWeights')
WIDE = dict(
    embed_dims=128, num_layers=2, num_heads=2, feedforward_channels=256)
CLIPS = torch.randn(2, 3, T, 32, 32, generator=torch.manual_seed(1))
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.manual_seed(2))
FINE_KERNELS = ((2, 8, 8), (2, 4, 4), (2, 2, 2), (1, 1, 1))


def save(tensors, path, **beside):
    """As the authors' scripts do, with the options of the run."""
    torch.save(
        dict(
            model=tensors,
            optimizer=dict(state={}, param_groups=[dict(lr=0.1)]),
            epoch=3,
            args=argparse.Namespace(blr=0.1, data_path='/data', lr=None),
            **beside), path)
    return str(path)


def converted(source, target):
    spec = importlib.util.spec_from_file_location(
        'convert_weights', ROOT / 'tools/convert_weights.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    tool.main([str(source), str(target)])
    return str(target)


def stirred(cfg):
    """A model that has nothing of the file yet, in evaluation mode."""
    init_default_scope('mmpretrain' if 'neck' in cfg else 'mmaction')
    model = MODELS.build(cfg)
    references.randomise(model)
    model.train(False)
    return model


@torch.no_grad()
def logits(model, x):
    if type(model).__name__ == 'ImageClassifier':
        return model.head(model.extract_feat(x))
    if type(model).__name__ == 'Recognizer2D':
        return model(x.transpose(1, 2).contiguous(), stage='head')
    return model(x[:, None], stage='head')


def agree(cfg, path, wanted, x, tmp_path):
    """The file itself, and converted, gives what the authors' network does."""
    for file in (path, converted(path, tmp_path / 'ours.pth'),
                 converted(path, tmp_path / 'ours.safetensors')):
        model = stirred(cfg)
        assert not torch.allclose(logits(model, x), wanted, atol=1e-2)
        load_checkpoint(model, file, map_location='cpu')
        torch.testing.assert_close(
            logits(model, x), wanted, atol=1e-5, rtol=1e-5)


# ---- ST-Adapter -----------------------------------------------------------


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    """OpenAI's encoder and its file."""
    torch.manual_seed(3)
    clip = references.randomise(
        references.Clip(dims=128, heads=2, layers=2, size=32, patch=8, out=24))
    path = tmp_path_factory.mktemp('clip') / 'ViT-tiny.pt'
    with torch.no_grad():
        torch.jit.trace(clip, IMAGES).save(path)
    return clip, str(path)


def st_adapter_config(places, init_cfg):
    st = dict(type='STAdapter', num_frames=T, width=24)
    adapters = [
        dict(type='FrameMean', site='residual_mlp', blocks=[-1], num_frames=T),
        dict(st, site='residual_mlp')
    ]
    if 'attn' in places:
        adapters.append(dict(st, site='block'))
    return dict(
        type='Recognizer2D',
        backbone=dict(
            type='AdaptedBackbone',
            backbone=dict(
                type='CLIPVisionTransformer',
                arch=WIDE,
                img_size=32,
                patch_size=8,
                out_dims=None,
                init_cfg=init_cfg),
            adapters=adapters),
        cls_head=dict(
            type='FrameMeanHead',
            num_classes=CLASSES,
            in_channels=128,
            num_frames=T,
            dropout=0.5))


@pytest.mark.parametrize('places', [('mlp', ), ('attn', 'mlp')])
def test_st_adapter(places, archive, tmp_path):
    clip, published = archive
    cfg = st_adapter_config(places,
                            dict(type='Pretrained', checkpoint=published))
    tensors = releases.draw(
        releases.st_adapter_shapes(128, 24, 2, CLASSES, places))
    path = save(tensors, tmp_path / 'checkpoint-11.pth', next_epoch=12)
    with torch.no_grad():
        wanted = releases.st_adapter(tensors, clip, CLIPS)
    frozen = MODELS.build(cfg).backbone.fingerprint

    def stirred_adapters(cfg):
        """The frozen weights stay: the file has none."""
        model = MODELS.build(cfg).eval()
        for p in model.parameters():
            if p.requires_grad:
                torch.nn.init.normal_(p)
        return model

    for file in (path, converted(path, tmp_path / 'ours.pth'),
                 converted(path, tmp_path / 'ours.safetensors')):
        model = stirred_adapters(cfg)
        assert not torch.allclose(logits(model, CLIPS), wanted, atol=1e-2)
        load_checkpoint(model, file, map_location='cpu')
        torch.testing.assert_close(
            logits(model, CLIPS), wanted, atol=1e-5, rtol=1e-5)
        assert model.backbone.fingerprint == frozen


def test_st_adapter_says_what_it_does_not_know(archive, tmp_path, monkeypatch):
    """Its files do not identify the frozen weights; random ones are none."""
    tensors = releases.draw(
        releases.st_adapter_shapes(128, 24, 2, CLASSES, ('mlp', )))
    path = save(tensors, tmp_path / 'a.pth')
    said = []
    monkeypatch.setattr('mmdualpath.models.backbones.adapted.print_log',
                        lambda text, **kwargs: said.append(text))
    init_cfg = dict(type='Pretrained', checkpoint=archive[1])
    model = MODELS.build(st_adapter_config(('mlp', ), init_cfg))
    load_checkpoint(model, path, map_location='cpu')
    assert 'does not identify the frozen weights' in said[0]
    assert "openai-clip weights 'ViT-tiny.pt'" in said[0]
    model = MODELS.build(st_adapter_config(('mlp', ), RANDOM))
    with pytest.raises(ValueError, match="random weights 'seed 0'"):
        load_checkpoint(model, path, map_location='cpu')


# ---- AIM and ZeroI2V --------------------------------------------------------

CLIP_SIZES = dict(
    dims=128, layers=3, classes=CLASSES, tokens=17, patch=8, frames=T)
TRUNC = dict(width=32, init='trunc_normal_down')


def clip_config(adapters):
    return dict(
        type='Recognizer2D',
        backbone=dict(
            type='AdaptedBackbone',
            backbone=dict(
                type='CLIPVisionTransformer',
                arch=dict(WIDE, num_layers=3),
                img_size=32,
                patch_size=8,
                out_dims=None,
                init_cfg=RANDOM),
            adapters=adapters,
            trainable=['ln1.*']),
        cls_head=dict(
            type='FrameMeanHead',
            num_classes=CLASSES,
            in_channels=128,
            num_frames=T,
            dropout=0.5))


def aim_config(two, scale):
    frames = dict(num_frames=T)
    return clip_config([
        dict(type='FramePositions', site='tokens', **frames),
        dict(type='SerialAdapter', site='attn', **TRUNC),
        dict(
            type='ParallelAdapter',
            site='mlp',
            scale=scale,
            drop_path=0.2,
            **TRUNC),
        dict(
            type='TemporalAdaptation',
            site='block',
            two=two,
            drop_path=0.2,
            init='trunc_normal_down',
            **frames)
    ])


@pytest.mark.parametrize('two, scale', [(False, 0.5), (True, 1.)])
def test_aim(two, scale, tmp_path):
    tensors = releases.draw(releases.aim_shapes(two, **CLIP_SIZES))
    torch.save(
        dict(meta=dict(epoch=30), state_dict=tensors), tmp_path / 'a.pth')
    wanted = releases.aim(tensors, CLIPS, 2, scale)
    path = str(tmp_path / 'a.pth')
    agree(aim_config(two, scale), path, wanted, CLIPS, tmp_path)
    with pytest.raises(ValueError, match=r'whole model with adapters \(aim\)'):
        cfg = aim_config(two, scale)
        cfg['backbone']['backbone']['init_cfg'] = dict(
            type='Pretrained', checkpoint=path)
        MODELS.build(cfg)


def zeroi2v_config(offsets):
    linear = dict(TRUNC, act_cfg=None, scale=0.5)
    return clip_config([
        dict(type='FramePositions', site='tokens', num_frames=T),
        dict(type='PreAdapter', site='qkv', **linear),
        dict(type='STDHA', site='qkv', num_frames=T, offsets=offsets),
        dict(type='SerialAdapter', site='proj', **linear),
        dict(type='PreAdapter', site='fc1', **linear),
        dict(type='SerialAdapter', site='fc2', **linear)
    ])


@pytest.mark.parametrize('offsets', [(-1, 1), (1, -2)])
def test_zeroi2v(offsets, tmp_path):
    tensors = releases.draw(releases.zeroi2v_shapes(**CLIP_SIZES))
    torch.save(
        dict(meta=dict(epoch=50), state_dict=tensors), tmp_path / 'a.pth')
    wanted = releases.zeroi2v(tensors, CLIPS, 2, 0.5, offsets)
    cfg = zeroi2v_config(offsets)
    path = str(tmp_path / 'a.pth')
    agree(cfg, path, wanted, CLIPS, tmp_path)

    # Folded in double precision it is the same, layer for layer a ViT.
    model = stirred(cfg)
    load_checkpoint(model, path, map_location='cpu')
    model = model.double()
    double = {n: t.double() for n, t in tensors.items()}
    wanted = releases.zeroi2v(double, CLIPS.double(), 2, 0.5, offsets)
    fold(model.backbone)
    torch.testing.assert_close(
        logits(model, CLIPS.double()), wanted, atol=1e-10, rtol=1e-10)
    left = {type(m).__name__ for m in model.backbone.modules()}
    assert not left & {'PreAdapter', 'SerialAdapter', 'Bottleneck'}


# ---- AdaptFormer ----------------------------------------------------------

ADAPTFORMER = dict(
    type='ParallelAdapter',
    site='norm_mlp',
    width=12,
    scale=0.1,
    act_cfg=dict(type='ReLU'))
SIZES = dict(dims=48, hidden=96, width=12, layers=3, classes=CLASSES)
IMAGE_CONFIG = dict(
    type='mmpretrain.ImageClassifier',
    backbone=dict(
        type='mmaction.AdaptedBackbone',
        as_tuple=True,
        backbone=dict(
            type='mmpretrain.VisionTransformer',
            arch=dict(
                embed_dims=48,
                num_layers=3,
                num_heads=4,
                feedforward_channels=96),
            img_size=32,
            patch_size=8,
            init_cfg=RANDOM),
        adapters=[dict(ADAPTFORMER, dropout=0.1, init='kaiming_uniform')]),
    neck=dict(type='mmpretrain.ClsBatchNormNeck', input_features=48),
    head=dict(
        type='mmpretrain.LinearClsHead', num_classes=CLASSES, in_channels=48))
VIDEO_CONFIG = dict(
    type='Recognizer3D',
    backbone=dict(
        type='AdaptedBackbone',
        backbone=dict(
            type='mmaction.VisionTransformer',
            img_size=32,
            patch_size=8,
            embed_dims=48,
            depth=3,
            num_heads=4,
            mlp_ratio=2,
            num_frames=T,
            init_cfg=RANDOM),
        adapters=[dict(ADAPTFORMER, init='trunc_normal')],
        trainable=['fc_norm.*']),
    cls_head=dict(
        type='ClipMeanHead',
        num_classes=CLASSES,
        in_channels=48,
        batch_norm=True))


def video_tensors():
    return releases.draw(
        releases.adaptformer_video_shapes(patch=(2, 8, 8), **SIZES))


def test_adaptformer_image(tmp_path):
    tensors = releases.draw(
        releases.adaptformer_image_shapes(17, patch=(8, 8), **SIZES))
    path = save(tensors, tmp_path / 'checkpoint-99.pth')
    wanted = releases.adaptformer_image(tensors, IMAGES, heads=4)
    agree(IMAGE_CONFIG, path, wanted, IMAGES, tmp_path)
    # An ImageClassifier has an init_cfg of its own.
    model = stirred(
        dict(IMAGE_CONFIG, init_cfg=dict(type='Pretrained', checkpoint=path)))
    model.init_weights()
    torch.testing.assert_close(
        logits(model, IMAGES), wanted, atol=1e-5, rtol=1e-5)


def test_adaptformer_video(tmp_path):
    tensors = video_tensors()
    path = save(tensors, tmp_path / 'checkpoint-89.pth')
    wanted = releases.adaptformer_video(tensors, CLIPS, heads=4)
    agree(VIDEO_CONFIG, path, wanted, CLIPS, tmp_path)


def test_behind_a_distributed_training(tmp_path):
    tensors = {f'module.{n}': t for n, t in video_tensors().items()}
    found = convert_trained(tensors)
    assert found.format.name == 'adaptformer-video'
    assert found.tensors.keys() == convert_trained(
        video_tensors()).tensors.keys()


def test_the_way_of_test_py(tmp_path):
    """A config and the authors' file, as MMAction2's tools take them."""
    tensors = video_tensors()
    path = save(tensors, tmp_path / 'checkpoint-89.pth')
    model = init_recognizer(
        Config(dict(model=VIDEO_CONFIG, test_pipeline=[])), path, device='cpu')
    torch.testing.assert_close(
        logits(model, CLIPS),
        releases.adaptformer_video(tensors, CLIPS, heads=4),
        atol=1e-5,
        rtol=1e-5)


# ---- V-PETL ---------------------------------------------------------------

SWIN = dict(
    depths=(2, 2), heads=(2, 4), window=(2, 4, 4), patt=('patt.0', 'patt.2'))
VPETL_CONFIG = dict(
    type='Recognizer3D',
    backbone=dict(
        type='AdaptedBackbone',
        backbone=dict(
            type='SwinTransformer3D',
            arch=dict(embed_dims=24, depths=[2, 2], num_heads=[2, 4]),
            patch_size=(1, 2, 2),
            window_size=(2, 4, 4),
            pretrained2d=False,
            out_indices=(1, ),
            init_cfg=RANDOM),
        adapters=[
            dict(type='PATT', site='msa', width=24),
            dict(ADAPTFORMER, site='mlp')
        ]),
    cls_head=dict(
        type='ClipMeanHead',
        num_classes=CLASSES,
        in_channels=48,
        pool_frames=2))


def vpetl_tensors(**options):
    sizes = dict(SWIN, **options)
    tensors = releases.draw(
        releases.vpetl_shapes(
            24, patch=(1, 2, 2), classes=CLASSES, width=12, bottle=24,
            **sizes))
    index = releases.relative_position_index(sizes['window'])
    for name in tensors:
        if name.endswith('relative_position_index'):
            tensors[name] = index
    return tensors


@pytest.mark.parametrize('patt', [('patt.0', 'patt.2'), ('up', 'down')])
@pytest.mark.parametrize('backwards', [False, True])
def test_vpetl(patt, backwards, tmp_path):
    """Whatever PATT's layers are called, in whichever order they are kept.

    The bottleneck of the first stage is as wide as the stage.
    """
    tensors = vpetl_tensors(patt=patt)
    names = reversed(tensors) if backwards else tensors
    path = save({n: tensors[n] for n in names}, tmp_path / 'a.pth')
    wanted = releases.vpetl(tensors, CLIPS, **dict(SWIN, patt=patt))
    agree(VPETL_CONFIG, path, wanted, CLIPS, tmp_path)


@pytest.mark.parametrize('site, without, theirs, ours', [
    ('msa', 'adaptmlp', 'attn.proj.weight', 'attn.base.proj.weight'),
    ('mlp', 'patt', 'mlp.fc2.weight', 'mlp.base.fc2.weight'),
])
def test_vpetl_of_one_method(site, without, theirs, ours):
    """PATT alone, and AdaptFormer-Swin: what is not wrapped is not inside."""
    tensors = {n: t for n, t in vpetl_tensors().items() if without not in n}
    backbone = dict(VPETL_CONFIG['backbone'])
    backbone['adapters'] = [
        a for a in backbone['adapters'] if a['site'] == site
    ]
    model = stirred(dict(VPETL_CONFIG, backbone=backbone))
    model.load_state_dict(convert_trained(tensors).tensors)
    block = dict(model.backbone.base.layers[1].blocks[0].named_parameters())
    assert torch.equal(block[ours], tensors[f'layers.1.blocks.0.{theirs}'])


@pytest.mark.parametrize('edit, message', [
    (lambda s: s.pop('layers.1.blocks.0.attn.patt.2.weight'),
     'attn.patt.0, .*attn.patt.2 are not the two layers'),
    (lambda s: s.update({'layers.0.blocks.0.attn.prompt': torch.zeros(3, 24)}),
     r'are not the two layers of PATT'),
])
def test_vpetl_of_another_mode(edit, message):
    tensors = vpetl_tensors()
    edit(tensors)
    with pytest.raises(ValueError, match=message):
        convert_trained(tensors)


# ---- DualFormer -----------------------------------------------------------

DUALFORMER = dict(embed_dims=8, num_heads=2, depths=(2, 2, 2, 2))
DUALFORMER_CONFIG = dict(
    type='Recognizer3D',
    backbone=dict(
        type='DualFormer', arch=DUALFORMER, fine_kernels=FINE_KERNELS),
    cls_head=dict(
        type='ClipMeanHead', num_classes=CLASSES, in_channels=64, dropout=0.5))


@pytest.fixture(scope='module')
def dualformer():
    """The geometry of the release with fewer channels, and a clip."""
    tensors = releases.draw(
        releases.dualformer_shapes(8, (2, 2, 2, 2), CLASSES))
    clip = torch.randn(1, 3, 32, 224, 224, generator=torch.manual_seed(4))
    return tensors, clip, releases.dualformer(tensors, clip, heads=2)


def test_dualformer(dualformer, tmp_path):
    tensors, clip, wanted = dualformer
    torch.save(
        dict(meta=dict(epoch=30, mmaction_version='0.15'), state_dict=tensors),
        tmp_path / 'a.pth')
    model = stirred(DUALFORMER_CONFIG)
    assert not torch.allclose(logits(model, clip), wanted, atol=1e-2)
    load_checkpoint(model, str(tmp_path / 'a.pth'), map_location='cpu')
    torch.testing.assert_close(
        logits(model, clip), wanted, atol=1e-5, rtol=1e-5)
    # MMAction2's own head has the same names.
    other = stirred(
        dict(
            DUALFORMER_CONFIG,
            cls_head=dict(type='I3DHead', num_classes=CLASSES,
                          in_channels=64)))
    load_checkpoint(other, converted(tmp_path / 'a.pth', tmp_path / 'b.pth'))
    ours = model.state_dict()
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, ours[name]), name


def test_dualformer_as_a_backbone(dualformer, tmp_path):
    tensors = dualformer[0]
    torch.save(dict(state_dict=tensors), tmp_path / 'a.pth')
    network = MODELS.build(
        dict(
            DUALFORMER_CONFIG['backbone'],
            init_cfg=dict(
                type='Pretrained', checkpoint=str(tmp_path / 'a.pth'))))
    network.init_weights()
    wanted = convert_trained(tensors).tensors
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, wanted[f'backbone.{name}']), name
    assert network.normalization['mean'] == [123.675, 116.28, 103.53]
    averaging = MODELS.build(
        dict(
            DUALFORMER_CONFIG['backbone'],
            fine_kernels=None,
            init_cfg=dict(
                type='Pretrained', checkpoint=str(tmp_path / 'a.pth'))))
    with pytest.raises(ValueError, match=r'needs? fine_kernels=\(\(2, 8, 8\)'):
        averaging.init_weights()


def test_dualformer_of_images(tmp_path):
    """The image networks have the names, without time in their filters."""
    tensors = {
        n.removeprefix('backbone.'): t
        for n, t in releases.draw(
            releases.dualformer_shapes(8, (2, 2, 2, 2), CLASSES)).items()
        if n.startswith('backbone.')
    }
    images = {n: t[:, :, 0] if t.dim() == 5 else t for n, t in tensors.items()}
    torch.save(
        dict(images, **{'head.weight': torch.zeros(CLASSES, 64)}),
        tmp_path / 'a.pth')
    network = MODELS.build(
        dict(
            DUALFORMER_CONFIG['backbone'],
            init_cfg=dict(
                type='Pretrained', checkpoint=str(tmp_path / 'a.pth'))))
    network.init_weights()
    own = network.state_dict()
    conv = own['stages.1.blocks.1.attn.levels.0.weight']
    theirs = images['blocks.1.1.attn.sr.weight']
    torch.testing.assert_close(conv, theirs[:, :, None].expand_as(conv) / 2)
    assert torch.equal(own['stages.2.blocks.0.mlp.2.weight'],
                       images['blocks.2.0.mlp.fc2.weight'])


def test_dualformer_trained_with_token_labels(dualformer, tmp_path):
    """The student's head for locations has a place, the teacher goes."""
    tensors = dict(dualformer[0])
    for number, shape in ((0, (128, 64)), (3, (256, 128)), (6, (CLASSES,
                                                                256))):
        name = f'cls_head.token_linear.{number}'
        tensors |= releases.draw(
            {
                f'{name}.weight': shape,
                f'{name}.bias': shape[:1]
            }, number)
    tensors |= {
        f'teacher.{n}': t
        for n, t in dualformer[0].items() if n.startswith('backbone')
    }
    found = convert_trained(tensors)
    assert all(n.startswith('teacher.') for n in found.left_out)
    path = tmp_path / 'a.pth'
    torch.save(dict(state_dict=tensors), path)
    model = MODELS.build(
        dict(
            DUALFORMER_CONFIG,
            type='TokenLabelRecognizer3D',
            teacher=dict(DUALFORMER_CONFIG, init_cfg=RANDOM)))
    load_checkpoint(model, str(path), map_location='cpu')
    own = model.state_dict()
    assert own.keys() == found.tensors.keys()
    assert all(torch.equal(own[n], t) for n, t in found.tensors.items())
    assert torch.equal(own['token_head.layers.3.weight'],
                       tensors['cls_head.token_linear.3.weight'])


# ---- what does not fit ----------------------------------------------------


def drop(*names):
    return lambda s: {n: t for n, t in s.items() if n not in names}


def add(name, *shape):
    return lambda s: {**s, name: torch.zeros(shape)}


@pytest.mark.parametrize('edit, message', [
    (add('embeddings.0', 1, 4, 48), 'adaptformer-video.*embeddings.0, which'),
    (add('blocks.0.ls1', 48), 'adaptformer-video.*blocks.0.ls1, which'),
    (drop('blocks.1.adaptmlp.up_proj.bias'),
     r'Missing: base.blocks.1.mlp.adapter.up.bias'),
    (drop('blocks.1.norm1.weight'), 'holds 41 of the 42 frozen tensors'),
    (drop('fc_norm.weight'), 'Missing: base.fc_norm.weight'),
    (drop('head.0.running_mean'), 'Missing: bn.running_mean'),
    (add('head.1.bias', 7), r'fc_cls.bias \(\(7,\) in the checkpoint, \(5,'),
])
@pytest.mark.parametrize('way', ['direct', 'converted'])
def test_what_does_not_fit(edit, message, way, tmp_path):
    path = save(edit(video_tensors()), tmp_path / 'a.pth')
    model = MODELS.build(VIDEO_CONFIG)
    with pytest.raises(ValueError, match=message):
        if way == 'converted':
            path = converted(path, tmp_path / 'b.pth')
        load_checkpoint(model, path, map_location='cpu')


@pytest.mark.parametrize('name, tensors, backbone', [
    ('adaptformer-video', video_tensors, VIDEO_CONFIG['backbone']),
    ('v-petl', vpetl_tensors, VPETL_CONFIG['backbone']),
    ('st-adapter', lambda: releases.draw(
        releases.st_adapter_shapes(128, 24, 2, CLASSES, ('mlp', ))),
     st_adapter_config(('mlp', ), RANDOM)['backbone']),
])
def test_a_whole_model_is_no_frozen_backbone(name, tensors, backbone,
                                             tmp_path):
    """Its adapters would be left out."""
    path = save(tensors(), tmp_path / 'a.pth')
    cfg = dict(backbone)
    cfg['backbone'] = dict(
        cfg['backbone'], init_cfg=dict(type='Pretrained', checkpoint=path))
    with pytest.raises(ValueError, match=rf'{name}\), no backbone.*test\.py'):
        MODELS.build(cfg)


def test_our_own_checkpoints_stay_as_they_are(tmp_path):
    model = stirred(VIDEO_CONFIG)
    assert convert_trained(model.state_dict()) is None
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'a.pth')
    content = read_file(tmp_path / 'a.pth')
    assert content['state_dict'].keys() == model.state_dict().keys()


# ---- real sizes, by name and shape alone ----------------------------------

PETL = dict(
    depths=(2, 2, 18, 2),
    heads=(4, 8, 16, 32),
    window=(8, 7, 7),
    patt=('down', 'up'))
BASE = dict(dims=768, hidden=3072, width=64, layers=12, classes=174)


def real_config(kind):
    adaptformer = dict(ADAPTFORMER, width=64)
    if kind.startswith('dualformer'):
        arch = kind.split()[1]
        dims = dict(tiny=512, small=768, base=1024)[arch]
        return dict(
            type='Recognizer3D',
            backbone=dict(
                type='DualFormer', arch=arch, fine_kernels=FINE_KERNELS),
            cls_head=dict(
                type='ClipMeanHead', num_classes=400, in_channels=dims))
    if kind == 'v-petl':
        return dict(
            VPETL_CONFIG,
            backbone=dict(
                type='AdaptedBackbone',
                backbone=dict(
                    type='SwinTransformer3D',
                    arch='base',
                    patch_size=(2, 4, 4),
                    window_size=(8, 7, 7),
                    pretrained2d=False,
                    init_cfg=RANDOM),
                adapters=[
                    dict(type='PATT', site='msa', width=128),
                    dict(adaptformer, site='mlp')
                ]),
            cls_head=dict(
                VPETL_CONFIG['cls_head'], num_classes=51, in_channels=1024))
    if kind == 'adaptformer video':
        return dict(
            VIDEO_CONFIG,
            backbone=dict(
                type='AdaptedBackbone',
                backbone=dict(
                    type='mmaction.VisionTransformer',
                    num_frames=8,
                    init_cfg=RANDOM),
                adapters=[adaptformer],
                trainable=['fc_norm.*']),
            cls_head=dict(
                VIDEO_CONFIG['cls_head'], num_classes=174, in_channels=768))
    return dict(
        IMAGE_CONFIG,
        backbone=dict(
            IMAGE_CONFIG['backbone'],
            backbone=dict(
                type='mmpretrain.VisionTransformer',
                arch='base',
                init_cfg=RANDOM),
            adapters=[adaptformer]),
        neck=dict(type='mmpretrain.ClsBatchNormNeck', input_features=768),
        head=dict(
            type='mmpretrain.LinearClsHead', num_classes=174, in_channels=768))


REAL = {
    'dualformer tiny':
    lambda: releases.dualformer_shapes(64, (2, 2, 10, 4), 400),
    'dualformer small':
    lambda: releases.dualformer_shapes(96, (2, 2, 18, 2), 400),
    'dualformer base':
    lambda: releases.dualformer_shapes(128, (2, 2, 18, 2), 400),
    'v-petl':
    lambda: releases.vpetl_shapes(
        128, patch=(2, 4, 4), classes=51, width=64, bottle=128, **PETL),
    'adaptformer video':
    lambda: releases.adaptformer_video_shapes(patch=(2, 16, 16), **BASE),
    'adaptformer image':
    lambda: releases.adaptformer_image_shapes(197, patch=(16, 16), **BASE),
}


@pytest.fixture
def on_meta(monkeypatch):
    """Build a model without values, which initialisation would read."""
    monkeypatch.setattr(BaseModule, 'init_weights', lambda self: None)
    linspace = torch.linspace  # Swin reads numbers out of it
    monkeypatch.setattr(torch, 'linspace',
                        lambda *args: linspace(*args, device='cpu'))

    def build(cfg):
        init_default_scope('mmpretrain' if 'neck' in cfg else 'mmaction')
        with torch.device('meta'):
            return MODELS.build(cfg)

    return build


@pytest.mark.parametrize('kind', REAL)
def test_real_sizes(kind, on_meta):
    """Every tensor of a file has a place of its shape, and the reverse."""
    theirs = REAL[kind]()
    model = on_meta(real_config(kind))
    with torch.device('meta'):
        found = convert_trained({
            n: torch.empty(shape)
            for n, shape in theirs.items()
        })
    own = dict((*model.named_parameters(), *model.named_buffers()))
    if kind == 'adaptformer video':
        del own['backbone.base.pos_embed']  # sines, in no file
    assert {
        n: t.shape
        for n, t in found.tensors.items()
    } == {
        n: t.shape
        for n, t in own.items()
    }


def test_the_release_counts():
    """21.8 M in the README of the tiny one, without the classifier."""
    shapes = releases.dualformer_shapes(64, (2, 2, 10, 4), 400)
    count = sum(
        torch.Size(shape).numel() for name, shape in shapes.items()
        if name.startswith('backbone.') and 'running' not in name
        and 'num_batches' not in name)
    assert count == 21_767_360


@pytest.mark.parametrize('places, count', [(('mlp', ), 7.2),
                                           (('attn', 'mlp'), 14.3)])
def test_real_sizes_of_st_adapter(places, count, on_meta):
    """The poster's millions are those of 174 classes."""
    shapes = releases.st_adapter_shapes(768, 384, 12, 174, places)
    cfg = st_adapter_config(places, RANDOM)
    cfg['backbone']['backbone'] = dict(
        type='CLIPVisionTransformer', out_dims=None, init_cfg=RANDOM)
    for adapter in cfg['backbone']['adapters'][1:]:
        adapter['width'] = 384
    cfg['cls_head'].update(num_classes=174, in_channels=768)
    model = on_meta(cfg)
    with torch.device('meta'):
        theirs = {n: torch.empty(shape) for n, shape in shapes.items()}
    own = {n: p.shape for n, p in model.named_parameters() if p.requires_grad}
    found = convert_trained(theirs).tensors
    frozen = found.pop('backbone.frozen_backbone')
    assert bytes(frozen.tolist()).startswith(b'{"sha256": ""')
    assert {n: t.shape for n, t in found.items()} == own
    trained = sum(t.numel() for t in found.values())
    assert trained / 1e6 == pytest.approx(count, abs=0.06)
