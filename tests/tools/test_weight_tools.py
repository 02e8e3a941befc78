"""Converting, publishing, merging and splitting weights."""
import hashlib
import importlib.util
import re
import shutil
from pathlib import Path

import pytest
import tiny_training
import torch
import yaml
from mmaction.apis import inference_recognizer, init_recognizer
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_training import CLIP, make_config, make_runner

from mmdualpath.models.weights import read_file, write_checkpoint

ROOT = Path(__file__).parents[2]


def tool(name):
    spec = importlib.util.spec_from_file_location(name,
                                                  ROOT / f'tools/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A run over a pretrained backbone file, which is there to be moved."""
    init_default_scope('mmaction')
    folder = tmp_path_factory.mktemp('trained')
    tiny_training.write_videos(folder)
    torch.manual_seed(5)
    backbone = MODELS.build({k: v for k, v in CLIP.items() if k != 'init_cfg'})
    backbone.init_weights()
    torch.save(backbone.state_dict(), folder / 'vit.pth')
    cfg = make_config(
        folder,
        dict(
            CLIP,
            init_cfg=dict(
                type='Pretrained', checkpoint=str(folder / 'vit.pth'))))
    make_runner(cfg, 'dualpath_tiny_noise').train()
    return folder, cfg, folder / 'work' / 'epoch_2.pth'


def scores(cfg, checkpoint, folder):
    model = init_recognizer(cfg, str(checkpoint), device='cpu')
    return inference_recognizer(model, str(folder / '1.mp4')).pred_score


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_convert(suffix, tmp_path):
    names = {
        'visual.class_embedding': torch.randn(4),
        'visual.positional_embedding': torch.randn(5, 4),
        'visual.transformer.resblocks.0.ln_1.weight': torch.randn(4),
        'visual.proj': torch.randn(4, 2).half(),
        'text_projection': torch.zeros(2)
    }
    torch.save(names, tmp_path / 'clip.pt')
    out = tmp_path / f'out{suffix}'
    tool('convert_weights').main([str(tmp_path / 'clip.pt'), str(out)])
    content = read_file(out)
    assert content['meta'] == dict(format='clip', source='clip.pt')
    assert set(content['state_dict']) == {
        'cls_token', 'pos_embed', 'layers.0.ln1.weight', 'proj'
    }
    proj = content['state_dict']['proj']
    assert torch.equal(proj, names['visual.proj'].float())


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_publish(suffix, trained, tmp_path, capsys):
    folder, cfg, checkpoint = trained
    flags = ['--safetensors'] if suffix == '.safetensors' else []
    (folder / 'run.log').write_text('loss 1.0')
    publish = tool('publish_model')
    path = publish.main([
        str(checkpoint), '--out-dir',
        str(tmp_path), '--log',
        str(folder / 'run.log'), '--url', 'https://example.org/models/',
        '--result', 'Noise/Top 1 Accuracy=50.0'
    ] + flags)

    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    saved = torch.load(checkpoint)
    day = saved['meta']['time'][:8]
    assert path.name == f'dualpath_tiny_noise_{day}-{digest}{suffix}'
    assert set(tmp_path.iterdir()) == {path, path.with_suffix('.log')}

    content = read_file(path)
    assert set(content) == {'meta', 'state_dict'}
    assert Config.fromstring(content['meta']['cfg'], '.py').model == cfg.model
    for name, tensor in saved['state_dict'].items():
        assert torch.equal(content['state_dict'][name], tensor)
    assert path.stat().st_size < checkpoint.stat().st_size

    printed = capsys.readouterr().out
    model = yaml.safe_load(
        printed[printed.index('- Name'):printed.rindex(str(path))])[0]
    assert model['Name'] == 'dualpath_tiny_noise'
    assert model['Weights'] == f'https://example.org/models/{path.name}'
    assert model['Training Log'].endswith('.log')
    assert model['Metadata'] == dict(Epochs=2)
    assert model['Results'][0]['Metrics'] == {'Top 1 Accuracy': 50.0}

    # It is as good as the checkpoint, and test.py's runner reads it too.
    wanted = scores(cfg, checkpoint, folder)
    torch.testing.assert_close(scores(cfg, path, folder), wanted)
    runner = make_runner(
        cfg, load_from=str(path), work_dir=str(tmp_path / 'work'))
    assert 'acc/top1' in runner.test()

    # Publishing again gives the same file.
    again = publish.main(
        [str(checkpoint), '--out-dir',
         str(tmp_path / 'again')] + flags)
    assert again.read_bytes() == path.read_bytes()


def test_a_published_file_needs_no_trust(trained, tmp_path):
    path = tool('publish_model').main(
        [str(trained[2]), '--out-dir',
         str(tmp_path)])
    declared = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        torch.load(path, weights_only=True)
        with pytest.raises(Exception, match='[Ww]eights.only'):
            torch.load(trained[2], weights_only=True)
    finally:
        torch.serialization.add_safe_globals(declared)


def test_publish_says_where_the_frozen_weights_are(trained, tmp_path):
    """The file is loaded by itself where they lie elsewhere."""
    folder, _, checkpoint = trained
    moved = tmp_path / 'elsewhere.pth'
    shutil.copy(folder / 'vit.pth', moved)
    path = tool('publish_model').main([
        str(checkpoint), '--out-dir',
        str(tmp_path), '--cfg-options',
        f'model.backbone.backbone.init_cfg.checkpoint={moved}'
    ])
    cfg = Config.fromstring(read_file(path)['meta']['cfg'], '.py')
    assert cfg.model.backbone.backbone.init_cfg.checkpoint == str(moved)
    assert torch.equal(
        scores(cfg, path, folder), scores(cfg, checkpoint, folder))


def test_publish_updates_a_metafile(trained, tmp_path):
    metafile = tmp_path / 'metafile.yml'
    metafile.write_text(
        yaml.safe_dump(
            dict(
                Collections=[dict(Name='DualPath', README='README.md')],
                Models=[
                    dict(Name='another', Config='configs/another.py'),
                    dict(
                        Name='dualpath_tiny_noise',
                        Config='configs/dualpath_tiny_noise.py',
                        Metadata=dict(Frames=16))
                ])))
    publish = tool('publish_model')
    arguments = ['--out-dir', str(tmp_path), '--metafile', str(metafile)]
    path = publish.main([str(trained[2])] + arguments)
    publish.main([str(trained[2]), '--config', 'third'] + arguments)
    models = yaml.safe_load(metafile.read_text())['Models']
    assert [m['Name']
            for m in models] == ['another', 'dualpath_tiny_noise', 'third']
    assert models[1]['Metadata'] == dict(Frames=16, Epochs=2)
    assert models[1]['Weights'] == path.name
    assert models[2]['In Collection'] == 'DualPath'
    assert re.fullmatch(r'third_\d{8}-[0-9a-f]{8}\.pth', models[2]['Weights'])


@pytest.mark.parametrize('content, flags, message', [
    (dict(state_dict=dict(w=torch.zeros(1))), [], 'no checkpoint of a train'),
    (dict(meta={}, state_dict={}), [], 'give it with --config'),
    (dict(meta=dict(dataset_meta=dict(a=torch.half)),
          state_dict={}), ['--config', 'x'], 'meta.dataset_meta.a is a dtype'),
    (dict(meta={}, state_dict={}), ['--config', 'x', '--result', 'K400=3'
                                    ], 'DATASET/METRIC=VALUE'),
    (dict(meta={}, state_dict={}), ['--config', 'x', '--cfg-options', 'a=1'
                                    ], 'has no config to change'),
])
def test_publish_refuses(content, flags, message, tmp_path):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=message):
        tool('publish_model').main(
            [str(tmp_path / 'a.pth'), '--out-dir',
             str(tmp_path)] + flags)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_merge_and_split(suffix, trained, tmp_path):
    folder, cfg, checkpoint = trained
    wanted = scores(cfg, checkpoint, folder)
    merge = tool('merge_model')
    merged = tmp_path / f'merged{suffix}'
    merge.main(['merge', cfg.filename, str(checkpoint), str(merged)])

    # The merged file stands alone: its config names no other file.
    alone = Config.fromfile(merged.with_suffix('.py'))
    assert 'vit.pth' not in alone.pretty_text
    torch.testing.assert_close(scores(alone, merged, folder), wanted)
    model = init_recognizer(alone, str(merged), device='cpu')
    saved = torch.load(checkpoint)['state_dict']
    fingerprint = 'backbone.spatial.frozen_backbone'
    assert torch.equal(model.state_dict()[fingerprint], saved[fingerprint])

    # Split again, it is the backbone and the checkpoint it was.
    merge.main(['split', cfg.filename, str(merged), str(tmp_path / 'parts')])
    backbone = read_file(tmp_path / 'parts' / 'backbone.pth')['state_dict']
    original = torch.load(folder / 'vit.pth')
    assert backbone.keys() == original.keys()
    assert all(torch.equal(backbone[n], original[n]) for n in original)
    adapters = torch.load(tmp_path / 'parts' / 'adapters.pth')['state_dict']
    assert adapters.keys() == saved.keys()
    assert all(torch.equal(adapters[n], saved[n]) for n in saved)


