"""Training S2S: cross-entropy over unrolled clips (Xu et al., ECCV 2018, section 4), or the loss of RS2S."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.methods.s2s.rs2s_loss import CLASSES, rs2s_loss
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.models.video_network import VideoNetwork
from vos_tf.training.objective import UnrolledObjective, UnrolledSettings


@dataclass(frozen=True)
class Settings(UnrolledSettings):
    """What decides the loss.

    Attributes:
        loss: ``cross_entropy``, or ``rs2s`` for a network with RS2S's distance classes, see
            `vos_tf.methods.s2s.rs2s_loss`.
        jaccard_weight: Weight of a soft Jaccard loss beside it (an addition to the paper); 0: none.
    """

    loss: str = "cross_entropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("training.objective.loss", self.loss, ("cross_entropy", "rs2s"))


@dataclass(frozen=True)
class S2SObjective(UnrolledObjective):
    """See the module."""

    Settings: ClassVar[Any] = Settings

    def groups(self, network: VideoNetwork) -> Sequence[ParameterGroup]:
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
        return super().groups(network)

    def losses(self, network: VideoNetwork, frames: Any, first: Any, counted: tuple[Any, Any]) -> tuple[Any, Any]:
        """See `UnrolledObjective.losses`."""
        if self.settings.loss != "rs2s":
            return super().losses(network, frames, first, counted)
        logits, distance = network(frames, first, distance=True)
        return rs2s_loss(logits, distance, *counted), logits
