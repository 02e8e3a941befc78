"""The reader against FFmpeg decoding everything, from beginning to end."""
import importlib.util
import random
import struct
from fractions import Fraction
from pathlib import Path
from typing import List

import av
import numpy as np
import pytest
import videos
from av.bitstream import BitStreamFilterContext

from mmdualpath.datasets.reader import VideoReader

COUNT, HEIGHT, WIDTH = 60, 48, 64
DRAW = np.random.default_rng(0)
TEXTURE = DRAW.integers(0, 256, (40, 80, 3), np.uint8).repeat(4,
                                                              0).repeat(4, 1)
TIMES = DRAW.integers(5, 200, COUNT).cumsum().tolist()
X265 = 'log-level=none:pools=none:frame-threads=1:keyint=15'
RENDERINGS = {
    'B frames': ('mp4', 'libx264', {
        'bf': '3',
        'b-pyramid': 'none',
        'g': '12',
        'sc_threshold': '0'
    }),
    'B pyramid': ('mp4', 'libx264', {
        'bf': '5',
        'b-pyramid': 'normal',
        'refs': '5',
        'g': '30'
    }),
    'no B frames': ('mp4', 'libx264', dict(tune='zerolatency', g='12')),
    'open groups': ('mp4', 'libx264', {
        'x264-params': 'open-gop=1:keyint=12:bframes=3:scenecut=0'
    }),
    'open groups, transport stream': ('ts', 'libx264', {
        'x264-params':
        'open-gop=1:keyint=12:bframes=3:scenecut=0'
    }),
    'intra refresh': ('mkv', 'libx264', {
        'x264-params': 'intra-refresh=1:keyint=12:bframes=2'
    }),
    'slices': ('mp4', 'libx264', dict(slices='3', g='20')),
    'interlaced': ('ts', 'libx264', {
        'x264-params': 'interlaced=1:tff=1:keyint=20'
    }),
    'no container': ('h264', 'libx264', dict(bf='3', g='12')),
    'H.264 in AVI': ('avi', 'libx264', dict(bf='3', g='12')),
    'variable rate': ('mp4', 'libx264', dict(g='20')),
    'variable rate, Matroska': ('mkv', 'libx264', dict(g='20')),
    '10 bits': ('mp4', 'libx264', dict(g='20')),
    '4:4:4': ('mp4', 'libx264', dict(g='20')),
    'HEVC, open groups': ('mp4', 'libx265', {
        'x265-params': X265 + ':open-gop=1:bframes=4'
    }),
    'HEVC, closed groups': ('mkv', 'libx265', {
        'x265-params': X265 + ':open-gop=0:bframes=4'
    }),
    'HEVC, transport stream': ('ts', 'libx265', {
        'x265-params': X265 + ':open-gop=1:bframes=4'
    }),
    'HEVC in layers': ('mp4', 'libx265', {
        'x265-params':
        X265 + ':temporal-layers=3:bframes=3:b-adapt=0'
    }),
    'VP9': ('webm', 'libvpx-vp9', {
        'g': '20',
        'auto-alt-ref': '1',
        'lag-in-frames': '12',
        'cpu-used': '5',
        'deadline': 'realtime'
    }),
    'VP9, odd size': ('webm', 'libvpx-vp9', {
        'g': '20',
        'cpu-used': '8',
        'deadline': 'realtime'
    }),
    'VP8, hidden frames': ('webm', 'libvpx', {
        'g': '30',
        'auto-alt-ref': '1',
        'lag-in-frames': '12'
    }),
    'AV1': ('mp4', 'libsvtav1', {
        'g': '20',
        'preset': '12',
        'svtav1-params': 'lp=1'
    }),
    'MPEG-4': ('mp4', 'mpeg4', dict(bf='2', g='12')),
    'MPEG-4, transport stream': ('ts', 'mpeg4', dict(bf='2', g='12')),
    'MPEG-4, AVI': ('avi', 'mpeg4', dict(bf='2', g='12')),
    'MPEG-2': ('mpg', 'mpeg2video', dict(bf='2', g='12')),
    'H.263': ('avi', 'h263', dict(g='12')),
    'Motion JPEG': ('avi', 'mjpeg', {}),
    'ProRes': ('mov', 'prores_ks', {}),
    'FFV1': ('mkv', 'ffv1', dict(g='10')),
}
FORMATS = {
    '10 bits': 'yuv420p10le',
    '4:4:4': 'yuv444p',
    'Motion JPEG': 'yuvj420p',
    'ProRes': 'yuv422p10le'
}
# decord is wrong where it begins at an open group or what it takes for a
# keyframe, where it knows no times, has fields or higher bit depths.
AS_DECORD = ('B frames', 'B pyramid', 'no B frames', 'slices', 'variable rate',
             'variable rate, Matroska', '4:4:4', 'HEVC, closed groups', 'VP9',
             'VP8, hidden frames', 'Motion JPEG')


