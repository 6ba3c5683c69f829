"""What all methods share: a session follows objects frame by frame, a video segmenter opens sessions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.datasets.types import Video
from vos_tf.errors import VosError
from vos_tf.inference.gating import gate_by_distance
from vos_tf.inference.merging.graph import MergeRule, MergingGraph
from vos_tf.inference.merging.logit_maps import LogitMaps, join_maps
from vos_tf.inference.merging.numpy_merge import mean_inside, whole
from vos_tf.inference.options import SharedOptions
from vos_tf.inference.refinement.crf import refine_probabilities
from vos_tf.inference.video_frames import Frames, joining_mask, named_frames
from vos_tf.media.label_maps import VOID, LabelMap, object_ids
from vos_tf.models.video_network import VideoNetwork


@dataclass(frozen=True)
class FrameResult:
    """What a session says of one frame. What is not asked for may never be computed; what is sent elsewhere, is.

    Attributes:
        object_ids: The objects followed, in the order of ``probabilities``.
        name: Name of the frame where the video has names, else its number.
    """

    object_ids: tuple[int, ...]
    name: str
    _labels: LabelMap | Callable[[], LabelMap] = field(repr=False)
    _probabilities: Any = field(repr=False)

    @cached_property
    def labels(self) -> LabelMap:
        """Label map uint8 ``(H, W)`` at the video's own size."""
        return self._labels() if callable(self._labels) else self._labels

    @cached_property
    def confidences(self) -> NDArray[np.float32]:
        """float32 ``(N,)``, 0..1: the mean probability inside of each object's mask; nan where it has none."""
        labels, maps = self.labels, self._probabilities  # merging leaves the parts that it took
        parts = maps.found if isinstance(maps, LogitMaps) else whole(self.probabilities)
        return mean_inside(parts, self.object_ids, labels)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """float32 ``(N, H, W)``, 0..1, one map per object, before merging."""
        return np.asarray(self._probabilities, np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        return FrameResult, (self.object_ids, self.name, self.labels, self.probabilities)


class RawPrediction(NamedTuple):
    """What a session says of a frame before objects are refined and merged.

    Attributes:
        frame: RGB uint8 ``(H, W, 3)``.
        name: Of the frame.
        given: Label map uint8 ``(H, W)`` of the masks given for this frame, 0 elsewhere.
        probabilities: float32 ``(N, H, W)``, 0..1, one map per object; or `LogitMaps`.
    """

    frame: NDArray[np.uint8]
    name: str
    given: LabelMap
    probabilities: Any


class ObjectSession(ABC):
    """Follows objects through one video. Memory is constant in the number of frames and linear in the objects."""

    @property
    @abstractmethod
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects followed so far, in the order they joined."""

    @abstractmethod
    def add(self, labels: LabelMap) -> None:
        """Give the masks of objects in the *next* frame: new ids join, known ids start from their mask.

        Known ids start anew, or, with a method that can, keep what was known of them beside it.

        Args:
            labels: Label map uint8 ``(H, W)``; 0 and 255 (void) say nothing.

        Raises:
            VosError: The size is not the video's, or there is no object.
        """

    @abstractmethod
    def remove(self, object_id: int) -> None:
        """Stop following an object.

        Raises:
            VosError: No such object is followed.
        """

    def prepare(self, frame: NDArray[np.uint8]) -> Any:
        """What is known of a frame before its turn, to be given to `step` in its place; any thread may ask.

        Most methods know nothing, and give the frame itself.
        """
        return frame

    def step(self, frame: NDArray[np.uint8], name: str | None = None) -> FrameResult:
        """Segment the next frame.

        Args:
            frame: RGB uint8 ``(H, W, 3)``.
            name: Passed on to the result; the frame's number if not given.

        Raises:
            VosError: The frame has another size than the video.
        """
        return self.finish(self.predict(frame, name))

    @abstractmethod
    def predict(self, frame: NDArray[np.uint8], name: str | None = None) -> RawPrediction:
        """The first half of `step`: all but what decides on labels."""

    @abstractmethod
    def finish(self, raw: RawPrediction) -> FrameResult:
        """The second half of `step`: refine, then label."""


class Session(ObjectSession):
    """What sessions of most methods share: a method says what it does when objects join, leave and go a frame further.

    Args:
        size: ``(H, W)`` of the video's frames.
        merging: How objects are merged.

    Attributes:
        every_frame: Whether the method looks at frames in which no object is followed, too.
        reach: How near to its last mask each piece of an object has to come (`gate_by_distance`); 0: anywhere.
    """

    every_frame: ClassVar[bool] = False
    reach: float = 0.0

    def __init__(self, size: tuple[int, int], merging: MergingGraph) -> None:
        self.size = (int(size[0]), int(size[1]))
        self.merging = merging
        self._ids: tuple[int, ...] = ()
        self._given: LabelMap = np.zeros(self.size, np.uint8)
        self._last_labels: LabelMap | None = None
        self._frames = 0

    @property
    def object_ids(self) -> tuple[int, ...]:
        """See `ObjectSession.object_ids`."""
        return self._ids

    def add(self, labels: LabelMap) -> None:
        """See `ObjectSession.add`."""
        labels = np.asarray(labels)
        if labels.shape != self.size or labels.dtype != np.uint8:
            raise VosError(
                f"mask: expected uint8 {self.size[0]}x{self.size[1]} like the frames, "
                f"found {labels.dtype} {'x'.join(map(str, labels.shape))}"
            )
        if not object_ids(labels):
            raise VosError("mask: expected at least one object (ids 1 to 254), found only background or void")
        # Void stays known, so that nothing is learned from it, but never hides an object.
        says_more = (labels > 0) & ((labels != VOID) | (self._given == 0))
        self._given = np.where(says_more, labels, self._given)

    def remove(self, object_id: int) -> None:
        """See `ObjectSession.remove`."""
        if object_id not in self._ids:
            raise VosError(f"object {object_id}: expected one of the objects {list(self._ids)}, found no such object")
        keep = [index for index, known in enumerate(self._ids) if known != object_id]
        self._keep(keep)
        self._ids = tuple(self._ids[index] for index in keep)

    def predict(self, frame: NDArray[np.uint8], name: str | None = None) -> RawPrediction:
        """See `ObjectSession.predict`."""
        frame = np.asarray(frame)
        name = name or str(self._frames)
        if frame.shape != (*self.size, 3) or frame.dtype != np.uint8:
            raise VosError(
                f"frame {name}: expected uint8 {self.size[0]}x{self.size[1]}x3, "
                f"found {frame.dtype} {'x'.join(map(str, frame.shape))}"
            )
        given = self._given
        told = bool(given.any())
        if told:
            given = np.where(given == VOID, np.uint8(0), given)
        joining = object_ids(given) if told else ()
        for known in joining:
            if known in self._ids:
                self.remove(known)
        maps = [self._advance(frame)] if self._ids or self.every_frame else []
        if joining:
            self._join(frame, self._given, joining, name)
            self._ids += joining
            maps.append(tf.constant(np.stack([given == i for i in joining]), tf.float32))
        probabilities = join_maps(maps) if maps else tf.zeros((0, *self.size))
        if told:
            self._given = np.zeros(self.size, np.uint8)
        self._frames += 1
        return RawPrediction(frame, name, given, probabilities)

    def finish(self, raw: RawPrediction) -> FrameResult:
        """See `ObjectSession.finish`."""
        probabilities = self._gated(self._refined(raw), raw.given)
        if isinstance(probabilities, LogitMaps):  # no later frame needs labels: whoever asks for them merges
            later = partial(self.merging, probabilities, self._ids, raw.given)
            return FrameResult(self._ids, raw.name, later, probabilities)
        labels = self._label(raw.frame, probabilities, raw.given)
        if self.reach:
            self._last_labels = labels
        return FrameResult(self._ids, raw.name, labels, probabilities)

    def _gated(self, probabilities: Any, given: LabelMap) -> Any:
        """Probabilities without pieces out of ``reach``; maps of objects whose masks are given in this frame stay."""
        moved = [index for index, key in enumerate(self._ids) if not (given == key).any()]
        if not self.reach or self._last_labels is None or not moved:
            return np.asarray(probabilities, np.float32) if self.reach else probabilities
        maps = np.array(probabilities, np.float32)
        maps[moved] = gate_by_distance(maps[moved], self._last_labels, [self._ids[i] for i in moved], self.reach)
        return tf.constant(maps)

    def _refined(self, raw: RawPrediction) -> Any:
        """Refined probabilities; those of objects whose masks are given in this frame stay."""
        if self.merging.refine is None:
            return raw.probabilities
        joined = object_ids(raw.given)
        followed = [index for index, key in enumerate(self._ids) if key not in joined]
        if not followed:
            return raw.probabilities
        maps = np.array(raw.probabilities)
        maps[followed] = self.merging.refine(raw.frame, maps)[followed]
        return tf.constant(maps)

    def _label(self, frame: NDArray[np.uint8], probabilities: Any, given: LabelMap) -> LabelMap:
        """The label map from all objects' probabilities; ``given`` masks stand."""
        return self.merging(probabilities, self._ids, given)

    @abstractmethod
    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        """Probabilities ``(N, H, W)``, or `LogitMaps`, of the objects followed, in a frame after they joined."""

    @abstractmethod
    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        """Begin to follow ``ids``, behind those already followed, from their masks in this frame.

        ``labels`` may hold void.
        """

    @abstractmethod
    def _keep(self, indices: Sequence[int]) -> None:
        """Forget all objects but those at ``indices``."""


class VideoSegmenter(ABC):
    """A trained network with everything needed to run it over videos.

    Args:
        network: The network.
        rule: How objects are merged.
        options: How videos are segmented.

    Attributes:
        needs_masks: Whether objects are given by their first masks; else the network finds them itself.
        paints: Whether the merge rule ``painted`` can be used.
        protocol: How results are scored unless said otherwise; ``None``: as the data set's always are.
        method: Name of the method, where its registry made the segmenter.

    Raises:
        VosError: The rule is ``painted``, and cannot be used.
    """

    needs_masks: bool = True
    paints: bool = False
    protocol: str | None = None
    method: str = ""

    def __init__(
        self, network: VideoNetwork, *, rule: MergeRule | None = None, options: SharedOptions | None = None
    ) -> None:
        self.network = network
        self.rule = rule or MergeRule()
        self.options = options or SharedOptions()
        if self.rule.name == "painted" and not self.paints:
            raise VosError(
                "merge rule: expected argmax, soft_aggregation or last_wins, found painted, which needs first masks "
                "and a model that segments first frames, too"
            )
        self.merging = MergingGraph(self.rule)
        if self.options.crf.enabled:
            self.merging.refine = partial(refine_probabilities, settings=self.options.crf)

    def __reduce__(self) -> tuple[Any, ...]:
        network = self.network
        weights = (network.get_config(), network.get_weights())
        return _restored, (type(self), type(network), *weights, self.rule, self.options), {"method": self.method}

    @abstractmethod
    def session(
        self,
        size: tuple[int, int],
        name: str | None = None,
        *,
        frames: Frames | None = None,
        video: Video | None = None,
    ) -> ObjectSession:
        """A session for one video.

        Args:
            size: ``(H, W)`` of its frames.
            name: What it is called in messages, and where anything is kept of it.
            frames: Its frames, for methods that look at some before their turn. Such a method then has to be given all
                of them in order; of what comes one by one it cannot see anything.
            video: What is known of it instead, of which all may be used: its frames, and masks beyond the first.
        """

    def check_video(self, video: Video) -> None:  # noqa: B027 - most methods take any video
        """Refuse a video whose objects cannot be followed.

        Raises:
            VosError: It is one.
        """

    def stream(
        self,
        video: Frames,
        first: LabelMap | None = None,
        *,
        masks: Mapping[str, LabelMap] | None = None,
    ) -> Iterator[FrameResult]:
        """Segment a video frame by frame, holding one frame at a time.

        Args:
            video: A `Video`, or RGB frames uint8 ``(H, W, 3)``.
            first: Label map of the first frame.
            masks: Label maps by name (or number, as text) of the frame at which their objects join. Where neither
                is given, a `Video`'s own masks at the first frame of each object are used; none if the network finds
                objects itself.

        Yields:
            A `FrameResult` per frame.

        Raises:
            VosError: Frames come without any mask, or sizes differ.

        Examples:
            >>> import numpy as np
            >>> import vos_tf
            >>> segmenter = vos_tf.load("s2s_small_synthetic")
            >>> frames = [np.full((60, 80, 3), 9 * t, np.uint8) for t in range(3)]
            >>> labels = np.zeros((60, 80), np.uint8)
            >>> labels[20:40, 30:50] = 1
            >>> [result.labels.shape for result in segmenter.stream(frames, first=labels)]
            [(60, 80), (60, 80), (60, 80)]
        """
        nothing_given = first is None and masks is None
        own = nothing_given and self.needs_masks
        if own and not isinstance(video, Video):
            raise VosError("stream: expected a mask of the first frame, or masks by frame, found neither")
        given = dict(masks or {})
        session: ObjectSession | None = None
        for index, (name, frame) in enumerate(named_frames(video)):
            if session is None:
                if nothing_given and isinstance(video, Video):
                    session = self.session(video.size, video.name, video=video)
                else:
                    session = self.session((frame.shape[0], frame.shape[1]), frames=video)
            labels = first if index == 0 and first is not None else given.get(name)
            if labels is None and own and isinstance(video, Video):
                labels = joining_mask(video, name)
            if labels is not None:
                session.add(labels)
            yield session.step(frame, name)


def _restored(
    kind: type[VideoSegmenter],
    network: VideoNetwork,
    config: Any,
    weights: Any,
    rule: MergeRule,
    options: SharedOptions,
) -> VideoSegmenter:
    """A segmenter that was sent elsewhere."""
    built = network.from_config(config)
    built.set_weights(weights)
    return kind(built, rule=rule, options=options)
