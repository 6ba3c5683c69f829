"""What can be chosen for every method that segments videos. No TensorFlow: help texts are made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vos_tf.errors import VosError
from vos_tf.inference.refinement.settings import CRFSettings

if TYPE_CHECKING:
    from vos_tf.models.video_network import VideoNetwork


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """Options of all methods; those of a method inherit from it.

    A field with the metadata ``decides_masks: False`` changes how the work is done, but not the masks.

    Attributes:
        test_scales: Videos are segmented at these multiples of the working size, and the probabilities are averaged.
        test_flip: Average with the mirrored video, too.
        crf: Refinement of the probabilities by a dense CRF.
    """

    test_scales: tuple[float, ...] = (1.0,)
    test_flip: bool = False
    crf: CRFSettings = field(default_factory=CRFSettings)

    def __post_init__(self) -> None:
        check_scales(self.test_scales)


@dataclass(frozen=True, kw_only=True)
class StateOptions(SharedOptions):
    """Options of networks with a state for each object.

    Attributes:
        objects_per_call: Largest number of objects that go through the network together; 0: all. The result does not
            depend on it.
        restart_every: Frames after which an object goes on from its first frame again, as a TensorFlow 1 port did after
            every 7; 1: each frame is one step from the object's first frame, as a PyTorch port did; 0: the state is
            carried on to the end.
        step_first: Whether the network also steps through the first frame of an object, as both ports did.
    """

    objects_per_call: int = field(default=0, metadata={"decides_masks": False, "option": "--batch_size --batch-size"})
    restart_every: int = 0
    step_first: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objects_per_call < 0:
            raise VosError(f"objects_per_call: expected 0 (all objects) or more, found {self.objects_per_call}")
        if self.restart_every < 0:
            raise VosError(f"restart_every: expected 0 (never) or more frames, found {self.restart_every}")


def default_state_options(network: VideoNetwork) -> StateOptions:
    """The defaults, which suit any network."""
    return StateOptions()


def check_scales(scales: Sequence[float]) -> None:
    """Refuse impossible test scales.

    Raises:
        VosError: There is none, or one below 0.05 or above 20.
    """
    if not scales or not all(0.05 <= scale <= 20 for scale in scales):
        raise VosError(f"test_scales: expected factors from 0.05 to 20, found {tuple(scales)}")


def result_options(options: Any) -> dict[str, Any]:
    """The options that decide the masks, as plain values; the others say how the work is done."""
    decide = {item.name for item in dataclasses.fields(options) if item.metadata.get("decides_masks", True)}
    return {key: value for key, value in dataclasses.asdict(options).items() if key in decide}
