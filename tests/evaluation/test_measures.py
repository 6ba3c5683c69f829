import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_definition import slow_boundary, slow_scores

from vos_tf.evaluation.bitmaps import dilate, pack, unpack
from vos_tf.evaluation.measures import (
    boundary_map,
    contour_accuracy,
    region_similarity,
    score_pairs,
    tolerance_radius,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "edge_cases.json").read_text())
SIZE = (480, 854)


def box(top: int, left: int, height: int = 100, width: int = 200) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + height, left : left + width] = True
    return mask


EMPTY, FULL, BOX = np.zeros(SIZE, bool), np.ones(SIZE, bool), box(100, 200)
PAIRS = {
    "empty_gt_empty_pred": (EMPTY, EMPTY),
    "empty_gt_nonempty_pred": (BOX, EMPTY),
    "nonempty_gt_empty_pred": (EMPTY, BOX),
    "full_gt_full_pred": (FULL, FULL),
    "full_gt_empty_pred": (EMPTY, FULL),
    "empty_gt_full_pred": (FULL, EMPTY),
    **{f"box_shifted_{n}px_x": (box(100, 200 + n), BOX) for n in (1, 7, 8, 9, 10)},
    **{f"box_shifted_{n}px_diagonal": (box(100 + n, 200 + n), BOX) for n in (5, 6, 7)},
}
EDGE_MASKS = {
    "top_left": box(0, 0, 50, 50),
    "bottom_right": box(430, 804, 50, 50),
    "right_edge": box(100, 804, 100, 50),
    "bottom_edge": box(430, 100, 50, 200),
    "corner_pixel": box(479, 853, 1, 1),
    "last_row": box(479, 0, 1, 854),
    "last_col": box(0, 853, 480, 1),
    "first_row": box(0, 0, 1, 854),
}


@pytest.mark.parametrize("case", PAIRS)
def test_edge_cases_give_the_official_values(case):
    prediction, truth = PAIRS[case]
    expected = GOLDEN[f"J_F_{case}"]["official"]
    found = region_similarity(prediction, truth), contour_accuracy(prediction, truth)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("case", EDGE_MASKS)
def test_boundary_at_image_borders_is_the_official_one(case):
    golden = GOLDEN[f"boundary_pixels_{case}"]
    found = boundary_map(EDGE_MASKS[case])
    assert found.sum() == golden["count"]
    assert found[-1].sum() == golden["on_last_row"]
    assert found[:, -1].sum() == golden["on_last_col"]
    assert found[0].sum() == golden["on_first_row"]
    assert found[:, 0].sum() == golden["on_first_col"]
    assert bool(found[-1, -1]) == golden["bottom_right"]
    assert contour_accuracy(EDGE_MASKS[case], EDGE_MASKS[case]) == golden["self_F"]["official"][0]


@pytest.mark.parametrize(("size", "radius"), GOLDEN["tolerance_radius_px"].items())
def test_tolerance_radius_is_the_official_one(size, radius):
    height, width = map(int, size.split("x"))
    assert tolerance_radius((height, width)) == radius


@pytest.mark.parametrize("radius", [0, 1, 4, 5, 8, 9, 18, 36, 70])
def test_dilation_reaches_exactly_the_pixels_of_the_disk(radius):
    size = (151, 230)
    point = np.zeros(size, bool)
    point[75, 115] = True
    y, x = np.mgrid[-75:76, -115:115]
    disk = x * x + y * y <= radius * radius
    assert np.array_equal(unpack(dilate(pack(point), radius), size), disk)
    if radius == 8:
        assert disk.sum() == GOLDEN["disk8_pixels"]


