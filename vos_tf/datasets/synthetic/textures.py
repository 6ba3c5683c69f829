"""Procedural colour: noise at several scales, patterns, backgrounds. All float32, 0..255, RGB."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Generator = np.random.Generator

TEXTURE_SIDE = 128


def noise(rng: Generator, height: int, width: int, coarsest: float, octaves: int = 4, gain: float = 0.55) -> Image:
    """Smooth noise ``(height, width)`` in 0..1: octaves of random grids, the coarsest cell ``coarsest`` pixels wide."""
    total = np.zeros((height, width), np.float32)
    weight, cell = 1.0, max(coarsest, 1.0)
    for _ in range(octaves):
        grid = rng.random((int(height / cell) + 3, int(width / cell) + 3), dtype=np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= gain
        cell = max(cell / 2.1, 1.0)
    lowest, highest = float(total.min()), float(total.max())
    return (total - lowest) / max(highest - lowest, 1e-6)


def colour(rng: Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Image:
    """A random RGB colour ``(3,)`` within ranges of saturation and value (both 0..1)."""
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return np.asarray(rgb, np.float32) * np.float32(255)


def mix(share: Image, first: Image, second: Image) -> Image:
    """Colours between ``first`` (share 0) and ``second`` (share 1): ``(h, w)`` and two ``(3,)`` -> ``(h, w, 3)``."""
    return first + share[..., None] * (second - first)


def soft_step(values: Image, edge: float, width: float) -> Image:
    """0 below ``edge``, 1 above it, a straight ramp of ``width`` between."""
    return np.asarray(np.clip((values - edge) / width + 0.5, 0.0, 1.0), np.float32)


def _plane(height: int, width: int, angle: float) -> Image:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray(x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)), np.float32)


def stripes(rng: Generator, height: int, width: int, period: float) -> Image:
    """Bent stripes in 0..1."""
    bend = noise(rng, height, width, period * 4, 2) * np.float32(period * rng.uniform(0.0, 2.0))
    wave = np.sin((_plane(height, width, rng.uniform(0, np.pi)) + bend) * np.float32(2 * np.pi / period))
    return soft_step(wave, rng.uniform(-0.3, 0.3), rng.uniform(0.3, 1.2))


def spots(rng: Generator, height: int, width: int, period: float) -> Image:
    """Round spots of various sizes on a shaken grid, 0..1."""
    image = np.zeros((height, width), np.uint8)
    for row in range(int(height / period) + 2):
        for column in range(int(width / period) + 2):
            centre = (np.array([column, row]) + rng.uniform(-0.3, 0.3, 2)) * period * 16
            radius = int(period * 16 * rng.uniform(0.15, 0.4))
            cv2.circle(image, (int(centre[0]), int(centre[1])), radius, 255, -1, cv2.LINE_AA, 4)
    return image.astype(np.float32) / np.float32(255)


def checks(rng: Generator, height: int, width: int, period: float) -> Image:
    """A turned chequer, 0..1."""
    angle = rng.uniform(0, np.pi / 2)
    factor = np.float32(np.pi / period)
    first = np.sin(_plane(height, width, angle) * factor)
    return soft_step(first * np.sin(_plane(height, width, angle + np.pi / 2) * factor), 0.0, 0.3)


def patches(rng: Generator, height: int, width: int, period: float) -> Image:
    """Hard-edged patches like those of a cow, 0..1."""
    return soft_step(noise(rng, height, width, period * 1.6, 3), rng.uniform(0.4, 0.6), 0.05)


def clouds(rng: Generator, height: int, width: int, period: float) -> Image:
    """Plain noise, 0..1."""
    return noise(rng, height, width, period * 2, 5, 0.7)


def halves(rng: Generator, height: int, width: int, period: float) -> Image:
    """Two tones with one wavy border, 0..1."""
    plane = _plane(height, width, rng.uniform(0, np.pi)) + noise(rng, height, width, period * 2, 2) * np.float32(period)
    return soft_step(plane, float(np.median(plane)), 3.0)


def ramp(rng: Generator, height: int, width: int, period: float) -> Image:
    """A straight gradient, 0..1."""
    del period
    plane = _plane(height, width, rng.uniform(0, 2 * np.pi))
    return np.asarray((plane - plane.min()) / max(float(np.ptp(plane)), 1e-6), np.float32)


PATTERNS: dict[str, Callable[[Generator, int, int, float], Image]] = {
    "stripes": stripes,
    "spots": spots,
    "checks": checks,
    "patches": patches,
    "clouds": clouds,
    "halves": halves,
    "ramp": ramp,
}


def flatten(texture: Image, contrast: float) -> Image:
    """The texture with its contrast about its mean colour scaled to ``contrast`` (0: one flat colour)."""
    mean = texture.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    return np.asarray(np.clip(mean + np.float32(contrast) * (texture - mean), 0, 255), np.float32)


def object_texture(rng: Generator, contrast: float, away_from: Image) -> Image:
    """A body's skin, ``(TEXTURE_SIDE, TEXTURE_SIDE, 3)``, whose main colour differs from ``away_from`` ``(3,)``."""
    side = TEXTURE_SIDE
    base = colour(rng, (0.25, 0.95), (0.3, 0.95))
    for _ in range(8):
        if np.abs(base - away_from).max() > 60:
            break
        base = colour(rng, (0.25, 0.95), (0.3, 0.95))
    other = colour(rng, (0.0, 0.9), (0.1, 1.0)) if rng.random() < 0.6 else base * np.float32(rng.uniform(0.25, 0.6))
    pattern = PATTERNS[str(rng.choice(list(PATTERNS)))](rng, side, side, side * rng.uniform(0.08, 0.25))
    grain = (noise(rng, side, side, side / 6, 4, 0.8) - np.float32(0.5)) * np.float32(rng.uniform(20, 70))
    texture = mix(pattern * np.float32(rng.uniform(0.5, 1.0)), base, other) + grain[..., None]
    return flatten(np.clip(texture, 0, 255).astype(np.float32), contrast)
