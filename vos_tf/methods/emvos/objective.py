"""Training EMVOS: clips are followed with the network's own masks; the trunk learns slowly, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from keras import ops

from vos_tf.errors import VosError
from vos_tf.losses import loss_weights, object_targets
from vos_tf.methods.emvos.losses import bootstrapped_cross_entropy, overlap_loss, shown_at
from vos_tf.methods.emvos.network import STRIDE
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.models.video_network import VideoNetwork
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.training.objective import Objective, Outcome

# Gradients of the hardest pixels alone would begin with noise.
HARDEST_FROM, HARDEST_TO = 0.1, 0.4
"""Shares of the run between which the loss turns to the hardest pixels."""


@dataclass(frozen=True)
class Settings:
    """What decides the loss, and which weights learn how quickly.

    Attributes:
        trunk_rate: Learning rate of the trunk as a multiple of the run's; 0: it stays as it is.
        trunk_from: The trunk's first block that learns.
        hardest: Share of the pixels of a frame that the cross-entropy turns to.
        hardest_share: How much of the cross-entropy is of them alone in the end.
        border_weight: Of pixels at the object's border, against 1 of all others.
        jaccard_weight: Of the soft Jaccard loss.
        coarse_weight: Of the logits at stride 8.
        prior_weight: Of what the cues say alone.
    """

    trunk_rate: float = 0.0
    trunk_from: int = 3
    hardest: float = 0.15
    hardest_share: float = 0.8
    border_weight: float = 3.0
    jaccard_weight: float = 1.0
    coarse_weight: float = 0.3
    prior_weight: float = 0.1

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not value >= 0:
                raise VosError(f"training.objective.{item.name}: expected 0 or more, found {value}")
        for name in ("hardest", "hardest_share"):
            if getattr(self, name) > 1:
                raise VosError(f"training.objective.{name}: expected at most 1, found {getattr(self, name)}")


@dataclass(frozen=True)
class EMVOSObjective(Objective):
    """See the module."""

    Settings: ClassVar[Any] = Settings

    def groups(self, network: VideoNetwork) -> Sequence[ParameterGroup]:
        """All but the trunk, and the blocks of the trunk that learn."""
        trunk = {id(variable) for variable in network.trunk.trainable_variables}
        others = [variable for variable in network.trainable_variables if id(variable) not in trunk]
        groups = [ParameterGroup("head", others)]
        if self.settings.trunk_rate:
            learning = [v for v in network.trunk.trainable_variables if _block(v.path) >= self.settings.trunk_from]
            groups.append(ParameterGroup("trunk", learning, rate=self.settings.trunk_rate))
        return groups

    def outcome(self, network: VideoNetwork, batch: ClipBatch, progress: Any, *, training: bool) -> Outcome:
        """The first frame and its masks start the network, the others count."""
        s = self.settings
        first = object_targets(batch.labels[:, :1], self.objects)[:, 0]
        frames = ops.cast(batch.frames, "float32")
        targets = object_targets(batch.labels[:, 1:], self.objects)
        weights = loss_weights(batch.labels[:, 1:], batch.annotated[:, 1:], batch.object_count, self.objects)
        clip = network.unroll(frames, first, frozen=not s.trunk_rate)
        turn = (
            ops.clip((ops.cast(progress, "float32") - HARDEST_FROM) / (HARDEST_TO - HARDEST_FROM), 0.0, 1.0)
            * s.hardest_share
        )
        fine, coarse = shown_at(targets, weights, 2), shown_at(targets, weights, STRIDE)
        losses = bootstrapped_cross_entropy(clip.logits, fine, s.border_weight, s.hardest, turn)
        losses += s.jaccard_weight * overlap_loss(clip.logits, fine)
        for logits, weight in ((clip.coarse, s.coarse_weight), (clip.prior, s.prior_weight)):
            losses += weight * bootstrapped_cross_entropy(logits, coarse, s.border_weight, s.hardest, turn)
        return Outcome(losses, network.enlarged(clip.logits, frames), targets, weights)


def _block(path: str) -> int:
    """The number of the block that a weight of a trunk belongs to; -1: of none."""
    name = path.split("/")[-2]
    number = name.removeprefix("block").split("_")[0]
    return int(number) if name.startswith("block") and number.isdigit() else -1
