"""The user's API for networks with a state: a Segmenter follows objects through videos, in constant memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.inference.graph import VideoGraph
from vos_tf.inference.merge import MergeRule, MergingGraph
from vos_tf.inference.session import Session, VideoSegmenter
from vos_tf.media.label_maps import LabelMap


@dataclass(frozen=True)
class Options:
    """What can be chosen when S2S segments.

    Attributes:
        objects_per_call: Largest number of objects that go through the network together; 0: all. The result does not
            depend on it.
    """

    objects_per_call: int = field(default=0, metadata={"decides_masks": False})

    def __post_init__(self) -> None:
        if self.objects_per_call < 0:
            raise VosError(f"objects_per_call: expected 0 (all objects) or more, found {self.objects_per_call}")


class StateSession(Session):
    """A session of a network with a state per object.

    Args:
        graph: The network's graphs.
        size: ``(H, W)`` of the video's frames.
        merging: How objects are merged.
        objects_per_call: See `Options`.
    """

    def __init__(
        self, graph: VideoGraph, size: tuple[int, int], merging: MergingGraph, objects_per_call: int = 0
    ) -> None:
        super().__init__(size, merging)
        self._graph = graph
        self._objects_per_call = objects_per_call
        self._state: Any = None

    def _keep(self, indices: Sequence[int]) -> None:
        self._state = tf.nest.map_structure(lambda x: tf.gather(x, indices), self._state) if indices else None

    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        features = self._graph.encode(tf.constant(frame[None]))
        count = len(self._ids)
        chunk = self._objects_per_call or count
        parts = []
        for begin in range(0, count, chunk):
            state = tf.nest.map_structure(lambda x: x[begin : begin + chunk], self._state)  # noqa: B023
            parts.append(self._graph.advance(features, state, *map(tf.constant, self.size)))
        self._state = _concatenate([state for _, state in parts])
        return tf.concat([maps for maps, _ in parts], axis=0)

    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        image = tf.constant(frame[None])
        masks = np.stack([labels == i for i in ids]).astype(np.uint8)
        chunk = self._objects_per_call or len(ids)
        started = [self._graph.start(image, masks[i : i + chunk, ..., None]) for i in range(0, len(ids), chunk)]
        self._state = _concatenate(([self._state] if self._ids else []) + started)


def _concatenate(states: list[Any]) -> Any:
    if len(states) == 1:
        return states[0]
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *states)


class Segmenter(VideoSegmenter):
    """A trained network with a state, with everything needed to run it over videos.

    Args:
        network: A network with ``settings.size``, ``encode``, ``start`` and ``advance``.
        rule: How objects are merged.
        objects_per_call: See `Options`.
    """

    def __init__(self, network: Any, *, rule: MergeRule | None = None, objects_per_call: int = 0) -> None:
        super().__init__(network, rule)
        self.objects_per_call = objects_per_call
        self._graph = VideoGraph(network, self.rule)

    def session(self, size: tuple[int, int], name: str | None = None) -> Session:
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
        return StateSession(self._graph, size, self.merging, self.objects_per_call)


def default_options(network: Any) -> Options:
    """The same for all networks."""
    return Options()


def make(network: Any, rule: MergeRule, options: Options) -> Segmenter:
    """The segmenter of a network."""
    return Segmenter(network, rule=rule, objects_per_call=options.objects_per_call)
