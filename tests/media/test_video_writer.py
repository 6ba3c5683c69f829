"""Video files: what is written is what a decoder gives back, and a failure leaves nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vos_tf.errors import VosError
from vos_tf.media.video_writer import check_video_writing, opened_video, write_video

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (128, 0, 0), (200, 100, 50))
NTSC = Fraction(30000, 1001)


def bars(height: int, width: int, shift: int = 0) -> np.ndarray:
    """Upright bars of six colours, turned by ``shift`` colours."""
    columns = (np.arange(width) * len(COLOURS) // width + shift) % len(COLOURS)
    return np.broadcast_to(np.array(COLOURS, np.uint8)[columns], (height, width, 3)).copy()


def decoded(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """All frames of a video, RGB, and their times in seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [float(frame.time or 0) for frame in frames]


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".MP4"])
def test_frames_colours_and_times_come_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new folder" / f"bars{suffix}"
    frames = [bars(48, 96, shift) for shift in range(8)]
    assert write_video(path, iter(frames), NTSC) == 8
    found, times = decoded(path)
    np.testing.assert_allclose(times, np.arange(8) / float(NTSC), atol=1e-3)
    middles = np.arange(len(COLOURS)) * 16 + 8
    for old, new in zip(frames, found, strict=True):
        assert np.abs(old[24, middles].astype(int) - new[24, middles]).max() <= 8
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_every_player_can_show_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bars{suffix}"
    write_video(path, [bars(48, 96)] * 3, NTSC)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p"
        assert (context.colorspace, context.color_range) == (1, 1)  # BT.709, limited range
        assert {".mp4": "h264", ".webm": "vp9"}[suffix] in context.name


def test_odd_sizes_repeat_the_last_row_and_column(tmp_path: Path) -> None:
    write_video(tmp_path / "odd.mp4", [bars(47, 95)] * 2, Fraction(24))
    found = decoded(tmp_path / "odd.mp4")[0][0]
    assert found.shape == (48, 96, 3)
    assert np.abs(found[:, -1].astype(int) - COLOURS[-1]).max() <= 12
    assert np.abs(found[-1].astype(int) - found[-2]).max() <= 4


def test_lower_quality_makes_a_smaller_file(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype(np.uint8)
    for quality in (10, 45):
        write_video(tmp_path / f"{quality}.mp4", noise, Fraction(24), quality)
    assert (tmp_path / "45.mp4").stat().st_size < (tmp_path / "10.mp4").stat().st_size / 2


def test_frames_are_taken_one_at_a_time(tmp_path: Path) -> None:
    alive = 0

    class Frame(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def frames() -> Iterator[np.ndarray]:
        nonlocal alive
        for index in range(60):
            frame = bars(32, 32, index).view(Frame)
            alive += 1
            yield frame
            del frame
            assert alive <= 2

    assert write_video(tmp_path / "many.mp4", frames(), Fraction(24)) == 60


def fails(path: Path, frames: object, message: str, frame_rate: Fraction = NTSC) -> None:
    with pytest.raises(VosError, match=message):
        write_video(path, frames, frame_rate)  # type: ignore[arg-type]


def test_mistakes_are_one_sentence_and_leave_nothing(tmp_path: Path) -> None:
    fails(tmp_path / "a.mp4", [], "at least one frame")
    fails(tmp_path / "a.mp4", [bars(32, 32), bars(32, 34)], "32x32 pixels .* found 32x34 at frame 1")
    fails(tmp_path / "a.avi", [bars(32, 32)], r"\.mp4 or \.webm, found '\.avi'")
    fails(tmp_path / "a.mp4", [bars(32, 32)], "above 0", Fraction(0))
    with pytest.raises(ValueError, match="uint8"):
        write_video(tmp_path / "a.mp4", [np.zeros((32, 32, 3), np.float32)], NTSC)  # type: ignore[list-item]
    assert not list(tmp_path.iterdir())


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, [bars(32, 32)] * 2, NTSC)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), opened_video(path, NTSC) as video:
        video.write(bars(32, 32))
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.mp4"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    fails(tmp_path / "file" / "a.mp4", [bars(32, 32)], "file/a.mp4: .* cannot be written")


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VosError, match=r"vos-tf\[video\]"):
        check_video_writing()
    fails(tmp_path / "a.mp4", [bars(32, 32)], r"vos-tf\[video\]")
