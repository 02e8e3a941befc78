"""What upstream breaks works, and nothing else is changed."""
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import ROOT
from mmengine.logging import HistoryBuffer, MessageHub

from mmdualpath import compat

# All that the import changes in torch, mmengine, mmcv, mmaction, mmpretrain.
CHANGES = {
    'mmaction.models.localizers.drn':
    'the wheel lacks it, and mmaction.models imports it',
    'mmaction.models.localizers.drn.drn.DRN':
    'the same',
    'torch._weights_only_unpickler._marked_safe_globals_set':
    "checkpoints of MMEngine load with torch's weights_only=True",
    'mmengine.runner.checkpoint.CheckpointLoader._schemes':
    'load_from and --resume read safetensors, and refuse by name',
}
# With transformers 5, of which these packages import names that are gone.
OPTIONAL = {
    'mmaction.utils.dependency.WITH_MULTIMODAL',
    'mmpretrain.utils.dependency.WITH_MULTIMODAL'
}
# Only names are added to these: they are there for that.
REGISTRIES = {
    'mmengine.HOOKS', 'mmengine.DATA_SAMPLERS',
    'mmengine.OPTIM_WRAPPER_CONSTRUCTORS', 'mmengine.fileio.io.backends',
    'mmaction.models.MODELS', 'mmaction.registry.HOOKS',
    'mmaction.registry.DATASETS', 'mmaction.registry.TRANSFORMS'
}


def test_import_changes_what_is_listed_and_nothing_else():
    output = subprocess.run([
        sys.executable, '-W', 'ignore', ROOT / 'tests' / 'import_changes.py',
        ROOT / 'mmdualpath'
    ],
                            env=dict(os.environ, PYTHONPATH=str(ROOT)),
                            stdout=subprocess.PIPE,
                            check=True).stdout
    changes = json.loads(output.splitlines()[-1])
    assert set(changes) - OPTIONAL == set(CHANGES) | REGISTRIES
    for name in REGISTRIES:
        assert all(new for _, new in changes[name].items()), name


@pytest.mark.parametrize('release, mended', [(None, True), ('99', False)])
def test_later_releases_are_left_alone(monkeypatch, release, mended):
    """Each is mended up to the release that is installed here."""
    done = []
    monkeypatch.setattr(
        compat, 'MENDED',
        tuple((lambda i=i: done.append(i), *rest)
              for i, (_, *rest) in enumerate(compat.MENDED)))
    if release:
        monkeypatch.setattr(compat, 'version', lambda package: release)
    compat.apply.__wrapped__()
    assert done == (list(range(len(compat.MENDED))) if mended else [])


@pytest.mark.parametrize('release, expected', [('1.2.0', True),
                                               ('1.1.9+cpu', True),
                                               ('1.2.1', False),
                                               ('1.3.0rc1', False)])
def test_releases_are_compared(monkeypatch, release, expected):
    monkeypatch.setattr(compat, 'version', lambda package: release)
    assert compat._at_most('mmaction2', '1.2.0') == expected


def test_stock_registry_imports_without_the_missing_module():
    from mmaction.models.localizers import DRN
    if not hasattr(DRN, 'forward'):
        with pytest.raises(ImportError, match='install mmaction2 from source'):
            DRN()


def test_a_message_hub_survives_weights_only(tmp_path):
    """What MMEngine's own checkpoints hold besides tensors."""
    buffer = HistoryBuffer([1.5, 2.5, 4.], [1, 1, 2])
    hub = MessageHub.get_instance('test_compat')
    hub.update_scalar('train/loss', np.float64(0.25))
    hub.update_info('iter', 7)
    path = tmp_path / 'checkpoint.pth'
    torch.save(
        dict(
            buffer=buffer,
            hub=hub.state_dict(),
            arrays=[np.arange(3),
                    np.float32(1),
                    np.array([True])]), path)
    got = torch.load(path, weights_only=True)
    assert got['buffer'].mean() == buffer.mean() == 2.
    assert got['buffer'].statistics('max') == 4.
    assert got['hub']['runtime_info']['iter'] == 7
    assert got['arrays'][0].tolist() == [0, 1, 2]


class Hostile:

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), 'w')


class Attribute:
    """Asks for an attribute that is not one of HistoryBuffer's four."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


@pytest.mark.parametrize('make', [Hostile, lambda _: Attribute()])
def test_hostile_pickles_do_not_run(tmp_path, make):
    target = tmp_path / 'written'
    path = tmp_path / 'hostile.pth'
    torch.save(dict(state_dict=make(target)), path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    assert not target.exists()


def test_drop_probabilities_become_floats():
    module = torch.nn.Dropout(0.5)
    module.drop_prob = np.float64(0.25)
    compat.float_drop_probs(module)
    assert type(module.drop_prob) is float and module.drop_prob == 0.25


def test_import_says_what_to_install_without_mmcv(tmp_path):
    code = ('import importlib.util as u; find = u.find_spec\n'
            'u.find_spec = lambda n, *a: None if n == "mmcv" else find(n, *a)'
            '\nimport mmdualpath')
    result = subprocess.run([sys.executable, '-c', code],
                            capture_output=True,
                            text=True)
    assert result.returncode == 1
    assert 'mmcv-lite' in result.stderr.splitlines()[-1]
