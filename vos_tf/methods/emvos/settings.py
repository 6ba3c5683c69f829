"""The settings of EMVOS."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vos_tf.errors import VosError
from vos_tf.models.backbones import trunk_kind

STRIDES = (2, 4, 8, 16)
"""Of the trunk's maps that are used."""


@dataclass(frozen=True)
class EMVOSSettings:
    """Everything that decides the shape of the network and how its memory works.

    Attributes:
        trunk: One whose first maps have strides 2, 4, 8 and 16.
        size: ``(H, W)``: videos are seen in their own proportions with about as many pixels; the network's own
            functions take frames of any size.
        key_channels: Of the keys that are compared.
        value_channels: Learned channels of a value, beside the mask.
        bases: For the object, and as many for the background; both permanent and moving ones.
        filters: Of the decoder at strides 8, 4 and 2.
        tau: Temperature of the softmax over bases, and over the window of the local match.
        first_iterations: Of EM in an object's first frame.
        iterations: Of EM in every frame after it.
        forgetting: Share of the moving bases that stays in each frame.
        ridge: Penalty of the ridge regression.
        ridge_forgetting: Share of its moving equations that stays in each frame.
        solver_steps: Of conjugate gradients.
        radius: Of the window of the local match, in cells of stride 8 and of stride 16.
        confidence: Mean certainty of an object's mask from which it is learned from.
        area_change: An area that changes by more than this factor is not learned from.
    """

    trunk: str = "efficientnet_lite0"
    size: tuple[int, int] = (336, 592)
    key_channels: int = 64
    value_channels: int = 16
    bases: int = 128
    filters: tuple[int, int, int] = (64, 32, 16)
    tau: float = 0.05
    first_iterations: int = 6
    iterations: int = 2
    forgetting: float = 0.8
    ridge: float = 0.01
    ridge_forgetting: float = 0.8
    solver_steps: int = 16
    radius: int = 4
    confidence: float = 0.7
    area_change: float = 3.0

    def __post_init__(self) -> None:
        strides = trunk_kind(self.trunk).strides
        if strides[: len(STRIDES)] != STRIDES:
            raise VosError(f"model.trunk: expected one with maps at strides 2, 4, 8 and 16, found {self.trunk!r}")
        if len(self.size) != 2 or any(side < STRIDES[-1] or side % STRIDES[-1] for side in self.size):
            raise VosError(f"model.size: expected two multiples of {STRIDES[-1]}, found {self.size}")
        if len(self.filters) != 3:
            raise VosError(f"model.settings.filters: expected three numbers, found {self.filters}")
        for item in fields(self)[2:]:
            value = getattr(self, item.name)
            least = min(value) if item.name == "filters" else value
            if not least > 0:
                raise VosError(f"model.settings.{item.name}: expected more than 0, found {value}")
        for name in ("forgetting", "ridge_forgetting", "confidence"):
            if getattr(self, name) > 1:
                raise VosError(f"model.settings.{name}: expected at most 1, found {getattr(self, name)}")


def default_settings(trunk: str) -> EMVOSSettings:
    """The settings for a trunk when nothing else is said."""
    return EMVOSSettings(trunk=trunk)
