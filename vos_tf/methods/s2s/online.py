"""Online learning: a copy of the network learns the objects of a video from the frame in which they join.

Xu et al., ECCV 2018 (S2S): initializer, encoder and decoder are fine-tuned for each object, the ConvLSTM is fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos_tf.inference.finetuned_network import FinetunedNetwork
from vos_tf.inference.finetuned_weights import AdaptedStore
from vos_tf.inference.graph import VideoGraph
from vos_tf.inference.grouped_session import Group, GroupedSession
from vos_tf.inference.merging.graph import MergingGraph
from vos_tf.inference.state_session import ObjectStates
from vos_tf.methods.s2s.finetuning import ClipSamples, finetuned_groups, finetuning_loss
from vos_tf.methods.s2s.network import S2S
from vos_tf.methods.s2s.options import S2SFinetuneSettings
from vos_tf.training.finetune_samples import AnnotatedFrame


class S2SFinetunedNetwork(FinetunedNetwork):
    """See `FinetunedNetwork`.

    Args:
        parent: An `vos_tf.methods.s2s.network.S2S`; it is copied.
        settings: See `S2SFinetuneSettings`.
        store: Where adapted weights are kept; ``None``: nowhere.
    """

    def __init__(self, parent: S2S, settings: S2SFinetuneSettings, store: AdaptedStore | None = None) -> None:
        network = type(parent).from_config(parent.get_config())
        network.set_weights(parent.get_weights())
        super().__init__(network, finetuned_groups(network), finetuning_loss(network, settings), settings.loop, store)
        self.graph = VideoGraph(network)
        self._settings = settings

    def samples(self, ids: Sequence[int], frames: Sequence[AnnotatedFrame]) -> ClipSamples:
        """Clips made of the one frame that there is."""
        return ClipSamples(frames[0], ids, self._settings, self.network.settings.size)


class _Group(Group):
    """Objects that were learned together, with their states."""

    states: ObjectStates | None = None

    def keep(self, places: Sequence[int]) -> None:
        """See `Group.keep`."""
        super().keep(places)
        if self.states is not None:
            self.states.keep(places)


class S2SOnlineSession(GroupedSession[_Group]):
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
        network: S2SFinetunedNetwork,
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
