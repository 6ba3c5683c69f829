"""Frames of one video in order, wherever they come from: what all sources share, and folders of images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from vos_tf.errors import IncompleteError, VosError
from vos_tf.media.image_files import list_images
from vos_tf.media.images import RGBImage, read_image


class TimedFrame(NamedTuple):
    """One frame.

    Attributes:
        name: What its results are called: the stem of its file, or its number from 0 with at least five digits.
        time: Seconds after the first frame.
        image: RGB uint8 ``(H, W, 3)``.
    """

    name: str
    time: Fraction
    image: RGBImage


class FrameSource(ABC):
    """A video whose frames come one by one; iterating reads it from its beginning.

    Attributes:
        label: What to call it in a message.
        name: What to call its results; never a path.
        frame_rate: Frames per second, on average.
        length: Number of frames, as far as it is known before they were read.
        lasting: Whether it gives the same frames each time it is read.
        endless: Whether it goes on until somebody stops it.
    """

    label: str
    name: str
    frame_rate: Fraction
    length: int | None
    lasting: bool
    endless: bool = False

    def __iter__(self) -> Iterator[TimedFrame]:
        """The frames, all of one size and at rising times.

        Raises:
            VosError: There is not even one frame.
            IncompleteError: After the last good frame, where others should follow: a damaged or truncated file, or a
                frame of another size.
        """
        size: tuple[int, int] | None = None
        for frame in self.read():
            found = (frame.image.shape[0], frame.image.shape[1])
            if size is not None and found != size:
                expected, other = ("x".join(map(str, numbers)) for numbers in (size, found))
                raise IncompleteError(
                    f"{self.label}: expected frames of {expected} pixels (height x width) like the first, found "
                    f"{other} in frame {frame.name} at {timestamp(frame.time)}; the frames before it are done"
                )
            size = found
            yield frame
        if size is None:
            raise VosError(f"{self.label}: expected frames, found none")

    @abstractmethod
    def read(self) -> Iterator[TimedFrame]:
        """The frames as they come; errors as for iterating, but for sizes."""

    def frame(self, index: int) -> RGBImage:
        """The frame of that number, or the last one before; of a source that is ``lasting``."""
        found: TimedFrame | None = None
        with suppress(IncompleteError):
            for found in islice(self, index + 1):  # noqa: B007 - the last one is wanted
                pass
        if found is None:
            raise VosError(f"{self.label}: expected frame {index}, found none")
        return found.image

    def knows(self, frame: str) -> bool:
        """Whether there can be a frame that is meant by ``frame``, before all were read; see `same_frame`."""
        return self.length is None or not frame.isdecimal() or int(frame) < self.length


class FrameFolder(FrameSource):
    """A folder of images, in natural order of their names (``frame9`` before ``frame10``).

    Args:
        path: The folder.
        frame_rate: Frames per second.

    Raises:
        VosError: No such folder, no images in it, or two of the same stem.
    """

    lasting = True

    def __init__(self, path: Path, frame_rate: Fraction) -> None:
        self.label = str(path)
        self.name = path.resolve().name or "frames"
        self.frame_rate = frame_rate
        self._files = list_images(path)
        self.length = len(self._files)
        if not self._files:
            raise VosError(f"{path}: expected a folder of images, found none in it")

    def read(self) -> Iterator[TimedFrame]:
        """See `FrameSource.read`."""
        for index, file in enumerate(self._files):
            time = index / self.frame_rate
            try:
                image = read_image(file)
            except VosError as error:
                if not index:
                    raise
                raise IncompleteError(f"{error}; the {index} frames before it are done") from None
            yield TimedFrame(file.stem, time, image)

    def frame(self, index: int) -> RGBImage:
        """See `FrameSource.frame`."""
        return read_image(self._files[index])

    def knows(self, frame: str) -> bool:
        """Whether one of the images is meant by ``frame``."""
        return any(same_frame(frame, file.stem) for file in self._files)


def same_frame(given: str, name: str) -> bool:
    """Whether a user who writes ``given`` means the frame ``name``: leading zeros do not matter.

    >>> same_frame("12", "00012"), same_frame("12", "frame_12"), same_frame("a", "a")
    (True, False, True)
    """
    return given == name or (given.isdecimal() and name.isdecimal() and int(given) == int(name))


def timestamp(seconds: Fraction) -> str:
    """A time in a video as ``m:ss.cc`` or ``h:mm:ss.cc``.

    >>> timestamp(Fraction(1001, 30)), timestamp(Fraction(7261))
    ('0:33.36', '2:01:01.00')
    """
    hundredths = int(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest // 100:02d}.{rest % 100:02d}"
