"""Online learning: a copy of the network learns objects from clips made of the frame in which they join."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.inference.finetuned_network import FinetunedNetwork
from vos_tf.inference.finetuned_weights import AdaptedStore
from vos_tf.inference.graph import VideoGraph
from vos_tf.inference.grouped_session import Group, GroupedSession
from vos_tf.inference.merging.graph import MergingGraph
from vos_tf.inference.state_session import ObjectStates
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.models.video_network import VideoNetwork
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.training.clip_samples import ClipSamples
from vos_tf.training.clip_settings import ClipFinetuneSettings
from vos_tf.training.finetune_samples import AnnotatedFrame
from vos_tf.training.objective import Objective


def clip_loss(network: VideoNetwork, objective: Callable[[int], Objective]) -> Callable[[Any, Any, Any], Any]:
    """The mean loss of clips that `ClipSamples` draws: a function of their three arrays, each with a batch axis.

    Args:
        network: The network.
        objective: From the number of objects to what is learned.
    """

    def loss(frames: Any, labels: Any, slots: Any) -> Any:
        objects = slots.shape[1]
        annotated = tf.ones(labels.shape[:2], tf.bool)
        batch = ClipBatch(frames, labels, annotated, tf.fill([frames.shape[0]], objects))
        return tf.reduce_mean(objective(objects).outcome(network, batch, 0.0, training=True).losses)

    # The choice of the objective is plain Python, and its graph has no loops or branches of its own.
    plain: Callable[[Any, Any, Any], Any] = tf.autograph.experimental.do_not_convert(loss)
    return plain


class ClipFinetunedNetwork(FinetunedNetwork):
    """See `FinetunedNetwork`.

    Args:
        parent: A network with a state; it is copied.
        groups: From the copy to what is learned of it.
        loss: From the copy to its loss, as `clip_loss` makes it.
        settings: What is drawn, and how often.
        store: Where adapted weights are kept; ``None``: nowhere.
        scale: Clips are this multiple of the size at which the network works.
    """

    def __init__(
        self,
        parent: Any,
        groups: Callable[[Any], Sequence[ParameterGroup]],
        loss: Callable[[Any], Callable[..., Any]],
        settings: ClipFinetuneSettings,
        store: AdaptedStore | None = None,
        scale: float = 1.0,
    ) -> None:
        network = type(parent).from_config(parent.get_config())
        network.set_weights(parent.get_weights())
        super().__init__(network, groups(network), loss(network), settings.loop, store)
        self.graph = VideoGraph(network)
        self._settings = settings
        self._scale = scale

    def samples(self, ids: Sequence[int], frames: Sequence[AnnotatedFrame]) -> ClipSamples:
        """Clips made of the one frame that there is."""
        sides = np.asarray(self.graph.working_size(frames[0].image[None]))
        stride = self.graph.stride
        height, width = (max(round(self._scale * int(side) / stride), 1) * stride for side in sides)
        return ClipSamples(frames[0], ids, self._settings, (height, width))


class _Group(Group):
    """Objects that were learned together, with their states."""

    states: ObjectStates | None = None

    def keep(self, places: Sequence[int]) -> None:
        """See `Group.keep`."""
        super().keep(places)
        if self.states is not None:
            self.states.keep(places)


class ClipOnlineSession(GroupedSession[_Group]):
    """See `GroupedSession`.

    Args:
        network: What is fine-tuned.
        states: Makes a place for objects that go through the network together.
        size: ``(H, W)`` of the video's frames.
        merging: How objects are merged.
        separate: Whether each object is learned by itself.
        name: Of the video, or ``None``.
    """

    group = _Group

    def __init__(
        self,
        network: ClipFinetunedNetwork,
        states: Callable[[tuple[int, int], VideoGraph], ObjectStates],
        size: tuple[int, int],
        merging: MergingGraph,
        *,
        separate: bool,
        name: str | None,
    ) -> None:
        super().__init__(size, merging, separate=separate, name=name)
        self._network = network
        self._states = states

    def _learn(self, group: _Group, frames: Sequence[AnnotatedFrame]) -> None:
        group.values = self._network.adapt(group.ids, frames, self._name, group.key)
        states = self._states(self.size, self._network.graph)
        states.join(frames[0].image, np.stack([frames[0].labels == i for i in group.ids]))
        states.keep(group.members)
        group.states = states

    def _maps(self, group: _Group, frame: NDArray[np.uint8]) -> Any:
        assert group.states is not None
        self._network.take(group.values)
        return group.states.advance(group.states.encode(frame))
