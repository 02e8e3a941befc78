"""Transcoding keeps every frame and makes seeking short."""
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import helpers
import numpy as np
import pytest
import videos

from mmdualpath.datasets import transcoding

tool = helpers.load_tool('data/transcode.py')
FRAMES = 21
SETTINGS = dict(format='h264', short_side=32, keyframes=4, quality=23)


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
    frames = list(transcoding.frames_of(path))
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
    assert files == {
        'wide.mp4', 'deep/tall.mp4', 'failed.txt', 'settings.json'
    }
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


def test_every_frame_by_itself(folder, capsys):
    """Motion JPEG has the frames and their colours, each a keyframe."""
    out = folder / 'out'
    assert run(folder, '--format', 'mjpeg', '--quality', '2') == 0
    before, _ = read(folder / 'in/wide.mp4')
    after, keys = read(out / 'wide.mp4')
    assert all(keys) and len(after) == FRAMES
    with av.open(str(out / 'wide.mp4')) as video:
        assert video.streams.video[0].codec_context.name == 'mjpeg'
    for one, other in zip(before, after):
        small = cv2.resize(one, (64, 32), interpolation=cv2.INTER_AREA)
        assert abs(small.astype(int) - other).mean() < 6
        assert abs(small.mean() - other.mean()) < 1


def test_samples_tell_what_to_expect(folder, capsys):
    """Of two videos one is timed, and both are counted."""
    assert run(folder, '--samples', '1') == 0
    lines = capsys.readouterr().out.splitlines()
    assert any('16 frames of 1 videos, measured' in line for line in lines)
    predicted = next(line for line in lines if 'predicted' in line)
    assert predicted.startswith('All 2 videos') and 'clips/s' in predicted
    assert lines[-1].startswith('2 of 2 videos are there')
    assert run(folder, '--samples', '1') == 0  # nothing is left to be done
    assert 'predicted' not in capsys.readouterr().out


def test_turned_videos_are_turned(folder):
    path = folder / 'in' / 'wide.mp4'
    plain, _ = read(path)
    path.write_bytes(videos.rotate(path, path, 64).read_bytes())
    assert run(folder) == 0
    after, _ = read(folder / 'out' / 'wide.mp4')
    assert after[0].shape == (64, 32, 3)
    for one, other in zip(plain, after):
        small = cv2.resize(
            np.rot90(one, -1), (32, 64), interpolation=cv2.INTER_AREA)
        assert abs(small.astype(int) - other).mean() < 10


def test_a_folder_is_made_in_one_way(folder):
    assert run(folder) == 0
    with pytest.raises(ValueError, match="begun with.*'h264'.*'mjpeg'"):
        run(folder, '--format', 'mjpeg')


def test_a_killed_run_leaves_no_half_videos(folder):
    """What has the name of a video is whole; the run goes on behind it."""
    for number in range(6):
        write(folder / 'in' / f'{number}.mp4', 320, 240, 60)
    script, out = Path(tool.__file__), folder / 'out'
    command = [
        sys.executable, script, folder / 'in', out, '--short-side', '32',
        '--samples', '1', '--workers', '1'
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not list(out.rglob('*.part')) and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert all(
        len(read(path)[0]) in (FRAMES, 60) for path in out.rglob('*.mp4'))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert len(list(out.rglob('*.mp4'))) == 8
    assert not list(out.rglob('*.part'))


@pytest.mark.parametrize(
    'args', [['--quality', '52'], ['--format', 'mjpeg', '--quality', '1'],
             ['--short-side', '0']])
def test_wrong_arguments(folder, args):
    with pytest.raises(SystemExit):
        run(folder, *args)


def test_it_goes_on_and_names_what_fails(folder, capsys):
    (folder / 'in' / 'noise.mp4').write_bytes(b'noise' * 100)
    assert run(folder) == 1
    first = (folder / 'out' / 'wide.mp4')
    made = first.stat().st_mtime_ns
    (folder / 'out' / 'deep' / 'tall.mp4').unlink()
    assert run(folder) == 1
    assert first.stat().st_mtime_ns == made
    assert (folder / 'out' / 'deep' / 'tall.mp4').is_file()
    assert not list((folder / 'out').rglob('*noise*'))
    assert 'noise.mp4' in (folder / 'out' / 'failed.txt').read_text()
    assert 'noise.mp4: ' in capsys.readouterr().out


def test_a_short_result_is_no_result(folder, monkeypatch):
    monkeypatch.setattr(transcoding, 'count_frames', lambda path: FRAMES - 1)
    with pytest.raises(ValueError, match=f'{FRAMES} frames went in, 20 came'):
        transcoding.transcode(folder / 'in/wide.mp4', folder / 'out/wide.mp4',
                              SETTINGS)
    assert not list((folder / 'out').iterdir())


@pytest.mark.parametrize('size, short_side, expected', [
    ((340, 256), 256, (340, 256)),
    ((1920, 1080), 256, (456, 256)),
    ((240, 320), 256, (240, 320)),
    ((33, 65), 20, (20, 40)),
])
def test_size(size, short_side, expected):
    assert transcoding.target_size(*size, short_side) == expected


def test_wrong_folders(tmp_path):
    (tmp_path / 'in').mkdir()
    with pytest.raises(ValueError, match='no videos'):
        run(tmp_path)
    for name in ('a.avi', 'a.mkv'):
        (tmp_path / 'in' / name).touch()
    with pytest.raises(ValueError, match='one file: .*a.mp4'):
        run(tmp_path)
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path / 'in'), str(tmp_path / 'in')])
