"""``vos-tf merge``, and the probability maps that an evaluation writes: back to the same label maps, and continued."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.datasets import Dataset, open_dataset
from vos_tf.errors import VosError
from vos_tf.inference.dataset_run import is_done, result_path, segment_dataset
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.results_folder import ExtraOutputs
from vos_tf.inference.session import Session, VideoSegmenter
from vos_tf.jobs.merge import merge_folder
from vos_tf.media.images import write_image
from vos_tf.media.label_maps import read_label_map
from vos_tf.media.probability_maps import as_float, read_map, write_probabilities


class Blurred(Session):
    """Any method, quickly: first masks under a number of its own, smoothed and shifted more in every frame."""

    def _join(self, frame: np.ndarray, labels: np.ndarray, ids: tuple[int, ...], name: str) -> None:
        old = getattr(self, "_maps", np.zeros((0, *self.size), np.float32))
        self._maps = np.concatenate([old, np.stack([labels == i for i in ids]).astype(np.float32)])

    def _keep(self, indices: Any) -> None:
        self._maps = self._maps[list(indices)]

    def _advance(self, frame: np.ndarray) -> Any:
        random = np.random.default_rng(self._frames)
        moved = np.roll(self._maps, 2, axis=2) * 0.6 + np.roll(self._maps, 1, axis=1) * 0.3
        self._maps = (moved + random.uniform(0, 0.1, moved.shape)).astype(np.float32)
        return self._maps


class BlurredSegmenter(VideoSegmenter):
    def __init__(self, rule: MergeRule) -> None:
        super().__init__(None, rule=rule)
        self.opened: list[str | None] = []

    def session(self, size: tuple[int, int], name: str | None = None, **_: Any) -> Blurred:
        self.opened.append(name)
        return Blurred(size, self.merging)


@pytest.fixture(scope="module")
def world(tiny_world: Path) -> Dataset:
    return open_dataset("synthetic", tiny_world, "valid")


def label_maps(folder: Path, dataset: Dataset) -> dict[str, np.ndarray]:
    return {
        f"{video.name}/{frame}": read_label_map(result_path(folder, video, frame))
        for video in dataset.videos
        for frame in video.frame_names
        if result_path(folder, video, frame).is_file()
    }


@pytest.mark.parametrize("rule", [MergeRule("argmax", 0.4), MergeRule("last_wins", 0.3), MergeRule("soft_aggregation")])
def test_saved_maps_merge_to_the_same_label_maps(world: Dataset, tmp_path: Path, rule: MergeRule) -> None:
    for kind in ("png", "npz"):
        segment_dataset(BlurredSegmenter(rule), world, tmp_path / kind, ExtraOutputs(probabilities=kind))
        merge_folder(tmp_path / kind / "probabilities", tmp_path / f"merged {kind}", rule, workers=2)
        wanted, found = label_maps(tmp_path / kind, world), label_maps(tmp_path / f"merged {kind}", world)
        objects = [i for video in world.videos for i in video.object_ids]
        assert len(objects) > len(world.videos)
        # frames before the first object have no maps
        assert all(not wanted[name].any() for name in wanted.keys() - found.keys())
        pixels = np.concatenate([(labels != wanted[name]).ravel() for name, labels in found.items()])
        # what is rounded to a tie, or across the background, may go another way
        assert pixels.mean() < (0.01 if kind == "png" else 0.002)
        assert len({int(i) for labels in found.values() for i in np.unique(labels)}) > 1


def test_maps_are_continued_where_they_are_missing(world: Dataset, tmp_path: Path) -> None:
    first = BlurredSegmenter(MergeRule())
    segment_dataset(first, world, tmp_path)
    plain = {name: labels.tobytes() for name, labels in label_maps(tmp_path, world).items()}
    with_maps = ExtraOutputs(probabilities="png")
    assert not is_done(tmp_path, world.videos[0], with_maps)
    for _ in range(2):  # the second time there is nothing to do
        segment_dataset(first, world, tmp_path, with_maps)
    assert first.opened == [video.name for video in world.videos] * 2
    assert {name: labels.tobytes() for name, labels in label_maps(tmp_path, world).items()} == plain
    video = world.videos[1]
    maps = sorted((tmp_path / "probabilities" / video.name).iterdir())
    content = {path: path.read_bytes() for path in maps}
    last = video.frame_names[-1]
    for path in maps:
        if path.name.startswith(last):
            path.unlink()
    segment_dataset(first, world, tmp_path, with_maps)
    assert first.opened[-1] == video.name
    assert {path: path.read_bytes() for path in maps} == content
    assert not is_done(tmp_path, video, ExtraOutputs(probabilities="npz"))


def test_a_run_that_was_cut_off_is_not_taken_for_done(
    world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Label maps of an earlier run say nothing of the maps beside them."""
    segmenter, video = BlurredSegmenter(MergeRule()), world.videos[0]
    segment_dataset(segmenter, replace(world, videos=(video,)), tmp_path)
    write = write_probabilities

    def cut_off(folder: Path, frame: str, ids: Any, maps: Any, kind: str) -> None:
        if frame == video.frame_names[-1]:
            write(folder, frame, ids[:1], maps[:1], kind)
            raise OSError("no space left")
        write(folder, frame, ids, maps, kind)

    monkeypatch.setattr("vos_tf.inference.dataset_run.write_probabilities", cut_off)
    with pytest.raises(OSError, match="no space left"):
        segment_dataset(segmenter, replace(world, videos=(video,)), tmp_path, ExtraOutputs(probabilities="png"))
    assert not is_done(tmp_path, video, ExtraOutputs(probabilities="png"))


