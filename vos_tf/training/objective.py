"""What is particular to training a network: its loss and its groups of weights; and the objective of any network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from keras import ops

from vos_tf.errors import VosError
from vos_tf.losses import binary_cross_entropy, loss_weights, object_targets, soft_jaccard
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.models.video_network import VideoNetwork
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.pipeline.options import ClipOptions


class Outcome(NamedTuple):
    """What a network made of a batch.

    Attributes:
        losses: float32 ``(B,)``, one per clip.
        logits: ``(B, T, K, H, W)``.
        targets: 0 or 1, the same shape.
        weights: 0 where a pixel does not count, the same shape.
    """

    losses: Any
    logits: Any
    targets: Any
    weights: Any


@dataclass(frozen=True)
class Objective(ABC):
    """How networks of one kind are trained.

    Attributes:
        Settings: The class of ``settings``, a frozen dataclass that checks itself.
        settings: What decides the loss.
        objects: K, the number of object slots of a clip.
    """

    Settings: ClassVar[Any]
    settings: Any
    objects: int

    @classmethod  # noqa: B027 - most suit all
    def check(cls, settings: Any, network: VideoNetwork, clips: ClipOptions) -> None:
        """Refuse settings that do not suit the settings of the network or the clips.

        Raises:
            VosError: They do not.
        """

    def for_stills(self) -> Objective:
        """The objective of batches made of still images alone: the same groups, with rates of their own."""
        return self

    @abstractmethod
    def groups(self, network: VideoNetwork) -> Sequence[ParameterGroup]:
        """All weights that are ever trained, in groups."""

    @abstractmethod
    def outcome(self, network: VideoNetwork, batch: ClipBatch, progress: Any, *, training: bool) -> Outcome:
        """Run the network over a batch of clips.

        Args:
            network: The network.
            batch: See `ClipBatch`.
            progress: float32 scalar, 0..1: the share of the run's updates that are done.
            training: Whether a training step (augmented clips, changing statistics) or validation asks.
        """


@dataclass(frozen=True)
class UnrolledSettings:
    """What decides the loss over unrolled clips.

    Attributes:
        jaccard_weight: Weight of a soft Jaccard loss beside the cross-entropy; 0: none.
    """

    jaccard_weight: float = 0.0

    def __post_init__(self) -> None:
        if not self.jaccard_weight >= 0:
            raise VosError(f"training.objective.jaccard_weight: expected 0 or more, found {self.jaccard_weight}")


@dataclass(frozen=True)
class UnrolledObjective(Objective):
    """Cross-entropy over unrolled clips: first frames and their masks start the network, the others count.

    For any network that a call with frames ``(B, 1 + T, H, W, 3)`` and first masks ``(B, K, H, W)`` unrolls to logits
    ``(B, T, K, H, W)``; see `vos_tf.models.video_network.VideoNetwork`.
    """

    Settings: ClassVar[Any] = UnrolledSettings

    def groups(self, network: VideoNetwork) -> Sequence[ParameterGroup]:
        """All weights alike."""
        return [ParameterGroup("all", network.trainable_variables)]

    def outcome(self, network: VideoNetwork, batch: ClipBatch, progress: Any, *, training: bool) -> Outcome:
        """See `Objective.outcome`."""
        first = object_targets(batch.labels[:, :1], self.objects)[:, 0]
        targets = object_targets(batch.labels[:, 1:], self.objects)
        weights = loss_weights(batch.labels[:, 1:], batch.annotated[:, 1:], batch.object_count, self.objects)
        losses, logits = self.losses(network, ops.cast(batch.frames, "float32"), first, (targets, weights))
        if self.settings.jaccard_weight:
            losses += self.settings.jaccard_weight * soft_jaccard(logits, targets, weights)
        return Outcome(losses, logits, targets, weights)

    def losses(self, network: VideoNetwork, frames: Any, first: Any, counted: tuple[Any, Any]) -> tuple[Any, Any]:
        """Losses ``(B,)`` and logits ``(B, T, K, H, W)`` of clips, from first masks and ``(targets, weights)``."""
        logits = network(frames, first)
        return binary_cross_entropy(logits, *counted), logits
