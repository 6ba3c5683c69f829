"""Region similarity J and contour accuracy F, exactly as DAVIS defines them, and fast.

Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016,
section 4, with the details of the DAVIS-2017 evaluation (empty masks, void, image borders, tolerance disk).

The speed comes from working in the bounding box of each object: boundary and dilated boundary are made once per
object, and a pair of objects looks only at the pixels that both boxes share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.media.label_maps import VOID, LabelMap

TOLERANCE = 0.008
"""Boundary pixels match within this share of the image diagonal."""

Mask = NDArray[np.bool_]
"""bool ``(H, W)``: one object."""

_Bytes = NDArray[np.uint8]


class PairScore(NamedTuple):
    """J and F of one predicted mask against one true mask, both 0..1."""

    J: float
    F: float


def tolerance_radius(size: tuple[int, int]) -> int:
    """Radius in pixels within which boundary pixels match: 0.008 of the diagonal of ``(H, W)``, rounded up.

    >>> tolerance_radius((480, 854))
    8
    """
    height, width = size
    return math.ceil(TOLERANCE * math.sqrt(height * height + width * width))


def boundary_map(mask: Mask) -> Mask:
    """Pixels that differ from their right, lower or lower-right neighbour.

    The last row looks only to the right, the last column only down, the last pixel is never boundary. The
    contour therefore lies half a pixel towards the origin: flipping a mask does not flip its boundary map.

    Args:
        mask: bool ``(H, W)``.

    Returns:
        bool ``(H, W)``.
    """
    result: Mask = _boundary(np.asarray(mask, bool).astype(np.uint8)) != 0
    return result


def region_similarity(prediction: Mask, truth: Mask, void: Mask | None = None) -> float:
    """J: intersection over union of two masks; 1 where both are empty.

    Args:
        prediction: bool ``(H, W)``.
        truth: bool ``(H, W)``.
        void: Pixels that do not count, bool ``(H, W)``.

    Returns:
        0..1.
    """
    return _score_masks(prediction, truth, void).J


def contour_accuracy(prediction: Mask, truth: Mask, void: Mask | None = None) -> float:
    """F: harmonic mean of boundary precision and recall with a tolerance of `tolerance_radius` pixels.

    Both boundaries empty: 1. One of them empty: 0. A mask that fills the image has no boundary.

    Args:
        prediction: bool ``(H, W)``.
        truth: bool ``(H, W)``.
        void: Pixels set to background in both masks first, bool ``(H, W)``.

    Returns:
        0..1.
    """
    return _score_masks(prediction, truth, void).F


def score_pairs(
    prediction: LabelMap,
    truth: LabelMap,
    pairs: Sequence[tuple[int, int]],
    *,
    ignore_void: bool,
    contours: bool = True,
) -> list[PairScore]:
    """J and F of several (predicted id, true id) pairs of one frame.

    Args:
        prediction: uint8 ``(H, W)``.
        truth: uint8 ``(H, W)``, 255 void.
        pairs: Ids to compare; id 0 stands for an empty mask.
        ignore_void: Void pixels count neither for nor against (else they are background).
        contours: Compute F too (else it is ``nan``).

    Returns:
        One score per pair, in order.

    Raises:
        ValueError: The shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} must have one shape")
    if ignore_void:
        void = truth == VOID
        if void.any():
            prediction = np.where(void, np.uint8(0), prediction)
    predicted = {number: _Region(prediction, number) for number in {pair[0] for pair in pairs}}
    true = {number: _Region(truth, number) for number in {pair[1] for pair in pairs}}
    return [_score_regions(predicted[first], true[second], contours) for first, second in pairs]


class _Crop(NamedTuple):
    """A rectangle of the image: its pixels (not 0 = inside), and where its top left corner lies."""

    top: int
    left: int
    pixels: _Bytes

    @property
    def set_pixels(self) -> int:
        return int(cv2.countNonZero(self.pixels)) if self.pixels.size else 0


_EMPTY = _Crop(0, 0, np.zeros((0, 0), np.uint8))


