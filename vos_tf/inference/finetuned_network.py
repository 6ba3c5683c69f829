"""A network that is adapted to objects, again and again, each time from the same weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from vos_tf.inference.finetuned_weights import AdaptedStore
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.models.video_network import VideoNetwork
from vos_tf.training.finetune import Finetuner, Sample, Values
from vos_tf.training.finetune_samples import AnnotatedFrame
from vos_tf.training.finetune_settings import FinetuneSettings


class FinetunedNetwork(ABC):
    """See the module. A method says what it learns from.

    Args:
        network: A copy of the parent, whose weights are those that all adaptations start from.
        groups: What is trained.
        loss: From a batch, the arrays of a sample with a batch axis before them, to a scalar.
        settings: How.
        store: Where adapted weights are kept; ``None``: nowhere.
    """

    def __init__(
        self,
        network: VideoNetwork,
        groups: Sequence[ParameterGroup],
        loss: Callable[..., Any],
        settings: FinetuneSettings,
        store: AdaptedStore | None,
    ) -> None:
        self.network = network
        self.finetuner = Finetuner(network, groups, loss, settings)
        self._store = store
        self._present: Values | None = None

    @abstractmethod
    def samples(self, ids: Sequence[int], frames: Sequence[AnnotatedFrame]) -> Callable[[int], Sample]:
        """Draws what is learned of objects from annotated frames, see `Finetuner.run`."""

    def adapt(self, ids: Sequence[int], frames: Sequence[AnnotatedFrame], video: str | None, key: str) -> Values:
        """The weights for these objects; the network has them then.

        Args:
            ids: The objects.
            frames: Where they are seen, as large as the video.
            video: Its name, for messages and the store; ``None``: without a name, nothing is kept.
            key: The place of the weights in the store, below the video's.
        """
        if not self.finetuner.settings.adapts:
            return self.finetuner.start
        self._present = None
        place, store = f"{video}/{key}", self._store if video else None
        if store is None or not store.restore(place, ids, frames, self.network):
            what = f"object {ids[0]}" if len(ids) == 1 else f"{len(ids)} objects"
            where = f"{video}: " if video else ""
            report = self.finetuner.run(self.samples(ids, frames), f"{where}fine-tuning {what}")
            if store is not None:
                store.save(place, ids, frames, self.network, report)
        self._present = self.finetuner.values()
        return self._present

    def take(self, values: Values) -> None:
        """Give the network weights that `adapt` gave."""
        if values is not self._present:
            self.finetuner.assign(values)
            self._present = values
