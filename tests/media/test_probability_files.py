"""Probability maps of any source: how they are named, and what they may hold."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vos_tf.errors import VosError
from vos_tf.media.probability_maps import find_maps, read_map, write_probabilities

LEVELS = np.arange(12, dtype=np.uint8).reshape(3, 4) * 23


def save(path: Path, values: np.ndarray = LEVELS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        cv2.imwrite(str(path), values)
    return path


def found_in(folder: Path) -> dict[str, dict[str, list[int]]]:
    return {
        video: {frame: [item.object_id for item in maps] for frame, maps in frames.items()}
        for video, frames in find_maps(folder).items()
    }


@pytest.mark.parametrize(
    "names",
    [
        ["a/00000_object_001.png", "a/00005_object_001.png", "a/00005_object_012.png"],
        ["a/00000_instance_01.png", "a/00005_instance_01.png", "a/00005_instance_12.png"],
        ["a/00000_1.npy", "a/00005_1.npy", "a/00005_12.npy"],
        ["a/1/00000.png", "a/1/00005.png", "a/12/00005.png"],
    ],
)
def test_four_ways_to_name_them(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        save(tmp_path / name)
    assert found_in(tmp_path) == {"a": {"00000": [1], "00005": [1, 12]}}


def test_videos_and_frames_may_be_called_anything(tmp_path: Path) -> None:
    save(tmp_path / "set/12/frame_9_object_003.png")
    save(tmp_path / "set/12/frame_10_object_003.png")
    save(tmp_path / "b 1/2/frame_0001.png")
    (tmp_path / ".hidden").mkdir()
    save(tmp_path / ".hidden/x.png")
    (tmp_path / "scenario.json").write_text("{}")
    assert found_in(tmp_path) == {"b 1": {"frame_0001": [2]}, "set/12": {"frame_9": [3], "frame_10": [3]}}
    assert list(find_maps(tmp_path)["set/12"]) == ["frame_9", "frame_10"]


def test_objects_are_in_the_order_in_which_they_joined(tmp_path: Path) -> None:
    for name in ("a/1_object_007.png", "a/1_object_009.png", "a/2_object_003.png", "a/2_object_007.png"):
        save(tmp_path / name)
    save(tmp_path / "a/3_object_009.png")
    save(tmp_path / "a/3_object_003.png")
    assert found_in(tmp_path) == {"a": {"1": [7, 9], "2": [7, 3], "3": [9, 3]}}


@pytest.mark.parametrize("name", ["00000.png", "a/00000.png", "a/00000_object_000.png", "a/300/00000.png", "x_1.png"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    save(tmp_path / name)
    with pytest.raises(VosError, match=r"expected <video>/<frame>_object_<id>\.png or .* found another name"):
        find_maps(tmp_path)


def test_nothing_and_too_much_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VosError, match=r"expected probability maps .*, found none"):
        find_maps(tmp_path)
    save(tmp_path / "a/0_object_001.png")
    save(tmp_path / "a/0_object_001.npy")
    with pytest.raises(VosError, match="expected one map of an object in a frame, found"):
        find_maps(tmp_path)


def test_what_a_map_may_be(tmp_path: Path) -> None:
    unit = LEVELS / np.float32(255)
    np.testing.assert_array_equal(read_map(save(tmp_path / "a.png")), LEVELS)
    assert read_map(tmp_path / "a.png").dtype == np.uint8
    sixteen = read_map(save(tmp_path / "b.png", LEVELS.astype(np.uint16) * 257))
    np.testing.assert_allclose(sixteen, unit, atol=1e-6)
    for values in (unit, unit[None], unit[..., None].astype(np.float64)):
        read = read_map(save(tmp_path / "c.npy", values))
        assert read.dtype == np.float32
        np.testing.assert_allclose(read, unit, atol=1e-6)
    np.testing.assert_array_equal(read_map(save(tmp_path / "d.npy", LEVELS)), LEVELS)
    write_probabilities(tmp_path, "e", (1,), unit[None], "npz")
    np.testing.assert_allclose(read_map(tmp_path / "e_object_001.npz"), unit, atol=1e-3)


def test_what_is_no_map_is_refused(tmp_path: Path) -> None:
    content = save(tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[:-20])
    with pytest.raises(VosError, match=r"a\.png"):
        read_map(tmp_path / "a.png")
    with pytest.raises(VosError, match="expected probabilities as grey PNG of 8 or 16 bits, found uint8 3x4x3"):
        read_map(save(tmp_path / "b.png", np.dstack([LEVELS] * 3)))
    for values, words in (
        (np.full((2, 2), 1.5, np.float32), "expected probabilities, 0 to 1, found 1.5 to 1.5"),
        (np.full((2, 2), np.nan, np.float32), "expected probabilities, 0 to 1, found nan"),
        (np.zeros((2, 3, 4), np.float32), r"expected float probabilities \(H, W\), found float32 \(2, 3, 4\)"),
        (np.zeros((2, 2), np.int64), r"found int64 \(2, 2\)"),
    ):
        with pytest.raises(VosError, match=words):
            read_map(save(tmp_path / "c.npy", values))
    np.save(tmp_path / "c.npy", np.array([[{}]], object))
    with pytest.raises(VosError, match="cannot be read"):
        read_map(tmp_path / "c.npy")
