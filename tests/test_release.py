"""A wheel carries configs, tools and the index, and works by itself."""
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from tiny_training import make_config, write_videos

from mmdualpath import __version__

ROOT = Path(__file__).parents[1]
METAFILES = sorted((ROOT / 'configs').rglob('metafile.yml'))


def left_out(folder: str, names: list) -> set:
    """What a checkout holds besides the source."""
    here = {
        '.git', '.venv', 'build', 'checkpoints', 'data', 'dist', 'shared',
        'work_dirs'
    } if Path(folder) == ROOT else set()
    return {
        n
        for n in names
        if n in here or n.endswith(('__pycache__', '_cache', '.egg-info'))
    }


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The wheel of a copy of the checkout, so that nothing is left in it."""
    folder = tmp_path_factory.mktemp('wheel')
    shutil.copytree(ROOT, folder / 'source', symlinks=True, ignore=left_out)
    # Where the wheel package is not installed, pip brings it along.
    isolation = ['--no-build-isolation'
                 ] if importlib.util.find_spec('wheel') else []
    subprocess.run([
        sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps',
        *isolation, '--wheel-dir', folder, folder / 'source'
    ],
                   check=True)
    return next(folder.glob('*.whl'))


def test_wheel_has_everything(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(
            next(n for n in names if n.endswith('/METADATA'))).decode()
    assert {'mmdualpath/py.typed',
            'mmdualpath/visualization/page.html'} <= set(names)
    released = ROOT / 'mmdualpath/released'
    assert {f'mmdualpath/released/{p.name}'
            for p in released.iterdir()} <= set(names)
    for line in ('Author: mmdualpath contributors',
                 'Project-URL: Paper, https://arxiv.org/abs/2303.09857'):
        assert line in metadata.splitlines()
    packed = {n for n in names if '/.mim/' in n}
    wanted = {'model-index.yml'}
    for folder, suffixes in (('configs', ('.py', '.yml')), ('tools', ('.py',
                                                                      '.sh'))):
        wanted |= {
            str(p.relative_to(ROOT))
            for p in (ROOT / folder).rglob('*')
            if p.suffix in suffixes and '__pycache__' not in p.parts
        }
    assert packed == {f'mmdualpath/.mim/{name}' for name in wanted}


@pytest.fixture(scope='module')
def site(wheel, tmp_path_factory):
    """A folder in which the wheel is installed."""
    site = tmp_path_factory.mktemp('site')
    subprocess.run([
        sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps',
        '--target', site, wheel
    ],
                   check=True)
    return site


@pytest.mark.slow
def test_installed_wheel_trains(site, tmp_path):
    """Its tools run a config of the user's, far from the checkout."""
    installed = site / 'mmdualpath' / '.mim'
    for config in (installed / 'configs').rglob('*.py'):
        if '_base_' not in config.parts:
            assert Config.fromfile(config).model

    here = tmp_path / 'here'
    here.mkdir()
    write_videos(here)
    make_config(here)
    result = subprocess.run([
        sys.executable, '-W', 'ignore', installed / 'tools' / 'train.py',
        'dualpath_tiny_noise.py', '--cfg-options', 'train_cfg.max_epochs=1'
    ],
                            cwd=here,
                            env=dict(os.environ, PYTHONPATH=str(site)),
                            capture_output=True,
                            text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert (here / 'work' / 'epoch_1.pth').is_file()


@pytest.mark.parametrize('base, first', [
    ("'mmdualpath::dualpath_vitb_ssv2'",
     'from mmdualpath.apis.programs import program'),
    ("__import__('mmdualpath').__path__[0] + "
     "'/.mim/configs/dualpath_vitb_ssv2.py'",
     'from contextlib import nullcontext as program'),
])
def test_bases_of_an_installed_wheel(site, tmp_path, base, first):
    """In our programs by name, with MMEngine alone as the page says."""
    page = (ROOT / 'docs/start.md').read_text()
    assert f'_base_ = {base}\n' in page
    (tmp_path / 'mine.py').write_text(
        f'_base_ = {base}\nmodel = dict(cls_head=dict(num_classes=12))\n')
    code = (f'{first}\n'
            'from mmengine.config import Config\n'
            'with program():\n'
            '    cfg = Config.fromfile("mine.py")\n'
            'print(cfg.model.type, cfg.model.cls_head.num_classes)\n')
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', code],
                            cwd=tmp_path,
                            env=dict(os.environ, PYTHONPATH=str(site)),
                            capture_output=True,
                            text=True)
    assert result.stdout.splitlines()[-1:] == ['DualPath 12'], result.stderr


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert cited['version'] == __version__
    assert cited['license'] == 'Apache-2.0'


def test_index_imports_every_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert index['Import'] == [str(p.relative_to(ROOT)) for p in METAFILES]


def test_every_config_is_in_a_metafile():
    """``mim`` finds them all; pretraining the miniature is no model of ours.
    """
    listed = [
        model['Config'] for metafile in METAFILES
        for model in yaml.safe_load(metafile.read_text())['Models']
    ]
    configs = {
        str(p.relative_to(ROOT))
        for p in (ROOT / 'configs').rglob('*.py')
        if '_base_' not in p.relative_to(ROOT).parts
        and not p.name.startswith('pretrain_')
    }
    assert sorted(listed) == sorted(configs)


@pytest.mark.parametrize('metafile', METAFILES, ids=lambda p: p.parent.name)
def test_metafile(metafile):
    """Configs exist, have the name they go by, and belong to a collection."""
    content = yaml.safe_load(metafile.read_text())
    collections = {c['Name'] for c in content['Collections']}
    assert all((ROOT / c['README']).is_file() for c in content['Collections'])
    names = [m['Name'] for m in content['Models']]
    assert len(names) == len(set(names))
    for model in content['Models']:
        assert (ROOT / model['Config']).parent == metafile.parent
        assert (ROOT / model['Config']).is_file()
        assert Path(model['Config']).stem == model['Name']
        assert model['In Collection'] in collections


def test_index_is_in_the_form_that_mim_reads():
    load = pytest.importorskip('modelindex.load_model_index').load
    index = load(str(ROOT / 'model-index.yml'))
    index.build_models_with_collections()
    assert 'dualpath_vitb_ssv2' in {m.name for m in index.models}
