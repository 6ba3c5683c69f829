"""What can be chosen when EMVOS segments. No TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vos_tf.config import fill
from vos_tf.errors import VosError
from vos_tf.inference.options import StateOptions
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.training.clip_settings import ClipFinetuneSettings

if TYPE_CHECKING:
    from vos_tf.methods.emvos.network import EMVOS


@dataclass(frozen=True)
class EMVOSFinetuneSettings(ClipFinetuneSettings):
    """How EMVOS is adapted to an object; see `ClipFinetuneSettings`.

    Attributes:
        keys: Whether the key head learns, too, not the decoder alone.
        scale: Clips are this multiple of the size at which the video is segmented: what is learned costs by the pixel.
    """

    learning_rate: float = field(default=2e-4, metadata={"option": "--learning-rate"})
    schedule: str = "cosine"
    batch_size: int = 2
    clip_length: int = 2
    augment: AugmentOptions = field(
        default_factory=lambda: AugmentOptions(flip=0.5, rotation=15, scale=0.2, translation=0.1)
    )
    motion: float = 0.7
    keys: bool = False
    scale: float = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.1 <= self.scale <= 2:
            raise VosError(f"finetune.scale: expected 0.1 to 2, found {self.scale}")
        if self.objective:
            from vos_tf.methods.emvos.objective import Settings  # imports Keras: only where there is anything to check

            fill(Settings, self.objective, "training.objective")


@dataclass(frozen=True, kw_only=True)
class Options(StateOptions):
    """What can be chosen when EMVOS segments.

    Attributes:
        finetune: Learning of each object from its first frame, before the frame after it; not unless steps are given.
        separate: Fine-tune a network for each object, or one for all objects that join in a frame.
        reach: How near to its last mask each piece of an object has to come, in square roots of its area
            (`vos_tf.inference.gating`); 0: anywhere.
        adapted: Folder in which fine-tuned weights are kept and found again; empty: they are forgotten.
    """

    finetune: EMVOSFinetuneSettings = field(default_factory=EMVOSFinetuneSettings)
    separate: bool = field(default=False, metadata={"option": "--separate/--together"})
    reach: float = 0.25
    adapted: str = field(default="", metadata={"decides_masks": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.reach >= 0:
            raise VosError(f"reach: expected 0 (anywhere) or more, found {self.reach}")


def default_options(network: EMVOS) -> Options:
    """The defaults, which suit any trunk."""
    return Options()
