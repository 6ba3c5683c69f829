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
from vos_tf.pipeline.warps import Bend

Matrix = NDArray[np.float64]
"""float64 ``(3, 3)``, places ``(x, y, 1)`` to places."""
Sides = tuple[tuple[bool, bool], tuple[bool, bool]]


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


HALF = 128
"""Coverage from which a pixel belongs to an object."""


class Layer(NamedTuple):
    """Something that was cut out.

    Attributes:
        key: Id of the object, or background.
        mask: uint8 ``(H, W)``, 0 or 1.
        pixels: uint8 ``(H, W, 4)``: its colours, 0 outside of it, and 255 where it is.
        path: Its places in the picture, for each frame of the clip.
        centre: ``(x, y)`` of its box.
        sides: Whether the left and right, upper and lower side of the picture cut it off.
        bend: How it bends; ``None``: it does not.
        since: First frame that shows it.
        box: Left, top, width and height of a part of the picture that holds all of it, also when it bends; ``None``:
            not known. What is known makes pasting quicker, and rounds places otherwise.
    """

    key: int
    mask: NDArray[np.uint8]
    pixels: NDArray[np.uint8]
    path: Sequence[Matrix]
    centre: tuple[float, float]
    sides: Sides
    bend: Bend | None = None
    since: int = 0
    box: tuple[int, int, int, int] | None = None


class Take(NamedTuple):
    """All that a clip is made of.

    Attributes:
        picture: uint8 ``(H, W, 3)``, the reference frame.
        labels: uint8 ``(H, W)``, its label map.
        backdrop: uint8 ``(H, W, 3)``, what is behind the layers in all other frames.
        ground: uint8 ``(H, W)``, its label map.
        camera: Place of the picture in each frame.
        layers: From the lowest to the topmost.
        complete: Nothing has to be laid over the picture in the reference frame.
    """

    picture: NDArray[np.uint8]
    labels: LabelMap
    backdrop: NDArray[np.uint8]
    ground: LabelMap
    camera: Sequence[Matrix]
    layers: Sequence[Layer]
    complete: bool = True


def animate(
    image: NDArray[np.uint8],
    labels: LabelMap,
    times: Sequence[int],
    change: Change,
    random: np.random.Generator,
    out: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    others: Sequence[Change] = (),
) -> None:
    """Make a clip of a picture: `set_in_motion` and `render`."""
    render(set_in_motion(image, labels, times, random), (change, *others), out)


def set_in_motion(
    image: NDArray[np.uint8],
    labels: LabelMap,
    times: Sequence[int],
    random: np.random.Generator,
    backdrop: NDArray[np.uint8] | None = None,
) -> Take:
    """Draw the paths of the camera and the objects of a picture.

    Args:
        image: uint8 ``(H, W, 3)`` RGB.
        labels: uint8 ``(H, W)``: objects that move by themselves, 0 background, 255 void.
        times: Of the frames, counted in frames of a video; the first is 0.
        random: Source of all chance.
        backdrop: uint8 ``(H, W, 3)``, another picture behind the objects; ``None``: this one, holes filled.
    """
    moments = np.asarray(times, np.float64)
    height, width = labels.shape
    camera = path_of(CAMERA, moments, ((width - 1) / 2, (height - 1) / 2), min(height, width), random)
    layers = [_cut_out(image, labels, key, moments, random) for key in _by_area(labels)]
    if backdrop is not None:
        empty = np.full_like(labels, BACKGROUND)
        return Take(backdrop, empty, backdrop, empty, camera, layers, complete=False)
    hole = np.isin(labels, [layer.key for layer in layers]).astype(np.uint8)
    ground = np.where(hole, np.uint8(BACKGROUND), labels)
    return Take(image, labels, fill_hole(image, cv2.dilate(hole, RIM)), ground, camera, layers)


