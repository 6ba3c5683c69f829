"""Gaussian filtering in few dimensions on the permutohedral lattice (Adams, Baek and Davis, Eurographics 2010).

Values lie at points in d dimensions, here pixels with place and colour. They are shared out to the corners of the
simplices that the points lie in, blurred along the lattice's d + 1 directions, and gathered again: a sum over all pairs
of points, weighed by a Gaussian of their distance, in a time that is linear in the number of points.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError

Floats = NDArray[np.float32]


class _Corners(NamedTuple):
    """Of the simplices that points lie in.

    Attributes:
        keys: int64 ``(d + 1, n)``: each corner's lattice coordinates as one number.
        weights: float32 ``(d + 1, n)``: barycentric coordinates of the points.
        steps: int64 ``(d + 1,)``: from a corner's number to its neighbour's in each direction.
    """

    keys: NDArray[np.int64]
    weights: Floats
    steps: NDArray[np.int64]


class PermutohedralFilter:
    """The filter for one set of points, for any values.

    Args:
        features: Coordinates of the points float32 ``(d, n)``, in standard deviations of the Gaussian.

    Raises:
        VosError: The points lie too far apart.
    """

    def __init__(self, features: Floats) -> None:
        from scipy.sparse import csr_array

        corners = _corners(features)
        count = corners.keys.shape[1]
        lattice, index = np.unique(corners.keys, return_inverse=True)
        index = index.reshape(corners.keys.shape).astype(np.int32)
        starts = np.arange(count + 1, dtype=np.int32) * len(corners.keys)
        content = np.ascontiguousarray(corners.weights.T).ravel(), np.ascontiguousarray(index.T).ravel(), starts
        self._gather: Any = csr_array(content, shape=(count, len(lattice)))
        self._share: Any = self._gather.T
        self._neighbours = [_neighbours(lattice, step) for step in corners.steps]

    def __call__(self, values: Floats) -> Floats:
        """Values float32 ``(n, k)`` to their weighted sums ``(n, k)``, up to one common factor."""
        shared: Floats = self._share @ values
        # The last row stands for all neighbours that there are not.
        shared = np.concatenate([shared, np.zeros((1, values.shape[1]), np.float32)])
        for before, after in self._neighbours:
            around = shared[before]
            around += shared[after]
            around *= 0.5
            shared[:-1] += around
        filtered: Floats = self._gather @ shared[:-1]
        return filtered


def _neighbours(lattice: NDArray[np.int64], step: np.int64) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Places in the sorted ``lattice`` of each point's neighbours in one direction; its length where there is none."""
    count = len(lattice)
    place = np.searchsorted(lattice, lattice + step)
    found = np.flatnonzero(lattice[np.minimum(place, count - 1)] == lattice + step)
    after = np.full(count, count, np.int32)
    before = after.copy()
    after[found] = place[found]
    before[place[found]] = found
    return before, after


def _corners(features: Floats) -> _Corners:
    """Section 4.2 of the paper, for all points at once."""
    dimensions, _ = features.shape
    side = dimensions + 1
    elevated = _elevation(dimensions) @ features.astype(np.float32)
    nearest = np.rint(elevated / np.float32(side)).astype(np.int32)
    rank = _ranks(elevated - np.float32(side) * nearest)
    # The nearest points of the lattice's first class need not lie in the plane: those furthest off go one further.
    rank += nearest.sum(axis=0, dtype=np.int32).astype(np.int8)
    too_low, too_high = rank < 0, rank > dimensions
    nearest += too_low
    nearest -= too_high
    rank += side * too_low.astype(np.int8)
    rank -= side * too_high.astype(np.int8)
    return _numbered(elevated, nearest, rank)


def _numbered(elevated: Floats, nearest: NDArray[np.int32], rank: NDArray[np.int8]) -> _Corners:
    """Corners from the nearest point of the first class and the order of the distances to it."""
    side, count = rank.shape
    strides = _strides(nearest, side)
    offset = (elevated - np.float32(side) * nearest) / np.float32(side)
    weights = np.zeros((side + 1, count), np.float32)
    keys = np.empty((side, count), np.int64)
    keys[0] = strides @ (side * nearest.astype(np.int64))
    for position in range(side):
        of_rank = rank == side - 1 - position  # one coordinate of each point
        value = (offset * of_rank).sum(axis=0)
        weights[position] += value
        weights[position + 1] -= value
        if position < side - 1:
            keys[position + 1] = keys[position] + strides.sum() - side * (strides @ of_rank)
    weights[0] += 1 + weights[side]
    return _Corners(keys, weights[:side], strides.sum() - side * strides)


def _strides(nearest: NDArray[np.int32], side: int) -> NDArray[np.int64]:
    """Weights of the coordinates that make one number of them; the last follows from the others."""
    spans = [int(line.max() - line.min() + 4) * side for line in nearest[:-1]]
    strides = np.cumprod([1, *map(float, spans)])
    if not strides[-1] < 2.0**62:
        raise VosError("dense CRF: expected wider kernels, found some for which image and colours are too large")
    return np.array([*strides[:-1], 0], np.int64)


def _elevation(dimensions: int) -> Floats:
    """From d coordinates to d + 1 that add up to 0; the lattice's blur has standard deviation 1 then."""
    matrix = np.zeros((dimensions + 1, dimensions))
    for j in range(1, dimensions + 1):
        matrix[:j, j - 1] = 1
        matrix[j, j - 1] = -j
        matrix[:, j - 1] *= (dimensions + 1) * (2 / 3) ** 0.5 / (j * (j + 1)) ** 0.5
    return matrix.astype(np.float32)


def _ranks(values: Floats) -> NDArray[np.int8]:
    """For each value of a column ``(m, n)``, how many are larger; of equal ones, the first counts as larger."""
    rank = np.zeros(values.shape, np.int8)
    for i in range(len(values)):
        for j in range(i + 1, len(values)):
            smaller = values[i] < values[j]
            rank[i] += smaller
            rank[j] += ~smaller
    return rank
