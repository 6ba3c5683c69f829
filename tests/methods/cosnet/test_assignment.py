"""Foreground shared out among objects: by nearness, along with the motion of the image."""

from __future__ import annotations

import cv2
import numpy as np

from vos_tf.methods.cosnet.assignment import ObjectAssigner


def moving(time: int, size: tuple[int, int] = (60, 120)) -> tuple[np.ndarray, np.ndarray]:
    """Two textured boxes side by side that move right by 4 pixels in each frame, and a label map of them."""
    random = np.random.default_rng(0)
    backdrop = cv2.GaussianBlur(random.integers(0, 256, (*size, 3), dtype=np.uint8), (0, 0), 2)
    textures = random.integers(0, 256, (2, 30, 20, 3), dtype=np.uint8)
    labels = np.zeros(size, np.uint8)
    frame = backdrop.copy()
    for index in range(2):
        left = 10 + 4 * time + 20 * index
        frame[15:45, left : left + 20] = cv2.GaussianBlur(textures[index], (0, 0), 1)
        labels[15:45, left : left + 20] = index + 1
    return frame, labels


def test_touching_objects_keep_their_border_while_they_move() -> None:
    assigner = ObjectAssigner()
    for time in range(12):
        frame, labels = moving(time)
        maps = assigner.assign(frame, (labels > 0) * np.float32(0.9))
        if time == 0:
            assert maps.shape == (0, 60, 120)
            assigner.join([labels == 1, labels == 2])
            continue
        np.testing.assert_allclose(maps.max(axis=0), (labels > 0) * 0.9, atol=1e-6)
        inside = cv2.erode((labels > 0).astype(np.uint8), np.ones((3, 3))) > 0
        assert ((maps.argmax(axis=0) + 1 == labels) | ~inside).mean() > 0.98


def test_what_lies_elsewhere_belongs_to_the_nearest() -> None:
    frame, labels = moving(0)
    assigner = ObjectAssigner()
    assigner.assign(frame, np.zeros((60, 120), np.float32))
    assigner.join([labels == 1, labels == 2])
    foreground = np.zeros((60, 120), np.float32)
    foreground[50:55, 2:8] = foreground[0:5, 80:90] = 0.8
    maps = assigner.assign(frame, foreground)
    np.testing.assert_allclose(maps[0, 50:55, 2:8], 0.8, atol=1e-6)
    np.testing.assert_allclose(maps[1, 0:5, 80:90], 0.8, atol=1e-6)
    assert maps[1, 50:55, 2:8].max() < 0.1


def test_an_object_that_was_not_seen_is_found_where_it_was() -> None:
    frame, labels = moving(0)
    assigner = ObjectAssigner()
    whole = (labels > 0).astype(np.float32)
    assigner.assign(frame, whole)
    assigner.join([labels == 1, labels == 2])
    assigner.assign(frame, (labels == 2).astype(np.float32))
    maps = assigner.assign(frame, whole)
    np.testing.assert_array_equal(maps.argmax(axis=0)[labels > 0] + 1, labels[labels > 0])


def test_objects_join_over_others_and_leave() -> None:
    frame, labels = moving(0)
    whole = (labels > 0).astype(np.float32)
    assigner = ObjectAssigner()
    assigner.assign(frame, whole)
    assigner.join([labels > 0])
    np.testing.assert_allclose(assigner.assign(frame, whole)[0], whole, atol=1e-6)
    assigner.join([labels == 2])
    maps = assigner.assign(frame, whole)
    np.testing.assert_array_equal(maps.argmax(axis=0)[labels > 0] + 1, labels[labels > 0])
    assigner.keep([1])
    assert assigner.assign(frame, whole).shape == (1, 60, 120)
    assigner.keep([])
    assert assigner.assign(frame, whole).shape == (0, 60, 120)


def test_frames_of_a_few_pixels() -> None:
    assigner, masks = ObjectAssigner(), np.zeros((2, 6, 9), bool)
    masks[0, :, :4], masks[1, :, 4:] = True, True
    frame = np.zeros((6, 9, 3), np.uint8)
    assigner.assign(frame, np.ones((6, 9), np.float32))
    assigner.join(list(masks))
    maps = assigner.assign(frame, np.ones((6, 9), np.float32))
    np.testing.assert_array_equal(maps.argmax(axis=0) == 1, masks[1])
