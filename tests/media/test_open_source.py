"""What users may give as the video to segment."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from encoded_video import encode, moving_frames

from vos_tf.errors import IncompleteError, VosError
from vos_tf.media import camera
from vos_tf.media.frame_source import FrameFolder
from vos_tf.media.images import write_image
from vos_tf.media.open_source import open_source
from vos_tf.media.video_reader import VideoReader

FRAMES = moving_frames(12)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "meine Bilder, ü"
    for index, frame in enumerate(FRAMES):
        write_image(made / f"bild{index + 1}.png", frame)
    return made


def test_folders_are_read_in_natural_order(folder: Path) -> None:
    video = open_source(str(folder))
    assert isinstance(video, FrameFolder)
    assert (video.name, video.length, video.frame_rate) == (folder.name, 12, 24)
    frames = list(video)
    assert [frame.name for frame in frames] == [f"bild{index + 1}" for index in range(12)]
    assert [frame.time for frame in frames] == [Fraction(index, 24) for index in range(12)]
    assert all((frame.image == wanted).all() for frame, wanted in zip(frames, FRAMES, strict=True))
    assert video.knows("bild7")
    assert not video.knows("7")


@pytest.mark.parametrize("damage", ["cut", "size"])
def test_a_bad_image_ends_the_video(folder: Path, damage: str) -> None:
    path = folder / "bild9.png"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    else:
        write_image(path, FRAMES[0][:, 2:])
    frames = []
    with pytest.raises(IncompleteError, match=r"bild9.* the (8 )?frames before it are done"):
        frames.extend(open_source(str(folder)))
    assert len(frames) == 8


def test_nothing_before_the_first_bad_image(folder: Path) -> None:
    (folder / "bild1.png").write_bytes(b"no image")
    with pytest.raises(VosError, match="bild1") as error:
        list(open_source(str(folder)))
    assert not isinstance(error.value, IncompleteError)


def test_files_and_rates(tmp_path: Path) -> None:
    encode(tmp_path / "a b.mp4", FRAMES)
    video = open_source(str(tmp_path / "a b.mp4"), Fraction(15))
    assert isinstance(video, VideoReader)
    assert video.frame_rate == 15
    with pytest.raises(VosError, match="expected a number above 0"):
        open_source(str(tmp_path / "a b.mp4"), Fraction(0))


@pytest.mark.parametrize(("text", "message"), [
    ("missing.mp4", "expected a video file, a folder of images, - .* found no such file"),
    ("http://host/video.mp4", "found no such file"),
    ("concat:a.ts|b.ts", "found no such file"),
    ("photo.png", "found an image; a folder of images is a video"),
    ("empty", "expected a folder of images, found none in it"),
    ("97", "camera 97: expected a camera, found none of that number"),
])  # fmt: skip
def test_what_is_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_image(tmp_path / "photo.png", FRAMES[0])
    with pytest.raises(VosError, match=message):
        open_source(text)


class _Device:
    """Stands in for OpenCV's camera: three frames, then none."""

    def __init__(self, number: int) -> None:
        self.frames = list(FRAMES[:3])

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def get(self, key: int) -> float:
        return 29.97 if key == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        return (True, self.frames.pop(0)[..., ::-1]) if self.frames else (False, None)

    def release(self) -> None:
        pass


def test_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "_opened", _Device)
    video = open_source("0")
    assert (video.name, video.length, video.lasting) == ("camera0", None, False)
    assert video.frame_rate == Fraction(2997, 100)
    frames = []
    with pytest.raises(IncompleteError, match="found none after the first 3"):
        frames.extend(video)
    assert all((frame.image == wanted).all() for frame, wanted in zip(frames, FRAMES[:3], strict=True))
