"""The user's API for networks with a state: a Segmenter follows objects through videos, in constant memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos_tf.inference.finetuned_weights import AdaptedStore, weights_digest
from vos_tf.inference.graph import VideoGraph
from vos_tf.inference.merging.graph import MergingGraph
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.session import Look, Session, VideoSegmenter
from vos_tf.inference.state_session import Followers
from vos_tf.media.label_maps import LabelMap
from vos_tf.methods.s2s.network import S2S
from vos_tf.methods.s2s.online import OnlineNetwork, OnlineSession
from vos_tf.methods.s2s.options import Options, default_options


class _Prepared(NamedTuple):
    """A frame uint8 ``(H, W, 3)``, and its features."""

    frame: NDArray[np.uint8]
    features: Any


class StateSession(Session):
    """A session of a network with a state per object.

    Args:
        followers: Where the objects will be.
        size: ``(H, W)`` of the video's frames.
        merging: How objects are merged.
    """

    def __init__(self, followers: Followers, size: tuple[int, int], merging: MergingGraph) -> None:
        super().__init__(size, merging)
        self._followers = followers
        self._features: Any = None  # of the frame whose turn it is, if they are known

    def prepare(self, frame: NDArray[np.uint8]) -> Any:
        """The frame with its features, which the objects have no part in; see `Session.prepare`."""
        return _Prepared(frame, self._followers.encode(frame)) if self._ids else frame

    def look(self, frame: NDArray[np.uint8] | _Prepared, name: str | None = None) -> Look:
        """See `Session.look`."""
        self._features = None
        if isinstance(frame, _Prepared):
            frame, self._features = frame
        return super().look(frame, name)

    def _keep(self, indices: Sequence[int]) -> None:
        self._followers.keep(indices)

    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        features = self._followers.encode(frame) if self._features is None else self._features
        return self._followers.advance(features)

    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        self._followers.join(frame, np.stack([labels == i for i in ids]))


class Segmenter(VideoSegmenter):
    """A trained network with a state, with everything needed to run it over videos.

    Args:
        network: A network with ``settings.size``, ``encode``, ``start`` and ``advance``.
        rule: How objects are merged.
        options: See `Options`; those that suit the network if not given.
    """

    def __init__(self, network: S2S, *, rule: MergeRule | None = None, options: Options | None = None) -> None:
        super().__init__(network, rule)
        self.options = options or default_options(network)
        self._graph = VideoGraph(network, self.rule)

    def session(self, size: tuple[int, int], name: str | None = None) -> Session:
        """A session for one video of frames ``(H, W)``.

        Examples:
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
        if self.options.finetune.adapts:
            return OnlineSession(self.online_network, self._followers, size, self.merging, self.options, name)
        return StateSession(self._followers(self._graph, size), size, self.merging)

    @cached_property
    def online_network(self) -> OnlineNetwork:
        """A copy of the network that learns the objects of each video; made when it is first needed."""
        return OnlineNetwork(self.network, self.options.finetune, self.store)

    @cached_property
    def store(self) -> AdaptedStore | None:
        """Where adapted weights are kept."""
        if not self.options.adapted or not self.options.finetune.adapts:
            return None
        settings = self.network.get_config()["settings"]
        origin = {
            "parent": weights_digest(self.network),
            "network": settings,
            "finetune": asdict(self.options.finetune),
        }
        return AdaptedStore(Path(self.options.adapted), "s2s", origin)

    def _followers(self, graph: VideoGraph, size: tuple[int, int]) -> Followers:
        options = self.options
        return Followers(
            graph,
            size,
            objects_per_call=options.objects_per_call,
            restart_every=options.restart_every,
            step_first=options.step_first,
        )
