"""Sessions of networks with a state: objects go through one network together, each with its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.inference.graph import VideoGraph
from vos_tf.inference.merging.graph import MergingGraph
from vos_tf.inference.merging.logit_maps import maps_of
from vos_tf.inference.options import StateOptions
from vos_tf.inference.session import RawPrediction, Session
from vos_tf.media.label_maps import LabelMap, object_ids


class ObjectStates:
    """States of objects, from frame to frame.

    Args:
        graph: The network's graphs.
        size: ``(H, W)`` of the video's frames.
        options: How many go through the network together, and from where they go on.
    """

    def __init__(self, graph: VideoGraph, size: tuple[int, int], options: StateOptions) -> None:
        self._graph = graph
        self._size = size
        self._objects_per_call = options.objects_per_call
        self._restart_every = options.restart_every
        self._step_first = options.step_first
        self._ages = np.zeros(0, np.int64)  # steps of each object
        self._state: Any = None
        self._first: Any = None  # states to go on from again

    def of(self, indices: Sequence[int]) -> Sequence[Any]:
        """The states of the objects at ``indices``, one each, if the network can use them after another mask."""
        if not self._graph.corrects:
            return [None] * len(indices)
        return [tf.nest.map_structure(lambda x: x[index : index + 1], self._state) for index in indices]  # noqa: B023

    def join(self, frame: NDArray[np.uint8], masks: NDArray[np.bool_], before: Mapping[int, Any] | None = None) -> None:
        """Begin to follow objects from their masks.

        Args:
            frame: uint8 ``(H, W, 3)``.
            masks: ``(N, H, W)``.
            before: What `of` gave of objects that were followed until now, by their place in ``masks``.
        """
        image, masks = tf.constant(frame[None]), masks[..., None].astype(np.uint8)
        chunk = self._objects_per_call or len(masks)
        if before:
            state = _concatenate(
                [
                    self._graph.start(image, masks[i : i + 1])
                    if before.get(i) is None
                    else self._graph.correct(image, masks[i : i + 1], before[i])
                    for i in range(len(masks))
                ]
            )
        else:
            state = _concatenate([self._graph.start(image, masks[i : i + chunk]) for i in range(0, len(masks), chunk)])
        known = len(self._ages)
        if self._restart_every:
            self._first = _concatenate([self._first, state] if known else [state])
        if self._step_first:
            state = self._stepped(self.encode(frame), state, len(masks))[1]
        self._state = _concatenate([self._state, state] if known else [state])
        self._ages = np.concatenate([self._ages, np.full(len(masks), int(self._step_first))])

    def keep(self, indices: Sequence[int]) -> None:
        """Forget all objects but those at ``indices``."""
        self._ages = self._ages[list(indices)]
        self._state, self._first = (
            tf.nest.map_structure(lambda x: tf.gather(x, indices), state) if indices and state is not None else None
            for state in (self._state, self._first)
        )

    def encode(self, frame: NDArray[np.uint8]) -> Any:
        """Features of a frame uint8 ``(H, W, 3)``, which do not depend on the frames before it."""
        return self._graph.encode(tf.constant(frame[None]))

    def advance(self, features: Any) -> Any:
        """One frame further: probabilities float32 ``(N, H, W)``, or `LogitMaps`."""
        again = self._ages % self._restart_every == 0 if self._restart_every else np.zeros(1, np.bool_)
        if again.any():
            chosen = tf.constant(again)
            self._state = tf.nest.map_structure(
                lambda first, now: tf.where(tf.reshape(chosen, [-1] + [1] * (len(now.shape) - 1)), first, now),
                self._first,
                self._state,
            )
        logits, self._state = self._stepped(features, self._state, len(self._ages))
        self._ages += 1
        return maps_of(logits, self._size)

    def _stepped(self, features: Any, state: Any, count: int) -> tuple[Any, Any]:
        chunk = self._objects_per_call or count
        parts = []
        for begin in range(0, count, chunk):
            part = tf.nest.map_structure(lambda x: x[begin : begin + chunk], state)  # noqa: B023
            parts.append(self._graph.step(features, part))
        return _concatenate([logits for logits, _ in parts]), _concatenate([state for _, state in parts])


class _Prepared(NamedTuple):
    """A frame uint8 ``(H, W, 3)``, and its features."""

    frame: NDArray[np.uint8]
    features: Any


class StateSession(Session):
    """A session of a network with a state per object.

    Args:
        states: Where the objects' states will be.
        size: ``(H, W)`` of the video's frames.
        merging: How objects are merged.
    """

    def __init__(self, states: ObjectStates, size: tuple[int, int], merging: MergingGraph) -> None:
        super().__init__(size, merging)
        self._states = states
        self._features: Any = None  # of the frame whose turn it is, if they are known
        self._before: dict[int, Any] = {}  # by id: what is known of objects that get another mask

    def prepare(self, frame: NDArray[np.uint8]) -> Any:
        """The frame with its features, which the objects have no part in; see `ObjectSession.prepare`."""
        return _Prepared(frame, self._states.encode(frame)) if self._ids else frame

    def predict(self, frame: NDArray[np.uint8] | _Prepared, name: str | None = None) -> RawPrediction:
        """See `ObjectSession.predict`."""
        self._features = None
        known = [i for i in object_ids(self._given) if i in self._ids]
        self._before = dict(zip(known, self._states.of([self._ids.index(i) for i in known]), strict=True))
        if isinstance(frame, _Prepared):
            frame, self._features = frame
        return super().predict(frame, name)

    def _keep(self, indices: Sequence[int]) -> None:
        self._states.keep(indices)

    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        features = self._states.encode(frame) if self._features is None else self._features
        return self._states.advance(features)

    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        before = {place: self._before[i] for place, i in enumerate(ids) if self._before.get(i) is not None}
        self._states.join(frame, np.stack([labels == i for i in ids]), before)
        self._before = {}


def _concatenate(states: Sequence[Any]) -> Any:
    if len(states) == 1:
        return states[0]
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *states)
