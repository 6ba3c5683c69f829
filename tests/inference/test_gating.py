"""Objects do not jump: pieces far from the last mask are left out, unless the object is nowhere else."""

from __future__ import annotations

import numpy as np

from vos_tf.inference.gating import gate_by_distance


def _square(row: int, column: int, side: int = 10) -> np.ndarray:
    mask = np.zeros((80, 120), bool)
    mask[row : row + side, column : column + side] = True
    return mask


def _map(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, np.float32(0.9), np.float32(0.1))[None]


LAST = np.where(_square(10, 10), np.uint8(3), np.uint8(0))


def test_far_pieces_are_left_out_and_near_ones_kept() -> None:
    found = _map(_square(12, 14) | _square(60, 100))
    kept = gate_by_distance(found, LAST, [3], 1.0)[0]
    np.testing.assert_array_equal(kept > 0.5, _square(12, 14))
    assert (found > 0.5).sum() == 200


def test_a_piece_that_begins_near_is_kept_whole() -> None:
    long = np.zeros((80, 120), bool)
    long[14:18, 12:110] = True
    np.testing.assert_array_equal(gate_by_distance(_map(long), LAST, [3], 0.1)[0] > 0.5, long)


def test_an_object_found_only_elsewhere_may_jump() -> None:
    found = _map(_square(60, 100))
    np.testing.assert_array_equal(gate_by_distance(found, LAST, [3], 1.0), found)


def test_an_object_that_was_not_seen_may_come_back_anywhere() -> None:
    found = np.concatenate([_map(_square(10, 12)), _map(_square(60, 100))])
    np.testing.assert_array_equal(gate_by_distance(found, LAST, [3, 5], 1.0), found)


def test_reach_grows_with_the_object() -> None:
    small, large = (np.where(_square(10, 10, side), np.uint8(1), np.uint8(0)) for side in (4, 40))
    found = _map(_square(12, 12, 2) | _square(10, 70, 4))
    assert gate_by_distance(found, small, [1], 0.6)[0, 12, 72] == 0
    assert gate_by_distance(found, large, [1], 0.6)[0, 12, 72] > 0.5
