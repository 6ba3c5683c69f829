"""Merging of probability maps that lie on disk: as `vos_tf.inference.merge`, plane by plane, without TensorFlow.

8-bit maps are compared as they are: no map becomes floating point, and no stack of planes is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.inference.merge_rules import MergeRule
from vos_tf.media.label_maps import LabelMap

ProbabilityMap = NDArray[np.uint8] | NDArray[np.float32]
"""``(H, W)``: uint8, 255 for 1, or float32 0..1."""

_LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)


def check_rule(rule: MergeRule) -> None:
    """Refuse ``painted``, which needs more than maps.

    Raises:
        VosError: The rule is ``painted``.
    """
    if rule.name == "painted":
        raise VosError(
            "merge rule: expected argmax, soft_aggregation or last_wins, found painted, which needs the model's own "
            "masks of first frames"
        )


def as_float(plane: ProbabilityMap) -> NDArray[np.float32]:
    """A map as float32 0..1."""
    return _LEVELS[plane] if plane.dtype == np.uint8 else np.asarray(plane, np.float32)


def merge_maps(maps: Iterable[ProbabilityMap], ids: Sequence[int], rule: MergeRule) -> LabelMap:
    """Merge the maps of one frame; equal to `vos_tf.inference.merge.merge_objects`, tie by tie.

    Args:
        maps: One for each object, all uint8 or all float32, of one size; taken one at a time but for
            ``soft_aggregation``.
        ids: The objects' ids, in the order in which they joined.
        rule: See `MergeRule`; not ``painted``.
    """
    planes = iter(maps)
    if rule.name == "soft_aggregation":
        return _soft(list(planes), ids)
    first = next(planes)
    labels = np.zeros(first.shape, np.uint8)
    wins = np.empty(first.shape, np.bool_)
    level = _level(first.dtype, rule)
    best = np.full_like(first, level) if rule.name == "argmax" else None
    for number, plane in zip(ids, _chain(first, planes), strict=True):
        if best is None:
            np.greater_equal(plane, level, out=wins)
        else:
            np.greater(plane, best, out=wins)
            np.maximum(plane, best, out=best)
        np.copyto(labels, np.uint8(number), where=wins)
    return labels


def _chain(first: Any, rest: Iterable[Any]) -> Iterable[Any]:
    yield first
    yield from rest


def _level(dtype: Any, rule: MergeRule) -> Any:
    """What an object has to beat (``argmax``) or to reach (``last_wins``), in the unit of the maps."""
    background = np.float32(rule.background)
    if dtype != np.uint8:
        return background
    # The greatest value that does not beat the background, or the least that reaches it: as 0 and 255 are 0 and 1, and
    # the background is between them, both are values.
    if rule.name == "argmax":
        return np.uint8(np.searchsorted(_LEVELS, background, "right") - 1)
    return np.uint8(np.searchsorted(_LEVELS, background, "left"))


def _soft(maps: Sequence[ProbabilityMap], ids: Sequence[int]) -> LabelMap:
    planes = [as_float(plane) for plane in maps]
    background = np.ones_like(planes[0])
    for plane in planes:
        background *= np.float32(1) - plane
    least, most = np.float32(1e-7), np.float32(1) - np.float32(1e-7)
    best = np.clip(background, least, most)
    labels = np.zeros(best.shape, np.uint8)
    for number, plane in zip(ids, planes, strict=True):
        # Odds grow with the probability, so that they need not be computed.
        shown = np.clip(plane, least, most)
        wins = shown > best
        np.copyto(labels, np.uint8(number), where=wins)
        np.maximum(shown, best, out=best)
    return labels
