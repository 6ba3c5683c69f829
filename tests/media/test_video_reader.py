"""Video files and pipes become frames with exact times; damaged ones give the frames before the damage."""

from __future__ import annotations

import io
import itertools
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from encoded_video import ENCODERS, RATE, encode, moving_frames

from vos_tf.errors import IncompleteError, VosError
from vos_tf.media import limits
from vos_tf.media.frame_source import TimedFrame
from vos_tf.media.images import encode_image
from vos_tf.media.video_reader import VideoReader
from vos_tf.media.video_writer import opened_video

FRAMES = moving_frames(40)
LARGER = moving_frames(40, (144, 192))  # a frame is more than a packet of MPEG-TS


def read_until_break(path: Path) -> tuple[list[TimedFrame], str]:
    frames: list[TimedFrame] = []
    try:
        frames.extend(VideoReader(path))
    except IncompleteError as end:
        return frames, str(end)
    return frames, ""


@pytest.mark.parametrize("suffix", ENCODERS)
def test_all_frames_come_in_order_with_their_times(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ein Film, 電影{suffix}"
    encode(path, FRAMES)
    video = VideoReader(path)
    frames = list(video)
    assert (video.frame_rate, video.length, video.name) == (RATE, len(FRAMES), "ein Film, 電影")
    assert [frame.name for frame in frames] == [f"{index:05d}" for index in range(len(FRAMES))]
    for index, (frame, wanted) in enumerate(zip(frames, FRAMES, strict=True)):
        exact = suffix in (".mp4", ".avi", ".ts")  # the others count milliseconds
        assert abs(frame.time - index / RATE) <= (0 if exact else Fraction(1, 1000))
        assert frame.image.dtype == np.uint8
        assert np.abs(frame.image.astype(int) - wanted).mean() < 12
    again = [frame.image for frame in video]
    assert all((one.image == two).all() for one, two in zip(frames, again, strict=True))


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [Fraction(0), Fraction(40, 1000), Fraction(1), Fraction(1001, 1000), Fraction(3)]
    encode(tmp_path / "a.mkv", FRAMES[:5], times=times)
    frames = list(VideoReader(tmp_path / "a.mkv"))
    assert [frame.time for frame in frames] == times
    with opened_video(tmp_path / "b.mp4", Fraction(30), variable=True) as video:
        for frame in frames:
            video.write(frame.image, frame.time)
    assert [frame.time for frame in VideoReader(tmp_path / "b.mp4")] == times
    fixed = [frame.time for frame in VideoReader(tmp_path / "b.mp4", frame_rate=Fraction(24))]
    assert fixed == [Fraction(index, 24) for index in range(5)]


def test_colours_of_written_videos_come_back(tmp_path: Path) -> None:
    frame = np.empty((64, 96, 3), np.uint8)
    frame[:] = (200, 60, 20)
    with opened_video(tmp_path / "a.mp4", Fraction(24)) as video:
        video.write(frame)
    assert np.abs(next(iter(VideoReader(tmp_path / "a.mp4"))).image.astype(int) - frame).max() <= 3


def test_telephones_turn(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    encode(path, FRAMES[:3])
    upright = [frame.image for frame in VideoReader(path)]
    content = path.read_bytes()
    one, nothing = (1 << 16).to_bytes(4, "big"), bytes(4)
    start = one + nothing * 3 + one + nothing * 3  # the matrix that turns nothing, but for its last number
    at = content.index(start, content.index(b"tkhd"))
    # A point (x, y) is shown at (-y, x): a quarter turn clockwise.
    turned = nothing + one + nothing + (-(1 << 16)).to_bytes(4, "big", signed=True) + nothing * 4
    path.write_bytes(content[:at] + turned + content[at + len(turned) :])
    for frame, wanted in zip(VideoReader(path), upright, strict=True):
        np.testing.assert_array_equal(frame.image, np.rot90(wanted, -1))


@pytest.mark.parametrize("suffix", ENCODERS)
def test_truncated_files_give_the_frames_before_the_break(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    encode(path, LARGER)
    whole = list(VideoReader(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames, message = read_until_break(path)
    assert 5 < len(frames) < len(whole)
    for frame, wanted in zip(frames, whole, strict=False):
        assert (frame.name, frame.time) == (wanted.name, wanted.time)
        np.testing.assert_array_equal(frame.image, wanted.image)
    assert f"after frame {frames[-1].name} at 0:0" in message
    assert message.endswith(f"the {len(frames)} frames up to there are done")


def test_damage_in_the_middle_gives_the_frames_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    encode(path, FRAMES)
    whole = list(VideoReader(path))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
    path.write_bytes(content)
    frames, message = read_until_break(path)
    assert 10 < len(frames) < 30
    # The last ones may have been predicted from what comes after the damage.
    assert all((one.image == two.image).all() for one, two in zip(frames[:-4], whole, strict=False))
    assert "expected whole data, found damage" in message


def test_frames_that_change_their_size_end_the_video(tmp_path: Path) -> None:
    sizes = [(64, 96)] * 12 + [(48, 80)] * 3
    pictures = [encode_image(moving_frames(1, size)[0]) for size in sizes]
    (tmp_path / "a.mjpeg").write_bytes(b"".join(pictures))
    frames, message = read_until_break(tmp_path / "a.mjpeg")
    assert len(frames) == 12
    assert "expected frames of 64x96 pixels (height x width) like the first, found 48x80 in frame 00012" in message


@pytest.mark.parametrize(("name", "content", "message"), [
    ("empty.mp4", b"", "found an empty file"),
    ("text.txt", b"hello\n" * 99, "found a file that is none"),
    ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.ts\n#EXT-X-ENDLIST\n", "is none, or damaged"),
    ("clip.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.ts\n#EXT-X-ENDLIST\n", "is none, or damaged"),
    ("clip.ffconcat", b"ffconcat version 1.0\nfile other.ts\n", "is none, or damaged"),
])  # fmt: skip
def test_what_is_no_video_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    encode(tmp_path / "other.ts", FRAMES[:3])  # a playlist must not lead to it
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VosError, match=message):
        list(VideoReader(tmp_path / name))


def test_recordings_without_their_index_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    encode(path, FRAMES, movflags="")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(VosError, match="an mp4 whose index is missing"):
        VideoReader(path)


def test_names_of_results_stay_within_their_folder(tmp_path: Path) -> None:
    for name, wanted in (("...mp4", "video"), ("a.b.mp4", "a.b")):
        encode(tmp_path / name, FRAMES[:2])
        assert VideoReader(tmp_path / name).name == wanted


def test_huge_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(tmp_path / "a.mp4", FRAMES[:3])
    monkeypatch.setattr(limits, "MAX_PIXELS", 64 * 96 - 1)
    with pytest.raises(VosError, match="expected at most 6143 pixels, found 64 x 96"):
        VideoReader(tmp_path / "a.mp4")


class _Pipe:
    """Bytes that come once, as through a pipe."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self.buffer = self

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seekable(self) -> bool:
        return False

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    encode(tmp_path / f"a{suffix}", FRAMES)
    wanted = list(VideoReader(tmp_path / f"a{suffix}"))
    monkeypatch.setattr(sys, "stdin", _Pipe((tmp_path / f"a{suffix}").read_bytes()))
    source = VideoReader(None)
    assert (source.lasting, source.name) == (False, "pipe")
    for one, two in itertools.zip_longest(source, wanted):
        assert one.time == two.time
        np.testing.assert_array_equal(one.image, two.image)


def test_mp4_with_its_index_at_the_end_cannot_be_piped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(tmp_path / "a.mp4", LARGER, movflags="")
    monkeypatch.setattr(sys, "stdin", _Pipe((tmp_path / "a.mp4").read_bytes()))
    with pytest.raises(VosError, match=r"standard input: .* piped only with their index in front"):
        list(VideoReader(None))


def test_example_of_users(shared: Path) -> None:
    video = VideoReader(shared / "data/multi_object/example.mp4")
    assert (video.frame_rate, video.length) == (25, 117)
    first = next(iter(video))
    assert first.image.shape == (480, 640, 3)
