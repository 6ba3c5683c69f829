"""One video's cast: a backdrop, a camera, bodies with their skins and paths, light."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.synthetic.backdrops import make_backdrop
from vos_tf.datasets.synthetic.motion import (
    Camera,
    Generator,
    Path,
    Role,
    make_camera,
    make_path,
    time_grid,
    wander,
)
from vos_tf.datasets.synthetic.settings import SyntheticSettings
from vos_tf.datasets.synthetic.shapes import FAMILIES, PROPORTIONS, UPRIGHT, Silhouette
from vos_tf.datasets.synthetic.textures import object_texture


@dataclass(frozen=True, eq=False)
class Body:
    """One thing that moves.

    Attributes:
        id: Object id of its pixels; 0 for a distractor.
        silhouette: Its outline.
        texture: Its skin, float32 ``(side, side, 3)`` 0..255, spanning the square around its unit disc.
        path: How it moves.
    """

    id: int
    silhouette: Silhouette
    texture: NDArray[np.float32]
    path: Path


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a video shows.

    Attributes:
        settings: Of the world.
        backdrop: uint8 ``(h, w, 3)`` RGB, larger than a frame; its middle is the frame at level camera.
        camera: How it moves.
        bodies: Those behind first.
        light: float64 ``(n, 3)`` over the time grid: factor of each colour.
        sun: Direction the light comes from: x, y on the screen.
    """

    settings: SyntheticSettings
    backdrop: NDArray[np.uint8]
    camera: Camera
    bodies: tuple[Body, ...]
    light: NDArray[np.float64]
    sun: tuple[float, float]


def video_generator(seed: int, split: str, index: int) -> Generator:
    """The source of chance of one video: its own stream for each seed, split and index."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(split.encode()), index)))


def make_scene(settings: SyntheticSettings, rng: Generator) -> Scene:
    """Draw a scene."""
    camera = make_camera(rng, settings)
    backdrop = make_backdrop(rng, settings, camera)
    mean = backdrop.mean(axis=(0, 1)).astype(np.float32)
    bodies: list[Body] = []
    count = int(rng.integers(settings.objects_min, settings.objects_max + 1))
    for number in range(1, count + 1):
        bodies.append(_make_body(rng, settings, camera, number, bodies, mean))
    for _ in range(int(rng.integers(0, settings.distractors + 1))):
        model = bodies[int(rng.integers(count))]
        bodies.append(_look_alike(rng, settings, camera, model, bodies))
    order = rng.permutation(len(bodies))
    times = time_grid(settings.frames)
    span = max(settings.frames, 2)
    common = 0.3 * wander(rng, times, span)
    tints = [common + 0.07 * wander(rng, times, span) for _ in range(3)]
    light = np.exp(settings.lighting * np.stack(tints, axis=-1))
    angle = rng.uniform(-np.pi, 0)
    sun = float(np.cos(angle)), float(np.sin(angle))
    return Scene(settings, backdrop, camera, tuple(bodies[i] for i in order), light, sun)


def _role(rng: Generator, settings: SyntheticSettings, first: bool) -> Role:
    chances = rng.random(3)
    crosses = bool(chances[0] < settings.occlusion)
    enters, leaves = 0, None
    if not first and settings.frames >= 3 and chances[1] < settings.late_objects:
        enters = int(rng.integers(1, max(2, int(settings.frames * 0.6))))
    elif settings.frames >= 10 and chances[2] < settings.exits:
        start = int(rng.integers(4, settings.frames - 5))
        leaves = start, min(start + int(rng.integers(1, 4)), settings.frames - 4)
    return Role(crosses, enters, leaves)


def _make_body(
    rng: Generator,
    settings: SyntheticSettings,
    camera: Camera,
    number: int,
    bodies: list[Body],
    away_from: NDArray[np.float32],
) -> Body:
    family = str(rng.choice(list(FAMILIES)))
    silhouette = Silhouette(family, rng.random(PROPORTIONS), settings.deformation, bool(rng.random() < 0.5))
    texture = object_texture(rng, settings.texture_contrast, away_from)
    radius = settings.side * settings.object_size * rng.uniform(0.7, 1.3) * (1.35 if family in UPRIGHT else 1.0)
    role = _role(rng, settings, first=number == 1)
    path = make_path(rng, settings, camera, role, radius, family in UPRIGHT, [body.path for body in bodies])
    return Body(number, silhouette, texture, path)


def _look_alike(rng: Generator, settings: SyntheticSettings, camera: Camera, model: Body, bodies: list[Body]) -> Body:
    """A distractor: a sibling of ``model`` with nearly the same outline and skin, and a path of its own."""
    family = model.silhouette.family
    proportions = np.clip(model.silhouette.proportions + rng.normal(0, 0.08, PROPORTIONS), 0, 1)
    silhouette = Silhouette(family, proportions, settings.deformation, bool(rng.random() < 0.5))
    texture = np.clip(model.texture * rng.uniform(0.9, 1.1, 3).astype(np.float32), 0, 255)
    texture = cv2.rotate(texture, int(rng.integers(3)))
    radius = float(model.path.radius[0]) * rng.uniform(0.8, 1.15)
    role = _role(rng, settings, first=False)
    path = make_path(rng, settings, camera, role, radius, family in UPRIGHT, [body.path for body in bodies])
    return Body(0, silhouette, texture, path)