def image(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A texture that moves, a scene cut now and then."""
    y, x = int(20 + 15 * np.sin(number / 5)), 3 * number % 200
    frame = TEXTURE[y:y + height, x:x + width].copy()
    return 255 - frame if number % 37 > 30 else frame


def write(path: Path,
          codec: str,
          options: dict,
          pix_fmt: str = 'yuv420p',
          height: int = HEIGHT,
          width: int = WIDTH,
          times: List[int] = ()) -> Path:
    """Encode ``COUNT`` images, at some milliseconds or 25 a second."""
    rate = Fraction(1, 1000 if times else 25)
    with av.open(str(path), 'w') as video:
        stream = video.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.thread_count = 1
        if times:
            stream.codec_context.time_base = rate
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(image(number, height, width))
            frame.pts = times[number] if times else number
            frame.time_base = rate
            video.mux(stream.encode(frame))
        video.mux(stream.encode())
    return path


def decode(path: Path) -> List[np.ndarray]:
    """All frames, as FFmpeg gives them one after the other."""
    frames = []
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        for packet in video.demux(stream):
            try:
                frames += packet.decode()
            except av.error.InvalidDataError:
                pass
    return [
        f.to_ndarray(
            format='rgb24',
            width=width,
            height=height,
            interpolation='BICUBIC') for f in frames
    ]


@pytest.fixture(scope='module')
def rendered(tmp_path_factory):
    """Renders on demand, each once."""
    folder, known = tmp_path_factory.mktemp('rendered'), {}

    def render(name: str) -> Path:
        if name not in known:
            ending, codec, options = RENDERINGS[name]
            size = {}
            if 'odd' in name:
                size = dict(height=47, width=63)
            if codec == 'h263':
                size = dict(height=96, width=128)
            known[name] = write(
                folder / f'{len(known)}.{ending}',
                codec,
                options,
                FORMATS.get(name, 'yuv420p'),
                times=TIMES if 'variable' in name else (),
                **size)
        return known[name]

    return render


class Forgetful(VideoReader):
    """Keeps neither packets nor frames, as with large files."""
    KEPT = 0


def assert_exact(reader: VideoReader, expected: List[np.ndarray]) -> None:
    """Whatever frames are asked for, sorted or not, repeated or not."""
    assert len(reader) == len(expected)
    for seed in range(8):
        draw = random.Random(seed)
        count = draw.choice([1, 2, 3, 16, 40])
        chosen = [draw.randrange(len(expected)) for _ in range(count)]
        if seed % 2:
            chosen.sort()
        got = reader.get_batch(chosen)
        assert got.dtype == np.uint8
        assert np.array_equal(got, [expected[i] for i in chosen]), chosen


@pytest.mark.parametrize('name', RENDERINGS)
def test_frames_are_those_of_decoding_everything(rendered, name):
    path = rendered(name)
    expected = decode(path)
    assert len(expected) == COUNT
    for reader in (VideoReader(path), VideoReader(path, num_threads=2),
                   Forgetful(path), VideoReader(path.read_bytes())):
        assert_exact(reader, expected)


@pytest.mark.parametrize('name', AS_DECORD)
def test_frames_are_those_of_decord(rendered, name):
    decord = pytest.importorskip('decord')
    path = rendered(name)
    theirs, ours = decord.VideoReader(str(path)), VideoReader(path)
    assert len(ours) == len(theirs) == COUNT
    assert ours.get_avg_fps() == pytest.approx(theirs.get_avg_fps())
    chosen = [3, 50, 17, 17, 59, 0]
    assert np.array_equal(
        ours.get_batch(chosen),
        theirs.get_batch(chosen).asnumpy())


def decoded(path: Path, chosen: List[int]) -> int:
    """How many frames are decoded to get some."""
    reader, count = VideoReader(path), 0
    frames = reader._decode

    def counted(*args):
        nonlocal count
        for item in frames(*args):
            count += 1
            yield item

    reader._decode = counted
    reader.get_batch(chosen)
    return count


def test_little_is_decoded(rendered):
    """Not what nothing refers to, and no group without a wanted frame."""
    path = rendered('B frames')  # groups of 12
    with av.open(str(path)) as video:
        kinds = ['?IPB'[f.pict_type] for f in video.decode(video=0)]
    assert kinds[0] == kinds[36] == 'I' and kinds.count('B') > 20
    assert decoded(path, [0]) == decoded(path, [36]) == 1
    assert decoded(path, [0, 36]) == 2
    last = max(i for i in range(60) if kinds[i] == 'P')
    first = max(i for i in range(last) if kinds[i] == 'I')
    assert decoded(path,
                   [last]) == last - first + 1 - kinds[first:last].count('B')
    assert decoded(rendered('Motion JPEG'), [40, 7]) == 2
    # where nothing is proved, all is decoded once and kept
    assert decoded(rendered('H.264 in AVI'), [40, 7]) == 0


def pack(path: Path) -> Path:
    """An AVI file as DivX writes them: B frames ride with what they need."""
    plain = write(path.with_suffix('.mp4'), 'mpeg4', dict(bf='2', g='24'))
    empty = b'\0\0\1\xb6\x50\x4f'  # a frame that is not coded
    with av.open(str(plain)) as source, av.open(str(path), 'w') as target:
        stream = source.streams.video[0]
        extra = BitStreamFilterContext('dump_extra', stream)
        packets = [
            bytes(new) for packet in source.demux(stream)
            for new in extra.filter(packet if packet.size else None)
        ]
        out = target.add_stream_from_template(stream)
        # "p" says that frames are packed
        packets[0] = b'\0\0\1\xb2DivX503b1393p' + packets[0]
        kinds = ['IPBS'[p[p.find(b'\0\0\1\xb6') + 4] >> 6] for p in packets]
        chunks, at = [], 0
        while at < len(packets):
            run = at + 1
            while run < len(packets) and kinds[run] == 'B':
                run += 1
            between = packets[at + 1:run]
            chunks.append(packets[at] + b''.join(between[:1]))
            chunks += between[1:] + [empty] * bool(between)
            at = run
        for number, chunk in enumerate(chunks):
            packet = av.Packet(chunk)
            packet.pts = packet.dts = number
            packet.time_base = Fraction(1, 25)
            packet.is_keyframe = number == 0
            packet.stream = out
            target.mux(packet)
    return path


def test_packed_frames(tmp_path):
    """Two frames in a packet, none in the next, and no times."""
    path = pack(tmp_path / 'packed.avi')
    expected = decode(path)
    assert np.array_equal(expected, decode(tmp_path / 'packed.mp4'))
    for reader in (VideoReader(path), Forgetful(path)):
        assert not reader._frames  # its order is known without decoding
        assert_exact(reader, expected)


def test_edit_list(tmp_path):
    """Frames that a file keeps but does not show do not count."""
    path = write(tmp_path / 'all.mp4', 'libx264', dict(bf='2', g='15'))
    everything = decode(path)
    content = bytearray(path.read_bytes())
    at = content.find(b'elst') + 12
    length, time = struct.unpack('>Ii', content[at:at + 8])
    for hidden in (1, 7, 20):
        content[at:at + 8] = struct.pack('>Ii', length - 40 * hidden,
                                         time + 512 * hidden)
        path.write_bytes(content)
        for reader in (VideoReader(path), Forgetful(path)):
            assert_exact(reader, everything[hidden:])


@pytest.mark.parametrize('matrix', [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1),
                                    (-1, 0, 0, -1),
                                    (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0),
                                    (0, -1, -1, 0)])
def test_orientation(tmp_path, matrix):
    """Every pixel is where the file's matrix takes it."""
    height, width = 64, 96  # decord turns no widths that 32 does not divide
    path = write(
        tmp_path / 'a.mp4',
        'libx264',
        dict(g='20'),
        height=height,
        width=width)
    plain = decode(path)[5]
    content = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    at = content.find(b'tkhd') + 4 + 40
    content[at:at + 36] = struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    y, x = np.mgrid[:height, :width]
    # the matrix takes (x, y) to (a x + c y, b x + d y), up to a shift
    to_x = matrix[0] * x + matrix[2] * y
    to_y = matrix[1] * x + matrix[3] * y
    to_x, to_y = to_x - to_x.min(), to_y - to_y.min()
    expected = np.empty((to_y.max() + 1, to_x.max() + 1, 3), np.uint8)
    expected[to_y, to_x] = plain
    got = VideoReader(path)[5]
    assert np.array_equal(got, expected)
    if importlib.util.find_spec('decord') and matrix in ((0, 1, -1, 0),
                                                         (-1, 0, 0, -1),
                                                         (0, -1, 1, 0)):
        import decord
        assert np.array_equal(
            decord.VideoReader(str(path)).get_batch([5]).asnumpy(), [expected])


def test_unusual_videos(tmp_path):
    """As many frames as FFmpeg shows, all of the first one's size."""
    for case, (path, count, size) in videos.unusual(tmp_path).items():
        reader = VideoReader(path)
        expected = decode(path)
        if case == 'rotated':
            expected = list(np.rot90(expected, -1, axes=(1, 2)))
        assert count in (None, len(reader)), case
        assert expected[0].shape[:2] == size
        assert_exact(reader, expected)


def test_what_is_no_video(tmp_path):
    for case, path in videos.unreadable(tmp_path).items():
        with pytest.raises(ValueError, match=path.name) as error:
            VideoReader(path)
        assert len(str(error.value).splitlines()) == 1, case
    with pytest.raises(ValueError, match='the video cannot be read'):
        VideoReader(b'nothing')


def test_lost_frames_repeat_the_one_before(rendered, tmp_path):
    """And what does not depend on them is as it was."""
    source = rendered('Motion JPEG')
    expected = decode(source)
    content = source.read_bytes()
    starts = [
        i for i in range(len(content)) if content[i:i + 3] == b'\xff\xd8\xff'
    ]
    assert len(starts) == COUNT
    for lost in (20, 21):
        content = content[:starts[lost]] + bytes(300) + content[starts[lost] +
                                                                300:]
    path = tmp_path / 'damaged.avi'
    path.write_bytes(content)
    got = VideoReader(path).get_batch([19, 20, 21, 22, 59])
    assert np.array_equal(got, [expected[i] for i in (19, 19, 19, 22, 59)])


@pytest.mark.parametrize(
    'name', ['B pyramid', 'HEVC, open groups', 'VP9', 'AV1', 'MPEG-4, AVI'])
def test_damaged_videos(rendered, tmp_path, name):
    """They are read or refused by name; nothing crashes or hangs."""
    content = rendered(name).read_bytes()
    path = tmp_path / rendered(name).name
    outcomes = set()
    for seed in range(24):
        draw, damaged = random.Random(seed), bytearray(content)
        if seed % 3 == 0:
            del damaged[draw.randrange(len(content)):]
        elif seed % 3 == 1:
            for _ in range(draw.choice([1, 10, 100])):
                damaged[draw.randrange(len(content))] = draw.randrange(256)
        else:
            at = draw.randrange(len(content))
            damaged[at:at + 500] = bytes(len(damaged[at:at + 500]))
        path.write_bytes(damaged)
        try:
            reader = VideoReader(path, num_threads=1 + seed % 2)
            chosen = np.linspace(0, len(reader) - 1, 8).astype(int)
            assert len(reader.get_batch(chosen)) == 8
            outcomes.add(True)
        except ValueError as error:
            assert path.name in str(error)
            outcomes.add(False)
    assert True in outcomes


@pytest.mark.parametrize('name', ['B frames', 'Motion JPEG'])
def test_scaled_while_converted(rendered, name):
    """The same frames, smaller; never larger."""
    path = rendered(name)
    small = VideoReader(path, short_side=24).get_batch([7, 30])
    assert small.shape == (2, 24, 32, 3)
    halves = np.stack(decode(path)).reshape(COUNT, 24, 2, 32, 2, 3)
    halves = halves.mean((2, 4))
    for number, frame in zip((7, 30), small):
        assert abs(halves - frame).mean((1, 2, 3)).argmin() == number
    assert VideoReader(path, short_side=480)[0].shape == (HEIGHT, WIDTH, 3)


def test_numbers(rendered):
    reader = VideoReader(rendered('B frames'))
    assert reader.get_avg_fps() == 25
    assert np.array_equal(reader[-1], reader[COUNT - 1])
    assert reader.get_batch([]).shape == (0, HEIGHT, WIDTH, 3)
    frames = reader.get_batch(np.array([4]))
    assert type(frames.asnumpy()) is np.ndarray
    for number in (COUNT, -COUNT - 1):
        with pytest.raises(IndexError, match=f'no frame {number}'):
            reader.get_batch([0, number])


@pytest.mark.parametrize('options, message', [
    (dict(num_threads=-1), 'num_threads=-1'),
    (dict(short_side=0), 'short_side=0'),
])
def test_wrong_options(rendered, options, message):
    with pytest.raises(ValueError, match=message):
        VideoReader(rendered('B frames'), **options)
