"""Merging: arg-max against a plain loop, the other rules, ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.errors import VosError
from vos_tf.inference.merging.graph import merge_objects
from vos_tf.inference.merging.numpy_merge import check_rule, merge_maps
from vos_tf.inference.merging.rules import THRESHOLDS, MergeRule, threshold


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


rules = st.builds(
    MergeRule,
    st.sampled_from(["argmax", "last_wins", "soft_aggregation"]),
    st.sampled_from([0.0, 1.0, 0.3, *THRESHOLDS.values()]),
)


@given(st.integers(0, 2**16), st.integers(1, 5), rules, st.booleans())
@settings(max_examples=60, deadline=None)
def test_merging_plane_by_plane_is_the_same(seed: int, objects: int, rule: MergeRule, eight_bits: bool) -> None:
    random = np.random.default_rng(seed)
    ids = random.permutation(254)[:objects].astype(np.uint8) + np.uint8(1)
    # around all thresholds, and with ties
    levels = random.choice([0, 1, 2, 101, 102, 103, 122, 127, 128, 161, 162, 163, 254, 255], (objects, 4, 5))
    maps = levels.astype(np.uint8)
    as_float = maps.astype(np.float32) / np.float32(255)
    found = merge_maps(maps if eight_bits else as_float, ids, rule)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, merge_objects(as_float, ids, rule).numpy())


def test_a_threshold_has_the_name_of_its_implementation() -> None:
    assert threshold("shashankvkt") == 0.4
    assert threshold(" .25") == 0.25
    # 8-bit values of 1 and more: nothing but an exact 0 stays background
    maps = np.array([[[0, 1, 2]], [[1, 0, 1]]], np.uint8)
    toghi = MergeRule("last_wins", threshold("toghi"))
    assert merge_maps(maps, (1, 2), toghi).tolist() == [[2, 1, 2]]
    with pytest.raises(VosError, match=r"background: expected a number .* found 'togi'; did you mean 'toghi'\?"):
        threshold("togi")
    with pytest.raises(VosError, match=r"background: expected a probability, 0 to 1, found 1.5"):
        MergeRule("argmax", 1.5)


def test_painting_needs_more_than_maps() -> None:
    with pytest.raises(VosError, match="expected argmax, soft_aggregation or last_wins, found painted"):
        check_rule(MergeRule("painted"))


def test_unknown_rule_is_refused_with_the_nearest() -> None:
    with pytest.raises(VosError, match=r"merge rule: expected one of .* found 'argmaxx'; did you mean 'argmax'\?"):
        MergeRule("argmaxx")
