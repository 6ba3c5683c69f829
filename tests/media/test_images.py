import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vos_tf.errors import VosError
from vos_tf.media import limits
from vos_tf.media.images import (
    decode_image,
    encode_image,
    header_size,
    read_image,
    resize_image,
    resize_label_map,
    write_image,
)


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 4 % 256, y * 6 % 256, (x + y) % 256], axis=-1).astype(np.uint8)


def test_png_keeps_every_value_and_the_order_of_channels(tmp_path: Path):
    image = picture()
    write_image(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)


def test_jpeg_is_close_and_agrees_with_another_decoder(tmp_path: Path):
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    write_image(tmp_path / "a.jpg", red, quality=95)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - red).max() <= 3
    assert np.abs(np.asarray(Image.open(tmp_path / "a.jpg")).astype(int) - red).max() <= 3


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "I;16"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str):
    path = tmp_path / "a.png"
    if mode == "I;16":
        Image.fromarray(np.full((8, 9), 40_000, np.uint16)).save(path)
    else:
        Image.fromarray(picture(8, 9)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (8, 9, 3)
    assert image.dtype == np.uint8


def test_turn_noted_in_exif_is_ignored(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(20, 30)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (20, 30, 3)
    assert header_size((tmp_path / "a.jpg").read_bytes(), "a") == (20, 30)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_truncated_file_is_refused(tmp_path: Path, suffix: str, share: float):
    content = encode_image(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8), suffix)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(VosError, match=r"cut\.(jpg|png): expected .*damaged|cannot be decoded"):
        read_image(path)


def test_what_is_no_image_is_named_by_its_file():
    with pytest.raises(VosError, match=r"^notes\.txt: expected an image, found a file that is none, or damaged$"):
        header_size(b"not an image", "notes.txt")


def test_trailing_bytes_do_no_harm():
    content = encode_image(picture(), ".jpg")
    np.testing.assert_array_equal(decode_image(content + b"\0trailer"), decode_image(content))


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\xff\xd8\xff\xd9", b"\x89PNG\r\n\x1a\n"])
def test_no_image_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(VosError, match=r"a\.jpg: expected an image"):
        read_image(tmp_path / "a.jpg")


def test_missing_file_and_folder_are_refused(tmp_path: Path):
    with pytest.raises(VosError, match="found no such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(VosError, match="cannot be read"):
        read_image(tmp_path)


def test_pixel_limit_is_checked_before_decoding(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 2399)
    with pytest.raises(VosError, match="expected at most 2399 pixels, found 40 x 60"):
        decode_image(encode_image(picture(), ".png"), "big.png")


def test_writing_refuses_what_is_no_image(tmp_path: Path):
    with pytest.raises(ValueError, match="float32"):
        write_image(tmp_path / "a.png", np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ValueError, match=r"\.gif"):
        write_image(tmp_path / "a.gif", picture())
    assert list(tmp_path.iterdir()) == []


SIDES = st.integers(1, 40)


@settings(deadline=None, max_examples=80)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_label_maps_take_the_id_at_the_pixel_centre(h: int, w: int, new_h: int, new_w: int, seed: int):
    labels = np.random.default_rng(seed).integers(0, 256, (h, w)).astype(np.uint8)
    half = Fraction(1, 2)
    rows = [math.floor((i + half) * h / new_h) for i in range(new_h)]
    columns = [math.floor((i + half) * w / new_w) for i in range(new_w)]
    np.testing.assert_array_equal(resize_label_map(labels, (new_h, new_w)), labels[np.ix_(rows, columns)])


def test_label_maps_are_resized_as_opencv_does_where_no_centre_falls_between_pixels():
    labels = np.random.default_rng(0).integers(0, 256, (47, 53)).astype(np.uint8)
    for size in ((12, 13), (121, 201)):
        expected = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        np.testing.assert_array_equal(resize_label_map(labels, size), expected)


@settings(deadline=None, max_examples=60)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from([(), (1,), (3,)]))
def test_resized_images_keep_flat_colour_type_and_channels(h: int, w: int, new_h: int, new_w: int, channels: tuple):
    for dtype in (np.uint8, np.float32):
        image = np.full((h, w, *channels), 77, dtype)
        resized = resize_image(image, (new_h, new_w))
        assert resized.shape == (new_h, new_w, *channels)
        assert resized.dtype == dtype
        np.testing.assert_allclose(resized, 77, atol=1e-4)


def test_shrinking_averages():
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    expected = image.reshape(2, 2, 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(resize_image(image, (2, 2)), expected)
    # One axis shrinks by averaging while the other grows.
    np.testing.assert_allclose(resize_image(image, (2, 8))[:, 0], expected.repeat(1, 1)[:, 0] - 0.5)
