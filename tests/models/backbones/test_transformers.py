"""Models of transformers as frozen backbones."""
import json
import sys

import pytest
import torch
from mmaction.registry import MODELS

from mmdualpath.analysis.complexity import count_params
from mmdualpath.analysis.structure import build_structure
from mmdualpath.models.consistency import check_normalization
from mmdualpath.models.weights import load_pretrained

transformers = pytest.importorskip('transformers')
VISION = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4)
DINO = dict(**VISION, mlp_ratio=2, patch_size=14, image_size=56)
PATCH16 = dict(**VISION, intermediate_size=96, patch_size=16)
TEXT = dict(**VISION, intermediate_size=96, vocab_size=8)
JEPA = dict(
    **VISION,
    mlp_ratio=2,
    patch_size=16,
    crop_size=64,
    frames_per_clip=4,
    pred_hidden_size=48,
    pred_num_attention_heads=4,
    pred_num_hidden_layers=1,
    pred_mlp_ratio=2)
# Class, config and, of whole models, where the part for images is.
WRITTEN = dict(
    dinov2=('Dinov2Model', DINO),
    dinov2_gated=('Dinov2Model', dict(DINO, use_swiglu_ffn=True)),
    dinov2_classifier=('Dinov2ForImageClassification', DINO),
    registers=('Dinov2WithRegistersModel', DINO),
    dinov3=('DINOv3ViTModel',
            dict(PATCH16, image_size=64, num_register_tokens=4)),
    dinov3_gated=('DINOv3ViTModel',
                  dict(
                      PATCH16,
                      image_size=64,
                      num_register_tokens=4,
                      use_gated_mlp=True)),
    siglip_vision=('SiglipVisionModel', dict(PATCH16, image_size=64)),
    siglip=('SiglipModel',
            dict(vision_config=dict(PATCH16, image_size=64),
                 text_config=TEXT)),
    siglip2=('Siglip2Model',
             dict(
                 vision_config=dict(PATCH16, num_patches=16),
                 text_config=TEXT)),
    vjepa2=('VJEPA2Model', JEPA),
    vjepa2_classifier=('VJEPA2ForVideoClassification', JEPA),
)
WHOLE = ('vision_model', 'dinov2', 'vjepa2')
PIXELS = dict(image_mean=[.5, .4, .3], image_std=[.2, .3, .4])


def theirs(name: str) -> torch.nn.Module:
    """The library's own model, every tensor at random."""
    torch.manual_seed(0)
    kind, options = WRITTEN[name]
    kind = getattr(transformers, kind)
    model = kind(kind.config_class(**options))
    for tensor in model.parameters():
        tensor.data += 0.1 * torch.randn_like(tensor)
    return model.eval()


def write(model, folder, shard='5GB', **changes) -> str:
    """A folder as the library writes it; changes of its config."""
    model.save_pretrained(folder, max_shard_size=shard)
    config = json.loads((folder / 'config.json').read_text())
    config.get('vision_config', config).update(changes)
    (folder / 'config.json').write_text(json.dumps(config))
    (folder / 'preprocessor_config.json').write_text(json.dumps(PIXELS))
    return str(folder)


def backbone(folder: str, **options) -> dict:
    return dict(type='TransformersBackbone', model_name=folder, **options)


def frozen(folder: str, **options) -> torch.nn.Module:
    init_cfg = dict(type='Pretrained', checkpoint=folder)
    return MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=backbone(folder, init_cfg=init_cfg, **options))).eval()


def images_of(model, patches: int) -> torch.Tensor:
    vision = next((getattr(model, w) for w in WHOLE if hasattr(model, w)),
                  model)
    size = patches * vision.config.patch_size
    if 'VJEPA2' in type(model).__name__:
        return torch.randn(2, 3, 6, size, size)
    return torch.randn(2, 3, size, size)


