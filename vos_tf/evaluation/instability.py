"""T, temporal instability: how much the contour jitters from one predicted frame to the next (DAVIS-2016 only).

Source: Perazzi et al., CVPR 2016, section 4: contours become polygons, every point is described by its shape
context (Belongie et al., PAMI 2002), and dynamic time warping finds the cheapest matching that keeps the order. Motion
and slow deformation are matched for free; what remains is jitter. The published description leaves details open
(sampling along the polygon, start of the matching): where it does, this module states its choice. Values are
comparable with each other, and close to but not equal to those of the original tool.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vos_tf.evaluation.measures import Mask

SCALE = 5.0  # the official tool multiplies the mean matching cost by this
ANGLE_BINS = 12
RADIUS_BINS = 5
INNER_RADIUS, OUTER_RADIUS = 1 / 8, 2.0  # in units of the mean distance between the points of the contour
SIMPLIFICATION = 3.0  # pixels a polygon may stray from the contour
SPACING = 3.0  # largest distance in pixels between points along the polygon

_Floats = NDArray[np.float64]


def temporal_instability(before: Mask, after: Mask) -> float:
    """T of two consecutive masks of one prediction: lower is better, 0 for equal shapes.

    The longest outer contour of each mask is compared.

    Args:
        before: bool ``(H, W)``.
        after: bool ``(H, W)``.

    Returns:
        0 or more; ``nan`` where a mask is too small to have a contour of three points.
    """
    first, second = contour_points(before), contour_points(after)
    if first is None or second is None:
        return math.nan
    if first.shape == second.shape and np.array_equal(first, second):
        return 0.0
    return SCALE * _matching_cost(_costs(_shape_contexts(first), _shape_contexts(second)))


def contour_points(mask: Mask) -> _Floats | None:
    """The longest outer contour as a polygon with points at most `SPACING` pixels apart.

    Returns:
        float64 ``(N, 2)`` as (x, y), or ``None`` where there is no contour of three points.
    """
    import cv2  # only this measure needs it

    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    longest = max(contours, key=len)
    corners = cv2.approxPolyDP(longest, SIMPLIFICATION, closed=True).reshape(-1, 2).astype(np.float64)
    pieces = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        count = max(math.ceil(float(np.hypot(*(end - start))) / SPACING), 1)
        pieces.append(start + (end - start) * (np.arange(count)[:, None] / count))
    points = np.concatenate(pieces)
    return points if len(points) >= 3 else None


def _shape_contexts(points: _Floats) -> _Floats:
    """Log-polar histogram of where the other points lie, seen from each: float64 ``(N, 60)``, rows sum to 1."""
    offsets = points[None, :, :] - points[:, None, :]
    distances = np.hypot(offsets[..., 0], offsets[..., 1])
    others = ~np.eye(len(points), dtype=bool)
    scaled = distances / distances[others].mean()
    edges = np.geomspace(INNER_RADIUS, OUTER_RADIUS, RADIUS_BINS)
    ring = np.searchsorted(edges, scaled, side="right")  # all that is nearer than the first edge is ring 0
    angle = np.arctan2(offsets[..., 1], offsets[..., 0]) % (2 * math.pi)
    sector = np.minimum((angle / (2 * math.pi) * ANGLE_BINS).astype(np.int64), ANGLE_BINS - 1)
    counted = others & (ring < RADIUS_BINS)
    rows = np.nonzero(counted)[0]
    bins = rows * (RADIUS_BINS * ANGLE_BINS) + ring[counted] * ANGLE_BINS + sector[counted]
    histogram = np.bincount(bins, minlength=len(points) * RADIUS_BINS * ANGLE_BINS).reshape(len(points), -1)
    shares: _Floats = histogram / np.maximum(histogram.sum(axis=1, keepdims=True), 1)
    return shares


def _costs(first: _Floats, second: _Floats) -> _Floats:
    """Chi-squared distance of every pair of histograms, 0..1: float64 ``(N, M)``."""
    # sum (a-b)^2 / (a+b) / 2 = 1 - 2 sum ab / (a+b) for histograms that sum to 1; most bins of most points are empty.
    totals = [histograms.sum(axis=1) for histograms in (first, second)]
    costs: _Floats = (totals[0][:, None] + totals[1][None, :]) / 2
    for one, other in zip(first.T, second.T, strict=True):
        rows, columns = np.flatnonzero(one), np.flatnonzero(other)
        a, b = one[rows][:, None], other[columns][None, :]
        costs[np.ix_(rows, columns)] -= 2 * a * b / (a + b)
    return costs


def _matching_cost(costs: _Floats) -> float:
    """Mean cost along the cheapest path through both closed contours, in order."""
    costs = costs[:, _best_start(costs)]
    rows, columns = costs.shape
    # Diagonal by diagonal: cell (i, d - i) follows from (i-1, d-1-(i-1)), (i, d-1-i) and (i-1, d-2-(i-1)).
    sums = [np.full(rows + 1, np.inf), np.full(rows + 1, np.inf)]  # index i + 1; the last two diagonals
    steps = [np.zeros(rows + 1), np.zeros(rows + 1)]
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        options = np.stack([sums[0][i], sums[1][i], sums[1][i + 1]])
        lengths = np.stack([steps[0][i], steps[1][i], steps[1][i + 1]])
        best = np.argmin(options, axis=0)
        pick = np.arange(len(i))
        total, length = np.full(rows + 1, np.inf), np.zeros(rows + 1)
        arrived = options[best, pick] if diagonal else np.zeros(1)
        total[i + 1] = costs[i, diagonal - i] + arrived
        length[i + 1] = lengths[best, pick] + 1
        sums, steps = [sums[1], total], [steps[1], length]
    return float(sums[1][rows] / steps[1][rows])


def _best_start(costs: _Floats) -> NDArray[np.int64]:
    """The order of the second contour's points that fits best without warping: where the matching starts."""
    rows, columns = costs.shape
    along = np.arange(rows) * columns // rows
    sums = [costs[np.arange(rows), (along + shift) % columns].sum() for shift in range(columns)]
    order: NDArray[np.int64] = (np.arange(columns) + int(np.argmin(sums))) % columns
    return order
