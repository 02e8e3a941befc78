"""Frames of a video by number, exactly, and no more decoded than needed.

All packets of a video are read first, which is cheap and tells in which order
their frames are shown and where decoding may begin. Then a group of pictures
without a wanted frame is not decoded at all, in the others what nothing refers
to is left out unless it is wanted, and only what is wanted is converted and
copied. Where a file does not prove that this is safe, everything is decoded.
"""
import io
import math
import os
import re
from bisect import bisect_right
from contextlib import contextmanager
from itertools import chain, dropwhile, islice
from pathlib import Path
from typing import (Collection, Dict, Iterator, List, NamedTuple, Optional,
                    Sequence, Tuple, Union)

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.video.reformatter import VideoReformatter

# Containers that store when a frame is shown; in others it is a guess.
TIMED = {'mov', 'matroska', 'mpegts', 'flv'}
# Codecs that show frames in the order of their packets, one each.
INTRA = {'mjpeg', 'prores', 'dnxhd', 'dvvideo', 'jpeg2000', 'png', 'rawvideo'}
# Codecs with a frame a packet that may be shown in another order.
ORDERED = {'h264', 'hevc', 'mpeg4', 'vp8', 'vp9', 'av1'}
# Of these FFmpeg's decoders leave out what nothing refers to, when asked.
SKIPPING = {'h264', 'hevc', 'mpeg4'}


class Frames(np.ndarray):
    """An array of frames that decoding transforms read like decord's."""

    def asnumpy(self) -> np.ndarray:
        """``(n, H, W, 3)``, the same as a plain array."""
        return self.view(np.ndarray)


class _Packet(NamedTuple):
    """What is noted of a packet.

    Attributes:
        pts: When its frame is shown, in the stream's own time.
        dts: When it is decoded.
        size: Its bytes.
        starts: Whether decoding may begin with it.
        shown: Whether it holds a frame that is shown.
        kind: Of MPEG-4, I, P, B or S; '?' is one to be wary of.
    """
    pts: Optional[int]
    dts: Optional[int]
    size: int
    starts: bool
    shown: bool
    kind: str


