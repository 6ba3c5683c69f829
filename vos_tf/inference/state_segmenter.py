"""The segmenter of any network with a state: objects go through it from their first masks, in constant memory."""

from __future__ import annotations

from vos_tf.datasets.types import Video
from vos_tf.inference.graph import VideoGraph
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.options import StateOptions
from vos_tf.inference.session import ObjectSession, VideoSegmenter
from vos_tf.inference.state_session import ObjectStates, StateSession
from vos_tf.inference.video_frames import Frames
from vos_tf.models.video_network import VideoNetwork


class StateSegmenter(VideoSegmenter):
    """A trained network with a state, with everything needed to run it over videos.

    Args:
        network: With ``settings.size``, ``encode``, ``start`` and ``advance``; and a ``stride``, if sizes have to be
            multiples of one where ``settings.size`` is ``None``.
        rule: How objects are merged.
        options: See `StateOptions`.
    """

    options: StateOptions

    def __init__(
        self, network: VideoNetwork, *, rule: MergeRule | None = None, options: StateOptions | None = None
    ) -> None:
        super().__init__(network, rule=rule, options=options or StateOptions())
        self._graph = VideoGraph(network, self.rule)

    def session(
        self,
        size: tuple[int, int],
        name: str | None = None,
        *,
        frames: Frames | None = None,
        video: Video | None = None,
    ) -> ObjectSession:
        """See `VideoSegmenter.session`.

        Examples:
            >>> import numpy as np
            >>> import vos_tf
            >>> segmenter = vos_tf.load("s2s_small_synthetic")
            >>> session = segmenter.session(size=(60, 80))
            >>> labels = np.zeros((60, 80), np.uint8)
            >>> labels[20:40, 30:50] = 7
            >>> session.add(labels)
            >>> result = session.step(np.zeros((60, 80, 3), np.uint8))
            >>> result.object_ids, bool((result.labels == labels).all())
            ((7,), True)
        """
        return StateSession(self.states(size), size, self.merging)

    def states(self, size: tuple[int, int], graph: VideoGraph | None = None) -> ObjectStates:
        """A place for objects that go through a network together; ``graph``: of another network than its own."""
        return ObjectStates(graph or self._graph, size, self.options)
