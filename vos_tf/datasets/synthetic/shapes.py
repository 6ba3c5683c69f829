"""Silhouettes: families of bodies made of outlines, in a unit disc, that move with a phase.

Coordinates: x to the right, y down. A body looks to the right. Every silhouette stays within radius 1 at every phase.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

PROPORTIONS = 12
FULL_TONE = 200
"""The tone at which a part has its texture's own brightness; tone / FULL_TONE scales it."""


class Part(NamedTuple):
    """One closed outline of a body.

    Attributes:
        outline: float64 ``(N, 2)``, x and y.
        tone: 1..255, brightness of the part relative to `FULL_TONE`.
    """

    outline: Points
    tone: int


Family = Callable[[Points, float, float], list[Part]]
"""(proportions in 0..1, phase in radians, deformation 0..1) -> parts, those behind first."""

_ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False)


def _between(share: float, lowest: float, highest: float) -> float:
    return lowest + share * (highest - lowest)


def _polar(radius: Points) -> Points:
    return np.stack([radius * np.cos(_ANGLES), radius * np.sin(_ANGLES)], axis=-1)


def _ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Points:
    px, py = rx * np.cos(_ANGLES[::2]), ry * np.sin(_ANGLES[::2])
    return np.stack([x + px * np.cos(turn) - py * np.sin(turn), y + px * np.sin(turn) + py * np.cos(turn)], axis=-1)


def _limb(start: tuple[float, float], angle: float, length: float, wide: float, narrow: float) -> Points:
    """A tapered limb with a round end; angle 0 hangs straight down, positive swings to the right."""
    along = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([along[1], -along[0]])
    arc = np.linspace(0, np.pi, 9)
    tip = np.array(start) + along * length
    end = tip + narrow * (np.cos(arc)[:, None] * across + np.sin(arc)[:, None] * along)
    root = np.array(start)
    return np.concatenate([[root + wide * across], end, [root - wide * across]])


def _foot(start: tuple[float, float], angle: float, length: float) -> tuple[float, float]:
    return start[0] + length * float(np.sin(angle)), start[1] + length * float(np.cos(angle))


def _blob(p: Points, phase: float, bend: float) -> list[Part]:
    radius = np.ones_like(_ANGLES)
    for order in range(2, 6):
        still = 0.22 * p[order] / order * 2
        swing = 0.35 * bend / order * np.sin(phase * (0.5 + p[order + 5]) + 6.3 * p[order + 1])
        radius = radius + still * np.cos(order * _ANGLES + 6.3 * p[order + 4])
        radius = radius + swing * np.cos(order * _ANGLES + 6.3 * p[order + 2])
    return [Part(_polar(radius), FULL_TONE)]


def _star(p: Points, phase: float, bend: float) -> list[Part]:
    points = 4 + int(p[0] * 4.99)
    sharpness = _between(p[1], 0.25, 0.5) + 0.12 * bend * np.sin(phase)
    wave = np.abs(((_ANGLES * points / np.pi) % 2) - 1)
    twist = 0.15 * bend * np.sin(0.7 * phase) * wave
    radius = 1 - sharpness * (1 - wave**0.8)
    angles = _ANGLES + twist
    outline = np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=-1)
    return [Part(outline, FULL_TONE)]


def _flower(p: Points, phase: float, bend: float) -> list[Part]:
    petals = 4 + int(p[0] * 4.99)
    depth = _between(p[1], 0.15, 0.3) * (1 + 0.5 * bend * np.sin(phase))
    radius = 1 - depth + depth * np.cos(petals * _ANGLES) + 0.1 * bend * np.sin(0.6 * phase) * np.cos(2 * _ANGLES)
    return [Part(_polar(radius), FULL_TONE), Part(_ellipse(0, 0, 0.3, 0.3), 110)]


