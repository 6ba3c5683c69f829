"""``vos-tf show``: sheets of sequences from a data set and from records, and of training batches as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_world import make_dataset
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.errors import VosError
from vos_tf.jobs import show_batches as batches_module
from vos_tf.jobs.run_config import run_config
from vos_tf.jobs.show import ShowRequest, show_sequences
from vos_tf.jobs.show_batches import show_batches
from vos_tf.jobs.train import training_data
from vos_tf.pipeline.clips import clip_batches
from vos_tf.records.preprocess import preprocess
from vos_tf.report import overlays


@pytest.fixture(autouse=True)
def warnings_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vos_tf.commands.tf_logging.quiet_tensorflow", lambda: None)


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["show", *map(str, arguments)])


def test_a_sheet_for_each_sequence(tiny_world: Path, tmp_path: Path) -> None:
    result = call("synthetic", "--root", tiny_world, "--out", tmp_path, "--videos", 2, "--frames", 3, "--width", 64)
    assert result.exit_code == 0, result.output
    assert f"sheets: {tmp_path} (2 files)" in result.output
    files = sorted(tmp_path.glob("*.png"))
    assert len(files) == 2
    assert np.asarray(Image.open(files[0])).shape[1] == 6 + 3 * (64 + 6)


@pytest.mark.parametrize(("count", "annotated", "wanted"), [
    (3, [0, 2, 4, 6, 8, 10], [0, 4, 10]),
    (4, [0, 5], [0, 1, 5, 11]),
    (4, [0], [0, 1, 6, 11]),
    (2, [], [0, 11]),
    (20, list(range(12)), list(range(12))),
])  # fmt: skip
def test_annotated_frames_are_drawn_first(count: int, annotated: list[int], wanted: list[int]) -> None:
    from vos_tf.jobs.show import _drawn_frames

    assert _drawn_frames(12, annotated, count) == wanted


def test_records_show_what_was_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset(tmp_path / "data", videos=2, frames=6, every=2)
    preprocess(dataset, tmp_path / "records", size="native", workers=1)
    drawn: list[tuple[np.ndarray, np.ndarray | None, str]] = []
    real = overlays.labelled_tile

    def note(picture: np.ndarray, labels: np.ndarray | None, caption: str, *rest: Any, **options: Any) -> Any:
        drawn.append((picture, labels, caption))
        return real(picture, labels, caption, *rest, **options)

    monkeypatch.setattr("vos_tf.jobs.show.labelled_tile", note)
    request = ShowRequest(str(tmp_path / "records"), None, "train", tmp_path / "out", names=("video1",), frames=5)
    assert [path.name for path in show_sequences(request)] == ["video1.png"]
    video = dataset.videos[1]
    assert [caption for *_, caption in drawn] == ["0", "1  no mask", "2", "4", "5  no mask"]
    for index, (_, labels, caption) in zip((0, 1, 2, 4, 5), drawn, strict=True):
        name = video.frame_names[index]
        assert (labels is None) == (name not in video.masks) == ("no mask" in caption)
        if labels is not None:
            np.testing.assert_array_equal(labels, video.read_mask(name))


def test_still_images_share_sheets(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", videos=3, frames=1)
    preprocess(dataset, tmp_path / "records", size="native", workers=1)
    request = ShowRequest(str(tmp_path / "records"), None, "train", tmp_path / "out", width=48)
    assert [path.name for path in show_sequences(request)] == ["still_images_000.png"]


def tiny_config(records: Path, **training: Any) -> Any:
    return run_config({
        "data": {"records": str(records), "validation_fraction": 0},
        "model": {"trunk": "small", "settings": {"size": [32, 48]}},
        "clips": {"clip_length": "1-3", "objects": "all"},
        "augment": {"flip": 0.5, "rotation": 20, "brightness": 0.3, "window": [0.5, 1.0]},
        "training": {"batch_size": 2, "seed": 5, **training},
    })  # fmt: skip


def test_batches_are_those_of_training(tiny_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[np.ndarray, np.ndarray | None, str]] = []
    real = overlays.labelled_tile

    def note(picture: np.ndarray, labels: np.ndarray | None, caption: str, *rest: Any, **options: Any) -> Any:
        drawn.append((picture, labels, caption))
        return real(picture, labels, caption, *rest, **options)

    monkeypatch.setattr(batches_module, "labelled_tile", note)
    config = tiny_config(tiny_records)
    files = show_batches(config, tmp_path, count=2, epoch=1, width=64)
    assert [path.name for path in files] == ["epoch_1_batch_000.png", "epoch_1_batch_001.png"]
    data = training_data(config)
    batches = clip_batches(data.training, data.clips, batch_size=2, seed=5, epoch=1, augment=data.augment)
    tiles = iter(drawn)
    for batch in batches.take(2):
        for row, time in np.ndindex(*batch.frames.shape[:2]):
            picture, labels, caption = next(tiles)
            np.testing.assert_array_equal(picture, batch.frames[row, time])
            assert re.fullmatch(r"synthetic_\d+  \d+(  repeated|  no mask)?", caption)
            if batch.annotated[row, time]:
                np.testing.assert_array_equal(labels, batch.labels[row, time])
            else:
                assert labels is None
    assert next(tiles, None) is None


def test_runs_and_recipes(tiny_records: Path, tmp_path: Path) -> None:
    from vos_tf.jobs.run_config import write_run_config

    write_run_config(tmp_path / "run" / "config.yaml", tiny_config(tiny_records))
    sizes = ("--width", 48, "--batches", 1)
    result = call(tmp_path / "run", "--out", tmp_path / "one", *sizes)
    assert result.exit_code == 0, result.output
    result = call(
        tiny_records, "--recipe", "s2s_demo", "--set", "clips.clip_length=1", "--out", tmp_path / "two", *sizes
    )
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["epoch_0_batch_000.png"]
    assert "sheets:" in result.output
    assert "(1 file)" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], r"nonsense: expected a layout \(synthetic, .*\), a folder of records or a run folder"),
        ([], r"show: expected a layout \(synthetic, .*\), .*, or --recipe or --config, found nothing"),
        (["synthetic", "--video", "none"], r"--video none: expected one of the 6 sequences \(synthetic_00000, "),
        (["synthetic", "--frames", "0"], "--frames: expected 1 or more, found 0"),
        (["--recipe", "s2s_demo", "--batches", "0"], "--batches, --epoch, --width: expected"),
    ],
)
def test_mistakes_are_said(tiny_world: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = call(*arguments, "--root", tiny_world, "--out", tmp_path / "out")
    assert isinstance(result.exception, VosError)
    assert re.search(message, str(result.exception)), str(result.exception)
    assert not (tmp_path / "out").exists()
