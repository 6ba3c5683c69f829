from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos_tf.datasets.listing import check_name, image_size, list_folders, list_images, names_found, natural_key
from vos_tf.errors import VosError

NAMES = st.text(alphabet="ab_-019٣", min_size=0, max_size=8)


@given(st.lists(NAMES, max_size=12), st.randoms())
def test_natural_order_does_not_depend_on_the_order_before(names: list[str], random: object):
    shuffled = list(names)
    random.shuffle(shuffled)
    assert sorted(names, key=natural_key) == sorted(shuffled, key=natural_key)


@given(st.sets(st.integers(0, 10**6), max_size=30), st.sampled_from(["", "frame_", "a1b"]), st.booleans())
def test_numbers_are_sorted_by_value(numbers: set[int], prefix: str, padded: bool):
    names = [f"{prefix}{number:07d}x" if padded else f"{prefix}{number}x" for number in numbers]
    expected = [f"{prefix}{number:07d}x" if padded else f"{prefix}{number}x" for number in sorted(numbers)]
    assert sorted(names, key=natural_key) == expected


@given(st.lists(NAMES, unique=True, min_size=2, max_size=2))
def test_different_names_have_different_keys(pair: list[str]):
    assert natural_key(pair[0]) != natural_key(pair[1])


def test_images_of_all_suffixes_in_natural_order(tmp_path: Path):
    for name in ("f10.JPG", "f9.png", "f1.jpeg", "f2.WebP", "f3.bmp", ".hidden.jpg", "notes.txt", "f4.gif"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ["f1.jpeg", "f2.WebP", "f3.bmp", "f9.png", "f10.JPG"]
    assert [path.name for path in list_images(tmp_path, (".png",))] == ["f9.png"]


def test_two_images_of_one_name_are_refused(tmp_path: Path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.png").touch()
    with pytest.raises(VosError, match=r"found a\.(jpg|png) and a\.(png|jpg)"):
        list_images(tmp_path)


def test_missing_folders(tmp_path: Path):
    with pytest.raises(VosError, match="expected a folder of images, found none"):
        list_images(tmp_path / "none")
    assert list_folders(tmp_path / "none") == ()


@pytest.mark.parametrize("name", ["", "..", "a/../b", "/etc", "C:/x", "C:\\x", "..\\x", "\\\\host\\x", ".", "a\0b"])
def test_unsafe_names_are_refused(tmp_path: Path, name: str):
    with pytest.raises(VosError, match="expected names of videos inside the data set"):
        check_name(name, tmp_path)


@pytest.mark.parametrize("name", ["bear", "a/b", "video..2", "00ad5016a4"])
def test_plain_names_pass(tmp_path: Path, name: str):
    assert check_name(name, tmp_path) == name


def test_size_of_no_image(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(VosError, match=r"a\.jpg: expected an image"):
        image_size(tmp_path / "a.jpg")
    with pytest.raises(VosError, match="no such file"):
        image_size(tmp_path / "b.jpg")


def test_names_found():
    assert names_found([]) == "none"
    assert names_found(["a", "b"]) == "a, b"
    assert names_found(list("abcd"), 2) == "a, b and 2 more"
