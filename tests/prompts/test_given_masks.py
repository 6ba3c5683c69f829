"""Masks that a user names, and the frames they belong to."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos_tf.errors import VosError
from vos_tf.media.frame_source import FrameFolder, TimedFrame
from vos_tf.media.images import write_image
from vos_tf.media.label_maps import write_label_map
from vos_tf.prompts.given_masks import open_masks

SIZE = (30, 40)


def frame(name: str) -> TimedFrame:
    return TimedFrame(name, Fraction(0), np.zeros((*SIZE, 3), np.uint8))


def square(value: int, left: int = 5) -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    labels[5:20, left : left + 10] = value
    return labels


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_label_map(Path("first.png"), square(3))
    write_label_map(Path("late mask.png"), square(7, 20))
    for index in range(5):
        write_image(Path("frames") / f"{index:05d}.png", np.zeros((*SIZE, 3), np.uint8))
    return tmp_path


def source() -> FrameFolder:
    return FrameFolder(Path("frames"), Fraction(24))


def test_masks_join_at_their_frames(here: Path) -> None:
    masks = open_masks(["first.png", "2=late mask.png", "00004=first.png"])
    masks.check(source(), SIZE)
    np.testing.assert_array_equal(masks.at(frame("00000"), first=True), square(3))
    assert masks.at(frame("00001"), first=False) is None
    np.testing.assert_array_equal(masks.at(frame("00002"), first=False), square(7, 20))
    assert masks.left_over() == ("first.png (frame 00004)",)
    np.testing.assert_array_equal(masks.at(frame("00004"), first=False), square(3))
    assert masks.left_over() == ()


def test_masks_of_one_frame_come_together(here: Path) -> None:
    labels = open_masks(["first.png", "0=late mask.png"]).at(frame("00000"), first=True)
    assert labels is not None
    assert sorted(np.unique(labels)) == [0, 3, 7]


def test_black_and_white_masks_get_ids_of_their_own(here: Path) -> None:
    Image.fromarray(square(255)).save("white.png")
    colour = np.zeros((*SIZE, 3), np.uint8)
    colour[square(1, 20) > 0] = (0, 90, 200)
    Image.fromarray(colour).save("blue.png")
    write_label_map(Path("first.png"), square(1))
    masks = open_masks(["first.png", "white.png", "3=blue.png"])
    masks.check(source(), SIZE)
    first = masks.at(frame("00000"), first=True)
    np.testing.assert_array_equal(first, square(2))
    np.testing.assert_array_equal(masks.at(frame("00003"), first=False), square(3, 20))


def test_folders_of_masks(here: Path) -> None:
    write_label_map(Path("masks/00001.png"), square(2))
    write_label_map(Path("masks/00003.png"), square(0))
    Image.fromarray(square(255, 9)).save("masks/00004.png")
    masks = open_masks(["masks"])
    masks.check(source(), SIZE)
    np.testing.assert_array_equal(masks.at(frame("00001"), first=False), square(2))
    assert masks.at(frame("00003"), first=False) is None
    np.testing.assert_array_equal(masks.at(frame("00004"), first=False), square(1, 9))
    (here / "masks" / "9.png").write_bytes((here / "first.png").read_bytes())
    with pytest.raises(VosError, match=r"9\.png: expected a mask of one of the frames of frames, found one of frame 9"):
        open_masks(["masks"]).check(source(), SIZE)


def test_shapes_say_their_frames(here: Path) -> None:
    polygon = [[2, 2], [12, 2], [12, 12], [2, 12]]
    objects = [{"id": 1, "polygon": polygon}, {"id": 2, "frame": 3, "polygon": polygon}]
    Path("shapes.json").write_text(json.dumps({"objects": objects}))
    masks = open_masks(["shapes.json"])
    masks.check(source(), SIZE)
    for name, number in (("00000", 1), ("00003", 2)):
        labels = masks.at(frame(name), first=name == "00000")
        assert labels is not None
        assert (labels[2:12, 2:12] == number).all()
        assert (labels > 0).sum() == 100
    assert open_masks(["2=shapes.json"]).at(frame("00002"), first=False) is not None


def test_other_content_has_another_digest(here: Path) -> None:
    digests = [open_masks([argument]).digest for argument in ("first.png", "first.png", "1=first.png")]
    write_label_map(Path("first.png"), square(4))
    digests.append(open_masks(["first.png"]).digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize(("size", "pixels", "message"), [
    ((30, 39), square(1)[:, :39], r"expected 30 x 40 pixels \(height x width\) as its frame, found 30 x 39"),
    (SIZE, np.zeros(SIZE, np.uint8), r"expected at least one object \(ids 1 to 254\), found an empty mask"),
    (SIZE, np.repeat(np.arange(0, 160, 4, dtype=np.uint8)[None], 30, 0)[..., None].repeat(3, 2), "found mode RGB with"),
])  # fmt: skip
def test_masks_that_cannot_be_used(here: Path, size: tuple[int, int], pixels: np.ndarray, message: str) -> None:
    Image.fromarray(pixels).save("bad.png")
    with pytest.raises(VosError, match=message):
        open_masks(["bad.png"]).check(source(), SIZE)
    with pytest.raises(VosError, match=message):
        open_masks(["bad.png"]).at(frame("00000"), first=True)


def test_antialiased_masks_are_refused(here: Path) -> None:
    soft = Image.fromarray(square(255)).resize((400, 300)).resize((40, 30), Image.Resampling.BICUBIC)
    soft.save("soft.png")
    with pytest.raises(VosError, match="antialiased edges"):
        open_masks(["soft.png"]).check(source(), SIZE)


@pytest.mark.parametrize(("argument", "message"), [
    ("none.png", "found no such file"),
    ("3=none.png", "found no such file"),
    ("=first.png", "found no frame"),
    ("3=", "found no mask"),
    ("3=frames", "expected one mask for frame 3, found a folder"),
    ("empty", "expected masks named like their frames, found none"),
    ("9=first.png", "expected a mask of one of the frames of frames, found one of frame 9"),
])  # fmt: skip
def test_what_is_no_mask(here: Path, argument: str, message: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(VosError, match=message):
        open_masks([argument]).check(source(), SIZE)


def test_masks_of_users(shared: Path) -> None:
    folder = shared / "data/multi_object"
    video = FrameFolder(folder / "images/judo", Fraction(24))
    size = next(iter(video)).image.shape[:2]
    open_masks([str(folder / "masks/judo/00000.png"), f"8={folder / 'masks/judo/00008.png'}"]).check(video, size)
    with pytest.raises(VosError, match=r"00005\.png: expected 480 x 854 pixels .* found 480 x 853"):
        open_masks([str(folder / "masks/judo")]).check(video, size)