def _fish(p: Points, phase: float, bend: float) -> list[Part]:
    tall = _between(p[0], 0.32, 0.55)
    sway = 0.5 * bend * np.sin(phase)
    tail_size = _between(p[1], 0.35, 0.5)
    root = np.array([-0.5, 0.0])
    fan = root + np.array(
        [[0.0, 0.1], [-tail_size, -tail_size], [-0.75 * tail_size, 0.0], [-tail_size, tail_size], [0.0, -0.1]]
    )
    turn = np.array([[np.cos(sway), -np.sin(sway)], [np.sin(sway), np.cos(sway)]])
    tail = (fan - root) @ turn.T + root
    flap = 0.15 * bend * np.sin(phase + 1.0)
    fin = np.array([[0.15, -tall * 0.8], [-0.35, -tall - 0.25 + flap], [-0.3, -tall * 0.6]])
    body = _ellipse(0.15, 0, 0.75, tall)
    body[:, 1] += 0.12 * sway * np.clip(0.3 - body[:, 0], 0, 2) ** 2
    eye = _ellipse(0.62, -0.1 * tall, 0.06, 0.06)
    return [Part(fin, 150), Part(tail, 160), Part(body, FULL_TONE), Part(eye, 25)]


def _quadruped(p: Points, phase: float, bend: float) -> list[Part]:
    length, thick = _between(p[0], 0.45, 0.6), _between(p[1], 0.22, 0.34)
    leg, neck = _between(p[2], 0.4, 0.65), _between(p[3], 0.1, 0.4)
    swing = 0.75 * bend
    parts = []
    for depth, (x, shift) in enumerate(
        [(-length * 0.7, np.pi), (length * 0.7, 0.0), (-length * 0.8, 0.4), (length * 0.6, np.pi + 0.4)]
    ):
        angle = swing * np.sin(phase + shift)
        tone = 120 if depth < 2 else 175
        parts.append(Part(_limb((x, thick * 0.4), angle, leg, 0.12, 0.06), tone))
    wag = 2.2 + 0.6 * bend * np.sin(1.7 * phase)
    parts.append(Part(_limb((-length, -thick * 0.4), -wag, 0.4 * p[4] + 0.15, 0.06, 0.03), 170))
    parts.append(Part(_ellipse(0, 0, length * 1.15, thick), FULL_TONE))
    nod = 0.15 * bend * np.sin(phase)
    hx, hy = length + 0.18, -thick - neck + 0.1 * nod
    parts.append(Part(_limb((length * 0.7, 0.0), np.pi - 0.55, neck + thick + 0.2, 0.17, 0.1), 195))
    parts.append(Part(_ellipse(hx, hy, 0.24, 0.15, 0.35 + nod), 210))
    parts.append(Part(_limb((hx - 0.12, hy - 0.05), np.pi + 0.4, 0.2, 0.06, 0.02), 150))
    parts.append(Part(_ellipse(hx + 0.05, hy - 0.03, 0.035, 0.035), 20))
    return parts


def _person(p: Points, phase: float, bend: float) -> list[Part]:
    broad, leg, arm = _between(p[0], 0.2, 0.32), _between(p[1], 0.5, 0.62), _between(p[2], 0.4, 0.5)
    stride, hip, shoulder = 0.7 * bend * np.sin(phase), (0.0, 0.2), (0.0, -0.38)
    still = 0.18
    parts = [Part(_limb(shoulder, -stride - still, arm, 0.1, 0.07), 140)]
    for side, tone in ((-1.0, 110), (1.0, 150)):
        angle = side * (stride + still)
        knee = _foot(hip, angle, leg * 0.5)
        parts.append(Part(_limb(hip, angle, leg * 0.5, 0.17, 0.12), tone))
        parts.append(Part(_limb(knee, angle - 0.4 * bend * abs(np.sin(phase)), leg * 0.5, 0.12, 0.09), tone - 10))
    torso = np.array([[-broad, -0.45], [broad, -0.45], [broad * 0.8, 0.25], [-broad * 0.8, 0.25]])
    parts.append(Part(torso, FULL_TONE))
    parts.append(Part(_limb(shoulder, stride + still, arm, 0.1, 0.07), 230))
    parts.append(Part(_ellipse(0.02, -0.66, 0.18, 0.21), 245))
    return parts


