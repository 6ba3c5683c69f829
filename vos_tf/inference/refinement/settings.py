"""How masks are refined. No TensorFlow, and nothing else that takes time to import."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vos_tf.errors import VosError


@dataclass(frozen=True)
class CRFSettings:
    """How probabilities are refined.

    Attributes:
        enabled: Refine probabilities by a dense CRF.
        steps: Of the mean field.
        smooth_width: Standard deviation of the Gaussian kernel, in pixels of a frame whose shorter side is 480.
        smooth_weight: Its weight.
        place_width: Standard deviation of the bilateral kernel over the distance, in such pixels.
        colour_width: Its standard deviation over each of R, G, B, 0..255.
        bilateral_weight: Its weight.
        stretch: First bring the lowest probability in a frame to 0 and the highest to 1, as Lu et al. do: every frame
            has an object then.
    """

    enabled: bool = field(default=False, metadata={"option": "--crf/--no-crf"})
    steps: int = 5
    smooth_width: float = 1.0
    smooth_weight: float = 5.0
    place_width: float = 15.0
    colour_width: float = 7.0
    bilateral_weight: float = 9.0
    stretch: bool = False

    def __post_init__(self) -> None:
        for name in ("smooth_width", "place_width", "colour_width"):
            if not 0 < getattr(self, name) < math.inf:
                raise VosError(f"crf.{name}: expected a number above 0, found {getattr(self, name)}")
        for name in ("steps", "smooth_weight", "bilateral_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise VosError(f"crf.{name}: expected 0 or more, found {getattr(self, name)}")


@dataclass(frozen=True)
class SnappingSettings:
    """How contours snap.

    Attributes:
        threshold: Superpixels merge over borders weaker than this on average, in multiples of the image's median
            gradient. Higher: larger superpixels, contours move further.
        band: Only pixels this near to a contour may change, as share of the image's shorter side.
        clear: A superpixel gives its pixels the label that most of them have if they are at least this share, 0.5 to 1.
    """

    threshold: float = 1.1
    band: float = 1 / 30
    clear: float = 0.65

    def __post_init__(self) -> None:
        for name, low, high in (("threshold", 0.0, math.inf), ("band", 0.0, 1.0), ("clear", 0.5, 1.0)):
            if not low <= getattr(self, name) <= high:
                raise VosError(f"snapping.{name}: expected {low:g} to {high:g}, found {getattr(self, name)}")
