"""Reference frames of a video: which they are, and their features, computed once and kept.

What is kept of a frame is a tuple of tensors ``(1, h, w, C)``, one for each view of it; of references,
``(R, h, w, C)``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.datasets.types import Video
from vos_tf.inference.video_frames import Frames, read_frame

Features = tuple[Any, ...]


class KnownFrames(NamedTuple):
    """The frames of a video that can be looked at in any order.

    Attributes:
        length: Their number.
        read: From a number to the frame, RGB uint8 ``(H, W, 3)``.
        name: Of the video, or empty.
    """

    length: int
    read: Callable[[int], NDArray[np.uint8]]
    name: str


def known_frames(video: Frames | None) -> KnownFrames | None:
    """The frames of a `Video`, a list or an array; ``None`` where they come one by one."""
    if isinstance(video, Video):
        return KnownFrames(len(video.frames), lambda index: read_frame(video, video.frames[index]), video.name)
    if isinstance(video, (Sequence, np.ndarray)):
        return KnownFrames(len(video), lambda index: np.asarray(video[index]), "")
    return None


def uniform_frames(count: int, references: int) -> tuple[int, ...]:
    """Numbers of the frames in the middle of ``references`` equal stretches of a video of ``count`` frames."""
    chosen = min(references, count)
    return tuple((2 * index + 1) * count // (2 * chosen) for index in range(chosen))


def random_frames(count: int, references: int, seed: int, name: str) -> tuple[int, ...]:
    """Different frames of a video of ``count`` frames; the draw depends on the seed and the video's name alone."""
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    drawn = random.choice(count, size=min(references, count), replace=False)
    return tuple(sorted(drawn.tolist()))


class References(Protocol):
    """Where a session has its reference frames from."""

    def known(self, index: int) -> Features | None:
        """Features of frame ``index`` where it is a reference itself."""

    def others(self, index: int, features: Features) -> Features:
        """The references of frame ``index``: not itself, where there are others."""

    def keep(self, index: int, features: Features) -> None:
        """Note a frame that has been segmented."""


class FixedReferences:
    """The same frames for the whole video; they are read and encoded when the first frame is segmented.

    Args:
        frames: The video.
        chosen: Numbers of the reference frames.
        encode: From a frame to its features.
    """

    def __init__(
        self, frames: KnownFrames, chosen: Sequence[int], encode: Callable[[NDArray[np.uint8]], Features]
    ) -> None:
        self._frames = frames
        self._chosen = tuple(chosen)
        self._encode = encode
        self._stacked: Features | None = None

    def known(self, index: int) -> Features | None:
        """See `References.known`."""
        if index not in self._chosen:
            return None
        place = self._chosen.index(index)
        return tuple(part[place : place + 1] for part in self._all())

    def others(self, index: int, features: Features) -> Features:
        """See `References.others`."""
        places = [place for place, chosen in enumerate(self._chosen) if chosen != index]
        if not places or len(places) == len(self._chosen):
            return self._all()
        return tuple(tf.gather(part, places) for part in self._all())

    def keep(self, index: int, features: Features) -> None:
        """Nothing is added."""

    def _all(self) -> Features:
        if self._stacked is None:
            every = [self._encode(self._frames.read(index)) for index in self._chosen]
            self._stacked = tuple(tf.concat(parts, axis=0) for parts in zip(*every, strict=True))
        return self._stacked


class EarlierReferences:
    """Frames before the one that is segmented, evenly spread; the first frame has itself.

    Every n-th frame is kept; when there are more than ``most``, every second of them goes, and n doubles.

    Args:
        most: Largest number that is kept; 0: all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._step = 1
        self._kept: dict[int, Features] = {}

    def known(self, index: int) -> Features | None:
        """No frame is known before it comes."""
        return None

    def others(self, index: int, features: Features) -> Features:
        """See `References.others`."""
        if not self._kept:
            return features
        return tuple(tf.concat(parts, axis=0) for parts in zip(*self._kept.values(), strict=True))

    def keep(self, index: int, features: Features) -> None:
        """See `References.keep`."""
        if index % self._step:
            return
        self._kept[index] = features
        while self._most and len(self._kept) > self._most:
            self._step *= 2
            self._kept = {number: kept for number, kept in self._kept.items() if number % self._step == 0}
