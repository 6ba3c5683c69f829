"""What can be chosen when S2S segments, and what suits each trunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vos_tf.config import fill
from vos_tf.inference.options import StateOptions
from vos_tf.training.clip_settings import ClipFinetuneSettings

if TYPE_CHECKING:
    from vos_tf.methods.s2s.network import S2S


@dataclass(frozen=True)
class S2SFinetuneSettings(ClipFinetuneSettings):
    """How S2S is adapted to an object; see `ClipFinetuneSettings`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective:
            from vos_tf.methods.s2s.objective import Settings  # imports Keras: only where there is anything to check

            fill(Settings, self.objective, "training.objective")


@dataclass(frozen=True)
class Options(StateOptions):
    """What can be chosen when S2S segments.

    Attributes:
        finetune: Online learning of each object from its first frame.
        separate: Fine-tune a network for each object (the paper), or one for all objects that join in a frame.
        adapted: Folder in which fine-tuned weights are kept and found again; empty: they are forgotten.
    """

    finetune: S2SFinetuneSettings = field(default_factory=S2SFinetuneSettings)
    separate: bool = field(default=True, metadata={"option": "--separate/--together"})
    adapted: str = field(default="", metadata={"decides_masks": False})


def default_options(network: S2S) -> Options:
    """No online learning; where it is asked for, pairs at a low rate (the paper), or what suits a light trunk."""
    objective = {"loss": "rs2s"} if network.settings.distance_classes else {}
    if network.settings.trunk != "small":
        return Options(finetune=S2SFinetuneSettings(objective=objective))
    # Found on hard videos of the synthetic world, with other seeds than those of training and validation.
    finetune = S2SFinetuneSettings(
        learning_rate=1e-3,
        schedule="cosine",
        batch_size=2,
        clip_length=5,
        motion=0.7,
        objective={**objective, "jaccard_weight": 0.25},
    )
    return Options(finetune=finetune)