def render(take: Take, changes: Sequence[Change], out: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    """Write the frames of a clip.

    Images are interpolated bilinearly and label maps by nearest neighbour, with the same matrices. What lies beyond
    the picture is its mirror image, and void in the label maps.

    Args:
        take: What it is made of.
        changes: What is done to the frames: one for all, or one for each.
        out: Receives uint8 ``(n, H, W, 3)`` frames and ``(n, H, W)`` label maps.
    """
    views = [forward_matrix(item, take.labels.shape) for item in changes]
    frames, maps = out
    frames[0] = warped(take.picture, views[0], cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
    move_labels(take.labels, changes[0], maps[0])
    for index in range(len(frames)):
        seen = views[index if len(views) > 1 else 0] @ take.camera[index]
        if index:
            frames[index] = warped(take.backdrop, seen, cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
            maps[index] = warped(take.ground, seen, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, VOID)
        elif take.complete:
            continue
        for layer in take.layers:
            if index >= layer.since:
                _paste(layer, index, seen @ layer.path[index], frames[index], maps[index])


def _by_area(labels: LabelMap) -> list[int]:
    """Ids of the objects, by falling area: the smaller ones are pasted over the larger."""
    counts = np.bincount(labels.ravel(), minlength=VOID + 1)[1:VOID]
    return [int(key) for key in np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)] + 1]


def _cut_out(
    image: NDArray[np.uint8], labels: LabelMap, key: int, moments: NDArray[np.float64], random: np.random.Generator
) -> Layer:
    layer = cut_out(image, (labels == key).astype(np.uint8), key)
    return layer._replace(path=path_of(OBJECT, moments, layer.centre, min(labels.shape), random, layer.sides))


def cut_out(image: NDArray[np.uint8], mask: NDArray[np.uint8], key: int) -> Layer:
    """What is below a mask, uint8 ``(H, W)``, 0 or 1, not all 0; without a path."""
    pixels = with_coverage(image, mask)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    centre = float(columns[[0, -1]].mean()), float(rows[[0, -1]].mean())
    sides = [
        (bool(line[0] == 0), bool(line[-1] == length - 1))
        for line, length in zip((columns, rows), mask.T.shape, strict=True)
    ]
    return Layer(key, mask, pixels, (), centre, (sides[0], sides[1]))


def with_coverage(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 ``(H, W, 4)``: the colours below a mask, 0 outside of it, and 255 below it."""
    pixels: NDArray[np.uint8] = cv2.merge([*cv2.split(cv2.bitwise_and(image, image, mask=mask)), 255 * mask])
    return pixels


def path_of(
    pace: Pace,
    moments: NDArray[np.float64],
    centre: tuple[float, float],
    unit: int,
    random: np.random.Generator,
    sides: Sides = ((False, False), (False, False)),
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
        about(centre, *row) for row in zip(np.deg2rad(turn), np.exp(growth), shear, shifts[0], shifts[1], strict=True)
    ]


def about(
    centre: tuple[float, float], turn: float, scale: float, shear: float, right: float = 0.0, down: float = 0.0
) -> Matrix:
    """Turned by an angle, scaled and sheared about a centre ``(x, y)``, and shifted."""
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = linear @ np.array([[1.0, shear], [0.0, 1.0]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = np.add(centre, (right, down)) - linear @ centre
    return matrix


def warped(
    image: NDArray[Any],
    matrix: Matrix,
    interpolation: int,
    border: int,
    value: int = 0,
    size: tuple[int, int] | None = None,
) -> NDArray[Any]:
    """``image`` after ``matrix``, in its own size or another ``(W, H)``."""
    inverse = np.linalg.inv(matrix)[:2]
    flags = interpolation | cv2.WARP_INVERSE_MAP
    size = image.shape[1::-1] if size is None else size
    result: NDArray[Any] = cv2.warpAffine(image, inverse, size, None, flags, border, value)
    return result


def _paste(layer: Layer, index: int, matrix: Matrix, frame: NDArray[np.uint8], labels: LabelMap) -> None:
    """Lay an object, as it is in frame ``index`` of the clip, over a frame and its label map, in place."""
    source, outline = layer.pixels, layer.mask
    if layer.bend is not None and index:
        source = layer.bend.at(index, source)
        outline = (source[..., 3] >= HALF).astype(np.uint8)
    if layer.box is not None:
        left, top, width, height = _reached(layer.box, matrix, labels.shape)
        if not (width and height):
            return
        part = (slice(top, top + height), slice(left, left + width))
        frame, labels = frame[part], labels[part]
        matrix = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ matrix
    size = labels.shape[1], labels.shape[0]
    pixels = warped(source, matrix, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT, size=size)
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(pixels[..., 3]))
    part = (slice(top, top + height), slice(left, left + width))
    # The colours are weighted with the coverage already: outside of the object they are 0.
    uncovered = 255 - pixels[part][..., 3:].astype(np.uint16)
    frame[part] = pixels[part][..., :3] + (frame[part] * uncovered + 127) // 255
    mask = warped(outline, matrix, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, size=size)
    labels[mask > 0] = layer.key


def _reached(box: tuple[int, int, int, int], matrix: Matrix, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the part of a frame that a box of a picture gets to."""
    left, top, width, height = box
    corners = [(x, y, 1.0) for x in (left - 1, left + width) for y in (top - 1, top + height)]
    places = (matrix @ np.transpose(corners))[:2]
    limit = np.array(shape[1::-1])
    low = np.clip(np.floor(places.min(axis=1)).astype(int), 0, limit)
    high = np.clip(np.ceil(places.max(axis=1)).astype(int) + 1, 0, limit)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def fill_hole(image: NDArray[np.uint8], hole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill a hole smoothly from around it: from averages over ever larger surroundings.

    Args:
        image: uint8 ``(H, W, 3)``.
        hole: uint8 ``(H, W)``, not 0 where the image is to be filled.

    Returns:
        uint8 ``(H, W, 3)``; outside of the hole as before. Grey where the hole is everything.
    """
    known = (hole == 0).astype(np.float32)
    levels = [cv2.merge([*cv2.split(image * known[..., None]), known])]
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