class VideoReader:
    """Frames of a video by their number in the order in which they are shown.

    The frames are those that FFmpeg decodes from beginning to end, as RGB,
    turned as the file asks for, and scaled to the size of the first one should
    it change. One too damaged to be decoded is the one in front of it, which
    players would go on to show.

    Args:
        video: A file, or its content.
        num_threads: Threads that decode; 0 takes as many as there are cores.
        short_side: Pixels of the shorter side, to which frames are scaled
            while they are converted. None leaves them as they are, which
            alone is exact; smaller frames are never enlarged.

    Raises:
        ValueError: If it is no video that can be read.

    Examples:
        >>> reader = VideoReader('demo.mp4')
        >>> frames = reader.get_batch([0, len(reader) // 2])  # (2, H, W, 3)
    """

    KEPT = 64 << 20  # bytes of packets, or of frames, that stay in memory

    def __init__(self,
                 video: Union[str, Path, bytes],
                 num_threads: int = 1,
                 short_side: Optional[int] = None) -> None:
        if short_side is not None and short_side < 1:
            raise ValueError(f'short_side={short_side} must be positive.')
        if num_threads < 0:
            raise ValueError(f'num_threads={num_threads} is negative.')
        self._video = video
        self._reformatter = VideoReformatter()
        self._frames: Dict[int, av.VideoFrame] = {}
        with self._named_errors():
            self._open()
            context = self._stream.codec_context
            context.thread_count = num_threads
            context.thread_type = 'NONE' if num_threads == 1 else 'AUTO'
            self._context = context
            self._codec = context.codec.canonical_name
            self._depth = context.reorder_depth
            # FFmpeg's own rate where a file does not tell
            self._fps = float(self._stream.average_rate
                              or self._stream.guessed_rate or 25)
            size = context.width, context.height
            if not min(size):
                raise ValueError(f'{self._name} tells no size of its frames.')
            scale = min(1., (short_side or min(size)) / min(size))
            self._size = tuple(max(1, round(scale * side)) for side in size)
            if self._codec == 'mjpeg' and scale <= 0.5:
                # it decodes halves, quarters and eighths at less cost
                context.options = dict(
                    lowres=str(min(3, math.floor(-math.log2(scale)))))
            self._note_packets()
            self._order, self._rank = self._find_order()
        if self._packets is not None:
            self._container.close()

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> Frames:
        return self.get_batch([index])[0]

    def get_avg_fps(self) -> float:
        """Mean frames per second."""
        return self._fps

    def get_batch(self, indices: Sequence[int]) -> Frames:
        """Frames ``(n, H, W, 3)`` of some numbers, in any order.

        Raises:
            IndexError: If there is no frame of a number.
            ValueError: If no frame can be decoded.
        """
        places: Dict[int, List[int]] = {}
        for place, index in enumerate(indices):
            if not -len(self) <= index < len(self):
                raise IndexError(f'There is no frame {index} in {self._name}, '
                                 f'which has {len(self)}.')
            places.setdefault(self._order[index], []).append(place)
        batch = None
        with self._named_errors():
            for number, frame in self._read(places):
                image = self._image(frame)
                if batch is None:
                    shape = (sum(map(len, places.values())), *image.shape)
                    batch = np.empty(shape, np.uint8)
                for place in places[number]:
                    batch[place] = image
        if batch is None:
            batch = np.empty((0, *self._size[::-1], 3), np.uint8)
        return batch.view(Frames)

    @property
    def _name(self) -> str:
        return 'the video' if isinstance(self._video, bytes) else str(
            self._video)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except av.error.FFmpegError as error:
            raise ValueError(f'{self._name} cannot be read: '
                             f'{error.strerror}.') from error

    def _open(self) -> None:
        source = io.BytesIO(self._video) if isinstance(
            self._video, bytes) else os.path.abspath(self._video)
        self._container = open_container(source)
        self._stream = self._container.streams.best('video')
        if self._stream is None or self._stream.codec_context is None:
            raise ValueError(f'{self._name} holds no video that FFmpeg reads.')

    def _demux(self) -> Iterator[av.Packet]:
        """Packets from where the container stands."""
        if self._codec != 'mpeg4':
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield packet
            return
        # AVI files may hold two frames in a packet and none in the next
        unpack = BitStreamFilterContext('mpeg4_unpack_bframes', self._stream)
        for packet in self._container.demux(self._stream):
            yield from unpack.filter(packet if packet.size else None)

    def _note_packets(self) -> None:
        """Look at every packet, and keep them unless they are many."""
        extra = self._context.extradata or b''
        prefix = 0  # bytes of a length in front of H.264's and HEVC's units
        if extra[:1] == b'\1' and len(extra) > 21:
            prefix = (extra[4 if self._codec == 'h264' else 21] & 3) + 1
        self._packets: Optional[List[av.Packet]] = []
        self._notes: List[_Packet] = []
        self._plain = True  # nothing asks for decoding everything
        self._skips = self._codec in SKIPPING
        total = 0
        for packet in self._demux():
            data, kind = memoryview(packet), ''
            starts = packet.is_keyframe and self._codec in INTRA | ORDERED
            shown = not packet.is_discard
            if self._codec == 'h264':
                starts = starts and _starts_h264(data, prefix)
            elif self._codec == 'hevc':
                units = [u for u in _units(data, prefix) if u[0] >> 1 < 32]
                starts = starts and any(16 <= u[0] >> 1 < 22 for u in units)
                # what looks unused may be used by a higher temporal layer
                self._skips &= all(u[1] & 7 == 1 for u in units)
            elif self._codec == 'mpeg4':
                kind = _kind_of_mpeg4(data)
                starts = kind == 'I'
            elif self._codec in ('vp8', 'vp9'):
                shown = shown and _shown_vpx(self._codec, data)
            self._plain &= not packet.is_corrupt
            self._notes.append(
                _Packet(packet.pts, packet.dts, packet.size, starts, shown,
                        kind))
            total += packet.size
            if total > self.KEPT:
                self._packets = None
            if self._packets is not None:
                packet.pts = len(self._packets)
                self._packets.append(packet)
        if not self._notes:
            raise ValueError(f'There are no frames in {self._name}.')
        # An MP4 file tells in its header what has to be there.
        if 'mov' in self._container.format.name.split(','):
            told = len(self._stream.index_entries)
            if told > len(self._notes):
                told = sum(e.size > 0 for e in self._stream.index_entries)
            if told > len(self._notes):
                raise ValueError(f'{self._name} ends behind frame '
                                 f'{len(self._notes)} of {told}.')

    def _find_order(self) -> Tuple[List[int], List[Optional[int]]]:
        """Numbers of the packets as they are shown, and the place of each."""
        notes = self._notes
        shown = [n for n, note in enumerate(notes) if note.shown]
        ranks: List[Optional[int]] = list(range(len(notes)))
        if self._codec in INTRA:
            return shown, ranks
        if self._codec == 'mpeg4' and notes[0].starts and all(
                note.kind in 'IPSB' for note in notes):
            # B is shown at once, others when the next one comes
            order, held = [], []
            for number, note in enumerate(notes):
                if note.kind == 'B':
                    order.append(number)
                else:
                    order += held
                    held = [number]
            order += held
            for place, number in enumerate(order):
                ranks[number] = place
            return [n for n in order if notes[n].shown], ranks
        if self._is_timed():
            ranks = [note.pts for note in notes]
            return sorted(shown, key=ranks.__getitem__), ranks
        return self._decode_order()

    def _is_timed(self) -> bool:
        """Whether the times of the packets tell the order of the frames."""
        formats = self._container.format.name.split(',')
        pts = [note.pts for note in self._notes]
        dts = [note.dts for note in self._notes if note.dts is not None]
        return (self._codec in ORDERED - {'mpeg4'}
                and not TIMED.isdisjoint(formats) and self._plain
                and None not in pts and len(set(pts)) == len(pts)
                and all(a < b for a, b in zip(dts, dts[1:]))
                and self._notes[0].starts and pts[0] == min(pts)
                # two fields may be two packets; PyAV tells from version 18 on
                and (self._codec != 'h264'
                     or getattr(self._context, 'field_order', 0) <= 1))

    def _decode_order(self) -> Tuple[List[int], List[Optional[int]]]:
        """The order in which frames come when everything is decoded."""
        order, ranks, total = [], [None] * len(self._notes), 0
        keeping = True
        for number, frame in self._decode(0, len(self._notes)):
            if ranks[number] is None:
                ranks[number] = len(order)
                order.append(number)
                total += sum(plane.buffer_size for plane in frame.planes)
                keeping = keeping and total <= self.KEPT
                if keeping:
                    self._frames[number] = frame
        if not order:
            raise ValueError(f'No frame of {self._name} can be decoded.')
        if not keeping:
            self._frames.clear()
        return order, ranks

    def _read(self,
              wanted: Collection[int]) -> Iterator[Tuple[int, av.VideoFrame]]:
        """Decoded frames of some packets."""
        if self._frames:
            yield from ((n, self._frames[n]) for n in wanted)
            return
        missing = set(wanted)
        for start, stop in self._runs(wanted):
            for number, frame in self._decode(start, stop, wanted):
                if number in missing and not frame.is_corrupt:
                    missing.remove(number)
                    yield number, frame
        # What did not come or is damaged: everything is decoded, and a frame
        # that still does not come is the one in front of it.
        waiting = sorted(missing, key=self._rank.__getitem__, reverse=True)
        last = None
        if waiting:
            for number, frame in self._decode(0, len(self._notes)):
                rank = self._rank[number]
                while waiting and rank is not None \
                        and self._rank[waiting[-1]] <= rank:
                    lost = self._rank[waiting[-1]] < rank
                    yield waiting.pop(), last if lost and last else frame
                last = frame
        if waiting and last is None:
            raise ValueError(f'No frame of {self._name} can be decoded.')
        yield from ((number, last) for number in waiting)

    def _runs(self, wanted: Collection[int]) -> List[Tuple[int, int]]:
        """First packet and the one behind the last of what to decode."""
        starts = [
            n for n, note in enumerate(self._notes)
            if note.starts and self._rank[n] is not None
        ]
        runs: List[Tuple[int, int]] = []
        for number in sorted(wanted):
            at = bisect_right(starts, number) - 1
            # Frames shown before the one to begin with may need older ones.
            while at > 0 and self._rank[starts[at]] > self._rank[number]:
                at -= 1
            first = starts[at] if at >= 0 else 0
            if runs and first < runs[-1][1]:
                first = min(first, runs.pop()[0])
            runs.append((first, number + 1))
        return runs

    def _decode(
        self,
        start: int,
        stop: int,
        wanted: Optional[Collection[int]] = None
    ) -> Iterator[Tuple[int, av.VideoFrame]]:
        """Frames with the numbers of their packets, as they are shown.

        Args:
            start: The packet to begin with.
            stop: The one behind the last.
            wanted: Frames that are needed, by default all.
        """
        context = self._context
        context.flush_buffers()
        if self._codec == 'h264':
            context.reorder_depth = self._depth
        for packet in chain(islice(self._from(start), stop - start), [None]):
            if self._skips:
                needed = wanted is None or packet is None \
                    or packet.pts in wanted
                context.skip_frame = 'DEFAULT' if needed else 'NONREF'
            try:
                frames = context.decode(packet)
            except av.error.FFmpegError:
                continue  # what is lost is missed where it is wanted
            for frame in frames:
                if frame.pts is not None:  # it came out of no packet
                    yield frame.pts, frame

    def _from(self, start: int) -> Iterator[av.Packet]:
        """Packets from a number on; it takes the place of their time."""
        if self._packets is not None:
            yield from islice(self._packets, start, None)
            return
        note, packets = self._notes[start], iter(())
        time = note.pts if note.dts is None else note.dts
        if start and time is not None:
            self._container.seek(time, stream=self._stream)
            packets = dropwhile(lambda p: (p.pts, p.dts, p.size) != note[:3],
                                self._demux())
        first = next(packets, None)
        if first is None:  # the container does not find what it holds
            self._container.close()
            self._open()
            packets = islice(self._demux(), start, None)
        else:
            packets = chain([first], packets)
        for number, packet in enumerate(packets, start):
            packet.pts = number
            yield packet

    def _image(self, frame: av.VideoFrame) -> np.ndarray:
        """``(H, W, 3)``, in RGB and upright."""
        width, height = self._size
        # FFmpeg's default; without a change of size and with 8 bits it is not
        # used, and what decord computes comes out.
        rgb = self._reformatter.reformat(
            frame, width, height, 'rgb24', interpolation='BICUBIC', threads=1)
        plane = rgb.planes[0]
        image = np.frombuffer(plane, np.uint8).reshape(height, -1)
        image = image[:, :3 * width].reshape(height, width, 3)
        return upright(image, frame)


