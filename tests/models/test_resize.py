"""Resizing with aligned corners against interpolation written out, with half-pixel centres against TensorFlow's."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.models.resize import AlignedUpsampling, ResizeToReference, interpolation_weights, resize_align_corners

SIDE = st.integers(1, 12)


def interpolated(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear values at ``i * (h - 1) / (height - 1)``, pixel by pixel."""
    out = np.empty((x.shape[0], height, width, x.shape[3]))
    for i in range(height):
        row = i * (x.shape[1] - 1) / max(height - 1, 1)
        top, bottom, down = int(row), min(int(row) + 1, x.shape[1] - 1), row - int(row)
        for j in range(width):
            column = j * (x.shape[2] - 1) / max(width - 1, 1)
            left, right, along = int(column), min(int(column) + 1, x.shape[2] - 1), column - int(column)
            upper = (1 - along) * x[:, top, left] + along * x[:, top, right]
            lower = (1 - along) * x[:, bottom, left] + along * x[:, bottom, right]
            out[:, i, j] = (1 - down) * upper + down * lower
    return out


@settings(max_examples=30, deadline=None)
@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from([1, 3]))
def test_values_are_those_of_bilinear_interpolation(h: int, w: int, height: int, width: int, channels: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, h, w, channels)).astype(np.float32)
    np.testing.assert_allclose(
        np.asarray(resize_align_corners(x, height, width)), interpolated(x, height, width), atol=1e-5
    )


def test_corners_stay_and_the_same_size_changes_nothing() -> None:
    x = np.random.default_rng(1).normal(size=(1, 7, 9, 4)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(resize_align_corners(x, 7, 9)), x)
    larger = np.asarray(resize_align_corners(x, 30, 41))
    np.testing.assert_array_equal(larger[:, ::29, ::40], x[:, ::6, ::8])


def test_sizes_that_are_only_known_later_give_the_same() -> None:
    x = np.random.default_rng(2).normal(size=(2, 15, 27, 3)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([2], tf.int32)])
    def resize(x: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        return resize_align_corners(x, size[0], size[1])

    for size in ((60, 107), (1, 5), (15, 27)):
        known = np.asarray(resize_align_corners(x, *size))
        np.testing.assert_allclose(resize(x, tf.constant(size)), known, atol=1e-6)


def test_positions_on_long_axes_are_exact() -> None:
    weights = np.asarray(interpolation_weights(tf.constant(3001), tf.constant(1501)))
    np.testing.assert_array_equal(weights[::2], np.eye(1501, dtype=np.float32))


@settings(max_examples=30, deadline=None)
@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from([1, 3]))
def test_maps_take_the_size_of_others_as_tensorflow_resizes_them(
    h: int, w: int, height: int, width: int, channels: int
) -> None:
    x = np.random.default_rng(0).normal(size=(2, h, w, channels)).astype(np.float32)
    reference = np.zeros((1, 2 * height, 2 * width, 5), np.float32)
    found = ResizeToReference(1, 2)(x, reference)
    np.testing.assert_allclose(found, tf.image.resize(x, (height, width)), atol=1e-5)


def test_sizes_need_not_be_known_beforehand() -> None:
    x = np.random.default_rng(0).normal(size=(1, 5, 7, 3)).astype(np.float32)
    unknown = tf.TensorSpec([None, None, None, 3])

    @tf.function(input_signature=[unknown, unknown])
    def both(x: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
        return ResizeToReference(2)(AlignedUpsampling()(x), reference)

    reference = np.zeros((1, 4, 3, 3), np.float32)
    wanted = ResizeToReference(2)(resize_align_corners(x, 10, 14), reference)
    np.testing.assert_allclose(both(x, reference), wanted, atol=1e-6)
