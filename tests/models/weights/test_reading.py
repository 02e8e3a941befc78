"""Files are read without running what is in them."""
import argparse
import functools
import http.server
import json
import os
import pickle
import threading
import zipfile

import engine_runs
import numpy as np
import pytest
import torch
from mmengine.dist import init_dist
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_checkpoint
from safetensors.torch import save_file

from mmdualpath.models import FrozenBackbone
from mmdualpath.models.weights import (read_checkpoint, read_file,
                                       write_checkpoint)

SWITCH = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder, )


@pytest.fixture
def hostile(tmp_path):
    """A checkpoint that carries a weight and runs code, and the trace."""
    trace = tmp_path / 'trace'
    path = tmp_path / 'hostile.pth'
    torch.save(
        dict(
            state_dict=dict(weight=torch.ones(1)),
            meta=dict(note=Hostile(trace))), path)
    return str(path), trace


@pytest.mark.parametrize('read', [
    read_file, read_checkpoint,
    lambda path: CheckpointLoader.load_checkpoint(path, map_location='cpu'),
    lambda path: load_checkpoint(torch.nn.Linear(1, 1), path),
    lambda path: FrozenBackbone.build(
        dict(
            type='mmpretrain.VisionTransformer',
            arch='deit-tiny',
            init_cfg=dict(type='Pretrained', checkpoint=path)))
])
def test_a_hostile_pickle_does_not_run(read, hostile):
    path, trace = hostile
    with pytest.raises(ValueError, match=f'is refused: .*{SWITCH}=1'):
        read(path)
    assert not trace.exists()


def test_options_beside_weights(tmp_path):
    """MAE and what follows it save theirs; nothing else comes with them."""
    options = argparse.Namespace(blr=0.1, output_dir='out', lr=None)
    torch.save(
        dict(model=dict(w=torch.ones(2)), args=options), tmp_path / 'a.pth')
    assert read_file(tmp_path / 'a.pth')['args'] == options
    trace = tmp_path / 'trace'
    options.hook = Hostile(trace)
    torch.save(
        dict(model=dict(w=torch.ones(2)), args=options), tmp_path / 'b.pth')
    with pytest.raises(ValueError, match=f'is refused: .*{SWITCH}=1'):
        read_file(tmp_path / 'b.pth')
    assert not trace.exists()


def test_the_switch(hostile, monkeypatch):
    """One switch, torch's own, says that files are trusted."""
    path, trace = hostile
    monkeypatch.setenv(SWITCH, '1')
    assert set(read_checkpoint(path).tensors) == {'weight'}
    assert trace.exists()


def test_a_hostile_archive_does_not_run(tmp_path):
    """Nor does a pickle that calls itself a TorchScript archive."""
    trace = tmp_path / 'trace'
    with zipfile.ZipFile(tmp_path / 'a.pt', 'w') as archive:
        archive.writestr('a/constants.pkl', pickle.dumps(()))
        archive.writestr('a/data.pkl', pickle.dumps(Hostile(trace)))
    with pytest.raises(ValueError, match='mkdir; this one is refused'):
        read_file(tmp_path / 'a.pt')
    assert not trace.exists()


def test_a_hostile_array_does_not_run(tmp_path):
    trace = tmp_path / 'trace'
    np.savez(tmp_path / 'a.npz', a=np.array([Hostile(trace)], dtype=object))
    with pytest.raises(ValueError, match='allow_pickle'):
        read_file(tmp_path / 'a.npz')
    assert not trace.exists()


class _Scripted(torch.nn.Module):
    """Everything a module may hold beside weights."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(3, 2)
        self.sizes = [1, 2]
        self.scale = 0.5
        self.register_buffer('mask', torch.arange(6).view(2, 3).T)
        self.low = torch.nn.Parameter(torch.randn(2).half())
        self.part = torch.nn.Parameter(torch.randn(10)[3:7])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.scale


def test_torchscript(tmp_path):
    """Dtypes, strides and offsets as torch itself reads them."""
    path = tmp_path / 'a.pt'
    torch.jit.script(_Scripted()).save(path)
    wanted = torch.jit.load(path).state_dict()
    content = read_file(path)
    assert content.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert content[name].dtype == tensor.dtype
        assert torch.equal(content[name], tensor), name


def test_older_torch_files(tmp_path):
    """MAE's and others' were written before torch's files were archives."""
    torch.save(
        dict(model=dict(w=torch.arange(3))),
        tmp_path / 'a.pth',
        _use_new_zipfile_serialization=False)
    assert read_checkpoint(str(tmp_path /
                               'a.pth')).tensors['w'].tolist() == [0, 1, 2]


