"""The baseline every method has to beat: each object keeps its first mask in every frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.types import Video
from vos_tf.inference.session import FrameResult
from vos_tf.media.label_maps import VOID, LabelMap


class FirstMaskSession:
    """A session that repeats masks; where they overlap, the object that joined later is on top."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._labels: LabelMap = np.zeros(size, np.uint8)
        self._frames = 0

    def add(self, labels: LabelMap) -> None:
        """Give the masks of objects that join in the next frame; see `vos_tf.inference.session.Session.add`."""
        self._labels = np.where((labels > 0) & (labels != VOID), labels, self._labels)

    def prepare(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame; nothing can be known before its turn."""
        return frame

    def step(self, frame: NDArray[np.uint8], name: str | None = None) -> FrameResult:
        """The masks given so far, whatever the frame shows."""
        ids = tuple(int(i) for i in np.unique(self._labels) if i)
        maps = np.stack([self._labels == i for i in ids]) if ids else np.zeros((0, *self._labels.shape), bool)
        self._frames += 1
        labels = self._labels  # replaced, never changed
        return FrameResult(ids, name or str(self._frames - 1), lambda: labels.copy(), maps)


class FirstMaskSegmenter:
    """Stands in for a `VideoSegmenter` where only sessions are needed."""

    needs_masks = True
    protocol: str | None = None

    def check_video(self, video: Video) -> None:
        """Any video will do."""

    def session(self, size: tuple[int, int]) -> FirstMaskSession:
        """A session for one video of frames ``(H, W)``."""
        return FirstMaskSession(size)

    def session_for(self, video: Video) -> FirstMaskSession:
        """A session for a video of a data set."""
        return self.session(video.size)
