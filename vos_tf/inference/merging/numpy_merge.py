"""Merging of probability maps on disk: as `vos_tf.inference.merging.graph`, plane by plane, without TensorFlow.

8-bit maps are compared as they are: no map becomes floating point, and no stack of planes is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.media.label_maps import LabelMap
from vos_tf.media.probability_maps import LEVELS, ProbabilityMap, as_float


class Part(NamedTuple):
    """Part of a map, where the rest does not matter.

    Attributes:
        box: Rows and columns.
        values: Of the map in the box.
    """

    box: tuple[slice, slice]
    values: ProbabilityMap


def whole(maps: Iterable[Any]) -> Iterator[Part]:
    """Maps as parts that are all of them."""
    return (Part((slice(None), slice(None)), np.asarray(each)) for each in maps)


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


def merge_maps(maps: Iterable[ProbabilityMap], ids: Sequence[int], rule: MergeRule) -> LabelMap:
    """Merge the maps of one frame; equal to `vos_tf.inference.merging.graph.merge_objects`, tie by tie.

    Args:
        maps: One for each object, all uint8 or all float32, of one size; taken one at a time but for
            ``soft_aggregation``.
        ids: The objects' ids, in the order in which they joined.
        rule: See `MergeRule`; not ``painted``.
    """
    planes = iter(maps)
    first = next(planes)
    return merge_parts(whole(chain([first], planes)), first.shape, ids, rule)


def merge_parts(parts: Iterable[Part], size: tuple[int, ...], ids: Sequence[int], rule: MergeRule) -> LabelMap:
    """Merge maps of one frame of which no more is known than where each object may win.

    Args:
        parts: One for each object, all uint8 or all float32; whole maps for ``soft_aggregation``.
        size: ``(H, W)`` of the frame.
        ids: As for `merge_maps`.
        rule: As for `merge_maps`.
    """
    if rule.name == "soft_aggregation":
        return _soft([as_float(part.values) for part in parts], ids)
    labels = np.zeros(size, np.uint8)
    wins = np.empty(size, np.bool_)
    best: Any = None
    for number, (box, plane) in zip(ids, parts, strict=True):
        level = _level(plane.dtype, rule)
        if rule.name == "argmax":
            best = np.full(size, level, plane.dtype) if best is None else best
            np.greater(plane, best[box], out=wins[box])
            np.maximum(plane, best[box], out=best[box])
        else:
            np.greater_equal(plane, level, out=wins[box])
        np.copyto(labels[box], np.uint8(number), where=wins[box])
    return labels


def mean_inside(parts: Iterable[Part], ids: Sequence[int], labels: LabelMap) -> NDArray[np.float32]:
    """Mean of each object's map inside of its mask, float32 ``(N,)``; nan where it has none."""
    found = np.full(len(ids), np.nan, np.float32)
    for index, (number, (box, values)) in enumerate(zip(ids, parts, strict=True)):
        inside = values[labels[box] == number]
        if inside.size:
            found[index] = inside.mean()
    return found


def _level(dtype: Any, rule: MergeRule) -> Any:
    """What an object has to beat (``argmax``) or to reach (``last_wins``), in the unit of the maps."""
    background = np.float32(rule.background)
    if dtype != np.uint8:
        return background
    # The greatest value that does not beat the background, or the least that reaches it: as 0 and 255 are 0 and 1, and
    # the background is between them, both are values.
    if rule.name == "argmax":
        return np.uint8(np.searchsorted(LEVELS, background, "right") - 1)
    return np.uint8(np.searchsorted(LEVELS, background, "left"))


def _soft(planes: Sequence[NDArray[np.float32]], ids: Sequence[int]) -> LabelMap:
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