@torch.no_grad()
def expected(model, images: torch.Tensor):
    """The last hidden state and the pooled one, as the library gives them."""
    model = next((getattr(model, w) for w in WHOLE if hasattr(model, w)),
                 model)
    name = type(model).__name__
    if name == 'VJEPA2Model':
        out = model(images.transpose(1, 2))
    elif name == 'SiglipVisionModel':
        out = model(images, interpolate_pos_encoding=True)
    elif name == 'Siglip2VisionModel':
        from transformers import Siglip2ImageProcessor
        processor = Siglip2ImageProcessor(
            do_resize=False, do_rescale=False, do_normalize=False)
        patch = model.config.patch_size
        side = images.shape[-1] // patch
        inputs = processor(
            images=list(images),
            patch_size=patch,
            max_num_patches=side**2,
            return_tensors='pt')
        assert (inputs['spatial_shapes'] == side).all()
        out = model(**inputs)
    else:
        out = model(images)
    pooled = getattr(out, 'pooler_output', None)
    tokens = out.last_hidden_state
    return tokens, tokens.mean(1) if pooled is None else pooled


@pytest.mark.parametrize('name', WRITTEN)
def test_is_the_librarys_own(name, tmp_path):
    """Through a folder that it wrote, in two sizes if it takes two."""
    model = theirs(name)
    folder = write(model, tmp_path)
    has_class_token = 'dino' in name or name == 'registers'
    views = {
        out_type: frozen(folder, out_type=out_type)
        for out_type in ('raw', 'pooled', None)
    }
    assert views[None].base.out_type == ('cls_token'
                                         if has_class_token else 'pooled')
    assert views[None].fingerprint.format == 'transformers'
    assert views[None].base.normalization == dict(
        mean=pytest.approx([127.5, 102, 76.5]),
        std=pytest.approx([51, 76.5, 102]))
    for patches in (4, ) if 'jepa' in name else (4, 6):
        x = images_of(model, patches)
        tokens, pooled = expected(model, x)
        close = dict(atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(views['raw'](x), tokens, **close)
        torch.testing.assert_close(views['pooled'](x), pooled, **close)
        torch.testing.assert_close(views[None](x),
                                   tokens[:, 0] if has_class_token else pooled,
                                   **close)


@pytest.mark.parametrize('name', ['dinov2_gated', 'dinov3', 'siglip2'])
def test_published_in_parts(name, tmp_path):
    """Large models are cut, with an index of their parts."""
    model = theirs(name)
    folder = write(model, tmp_path, shard='50KB')
    parts = sorted(tmp_path.glob('model-*.safetensors'))
    assert len(parts) > 1 and not (tmp_path / 'model.safetensors').exists()
    x = images_of(model, 4)
    view = frozen(folder, out_type='raw')
    torch.testing.assert_close(
        view(x), expected(model, x)[0], atol=1e-5, rtol=1e-5)
    index = tmp_path / 'model.safetensors.index.json'
    load_pretrained(MODELS.build(backbone(folder)), str(index))
    parts[-1].rename(tmp_path / 'elsewhere')
    with pytest.raises(FileNotFoundError, match=parts[-1].name):
        frozen(folder)
    parts[0].rename(parts[-1])
    with pytest.raises((ValueError, FileNotFoundError), match=parts[0].name):
        frozen(folder)


def test_by_a_name_of_the_hub(hub, tmp_path):
    model = theirs('dinov2')
    write(model, tmp_path / 'hub', shard='50KB')
    view = MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=backbone(
                'someone/dinov2',
                out_type='raw',
                init_cfg=dict(
                    type='Pretrained',
                    checkpoint='hf-hub:someone/dinov2')))).eval()
    x = images_of(model, 4)
    torch.testing.assert_close(
        view(x), expected(model, x)[0], atol=1e-5, rtol=1e-5)
    assert {repository for repository, _ in hub} == {'someone/dinov2'}
    with pytest.raises(ValueError, match='gated/dinov3.*a gated repo'):
        MODELS.build(backbone('gated/dinov3'))


def test_what_stays_out_of_training(tmp_path):
    """DINOv3 does not move positions at random, as the library does."""
    folder = write(theirs('dinov3'), tmp_path)
    view = frozen(folder, out_type='raw')
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(view.train()(x), view.eval()(x))


