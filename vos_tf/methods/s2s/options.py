"""What can be chosen when S2S segments, and what suits each trunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vos_tf.errors import VosError
from vos_tf.methods.s2s.finetuning import S2SFinetuneSettings


@dataclass(frozen=True)
class Options:
    """What can be chosen when S2S segments.

    Attributes:
        objects_per_call: Largest number of objects that go through the network together; 0: all. The result does not
            depend on it.
        restart_every: Frames after which an object goes on from its first frame again, as a TensorFlow 1 port of the
            method did after every 7; 1: each frame is one step from the object's first frame, as a PyTorch port did;
            0: the state is carried on to the end.
        step_first: Whether the network also steps through the first frame of an object, as both ports did.
        finetune: Online learning of each object from its first frame.
        separate: Fine-tune a network for each object (the paper), or one for all objects that join in a frame.
        adapted: Folder in which fine-tuned weights are kept and found again; empty: they are forgotten.
    """

    objects_per_call: int = field(default=0, metadata={"decides_masks": False, "option": "--batch_size --batch-size"})
    restart_every: int = 0
    step_first: bool = False
    finetune: S2SFinetuneSettings = field(default_factory=S2SFinetuneSettings)
    separate: bool = field(default=True, metadata={"option": "--separate/--together"})
    adapted: str = field(default="", metadata={"decides_masks": False})

    def __post_init__(self) -> None:
        if self.objects_per_call < 0:
            raise VosError(f"objects_per_call: expected 0 (all objects) or more, found {self.objects_per_call}")
        if self.restart_every < 0:
            raise VosError(f"restart_every: expected 0 (never) or more frames, found {self.restart_every}")


def default_options(network: Any) -> Options:
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
