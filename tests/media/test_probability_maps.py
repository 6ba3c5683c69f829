from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from PIL import Image

from vos_tf.errors import VosError
from vos_tf.media.probability_maps import (
    find_probabilities,
    probability_path,
    read_map,
    read_probabilities,
    write_probabilities,
)

UNIT = {"min_value": 0, "max_value": 1}
MAPS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7), elements=UNIT)


@settings(deadline=None, max_examples=15)
@given(maps=MAPS)
@pytest.mark.parametrize(("kind", "error"), [("png", 1 / 510 + 1e-6), ("npz", 2**-12)])
def test_every_map_comes_back(
    tmp_path_factory: pytest.TempPathFactory, maps: np.ndarray, kind: str, error: float
) -> None:
    folder = tmp_path_factory.mktemp("maps") / "a b"
    ids = tuple(range(3, 3 + len(maps)))
    write_probabilities(folder, "frame_object_001", ids, maps, kind)
    found = find_probabilities(folder)
    assert [(file.frame, file.object_id, file.kind) for file in found] == [("frame_object_001", i, kind) for i in ids]
    read = read_probabilities(folder, "frame_object_001", [file.object_id for file in found], kind)
    assert read.object_ids == ids
    assert read.probabilities.dtype == np.float32
    np.testing.assert_allclose(read.probabilities, maps, atol=error, rtol=0)


def test_eight_bits_round_to_the_nearest(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.float32) / 255
    maps = (levels[None, None] + np.array([-0.4, 0, 0.4], np.float32)[:, None, None] / 255).clip(0, 1)
    write_probabilities(tmp_path, "0", (1, 2, 3), maps)
    stored = [np.asarray(Image.open(probability_path(tmp_path, "0", i))) for i in (1, 2, 3)]
    for grey in stored:
        assert grey.dtype == np.uint8
        np.testing.assert_array_equal(grey[0], np.arange(256))


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    write_probabilities(tmp_path, "0", (7,), np.zeros((1, 2, 2), np.float32))
    for name in ("0.png", "0_object_1.png", "0_object_000.png", "0_object_255.png", "notes.txt", "0_object_007.jpg"):
        (tmp_path / name).write_bytes(b"")
    assert [file.path.name for file in find_probabilities(tmp_path)] == ["0_object_007.png"]
    assert find_probabilities(tmp_path / "none") == ()


@pytest.mark.parametrize("kind", ["png", "npz"])
def test_damaged_files_are_named(tmp_path: Path, kind: str) -> None:
    write_probabilities(tmp_path, "0", (1,), np.full((1, 9, 9), 0.3, np.float32), kind)
    path = probability_path(tmp_path, "0", 1, kind)
    content = path.read_bytes()
    for broken in (b"", b"nothing", content[: len(content) // 2]):
        path.write_bytes(broken)
        with pytest.raises(VosError, match=r"0_object_001\.\w+: expected .*, found "):
            read_map(path)
    path.unlink()
    with pytest.raises(VosError, match="found no such file"):
        read_map(path)


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    path = probability_path(tmp_path, "0", 1, "npz")
    np.savez(path, probabilities=np.array([[{"a": 1}]], object))
    with pytest.raises(VosError, match="cannot be read"):
        read_map(path)


def test_what_is_no_probability_map_is_refused(tmp_path: Path) -> None:
    path = probability_path(tmp_path, "0", 1)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    with pytest.raises(VosError, match="expected probabilities as grey PNG of 8 or 16 bits"):
        read_map(path)
    write_probabilities(tmp_path, "1", (1,), np.zeros((1, 4, 4), np.float32))
    write_probabilities(tmp_path, "1", (2,), np.zeros((1, 4, 5), np.float32))
    with pytest.raises(VosError, match=r"1_object_002\.png: expected 4x4 pixels .*, found 4x5"):
        read_probabilities(tmp_path, "1", (1, 2))


def test_mistakes_of_a_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kind"):
        write_probabilities(tmp_path, "0", (1,), np.zeros((1, 2, 2), np.float32), "jpg")
    with pytest.raises(ValueError, match="2 objects"):
        write_probabilities(tmp_path, "0", (1, 2), np.zeros((1, 2, 2), np.float32))
