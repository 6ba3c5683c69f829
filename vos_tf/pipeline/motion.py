"""Clips from still images: the camera and the objects of a picture are set in motion.

The background moves with the camera; every object is cut out, the hole it leaves is filled from around it, and it
moves by itself over the background. Each path is smooth and starts from the picture as it is. Clips made of still
images are a common first stage of training for networks that follow objects (Oh et al., "Fast Video Object
Segmentation by Reference-Guided Mask Propagation", CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.media.label_maps import BACKGROUND, VOID, LabelMap
from vos_tf.pipeline.augment import Change, forward_matrix, move_labels

Matrix = NDArray[np.float64]
"""float64 ``(3, 3)``, places ``(x, y, 1)`` to places."""


class Pace(NamedTuple):
    """How fast something moves from one frame of a video to the next, and how far at most.

    The speeds are standard deviations; the greatest distances are approached, never passed.

    Attributes:
        shift: Shares of the shorter side of the frame, speed and greatest distance.
        turn: Degrees.
        growth: Logarithm of the scale.
        shear: Tangent of the angle.
    """

    shift: tuple[float, float]
    turn: tuple[float, float]
    growth: tuple[float, float]
    shear: tuple[float, float]


CAMERA = Pace(shift=(0.012, 0.10), turn=(0.7, 8.0), growth=(0.012, 0.15), shear=(0.002, 0.03))
OBJECT = Pace(shift=(0.020, 0.25), turn=(2.0, 20.0), growth=(0.020, 0.25), shear=(0.008, 0.12))
ACCELERATION = 0.15
"""Change of the speed in each frame, as a share of the speed."""
RIM = np.ones((5, 5), np.uint8)
"""What is filled around an object, too: its edge is never quite where the mask says."""


class Layer(NamedTuple):
    """An object that was cut out.

    Attributes:
        key: Its id.
        mask: uint8 ``(H, W)``, 0 or 1.
        pixels: uint8 ``(H, W, 4)``: its colours, 0 outside of it, and 255 where it is.
        path: Its places in the picture, for each frame of the clip.
    """

    key: int
    mask: NDArray[np.uint8]
    pixels: NDArray[np.uint8]
    path: Sequence[Matrix]


def animate(
    image: NDArray[np.uint8],
    labels: LabelMap,
    times: Sequence[int],
    change: Change,
    random: np.random.Generator,
    out: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    others: Sequence[Change] = (),
) -> None:
    """Make a clip of a picture.

    Images are interpolated bilinearly and label maps by nearest neighbour, with the same matrices. What lies beyond
    the picture is its mirror image, and void in the label maps.

    Args:
        image: uint8 ``(H, W, 3)`` RGB.
        labels: uint8 ``(H, W)``: objects that move by themselves, 0 background, 255 void.
        times: Of the frames, counted in frames of a video; the first is 0.
        change: Done to all frames alike.
        random: Source of all chance.
        out: Receives uint8 ``(len(times), H, W, 3)`` frames and ``(len(times), H, W)`` label maps.
        others: What is done to each frame after the first instead.
    """
    moments = np.asarray(times, np.float64)
    views = [forward_matrix(item, labels.shape) for item in (change, *others)]
    height, width = labels.shape
    camera = _path(CAMERA, moments, ((width - 1) / 2, (height - 1) / 2), min(height, width), random)
    layers = [_cut_out(image, labels, key, moments, random) for key in _by_area(labels)]
    hole = np.isin(labels, [layer.key for layer in layers]).astype(np.uint8)
    backdrop = fill_hole(image, cv2.dilate(hole, RIM))
    ground = np.where(hole, np.uint8(BACKGROUND), labels)
    frames, maps = out
    frames[0] = _warped(image, views[0], cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
    move_labels(labels, change, maps[0])
    for index in range(1, len(times)):
        view = views[index if others else 0]
        seen = view @ camera[index]
        frames[index] = _warped(backdrop, seen, cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
        maps[index] = _warped(ground, seen, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, VOID)
        for layer in layers:
            _paste(layer, seen @ layer.path[index], frames[index], maps[index])


def _by_area(labels: LabelMap) -> list[int]:
    """Ids of the objects, by falling area: the smaller ones are pasted over the larger."""
    counts = np.bincount(labels.ravel(), minlength=VOID + 1)[1:VOID]
    return [int(key) for key in np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)] + 1]


def _cut_out(
    image: NDArray[np.uint8], labels: LabelMap, key: int, moments: NDArray[np.float64], random: np.random.Generator
) -> Layer:
    mask = (labels == key).astype(np.uint8)
    pixels = np.dstack([image * mask[..., None], 255 * mask])
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    centre = float(columns[[0, -1]].mean()), float(rows[[0, -1]].mean())
    sides = [(line[0] == 0, line[-1] == length - 1) for line, length in zip((columns, rows), mask.T.shape, strict=True)]
    return Layer(key, mask, pixels, _path(OBJECT, moments, centre, min(mask.shape), random, sides))


def _path(
    pace: Pace,
    moments: NDArray[np.float64],
    centre: tuple[float, float],
    unit: int,
    random: np.random.Generator,
    sides: Sequence[tuple[bool, bool]] = ((False, False), (False, False)),
) -> list[Matrix]:
    """A matrix for each moment; the identity at 0.

    ``sides`` tells whether the object is cut off by the left and right, upper and lower side of the picture: then it
    moves out there, never in, and does not shrink, because what lies beyond is not known.
    """
    speeds = np.array([pace.shift, pace.shift, pace.turn, pace.growth, pace.shear])
    velocity, acceleration = random.normal(size=(2, len(speeds))) * speeds[:, 0]
    way = np.outer(moments, velocity) + np.outer(moments**2 / 2, ACCELERATION * acceleration)
    ways = (np.tanh(way / speeds[:, 1]) * speeds[:, 1]).T
    shifts, (turn, growth, shear) = ways[:2] * unit, ways[2:]
    for axis, (low, high) in enumerate(sides):
        if low or high:
            shifts[axis] = 0 if low and high else np.abs(shifts[axis]) * (1 if high else -1)
    if any(map(any, sides)):
        growth, turn = np.abs(growth), turn / 4
    return [
        _about(centre, *row) for row in zip(np.deg2rad(turn), np.exp(growth), shear, shifts[0], shifts[1], strict=True)
    ]


def _about(centre: tuple[float, float], turn: float, scale: float, shear: float, right: float, down: float) -> Matrix:
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = linear @ np.array([[1.0, shear], [0.0, 1.0]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = np.add(centre, (right, down)) - linear @ centre
    return matrix


def _warped(image: NDArray[Any], matrix: Matrix, interpolation: int, border: int, value: int = 0) -> NDArray[Any]:
    """``image`` after ``matrix``, in its own size."""
    inverse = np.linalg.inv(matrix)[:2]
    flags = interpolation | cv2.WARP_INVERSE_MAP
    result: NDArray[Any] = cv2.warpAffine(image, inverse, image.shape[1::-1], None, flags, border, value)
    return result


def _paste(layer: Layer, matrix: Matrix, frame: NDArray[np.uint8], labels: LabelMap) -> None:
    """Lay an object over a frame and its label map, in place."""
    pixels = _warped(layer.pixels, matrix, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(pixels[..., 3]))
    part = (slice(top, top + height), slice(left, left + width))
    # The colours are weighted with the coverage already: outside of the object they are 0.
    uncovered = 255 - pixels[part][..., 3:].astype(np.uint16)
    frame[part] = pixels[part][..., :3] + (frame[part] * uncovered + 127) // 255
    mask = _warped(layer.mask, matrix, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
    labels[mask > 0] = layer.key


def fill_hole(image: NDArray[np.uint8], hole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill a hole smoothly from around it: from averages over ever larger surroundings.

    Args:
        image: uint8 ``(H, W, 3)``.
        hole: uint8 ``(H, W)``, not 0 where the image is to be filled.

    Returns:
        uint8 ``(H, W, 3)``; outside of the hole as before. Grey where the hole is everything.
    """
    known = (hole == 0).astype(np.float32)
    levels = [np.dstack([image * known[..., None], known]).astype(np.float32)]
    while max(levels[-1].shape[:2]) > 1:
        height, width = levels[-1].shape[:2]
        half = (max(1, width // 2), max(1, height // 2))
        levels.append(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA).reshape(half[1], half[0], 4))
    mean, share = levels[-1][..., :3], levels[-1][..., 3:]
    filled = mean / share if share > 0 else np.full_like(mean, 128)
    for level in reversed(levels[:-1]):
        height, width = level.shape[:2]
        coarse = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, 3)
        # Colours are weighted with what is known of them; the rest comes from the larger surroundings.
        filled = level[..., :3] + (1 - level[..., 3:]) * coarse
    return np.where(hole[..., None] > 0, np.rint(filled), image).astype(np.uint8)