def test_merged_in_full_precision(trained, tmp_path):
    """A model stored in bfloat16 is merged with what was published."""
    folder, cfg, checkpoint = trained
    half = Config(cfg.to_dict())
    half.model.backbone.frozen_dtype = 'bfloat16'
    half.dump(tmp_path / 'half.py')
    tool('merge_model').main([
        'merge',
        str(tmp_path / 'half.py'),
        str(checkpoint),
        str(tmp_path / 'merged.pth')
    ])
    state = torch.load(tmp_path / 'merged.pth')['state_dict']
    original = torch.load(folder / 'vit.pth')
    name = 'layers.0.attn.proj.weight'
    assert torch.equal(state[f'backbone.temporal.base.{name}'], original[name])


def test_merged_tensors_are_stored_once(trained, tmp_path):
    """Both views of one backbone cost no more than the backbone."""
    _, cfg, checkpoint = trained
    sizes = {}
    for suffix in ('.pth', '.safetensors'):
        merged = tmp_path / f'merged{suffix}'
        tool('merge_model').main(
            ['merge', cfg.filename,
             str(checkpoint),
             str(merged)])
        sizes[suffix] = merged.stat().st_size
    content = read_file(tmp_path / 'merged.safetensors')
    every = sum(t.nbytes for t in content['state_dict'].values())
    assert sizes['.safetensors'] < 0.7 * every
    names = [
        f'backbone.{p}.base.layers.0.attn.proj.weight'
        for p in ('spatial', 'temporal')
    ]
    assert torch.equal(*(content['state_dict'][n] for n in names))