def test_merging_continues_and_notices_new_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps, out = tmp_path / "maps", tmp_path / "out"
    for frame in range(3):
        write_probabilities(maps / "a", str(frame), (1, 2), np.full((2, 6, 8), [[[0.7]], [[0.6]]], np.float32))
    assert merge_folder(maps, out, MergeRule()) == 3
    stamps = {path: path.stat().st_mtime_ns for path in sorted((out / "a").iterdir())}
    (out / "a" / "1.png").unlink()
    write_probabilities(maps / "a", "2", (2,), np.full((1, 6, 8), 0.9, np.float32))
    later = 1 + max(stamps.values())
    os.utime(maps / "a" / "2_object_002.png", ns=(later, later))
    merge_folder(maps, out, MergeRule())
    assert (out / "a" / "0.png").stat().st_mtime_ns == stamps[out / "a" / "0.png"]
    assert [int(read_label_map(out / "a" / f"{frame}.png")[0, 0]) for frame in range(3)] == [1, 1, 2]
    with pytest.raises(VosError, match="found those of other settings; choose another --out"):
        merge_folder(maps, out, MergeRule("argmax", 0.4))


def test_label_maps_get_the_size_of_their_frames(tmp_path: Path) -> None:
    """Maps at a network's size, as another implementation leaves them: resized before they are merged."""
    ramp = np.linspace(0, 1, 4, dtype=np.float32)[None].repeat(2, 0)
    (tmp_path / "maps" / "a").mkdir(parents=True)
    np.save(tmp_path / "maps" / "a" / "00001_3.npy", ramp)
    for frame in range(3):
        write_image(tmp_path / "frames" / "a" / f"{frame:05d}.jpg", np.zeros((6, 16, 3), np.uint8))
    assert merge_folder(tmp_path / "maps", tmp_path / "out", MergeRule(), like=tmp_path / "frames") == 3
    first, second, third = (read_label_map(tmp_path / "out" / "a" / f"{frame:05d}.png") for frame in range(3))
    assert first.shape == second.shape == third.shape == (6, 16)
    assert not first.any()
    assert not third.any()
    np.testing.assert_array_equal(second[0], np.where(np.arange(16) < 8, 0, 3))
    np.save(tmp_path / "maps" / "a" / "00009_3.npy", ramp)
    with pytest.raises(VosError, match="expected a frame for every map, found none for 00009"):
        merge_folder(tmp_path / "maps", tmp_path / "out2", MergeRule(), like=tmp_path / "frames")


def test_maps_of_two_sizes_are_named(tmp_path: Path) -> None:
    write_probabilities(tmp_path / "maps" / "a", "0", (1,), np.zeros((1, 4, 4), np.float32))
    write_probabilities(tmp_path / "maps" / "a", "0", (2,), np.zeros((1, 4, 5), np.float32))
    with pytest.raises(VosError, match=r"0_object_002\.png: expected 4x4 pixels .* like 0_object_001\.png, found 4x5"):
        merge_folder(tmp_path / "maps", tmp_path / "out", MergeRule())


def test_kinds_of_files_may_be_mixed(tmp_path: Path) -> None:
    folder = tmp_path / "maps" / "a"
    write_probabilities(folder, "0", (1,), np.full((1, 4, 4), 0.6, np.float32))
    write_probabilities(folder, "0", (2,), np.full((1, 4, 4), 0.7, np.float32), "npz")
    merge_folder(tmp_path / "maps", tmp_path / "out", MergeRule())
    assert (read_label_map(tmp_path / "out" / "a" / "0.png") == 2).all()


def test_the_command(tmp_path: Path) -> None:
    write_probabilities(tmp_path / "maps" / "a", "0", (5,), np.full((1, 4, 4), 0.45, np.float32))
    arguments = ["merge", str(tmp_path / "maps"), "--out", str(tmp_path / "out"), "--workers", "1"]
    result = CliRunner().invoke(app, [*arguments, "--background", "shashankvkt"])
    assert result.exit_code == 0, result.output
    assert result.output.endswith("out: 1 label maps\n")
    assert (read_label_map(tmp_path / "out" / "a" / "0.png") == 5).all()
    wrong = CliRunner().invoke(app, [*arguments, "--merge", "painted"])
    assert "found painted" in str(wrong.exception)


def test_maps_hold_the_given_mask_where_an_object_joins(world: Dataset, tmp_path: Path) -> None:
    segment_dataset(BlurredSegmenter(MergeRule()), world, tmp_path, ExtraOutputs(probabilities="npz"))
    for video in world.videos:
        for item in video.objects:
            path = tmp_path / "probabilities" / video.name / f"{item.first_frame}_object_{item.id:03d}.npz"
            given = video.read_mask(item.first_frame) == item.id
            np.testing.assert_array_equal(as_float(read_map(path)), given)
