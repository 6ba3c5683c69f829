"""Video files from frames: H.264 in mp4, VP9 in webm, written with PyAV (extra ``[video]``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import cv2
import numpy as np

from vos_tf.errors import VosError
from vos_tf.files import replacing
from vos_tf.media.images import RGBImage

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream


class _Format(NamedTuple):
    """How a kind of video file is written: container, encoder, and the encoder's and container's options."""

    container: str
    encoder: str
    encoding: dict[str, str]
    container_options: dict[str, str]


_FORMATS = {
    ".mp4": _Format("mp4", "libx264", {}, {"movflags": "+faststart"}),
    ".webm": _Format("webm", "libvpx-vp9", {"b:v": "0", "cpu-used": "4", "row-mt": "1"}, {}),
}
_TICK = Fraction(1, 360_000)  # fits into the times of all common frame rates and into milliseconds
_BT709, _LIMITED_RANGE = 1, 1  # numbers of ISO/IEC 23091-2 and of FFmpeg
_QUALITY = {".mp4": 20, ".webm": 31}  # about the same picture in both


def write_video(path: Path, frames: Iterable[RGBImage], frame_rate: Fraction, quality: int | None = None) -> int:
    """Write frames to a video file, one at a time, whole or not at all.

    Args:
        path: ``.mp4`` (H.264) or ``.webm`` (VP9); both as yuv420p, which every player shows.
        frames: RGB uint8 ``(H, W, 3)``, all of one size. An odd height or width is made even by repeating the last
            row or column.
        frame_rate: Frames per second.
        quality: Constant rate factor of the encoder, lower is better (0..51 for mp4, 0..63 for webm); 20 for mp4 and
            31 for webm if not given.

    Returns:
        The number of frames.

    Raises:
        VosError: PyAV is missing, another suffix, no frame, frames of several sizes, or the file cannot be written.

    Examples:
        >>> import tempfile
        >>> frames = (np.full((48, 64, 3), 20 * t, np.uint8) for t in range(5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_video(Path(folder) / "grey.mp4", frames, Fraction(24))
        5
    """
    with opened_video(path, frame_rate, quality) as video:
        for frame in frames:
            video.write(frame)
    return video.frames


def check_video_writing(path: Path | None = None) -> None:
    """Make sure that videos can be written, before long work that ends in one.

    Args:
        path: The file, if it is known already.

    Raises:
        VosError: The file has a suffix that no format has here, or PyAV is not installed.
    """
    if path is not None:
        _format(path)
    try:
        import av  # noqa: F401
    except ImportError:
        raise VosError("writing a video: expected PyAV, found no such package; pip install 'vos-tf[video]'") from None


def _format(path: Path) -> _Format:
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise VosError(f"{path}: expected a video file ending in {' or '.join(_FORMATS)}, found {path.suffix!r}")
    return kind


class VideoFile:
    """A video file being written; see `opened_video`."""

    def __init__(self, name: str, container: OutputContainer, stream: VideoStream, frame_rate: Fraction) -> None:
        self._name, self._container, self._stream, self._frame_rate = name, container, stream, frame_rate
        self._size: tuple[int, int] | None = None
        self._next = 0
        self.frames = 0

    def write(self, frame: RGBImage, time: Fraction | None = None) -> None:
        """Add a frame.

        Args:
            frame: RGB uint8 ``(H, W, 3)``.
            time: When it is shown, in seconds after the first; by the frame rate if not given. Exact only in a video
                opened as ``variable``.

        Raises:
            VosError: It has another size than the frames before.
            ValueError: It is no such array.
        """
        import av

        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
            raise ValueError(f"a frame is uint8 (H, W, 3); received {frame.dtype} {frame.shape}")
        height, width = frame.shape[:2]
        if self._size is None:
            self._size = height, width
            self._stream.height, self._stream.width = height + height % 2, width + width % 2
        if self._size != (height, width):
            expected = "x".join(map(str, self._size))
            raise VosError(
                f"{self._name}: expected frames of {expected} pixels (height x width), "
                f"found {height}x{width} at frame {self.frames}"
            )
        even = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even, np.uint8), format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        tick = self._stream.codec_context.time_base
        shown = round((self.frames / self._frame_rate if time is None else time) / tick)
        picture.pts, picture.time_base = max(shown, self._next), tick
        self._next = picture.pts + 1
        self._container.mux(self._stream.encode(picture))
        self.frames += 1

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if not self.frames:
            raise VosError(f"{self._name}: expected at least one frame to write, found none")
        self._container.mux(self._stream.encode(None))


@contextmanager
def opened_video(
    path: Path, frame_rate: Fraction, quality: int | None = None, *, variable: bool = False
) -> Iterator[VideoFile]:
    """Open a video file for frames that come one by one; it appears under its name when the block ends well.

    ``variable`` says that frames come with times of their own; the other arguments and the errors are those of
    `write_video`.
    """
    check_video_writing()
    import av

    kind = _format(path)
    if frame_rate <= 0:
        raise VosError(f"{path}: expected a frame rate above 0, found {frame_rate}")
    crf = str(_QUALITY[path.suffix.lower()] if quality is None else quality)
    try:
        with (
            replacing(path) as temporary,
            av.open(str(temporary), "w", format=kind.container, options=kind.container_options) as container,
        ):
            options = {"crf": crf, **kind.encoding}
            stream = cast("VideoStream", container.add_stream(kind.encoder, rate=frame_rate, options=options))
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = _TICK if variable else 1 / frame_rate
            _tag_colours(stream)
            video = VideoFile(str(path), container, stream, frame_rate)
            yield video
            video.finish()
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VosError(f"{path}: expected to write a video, found that it cannot be written ({reason})") from error


def _tag_colours(stream: VideoStream) -> None:
    """Say which colours are meant: without it, players guess by the height of the video."""
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED_RANGE