def _bird(p: Points, phase: float, bend: float) -> list[Part]:
    span, flap = _between(p[0], 0.6, 0.85), 0.9 * bend * np.sin(phase) + 0.35
    tall = _between(p[1], 0.16, 0.26)
    parts = []
    for lift, tone in ((flap * 0.8, 130), (flap, 185)):
        up = -np.sin(lift) * span
        wing = np.array([[0.25, -0.05], [-0.05 + 0.1 * p[2], up - 0.05], [-0.3, up * 0.8], [-0.35, 0.05]])
        parts.append(Part(wing, tone))
    tail = np.array([[-0.4, -0.05], [-0.85, -0.12 + 0.1 * bend * np.sin(phase)], [-0.8, 0.14], [-0.4, 0.08]])
    beak = np.array([[0.7, -0.14], [0.93, -0.06], [0.7, -0.02]])
    return [
        Part(tail, 150),
        parts[0],
        Part(_ellipse(0.05, 0, 0.55, tall), FULL_TONE),
        Part(beak, 120),
        Part(_ellipse(0.58, -0.1, 0.17, 0.15), 215),
        Part(_ellipse(0.63, -0.13, 0.035, 0.035), 20),
        parts[1],
    ]


def _car(p: Points, phase: float, bend: float) -> list[Part]:
    bounce = 0.03 * bend * np.sin(2 * phase)
    roof, high = _between(p[0], 0.3, 0.5), _between(p[1], 0.22, 0.34)
    base = 0.25 + bounce
    hood = np.array([[-0.95, base], [-0.95, 0.0], [-0.8, -0.08], [0.75, -0.08], [0.95, 0.05], [0.95, base]])
    cabin = np.array([[-0.65, -0.05], [-0.45, -high - 0.1], [roof - 0.1, -high - 0.1], [roof + 0.15, -0.05]])
    window = (cabin - cabin.mean(axis=0)) * 0.72 + cabin.mean(axis=0) + np.array([0.0, -0.02])
    lift = np.array([0.0, bounce])
    parts = [Part(cabin + lift, 190), Part(window + lift, 60), Part(hood + lift, FULL_TONE)]
    for x in (-0.55, 0.55):
        parts.append(Part(_ellipse(x, 0.25, 0.2, 0.2), 40))
        parts.append(Part(_ellipse(x, 0.25, 0.09, 0.09), 150))
    return parts


FAMILIES: dict[str, Family] = {
    "blob": _blob,
    "star": _star,
    "flower": _flower,
    "fish": _fish,
    "quadruped": _quadruped,
    "person": _person,
    "bird": _bird,
    "car": _car,
}
UPRIGHT = frozenset({"quadruped", "person", "bird", "car", "fish"})
"""Families that keep their feet down: they turn less, and look where they move."""


@dataclass(frozen=True, eq=False)
class Silhouette:
    """One body's outline, scaled so that it stays within radius 1.

    Attributes:
        family: A key of `FAMILIES`.
        proportions: float64 ``(PROPORTIONS,)`` in 0..1: what distinguishes it within its family.
        deformation: 0..1, how much it changes with the phase.
        mirrored: It looks to the left.
    """

    family: str
    proportions: Points
    deformation: float
    mirrored: bool

    @cached_property
    def _unit(self) -> float:
        """The largest distance of any outline point from the origin over all phases."""
        phases = np.linspace(0, 8 * np.pi, 64) if self.deformation > 0 else np.zeros(1)
        return max(float(np.linalg.norm(part.outline, axis=1).max()) for phase in phases for part in self._raw(phase))

    def _raw(self, phase: float) -> list[Part]:
        return FAMILIES[self.family](self.proportions, phase, self.deformation)

    def parts(self, phase: float) -> list[Part]:
        """The outlines at ``phase`` (radians), those behind first."""
        scale = np.array([-1.0 if self.mirrored else 1.0, 1.0]) / (1.02 * self._unit)
        return [Part(part.outline * scale, part.tone) for part in self._raw(phase)]
