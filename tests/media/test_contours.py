"""Polygons along the edges of pixels: filled, they give the mask again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from vos_tf.datasets.still_images.polygons import fill_polygon
from vos_tf.media.contours import outline


def filled(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    patch = fill_polygon(points.astype(float), size)
    patch.of(mask)[...] = patch.pixels
    return mask


def signed_area(points: np.ndarray) -> float:
    x, y = points.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


@settings(deadline=None, max_examples=60)
@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=14)))
def test_every_mask_comes_back(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(filled(outline(mask), mask.shape), mask)


@settings(deadline=None, max_examples=60)
@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=14)))
def test_the_enclosed_area_is_the_number_of_pixels(mask: np.ndarray) -> None:
    # Holds only if holes turn against parts and bridges cancel: then the nonzero rule gives the mask as well.
    if mask.any():
        assert signed_area(outline(mask)) == mask.sum()


def test_a_square_has_four_corners_clockwise() -> None:
    mask = np.zeros((5, 6), bool)
    mask[1:3, 2:5] = True
    assert outline(mask).tolist() == [[2, 1], [5, 1], [5, 3], [2, 3]]


def test_nothing_has_no_outline() -> None:
    assert outline(np.zeros((3, 3), bool)).shape == (0, 2)


def test_a_large_mask_with_parts_and_holes() -> None:
    rng = np.random.default_rng(0)
    mask = cv2.GaussianBlur(rng.random((240, 320)), (0, 0), 2.5) > 0.51
    assert cv2.connectedComponents(mask.astype(np.uint8))[0] > 50
    points = outline(mask)
    np.testing.assert_array_equal(filled(points, mask.shape), mask)
    # Along an edge of pixels, or over a bridge: bridges are few and short.
    steps = np.abs(np.roll(points, -1, axis=0) - points)
    bridges = steps[(steps > 0).all(axis=1)]
    assert len(bridges) < len(points) / 8
    assert np.median(bridges.sum(axis=1)) < 60


def test_noise_beyond_the_limit_of_neighbours() -> None:
    mask = np.random.default_rng(1).random((100, 100)) < 0.5
    points = outline(mask)
    assert len(points) > 2 * 4096
    np.testing.assert_array_equal(filled(points, mask.shape), mask)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_the_whole_image(shape: tuple[int, int]) -> None:
    mask = np.ones(shape, bool)
    assert len(outline(mask)) == 4
    np.testing.assert_array_equal(filled(outline(mask), shape), mask)
