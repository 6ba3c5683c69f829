from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from PIL import Image

from vos_tf.errors import VosError
from vos_tf.media.label_maps import davis_palette, encode_label_map, object_ids, read_label_map, write_label_map


def test_palette_is_that_of_davis():
    palette = davis_palette()
    assert palette.shape == (256, 3)
    first = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    assert [tuple(row) for row in palette[:7].tolist()] == first
    assert palette[8].tolist() == [64, 0, 0]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


@settings(deadline=None, max_examples=60)
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=33)))
def test_every_label_map_comes_back(tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray):
    path = tmp_path_factory.mktemp("maps") / "a.png"
    write_label_map(path, labels)
    np.testing.assert_array_equal(read_label_map(path), labels)
    np.testing.assert_array_equal(read_label_map(path, single_object=True), labels != 0)


def test_every_id_comes_back_with_its_colour(tmp_path: Path):
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_label_map(tmp_path / "a.png", labels)
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.png"), labels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")).reshape(-1, 3), davis_palette())


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_ids_are_those_shown(labels: np.ndarray):
    assert object_ids(labels) == tuple(sorted(set(labels.ravel().tolist()) - {0, 255}))


@pytest.mark.parametrize(("mode", "expected"), [("L", [0, 1, 254]), ("1", [0, 1, 1])])
def test_grey_and_bilevel_masks_are_read(tmp_path: Path, mode: str, expected: list[int]):
    Image.fromarray(np.array([[0, 1, 254]], np.uint8)).point(lambda v: v if mode == "L" else 255 * bool(v)).convert(
        mode
    ).save(tmp_path / "a.png")
    assert read_label_map(tmp_path / "a.png").tolist() == [expected]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_several_channels_are_read_as_one_object_only(tmp_path: Path, mode: str):
    values = np.zeros((3, 4, 3), np.uint8)
    values[1, 2] = (0, 0, 9)
    Image.fromarray(values).convert(mode).save(tmp_path / "a.png")
    with pytest.raises(VosError, match=f"found mode {mode}"):
        read_label_map(tmp_path / "a.png")
    foreground = read_label_map(tmp_path / "a.png", single_object=True)
    assert foreground.dtype == np.uint8
    assert np.argwhere(foreground).tolist() == [[1, 2]]


def test_sixteen_bit_missing_and_broken_files_are_refused(tmp_path: Path):
    Image.fromarray(np.ones((4, 4), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(VosError, match="found mode I;16"):
        read_label_map(tmp_path / "deep.png")
    with pytest.raises(VosError, match="no such file"):
        read_label_map(tmp_path / "none.png")
    content = encode_label_map(np.random.default_rng(0).integers(0, 9, (50, 50)).astype(np.uint8))
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(VosError, match="cannot be decoded"):
        read_label_map(tmp_path / "cut.png")


def test_only_uint8_of_rank_two_is_written(tmp_path: Path):
    for wrong in (np.zeros((2, 2), np.int64), np.zeros((2, 2, 1), np.uint8)):
        with pytest.raises(ValueError, match="label map is uint8"):
            write_label_map(tmp_path / "a.png", wrong)
    assert not (tmp_path / "a.png").exists()