@pytest.mark.parametrize('name, sidecar, message', [
    ('dinov2', dict(hidden_act='relu'),
     r'hidden_act \(relu in the file, gelu in the model\)'),
    ('siglip', dict(layer_norm_eps=1e-5),
     r'layer_norm_eps \(1e-05 in the file, 1e-06'),
    ('vjepa2', dict(num_attention_heads=2),
     r'num_attention_heads \(2 in the file, 4 in the model\)'),
    ('dinov3', dict(rope_theta=10.),
     r'rope_theta \(10.0 in the file, 100.0 in the model\)'),
])
def test_another_config_is_refused(name, sidecar, message, tmp_path):
    model = theirs(name)
    own, other = tmp_path / 'own', tmp_path / 'other'
    write(model, own)
    network = MODELS.build(backbone(str(own)))
    before = {n: t.clone() for n, t in network.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_pretrained(network, write(model, other, **sidecar))
    assert all(
        torch.equal(t, before[n]) for n, t in network.state_dict().items())


def test_another_model_is_refused(tmp_path):
    folder = write(theirs('dinov2'), tmp_path)
    network = MODELS.build(
        dict(
            backbone('dinov2_with_registers'), **{
                **DINO, 'num_register_tokens': 2
            }))
    with pytest.raises(ValueError, match='missing: embeddings.register_tok'):
        load_pretrained(network, folder)


def test_pixels_are_compared(tmp_path):
    view = frozen(write(theirs('vjepa2'), tmp_path))
    preprocessor = MODELS.build(
        dict(type='ActionDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3))
    with pytest.raises(ValueError, match=r'trained with mean=\[127.5, 102.0'):
        check_normalization(preprocessor, view)


@pytest.mark.parametrize('shape, message', [
    ((1, 3, 4, 96, 96), r'images of \(64, 64\) pixels, given \(96, 96\)'),
    ((1, 3, 3, 64, 64), r'multiples of \(2, 16, 16\)'),
    ((1, 3, 64, 64), r'multiples of \(2, 16, 16\)'),
])
def test_clips_of_another_size_are_refused(shape, message):
    network = MODELS.build(dict(backbone('vjepa2'), **JEPA))
    with pytest.raises(ValueError, match=message):
        network(torch.zeros(shape))


@pytest.mark.parametrize('options, message', [
    (dict(model_name='siglip_vision_model',
          out_type='cls_token'), "no class token; out_type='pooled'"),
    (dict(model_name='dinov2',
          out_type='tokens'), "out_type='tokens' is none of"),
    (dict(model_name='dinov2', hidden_sizes=3), 'no entry hidden_sizes.*did'),
])
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='TransformersBackbone', **options))


def test_no_such_model(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match='neither a folder with the config'):
        MODELS.build(backbone(str(tmp_path)))
    config = dict(model_type='vit', hidden_size=24)
    (tmp_path / 'config.json').write_text(json.dumps(config))
    with pytest.raises(ValueError, match='is a vit; .* one of dinov2'):
        MODELS.build(backbone(str(tmp_path)))


def test_without_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(
            ImportError, match=r"pip install 'mmdualpath\[transformers\]'"):
        MODELS.build(backbone('dinov2'))


@pytest.mark.parametrize('name, kind', [
    ('dinov2', 'Dinov2Model'),
    ('dinov2_with_registers', 'Dinov2WithRegistersModel'),
    ('dinov3_vit', 'DINOv3ViTModel'),
    ('siglip_vision_model', 'SiglipVisionModel'),
    ('siglip2_vision_model', 'Siglip2VisionModel'),
    ('vjepa2', 'VJEPA2Model'),
])
def test_full_size_counts(name, kind):
    """On the meta device, as many parameters as the library counts."""
    kind = getattr(transformers, kind)
    with torch.device('meta'):
        reference = kind(kind.config_class())
    total = count_params(reference)['total']
    if name == 'vjepa2':
        total -= count_params(reference.predictor)['total']
    own = build_structure(dict(backbone(name, out_type='pooled')))
    assert all(p.is_meta for p in own.parameters())
    assert count_params(own)['total'] == total


@pytest.mark.parametrize('name, table, kept', [
    ('dinov2_with_registers', 'embeddings.position_embeddings', 1),
    ('siglip_vision_model', 'embeddings.position_embedding.weight', 0),
])
def test_positions_that_are_zero(name, table, kept):
    """All but that of a class token, as the table of sites says."""
    options = DINO if kept else dict(PATCH16, image_size=64)
    view = MODELS.build(
        dict(
            type='AdaptedBackbone',
            zero=[table.replace('.', r'\.')],
            backbone=dict(
                backbone(name), **options,
                init_cfg=dict(type='RandomWeights'))))
    zeroed = view.base.get_parameter(table).reshape(-1, 48)
    assert len(zeroed) == 16 + kept
    assert zeroed[:kept].all() and not zeroed[kept:].any()
