"""Online learning: a copy of the network learns the objects of a video from the frame in which they join.

Xu et al., ECCV 2018 (S2S): initializer, encoder and decoder are fine-tuned for each object, the ConvLSTM is fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos_tf.inference.finetuned_weights import AdaptedStore
from vos_tf.inference.graph import VideoGraph
from vos_tf.inference.merging.graph import MergingGraph
from vos_tf.inference.merging.logit_maps import join_maps
from vos_tf.inference.session import Session
from vos_tf.inference.state_session import Followers
from vos_tf.media.label_maps import LabelMap
from vos_tf.methods.s2s.finetuning import ClipSamples, S2SFinetuneSettings, finetuned_groups, finetuning_loss
from vos_tf.methods.s2s.network import S2S
from vos_tf.methods.s2s.options import Options
from vos_tf.training.finetune import Finetuner, Values
from vos_tf.training.finetune_samples import AnnotatedFrame


class OnlineNetwork:
    """A network that is adapted to objects, again and again, each time from the same weights.

    Args:
        parent: An `vos_tf.methods.s2s.network.S2S`; it is copied.
        settings: See `S2SFinetuneSettings`.
        store: Where adapted weights are kept; ``None``: nowhere.
    """

    def __init__(self, parent: S2S, settings: S2SFinetuneSettings, store: AdaptedStore | None = None) -> None:
        self.network = type(parent).from_config(parent.get_config())
        self.network.set_weights(parent.get_weights())
        self.graph = VideoGraph(self.network)
        self.finetuner = Finetuner(
            self.network, finetuned_groups(self.network), finetuning_loss(self.network, settings), settings.loop
        )
        self._settings = settings
        self._store = store
        self._present: Values | None = None

    def adapt(self, ids: Sequence[int], frame: AnnotatedFrame, video: str | None, key: str) -> Values:
        """The weights for these objects; the network has them then.

        Args:
            ids: The objects.
            frame: Where they are seen.
            video: Its name, for messages and the store; ``None``: without a name, nothing is kept.
            key: The place of the weights in the store, below the video's.
        """
        self._present = None
        place, store = f"{video}/{key}", self._store if video else None
        if store is None or not store.restore(place, ids, [frame], self.network):
            what = f"object {ids[0]}" if len(ids) == 1 else f"{len(ids)} objects"
            where = f"{video}: " if video else ""
            samples = ClipSamples(frame, ids, self._settings, self.network.settings.size)
            report = self.finetuner.run(samples, f"{where}fine-tuning {what}")
            if store is not None:
                store.save(place, ids, [frame], self.network, report)
        self._present = self.finetuner.values()
        return self._present

    def take(self, values: Values) -> None:
        """Give the network weights that `adapt` gave."""
        if values is not self._present:
            self.finetuner.assign(values)
            self._present = values


class _Group:
    """Objects that were learned together: their weights and states."""

    def __init__(self, values: Values, followers: Followers, count: int) -> None:
        self.values = values
        self.followers = followers
        self.count = count


class OnlineSession(Session):
    """A session that fine-tunes a network for objects that join; its memory does not grow with the video.

    Args:
        network: What is fine-tuned.
        followers: Makes a place for objects that go through the network together.
        size: ``(H, W)`` of the video's frames.
        merging: How objects are merged.
        options: See `vos_tf.methods.s2s.options.Options`.
        name: Of the video: adapted weights are kept under it; ``None``: they are not kept.
    """

    def __init__(
        self,
        network: OnlineNetwork,
        followers: Callable[[VideoGraph, tuple[int, int]], Followers],
        size: tuple[int, int],
        merging: MergingGraph,
        options: Options,
        name: str | None,
    ) -> None:
        super().__init__(size, merging)
        self._network = network
        self._make_followers = followers
        self._separate = options.separate
        self._name = name
        self._groups: list[_Group] = []

    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        for members in [(i,) for i in ids] if self._separate else [ids]:
            key = f"{name}-object{members[0]}" if self._separate else name
            values = self._network.adapt(members, AnnotatedFrame(frame, labels), self._name, key)
            followers = self._make_followers(self._network.graph, self.size)
            followers.join(frame, np.stack([labels == i for i in members]))
            self._groups.append(_Group(values, followers, len(members)))

    def _keep(self, indices: Sequence[int]) -> None:
        first = 0
        for group in self._groups:
            members = [index - first for index in indices if first <= index < first + group.count]
            first += group.count
            group.followers.keep(members)
            group.count = len(members)
        self._groups = [group for group in self._groups if group.count]

    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        maps = []
        for group in self._groups:
            self._network.take(group.values)
            maps.append(group.followers.advance(group.followers.encode(frame)))
        return join_maps(maps)
