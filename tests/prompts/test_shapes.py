"""Boxes and polygons of a user become label maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos_tf.errors import VosError
from vos_tf.prompts.shapes import draw_shapes, read_shapes

IMAGE = np.full((60, 80, 3), 40, np.uint8)


def labels_of(folder: Path, objects: Any, image: np.ndarray = IMAGE) -> np.ndarray:
    path = folder / "shapes.json"
    path.write_text(json.dumps({"objects": objects}), encoding="utf-8")
    return draw_shapes(read_shapes(path), image, str(path))


def test_polygons_are_filled(tmp_path: Path) -> None:
    pairs = {"id": 3, "polygon": [[10, 5], [30, 5], [30, 25], [10, 25]]}
    labels = labels_of(tmp_path, [pairs])
    wanted = np.zeros((60, 80), np.uint8)
    wanted[5:25, 10:30] = 3
    np.testing.assert_array_equal(labels, wanted)
    flat = {"id": 3, "polygon": [10, 5, 30, 5, 30, 25, 10, 25]}
    np.testing.assert_array_equal(labels_of(tmp_path, [flat]), wanted)
    over = {"id": 1, "polygon": [[20, 15], [999, 15], [999, 999], [20, 999]]}
    wanted[15:, 20:] = 1
    np.testing.assert_array_equal(labels_of(tmp_path, [pairs, over]), wanted)


def test_the_object_in_a_box_is_what_differs_from_around_it(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    image = random.integers(30, 60, (120, 160, 3), dtype=np.uint8)
    rows, columns = np.ogrid[:120, :160]
    disc = (rows - 60) ** 2 + (columns - 80) ** 2 < 25**2
    image[disc] += np.array([150, 60, 0], np.uint8)
    labels = labels_of(tmp_path, [{"id": 5, "box": [50, 30, 60, 60]}], image)
    either = ((labels == 5) | disc).sum()
    assert ((labels == 5) & disc).sum() / either > 0.9
    np.testing.assert_array_equal(labels, labels_of(tmp_path, [{"id": 5, "box": [50, 30, 60, 60]}], image))


def test_a_box_in_which_nothing_differs_is_the_object(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, [{"id": 2, "box": [10, 20, 30, 15]}, {"id": 1, "box": [0, 0, 80, 3]}])
    wanted = np.zeros((60, 80), np.uint8)
    wanted[20:35, 10:40] = 2
    wanted[:3] = 1
    np.testing.assert_array_equal(labels, wanted)


def test_frames_are_kept_as_text(tmp_path: Path) -> None:
    objects = [{"id": 1, "frame": 12, "box": [0, 0, 9, 9]}, {"id": 1, "frame": "b", "box": [0, 0, 9, 9]}]
    (tmp_path / "a.json").write_text(json.dumps(objects))
    assert [shape.frame for shape in read_shapes(tmp_path / "a.json")] == ["12", "b"]


@pytest.mark.parametrize(("item", "message"), [
    ({"id": 0, "box": [1, 2, 3, 4]}, "expected an id from 1 to 254, found 0"),
    ({"id": True, "box": [1, 2, 3, 4]}, "expected an id"),
    ({"id": 1}, "expected a box or a polygon, found neither"),
    ({"id": 1, "box": [1, 2, 3, 4], "polygon": []}, "found box and polygon"),
    ({"id": 1, "box": [1, 2, 3]}, r"expected box \[left, top, width, height\], found \[1, 2, 3\]"),
    ({"id": 1, "box": [1, 2, 0, 4]}, "expected box"),
    ({"id": 1, "polygon": [[1, 2], [3, 4]]}, "of three points or more"),
    ({"id": 1, "polygon": [[1, 2], [3, 4], [5, float("nan")]]}, "expected polygon"),
    ({"id": 1, "bbox": [1, 2, 3, 4]}, "expected id, box or polygon, and perhaps frame"),
    ({"id": 1, "frame": [1], "box": [1, 2, 3, 4]}, "expected the name or number of a frame"),
    ({"id": 1, "box": [80, 0, 9, 9]}, "expected object 1 inside of the frame of 80x60 .*, found its box outside"),
    ({"id": 1, "polygon": [[90, 0], [99, 0], [99, 9]]}, "found its polygon outside"),
    ([1, 2], "expected id, box or polygon"),
])  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, item: Any, message: str) -> None:
    with pytest.raises(VosError, match=message):
        labels_of(tmp_path, [item])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"objects": 3}', "[" * 100_000, "\udcff"])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(VosError, match=r"a\.json: expected "):
        read_shapes(tmp_path / "a.json")
    with pytest.raises(VosError, match="found no such file"):
        read_shapes(tmp_path / "b.json")