@st.composite
def label_maps(draw):
    """Two label maps of one odd size, 1 to 20 objects, some blocky, some noise, with void in the truth."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24) | st.integers(60, 70) | st.integers(127, 130))
    count = draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    block = draw(st.integers(1, 9))
    maps = []
    for _ in range(2):
        coarse = rng.integers(0, count + 1, (height // block + 1, width // block + 1)).astype(np.uint8)
        maps.append(np.kron(coarse, np.ones((block, block), np.uint8))[:height, :width].copy())
    if draw(st.booleans()):
        maps[1][rng.random((height, width)) < 0.1] = 255
    return maps[0], maps[1], count


@settings(max_examples=60, deadline=None)
@given(label_maps(), st.booleans())
def test_fast_scores_equal_the_plain_definition_bit_for_bit(maps, ignore_void):
    prediction, truth, count = maps
    void = (truth == 255) if ignore_void else np.zeros(truth.shape, bool)
    pairs = [(number, number) for number in range(1, count + 1)] + [(0, 1), (1, count), (count, 1)]
    found = score_pairs(prediction, truth, pairs, ignore_void=ignore_void)
    for (first, second), score in zip(pairs, found, strict=True):
        predicted = (prediction == first) if first else np.zeros(truth.shape, bool)
        assert tuple(score) == slow_scores(predicted, truth == second, void)


@pytest.mark.parametrize("size", [(200, 301), (181, 263)])
def test_fast_scores_equal_the_plain_definition_where_the_disk_is_large(size):
    rng = np.random.default_rng(3)
    y, x = np.mgrid[: size[0], : size[1]]
    masks = []
    for _ in range(2):
        centre = rng.uniform(60, 130, 2)
        masks.append(((y - centre[0]) ** 2 / 900 + (x - centre[1]) ** 2 / 2500 < 1) ^ (rng.random(size) < 0.002))
    void = np.zeros(size, bool)
    assert (region_similarity(*masks), contour_accuracy(*masks)) == slow_scores(*masks, void)


@settings(max_examples=40, deadline=None)
@given(label_maps())
def test_identical_masks_score_one_and_similarity_is_symmetric(maps):
    prediction, truth, _ = maps
    first, second = prediction == 1, truth == 1
    assert region_similarity(first, first) == contour_accuracy(first, first) == 1.0
    assert region_similarity(first, second) == region_similarity(second, first)
    assert contour_accuracy(first, second) == contour_accuracy(second, first)


def test_boundary_map_is_not_symmetric():
    """The boundary lies towards the origin: flipping a mask moves its boundary map by a pixel, so F may change."""
    mask = np.zeros((7, 7), bool)
    mask[2:5, 2:5] = True
    assert not np.array_equal(boundary_map(mask[:, ::-1])[:, ::-1], boundary_map(mask))
    assert np.array_equal(boundary_map(mask), slow_boundary(mask))
    assert np.array_equal(boundary_map(mask.T), boundary_map(mask).T)  # the main diagonal is kept


def test_contour_accuracy_changes_under_a_flip_only_by_the_border_rule():
    """Away from the image border a flip moves both boundaries alike; at the border it adds or removes pixels."""
    inside = [np.zeros((20, 20), bool) for _ in range(2)]
    inside[0][5:9, 5:12] = inside[1][4:10, 7:12] = True
    assert contour_accuracy(*inside) == contour_accuracy(*(mask[:, ::-1] for mask in inside))
    corner, other = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    corner[0, 0] = other[0, 2] = True
    assert (boundary_map(corner).sum(), boundary_map(corner[::-1, ::-1]).sum()) == (1, 3)
    assert contour_accuracy(corner, other) != contour_accuracy(corner[::-1, ::-1], other[::-1, ::-1])


def test_void_pixels_do_not_count():
    truth = np.zeros((120, 120), bool)
    truth[40:90, 40:90] = True
    void = np.zeros_like(truth)
    void[10:40, 40:90] = True
    assert region_similarity(truth | void, truth, void) == contour_accuracy(truth | void, truth, void) == 1.0
    assert region_similarity(truth | void, truth) < 0.7


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="one shape"):
        region_similarity(np.ones((3, 4), bool), np.ones((4, 3), bool))


def test_contours_can_be_left_out():
    labels = np.ones((5, 5), np.uint8)
    score = score_pairs(labels, labels, [(1, 1)], ignore_void=False, contours=False)[0]
    assert score.J == 1.0
    assert np.isnan(score.F)
