"""Video files, intact and broken in every way a scraped one can be."""
import struct
from fractions import Fraction
from pathlib import Path
from typing import Sequence

import av
import numpy as np

HEIGHT, WIDTH = 32, 64


def noise(count: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Smooth random frames ``(count, H, W, 3)``, no two alike."""
    draw = np.random.default_rng(count)
    cells = draw.integers(0, 256, (count, -(-height // 8), -(-width // 8), 3))
    frames = cells.repeat(8, 1).repeat(8, 2)[:, :height, :width]
    return np.ascontiguousarray(frames, np.uint8)


def write(path: Path,
          count: int = 16,
          height: int = HEIGHT,
          width: int = WIDTH,
          codec: str = 'libx264',
          pix_fmt: str = 'yuv420p',
          milliseconds: Sequence[int] = (),
          first: int = 0,
          **container: str) -> Path:
    """Encode noise; ``milliseconds`` or ``first`` set the frames' times."""
    rate = 1000 if milliseconds else 8
    with av.open(str(path), 'w', options=container) as video:
        stream = video.add_stream(codec, rate=8)
        stream.width, stream.height = width, height
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, rate)
        for i, image in enumerate(noise(count, height, width)):
            frame = av.VideoFrame.from_ndarray(image)
            frame.pts = milliseconds[i] if milliseconds else first + i
            frame.time_base = Fraction(1, rate)
            video.mux(stream.encode(frame))
        video.mux(stream.encode())
    return path


def cut(path: Path, share: float, source: Path) -> Path:
    """The beginning of another file."""
    content = source.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])
    return path


def write_audio(path: Path) -> Path:
    """A second of silence."""
    with av.open(str(path), 'w') as file:
        stream = file.add_stream('aac', rate=16000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 16000), np.float32), format='fltp', layout='mono')
        frame.rate = 16000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def rotate(path: Path, source: Path, height: int = HEIGHT) -> Path:
    """An MP4 whose header asks the player to turn it by 90 degrees."""
    content = bytearray(source.read_bytes())
    matrix = content.find(b'tkhd') + 4 + 40  # behind version, times, layers
    content[matrix:matrix + 36] = struct.pack('>9i', 0, 65536, 0, -65536, 0, 0,
                                              height * 65536, 0, 1 << 30)
    path.write_bytes(content)
    return path


def change_size(path: Path) -> Path:
    """A transport stream that goes from 64x32 to 128x96 pixels midway."""
    parts = (write(path.with_suffix('.1.ts')),
             write(path.with_suffix('.2.ts'), height=96, width=128, first=16))
    path.write_bytes(b''.join(p.read_bytes() for p in parts))
    for part in parts:
        part.unlink()
    return path


def unreadable(folder: Path) -> dict:
    """Videos that cannot be read, by what is wrong with them."""
    good = write(folder / 'source.mp4')
    header_first = write(folder / 'source2.mp4', movflags='faststart')
    paths = {
        'zero bytes': folder / 'zero.mp4',
        'a web page': folder / 'page.mp4',
        'noise': folder / 'noise.mp4',
        'no such file': folder / 'missing.mp4',
        'a folder': folder / 'folder.mp4',
        'truncated': cut(folder / 'half.mp4', 0.5, good),
        'truncated behind the header': cut(folder / 'half2.mp4', 0.6,
                                           header_first),
        'audio only': write_audio(folder / 'audio.mp4'),
        'unicode': folder / 'vidéo 視頻 кино.mp4',
    }
    paths['zero bytes'].touch()
    paths['a web page'].write_text('<html>404</html>')
    paths['noise'].write_bytes(np.random.default_rng(0).bytes(5000))
    paths['a folder'].mkdir()
    paths['unicode'].write_bytes(b'nothing')
    good.unlink()
    header_first.unlink()
    return paths


def unusual(folder: Path) -> dict:
    """Videos that can be read, by what is unusual: path, frames, size."""
    size = (HEIGHT, WIDTH)
    good = write(folder / 'source.mp4')
    long = write(folder / 'source.mkv', count=64)
    long_avi = write(folder / 'source.avi', count=64, codec='mpeg4')
    suffix = folder / 'wrong.txt'
    suffix.write_bytes(good.read_bytes())
    times = [0, 9, 20, 500, 510, 2000, 2010, 2020, 2030, 3000, 3001, 3002]
    videos = {
        'one frame': (write(folder / 'one.mp4', 1), 1, size),
        'fewer frames than T': (write(folder / 'three.mp4', 3), 3, size),
        'wrong suffix': (suffix, 16, size),
        'variable frame rate':
        (write(folder / 'vfr.mp4', 12, milliseconds=times), 12, size),
        'rotated': (rotate(folder / 'turned.mp4', good), 16, size[::-1]),
        'odd size':
        (write(folder / 'odd.mp4', height=33, width=47,
               pix_fmt='yuv444p'), 16, (33, 47)),
        'odd size, 4:2:0':
        (write(folder / 'odd.avi', height=33, width=47,
               codec='mpeg4'), 16, (33, 47)),
        '4:4:4': (write(folder / '444.mp4', pix_fmt='yuv444p'), 16, size),
        '10 bits': (write(folder / '10.mp4', pix_fmt='yuv420p10le'), 16, size),
        'unicode and spaces':
        (write(folder / 'vidéo, déjà vu 視頻.mp4'), 16, size),
        'size changes': (change_size(folder / 'change.ts'), 32, size),
        'truncated mkv': (cut(folder / 'half.mkv', 0.5, long), None, size),
        'truncated avi': (cut(folder / 'half.avi', 0.5, long_avi), None, size),
    }
    for source in (good, long, long_avi):
        source.unlink()
    return videos
