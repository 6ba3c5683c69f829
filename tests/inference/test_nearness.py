"""Objects do not jump: far places are left out, unless the object is nowhere else."""

from __future__ import annotations

import numpy as np

from vos_tf.inference.nearness import keep_near


def _square(row: int, column: int, side: int = 10) -> np.ndarray:
    mask = np.zeros((80, 120), bool)
    mask[row : row + side, column : column + side] = True
    return mask


def test_far_places_are_left_out_and_near_ones_kept() -> None:
    last = np.where(_square(10, 10), np.uint8(3), np.uint8(0))
    found = (_square(12, 14) | _square(60, 100)).astype(np.float32)
    kept = keep_near(found[None], last, [3], 1.0)[0]
    np.testing.assert_array_equal(kept > 0.5, _square(12, 14))
    assert found.sum() == 200


def test_an_object_found_only_elsewhere_may_jump() -> None:
    last = np.where(_square(10, 10), np.uint8(3), np.uint8(0))
    found = _square(60, 100).astype(np.float32)[None]
    np.testing.assert_array_equal(keep_near(found, last, [3], 1.0), found)


def test_an_object_that_was_not_seen_may_come_back_anywhere() -> None:
    last = np.where(_square(10, 10), np.uint8(3), np.uint8(0))
    found = np.stack([_square(10, 12), _square(60, 100)]).astype(np.float32)
    np.testing.assert_array_equal(keep_near(found, last, [3, 5], 1.0), found)


def test_reach_grows_with_the_object() -> None:
    small, large = (np.where(_square(10, 10, side), np.uint8(1), np.uint8(0)) for side in (4, 40))
    found = np.where(_square(10, 70, 4), 0.9, 0.0)
    near = np.where(_square(12, 12, 2), 0.9, 0.0)
    both = np.maximum(found, near).astype(np.float32)[None]
    assert keep_near(both, small, [1], 0.6)[0, 12, 72] == 0
    assert keep_near(both, large, [1], 0.6)[0, 12, 72] > 0
