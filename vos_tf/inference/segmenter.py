"""The user's API: a Segmenter follows objects through videos, frame by frame, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.datasets.types import Video
from vos_tf.errors import VosError
from vos_tf.inference.graph import VideoGraph
from vos_tf.inference.merge import MergeRule
from vos_tf.media.images import read_image
from vos_tf.media.label_maps import MAX_OBJECT_ID, VOID, LabelMap


@dataclass(frozen=True)
class FrameResult:
    """What a session says of one frame.

    Attributes:
        labels: Label map uint8 ``(H, W)`` at the video's own size.
        object_ids: The objects followed, in the order of ``probabilities``.
        name: Name of the frame where the video has names, else its number.
    """

    labels: LabelMap
    object_ids: tuple[int, ...]
    name: str
    _probabilities: Any = field(repr=False)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """float32 ``(N, H, W)``, 0..1, one map per object, before merging."""
        return np.asarray(self._probabilities, np.float32)


class Session:
    """Follows objects through one video. Memory is constant in the number of frames and linear in the objects.

    Args:
        graph: The network's graphs.
        size: ``(H, W)`` of the video's frames.
        objects_per_call: Largest number of objects that go through the network together; 0: all. The result does not
            depend on it.
    """

    def __init__(self, graph: VideoGraph, size: tuple[int, int], objects_per_call: int = 0) -> None:
        self._graph = graph
        self.size = (int(size[0]), int(size[1]))
        self._objects_per_call = objects_per_call
        self._ids: tuple[int, ...] = ()
        self._state: Any = None
        self._pending: LabelMap = np.zeros(self.size, np.uint8)
        self._frames = 0

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects followed so far, in the order they joined."""
        return self._ids

    def add(self, labels: LabelMap) -> None:
        """Give the masks of objects in the *next* frame: new ids join, known ids start anew from their mask.

        Args:
            labels: Label map uint8 ``(H, W)``; 0 and 255 (void) say nothing.

        Raises:
            VosError: The size is not the video's.
        """
        labels = np.asarray(labels)
        if labels.shape != self.size or labels.dtype != np.uint8:
            raise VosError(
                f"mask: expected uint8 {self.size[0]}x{self.size[1]} like the frames, "
                f"found {labels.dtype} {'x'.join(map(str, labels.shape))}"
            )
        self._pending = np.where((labels > 0) & (labels != VOID), labels, self._pending)

    def remove(self, object_id: int) -> None:
        """Stop following an object.

        Raises:
            VosError: No such object is followed.
        """
        if object_id not in self._ids:
            raise VosError(f"object {object_id}: expected one of the objects {list(self._ids)}, found no such object")
        keep = [index for index, known in enumerate(self._ids) if known != object_id]
        self._ids = tuple(self._ids[index] for index in keep)
        self._state = tf.nest.map_structure(lambda x: tf.gather(x, keep), self._state) if keep else None

    def step(self, frame: NDArray[np.uint8], name: str | None = None) -> FrameResult:
        """Segment the next frame.

        Args:
            frame: RGB uint8 ``(H, W, 3)``.
            name: Passed on to the result; the frame's number if not given.

        Raises:
            VosError: The frame has another size than the video.
        """
        frame = np.asarray(frame)
        if frame.shape != (*self.size, 3) or frame.dtype != np.uint8:
            raise VosError(
                f"frame {name or self._frames}: expected uint8 {self.size[0]}x{self.size[1]}x3, "
                f"found {frame.dtype} {'x'.join(map(str, frame.shape))}"
            )
        image = tf.constant(frame[None])
        given_ids = tuple(int(i) for i in np.unique(self._pending) if 0 < i <= MAX_OBJECT_ID)
        for known in given_ids:
            if known in self._ids:
                self.remove(known)
        maps = [self._advance(image)] if self._ids else []
        if given_ids:
            maps.append(self._join(image, given_ids))
        probabilities = tf.concat(maps, axis=0) if maps else tf.zeros((0, *self.size))
        labels = self._graph.merge(probabilities, tf.constant(self._ids, tf.uint8, (len(self._ids),)), self._pending)
        self._pending = np.zeros(self.size, np.uint8)
        self._frames += 1
        return FrameResult(labels.numpy(), self._ids, name or str(self._frames - 1), probabilities)

    def _advance(self, image: Any) -> Any:
        features = self._graph.encode(image)
        count = len(self._ids)
        chunk = self._objects_per_call or count
        parts = []
        for begin in range(0, count, chunk):
            state = tf.nest.map_structure(lambda x: x[begin : begin + chunk], self._state)  # noqa: B023
            parts.append(self._graph.advance(features, state, *map(tf.constant, self.size)))
        self._state = _concatenate([state for _, state in parts])
        return tf.concat([maps for maps, _ in parts], axis=0)

    def _join(self, image: Any, ids: tuple[int, ...]) -> Any:
        masks = np.stack([self._pending == i for i in ids]).astype(np.uint8)
        chunk = self._objects_per_call or len(ids)
        started = [self._graph.start(image, masks[i : i + chunk, ..., None]) for i in range(0, len(ids), chunk)]
        self._state = _concatenate(([self._state] if self._ids else []) + started)
        self._ids += ids
        return tf.constant(masks, tf.float32)


