"""Segmenting one's own video, from the file to the report."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from cosnet_networks import lively
from encoded_video import encode, moving_frames

import vos_tf
from vos_tf.errors import IncompleteError, VosError
from vos_tf.inference.video_run import SourceFrames
from vos_tf.jobs import segment
from vos_tf.jobs.segment import SegmentRequest, segment_video
from vos_tf.media.frame_source import FrameFolder, TimedFrame
from vos_tf.media.images import write_image
from vos_tf.media.label_maps import read_label_map, write_label_map
from vos_tf.media.probability_maps import find_probabilities, read_probabilities
from vos_tf.media.video_reader import VideoReader
from vos_tf.models.weights import save_model

SIZE = (64, 96)
COUNT = 10


def mask(number: int, left: int = 4) -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    labels[20:44, left : left + 24] = number
    return labels


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a small network that follows its objects for a while."""
    keras.utils.set_random_seed(3)
    segmenter = vos_tf.build("s2s", trunk="small", size=(32, 48), state_filters=8, decoder_filters=(8, 6, 4))
    folder = tmp_path_factory.mktemp("model") / "run"
    save_model(folder / "model", "s2s", segmenter.network)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "mein Film, 電影.mp4"
    encode(path, moving_frames(COUNT, SIZE))
    return path


@pytest.fixture
def request_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path, clip: Path) -> SegmentRequest:
    monkeypatch.chdir(tmp_path)
    write_label_map(Path("first.png"), mask(1))
    write_label_map(Path("late.png"), mask(7, 50))
    return SegmentRequest(str(clip), ("first.png", "4=late.png"), model=model, out=Path("out"))


@pytest.fixture
def wanted(model: Path, clip: Path) -> dict[str, np.ndarray]:
    """What the Python API says of the same video."""
    frames = [frame.image for frame in VideoReader(clip)]
    results = vos_tf.load(model).stream(frames, masks={"0": mask(1), "4": mask(7, 50)})
    return {f"{int(result.name):05d}": result.labels for result in results}


def written(out: Path) -> dict[str, np.ndarray]:
    return {path.stem: read_label_map(path) for path in sorted((out / "masks").iterdir())}


def assert_masks(out: Path, wanted: dict[str, np.ndarray], count: int = COUNT) -> None:
    found = written(out)
    assert list(found) == list(wanted)[:count]
    for name, labels in found.items():
        np.testing.assert_array_equal(labels, wanted[name])


