"""Training COSNet: frames of a video segment each other; still images teach the encoder (Lu et al., CVPR 2019).

The numbers are those of the authors' code. It takes turns: a batch of still images, each paired with itself, for the
encoder's own head; then batches of pairs from videos, in which the encoder hardly moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from keras import ops

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.losses import loss_weights, object_targets
from vos_tf.methods.cosnet.losses import (
    ORTHOGONALITY_WEIGHT,
    STATIC_WEIGHT,
    absolute_error,
    balanced_cross_entropy,
    orthogonality_penalty,
    positive_ratio_loss,
)
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.models.video_network import VideoNetwork
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.training.objective import Objective, Outcome

LOSSES = ("positive_ratio", "frame_ratio", "balanced", "absolute")


@dataclass(frozen=True)
class Settings:
    """What decides the loss, and which weights learn how quickly.

    The encoder is trunk, pyramid and side head; the heads are the rest, co-attention included.

    Attributes:
        loss: ``positive_ratio``: cross-entropy divided by the share of the foreground in the batch, plus
            ``absolute_weight`` times the absolute error (the authors' code); ``frame_ratio``: the same with the share
            of each frame, which small objects need (an addition); ``balanced``: class-balanced cross-entropy of each
            frame (the paper); ``absolute``: the absolute error alone (the Tianchi code).
        absolute_weight: See ``loss``.
        side_weight: Weight of the loss of the encoder's own maps of all frames of a clip, beside that of the heads;
            the authors have none.
        still_weight: Weight of the same loss in batches of still images (``clips.still_batches``), where it is alone.
        orthogonality_weight: Of the paper's penalty, for networks with ``symmetric``.
        encoder_rate: Learning rate of the encoder as a multiple of the run's.
        head_rate: The same of the heads.
        still_encoder_rate: The same of the encoder in batches of still images.
        still_head_rate: The same of the heads there.
        trunk_rate: Learning rate of the trunk as a multiple of the encoder's.
    """

    loss: str = "positive_ratio"
    absolute_weight: float = 0.8
    side_weight: float = 0.0
    still_weight: float = STATIC_WEIGHT
    orthogonality_weight: float = ORTHOGONALITY_WEIGHT
    encoder_rate: float = 0.01
    head_rate: float = 10.0
    still_encoder_rate: float = 1.0
    still_head_rate: float = 0.0
    trunk_rate: float = 1.0

    def __post_init__(self) -> None:
        one_of("training.objective.loss", self.loss, LOSSES)
        for item in fields(self)[1:]:
            if not getattr(self, item.name) >= 0:
                raise VosError(f"training.objective.{item.name}: expected 0 or more, found {getattr(self, item.name)}")


@dataclass(frozen=True)
class COSNetObjective(Objective):
    """See the module; ``stills``: for batches of still images alone, of which only the encoder's own maps count."""

    Settings: ClassVar[Any] = Settings
    stills: bool = False

    def __post_init__(self) -> None:
        if self.objects != 1:
            raise VosError("clips.objects: expected 'foreground' or 'one' (COSNet has one object), found 'all'")

    def for_stills(self) -> COSNetObjective:
        """The objective for batches of still images alone."""
        return replace(self, stills=True)

    def groups(self, network: VideoNetwork) -> Sequence[ParameterGroup]:
        """Trunk, the encoder's other weights, and heads.

        Raises:
            VosError: The network regresses colours, or lacks the side head that is to be trained.
        """
        self._check(network)
        s = self.settings
        encoder_rate = s.still_encoder_rate if self.stills else s.encoder_rate
        parts = [network.trunk, network.pyramid, *([network.side_head] if network.side_head else [])]
        trunk, *others = [part.trainable_variables for part in parts]
        encoder = [variable for part in others for variable in part]
        known = {id(variable) for variable in (*trunk, *encoder)}
        heads = [variable for variable in network.trainable_variables if id(variable) not in known]
        return [
            ParameterGroup("trunk", trunk, encoder_rate * s.trunk_rate),
            ParameterGroup("encoder", encoder, encoder_rate),
            ParameterGroup("heads", heads, s.still_head_rate if self.stills else s.head_rate),
        ]

    def _check(self, network: VideoNetwork) -> None:
        found = network.settings
        if found.outputs != 1:
            raise VosError(f"model.settings.outputs: expected 1 to train, found {found.outputs} (colours)")
        if self.settings.side_weight and not found.side_head:
            raise VosError("training.objective.side_weight: expected model.settings.side_head with it, found none")
        if self.stills and not found.side_head:
            raise VosError("clips.still_batches: expected model.settings.side_head with it, found none")

    def outcome(self, network: VideoNetwork, batch: ClipBatch, progress: Any, *, training: bool) -> Outcome:
        """The first frame of a clip by the others and, where the network has two heads, the second by the first.

        Of still images alone, the encoder's own map of every frame but the first.
        """
        logits = network(ops.cast(batch.frames, "float32"), training=training)
        targets = object_targets(batch.labels, 1)
        weights = loss_weights(batch.labels, batch.annotated, batch.object_count, 1)
        s = self.settings
        if self.stills:
            maps, shown = logits.sides[:, 1:], slice(1, None)
        else:
            maps, shown = logits.frames, slice(0, logits.frames.shape[1])
        losses = self._loss(maps, targets[:, shown], weights[:, shown])
        if self.stills:
            losses = s.still_weight * losses
        elif s.side_weight:
            losses = losses + s.side_weight * self._loss(logits.sides, targets, weights)
        if network.settings.symmetric:
            losses = losses + s.orthogonality_weight * orthogonality_penalty(network.affinity)
        return Outcome(losses, maps, targets[:, shown], weights[:, shown])

    def _loss(self, logits: Any, targets: Any, weights: Any) -> Any:
        """float32 ``(B,)``, summed over frames."""
        if self.settings.loss == "balanced":
            return balanced_cross_entropy(logits, targets, weights)
        if self.settings.loss == "absolute":
            return absolute_error(logits, targets, weights)
        by_frame = self.settings.loss == "frame_ratio"
        return positive_ratio_loss(logits, targets, weights, self.settings.absolute_weight, by_frame=by_frame)
