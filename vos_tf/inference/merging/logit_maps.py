"""Probability maps that exist as logits at the network's size, and become larger only where and when they are needed.

Where all logits around a pixel are far below what an object needs to win, so is what lies between them: a label map
takes but the part of each map that surrounds its object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.inference.merging.numpy_merge import Part
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.resizing import to_frame_size

_ROUNDING = 1e-5  # of interpolated logits, as share of their range, with room to spare; and of a sigmoid
_TOGETHER = 64  # TensorFlow computes a sigmoid for so many values at once, and for what is left over in another way

_probabilities = tf.function(to_frame_size, reduce_retracing=True)


class _Axis(NamedTuple):
    """For every pixel of a larger or smaller axis: the pixels around it, and how near it is to the second of them."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    weight: NDArray[np.float32]

    def part(self, span: slice) -> _Axis:
        """The same for some of the pixels."""
        return _Axis(self.low[span], self.high[span], self.weight[span])

    def span(self, hits: NDArray[np.bool_]) -> slice:
        """The pixels that have a hit on either side, and those between them."""
        places = np.flatnonzero(hits)
        if not len(places):
            return slice(0, 0)
        first = int(np.searchsorted(self.high, places[0]))
        return slice(first, int(np.searchsorted(self.low, places[-1], "right")))


@lru_cache(maxsize=16)
def _axis(old: int, new: int) -> _Axis:
    """As TensorFlow resizes: bilinear, half-pixel centres, all in float32."""
    half = np.float32(0.5)
    at = (np.arange(new, dtype=np.float32) + half) * (np.float32(old) / np.float32(new)) - half
    low = np.floor(at)
    return _Axis(np.maximum(low, 0).astype(np.intp), np.minimum(np.ceil(at), old - 1).astype(np.intp), at - low)


class LogitMaps:
    """Maps of N objects.

    Args:
        logits: float32 ``(N, h, w, 1)``, in memory that NumPy can read.
        size: ``(H, W)`` of the frame.

    Attributes:
        found: What `parts` gave, if it was asked.
    """

    def __init__(self, logits: Any, size: tuple[int, int]) -> None:
        self.logits = logits
        self.size = size
        self.found: tuple[Part, ...] = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Probabilities float32 ``(N, H, W)``, 0..1."""
        whole: NDArray[Any] = _probabilities(self.logits, *map(tf.constant, self.size)).numpy()
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def parts(self, rule: MergeRule) -> tuple[Part, ...]:
        """The probabilities of each object wherever it can win by a rule; they are computed once."""
        if not self.found:
            level = _least_logit(rule)
            planes = np.asarray(self.logits, np.float32)[..., 0]
            self.found = tuple(_part(plane, level, self.size) for plane in planes)
        return self.found


def maps_of(logits: Any, size: tuple[int, int]) -> Any:
    """Maps of frames ``(H, W)``: `LogitMaps` on the CPU; a GPU makes whole maps sooner than a CPU their parts."""
    if "GPU" in logits.device:
        return _probabilities(logits, *map(tf.constant, size))
    return LogitMaps(logits, size)


def join_maps(maps: Sequence[Any]) -> Any:
    """Maps of several groups of objects as those of one, float32 ``(N, H, W)`` or still `LogitMaps`."""
    if len(maps) == 1:
        return maps[0]
    if all(isinstance(each, LogitMaps) for each in maps):
        return LogitMaps(tf.concat([each.logits for each in maps], axis=0), maps[0].size)
    return tf.concat([np.asarray(each) if isinstance(each, LogitMaps) else each for each in maps], axis=0)


def _least_logit(rule: MergeRule) -> float:
    """Below it no object wins."""
    least = rule.background - _ROUNDING
    if rule.name == "soft_aggregation" or least <= 0:  # many weak objects together beat the background
        return -math.inf
    return math.log(least / (1 - least))


def _part(logits: NDArray[np.float32], level: float, size: tuple[int, int]) -> Part:
    least = level - _ROUNDING * float(np.ptp(logits))
    hits = np.asarray(~(logits < least))  # what is no number is seen everywhere
    rows, columns = (_axis(old, new) for old, new in zip(logits.shape, size, strict=True))
    box = rows.span(np.asarray(hits.any(axis=1))), columns.span(np.asarray(hits.any(axis=0)))
    return Part(box, _sigmoid(_interpolated(logits, rows.part(box[0]), columns.part(box[1]))))


def _interpolated(logits: NDArray[np.float32], rows: _Axis, columns: _Axis) -> NDArray[np.float32]:
    """Part of a resized map, operation by operation as TensorFlow resizes the whole."""
    if not len(rows.low) or not len(columns.low):
        return np.zeros((len(rows.low), len(columns.low)), np.float32)
    first, last = rows.low[0], rows.high[-1] + 1
    near = logits[first:last]
    lines = near[:, columns.low]
    lines += (near[:, columns.high] - lines) * columns.weight
    found: NDArray[np.float32] = lines[rows.low - first]
    found += (lines[rows.high - first] - found) * rows.weight[:, None]
    return found


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """As that of a whole map, value by value."""
    count = logits.size
    padded = np.zeros(-(-count // _TOGETHER) * _TOGETHER, np.float32)
    padded[:count] = logits.ravel()
    found: NDArray[np.float32] = tf.sigmoid(padded).numpy()[:count].reshape(logits.shape)
    return found