def test_only_two_kinds_of_files(tmp_path):
    with pytest.raises(ValueError, match=r'\.pth or \.safetensors'):
        write_checkpoint(dict(state_dict={}), tmp_path / 'a.ckpt')


def test_merge_needs_a_frozen_backbone(tmp_path):
    (tmp_path / 'a.py').write_text("model = dict(type='Recognizer2D', "
                                   "backbone=dict(type='ResNet'))")
    with pytest.raises(ValueError, match='no model with a frozen backbone'):
        merge = tool('merge_model')
        merge.frozen_config(Config.fromfile(tmp_path / 'a.py'))


LINEAR = dict(width=8, scale=0.5, act_cfg=None)
FOLDING = dict(
    shift=dict(type='TokenShift', site='qkv', num_frames=4, num_heads=4),
    lora=dict(type='LoRA', site='fc1', rank=2),
    ssf=dict(type='SSF', site='norm2'),
    behind=dict(type='SerialAdapter', site='proj', **LINEAR))


def frames_model(folder, adapters):
    """A recognizer of frames over the backbone's file, and a checkpoint of
    which nothing is zero."""
    cfg = Config(
        dict(
            default_scope='mmaction',
            model=dict(
                type='Recognizer2D',
                backbone=dict(
                    type='AdaptedBackbone',
                    backbone=dict(
                        CLIP,
                        out_dims=None,
                        init_cfg=dict(
                            type='Pretrained',
                            checkpoint=str(folder / 'vit.pth'))),
                    adapters=adapters,
                    trainable=['ln1.*']),
                cls_head=dict(
                    type='FrameMeanHead',
                    num_classes=5,
                    in_channels=48,
                    num_frames=4))))
    cfg.dump(folder / 'frames.py')
    model = MODELS.build(cfg.model)
    for p in model.parameters():
        if p.requires_grad:
            p.data += 0.3 * torch.randn_like(p)
    torch.save(
        dict(
            meta=dict(cfg=cfg.pretty_text, epoch=3),
            state_dict=model.state_dict()), folder / 'frames.pth')
    return model.eval(), str(folder / 'frames.py'), str(folder / 'frames.pth')


