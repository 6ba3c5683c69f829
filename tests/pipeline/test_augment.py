"""Changes of clips: masks stay on their objects, one change for all frames, every range does something."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.pipeline.augment import GREY, colour_matrix, draw_change, move_image, move_labels
from vos_tf.pipeline.options import AugmentOptions

SIZE = (48, 72)
LUT = np.zeros((256, 3), np.uint8)
LUT[1], LUT[2], LUT[0] = (200, 40, 40), (40, 200, 90), (90, 90, 240)


def scene():
    labels = np.zeros(SIZE, np.uint8)
    labels[8:30, 10:34] = 1
    cv2.circle(labels, (50, 28), 12, 2, -1)
    return labels


def moved(labels, change):
    out, image = np.zeros_like(labels), np.zeros((*labels.shape, 3), np.uint8)
    move_labels(labels, change, out)
    move_image(LUT[labels], change, image)
    return out, image


ranges = st.builds(
    AugmentOptions,
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    rotation=st.floats(0, 60),
    scale=st.floats(0, 0.5),
    translation=st.floats(0, 0.3),
    shear=st.floats(0, 30),
    crop=st.floats(0, 0.5),
)


@settings(max_examples=150, deadline=None)
@given(ranges, st.integers(0, 2**32))
def test_images_made_from_labels_stay_on_them(options, seed):
    labels, image = moved(scene(), draw_change(options, SIZE, np.random.default_rng(seed)))
    pure = {key: (image == LUT[key]).all(axis=-1) for key in (0, 1, 2)}
    # Where the interpolated image has the pure colour of one object, the label is that object's.
    for key, where in pure.items():
        assert (labels[where] == key).mean() > 0.995 if where.sum() > 200 else True
    # Inside a label, away from its edge, the image has its pure colour.
    for key, where in pure.items():
        inside = cv2.erode((labels == key).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        inside[[0, 1, -1, -2]] = inside[:, [0, 1, -1, -2]] = False
        assert where[inside].all()


def test_without_ranges_nothing_happens():
    change = draw_change(AugmentOptions(), SIZE, np.random.default_rng(0))
    assert change.stays and change.factors is None
    labels, image = moved(scene(), change)
    np.testing.assert_array_equal(labels, scene())
    np.testing.assert_array_equal(image, LUT[scene()])


def test_a_flip_is_a_mirror_alone_and_inside_other_moves():
    (labels, image), tiny = moved(scene(), draw_change(AugmentOptions(flip=1), SIZE, np.random.default_rng(0))), 1e-9
    np.testing.assert_array_equal(labels, scene()[:, ::-1])
    np.testing.assert_array_equal(image, LUT[scene()][:, ::-1])
    change = draw_change(AugmentOptions(flip=1, rotation=tiny), SIZE, np.random.default_rng(0))
    assert change.matrix is not None
    np.testing.assert_array_equal(moved(scene(), change)[0], scene()[:, ::-1])


def test_half_of_the_clips_are_flipped():
    draws = [draw_change(AugmentOptions(flip=0.5), SIZE, np.random.default_rng(seed)).flip for seed in range(400)]
    assert 160 < sum(draws) < 240


@pytest.mark.parametrize("name", ["rotation", "scale", "translation", "shear", "crop"])
def test_each_range_moves_pixels_within_its_bounds(name):
    limit = {"rotation": 20.0, "shear": 20.0}.get(name, 0.25)
    matrices = [
        draw_change(AugmentOptions(**{name: limit}), (101, 201), np.random.default_rng(seed)).matrix
        for seed in range(300)
    ]
    forward = [np.linalg.inv(np.vstack([matrix, [0, 0, 1]])) for matrix in matrices]
    centres = np.array([matrix @ [100, 50, 1] for matrix in forward])[:, :2]
    linear = np.array([matrix[:2, :2] for matrix in forward])
    if name == "rotation":
        values = np.rad2deg(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    elif name == "shear":
        values = np.rad2deg(np.arctan(linear[:, 0, 1]))
    elif name == "scale":
        values = linear[:, 0, 0] - 1
    elif name == "translation":
        values = (centres[:, 0] - 100) / 201
        np.testing.assert_allclose(linear, np.broadcast_to(np.eye(2), linear.shape))
    else:
        values = 1 - 1 / linear[:, 0, 0]
        corners = np.array(
            [[matrix @ corner for corner in ([-0.5, -0.5, 1], [200.5, 100.5, 1])] for matrix in matrices]
        )
        assert corners.min() >= -0.5 - 1e-9 and (corners <= (200.5 + 1e-9, 100.5 + 1e-9)).all()
    assert np.abs(values).max() <= limit + 1e-6
    assert np.abs(values).max() > 0.9 * limit and len(np.unique(values)) == 300
    if name in ("rotation", "scale", "shear"):
        np.testing.assert_allclose(centres, np.broadcast_to([100, 50], centres.shape), atol=1e-9)


def test_out_of_sight_is_void_and_black():
    change = draw_change(AugmentOptions(translation=0.5), SIZE, np.random.default_rng(1))
    labels, image = moved(scene(), change)
    assert (labels == 255).any() and set(np.unique(labels)) <= {0, 1, 2, 255}
    assert not image[cv2.erode((labels == 255).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0][5:].any()


def test_colours_by_their_definitions():
    pixels = np.random.default_rng(0).uniform(60, 180, (50, 3))
    grey = pixels @ GREY
    apply = lambda *factors, mean=100.0: pixels @ (m := colour_matrix(factors, mean))[:, :3].T + m[:, 3]  # noqa: E731
    np.testing.assert_allclose(apply(1, 1, 1), pixels, atol=1e-4)
    np.testing.assert_allclose(apply(1.2, 1, 1), 1.2 * pixels, atol=1e-4)
    np.testing.assert_allclose(apply(1, 0.5, 1), 100 + 0.5 * (pixels - 100), atol=1e-4)
    np.testing.assert_allclose(apply(1, 1, 0), np.repeat(grey[:, None], 3, axis=1), atol=1e-4)
    np.testing.assert_allclose(apply(1, 1, 1.5) @ GREY, grey, atol=1e-4)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_each_colour_range_has_its_bounds_and_leaves_the_others(name):
    changes = [
        draw_change(AugmentOptions(**{name: 0.4}), SIZE, np.random.default_rng(seed)).factors for seed in range(200)
    ]
    place = ["brightness", "contrast", "saturation"].index(name)
    values = np.array(changes)
    assert 0.6 <= values[:, place].min() < 0.65 and 1.35 < values[:, place].max() <= 1.4
    assert (np.delete(values, place, axis=1) == 1).all()


def test_one_option_does_not_change_the_draws_of_another():
    alone = draw_change(AugmentOptions(rotation=20), SIZE, np.random.default_rng(3))
    both = draw_change(AugmentOptions(rotation=20, brightness=0.2), SIZE, np.random.default_rng(3))
    np.testing.assert_array_equal(alone.matrix, both.matrix)
