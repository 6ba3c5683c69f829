"""Contour snapping: the parts against slow definitions, and what it may and may not do to a label map."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError
from vos_tf.evaluation.measures import contour_accuracy, region_similarity
from vos_tf.inference.refinement.snapping import (
    SnappingSettings,
    colour_gradient,
    merge_regions,
    snap_label_map,
    watershed,
)
from vos_tf.media.images import read_image

SMALL = arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4).map(float))


def way_down(heights: np.ndarray, row: int, column: int) -> tuple[int, int]:
    """The minimum a pixel drains to, step by step; of equal neighbours the first in reading order."""
    while True:
        around = [
            (heights[r, c], r, c)
            for r in range(max(row - 1, 0), min(row + 2, heights.shape[0]))
            for c in range(max(column - 1, 0), min(column + 2, heights.shape[1]))
        ]
        _, r, c = min(around)
        if (r, c) == (row, column):
            return row, column
        row, column = r, c


def same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    pairs = len(np.unique(np.stack([first.ravel(), second.ravel()]), axis=1).T)
    return pairs == len(np.unique(first)) == len(np.unique(second))


@given(SMALL)
@settings(deadline=None, max_examples=40)
def test_watershed_follows_the_steepest_way_down(heights: np.ndarray) -> None:
    ends = np.array([[r * 100 + c for r, c in [way_down(heights, *place)]] for place in np.ndindex(heights.shape)])
    regions = watershed(heights)
    assert same_partition(regions, ends.reshape(heights.shape))
    assert set(np.unique(regions)) == set(range(int(regions.max()) + 1))


def mean_borders(regions: np.ndarray, gradient: np.ndarray) -> dict[tuple[int, int], float]:
    steps: dict[tuple[int, int], list[float]] = {}
    for r, c in np.ndindex(regions.shape):
        for other in ((r, c + 1), (r + 1, c)):
            if other[0] < regions.shape[0] and other[1] < regions.shape[1] and regions[other] != regions[r, c]:
                pair = min(regions[r, c], regions[other]), max(regions[r, c], regions[other])
                steps.setdefault(pair, []).append(max(gradient[r, c], gradient[other]))
    return {pair: float(np.mean(values)) for pair, values in steps.items()}


@given(SMALL, st.sampled_from([0.0, 1.0, 1.5, 2.5, 100.0]))
@settings(deadline=None, max_examples=40)
def test_merging_ends_when_all_borders_hold(gradient: np.ndarray, threshold: float) -> None:
    basins = watershed(gradient)
    merged = merge_regions(basins, gradient, threshold)
    assert all(mean >= threshold - 1e-6 for mean in mean_borders(merged, gradient).values())
    # unions of basins
    assert len(np.unique(np.stack([basins.ravel(), merged.ravel()]), axis=1).T) == len(np.unique(basins))
    if all(mean >= threshold for mean in mean_borders(basins, gradient).values()):
        assert same_partition(merged, basins)
    if threshold == 100:
        assert not merged.any()


def test_the_mean_of_a_border_is_taken_anew_after_each_round() -> None:
    regions = np.array([[0, 2, 2, 3], [1, 2, 2, 3]], np.int32)
    gradient = np.array([[0.5, 5, 0.1, 0.1], [0.5, 1, 0.1, 0.1]], np.float32)
    means = {(0, 1): 0.5, (0, 2): 5.0, (1, 2): 1.0, (2, 3): 0.1}
    assert mean_borders(regions, gradient) == pytest.approx(means)
    # First 0 joins 1 and 2 joins 3; the border between the two, which was 1 in one half, is now 3.
    assert merge_regions(regions, gradient, 2.9).tolist() == [[0, 1, 1, 1]] * 2
    assert not merge_regions(regions, gradient, 3.1).any()


def test_gradient_of_a_slope_is_its_steepness() -> None:
    grey = np.repeat(np.arange(60, 180, 2, dtype=np.uint8)[None], 40, axis=0)
    image = np.stack([grey] * 3, axis=-1)
    lightness = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[..., 0]
    gradient = colour_gradient(image, 0.8)
    wanted = np.gradient(lightness, axis=1)
    np.testing.assert_allclose(gradient[:, 5:-5], wanted[:, 5:-5], rtol=0.05)
    np.testing.assert_allclose(colour_gradient(image.swapaxes(0, 1), 0.8), gradient.T, atol=1e-3)
    assert not colour_gradient(np.full((20, 30, 3), 99, np.uint8), 0.8).any()


def test_colours_of_one_lightness_have_an_edge() -> None:
    image = np.empty((20, 40, 3), np.uint8)
    image[:, :20], image[:, 20:] = (200, 60, 60), (40, 124, 124)
    assert colour_gradient(image, 0.8)[10, 19:21].min() > 10 * (1e-3 + colour_gradient(image, 0.8)[10, 5])


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Two discs that touch, on a noisy ground, and their label map."""
    noise = np.random.default_rng(0).normal(0, 4, (180, 260, 3))
    image = np.full((180, 260, 3), (70, 110, 90)) + noise
    labels = np.zeros((180, 260), np.uint8)
    for number, centre, colour in ((3, (90, 90), (190, 80, 60)), (7, (165, 90), (60, 70, 190))):
        cv2.circle(labels, centre, 40, number, -1)
        image[labels == number] = np.array(colour) + noise[labels == number]
    image = cv2.GaussianBlur(np.clip(image, 0, 255).astype(np.uint8), (0, 0), 0.8)
    return image, labels


