"""Polygons become label maps exactly: pixels whose centres lie inside."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vos_tf.datasets.still_images.polygons import Instance, fill_polygon, read_polygons, render_instances
from vos_tf.errors import VosError

coordinates = st.floats(-3, 15, allow_nan=False)
polygons = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9).map(np.array)
SIZE = (10, 13)


def filled(points, size=SIZE):
    patch, image = fill_polygon(np.asarray(points, np.float64), size), np.zeros(size, bool)
    patch.of(image)[...] = patch.pixels
    return image


def inside_by_rays(points, size):
    """The even-odd rule pixel by pixel: crossings of the ray from the centre to the left."""
    image = np.zeros(size, bool)
    for row in range(size[0]):
        for column in range(size[1]):
            x, y, odd = column + 0.5, row + 0.5, False
            for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
                if (y0 < y) != (y1 < y) and x0 + (y - y0) * ((x1 - x0) / (y1 - y0)) <= x:
                    odd = not odd
            image[row, column] = odd
    return image


@settings(max_examples=150, deadline=None)
@given(polygons)
def test_the_even_odd_rule_at_pixel_centres(points):
    points = np.round(points, 3) + 1e-4  # no corner on the line of centres, where both are right
    np.testing.assert_array_equal(filled(points), inside_by_rays(points, SIZE))


@settings(max_examples=100, deadline=None)
@example(1.3, 0.1)  # where the edge in one direction and in the other differ in their last digit at a pixel's centre
@given(st.floats(0.1, 12.9), st.floats(0.1, 9.9))
def test_triangles_that_share_edges_leave_no_gap_and_no_overlap(x, y):
    corners = np.array([[0, 0], [13, 0], [13, 10], [0, 10]])
    parts = [filled([corner, following, (x, y)]) for corner, following in zip(corners, np.roll(corners, -1, 0))]  # noqa: B905
    np.testing.assert_array_equal(np.sum(parts, axis=0), np.ones(SIZE))


def test_a_small_picture():
    triangle = filled([(1.0, 1.0), (6.0, 1.0), (1.0, 6.0)], (7, 8))
    assert ["".join(".#"[int(pixel)] for pixel in row) for row in triangle] == [
        "........",
        ".####...",
        ".###....",
        ".##.....",
        ".#......",
        "........",
        "........",
    ]
    square = filled([(1.5, 1.5), (4.5, 1.5), (4.5, 4.5), (1.5, 4.5)], (6, 6))
    assert square.sum() == 9 and square[1:4, 1:4].all()


def test_a_bridge_to_another_part_encloses_nothing():
    first, second = [(1, 1), (4, 1), (4, 4), (1, 4)], [(8, 5), (11, 5), (11, 9), (8, 9)]
    joined = [*first, first[0], second[0], *second[1:], second[0], first[0]]
    np.testing.assert_array_equal(filled(joined), filled(first) | filled(second))


def box(category, left, top, right, bottom):
    return Instance(category, np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64))


def test_the_smaller_one_is_on_top_and_ids_follow_the_file():
    instances = [box(7, 0.2, 0.2, 0.5, 0.5), box(3, 0.0, 0.0, 1.0, 1.0), box(7, 0.4, 0.4, 0.7, 0.6)]
    rendered = render_instances(instances, (10, 10))
    assert rendered.categories == {1: 7, 2: 3, 3: 7} and rendered.left_out == 0
    expected = np.full((10, 10), 2)
    expected[2:5, 2:5] = 1
    expected[4:6, 4:7] = 3
    np.testing.assert_array_equal(rendered.labels, expected)


def test_small_and_hidden_instances_have_no_id():
    tiny, hidden = box(0, 0.0, 0.0, 0.1, 0.1), box(1, 0.5, 0.5, 0.7, 0.7)
    over = [box(2, 0.5, 0.5, 0.6, 0.7), box(3, 0.6, 0.5, 0.7, 0.7)]
    rendered = render_instances([tiny, hidden, *over], (10, 10), min_area=0.02)
    assert rendered.categories == {1: 2, 2: 3} and rendered.left_out == 2
    assert rendered.labels[0, 0] == 255 and (rendered.labels == 255).sum() == 1
    assert rendered.labels[5, 5] == 1 and rendered.labels[5, 6] == 2


def test_of_too_many_instances_the_smallest_are_void():
    cells = [
        box(0, column / 20, row / 20, (column + 1) / 20, (row + 1) / 20) for row in range(20) for column in range(20)
    ]
    rendered = render_instances(cells[:300], (40, 40))
    assert list(rendered.categories) == list(range(1, 255)) and rendered.left_out == 46
    assert (rendered.labels == 255).sum() == 46 * 4
    grown = [*cells[:260], box(9, 0.0, 0.7, 1.0, 1.0)]
    assert 9 in render_instances(grown, (40, 40)).categories.values()


def test_no_instance_is_an_empty_map():
    rendered = render_instances([], (4, 5))
    assert not rendered.labels.any() and rendered.labels.shape == (4, 5) and rendered.categories == {}


def test_a_label_file_is_read(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("45 0.1 0.2 0.3 0.2 0.3 0.4\n\n0 0 0 1 0 1 1 0 1\n")
    first, second = read_polygons(path)
    assert (first.category, second.category) == (45, 0)
    np.testing.assert_array_equal(first.points, [(0.1, 0.2), (0.3, 0.2), (0.3, 0.4)])
    assert len(second.points) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0.5 0.5 0.1 0.1", "line 1: expected a polygon of three points or more, found a box"),
        ("\n1 0.5 0.5 0.1", "line 2: expected x and y of three points or more, found 3 coordinates"),
        ("1 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "found 7 coordinates"),
        ("1.5 0 0 0 1 1 1", "expected the number of a class first, found 1.5"),
        ("-1 0 0 0 1 1 1", "expected the number of a class first, found -1"),
        ("cat 0 0 0 1 1 1", "expected a class and coordinates, found 'cat 0 0"),
        ("1 0 0 0 1 640 1", r"expected coordinates from 0 to 1 .*, found 640"),
        ("1 0 0 0 1 nan 1", "expected coordinates from 0 to 1 .*, found nan"),
    ],
)
def test_lines_that_are_no_polygons_are_refused(tmp_path: Path, text: str, message: str):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(VosError, match=message):
        read_polygons(tmp_path / "a.txt")


def test_missing_and_binary_files_are_refused(tmp_path: Path):
    with pytest.raises(VosError, match="expected polygons, found no such file"):
        read_polygons(tmp_path / "none.txt")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VosError, match="expected polygons, found a file that cannot be read"):
        read_polygons(tmp_path / "a.txt")
