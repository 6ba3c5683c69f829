"""A mask as one polygon whose edges are edges of pixels, so that filling it gives the mask again, pixel for pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.int64]
"""int64 ``(n, 2)``, x and y of corners of pixels; pixel ``(0, 0)`` covers 0..1 along both."""

_NEAR = 4096


def outline(mask: NDArray[np.bool_]) -> Points:
    """The polygon around everything a mask shows, closed from its last point to its first; empty for an empty mask.

    Separate parts and holes are joined to the rest by bridges, lines that are gone there and back. Filled by the
    even-odd rule, or by the nonzero rule (parts and holes turn opposite ways), they enclose nothing.

    Args:
        mask: bool ``(H, W)``.
    """
    mask = np.asarray(mask, np.bool_)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros((0, 2), np.int64)
    loops = _loops(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return np.asarray(_joined(loops) + np.array([columns[0], rows[0]]), np.int64)


def _loops(mask: NDArray[np.bool_]) -> list[Points]:
    """The closed lines between object and background, the object on their right; ordered by their topmost corners."""
    padded = np.pad(mask, 1)
    above_left, above_right = padded[:-1, :-1], padded[:-1, 1:]
    below_left, below_right = padded[1:, :-1], padded[1:, 1:]
    # A corner of the line lies where an odd number of four pixels is object; where two touch at their tips, two do.
    tips = (above_left == below_right) & (above_right == below_left) & (above_left != above_right)
    corners = (above_left ^ above_right ^ below_left ^ below_right).astype(np.int64) + 2 * tips
    points = np.repeat(np.argwhere(corners), corners[corners > 0], axis=0)
    # Along each row of corners the 1st and 2nd are joined, the 3rd and 4th, ...; along each column likewise.
    by_column = np.lexsort((points[:, 0], points[:, 1]))
    below = np.empty(len(points), np.int64)
    below[by_column[0::2]], below[by_column[1::2]] = by_column[1::2], by_column[0::2]
    return _followed(points, below.tolist(), below_right)


def _followed(points: NDArray[np.int64], partner: list[int], below_right: NDArray[np.bool_]) -> list[Points]:
    loops = []
    seen = np.zeros(len(points), bool)
    for left in range(0, len(points), 2):
        if seen[left]:
            continue
        # The edge from here to the corner on its right has the object below it or above it.
        start = left if below_right[tuple(points[left])] else left + 1
        loop, index = [], start
        while True:
            beside = index ^ 1
            loop += [index, beside]
            index = partner[beside]
            if index == start:
                break
        seen[loop] = True
        loops.append(points[loop][:, ::-1])
    return loops


def _joined(loops: list[Points]) -> Points:
    """One polygon of all loops: each but the first hangs at the nearest corner of those before it."""
    points = np.concatenate(loops)
    starts = np.cumsum([0, *(len(loop) for loop in loops)])
    hanging: dict[int, list[int]] = {}
    for number in range(1, len(loops)):
        # In the order of rows what is near is recent; the limit keeps masks of mere noise affordable.
        first = max(0, int(starts[number]) - _NEAR)
        distances = np.abs(points[first : starts[number]] - points[starts[number]]).sum(axis=1)
        hanging.setdefault(first + int(distances.argmin()), []).append(number)
    order: list[int] = []
    ahead = list(range(starts[0], starts[1]))[::-1]
    while ahead:
        corner = ahead.pop()
        order.append(corner)
        for number in hanging.pop(corner, ()):
            loop = range(starts[number], starts[number + 1])
            # Around the hanging loop to where it began, then back to this corner.
            ahead += [corner, loop[0], *reversed(loop)]
    return points[order]
