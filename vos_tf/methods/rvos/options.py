"""What can be chosen when RVOS segments, one-shot and zero-shot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.inference.options import SharedOptions

if TYPE_CHECKING:
    from vos_tf.methods.rvos.network import RVOS


@dataclass(frozen=True)
class OneShotOptions(SharedOptions):
    """What can be chosen when one-shot RVOS segments.

    Attributes:
        decode: Slots that go through the decoder: those of the objects ``present``, or ``all`` as in the original,
            where object i has slot i - 1.
        joining: An object that appears later has a slot that is ``started`` in its first frame as those of the first
            objects are, or ``carried`` on from what the empty slot has come to, as in the original (with ``all``).
    """

    decode: str = "present"
    joining: str = "started"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("decode", self.decode, ("present", "all"))
        one_of("joining", self.joining, ("started", "carried"))
        if self.joining == "carried" and self.decode != "all":
            raise VosError("joining: expected started where only present objects are decoded, found carried")


@dataclass(frozen=True)
class ZeroShotOptions(SharedOptions):
    """What can be chosen when zero-shot RVOS segments.

    Attributes:
        objects: The ``proposals`` themselves, or those ``matched`` with first masks.
        min_area: Share of a frame below which a proposal is left out of its label map, 0..1.
    """

    objects: str = "proposals"
    min_area: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("objects", self.objects, ("proposals", "matched"))
        if not 0 <= self.min_area <= 1:
            raise VosError(f"min_area: expected a share of the frame, 0 to 1, found {self.min_area}")
        if self.min_area and self.objects == "matched":
            raise VosError("min_area: expected 0 for matched objects, which are shown whatever their size")


Options = OneShotOptions | ZeroShotOptions


def default_options(network: RVOS) -> Options:
    """By whether the network sees masks."""
    return OneShotOptions() if network.settings.mask_input else ZeroShotOptions()
