"""Augmented copies of annotated frames: drawn by number, image and targets alike, void where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.errors import VosError
from vos_tf.media.label_maps import VOID
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.training.finetune_samples import AnnotatedFrame, FrameSamples
from vos_tf.training.finetune_settings import FinetuneSettings

SIZE = (40, 60)
LABELS = np.zeros(SIZE, np.uint8)
LABELS[5:20, 8:30] = 9
LABELS[22:36, 30:50] = 4
LABELS[38:, :] = VOID
COLOURS = np.zeros((256, 3), np.uint8)
COLOURS[[0, 4, 9, VOID]] = [[20, 20, 20], [20, 220, 20], [220, 20, 20], [120, 120, 120]]
FRAME = AnnotatedFrame(COLOURS[LABELS], LABELS)
MOVING = AugmentOptions(flip=0.5, rotation=30, scale=0.3, translation=0.1)


def test_unchanged_frames_with_ids_in_the_order_of_the_objects() -> None:
    samples = FrameSamples([FRAME], [4, 9], FinetuneSettings())
    assert samples.size == SIZE
    image, targets = samples(0)
    np.testing.assert_array_equal(image, FRAME.image)
    np.testing.assert_array_equal(targets == 1, LABELS == 4)
    np.testing.assert_array_equal(targets == 2, LABELS == 9)
    np.testing.assert_array_equal(targets == VOID, LABELS == VOID)


def test_other_objects_are_background() -> None:
    _, targets = FrameSamples([FRAME], [9], FinetuneSettings())(0)
    assert not targets[LABELS == 4].any()
    assert (targets[LABELS == 9] == 1).all()


def test_equal_numbers_draw_equal_samples() -> None:
    options = FinetuneSettings(augment=MOVING, scales=(0.5, 1.0), crop=(24, 32), seed=3)
    one, other = FrameSamples([FRAME], [4, 9], options), FrameSamples([FRAME], [4, 9], options)
    for number in (5, 0, 3):
        for left, right in zip(one(number), other(number), strict=True):
            np.testing.assert_array_equal(left, right)
    assert any((one(0)[1] != one(number)[1]).any() for number in range(1, 4))
    assert any(
        (one(n)[1] != FrameSamples([FRAME], [4, 9], FinetuneSettings(augment=MOVING, crop=(24, 32)))(n)[1]).any()
        for n in range(4)
    )


@given(st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_image_and_targets_move_together(number: int) -> None:
    options = FinetuneSettings(augment=MOVING, scales=(0.5, 0.8, 1.0), crop=(30, 40))
    image, targets = FrameSamples([FRAME], [4, 9], options)(number)
    assert image.shape == (30, 40, 3)
    assert targets.shape == (30, 40)
    wanted = COLOURS[np.array([0, 4, 9])]
    for value, colour in enumerate(wanted):
        inside = image[targets == value].astype(int)
        # all but pixels on the outline, where the image is interpolated
        if len(inside) > 30:
            assert np.median(np.abs(inside - colour).max(axis=1)) == 0


@given(st.integers(0, 500), st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=25, deadline=None)
def test_windows_lie_within_the_frame(number: int, focus: float) -> None:
    clean = np.where(LABELS == VOID, 0, LABELS).astype(np.uint8)
    frame = AnnotatedFrame(COLOURS[clean], clean)
    options = FinetuneSettings(crop=(20, 30), scales=(0.8, 1.0, 1.5), crop_focus=focus)
    assert VOID not in FrameSamples([frame], [4, 9], options)(number)[1][1:-1, 1:-1]


@given(st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_focused_windows_show_an_object(number: int) -> None:
    options = FinetuneSettings(crop=(8, 10), crop_focus=1.0)
    assert 1 in FrameSamples([FRAME], [9], options)(number)[1]


def test_beyond_the_frame_is_void() -> None:
    image, targets = FrameSamples([FRAME], [4], FinetuneSettings(scales=(0.5,)))(0)
    assert (targets[:9] == VOID).all()
    assert (targets[:, :14] == VOID).all()
    assert not image[:9].any()


def test_windows_are_no_larger_than_the_frame() -> None:
    whole = FrameSamples([FRAME], [4], FinetuneSettings(crop=(60, 90)))(0)[1]
    np.testing.assert_array_equal(whole == 1, LABELS == 4)
    assert FrameSamples([FRAME], [4], FinetuneSettings(crop=(60, 20)))(0)[1].shape == (SIZE[0], 20)


def test_a_flip_mirrors() -> None:
    image, targets = FrameSamples([FRAME], [4, 9], FinetuneSettings(augment=AugmentOptions(flip=1.0)))(0)
    np.testing.assert_array_equal(image, FRAME.image[:, ::-1])
    np.testing.assert_array_equal(targets == 1, LABELS[:, ::-1] == 4)


def test_all_frames_are_drawn_from() -> None:
    dark = AnnotatedFrame(np.zeros((*SIZE, 3), np.uint8), LABELS)
    samples = FrameSamples([FRAME, dark], [4], FinetuneSettings())
    assert {bool(samples(number)[0].any()) for number in range(12)} == {True, False}


@pytest.mark.parametrize("factor", ["brightness", "contrast", "saturation"])
def test_colours_change_the_image_alone(factor: str) -> None:
    image, targets = FrameSamples([FRAME], [4], FinetuneSettings(augment=AugmentOptions(**{factor: 0.5})))(1)
    assert (image != FRAME.image).any()
    np.testing.assert_array_equal(targets == 1, LABELS == 4)


def test_objects_move_by_themselves_and_images_follow_their_targets() -> None:
    options = FinetuneSettings(motion=1.0)
    samples = FrameSamples([FRAME], [4, 9], options)
    moved = [samples(number)[1] for number in range(8)]
    still = FrameSamples([FRAME], [4, 9], FinetuneSettings())(0)[1]
    assert all((labels != still).any() for labels in moved)
    np.testing.assert_array_equal(samples(3)[0], FrameSamples([FRAME], [4, 9], options)(3)[0])
    with pytest.raises(VosError, match=r"finetune\.motion: expected 0 <= x <= 1, found 2"):
        FinetuneSettings(motion=2)