def test_safetensors_of_others(tmp_path):
    save_file(dict(w=torch.arange(3)), tmp_path / 'any-name')
    content = read_file(tmp_path / 'any-name')
    assert content['meta'] == {}
    assert torch.equal(content['state_dict']['w'], torch.arange(3))


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_what_is_written_is_read(suffix, tmp_path):
    shared = torch.randn(3, 2)
    checkpoint = dict(
        meta=dict(epoch=2, classes=['a', 'b'], nothing=None),
        state_dict={
            'a.w': shared,
            'b.w': shared,
            'c': shared.T,
            'd': torch.tensor(3)
        },
        backbone={'a.w': torch.zeros(0)})
    write_checkpoint(checkpoint, tmp_path / f'x{suffix}')
    content = read_file(tmp_path / f'x{suffix}')
    assert content['meta'] == checkpoint['meta']
    assert content.keys() == checkpoint.keys()
    for part in ('state_dict', 'backbone'):
        assert content[part].keys() == checkpoint[part].keys()
        for name, tensor in checkpoint[part].items():
            assert torch.equal(content[part][name], tensor)


def test_addresses(tmp_path, monkeypatch):
    """Two files of one name are two files, and the second look is local."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    for folder, value in (('a', 1.), ('b', 2.)):
        (tmp_path / folder).mkdir()
        save_file(
            dict(w=torch.tensor(value)),
            tmp_path / folder / 'model.safetensors')

    class Quiet(http.server.SimpleHTTPRequestHandler):

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0),
            functools.partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}/'
        urls = [f'{address}{f}/model.safetensors' for f in 'ab']
        assert [read_checkpoint(url).tensors['w'].item()
                for url in urls] == [1., 2.]
        server.shutdown()
    assert read_checkpoint(urls[1]).tensors['w'] == 2.
    # MMEngine's own reading of checkpoints finds it, too.
    content = CheckpointLoader.load_checkpoint(urls[0], map_location='cpu')
    assert content['state_dict']['w'] == 1.


@pytest.mark.parametrize('shared', [True, False])
def test_every_machine_downloads_once(tmp_path, shared):
    """Two machines of one process each, with caches of their own or one."""
    save_file(dict(w=torch.ones(2)), tmp_path / 'model.safetensors')
    asked = []

    class Counting(http.server.SimpleHTTPRequestHandler):

        def log_message(self, *args):
            asked.append(args)

    def machine(url, folder, launcher):
        rank = os.environ['RANK']
        os.environ['LOCAL_RANK'] = '0'
        os.environ['TORCH_HOME'] = str(folder / ('0' if shared else rank))
        init_dist(launcher)
        assert read_checkpoint(url).tensors['w'].tolist() == [1., 1.]

    with http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0),
            functools.partial(Counting, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://127.0.0.1:{server.server_port}/model.safetensors'
        assert engine_runs.together(url, tmp_path, machine) == [0, 0]
        server.shutdown()
    assert len(asked) == (1 if shared else 2)


def saved(path):
    """A file of some tensors, in the form that the name tells."""
    tensors = dict(a=torch.randn(1000), b=torch.randn(500))
    if path.suffix == '.safetensors':
        save_file(tensors, path)
    elif path.suffix == '.npz':
        np.savez(path, **{k: v.numpy() for k, v in tensors.items()})
    elif path.suffix == '.pt':
        torch.jit.script(_Scripted()).save(path)
    else:
        torch.save(
            tensors,
            path,
            _use_new_zipfile_serialization=path.stem != 'legacy')
    return path.read_bytes()


@pytest.mark.parametrize('share', [0., 0.05, 0.3, 0.7, 0.99, 0.9999])
@pytest.mark.parametrize('name', [
    'archive.pth', 'legacy.pth', 'script.pt', 'arrays.npz', 'safe.safetensors'
])
def test_a_truncated_file_is_called_so(tmp_path, name, share):
    content = saved(tmp_path / name)
    (tmp_path / name).write_bytes(content[:int(share * len(content))])
    with pytest.raises(ValueError, match=f'{name} is truncated'):
        read_checkpoint(str(tmp_path / name))


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing.pth'):
        read_checkpoint(str(tmp_path / 'nothing.pth'))


def test_no_weights(tmp_path):
    (tmp_path / 'a.pth').write_text('version https://git-lfs.github.com/spec')
    with pytest.raises(ValueError, match='a.pth holds no weights'):
        read_checkpoint(str(tmp_path / 'a.pth'))


def in_parts(folder, tensors, stem='pytorch_model', suffix='bin'):
    """Two files and their index, as Hugging Face cuts large models."""
    names = sorted(tensors)
    parts = {f'{stem}-{i}-of-2.{suffix}': names[i::2] for i in range(2)}
    save = save_file if suffix == 'safetensors' else torch.save
    for file, held in parts.items():
        save({n: tensors[n] for n in held}, folder / file)
    places = {n: file for file, held in parts.items() for n in held}
    (folder / f'{stem}.{suffix}.index.json').write_text(
        json.dumps(dict(metadata={}, weight_map=places)))
    return [folder / file for file in parts]


@pytest.mark.parametrize('kind', [('pytorch_model', 'bin'),
                                  ('model', 'safetensors')])
def test_parts(tmp_path, kind):
    tensors = {n: torch.randn(2, 3) for n in 'abc'}
    first, last = in_parts(tmp_path, tensors, *kind)
    (tmp_path / 'config.json').write_text('{"hidden_size": 3}')
    index = tmp_path / '{}.{}.index.json'.format(*kind)
    for checkpoint in (tmp_path, index):
        read = read_checkpoint(str(checkpoint))
        assert read.config == dict(hidden_size=3)
        assert read.tensors.keys() == tensors.keys()
        for name, tensor in tensors.items():
            torch.testing.assert_close(read.tensors[name], tensor)
    last.write_bytes(first.read_bytes())
    with pytest.raises(
            ValueError, match=f'{last.name} has not the tensors.*'
            'a, b, c'):
        read_checkpoint(str(tmp_path))
    last.unlink()
    with pytest.raises(FileNotFoundError, match=last.name):
        read_checkpoint(str(tmp_path))
    index.unlink()
    with pytest.raises(FileNotFoundError, match='looked for model.safetens'):
        read_checkpoint(str(tmp_path))


def test_hub(hub, tmp_path):
    """The client of the hub itself, with a hub of its own."""
    pytest.importorskip('timm')
    with pytest.raises(ValueError, match='repository has none of model.safe'):
        read_checkpoint('hf-hub:someone/model')
    tensors = {n: torch.randn(2, 3) for n in 'abc'}
    in_parts(tmp_path / 'hub', tensors)
    (tmp_path / 'hub' / 'config.json').write_text('{"hidden_size": 3}')
    name = 'vit_base_patch16_dinov3.lvd1689m'
    for checkpoint in (f'hf-hub:timm/{name}', f'timm:{name}'):
        read = read_checkpoint(checkpoint)
        assert read.config == dict(hidden_size=3)
        assert read.tensors.keys() == tensors.keys()
        assert all(torch.equal(t, tensors[n]) for n, t in read.tensors.items())
    assert sorted(hub) == [  # once
        (f'timm/{name}', file)
        for file in ('config.json', 'pytorch_model-0-of-2.bin',
                     'pytorch_model-1-of-2.bin',
                     'pytorch_model.bin.index.json')
    ]
    with pytest.raises(ValueError, match='timm .* publishes no weights'):
        read_checkpoint('timm:vit_of_tomorrow')


@pytest.mark.parametrize('owner, why', [('nobody', 'Repository Not Found'),
                                        ('gated', 'Cannot access gated repo')])
def test_what_the_hub_does_not_give(owner, why, hub):
    with pytest.raises(
            ValueError, match=f'{owner}/model cannot be fetched.*{why}'):
        read_checkpoint(f'hf-hub:{owner}/model')


def test_no_network(monkeypatch):
    hub = pytest.importorskip('huggingface_hub')
    monkeypatch.setattr(hub.constants, 'HF_HUB_OFFLINE', True)
    with pytest.raises(
            ValueError,
            match='config.json of https://.*/someone/model cannot be fetched'
            '.*copy its files into a folder'):
        read_checkpoint('hf-hub:someone/model')