def of_file(cfg, path):
    model = MODELS.build(cfg.model)
    model.load_state_dict(read_file(path)['state_dict'], strict=True)
    return model.eval()


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize('as_list', [True, False])
def test_fold(suffix, as_list, trained, tmp_path):
    adapters = list(FOLDING.values()) if as_list else dict(
        FOLDING, none=dict(type='VPT', site='block', enabled=False))
    model, config, checkpoint = frames_model(trained[0], adapters)
    out = tmp_path / f'folded{suffix}'
    tool('merge_model').main(['fold', config, checkpoint, str(out)])
    cfg = Config.fromfile(out.with_suffix('.py'))
    assert 'vit.pth' not in cfg.pretty_text
    left = cfg.model.backbone.adapters
    assert left == ([FOLDING['shift']] if as_list else dict(
        shift=FOLDING['shift']))
    meta = read_file(out)['meta']
    assert meta['epoch'] == 3
    assert Config.fromstring(meta['cfg'], '.py').model == cfg.model

    folded = of_file(cfg, out)
    clips = torch.randn(8, 3, 32, 32)
    with torch.no_grad():
        wanted = model(clips[None], stage='head')
        found = folded(clips[None], stage='head')
    assert (found - wanted).norm() / wanted.norm() < 1e-4
    assert folded.backbone.fingerprint.format == 'folded'
    assert folded.backbone.fingerprint.sha256 \
        != model.backbone.fingerprint.sha256

    # Split again, the backbone is a file of its own.
    tool('merge_model').main([
        'split',
        str(out.with_suffix('.py')),
        str(out),
        str(tmp_path / 'parts')
    ])
    cfg.model.backbone.backbone.init_cfg = dict(
        type='Pretrained', checkpoint=str(tmp_path / 'parts' / 'backbone.pth'))
    again = of_file(cfg, tmp_path / 'parts' / 'adapters.pth')
    with torch.no_grad():
        torch.testing.assert_close(again(clips[None], stage='head'), found)


def test_without_shifts_it_is_the_bare_backbone(trained, tmp_path):
    linear = {k: v for k, v in FOLDING.items() if k != 'shift'}
    _, config, checkpoint = frames_model(trained[0], linear)
    out = tmp_path / 'folded.pth'
    tool('merge_model').main(['fold', config, checkpoint, str(out)])
    cfg = Config.fromfile(out.with_suffix('.py'))
    assert cfg.model.backbone.adapters == {}
    folded = of_file(cfg, out).backbone.base
    bare = MODELS.build({
        k: v
        for k, v in cfg.model.backbone.backbone.items() if k != 'init_cfg'
    })
    assert [(n, type(m)) for n, m in folded.named_modules()
            ] == [(n, type(m)) for n, m in bare.named_modules()]
    assert {
        n: t.shape
        for n, t in folded.state_dict().items()
    } == {
        n: t.shape
        for n, t in bare.state_dict().items()
    }


@pytest.mark.parametrize('adapters, message', [
    (dict(gelu=dict(type='SerialAdapter', site='proj', width=8)),
     "SerialAdapter at site='proj' of CLIPVisionTransformer.*GELU"),
    (dict(mlp=dict(type='SerialAdapter', site='mlp', **LINEAR)),
     "SerialAdapter at site='mlp'.*Sequential.*qkv, q, k, v, proj, fc1, fc2"),
    (dict(vpt=dict(type='VPT', site='block', num_prompts=2, patch_size=8)),
     "VPT at site='block'.*does not fold"),
    (dict(shift=FOLDING['shift']), 'no adapters that fold'),
    (dict(), 'no adapters that fold'),
])
def test_fold_refuses(adapters, message, trained, tmp_path):
    _, config, checkpoint = frames_model(trained[0], adapters)
    with pytest.raises(ValueError, match=message):
        tool('merge_model').main(
            ['fold', config, checkpoint,
             str(tmp_path / 'out.pth')])
    assert not (tmp_path / 'out.pth').exists()


def test_two_views_do_not_fold(trained, tmp_path):
    _, cfg, checkpoint = trained
    with pytest.raises(ValueError, match='views of one backbone share'):
        tool('merge_model').main(
            ['fold', cfg.filename,
             str(checkpoint),
             str(tmp_path / 'out.pth')])


def test_a_checkpoint_with_a_level_for_recomputed_blocks(trained, tmp_path):
    """It is refused with the command that converts it, which does."""
    folder, cfg, checkpoint = trained
    content = read_file(checkpoint)
    old = {
        re.sub(r'(layers\.\d+)\.', r'\1.base.', n): t
        for n, t in content['state_dict'].items()
    }
    assert set(old) != set(content['state_dict'])
    src, dst = tmp_path / 'old.pth', tmp_path / 'new.pth'
    torch.save(dict(content, state_dict=old), src)
    with pytest.raises(ValueError, match='convert_weights.py.*--recomputed'):
        init_recognizer(cfg, str(src), device='cpu')

    tool('convert_weights').main([str(src), str(dst), '--recomputed'])
    assert torch.equal(
        scores(cfg, dst, folder), scores(cfg, checkpoint, folder))
    with pytest.raises(ValueError, match='no tensor of a recomputed block'):
        tool('convert_weights').main(
            [str(dst), str(tmp_path / 'x.pth'), '--recomputed'])
    with pytest.raises(ValueError, match='--prefix model with --recomputed'):
        tool('convert_weights').main(
            [str(dst), 'x.pth', '--recomputed', '--prefix', 'model'])
