"""What can be chosen when S2S segments, and what suits each trunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vos_tf.config import fill
from vos_tf.errors import VosError
from vos_tf.inference.options import StateOptions
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.training.finetune_settings import FinetuneSettings

if TYPE_CHECKING:
    from vos_tf.methods.s2s.network import S2S


@dataclass(frozen=True)
class S2SFinetuneSettings:
    """How S2S is adapted to an object.

    Attributes:
        steps: Updates of fine-tuning; 0: none, the network as it is.
        seconds: Time for fine-tuning instead of ``steps``, compiling included; ``None``: none.
        learning_rate: Learning rate of fine-tuning, by Adam.
        schedule: ``constant``, or ``cosine`` to 0 over the steps or seconds.
        batch_size: Clips per update.
        clip_length: T, the frames of a clip after the first frame; 1: pairs, as in the paper.
        augment: The movement from the first frame to the last one of a clip; the frames between lie evenly on the way.
            Flip and colours are the same for all frames of a clip.
        motion: Share of the clips in which the objects are cut out and move by themselves over the background, as in
            `vos_tf.pipeline.motion`, instead of the whole frame.
        objective: Settings of the loss that differ from those of training, such as ``jaccard_weight``.
        seed: Of everything that is drawn.
    """

    steps: int = field(default=0, metadata={"option": "--steps --online-steps"})
    seconds: float | None = field(default=None, metadata={"option": "--seconds"})
    learning_rate: float = field(default=1e-5, metadata={"option": "--learning-rate"})
    schedule: str = "constant"
    batch_size: int = 4
    clip_length: int = 1
    augment: AugmentOptions = field(
        default_factory=lambda: AugmentOptions(flip=0.5, rotation=30, scale=0.25, translation=0.1)
    )
    motion: float = 0.0
    objective: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective:
            from vos_tf.methods.s2s.objective import Settings  # imports Keras: only where there is anything to check

            fill(Settings, self.objective, "training.objective")
        if self.clip_length < 1:
            raise VosError(f"finetune.clip_length: expected 1 or more, found {self.clip_length}")
        if self.augment.window is not None or self.augment.each_frame:
            raise VosError(
                "finetune.augment: expected no window and not each_frame, which clips of one frame do not have"
            )
        _ = self.loop  # refuses what is impossible there

    @property
    def loop(self) -> FinetuneSettings:
        """What the loop of fine-tuning knows of them."""
        return FinetuneSettings(
            steps=self.steps,
            seconds=self.seconds,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            batch_size=self.batch_size,
            motion=self.motion,
            seed=self.seed,
        )

    @property
    def adapts(self) -> bool:
        """Whether anything is learned."""
        return self.loop.adapts


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
