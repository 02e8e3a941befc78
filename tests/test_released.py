"""The model that comes with the package does what its card says."""
import hashlib
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml
from mmaction.apis import inference_recognizer, init_recognizer
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.runner import Runner

import mmdualpath
from mmdualpath.models.weights import read_checkpoint, read_file

ROOT = Path(__file__).parents[1]
RELEASED = Path(mmdualpath.__file__).parent / 'released'
CONFIG = ROOT / 'configs/dualpath_vit-mini_digits.py'
ZEROI2V = ROOT / 'configs/miniature/zeroi2v_vit-mini_digits.py'
NAME = 'mmdualpath://dualpath_vit-mini_digits.pth'
ACCURACY = json.loads(
    (ROOT /
     'docs/benchmarks/deploy-onnx.json').read_text())['rows']['eager']['top-1']


def tool(name):
    spec = importlib.util.spec_from_file_location(
        Path(name).stem, ROOT / f'tools/{name}.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its processes find its functions there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    """The test videos of the quickstart, rendered anew, and some others."""
    root = tmp_path_factory.mktemp('digits')
    tool('data/render_digits').main(
        [str(root), '--train-videos', '160', '--images', '0'])
    return root


def on(digits, cfg):
    """A config that reads these videos, in this process."""
    for split in ('train', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(
            ann_file=str(digits / f'{split}.txt'),
            data_prefix=dict(video=str(digits / split)))
    return cfg


@pytest.mark.slow
def test_accuracy(digits, tmp_path):
    """Stock testing gives what is published, to four of 800 videos."""
    cfg = on(digits, Config.fromfile(CONFIG))
    cfg.work_dir, cfg.load_from = str(tmp_path), NAME
    top1 = Runner.from_cfg(cfg).test()['acc/top1']
    assert 100 * top1 == pytest.approx(ACCURACY, abs=0.5)


@pytest.mark.slow
def test_a_folded_model_answers_the_same(digits, tmp_path):
    """Trained for a moment, by stock training, and on every test video."""
    cfg = on(digits, Config.fromfile(ZEROI2V))
    cfg.update(
        work_dir=str(tmp_path / 'run'), val_cfg=None, val_dataloader=None)
    cfg.pop('val_evaluator')
    cfg.train_cfg = dict(by_epoch=True, max_epochs=2)
    cfg.param_scheduler = []
    Runner.from_cfg(cfg).train()
    checkpoint = str(tmp_path / 'run/epoch_2.pth')
    folded = tmp_path / 'folded.py'
    tool('merge_model').main(
        ['fold',
         str(ZEROI2V), checkpoint,
         str(folded.with_suffix('.pth'))])

    scores = []
    for config, file in ((ZEROI2V, checkpoint), (folded,
                                                 folded.with_suffix('.pth'))):
        cfg = on(digits, Config.fromfile(config))
        dumped = tmp_path / f'{config.stem}.pkl'
        cfg.update(work_dir=str(tmp_path / 'test'), load_from=str(file))
        cfg.test_evaluator = dict(
            type='DumpResults', out_file_path=str(dumped))
        Runner.from_cfg(cfg).test()
        results = load(dumped)
        scores.append(torch.stack([r['pred_score'] for r in results]))
    trained, found = scores
    assert len(trained) == 800 and trained.std() > 0.01
    torch.testing.assert_close(found, trained, rtol=1e-4, atol=1e-5)
    assert torch.equal(found.argmax(1), trained.argmax(1))


def test_samples():
    labels = (RELEASED / 'labels.txt').read_text().split('\n')
    model = init_recognizer(str(CONFIG), NAME, device='cpu')
    videos = sorted(RELEASED.glob('*.mp4'))
    assert len(videos) == 3
    for video in videos:
        scores = inference_recognizer(model, str(video)).pred_score
        assert labels[scores.argmax()] == video.stem


def test_its_own_config_finds_everything():
    """Without a checkout too."""
    cfg = Config.fromstring(
        read_file(RELEASED / NAME[13:])['meta']['cfg'], '.py')
    model = init_recognizer(cfg, NAME, device='cpu')
    ours = init_recognizer(str(CONFIG), NAME, device='cpu')
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def test_card():
    """It names the files by their content, and the index says the same."""
    card = (RELEASED / 'README.md').read_text()
    for path in RELEASED.glob('*.pth'):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f'`{path.name}`' in card and digest in card
    entry, = [
        m
        for m in yaml.safe_load((ROOT /
                                 'configs/metafile.yml').read_text())['Models']
        if m['Name'] == CONFIG.stem
    ]
    result, = entry['Results']
    assert result['Metrics']['Top 1 Accuracy'] == round(ACCURACY, 2)
    assert (ROOT / entry['Weights']).is_file()


def test_another_name_is_refused():
    with pytest.raises(
            ValueError, match=r'mmdualpath://x.pth.*only .*vit-mini'):
        read_checkpoint('mmdualpath://x.pth')
    for text in re.findall(r'mmdualpath://[\w.-]+\.pth',
                           (ROOT / 'README.md').read_text()):
        assert read_checkpoint(text).tensors
