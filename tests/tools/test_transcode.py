"""Transcoding keeps every frame and makes seeking short."""
import subprocess
import sys
from pathlib import Path

import av
import cv2
import helpers
import numpy as np
import pytest

tool = helpers.load_tool('data/transcode.py')
FRAMES = 21


def write(path: Path, width: int, height: int, frames: int = FRAMES) -> None:
    """A video of smooth gradients that move, one keyframe in all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:height, :width]
    with av.open(str(path), 'w') as video:
        stream = video.add_stream('mpeg4', rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        stream.bit_rate, stream.gop_size = 4_000_000, 300
        for i in range(frames):
            image = np.stack([
                127 + 100 * np.sin(x / 9 + i / 3), 127 + 100 * np.cos(y / 7),
                np.full(x.shape, 12 * i)
            ], -1)
            frame = av.VideoFrame.from_ndarray(image.astype(np.uint8))
            video.mux(stream.encode(frame))
        video.mux(stream.encode())


def read(path: Path):
    frames = list(tool.frames_of(path))
    images = [f.to_ndarray(format='rgb24') for f in frames]
    return images, [bool(f.key_frame) for f in frames]


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path / 'in' / 'wide.mp4', 128, 64)
    write(tmp_path / 'in' / 'deep' / 'tall.avi', 34, 66)
    (tmp_path / 'in' / 'list.txt').write_text('no video')
    return tmp_path


def run(folder: Path, *args: str) -> int:
    return tool.main([
        str(folder / 'in'),
        str(folder / 'out'), '--short-side', '32', '--keyframes', '4',
        '--workers', '1', *args
    ])


def test_folder(folder):
    out = folder / 'out'
    script = Path(tool.__file__)
    ran = subprocess.run([
        sys.executable, script, folder / 'in', out, '--short-side', '32',
        '--keyframes', '4', '--workers', '2'
    ],
                         check=True,
                         capture_output=True,
                         text=True)
    assert 'wide.mp4: ' in ran.stdout and 'times as fast' in ran.stdout
    files = {str(p.relative_to(out)) for p in out.rglob('*') if p.is_file()}
    assert files == {'wide.mp4', 'deep/tall.mp4', 'failed.txt'}
    for name, source, size in (('wide.mp4', 'wide.mp4', (64, 32)),
                               ('deep/tall.mp4', 'deep/tall.avi', (32, 62))):
        before, _ = read(folder / 'in' / source)
        after, keys = read(out / name)
        assert len(after) == len(before) == FRAMES
        assert keys == [i % 4 == 0 for i in range(FRAMES)]
        scaled = np.stack([
            cv2.resize(b, size, interpolation=cv2.INTER_AREA) for b in before
        ])
        for i, image in enumerate(after):
            apart = np.abs(scaled - image.astype(int)).mean((1, 2, 3))
            assert apart.argmin() == i and apart[i] < 10


def test_it_goes_on_and_names_what_fails(folder, capsys):
    (folder / 'in' / 'noise.mp4').write_bytes(b'noise' * 100)
    assert run(folder, '--measure', '0') == 1
    first = (folder / 'out' / 'wide.mp4')
    made = first.stat().st_mtime_ns
    (folder / 'out' / 'deep' / 'tall.mp4').unlink()
    assert run(folder, '--measure', '0') == 1
    assert first.stat().st_mtime_ns == made
    assert (folder / 'out' / 'deep' / 'tall.mp4').is_file()
    assert not list((folder / 'out').rglob('*noise*'))
    assert 'noise.mp4' in (folder / 'out' / 'failed.txt').read_text()
    assert 'noise.mp4: ' in capsys.readouterr().out


def test_a_short_result_is_no_result(folder, monkeypatch):
    monkeypatch.setattr(tool, 'count_frames', lambda path: FRAMES - 1)
    with pytest.raises(ValueError, match=f'{FRAMES} frames went in, 20 came'):
        tool.transcode(folder / 'in/wide.mp4', folder / 'out/wide.mp4', 32, 4,
                       23)
    assert not list((folder / 'out').iterdir())


@pytest.mark.parametrize('size, short_side, expected', [
    ((340, 256), 256, (340, 256)),
    ((1920, 1080), 256, (456, 256)),
    ((240, 320), 256, (240, 320)),
    ((33, 65), 20, (20, 40)),
])
def test_size(size, short_side, expected):
    assert tool.target_size(*size, short_side) == expected


def test_wrong_folders(tmp_path):
    (tmp_path / 'in').mkdir()
    with pytest.raises(ValueError, match='no video '):
        run(tmp_path)
    for name in ('a.avi', 'a.mkv'):
        (tmp_path / 'in' / name).touch()
    with pytest.raises(ValueError, match='one file: .*a.mp4'):
        run(tmp_path)
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path / 'in'), str(tmp_path / 'in')])
