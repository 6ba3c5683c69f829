"""How hard the synthetic world is: every difficulty is one number that a test can turn off."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from vos_tf.config import one_of
from vos_tf.errors import VosError

MAX_OBJECTS = 32

# field -> (lowest, highest) allowed value
_LIMITS: dict[str, tuple[float, float]] = {
    "frames": (1, 100_000),
    "height": (32, 4096),
    "width": (32, 4096),
    "objects_min": (1, MAX_OBJECTS),
    "objects_max": (1, MAX_OBJECTS),
    "distractors": (0, MAX_OBJECTS),
    "object_size": (0.02, 0.5),
    "object_speed": (0.0, 0.5),
    "camera_motion": (0.0, 1.0),
    "deformation": (0.0, 1.0),
    "rotation": (0.0, 1.0),
    "scale_change": (0.0, 1.0),
    "occlusion": (0.0, 1.0),
    "exits": (0.0, 1.0),
    "late_objects": (0.0, 1.0),
    "motion_blur": (0.0, 1.0),
    "noise": (0.0, 0.5),
    "texture_contrast": (0.0, 1.0),
    "lighting": (0.0, 1.0),
    "shadows": (0.0, 1.0),
}


@dataclass(frozen=True)
class SyntheticSettings:
    """What a synthetic video shows. 0 turns a difficulty off; 1 is the strongest where the range is 0..1.

    Attributes:
        frames: Frames of a video.
        height: Height in pixels.
        width: Width in pixels.
        objects_min: Fewest labelled objects of a video.
        objects_max: Most labelled objects of a video.
        distractors: Most unlabelled look-alikes of a video; how many is drawn from 0 to this.
        object_size: Mean radius of the circle around an object, as a share of the shorter side of the frame; the
            circle around an upright body (animal, person, car) is a third larger. Objects that find no room are
            made smaller.
        object_speed: Mean speed, in shorter sides of the frame per frame.
        camera_motion: Pan, zoom and roll of the camera; 1 pans by about half a frame within a video.
        deformation: How much silhouettes change: limbs swing, outlines swell.
        rotation: How far objects turn; 1 is about half a turn within a video (upright bodies: a quarter of that).
        scale_change: How much objects grow and shrink; 1 is about a factor of 2 each way.
        occlusion: Share of objects whose path crosses another's; at 0 paths keep clear of each other.
        exits: Share of objects that leave the picture for a while and return.
        late_objects: Share of objects (never the first) that come into the picture later than the first frame.
        motion_blur: Time the shutter stays open, as a share of the time between frames.
        noise: Standard deviation of the sensor's noise, as a share of the full range.
        texture_contrast: Contrast of textures; 0 paints every surface flat.
        lighting: Change of brightness and tint over a video.
        shadows: How dark the shadows are that bodies cast.

    Raises:
        VosError: A value outside its range.
    """

    frames: int = 20
    height: int = 240
    width: int = 432
    objects_min: int = 1
    objects_max: int = 4
    distractors: int = 2
    object_size: float = 0.29
    object_speed: float = 0.009
    camera_motion: float = 0.25
    deformation: float = 0.6
    rotation: float = 0.5
    scale_change: float = 0.3
    occlusion: float = 0.5
    exits: float = 0.15
    late_objects: float = 0.2
    motion_blur: float = 0.4
    noise: float = 0.012
    texture_contrast: float = 0.8
    lighting: float = 0.2
    shadows: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            lowest, highest = _LIMITS[field.name]
            whole = field.type == "int"
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                kind = "a whole number" if whole else "a number"
                raise VosError(f"synthetic setting {field.name}: expected {kind}, found {value!r}")
            if not (math.isfinite(value) and lowest <= value <= highest):
                raise VosError(f"synthetic setting {field.name}: expected {lowest} to {highest}, found {value}")
            if not whole:
                object.__setattr__(self, field.name, float(value))
        if self.objects_min > self.objects_max:
            raise VosError(
                f"synthetic setting objects_min: expected at most objects_max ({self.objects_max}), "
                f"found {self.objects_min}"
            )

    @property
    def side(self) -> int:
        """The shorter side of the frame in pixels; lengths are shares of it."""
        return min(self.height, self.width)

    def as_dict(self) -> dict[str, Any]:
        """Names and values, as the receipt keeps them."""
        return asdict(self)


def with_changes(settings: SyntheticSettings, changes: dict[str, str]) -> SyntheticSettings:
    """The settings with some values replaced, given as text (``{"noise": "0"}``).

    Raises:
        VosError: No such setting, no number, or a value outside its range.
    """
    values = settings.as_dict()
    for name, text in changes.items():
        one_of(f"synthetic setting {name}", name, values)
        try:
            values[name] = int(text) if isinstance(values[name], int) else float(text)
        except ValueError:
            kind = "a whole number" if isinstance(values[name], int) else "a number"
            raise VosError(f"synthetic setting {name}: expected {kind}, found {text!r}") from None
    return SyntheticSettings(**values)
