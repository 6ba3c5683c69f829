"""How a network is adapted to a video. No TensorFlow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.pipeline.options import AugmentOptions


@dataclass(frozen=True)
class FinetuneSettings:
    """How a network is adapted to a video.

    Attributes:
        steps: Updates of fine-tuning; 0: none, the parent as it is.
        seconds: Time for fine-tuning instead of ``steps``, compiling included; ``None``: none.
        learning_rate: Learning rate of fine-tuning, for groups of weights with rate 1.
        schedule: ``constant``, or ``cosine`` to 0 over the steps or seconds.
        optimizer: ``adam``, ``sgd`` (with ``momentum``) or ``rmsprop``.
        momentum: Of ``sgd``.
        weight_decay: L2 penalty, added to the gradient; 0: none.
        batch_size: Augmented samples per update.
        augment: How each sample is changed.
        scales: Each sample is scaled by one of these factors, beside ``augment.scale``.
        motion: Share of the samples in which the objects are cut out and moved over the background by themselves
            (as in Lucid Data Dreaming, Khoreva et al. 2017), before all other changes.
        crop: ``(H, W)`` of a window that is cut from each sample, no larger than the frame; ``None``: whole frames.
        crop_focus: Share of the windows that show a part of an object for certain; the others lie anywhere.
        seed: Of everything that is drawn.
    """

    steps: int = field(default=200, metadata={"option": "--steps --online-steps"})
    seconds: float | None = field(default=None, metadata={"option": "--seconds"})
    learning_rate: float = field(default=1e-3, metadata={"option": "--learning-rate"})
    schedule: str = "constant"
    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 1
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    scales: tuple[float, ...] = (1.0,)
    motion: float = 0.0
    crop: tuple[int, int] | None = None
    crop_focus: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("finetune.schedule", self.schedule, ("constant", "cosine"))
        one_of("finetune.optimizer", self.optimizer, ("adam", "sgd", "rmsprop"))
        for name, least in (("steps", 0), ("batch_size", 1), ("weight_decay", 0), ("seed", 0)):
            if not getattr(self, name) >= least:
                raise VosError(f"finetune.{name}: expected {least} or more, found {getattr(self, name)}")
        if self.seconds is not None and not self.seconds > 0:
            raise VosError(f"finetune.seconds: expected a number above 0, found {self.seconds}")
        if not 0 < self.learning_rate < math.inf:
            raise VosError(f"finetune.learning_rate: expected a number above 0, found {self.learning_rate}")
        if not 0 <= self.momentum < 1:
            raise VosError(f"finetune.momentum: expected 0 <= x < 1, found {self.momentum}")
        if not self.scales or not all(0.05 <= scale <= 20 for scale in self.scales):
            raise VosError(f"finetune.scales: expected factors from 0.05 to 20, found {self.scales}")
        if self.crop is not None and min(self.crop) < 1:
            raise VosError(f"finetune.crop: expected height and width in pixels, found {self.crop}")
        if self.augment.window is not None:
            raise VosError(f"finetune.augment.window: expected none (see finetune.crop), found {self.augment.window}")
        if not 0 <= self.motion <= 1:
            raise VosError(f"finetune.motion: expected 0 <= x <= 1, found {self.motion}")
        if not 0 <= self.crop_focus <= 1:
            raise VosError(f"finetune.crop_focus: expected 0 <= x <= 1, found {self.crop_focus}")

    @property
    def adapts(self) -> bool:
        """Whether anything is learned."""
        return self.steps > 0 or self.seconds is not None
