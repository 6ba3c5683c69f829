"""What happens in clips beside the motion of camera and objects: other pictures, other objects, damage to frames."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vos_tf.errors import VosError

_LIMITS = {"jitter_rotation": 180.0, "jitter_scale": 0.95, "jitter_shear": 80.0}


@dataclass(frozen=True)
class SceneOptions:
    """How often clips are made harder; 0 turns an option off.

    All but ``motion_blur`` and ``jpeg`` concern clips of still images in motion. Another picture is that of another
    clip of the epoch, so that the shares of folders hold for it, too. The reference frame always shows more than half
    of what other objects could hide of each object, and no patch.

    Attributes:
        paste: Share of clips whose objects are pasted on another picture.
        second: Share of clips with a second object, from another picture, before or behind the others; in half of them
            it passes the others. It has an id of its own with ``objects="all"`` while there are fewer than
            ``max_objects``; else it is background.
        copy: Share of clips with a copy of an object beside it, which is background.
        patches: Share of clips with one to three patches that hide parts of the objects after the reference frame.
        warp: Share of clips whose objects bend from frame to frame.
        jitter_rotation: Degrees to either side by which each object is turned about its centre, anew in each frame
            after the first; the camera by a quarter of it.
        jitter_scale: Likewise enlarged or shrunk by a factor of 1 - x to 1 + x.
        jitter_shear: Likewise degrees to either side.
        motion_blur: Share of all frames, also of videos, that are blurred along a line.
        jpeg: Share of clips, also of videos, whose frames are compressed to JPEG of low quality.
    """

    paste: float = 0.0
    second: float = 0.0
    copy: float = 0.0
    patches: float = 0.0
    warp: float = 0.0
    jitter_rotation: float = 0.0
    jitter_scale: float = 0.0
    jitter_shear: float = 0.0
    motion_blur: float = 0.0
    jpeg: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value, limit = getattr(self, item.name), _LIMITS.get(item.name, 1.0)
            if not 0 <= value <= limit:
                raise VosError(f"clips.scene.{item.name}: expected 0 to {limit:g}, found {value}")

    @property
    def off(self) -> bool:
        """Whether nothing happens."""
        return not any(getattr(self, item.name) for item in fields(self))
