import math

import cv2
import numpy as np
import pytest

from vos_tf.evaluation.instability import contour_points, temporal_instability

SIZE = (120, 160)


def ellipse(x=80, y=60, axes=(40, 25), angle=0):
    mask = np.zeros(SIZE, np.uint8)
    cv2.ellipse(mask, (x, y), axes, angle, 0, 360, 1, -1)
    return mask != 0


def with_bumps(mask, seed):
    rng = np.random.default_rng(seed)
    result = mask.astype(np.uint8)
    outline = contour_points(mask)
    for x, y in outline[rng.choice(len(outline), 8, replace=False)]:
        cv2.circle(result, (int(x), int(y)), 9, int(rng.integers(0, 2)), -1)
    return result != 0


def test_equal_masks_are_perfectly_stable():
    assert temporal_instability(ellipse(), ellipse()) == 0.0


def test_a_shift_costs_nothing():
    assert temporal_instability(ellipse(70, 50), ellipse(90, 65)) == pytest.approx(0.0, abs=1e-12)


def test_jitter_costs_more_than_slow_change_of_shape():
    slow = temporal_instability(ellipse(axes=(40, 25)), ellipse(axes=(42, 25)))
    jitter = temporal_instability(with_bumps(ellipse(), 1), with_bumps(ellipse(), 2))
    assert 0 < slow < jitter


def test_only_the_longest_contour_counts():
    speck = ellipse()
    speck[2:8, 2:8] = True
    assert temporal_instability(speck, ellipse()) == 0.0


def test_masks_without_contour_have_no_value():
    dot = np.zeros(SIZE, bool)
    dot[5, 5] = True
    for mask in (np.zeros(SIZE, bool), dot):
        assert math.isnan(temporal_instability(mask, ellipse()))
        assert math.isnan(temporal_instability(ellipse(), mask))


def test_points_lie_close_together_along_the_polygon():
    points = contour_points(ellipse(angle=30))
    gaps = np.hypot(*(np.roll(points, -1, axis=0) - points).T)
    assert gaps.max() <= 3.0 + 1e-9