def _concatenate(states: list[Any]) -> Any:
    if len(states) == 1:
        return states[0]
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *states)


class Segmenter:
    """A trained network with everything needed to run it over videos.

    Args:
        network: A network with ``settings.size``, ``encode``, ``start`` and ``advance``.
        rule: How objects are merged.
        objects_per_call: See `Session`.
    """

    def __init__(self, network: Any, *, rule: MergeRule | None = None, objects_per_call: int = 0) -> None:
        self.network = network
        self.rule = rule or MergeRule()
        self.objects_per_call = objects_per_call
        self._graph = VideoGraph(network, self.rule)

    def session(self, size: tuple[int, int]) -> Session:
        """A session for one video of frames ``(H, W)``.

        Example:
            >>> import numpy as np
            >>> import vos_tf
            >>> segmenter = vos_tf.build("s2s", trunk="small")
            >>> session = segmenter.session(size=(60, 80))
            >>> labels = np.zeros((60, 80), np.uint8)
            >>> labels[20:40, 30:50] = 7
            >>> session.add(labels)
            >>> result = session.step(np.zeros((60, 80, 3), np.uint8))
            >>> result.object_ids, bool((result.labels == labels).all())
            ((7,), True)
        """
        return Session(self._graph, size, self.objects_per_call)

    def stream(
        self,
        video: Video | Iterable[NDArray[np.uint8]],
        first: LabelMap | None = None,
        *,
        masks: Mapping[str, LabelMap] | None = None,
    ) -> Iterator[FrameResult]:
        """Segment a video frame by frame, holding one frame at a time.

        Args:
            video: A `Video`, or RGB frames uint8 ``(H, W, 3)``.
            first: Label map of the first frame.
            masks: Label maps by name (or number, as text) of the frame at which their objects join. Where neither
                is given, a `Video`'s own masks at the first frame of each object are used.

        Yields:
            A `FrameResult` per frame.

        Raises:
            VosError: Frames come without any mask, or sizes differ.

        Example:
            >>> import numpy as np
            >>> import vos_tf
            >>> segmenter = vos_tf.build("s2s", trunk="small")
            >>> frames = [np.full((60, 80, 3), 9 * t, np.uint8) for t in range(3)]
            >>> labels = np.zeros((60, 80), np.uint8)
            >>> labels[20:40, 30:50] = 1
            >>> [result.labels.shape for result in segmenter.stream(frames, first=labels)]
            [(60, 80), (60, 80), (60, 80)]
        """
        if first is None and masks is None and not isinstance(video, Video):
            raise VosError("stream: expected a mask of the first frame, or masks by frame, found neither")
        given = dict(masks or {})
        session: Session | None = None
        for index, (name, frame) in enumerate(_named_frames(video)):
            if session is None:
                session = self.session(size=(frame.shape[0], frame.shape[1]))
            labels = first if index == 0 and first is not None else given.get(name)
            if labels is None and first is None and masks is None and isinstance(video, Video):
                labels = joining_mask(video, name)
            if labels is not None:
                session.add(labels)
            yield session.step(frame, name)


def joining_mask(video: Video, frame: str) -> LabelMap | None:
    """Label map of the objects of a video whose first frame is ``frame``; ``None`` if there are none.

    Raises:
        VosError: It cannot be read, or has another size than the video.
    """
    ids = [item.id for item in video.objects if item.first_frame == frame]
    if not ids:
        return None
    labels = video.read_mask(frame)
    _check_size(video, video.masks[frame], labels.shape)
    return np.where(np.isin(labels, ids), labels, np.uint8(0))


def read_frame(video: Video, path: Path) -> NDArray[np.uint8]:
    """A frame of a video, RGB uint8 ``(H, W, 3)``.

    Raises:
        VosError: It cannot be read, or has another size than the video.
    """
    frame = read_image(path)
    _check_size(video, path, frame.shape)
    return frame


def _check_size(video: Video, path: Path, shape: tuple[int, ...]) -> None:
    if shape[:2] != video.size:
        expected, found = ("x".join(map(str, size)) for size in (video.size, shape[:2]))
        raise VosError(f"{path}: expected {expected} pixels (height x width) like the video, found {found}")


def _named_frames(video: Video | Iterable[NDArray[np.uint8]]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    if isinstance(video, Video):
        for path in video.frames:
            yield path.stem, read_frame(video, path)
    else:
        for index, frame in enumerate(video):
            yield str(index), frame
