"""Training S2S: cross-entropy over unrolled clips (Xu et al., ECCV 2018, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from vos_tf.errors import VosError
from vos_tf.losses import binary_cross_entropy, loss_weights, object_targets, soft_jaccard
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.training.objectives.base import Outcome
from vos_tf.training.optimizers import ParameterGroup


@dataclass(frozen=True)
class Settings:
    """What decides the loss.

    Attributes:
        jaccard_weight: Weight of a soft Jaccard loss beside the cross-entropy (an addition to the paper); 0: none.
    """

    jaccard_weight: float = 0.0

    def __post_init__(self) -> None:
        if not self.jaccard_weight >= 0:
            raise VosError(f"training.objective.jaccard_weight: expected 0 or more, found {self.jaccard_weight}")


@dataclass(frozen=True)
class S2SObjective:
    """See the module; ``objects`` is the number of object slots of a clip."""

    settings: Settings
    objects: int

    def groups(self, network: Any) -> Sequence[ParameterGroup]:
        """All weights alike."""
        return [ParameterGroup("all", network.trainable_variables)]

    def outcome(self, network: Any, batch: ClipBatch, progress: Any, *, training: bool) -> Outcome:
        """The first frame and its masks start the network, the others count."""
        first = object_targets(batch.labels[:, :1], self.objects)[:, 0]
        logits = network(ops.cast(batch.frames, "float32"), first)
        targets = object_targets(batch.labels[:, 1:], self.objects)
        weights = loss_weights(batch.labels[:, 1:], batch.annotated[:, 1:], batch.object_count, self.objects)
        losses = binary_cross_entropy(logits, targets, weights)
        if self.settings.jaccard_weight:
            losses += self.settings.jaccard_weight * soft_jaccard(logits, targets, weights)
        return Outcome(losses, logits, targets, weights)


def make(settings: Settings, objects: int) -> S2SObjective:
    """The objective for clips with ``objects`` slots."""
    return S2SObjective(settings, objects)
