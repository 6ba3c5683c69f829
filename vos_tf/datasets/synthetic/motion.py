"""Smooth movement: the camera's, and paths of bodies that bounce, cross, leave, return and arrive late.

Time runs in frames and is sampled `STEPS` times per frame, from frame -1 to one beyond the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.synthetic.settings import SyntheticSettings

Floats = NDArray[np.float64]
Generator = np.random.Generator

STEPS = 8
"""Samples of a path per frame."""
CANDIDATES = 24
"""Paths drawn before the body is made smaller."""
SHRINKS = 8
"""How often a body is made smaller before the least bad path is taken."""


def time_grid(frames: int) -> Floats:
    """The times at which paths are sampled: ``((frames + 1) * STEPS + 1,)``, in frames, from -1 to ``frames``."""
    return np.linspace(-1.0, frames, (frames + 1) * STEPS + 1)


def wander(rng: Generator, times: Floats, period: float) -> Floats:
    """A smooth random curve like ``times``, about -1..1, that turns about once per ``period`` frames."""
    periods = period * rng.uniform(0.7, 1.6, 3) * np.array([1.0, 0.6, 2.0])
    phases = rng.uniform(0, 2 * np.pi, 3)
    weights = np.array([0.55, 0.25, 0.4])
    return np.asarray((weights * np.sin(2 * np.pi * times[:, None] / periods + phases)).sum(axis=1))


def smoothed(values: Floats, steps: int) -> Floats:
    """``values`` ``(n, 2)`` averaged over a bell of about ``steps`` samples along the first axis: inertia."""
    reach = min(2 * steps, len(values) - 1)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / steps) ** 2)
    bell /= bell.sum()
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, axis], bell, "valid") for axis in range(values.shape[1])], axis=-1)


@dataclass(frozen=True, eq=False)
class Camera:
    """Where the camera looks: over `time_grid`, float64 ``(n,)`` each.

    Attributes:
        x: Shift of the scene to the right, pixels.
        y: Shift of the scene down, pixels.
        zoom: Magnification.
        roll: Turn of the scene, radians.
    """

    x: Floats
    y: Floats
    zoom: Floats
    roll: Floats


class Path(NamedTuple):
    """A body's movement on the screen over `time_grid`, float64 ``(n,)`` each.

    Attributes:
        x: Centre, pixels.
        y: Centre, pixels.
        radius: Radius of the circle around it, pixels.
        angle: Turn, radians.
        phase: Of its silhouette, radians.
    """

    x: Floats
    y: Floats
    radius: Floats
    angle: Floats
    phase: Floats


class Role(NamedTuple):
    """What a path has to do.

    Attributes:
        crosses: It meets another path; otherwise it keeps clear of all.
        enters: Frame at which it first shows; 0 for the start.
        leaves: Frames between which it is out of the picture, or ``None``.
    """

    crosses: bool
    enters: int
    leaves: tuple[int, int] | None


def make_camera(rng: Generator, settings: SyntheticSettings) -> Camera:
    """A camera that pans, zooms and rolls smoothly; at frame 0 it is level."""
    times = time_grid(settings.frames)
    strength = settings.camera_motion
    span = max(settings.frames, 2)
    direction = rng.uniform(0, 2 * np.pi)
    drift = 0.5 * times / span
    pan_x = strength * settings.width * (drift * np.cos(direction) + 0.06 * wander(rng, times, 0.8 * span))
    pan_y = strength * settings.height * (0.6 * drift * np.sin(direction) + 0.06 * wander(rng, times, 0.8 * span))
    zoom = np.exp(strength * 0.2 * wander(rng, times, 1.2 * span))
    roll = strength * 0.12 * wander(rng, times, 1.2 * span)
    start = STEPS
    return Camera(pan_x - pan_x[start], pan_y - pan_y[start], zoom / zoom[start], roll - roll[start])


def _fold(values: Floats, lowest: float, highest: float) -> Floats:
    """Reflect ``values`` at both walls until they lie between them."""
    if highest <= lowest:
        return np.full_like(values, (lowest + highest) / 2)
    span = highest - lowest
    return np.asarray(lowest + span - np.abs((values - lowest) % (2 * span) - span))


def _anchor_step(role: Role) -> int:
    """The sample of the time grid at which the body comes in or leaves; the first frame when it does neither."""
    return ((role.leaves[0] if role.leaves is not None else role.enters) + 1) * STEPS


def _anchor(rng: Generator, settings: SyntheticSettings, radius: Floats, role: Role) -> tuple[int, Floats]:
    """Where on its time grid a path is tied to a place, and the place ``(2,)``.

    That is anywhere at the first frame, or beside a side border when the body comes in or leaves there.
    """
    size = np.array([settings.width, settings.height], np.float64)
    step = _anchor_step(role)
    margin = 0.8 * float(radius[step])
    place = margin + rng.random(2) * np.maximum(size - 2 * margin, 0)
    if step > STEPS:
        inside = margin * rng.uniform(1.0, 1.4)
        place[0] = inside if rng.random() < 0.5 else size[0] - inside
    return step, place


def _roam(rng: Generator, settings: SyntheticSettings, camera: Camera, radius: Floats, role: Role) -> Floats:
    """Centres ``(n, 2)`` of one random walk with inertia that bounces off the borders of the picture."""
    times = time_grid(settings.frames)
    size = np.array([settings.width, settings.height], np.float64)
    heading = rng.uniform(0, 2 * np.pi) + 1.3 * wander(rng, times, 14.0)
    speed = settings.object_speed * settings.side * np.clip(1 + 0.6 * wander(rng, times, 8.0), 0.1, None)
    velocity = speed[:, None] * np.stack([np.cos(heading), 0.7 * np.sin(heading)], axis=-1)
    walk = np.cumsum(velocity, axis=0) / STEPS
    pan = np.stack([camera.x, camera.y], axis=-1) + size / 2
    step, place = _anchor(rng, settings, radius, role)
    world = _turned(place - pan[step], -camera.roll[step]) / camera.zoom[step] + walk - walk[step]
    seen = _turned(world, camera.roll) * camera.zoom[:, None] + pan
    margin = 0.8 * float(radius[step])
    folded = np.stack([_fold(seen[:, axis], margin, size[axis] - margin) for axis in (0, 1)], axis=-1)
    return smoothed(folded, STEPS)


def _turned(points: Floats, angle: Floats | float) -> Floats:
    """``points`` ``(..., 2)`` turned about the origin by ``angle`` radians."""
    x, y = points[..., 0], points[..., 1]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def _absence(times: Floats, role: Role) -> Floats:
    """How far the body is moved out of the picture: 1 wholly outside, 0 on its path; ``(n,)``."""
    away = np.zeros_like(times)
    if role.enters > 0:
        away = np.maximum(away, np.clip((role.enters + 0.5 - times) / 1.5, 0, 1))
    if role.leaves is not None:
        first, last = role.leaves
        ramp = np.minimum((times - (first - 2.5)) / 2.5, ((last + 2.5) - times) / 2.5)
        away = np.maximum(away, np.clip(ramp, 0, 1))
    return np.asarray(away * away * (3 - 2 * away))


def _excused(centres: Floats, radius: Floats, settings: SyntheticSettings, role: Role) -> Floats:
    """The path with its times out of the picture: the body leaves and comes by a side border."""
    away = _absence(time_grid(settings.frames), role)
    step = _anchor_step(role)
    right = bool(centres[step, 0] > settings.width / 2)
    outside = settings.width + 1.15 * radius.max() + 2 if right else -1.15 * radius.max() - 2
    x = centres[:, 0] * (1 - away) + outside * away
    return np.stack([x, centres[:, 1]], axis=-1)


def _violation(candidate: Path, others: list[Path], role: Role) -> float:
    """How badly a candidate misses what its role asks with regard to the others; 0 is good."""
    if not others:
        return 0.0
    meets, hidden, gap_missing = False, 0.0, 0.0
    shows = (role.enters + 1) * STEPS
    for other in others:
        distance = np.hypot(candidate.x - other.x, candidate.y - other.y)
        closeness = distance / (candidate.radius + other.radius)
        gap_missing = max(gap_missing, float(1 - closeness.min()))
        meets = meets or bool(closeness.min() < 0.5)
        hidden = max(hidden, float(0.85 - closeness[STEPS]), float(0.85 - closeness[shows]))
        hidden = max(hidden, float(np.mean(closeness < 0.5) - 0.4))
    return max(hidden, 0.0 if meets else 0.3, 0.0) if role.crosses else max(gap_missing, 0.0)


def make_path(
    rng: Generator,
    settings: SyntheticSettings,
    camera: Camera,
    role: Role,
    radius: float,
    upright: bool,
    others: list[Path],
) -> Path:
    """A path that does what ``role`` asks with regard to the paths of the other bodies, as far as there is room.

    Args:
        rng: Source of chance.
        settings: Of the world.
        camera: Bodies ride with the scene that it shows.
        role: What the path has to do.
        radius: Radius of the body at the start, pixels; made smaller where no path fits.
        upright: The body turns little.
        others: Paths that exist already.
    """
    times = time_grid(settings.frames)
    growth = np.exp(0.7 * settings.scale_change * wander(rng, times, 1.3 * max(settings.frames, 2)))
    turn = settings.rotation * (0.35 if upright else 1.4) * wander(rng, times, max(settings.frames, 2))
    drift = 0.0 if upright else settings.rotation * rng.uniform(-1.6, 1.6) * times / max(settings.frames, 2)
    angle = turn + drift + camera.roll
    phase = rng.uniform(0, 2 * np.pi) + times * rng.uniform(0.5, 1.1)
    growth = growth / growth[STEPS] * camera.zoom
    best: Path | None = None
    least = np.inf
    for shrink in range(SHRINKS):
        radii = radius * 0.82**shrink * growth
        for _ in range(CANDIDATES):
            centres = _excused(_roam(rng, settings, camera, radii, role), radii, settings, role)
            path = Path(centres[:, 0], centres[:, 1], radii, angle, phase)
            violation = _violation(path, others, role)
            if violation < least:
                best, least = path, violation
            if violation == 0.0:
                return path
    assert best is not None
    return best
