"""What lies behind the bodies: terrain, walls, floors or a landscape, with clutter that does not move by itself."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.synthetic.motion import Camera
from vos_tf.datasets.synthetic.settings import SyntheticSettings
from vos_tf.datasets.synthetic.shapes import FULL_TONE, PROPORTIONS, Silhouette
from vos_tf.datasets.synthetic.textures import (
    PATTERNS,
    Generator,
    Image,
    colour,
    flatten,
    mix,
    noise,
    object_texture,
    soft_step,
)

MAX_SCALE = 2.5
"""The backdrop is at most this many frames high and wide; beyond its border it is mirrored."""


def make_backdrop(rng: Generator, settings: SyntheticSettings, camera: Camera) -> NDArray[np.uint8]:
    """A backdrop large enough for the camera's way: uint8 ``(h, w, 3)`` RGB, the level frame in its middle."""
    widest = 1 / float(camera.zoom.min())
    reach_x = min(widest + 2 * float(np.abs(camera.x).max()) / settings.width + 0.1, MAX_SCALE)
    reach_y = min(widest + 2 * float(np.abs(camera.y).max()) / settings.height + 0.2, MAX_SCALE)
    height, width = int(settings.height * reach_y), int(settings.width * reach_x)
    kind = rng.random()
    if kind < 0.45:
        image = _landscape(rng, height, width, settings.side)
    elif kind < 0.75:
        image = _terrain(rng, height, width, settings.side)
    else:
        image = _wall(rng, height, width, settings.side)
    image = flatten(image, settings.texture_contrast)
    if settings.texture_contrast > 0:
        for _ in range(int(rng.integers(4, 13))):
            _add_clutter(rng, image, settings)
    return np.asarray(np.clip(image + 0.5, 0, 255), np.uint8)


def _terrain(rng: Generator, height: int, width: int, side: int) -> Image:
    """Ground seen from above: patches of two or three colours with fine grain."""
    first, second, third = (colour(rng, (0.1, 0.6), (0.25, 0.8)) for _ in range(3))
    coarse = noise(rng, height, width, side * rng.uniform(0.3, 0.8), 5)
    image = mix(soft_step(coarse, 0.5, rng.uniform(0.1, 0.8)), first, second)
    blots = soft_step(noise(rng, height, width, side * 0.25, 4), rng.uniform(0.6, 0.75), 0.08)[..., None]
    image = image * (1 - blots) + third * blots
    return _grained(rng, image, side)


def _wall(rng: Generator, height: int, width: int, side: int) -> Image:
    """A patterned surface, unevenly lit."""
    base = colour(rng, (0.05, 0.5), (0.35, 0.85))
    other = base * np.float32(rng.uniform(0.55, 0.85)) + colour(rng, (0.2, 0.8), (0.1, 0.4)) * np.float32(0.2)
    pattern = PATTERNS[str(rng.choice(["stripes", "checks", "spots", "patches"]))]
    image = mix(pattern(rng, height, width, side * rng.uniform(0.08, 0.3)), base, other)
    shade = np.float32(0.75) + np.float32(0.4) * noise(rng, height, width, side * 1.5, 2)
    return _grained(rng, image * shade[..., None], side)


def _landscape(rng: Generator, height: int, width: int, side: int) -> Image:
    """Sky, one to three ranges of hills, ground."""
    y = np.linspace(0, 1, height, dtype=np.float32)
    sky = mix(
        np.broadcast_to(y[:, None], (height, width)),
        colour(rng, (0.3, 0.7), (0.6, 0.95)),
        colour(rng, (0.05, 0.3), (0.8, 1.0)),
    )
    cloud = soft_step(noise(rng, height, width, side * 0.6, 5), rng.uniform(0.55, 0.8), 0.35)[..., None]
    image = sky * (1 - 0.7 * cloud) + np.float32(245) * 0.7 * cloud
    rows = np.arange(height, dtype=np.float32)[:, None]
    ranges = int(rng.integers(1, 4))
    for number in range(ranges):
        crest = noise(rng, 4, width, side * rng.uniform(0.4, 1.0), 5)[1] - np.float32(0.5)
        level = height * (0.32 + 0.16 * number) + crest * np.float32(side * rng.uniform(0.1, 0.35))
        below = np.clip(rows - level + 0.5, 0, 1)[..., None]
        first, second = colour(rng, (0.15, 0.65), (0.2, 0.7)), colour(rng, (0.15, 0.65), (0.2, 0.7))
        ground = mix(noise(rng, height, width, side * rng.uniform(0.15, 0.5), 5, 0.7), first, second)
        image = image * (1 - below) + ground * below
    return _grained(rng, image, side)


def _grained(rng: Generator, image: Image, side: int) -> Image:
    height, width = image.shape[:2]
    fine = noise(rng, height, width, side / 12, 4, 0.9) - np.float32(0.5)
    strength = np.float32(rng.uniform(15, 50))
    return np.clip(image + (fine * strength)[..., None], 0, 255).astype(np.float32)


def _add_clutter(rng: Generator, image: Image, settings: SyntheticSettings) -> None:
    """Paint one still thing (a rock, a bush, a crate, a sign) onto the backdrop, in place."""
    height, width = image.shape[:2]
    radius = settings.side * rng.uniform(0.03, 0.16)
    x, y = rng.uniform(0, width), rng.uniform(0.25 * height, height)
    family = str(rng.choice(["blob", "blob", "star", "flower"]))
    turn = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    texture = object_texture(rng, settings.texture_contrast, np.full(3, -1e3, np.float32))
    top, left = int(max(y - radius - 1, 0)), int(max(x - radius - 1, 0))
    view = image[top : int(y + radius + 2), left : int(x + radius + 2)]
    if not view.size:
        return
    cover = np.zeros(view.shape[:2], np.uint8)
    if rng.random() < 0.35:  # a crate or a sign
        corners = np.array([[-1, -0.7], [1, -0.7], [1, 0.7], [-1, 0.7]]) * 0.8
        outlines = [(corners * rng.uniform(0.5, 1.0, 2), FULL_TONE)]
    else:
        outlines = [
            (part.outline, part.tone) for part in Silhouette(family, rng.random(PROPORTIONS), 0.0, False).parts(0)
        ]
    shade = np.ones(view.shape[:2], np.float32)
    for outline, tone in outlines:
        points = ((outline @ rotation.T) * radius + np.array([x - left, y - top]) - 0.5) * 16
        cv2.fillPoly(cover, [points.round().astype(np.int32)], 255, cv2.LINE_AA, 4)
        cv2.fillPoly(shade, [points.round().astype(np.int32)], tone / FULL_TONE, cv2.LINE_8, 4)
    skin = cv2.resize(texture, view.shape[1::-1], interpolation=cv2.INTER_AREA)
    rows = np.linspace(1.15, 0.75, view.shape[0], dtype=np.float32)[:, None, None]
    alpha = (cover.astype(np.float32) / np.float32(255))[..., None]
    view[...] = view * (1 - alpha) + np.clip(skin * shade[..., None] * rows, 0, 255) * alpha
