"""Merging: arg-max against a plain loop, the other rules, ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.errors import VosError
from vos_tf.inference.merge import MergeRule, merge_objects


def planes(seed: int, objects: int) -> np.ndarray:
    # few values, so that ties happen
    return np.random.default_rng(seed).integers(0, 11, (objects, 4, 5)).astype(np.float32) / 10


@given(st.integers(0, 2**16), st.integers(0, 5), st.sampled_from([0.4, 0.5]))
@settings(max_examples=30, deadline=None)
def test_argmax_against_a_loop(seed: int, objects: int, background: float) -> None:
    ids = np.arange(objects, dtype=np.uint8) * 7 + 1
    maps = planes(seed, objects)
    merged = merge_objects(maps, ids, MergeRule("argmax", background)).numpy()
    for row, column in np.ndindex(4, 5):
        best, winner = np.float32(background), 0
        for object_id, value in zip(ids, maps[:, row, column], strict=True):
            if value > best:
                best, winner = value, int(object_id)
        assert merged[row, column] == winner


@given(st.integers(0, 2**16), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_last_wins_overwrites_in_order(seed: int, objects: int) -> None:
    ids = np.arange(1, objects + 1, dtype=np.uint8)
    maps = planes(seed, objects)
    painted = np.zeros((4, 5), np.uint8)
    for object_id, plane in zip(ids, maps, strict=True):
        painted[plane >= np.float32(0.3)] = object_id
    np.testing.assert_array_equal(merge_objects(maps, ids, MergeRule("last_wins", 0.3)).numpy(), painted)


def test_soft_aggregation_lets_two_weak_objects_beat_background() -> None:
    maps = np.array([0.45, 0.44], np.float32).reshape(2, 1, 1)
    ids = np.array([3, 4], np.uint8)
    # background is 0.55 * 0.56 = 0.31
    assert merge_objects(maps, ids, MergeRule("soft_aggregation")).numpy() == 3
    assert merge_objects(maps, ids, MergeRule("argmax", 0.5)).numpy() == 0


def test_unknown_rule_is_refused_with_the_nearest() -> None:
    with pytest.raises(VosError, match=r"merge rule: expected one of .* found 'argmaxx'; did you mean 'argmax'\?"):
        MergeRule("argmaxx")
