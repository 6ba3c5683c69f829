"""How a network is adapted to clips made of one frame. No TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vos_tf.errors import VosError
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.training.finetune_settings import FinetuneSettings


@dataclass(frozen=True)
class ClipFinetuneSettings:
    """How a network that follows objects is adapted to one, from clips made of one frame.

    Attributes:
        steps: Updates of fine-tuning; 0: none, the network as it is.
        seconds: Time for fine-tuning instead of ``steps``, compiling included; ``None``: none.
        learning_rate: Learning rate of fine-tuning, by Adam.
        schedule: ``constant``, or ``cosine`` to 0 over the steps or seconds.
        batch_size: Clips per update.
        clip_length: T, the frames of a clip after the first frame; 1: pairs (Xu et al. 2018).
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
