"""Training S2S: cross-entropy over unrolled clips (Xu et al., ECCV 2018, section 4), or the loss of RS2S."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.losses import binary_cross_entropy, loss_weights, object_targets, soft_jaccard
from vos_tf.methods.s2s.rs2s_loss import CLASSES, rs2s_loss
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.training.objectives.base import Outcome


@dataclass(frozen=True)
class Settings:
    """What decides the loss.

    Attributes:
        loss: ``cross_entropy``, or ``rs2s`` for a network with RS2S's distance classes, see
            `vos_tf.methods.s2s.rs2s_loss`.
        jaccard_weight: Weight of a soft Jaccard loss beside it (an addition to the paper); 0: none.
    """

    loss: str = "cross_entropy"
    jaccard_weight: float = 0.0

    def __post_init__(self) -> None:
        one_of("training.objective.loss", self.loss, ("cross_entropy", "rs2s"))
        if not self.jaccard_weight >= 0:
            raise VosError(f"training.objective.jaccard_weight: expected 0 or more, found {self.jaccard_weight}")


@dataclass(frozen=True)
class S2SObjective:
    """See the module; ``objects`` is the number of object slots of a clip."""

    settings: Settings
    objects: int

    def groups(self, network: Any) -> Sequence[ParameterGroup]:
        """All weights alike.

        Raises:
            VosError: The loss needs distance classes that the network does not have.
        """
        found = network.settings.distance_classes
        if self.settings.loss == "rs2s" and found != CLASSES:
            raise VosError(
                f"training.objective.loss rs2s: expected a network with model.settings.distance_classes {CLASSES} "
                f"(preset rs2s), found {found}"
            )
        return [ParameterGroup("all", network.trainable_variables)]

    def outcome(self, network: Any, batch: ClipBatch, progress: Any, *, training: bool) -> Outcome:
        """The first frame and its masks start the network, the others count."""
        first = object_targets(batch.labels[:, :1], self.objects)[:, 0]
        frames = ops.cast(batch.frames, "float32")
        targets = object_targets(batch.labels[:, 1:], self.objects)
        weights = loss_weights(batch.labels[:, 1:], batch.annotated[:, 1:], batch.object_count, self.objects)
        if self.settings.loss == "rs2s":
            logits, distance = network(frames, first, distance=True)
            losses = rs2s_loss(logits, distance, targets, weights)
        else:
            logits = network(frames, first)
            losses = binary_cross_entropy(logits, targets, weights)
        if self.settings.jaccard_weight:
            losses += self.settings.jaccard_weight * soft_jaccard(logits, targets, weights)
        return Outcome(losses, logits, targets, weights)


def make(settings: Settings, objects: int) -> S2SObjective:
    """The objective for clips with ``objects`` slots."""
    return S2SObjective(settings, objects)
