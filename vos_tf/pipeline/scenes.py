"""What happens in each clip of an epoch beside motion; a pure function of seed and epoch, as the plan is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vos_tf.pipeline.options import ClipOptions
from vos_tf.pipeline.scene_options import SceneOptions

SCENE_STREAM, PASTE_STREAM = 5, 6
"""First words of random seeds, as those in `vos_tf.pipeline.sampling`."""
MOST_PATCHES = 3


class Scene(NamedTuple):
    """What happens in one clip; drawn in the plan of the epoch.

    Attributes:
        options: Those the clip was drawn with.
        partner: Index into `clip_videos` of a still image that lends its picture or an object; -1: none.
        partner_objects: Ids of the partner's objects that go together as the second object; `FOREGROUND`: all.
        paste: Whether the partner's picture is the background.
        second: Whether the partner's objects are the second object.
        followed: Whether the second object has an id of its own.
        copy: Whether there is a copy of an object.
        patches: Number of patches.
        warp: Whether objects bend.
        jpeg: Whether frames are compressed.
    """

    options: SceneOptions
    partner: int = -1
    partner_objects: tuple[int, ...] = ()
    paste: bool = False
    second: bool = False
    followed: bool = False
    copy: bool = False
    patches: int = 0
    warp: bool = False
    jpeg: bool = False

    @property
    def jitter(self) -> tuple[float, float, float]:
        """Rotation, scale and shear of the jitter."""
        return self.options.jitter_rotation, self.options.jitter_scale, self.options.jitter_shear


class Candidate(NamedTuple):
    """What counts of one clip of the plan.

    Attributes:
        video: Index into `clip_videos`.
        objects: Ids of its objects.
        still: Whether it is of a still image.
        moving: Whether that is set in motion.
    """

    video: int
    objects: tuple[int, ...]
    still: bool
    moving: bool


def draw_scenes(clips: Sequence[Candidate], options: ClipOptions, seed: tuple[int, int]) -> list[Scene]:
    """A scene for each clip of an epoch.

    Args:
        clips: All clips of the epoch in their order; those of still images are partners of each other.
        options: How clips are sampled.
        seed: Seed of the run and epoch.
    """
    random = np.random.default_rng([SCENE_STREAM, *seed])
    stills = [clip for clip in clips if clip.still]
    return [_scene(clip, stills, options, random) for clip in clips]


def _scene(clip: Candidate, stills: Sequence[Candidate], options: ClipOptions, random: np.random.Generator) -> Scene:
    scene, draws = options.scene, random.uniform(size=6)  # as many for every clip
    start, patches = int(random.integers(max(len(stills), 1))), int(random.integers(1, MOST_PATCHES + 1))
    drawn = Scene(scene, jpeg=bool(draws[0] < scene.jpeg))
    if not clip.moving:
        return drawn
    drawn = drawn._replace(
        copy=bool(draws[1] < scene.copy),
        patches=patches if draws[2] < scene.patches else 0,
        warp=bool(draws[3] < scene.warp),
    )
    paste, second = bool(draws[4] < scene.paste), bool(draws[5] < scene.second)
    partner = _partner(clip, stills, start)
    if partner is None or not (paste or second):
        return drawn
    free = options.objects == "all" and len(clip.objects) < options.max_objects
    return drawn._replace(
        partner=partner.video,
        partner_objects=partner.objects,
        paste=paste,
        second=second,
        followed=second and free,
    )


def _partner(clip: Candidate, stills: Sequence[Candidate], start: int) -> Candidate | None:
    """The first clip of another image, from place ``start`` on."""
    for index in range(len(stills)):
        other = stills[(start + index) % len(stills)]
        if other.video != clip.video:
            return other
    return None
