"""Which object is it? Foreground is shared out among objects whose first masks are given.

Each pixel looks for pixels of objects in their first frames and in the frame before, by the likeness of the network's
features and, in the frame before, by nearness. Where it finds most of one object, that object has it. The masks decide
what belongs to whom, not what is foreground.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Maps = NDArray[np.float32]

SHARPNESS = 20.0
"""What the cosine of two features is multiplied by before the softmax."""
NEARNESS = 0.1
"""Standard deviation of the distance to the frame before, in square roots of the frame's area."""
TILE = 512
"""Pixels that look at a time."""
LEAST_COVER = 0.05
"""Share of a cell of the feature map below which an object is not taken to be there."""


class ObjectAssigner:
    """Follows which foreground belongs to which object; memory is constant in the number of frames."""

    def __init__(self) -> None:
        self._first: list[tuple[Any, Maps]] = []  # by object: features of its first frame, its cover there
        self._last: tuple[Any, Maps] | None = None

    def join(self, features: Any, masks: NDArray[np.bool_]) -> None:
        """Objects join, behind those that are there.

        Args:
            features: Of this frame ``(1, h, w, C)``.
            masks: Of the new objects ``(N, H, W)``.
        """
        size = tuple(features.shape[1:3])
        joined = [(_unit(features), _cover(mask.astype(np.float32), size)) for mask in masks]
        self._first += joined
        covers = np.stack([cover for _, cover in joined])
        if self._last is None:
            self._last = (joined[0][0], covers)
        else:
            before = self._last[1] * (1 - covers.sum(axis=0))
            self._last = (joined[0][0], np.concatenate([before, covers]))

    def keep(self, indices: Sequence[int]) -> None:
        """Forget all objects but those at ``indices``."""
        self._first = [self._first[index] for index in indices]
        if self._last is not None:
            self._last = (self._last[0], self._last[1][list(indices)]) if indices else None

    def assign(self, features: Any, foreground: Maps) -> Maps:
        """Share out the foreground of a frame.

        Args:
            features: Of the frame ``(1, h, w, C)``.
            foreground: Its probability ``(H, W)``.

        Returns:
            Probabilities ``(N, H, W)``. The object that a pixel belongs to has the whole probability of the
            foreground, others less.
        """
        count, frame = len(self._first), (foreground.shape[0], foreground.shape[1])
        if not count:
            return np.zeros((0, *frame), np.float32)
        own = _unit(features)
        shares = self._shares(own, frame) if count > 1 else np.ones((1, *own.shape[1:3]), np.float32)
        large = np.stack([cv2.resize(share, frame[::-1], interpolation=cv2.INTER_LINEAR) for share in shares])
        maps: Maps = foreground * large / np.maximum(large.max(axis=0), 1e-12)
        self._last = (own, np.stack([_cover(plane, tuple(own.shape[1:3])) for plane in maps]))
        return maps

    def _shares(self, own: Any, frame: tuple[int, int]) -> Maps:
        """How much of each object the cells of a frame find, ``(N, h, w)``."""
        height, width = own.shape[1:3]
        places = _places((height, width), frame)
        keys, values = [], []
        for number, (features, cover) in enumerate(self._first):
            cells = np.flatnonzero(cover >= min(LEAST_COVER, cover.max()))
            cover = cover.ravel()[cells]
            keys.append(_keys(features, cells, None))
            values.append(np.eye(len(self._first), dtype=np.float32)[number] * cover[:, None])
        if self._last is not None:
            features, covers = self._last
            cells = np.flatnonzero(covers.sum(axis=0) >= LEAST_COVER)
            keys.append(_keys(features, cells, places))
            values.append(covers.reshape(len(covers), -1).T[cells])
        query = _queries(own, places)
        found = _attended(query, tf.concat(keys, axis=0), tf.constant(np.concatenate(values))).numpy()
        shares: Maps = found.T.reshape(-1, height, width)
        return shares


def _attended(query: Any, keys: Any, values: Any) -> Any:
    """Values of the keys as each query finds them, some queries at a time."""
    columns = tf.transpose(keys)
    tiles = [query[start : start + TILE] for start in range(0, query.shape[0], TILE)]
    return tf.concat([tf.nn.softmax(tile @ columns) @ values for tile in tiles], axis=0)


# The product of a query and a key is the cosine of their features times SHARPNESS, less half the square of their
# distance in the case of the frame before.


def _queries(features: Any, places: Maps) -> Any:
    square = (places**2).sum(axis=1, keepdims=True)
    beside = np.concatenate([places, -0.5 * square, np.ones_like(square)], axis=1)
    return tf.concat([SHARPNESS * _rows(features), beside], axis=1)


def _keys(features: Any, cells: NDArray[np.int64], places: Maps | None) -> Any:
    rows = tf.gather(_rows(features), cells)
    if places is None:
        return tf.concat([rows, tf.zeros((len(cells), 4))], axis=1)
    there = places[cells]
    square = (there**2).sum(axis=1, keepdims=True)
    return tf.concat([rows, np.concatenate([there, np.ones_like(square), -0.5 * square], axis=1)], axis=1)


def _rows(features: Any) -> Any:
    return tf.reshape(features, (-1, features.shape[-1]))


def _unit(features: Any) -> Any:
    return tf.math.l2_normalize(tf.cast(features, tf.float32), axis=-1)


def _cover(plane: Maps, size: tuple[int, ...]) -> Maps:
    """How much of each cell a map fills, ``(h, w)``."""
    covered: Maps = cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return covered


def _places(size: tuple[int, int], frame: tuple[int, int]) -> Maps:
    """Where the cells lie in the frame, in standard deviations of the distance, ``(h w, 2)``."""
    unit = NEARNESS * (frame[0] * frame[1]) ** 0.5
    lines = [(np.arange(cells) + 0.5) * (pixels / cells / unit) for cells, pixels in zip(size, frame, strict=True)]
    return np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)
