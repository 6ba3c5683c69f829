"""Video files and pipes of encoded video as frames with their times, read with PyAV (extra ``[video]``)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from vos_tf.errors import IncompleteError, VosError
from vos_tf.media.frame_source import FrameSource, TimedFrame, timestamp
from vos_tf.media.images import RGBImage
from vos_tf.media.limits import check_pixels

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

DEFAULT_FRAME_RATE = Fraction(24)
SHORTEST_LOSS = Fraction(1, 4)
"""Seconds by which a file has to end before its time to count as truncated; players' clocks differ by less."""

# Containers that hold their video themselves. A playlist would make the decoder open whatever it names.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,gif,apng,h264,hevc,m4v,ivf,obu,av1,"
    "mjpeg,jpeg_pipe,png_pipe,yuv4mpegpipe,mxf,nut,dv,wtv"
)
_BUFFER = 1 << 18  # bytes
_PIPES = (
    "mp4 and mov can be piped only with their index in front (ffmpeg -movflags faststart), Matroska and MPEG-TS always"
)
_DAMAGED = "expected whole data, found damage"
_OPTIONS = {"protocol_whitelist": "none", "format_whitelist": _CONTAINERS}


class _Break(Exception):  # noqa: N818 - never leaves this module
    """The stream breaks off here: what was expected, and what was found."""