def open_container(source: Union[str, io.BytesIO]) -> InputContainer:
    """A file, whatever the encoding of what it says of itself."""
    if int(av.__version__.split('.')[0]) > 18:  # where it is the only way
        return av.open(source)
    return av.open(source, metadata_errors='replace')


def upright(image: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """Turn and mirror an image by quarters as its frame asks for.

    Args:
        image: ``(H, W, 3)``.
        frame: The frame that it was made from.

    Returns:
        ``(H, W, 3)`` or ``(W, H, 3)``, a view.
    """
    matrix = frame.side_data.get('DISPLAYMATRIX')
    if matrix is not None:
        # x' = a x + c y, y' = b x + d y
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5]
        if abs(b) > abs(a):
            image, a, d = image.swapaxes(0, 1), c, b
        image = image[::-1 if d < 0 else 1, ::-1 if a < 0 else 1]
    return image


def _units(data: memoryview, prefix: int) -> Iterator[memoryview]:
    """NAL units of H.264 and HEVC, each behind its length or a start code."""
    if not prefix:
        for found in re.finditer(b'\0\0\1', data):
            if found.end() + 1 < len(data):
                yield data[found.end():]
        return
    at = 0
    while at + prefix + 1 < len(data):
        size = int.from_bytes(data[at:at + prefix], 'big')
        unit = data[at + prefix:at + prefix + size]
        if len(unit) > 1:
            yield unit
        at += prefix + size