def test_everything_is_made(
    request_for: SegmentRequest, wanted: dict[str, np.ndarray], clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = Path("seen.mp4")
    segment_video(replace(request_for, overlay=True, video=video, side_by_side=True, probabilities="png"))
    assert_masks(Path("out"), wanted)
    assert (wanted["00003"] == 1).any()
    assert set(np.unique(wanted["00004"])) >= {0, 7}
    frames = list(VideoReader(video))
    assert [frame.time for frame in frames] == [frame.time for frame in VideoReader(clip)]
    assert frames[0].image.shape == (SIZE[0], 2 * SIZE[1] + 6, 3)
    assert len(list(Path("out/overlays").iterdir())) == COUNT
    maps = Path("out/probabilities") / clip.stem
    assert len(find_probabilities(maps)) == COUNT + COUNT - 4
    read = read_probabilities(maps, "00007", (1, 7))
    np.testing.assert_array_equal(np.where(read.probabilities[0] > 0.51, wanted["00007"] != 0, True), True)
    report = json.loads(Path("out/report.json").read_text(encoding="utf-8"))
    assert (report["complete"], report["frames"], report["frame_rate"]) == (True, COUNT, "30000/1001")
    assert [item["id"] for item in report["objects"]] == [1, 7]
    assert [item["first_frame"] for item in report["objects"]] == ["00000", "00004"]
    said = capsys.readouterr()
    assert "masks: out/masks\n" in said.out
    assert "report: out/report.html\n" in said.out
    assert "contact sheet: out/contact_sheet.jpg\n" in said.out
    assert "method: s2s; weights: " in said.err
    assert Path("out/contact_sheet.jpg").stat().st_size > 10_000


def test_a_folder_gives_the_same_as_its_frames_in_python(request_for: SegmentRequest, model: Path) -> None:
    frames = moving_frames(COUNT, SIZE)
    for index, frame in enumerate(frames):
        write_image(Path("Bilder mit ü") / f"bild {index}.png", frame)
    segment_video(replace(request_for, source="Bilder mit ü", masks=("first.png", "bild 4=late.png"), out=None))
    results = list(vos_tf.load(model).stream(frames, masks={"0": mask(1), "4": mask(7, 50)}))
    assert_masks(Path("results/Bilder mit ü"), {f"bild {index}": item.labels for index, item in enumerate(results)})


def test_without_masks_the_foreground_is_found(tiny_trunk: None, request_for: SegmentRequest, clip: Path) -> None:
    save_model(Path("cosnet/model"), "cosnet", lively())
    segment_video(replace(request_for, masks=(), model=Path("cosnet")))
    frames = [frame.image for frame in VideoReader(clip)]
    results = list(vos_tf.load("cosnet").stream(frames))  # references from the whole list, as from the file
    assert_masks(Path("out"), {f"{index:05d}": item.labels for index, item in enumerate(results)})
    assert 0.02 < np.mean([item.labels for item in results]) < 0.98


def stopping(after: int, error: BaseException) -> Callable[..., Iterator[Any]]:
    """`segment_frames` that is stopped."""
    whole = segment.segment_frames

    def results(*arguments: Any, **options: Any) -> Iterator[Any]:
        for index, item in enumerate(whole(*arguments, **options)):
            if index == after:
                raise error
            yield item

    return results


def test_interrupted_runs_go_on(
    request_for: SegmentRequest, wanted: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(request_for, video=Path("seen.mp4"))
    with monkeypatch.context() as patch:
        patch.setattr(segment, "segment_frames", stopping(6, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            segment_video(asked)
    assert_masks(Path("out"), wanted, 6)
    assert not Path("seen.mp4").exists()
    assert not Path("out/report.json").exists()
    before = {path: path.stat().st_mtime_ns for path in Path("out/masks").iterdir()}
    segment_video(asked)
    assert_masks(Path("out"), wanted)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert len(list(VideoReader(Path("seen.mp4")))) == COUNT


def test_complete_results_are_drawn_without_the_network(
    request_for: SegmentRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    segment_video(request_for)
    monkeypatch.setattr(segment, "segment_frames", None)
    segment_video(request_for)
    segment_video(replace(request_for, overlay=True, video=Path("seen.webm")))
    assert "all frames are segmented already" in capsys.readouterr().err
    assert len(list(VideoReader(Path("seen.webm")))) == len(list(Path("out/overlays").iterdir())) == COUNT
    with pytest.raises(TypeError):  # probabilities take the network
        segment_video(replace(request_for, probabilities="npz"))


def test_only_some_frames(request_for: SegmentRequest, wanted: dict[str, np.ndarray]) -> None:
    segment_video(replace(request_for, max_frames=3))
    assert_masks(Path("out"), wanted, 3)
    notes = json.loads(Path("out/report.json").read_text())["notes"]
    assert notes == ["not used, as its frame did not come: late.png (frame 4)"]
    segment_video(request_for)
    assert_masks(Path("out"), wanted)


def test_truncated_video_gives_the_frames_before_the_break(request_for: SegmentRequest, clip: Path) -> None:
    Path("cut.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size * 8 // 10])
    asked = replace(request_for, source="cut.mp4", masks=("first.png",), video=Path("seen.mp4"))
    with pytest.raises(IncompleteError, match=r"cut\.mp4: expected whole data, found damage after frame 0000\d at 0:0"):
        segment_video(asked)
    count = len(written(Path("out")))
    assert 1 < count < COUNT
    report = json.loads(Path("out/report.json").read_text())
    assert (report["complete"], report["frames"]) == (False, count)
    assert f"the {count} frames up to there are done" in report["notes"][0]
    assert len(list(VideoReader(Path("seen.mp4")))) == count


def test_a_full_disk_leaves_whole_frames(
    request_for: SegmentRequest, wanted: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, labels: np.ndarray) -> None:
        if path.stem == "00005":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_label_map(path, labels)

    with monkeypatch.context() as patch:
        patch.setattr(segment, "write_label_map", write)
        with pytest.raises(VosError, match="found the disk full; the 5 label maps that are there are whole") as error:
            segment_video(replace(request_for, video=Path("seen.mp4")))
    assert not isinstance(error.value, IncompleteError)
    found = written(Path("out"))
    assert [name for name in found if name < "00005"] == list(wanted)[:5]
    assert not Path("seen.mp4").exists()
    segment_video(request_for)
    assert_masks(Path("out"), wanted)


def test_refused_requests_leave_no_trace(request_for: SegmentRequest) -> None:
    write_label_map(Path("small.png"), mask(1)[:-2])
    Path("file").write_text("mine")
    for refused, message in (
        ({"masks": ("small.png",)}, "small.png: expected 64 x 96 pixels"),
        ({"masks": ("first.png", f"{COUNT}=late.png")}, f"late.png: .* found one of frame {COUNT}"),
        ({"video": Path("seen.gif")}, "seen.gif: expected a video file ending in .mp4 or .webm"),
        ({"out": Path("file")}, "file: expected a folder for results, found a file"),
    ):
        with pytest.raises(VosError, match=message):
            segment_video(replace(request_for, **refused))
        assert not Path("out").exists()
    assert Path("file").read_text() == "mine"


def test_results_of_other_masks_and_videos_do_not_mix(request_for: SegmentRequest) -> None:
    segment_video(replace(request_for, max_frames=1))
    with pytest.raises(VosError, match="found those of other frames or given masks; choose another --out"):
        segment_video(replace(request_for, masks=("late.png",)))
    other = moving_frames(COUNT, SIZE)[::-1]
    encode(Path("other.mp4"), other)
    with pytest.raises(VosError, match="choose another --out"):
        segment_video(replace(request_for, source="other.mp4"))
    (Path("mine") / "notes.txt").parent.mkdir()
    Path("mine/notes.txt").write_text("mine")
    with pytest.raises(VosError, match=r"expected an empty folder .* found notes\.txt; choose another --out"):
        segment_video(replace(request_for, out=Path("mine")))


class _Endless(FrameFolder):
    """A camera that somebody stops."""

    lasting, endless = False, True

    def read(self) -> Iterator[TimedFrame]:
        yield from super().read()
        raise KeyboardInterrupt


def test_cameras_are_stopped_by_hand(request_for: SegmentRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for index, frame in enumerate(moving_frames(4, SIZE)):
        write_image(Path("frames") / f"{index:05d}.png", frame)
    monkeypatch.setattr(segment, "open_source", lambda *_: _Endless(Path("frames"), Fraction(24)))
    segment_video(replace(request_for, masks=("first.png",)))
    assert len(written(Path("out"))) == 4
    report = json.loads(Path("out/report.json").read_text())
    assert report["notes"] == ["stopped by hand"]


@pytest.mark.parametrize(("changes", "message"), [
    ({"masks": ()}, "--mask: expected a mask of each object to follow, as s2s does not find objects itself"),
    ({"masks": ("none.png",)}, "found no such file"),
    ({"masks": ("99=first.png", "first.png")}, "first.png: expected a mask of one of the frames .* one of frame 99"),
    ({"source": "none.mp4"}, "found no such file"),
    ({"method": "osvos"}, "expected a model of --method osvos, found one of s2s"),
    ({"options": {"finetune": {"steps": 5}, "reach": 1}}, "expected an option of s2s"),
    ({"video": Path("seen.gif")}, r"expected a video file ending in \.mp4 or \.webm"),
])  # fmt: skip
def test_mistakes(request_for: SegmentRequest, changes: dict[str, Any], message: str) -> None:
    asked = replace(request_for, max_frames=2, **changes)
    with pytest.raises(VosError, match=message):
        segment_video(asked)
    assert not (Path("out") / "masks").exists()


@pytest.mark.parametrize("changes", [{"probabilities": "jpg"}, {"max_frames": 0}, {"side_by_side": True}])
def test_impossible_requests(changes: dict[str, Any]) -> None:
    with pytest.raises(VosError, match="expected"):
        SegmentRequest("a.mp4", **changes)


def test_frames_of_a_source_in_any_order(clip: Path) -> None:
    video = VideoReader(clip)
    frames, wanted = SourceFrames(video), [frame.image for frame in video]
    assert len(frames) == COUNT
    for index in (7, 0, 3):
        np.testing.assert_array_equal(frames[index], wanted[index])
    np.testing.assert_array_equal(frames[99], wanted[-1])