class VideoReader(FrameSource):
    """A video file, or encoded video that comes through a pipe.

    Frames have the times that the file gives them, so that a variable frame rate is kept; where it gives none, they
    are ``frame_rate`` apart. A turn that the file asks for (as telephones write it) is done.

    Args:
        path: The file; ``None``: the standard input.
        frame_rate: Instead of what the file says.

    Raises:
        VosError: PyAV is missing, or there is no video that can be decoded.
    """

    def __init__(self, path: Path | None, frame_rate: Fraction | None = None) -> None:
        check_video_reading()
        import av

        self._path = path
        self.label = "standard input" if path is None else str(path)
        self.name = "pipe" if path is None else path.resolve().stem.strip(".") or "video"
        self.lasting = path is not None
        container, stream = self._open()
        self._waiting: tuple[InputContainer, VideoStream] | None = (container, stream)
        self._given_rate = frame_rate
        self.frame_rate = frame_rate or stream.average_rate or stream.guessed_rate or DEFAULT_FRAME_RATE
        self._listed = stream.frames
        self.length = self._listed or None
        if self.length is None and container.duration and stream.average_rate:
            self.length = round(Fraction(container.duration, av.time_base) * stream.average_rate)

    def knows(self, frame: str) -> bool:
        """Whether there can be such a frame: never behind those that the file lists; any number where it lists none."""
        return frame.isdecimal() and (not self._listed or int(frame) < self._listed)

    def read(self) -> Iterator[TimedFrame]:
        """See `vos_tf.media.frame_source.FrameSource.read`."""
        container, stream = self._waiting or self._open()
        self._waiting = None
        last: TimedFrame | None = None
        count = 0
        try:
            with container:
                for frame in self._decode(container, stream):
                    last = self._timed(frame, count, stream, last)
                    count += 1
                    yield last
        except _Break as problem:
            if last is None:
                hint = "" if self.lasting else f"; {_PIPES}"
                raise VosError(f"{self.label}: {problem} before its first frame{hint}") from None
            raise IncompleteError(
                f"{self.label}: {problem} after frame {last.name} at {timestamp(last.time)}; the {count} frames up to "
                "there are done"
            ) from None

    def _open(self) -> tuple[InputContainer, VideoStream]:
        import av

        file = self._file()
        try:
            # A file that Python opened: no name of it, whatever it looks like, is taken for an address.
            container = av.open(file, "r", container_options=_OPTIONS, buffer_size=_BUFFER)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VosError(f"{self.label}: expected a video, found {_why_not(file, error)}") from None
        found = container.streams.best("video")
        if found is None:
            raise VosError(f"{self.label}: expected a video, found no picture in it")
        stream = cast("VideoStream", found)
        check_pixels((stream.codec_context.height, stream.codec_context.width), self.label)
        stream.thread_type = "AUTO"
        return container, stream

    def _file(self) -> IO[bytes]:
        if self._path is not None:
            try:
                return self._path.open("rb")
            except OSError as error:
                raise VosError(f"{self.label}: expected a video, found that {error.strerror}") from None
        if sys.stdin is None or sys.stdin.isatty():
            raise VosError("-: expected encoded video through a pipe, found no pipe; for example cat clip.mkv | ...")
        return sys.stdin.buffer

    def _decode(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Frames in the order they are shown.

        Raises:
            _Break: Behind the last good one.
        """
        import av

        whole = Fraction(container.duration or 0, av.time_base)
        reached = Fraction(0)
        last: VideoFrame | None = None
        try:
            for packet in container.demux():
                reached = max(reached, _end(packet))
                if packet.stream is not stream:
                    continue
                too_early = packet.size == 0 and reached > 0 and whole - reached > SHORTEST_LOSS
                if packet.is_corrupt or too_early:
                    yield from _left(stream, last)
                    raise _Break(
                        f"expected video up to {timestamp(whole)}, found the end of the file" if too_early else _DAMAGED
                    )
                # A transport stream that was cut off says nothing of the frame that it lacks.
                ends = packet.size == 0 and "mpegts" in container.format.name
                for frame in cast("list[VideoFrame]", packet.decode()):
                    if frame.is_corrupt or (ends and last is not None and last.duration and not _follows(frame, last)):
                        raise _Break(_DAMAGED)
                    last = frame
                    yield frame
        except (av.error.FFmpegError, OSError):
            raise _Break(_DAMAGED) from None

    def _timed(self, frame: VideoFrame, index: int, stream: VideoStream, last: TimedFrame | None) -> TimedFrame:
        check_pixels((frame.height, frame.width), self.label)
        name = f"{index:05d}"
        if last is None:
            self._first = frame.pts
            return TimedFrame(name, Fraction(0), _pixels(frame))
        next_time = last.time + 1 / self.frame_rate
        if self._given_rate or frame.pts is None or self._first is None or stream.time_base is None:
            return TimedFrame(name, next_time, _pixels(frame))
        time = (frame.pts - self._first) * stream.time_base
        return TimedFrame(name, time if time > last.time else next_time, _pixels(frame))


def check_video_reading() -> None:
    """Make sure that videos can be read.

    Raises:
        VosError: PyAV is not installed.
    """
    try:
        import av  # noqa: F401
    except ImportError:
        raise VosError("reading a video: expected PyAV, found no such package; pip install 'vos-tf[video]'") from None


def _why_not(file: IO[bytes], error: Exception) -> str:
    """Why a file could not be opened, in words that help."""
    start = b""
    if file.seekable():
        file.seek(0)
        start = file.read(12)
        if not start:
            return "an empty file"
    if start[4:8] == b"ftyp":
        return "an mp4 whose index is missing (recording was cut off, or the file is not whole): no frame can be read"
    if not file.seekable():
        return f"a stream that cannot be decoded; {_PIPES}"
    return f"a file that is none, or damaged ({getattr(error, 'strerror', None) or error})"


def _end(packet: Packet[Any]) -> Fraction:
    """When what is in a packet ends, in seconds; 0 if it does not say."""
    if packet.pts is None or packet.time_base is None:
        return Fraction(0)
    return (packet.pts + (packet.duration or 0)) * packet.time_base


def _left(stream: VideoStream, last: VideoFrame | None) -> Iterator[VideoFrame]:
    """Good frames that are still in the decoder, as long as each begins where the one before it ends."""
    for frame in stream.codec_context.decode(None):
        if frame.is_corrupt or last is None or not _follows(frame, last):
            return
        last = frame
        yield frame


def _pixels(frame: VideoFrame) -> RGBImage:
    image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _follows(frame: VideoFrame, last: VideoFrame) -> bool:
    """Whether a frame begins where the one before it ends."""
    if frame.pts is None or last.pts is None or not last.duration:
        return False
    return abs(frame.pts - last.pts - last.duration) <= last.duration / 2