class _Region:
    """One object of one frame; what is made from it is made once, in its bounding box."""

    def __init__(self, labels: LabelMap, number: int) -> None:
        self._size = height, width = labels.shape
        self.mask = _EMPTY
        self.area = 0
        if number == 0:
            return
        whole = (labels == number).view(np.uint8)
        left, top, box_width, box_height = cv2.boundingRect(whole)
        if box_width == 0:
            return
        # One pixel more on every side: the boundary lies there too, and needs to see the background.
        y0, x0 = max(top - 1, 0), max(left - 1, 0)
        window = whole[y0 : min(top + box_height + 1, height), x0 : min(left + box_width + 1, width)]
        self.mask = _Crop(y0, x0, window)
        self.area = self.mask.set_pixels

    @cached_property
    def boundary(self) -> _Crop:
        return self.mask._replace(pixels=_boundary(self.mask.pixels)) if self.area else _EMPTY

    @cached_property
    def boundary_length(self) -> int:
        return self.boundary.set_pixels

    @cached_property
    def near(self) -> _Crop:
        """Pixels within the tolerance of the boundary."""
        height, width = self._size
        radius = tolerance_radius(self._size)
        top, left, pixels = self.boundary
        above, before = min(radius, top), min(radius, left)
        below = min(radius, height - top - pixels.shape[0])
        after = min(radius, width - left - pixels.shape[1])
        wide = cv2.copyMakeBorder(pixels, above, below, before, after, cv2.BORDER_CONSTANT, value=0)
        return _Crop(top - above, left - before, _dilate(wide, radius))


def _boundary(mask: _Bytes) -> _Bytes:
    # Repeating the last row and column makes their pixels equal to the missing neighbours.
    wide = cv2.copyMakeBorder(mask, 0, 1, 0, 1, cv2.BORDER_REPLICATE)
    result: _Bytes = (mask ^ wide[:-1, 1:]) | (mask ^ wide[1:, :-1]) | (mask ^ wide[1:, 1:])
    return result


@lru_cache(maxsize=32)
def _disk_rectangles(radius: int) -> tuple[_Bytes, ...]:
    """Rectangles whose union is the disk ``x^2 + y^2 <= radius^2``: much quicker to dilate with, and exact."""
    widest = {math.isqrt(radius * radius - y * y): y for y in range(radius + 1)}  # half width -> largest half height
    return tuple(np.ones((2 * y + 1, 2 * x + 1), np.uint8) for x, y in widest.items())


def _dilate(boundary: _Bytes, radius: int) -> _Bytes:
    result = np.zeros_like(boundary)
    for rectangle in _disk_rectangles(radius):
        cv2.bitwise_or(result, cv2.dilate(boundary, rectangle), dst=result)
    return result


def _shared(first: _Crop, second: _Crop) -> int:
    """Number of pixels set in both."""
    top, left = max(first.top, second.top), max(first.left, second.left)
    bottom = min(first.top + first.pixels.shape[0], second.top + second.pixels.shape[0])
    right = min(first.left + first.pixels.shape[1], second.left + second.pixels.shape[1])
    if bottom <= top or right <= left:
        return 0
    views = [
        crop.pixels[top - crop.top : bottom - crop.top, left - crop.left : right - crop.left]
        for crop in (first, second)
    ]
    return int(cv2.countNonZero(cv2.bitwise_and(*views)))


def _score_regions(prediction: _Region, truth: _Region, contours: bool) -> PairScore:
    intersection = _shared(prediction.mask, truth.mask)
    union = prediction.area + truth.area - intersection
    accuracy = _contour_accuracy(prediction, truth) if contours else math.nan
    return PairScore(intersection / union if union else 1.0, accuracy)


def _contour_accuracy(prediction: _Region, truth: _Region) -> float:
    predicted_length, true_length = prediction.boundary_length, truth.boundary_length
    if not predicted_length and not true_length:
        return 1.0
    if not predicted_length or not true_length:
        return 0.0
    precision = _shared(prediction.boundary, truth.near) / predicted_length
    recall = _shared(truth.boundary, prediction.near) / true_length
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _score_masks(prediction: Mask, truth: Mask, void: Mask | None) -> PairScore:
    labels = np.asarray(truth, bool).astype(np.uint8)
    if void is not None:
        labels[np.asarray(void, bool)] = VOID
    pairs = ((1, 1),)
    return score_pairs(np.asarray(prediction, bool).astype(np.uint8), labels, pairs, ignore_void=True)[0]
