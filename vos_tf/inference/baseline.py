"""The baseline every method has to beat: each object keeps its first mask in every frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.datasets.types import Video
from vos_tf.inference.merging.graph import MergingGraph
from vos_tf.inference.session import Session, VideoSegmenter
from vos_tf.inference.video_frames import Frames
from vos_tf.media.label_maps import LabelMap


class FirstMaskSession(Session):
    """A session that repeats masks; where they overlap, the object that joined later is on top."""

    def __init__(self, size: tuple[int, int], merging: MergingGraph) -> None:
        super().__init__(size, merging)
        self._masks: LabelMap = np.zeros(self.size, np.uint8)

    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        self._masks = np.where(np.isin(labels, ids), labels, self._masks)

    def _keep(self, indices: Sequence[int]) -> None:
        kept = [self._ids[index] for index in indices]
        self._masks = np.where(np.isin(self._masks, kept), self._masks, np.uint8(0))

    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        return tf.constant(np.stack([self._masks == i for i in self._ids]), tf.float32)


class FirstMaskSegmenter(VideoSegmenter):
    """A segmenter that has no network."""

    def __init__(self) -> None:
        none: Any = None
        super().__init__(none)

    def __reduce__(self) -> tuple[Any, ...]:
        return FirstMaskSegmenter, ()

    def session(
        self,
        size: tuple[int, int],
        name: str | None = None,
        *,
        frames: Frames | None = None,
        video: Video | None = None,
    ) -> FirstMaskSession:
        """See `VideoSegmenter.session`."""
        return FirstMaskSession(size, self.merging)
