"""Pictures, video and contact sheet of a video that comes frame by frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos_tf.errors import VosError
from vos_tf.media.frame_source import TimedFrame
from vos_tf.media.images import read_image
from vos_tf.media.video_reader import VideoReader
from vos_tf.report.overlays import draw_overlay
from vos_tf.report.video_products import OverlayStyle, SpreadTiles, beside, opened_products, write_contact_sheet

SIZE = (48, 64)


def frame(index: int, time: Fraction | None = None) -> TimedFrame:
    image = np.full((*SIZE, 3), 40 + 3 * (index % 60), np.uint8)
    return TimedFrame(f"{index:05d}", Fraction(index, 24) if time is None else time, image)


def labels() -> np.ndarray:
    made = np.zeros(SIZE, np.uint8)
    made[10:40, 20:50] = 2
    return made


def test_pictures_and_video(tmp_path: Path) -> None:
    times = [Fraction(0), Fraction(1, 10), Fraction(3, 2)]
    style = OverlayStyle(alpha=0.7, contours=False, ids=False)
    path = tmp_path / "ein Film, ü.mp4"
    with opened_products(style, pictures=tmp_path / "pictures", video=path, side_by_side=True) as products:
        for index, time in enumerate(times):
            products.add(frame(index, time), labels())
    assert sorted(file.name for file in (tmp_path / "pictures").iterdir()) == ["00000.jpg", "00001.jpg", "00002.jpg"]
    wanted = draw_overlay(frame(1).image, labels(), 0.7, contours=False, ids=False)
    assert np.abs(read_image(tmp_path / "pictures/00001.jpg").astype(int) - wanted).mean() < 4
    frames = list(VideoReader(path))
    assert [one.time for one in frames] == times
    both = beside(frame(1).image, wanted)
    assert both.shape == (48, 134, 3)
    assert np.abs(frames[1].image.astype(int) - both).mean() < 6


def test_very_wide_frames_stand_above_their_overlays() -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    both = beside(wide, wide + 9)
    assert both.shape == (46, 60, 3)
    assert (both[26:] == 9).all()


def test_a_failed_video_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(VosError, match="stop"), opened_products(OverlayStyle(), video=path) as products:
        products.add(frame(0), labels())
        raise VosError("stop")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 2, 7, 33, 500])
def test_tiles_are_spread_over_a_video_of_any_length(count: int) -> None:
    spread = SpreadTiles(OverlayStyle())
    for index in range(count):
        spread.add(frame(index), labels())
        assert len(spread._kept) <= 33
    places = [int(tile.caption.split()[0]) for tile in spread.tiles()]
    assert len(places) == min(count, 8)
    assert (places[0], places[-1]) == (0, count - 1)
    even = np.linspace(0, count - 1, len(places))
    assert np.abs(np.array(places) - even).max() <= max(count / 32, 0.5)


def test_contact_sheet(tmp_path: Path) -> None:
    spread = SpreadTiles(OverlayStyle())
    assert spread.tiles() == ()
    for index in range(9):
        spread.add(frame(index), labels())
    write_contact_sheet(tmp_path / "sheet.jpg", spread.tiles(), "title", "note")
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width > 4 * 480
