"""Overlay frames and overlay videos of segmented videos."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vos_tf.datasets.types import Video, VideoObject
from vos_tf.errors import VosError
from vos_tf.media.images import read_image, write_image
from vos_tf.media.label_maps import write_label_map
from vos_tf.report.dataset_overlays import write_products
from vos_tf.report.overlays import draw_overlay, encode_picture

NAMES = ("00003", "00007", "frame 10")
SIZE = (61, 95)


def labels(shift: int = 0) -> np.ndarray:
    result = np.zeros(SIZE, np.uint8)
    result[10:40, 10 + shift : 40 + shift] = 1
    result[30:55, 50:80] = 4
    return result


@pytest.fixture
def video(tmp_path: Path) -> Video:
    """Three frames of an odd size with two objects; the last has no result mask."""
    frames = tuple(tmp_path / "data" / f"{name}.png" for name in NAMES)
    for path in frames:
        write_image(path, np.full((*SIZE, 3), 90, np.uint8))
    for index, name in enumerate(NAMES[:-1]):
        write_label_map(tmp_path / "results" / "group/ride" / f"{name}.png", labels(5 * index))
    objects = tuple(VideoObject(number, None, NAMES[0], NAMES) for number in (1, 4))
    return Video("group/ride", frames, {}, objects, SIZE, Fraction(25))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_pictures_have_the_names_of_the_frames(tmp_path: Path, video: Video) -> None:
    write_products(video, tmp_path / "results", tmp_path / "out", frames=True, mp4=False)
    assert files(tmp_path / "out") == [f"group/ride/{name}.jpg" for name in NAMES]
    frame = np.full((*SIZE, 3), 90, np.uint8)
    for index, name in enumerate(NAMES[:-1]):
        wanted = encode_picture(draw_overlay(frame, labels(5 * index)))
        assert (tmp_path / "out/group/ride" / f"{name}.jpg").read_bytes() == wanted
    bare = read_image(tmp_path / "out/group/ride" / f"{NAMES[-1]}.jpg").astype(int)
    assert np.abs(bare - 90).max() <= 2


def test_the_video_has_all_frames_at_the_rate_of_the_video(tmp_path: Path, video: Video) -> None:
    write_products(video, tmp_path / "results", tmp_path / "out", frames=True, mp4=True)
    assert files(tmp_path / "out") == ["group/ride.mp4", *(f"group/ride/{name}.jpg" for name in NAMES)]
    with av.open(str(tmp_path / "out/group/ride.mp4")) as container:
        assert container.streams.video[0].average_rate == 25
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame.shape for frame in frames] == [(62, 96, 3)] * 3
    for name, frame in zip(NAMES, frames, strict=True):
        picture = read_image(tmp_path / "out/group/ride" / f"{name}.jpg").astype(int)
        assert np.abs(frame[:61, :95] - picture).mean() < 6


def test_nothing_is_written_where_nothing_is_asked_for(tmp_path: Path, video: Video) -> None:
    write_products(video, tmp_path / "results", tmp_path / "out", frames=False, mp4=False)
    assert not (tmp_path / "out").exists()


def test_results_that_are_not_there_are_named(tmp_path: Path, video: Video) -> None:
    with pytest.raises(VosError, match=r"elsewhere/group/ride: expected result masks to draw, found none"):
        write_products(video, tmp_path / "elsewhere", tmp_path / "out", frames=True, mp4=True)
    assert not (tmp_path / "out").exists()


def test_a_broken_frame_leaves_no_video(tmp_path: Path, video: Video) -> None:
    video.frames[1].write_bytes(b"no image")
    with pytest.raises(VosError, match="00007"):
        write_products(video, tmp_path / "results", tmp_path / "out", frames=False, mp4=True)
    assert files(tmp_path / "out") == []


def test_pictures_need_no_pyav(tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    write_products(video, tmp_path / "results", tmp_path / "out", frames=True, mp4=False)
    assert len(files(tmp_path / "out")) == 3
    with pytest.raises(VosError, match=r"vos-tf\[video\]"):
        write_products(video, tmp_path / "results", tmp_path / "out", frames=False, mp4=True)