def _starts_h264(data: memoryview, prefix: int) -> bool:
    """Whether nothing behind a packet refers to what is in front of it."""
    for unit in _units(data, prefix):
        kind = unit[0] & 31
        if kind in (1, 5):  # a slice; only an IDR picture cuts all ties
            return kind == 5
        if kind == 6 and _is_recovery_point(unit):
            return True
    return False


def _is_recovery_point(unit: memoryview) -> bool:
    """Whether an SEI unit promises exact frames from its packet on."""
    content = bytes(unit[1:]).replace(b'\0\0\3', b'\0\0')
    while len(content) > 2:
        head = []  # type and size of a message, each a sum that 255 goes on
        for _ in range(2):
            rest = content.lstrip(b'\xff')
            head.append(255 * (len(content) - len(rest)) +
                        (rest[:1] or b'\0')[0])
            content = rest[1:]
        if head[0] == 6 and content:  # no frames to wait for, exact match
            return content[0] & 0xC0 == 0xC0
        content = content[head[1]:]
    return False


def _kind_of_mpeg4(data: memoryview) -> str:
    """I, P, S or B; '?' for what may be no frame at all."""
    at = bytes(data).find(b'\0\0\1\xb6')
    if at < 0 or len(data) < max(at + 5, 20):
        return '?'
    return 'IPBS'[data[at + 4] >> 6]


def _shown_vpx(codec: str, data: memoryview) -> bool:
    """Whether one of a packet's frames is shown."""
    if codec == 'vp8':
        return bool(data[0] & 0x10)
    if data[-1] & 0xe0 == 0xc0:  # several frames, of which one is shown
        return True
    shift = 0 if data[0] & 0x30 == 0x30 else 1  # profile 3 has a bit more
    return bool(data[0] >> shift & 0b101)  # an old frame, or this one