def wobbled(labels: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    """A label map whose contours wander by about ``strength`` pixels."""
    rng = np.random.default_rng(seed)
    shifts = [cv2.GaussianBlur(rng.normal(size=labels.shape).astype(np.float32), (0, 0), 10) for _ in range(2)]
    rows, columns = np.mgrid[: labels.shape[0], : labels.shape[1]].astype(np.float32)
    dx, dy = (shift / shift.std() * strength for shift in shifts)
    return cv2.remap(labels, columns + dx, rows + dy, cv2.INTER_NEAREST)


def test_contours_of_all_objects_go_to_the_edges() -> None:
    image, truth = scene()
    rough = wobbled(truth, 2.0)
    snapped = snap_label_map(image, rough)
    assert (snapped.dtype, snapped.shape) == (np.uint8, truth.shape)
    for number in (3, 7):
        before, after = (region_similarity(labels == number, truth == number) for labels in (rough, snapped))
        assert before < 0.95
        assert after > before + 0.03


def test_exact_contours_stay() -> None:
    image, truth = scene()
    snapped = snap_label_map(image, truth)
    assert region_similarity(snapped == 3, truth == 3) > 0.98
    assert np.array_equal(image, scene()[0])
    assert np.array_equal(truth, scene()[1])


def test_ids_are_only_names() -> None:
    image, truth = scene()
    rough = wobbled(truth, 2.0)
    renamed = np.select([rough == 3, rough == 7], [np.uint8(254), np.uint8(1)], np.uint8(0))
    snapped = snap_label_map(image, rough)
    expected = np.select([snapped == 3, snapped == 7], [np.uint8(254), np.uint8(1)], np.uint8(0))
    assert np.array_equal(snap_label_map(image, renamed), expected)


def test_only_pixels_near_contours_change() -> None:
    image, truth = scene()
    rough = wobbled(truth, 4.0)
    band = SnappingSettings(band=5 / 180)
    changed = snap_label_map(image, rough, band) != rough
    contour = cv2.erode(rough, np.ones((3, 3), np.uint8)) != cv2.dilate(rough, np.ones((3, 3), np.uint8))
    assert changed.any()
    assert ndimage.distance_transform_edt(~contour)[changed].max() <= 5.2


def test_where_the_image_says_nothing_the_contours_stay() -> None:
    _, truth = scene()
    for image in (np.full((*truth.shape, 3), 128, np.uint8), np.zeros((*truth.shape, 3), np.uint8)):
        assert np.array_equal(snap_label_map(image, truth), truth)
    ramp = np.repeat(np.linspace(0, 255, truth.shape[1]).astype(np.uint8)[None], truth.shape[0], axis=0)
    assert (snap_label_map(np.stack([ramp] * 3, axis=-1), truth) != truth).mean() < 1e-3


def test_no_object_disappears() -> None:
    image, truth = scene()
    labels = truth.copy()
    labels[20:23, 20:22] = 9
    labels[90, 90] = 12
    snapped = snap_label_map(image, labels)
    assert set(np.unique(snapped)) == {0, 3, 7, 9, 12}


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 5)])
def test_tiny_images(size: tuple[int, int]) -> None:
    labels = np.zeros(size, np.uint8)
    labels[0, 0] = 1
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    assert snap_label_map(image, labels).shape == size


def test_label_maps_without_contours_are_returned() -> None:
    image, truth = scene()
    for number in (0, 5):
        labels = np.full_like(truth, number)
        snapped = snap_label_map(image, labels)
        assert np.array_equal(snapped, labels)
        assert snapped is not labels


def test_mistakes_are_named() -> None:
    image, truth = scene()
    with pytest.raises(ValueError, match="one size"):
        snap_label_map(image[:-1], truth)
    for name, value in (("threshold", -1.0), ("band", 2.0), ("clear", 0.4), ("clear", float("nan"))):
        with pytest.raises(VosError, match=rf"snapping\.{name}: expected"):
            SnappingSettings(**{name: value})


def test_real_frames_gain(shared: Path) -> None:
    gains = []
    for index, video in enumerate(open_dataset("davis2016", shared / "data/davis2016", "train").videos[:3]):
        truth = video.read_mask(video.frame_names[20]) > 0
        rough = wobbled(truth.astype(np.uint8), 4.0, index)
        snapped = snap_label_map(read_image(video.frames[20]), rough)
        measures = (region_similarity, contour_accuracy)
        gains.append([measure(snapped > 0, truth) - measure(rough > 0, truth) for measure in measures])
    assert np.mean(gains, axis=0)[0] > 0.01
    assert np.min(gains) > -0.01
