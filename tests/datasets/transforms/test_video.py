"""Videos in a pipeline, with and without the libraries that read them."""
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import videos
from mmaction.registry import TRANSFORMS
from mmcv.transforms import Compose
from mmengine.fileio import BaseStorageBackend, register_backend

from mmdualpath.datasets.decoding import (DECODERS, choose_decoder, open_video)

SAMPLE = dict(type='SampleFrames', clip_len=4, frame_interval=2, num_clips=2)


def needs(decoder: str) -> None:
    """Skip the test unless the decoder can be imported."""
    pytest.importorskip(DECODERS[decoder][0], exc_type=Exception)
    if decoder == 'torchcodec':
        pytest.importorskip('torchcodec.decoders', exc_type=Exception)


def run(path, *read):
    steps = [TRANSFORMS.build(s) for s in (read[0], SAMPLE, read[1])]
    return Compose(steps)(
        dict(filename=str(path), label=0, start_index=0, modality='RGB'))


@pytest.mark.parametrize('decoder', ['auto', 'pyav', 'decord', 'torchcodec'])
@pytest.mark.parametrize('decode', ['VideoDecode', 'DecordDecode'])
def test_it_stands_where_decord_stands(tmp_path, decoder, decode):
    """The same keys and the same frames; either half may be MMAction2's."""
    if decoder != 'auto':
        needs(decoder)
    path = videos.write(tmp_path / 'a.mp4', height=64, width=96)
    np.random.seed(0)
    got = run(path, dict(type='VideoInit', decoder=decoder), dict(type=decode))
    expected = open_video(path, 'pyav').get_batch(got['frame_inds'])
    assert np.array_equal(got['imgs'], expected)
    assert got['img_shape'] == got['original_shape'] == (64, 96)
    assert got['video_reader'] is None
    assert (got['total_frames'], got['avg_fps']) == (16, 8)
    if decoder == 'decord':
        np.random.seed(0)
        stock = run(path, dict(type='DecordInit'), dict(type='DecordDecode'))
        assert set(stock) == set(got)
        assert np.array_equal(stock['imgs'], got['imgs'])


@pytest.mark.parametrize('decoder', ['pyav', 'decord', 'torchcodec'])
def test_a_video_that_is_not_on_disk(tmp_path, decoder):
    """Its bytes come from whatever backend MMEngine knows."""
    needs(decoder)
    path = videos.write(tmp_path / 'a.mp4')

    @register_backend('shelf', force=True)
    class Shelf(BaseStorageBackend):

        def __init__(self, where):
            self.where = Path(where)

        def get(self, filepath):
            return (self.where / filepath).read_bytes()

        def get_text(self, filepath):
            raise NotImplementedError

    results = []
    for name, options in ((path, {}),
                          ('a.mp4',
                           dict(io_backend='shelf', where=str(tmp_path)))):
        np.random.seed(0)
        results.append(
            run(name, dict(type='VideoInit', decoder=decoder, **options),
                dict(type='VideoDecode'))['imgs'])
    assert np.array_equal(*results)


def test_one_frame_and_names_without_ending(tmp_path):
    videos.write(tmp_path / 'one.mp4', 1)
    results = TRANSFORMS.build(dict(type='VideoInit'))(
        dict(filename=str(tmp_path / 'one')))
    results['frame_inds'] = np.zeros((1, 1), int)
    results = TRANSFORMS.build(dict(type='VideoDecode'))(results)
    assert len(results['imgs']) == 1
    with pytest.raises(ValueError, match='two.mp4 is not a file'):
        TRANSFORMS.build(dict(type='VideoInit'))(
            dict(filename=str(tmp_path / 'two')))


def test_scaling(tmp_path):
    path = videos.write(tmp_path / 'a.mp4', height=64, width=96)
    got = run(path, dict(type='VideoInit', short_side=32),
              dict(type='VideoDecode'))
    assert got['img_shape'] == (32, 48)


def test_only_our_reader_scales(tmp_path):
    needs('decord')
    path = videos.write(tmp_path / 'a.mp4')
    with pytest.raises(ValueError, match='short_side=32 needs.*pyav'):
        open_video(path, 'decord', short_side=32)


def test_the_first_that_is_installed_is_chosen(monkeypatch):
    assert choose_decoder() == 'pyav'
    monkeypatch.setitem(sys.modules, 'av', None)
    monkeypatch.setitem(sys.modules, 'decord', None)
    monkeypatch.setitem(sys.modules, 'torchcodec', None)
    with pytest.raises(ValueError, match="'auto' needs pyav or decord"):
        choose_decoder()
    for name in ('decord', 'torchcodec', 'torchcodec-cuda'):
        with pytest.raises(ValueError, match=f"'{name}' needs .*installed"):
            TRANSFORMS.build(dict(type='VideoInit', decoder=name))
    with pytest.raises(ValueError, match="decoder='cv2' is none of auto, py"):
        TRANSFORMS.build(dict(type='VideoInit', decoder='cv2'))


def test_without_decord(tmp_path):
    """The package imports and reads where decord has no wheel."""
    path = videos.write(tmp_path / 'a.mp4')
    (tmp_path / 'list.txt').write_text('a.mp4 1\nmissing.mp4 0\n')
    code = f'''
import sys
from pathlib import Path
sys.modules['decord'] = None
import mmdualpath
from mmaction.registry import DATASETS
from mmengine.registry import init_default_scope
init_default_scope('mmaction')
dataset = DATASETS.build(dict(
    type='ReliableVideoDataset', ann_file=r'{tmp_path / 'list.txt'}',
    data_prefix=dict(video=r'{tmp_path}'), test_mode=True, max_bad_share=1,
    unreadable='wrong', pipeline=[
        dict(type='VideoInit'),
        dict(type='UniformSample', clip_len=8, test_mode=True),
        dict(type='VideoDecode'), dict(type='Resize', scale=(-1, 32)),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs')]))
print([tuple(dataset[i]['inputs'].shape) for i in range(2)])
'''
    done = subprocess.run([sys.executable, '-c', code],
                          check=True,
                          capture_output=True,
                          text=True)
    assert '(1, 3, 8, 32, 64)' in done.stdout, done.stderr
    assert path.is_file()
