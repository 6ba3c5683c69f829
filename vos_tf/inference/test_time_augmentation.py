"""Testing at several sizes and mirrored: the same frame is seen in several ways, and what is said of it is averaged.

A network that looks at each frame alone averages its own maps. One that remembers is run over the whole video once for
each view, each run with its own memory, and the probabilities of each frame are averaged before objects are merged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vos_tf.datasets.types import Video
from vos_tf.errors import VosError
from vos_tf.inference.resizing import shrink_or_grow
from vos_tf.inference.session import FrameResult, ObjectSession, RawPrediction, VideoSegmenter
from vos_tf.inference.video_frames import Frames
from vos_tf.media.label_maps import LabelMap
from vos_tf.models.video_network import VideoNetwork

Maps = NDArray[np.float32]


class View(NamedTuple):
    """One way to see a frame: at a multiple of the network's working size, and mirrored or not."""

    scale: float
    flip: bool

    def of(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A frame or label map ``(H, W, ...)``, mirrored if the view is; its size stays."""
        return np.ascontiguousarray(pixels[:, ::-1]) if self.flip else pixels

    def back(self, maps: Maps) -> Maps:
        """Maps ``(N, H, W)`` as they lie in the frame itself."""
        return maps[..., ::-1] if self.flip else maps

    def size(self, size: Sequence[int], least: int = 1) -> tuple[int, int]:
        """``(h, w)`` at which a network that works at ``size`` sees this view; no side is below ``least``."""
        height, width = (max(round(self.scale * side), least) for side in size)
        return height, width

    def see(self, images: Any, size: tuple[int, int] | None) -> Any:
        """Images ``(N, H, W, 3)`` as a network is to see them at ``size``, float32, within a graph."""
        images = shrink_or_grow(images, size)
        return images[:, :, ::-1] if self.flip else images

    def probabilities(self, logits: Any, size: tuple[Any, Any]) -> Any:
        """Probabilities float32 ``(H, W, C)`` in a frame of that size, of logits ``(1, h, w, C)`` of what was seen."""
        logits = tf.image.resize(tf.cast(logits, tf.float32), size, method="bilinear")
        found = tf.sigmoid(logits)[0]
        return found[:, ::-1] if self.flip else found


def mean_of(maps: Sequence[Any]) -> Any:
    """The mean of maps of one shape, within a graph."""
    return tf.add_n(maps) / len(maps)


def views(scales: Sequence[float], flip: bool) -> tuple[View, ...]:
    """All views, those not mirrored first."""
    return tuple(View(scale, mirrored) for mirrored in (False, True)[: 1 + flip] for scale in scales)


def resized(network: VideoNetwork, scale: float) -> Any:
    """A copy of a network that works at a multiple of its size, as near to it as its strides allow.

    Args:
        network: With ``settings.size``.
        scale: The multiple; 1 gives the network itself.

    Raises:
        VosError: It cannot work at that size.
    """
    if scale == 1:
        return network
    if network.settings.size is None:
        raise VosError(f"test_scales: expected 1 for a network that works at the video's own size, found {scale}")
    height, width = network.settings.size
    step = math.gcd(32, height, width)
    size = tuple(max(round(scale * side / step), 1) * step for side in (height, width))
    try:
        settings = replace(network.settings, size=size)
    except VosError as error:
        raise VosError(f"test_scales: expected sizes that the network can work at, found {scale} ({error})") from None
    other = type(network)(settings)
    other.set_weights(network.get_weights())
    return other


def segmenter_over_views(make: Callable[[Any], VideoSegmenter], network: VideoNetwork, options: Any) -> VideoSegmenter:
    """A segmenter made by ``make`` from a network, once for each scale in the options, run once for each view."""
    looks = views(options.test_scales, options.test_flip)
    if looks == (View(1.0, False),):
        return make(network)
    return ViewsSegmenter({scale: make(resized(network, scale)) for scale in dict.fromkeys(options.test_scales)}, looks)


class ViewsSession(ObjectSession):
    """A session that runs another one for each view.

    Args:
        sessions: One for each view, the first one not mirrored: it refines and labels.
        views: The views.
        proposals: Whether the objects are found by the sessions themselves, each with its own numbers.
    """

    def __init__(self, sessions: Sequence[ObjectSession], views: Sequence[View], *, proposals: bool) -> None:
        self._first = sessions[0]
        self._pairs = tuple(zip(sessions, views, strict=True))
        self._tables = [_Overlaps() for _ in self._pairs[1:]] if proposals else []

    @property
    def object_ids(self) -> tuple[int, ...]:
        """See `ObjectSession.object_ids`."""
        return self._first.object_ids

    def add(self, labels: LabelMap) -> None:
        """See `ObjectSession.add`."""
        for session, view in self._pairs:
            session.add(view.of(labels))

    def remove(self, object_id: int) -> None:
        """See `ObjectSession.remove`."""
        for session, _ in self._pairs:
            session.remove(object_id)

    def predict(self, frame: NDArray[np.uint8], name: str | None = None) -> RawPrediction:
        """See `ObjectSession.predict`; probabilities are the mean over the views."""
        raw = [session.predict(view.of(frame), name) for session, view in self._pairs]
        maps = [view.back(np.asarray(each.probabilities)) for each, (_, view) in zip(raw, self._pairs, strict=True)]
        if self._tables:
            maps[1:] = [table.in_order(maps[0], own) for table, own in zip(self._tables, maps[1:], strict=True)]
        return raw[0]._replace(probabilities=tf.constant(np.mean(maps, axis=0, dtype=np.float32)))

    def finish(self, raw: RawPrediction) -> FrameResult:
        """See `ObjectSession.finish`."""
        return self._first.finish(raw)


class _Overlaps:
    """How well the proposals of one view fit those of another so far: which is which is decided by the whole past."""

    def __init__(self) -> None:
        self._common: Any = 0.0
        self._either: Any = 0.0

    def in_order(self, first: Maps, other: Maps) -> Maps:
        """The maps ``(N, H, W)`` of the other view, each at the place of the one of the first view it fits best."""
        one, two = first.reshape(len(first), -1), other.reshape(len(other), -1)
        common = one @ two.T
        self._common += common
        self._either += (one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1)[None] - common
        order = linear_sum_assignment(self._common / np.maximum(self._either, 1e-6), maximize=True)[1]
        return other[order]


class ViewsSegmenter(VideoSegmenter):
    """Runs a segmenter once for each view.

    Args:
        segmenters: By scale, alike but for the size at which their networks work.
        views: The views; the first one is not mirrored.
    """

    def __init__(self, segmenters: dict[float, VideoSegmenter], views: Sequence[View]) -> None:
        self._main = main = segmenters[views[0].scale]
        self.needs_masks, self.paints, self.protocol = main.needs_masks, main.paints, main.protocol
        super().__init__(main.network, rule=main.rule, options=main.options)
        self.merging = main.merging
        self._segmenters = segmenters
        self._views = tuple(views)

    def __reduce__(self) -> tuple[Any, ...]:
        return ViewsSegmenter, (self._segmenters, self._views), {"method": self.method}

    def check_video(self, video: Video) -> None:
        """See `VideoSegmenter.check_video`."""
        self._main.check_video(video)

    def session(
        self,
        size: tuple[int, int],
        name: str | None = None,
        *,
        frames: Frames | None = None,
        video: Video | None = None,
    ) -> ViewsSession:
        """See `VideoSegmenter.session`; methods that look ahead average over views themselves."""
        first = self._main.session(size, name, frames=frames, video=video)
        others = [self._segmenters[view.scale].session(size) for view in self._views[1:]]
        return ViewsSession([first, *others], self._views, proposals=not self.needs_masks)
