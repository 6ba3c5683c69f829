"""Training a parent of OSVOS: class-balanced cross-entropy with deep supervision (Caelles et al., CVPR 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from keras import ops

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.losses import loss_weights, object_targets
from vos_tf.methods.osvos.losses import deep_supervision
from vos_tf.models.layers import fold_time
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.models.video_network import VideoNetwork
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.training.objective import Objective, Outcome

# Weight of each side's loss beside the fused map's, which always counts 1 (the authors' three stages).
SUPERVISION = {"strong": 1.0, "weak": 0.5, "none": 0.0}
# The authors train 15,000 iterations strong, 15,000 weak and 20,000 without.
STAGES = (0.3, 0.6)


@dataclass(frozen=True)
class Settings:
    """What decides the loss and which weights learn how fast.

    Attributes:
        supervision: Weight of the sides' losses: ``strong`` (1), ``weak`` (0.5) or ``none`` (0) throughout; ``staged``:
            strong for the first 30 % of the run, weak up to 60 %, then none (the authors' three trainings in one);
            ``decay``: from 1 to 0 along the run (the authors' PyTorch port).
        normalization: ``sum``: over the pixels (the authors'). ``balanced``: object and background count one half each,
            whatever their sizes and the image's.
        rates: ``authors``: biases learn twice as fast as weights, scores by 0.1, the fusing by 0.01. ``equal``: all
            alike.
        train_trunk: Whether the trunk learns.
    """

    supervision: str = "decay"
    normalization: str = "sum"
    rates: str = "authors"
    train_trunk: bool = True

    def __post_init__(self) -> None:
        one_of("training.objective.supervision", self.supervision, (*SUPERVISION, "staged", "decay"))
        one_of("training.objective.normalization", self.normalization, ("sum", "balanced"))
        one_of("training.objective.rates", self.rates, ("authors", "equal"))


def side_weight(supervision: str, progress: Any) -> Any:
    """Weight of each side's loss at ``progress``, 0..1 of the run: a number, or a scalar tensor where it changes."""
    if supervision == "decay":
        return 1.0 - progress
    if supervision == "staged":
        late = ops.where(progress < STAGES[1], SUPERVISION["weak"], SUPERVISION["none"])
        return ops.where(progress < STAGES[0], SUPERVISION["strong"], late)
    return SUPERVISION[supervision]


@dataclass(frozen=True)
class OSVOSObjective(Objective):
    """See the module. Each frame of a clip is an image of its own; its object is the clip's one object."""

    Settings: ClassVar[Any] = Settings

    def __post_init__(self) -> None:
        if self.objects != 1:
            raise VosError(
                "clips.objects: expected 'one' or 'foreground' (a parent of OSVOS learns one object), found 'all'"
            )

    def groups(self, network: VideoNetwork) -> Sequence[ParameterGroup]:
        """The network's groups, with the authors' rates or all alike."""
        return [
            group if self.settings.rates == "authors" else replace(group, rate=1.0)
            for group in network.parameter_groups()
            if group.variables and (self.settings.train_trunk or not group.name.startswith("trunk"))
        ]

    def outcome(self, network: VideoNetwork, batch: ClipBatch, progress: Any, *, training: bool) -> Outcome:
        """Every annotated frame counts; the loss of a clip is their mean."""
        targets = object_targets(batch.labels, 1)
        weights = loss_weights(batch.labels, batch.annotated, batch.object_count, 1)
        images = ops.cast(fold_time(batch.frames), "float32")
        flat_targets, flat_weights = (fold_time(x)[:, 0, ..., None] for x in (targets, weights))
        found = network(images, training=training)
        weight = side_weight(self.settings.supervision, progress)
        losses = deep_supervision(found.fused, found.sides, flat_targets, flat_weights, weight)
        if self.settings.normalization == "balanced":
            losses = losses / _balance(flat_targets, flat_weights)
        steps = batch.frames.shape[1]
        counts = ops.cast(batch.annotated, "float32")
        per_clip = ops.sum(ops.reshape(losses, (-1, steps)) * counts, axis=1)
        logits = ops.reshape(found.fused, (-1, steps, 1, *found.fused.shape[1:3]))
        return Outcome(per_clip / ops.maximum(ops.sum(counts, axis=1), 1.0), logits, targets, weights)


def _balance(targets: Any, weights: Any) -> Any:
    """What the sum over the pixels is to be divided by: ``2 P Q / N`` of each image."""
    inside = ops.sum(targets * weights, axis=(1, 2, 3))
    count = ops.sum(weights, axis=(1, 2, 3))
    return ops.maximum(2.0 * inside * (count - inside) / ops.maximum(count, 1.0), 1.0)
