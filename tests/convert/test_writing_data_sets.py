"""A data set appears when it is whole, continues after an interruption, and never leaves its folder."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from video_worlds import describe, write_frame, youtube_world

from vos_tf.commands.main import app
from vos_tf.convert import converting
from vos_tf.convert.converting import convert
from vos_tf.convert.staging import write_staged
from vos_tf.datasets import open_dataset, writing
from vos_tf.datasets.companion import COMPANION, read_companion
from vos_tf.datasets.video_copy import copy_of
from vos_tf.datasets.writing import FolderWriter, folder_inside, write_file
from vos_tf.errors import VosError


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return youtube_world(tmp_path / "in")


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


class Interrupted(KeyboardInterrupt):
    pass


def interrupt_after(monkeypatch: pytest.MonkeyPatch, videos: int) -> list[str]:
    """Names of the videos that are written; after so many of them, Ctrl-C."""
    written: list[str] = []
    whole = converting.ConvertJob.__call__

    def counted(job: converting.ConvertJob, root: Path) -> Any:
        if len(written) == videos:
            raise Interrupted
        result = whole(job, root)
        written.append(job.name)
        return result

    monkeypatch.setattr(converting.ConvertJob, "__call__", counted)
    return written


def test_an_interrupted_conversion_is_continued(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        first = interrupt_after(patch, 2)
        with pytest.raises(Interrupted):
            convert(world, "coco", out)
    assert not out.exists(), "half a data set must not be taken for a whole one"
    with monkeypatch.context() as patch:
        second = interrupt_after(patch, 99)
        convert(world, "coco", out)
    assert (len(first), len(second)) == (2, 1)
    assert describe(out) == describe(world)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert not list(out.glob(".*"))


def test_a_finished_conversion_is_found_finished(world: Path, tmp_path: Path) -> None:
    convert(world, "yolo", tmp_path / "out")
    before = snapshot(tmp_path / "out")
    assert convert(world, "yolo", tmp_path / "out").finished_before
    assert snapshot(tmp_path / "out") == before


def test_files_that_changed_in_between_are_noticed(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(Interrupted):
            convert(world, "coco", tmp_path / "out")
    os.utime(world / "train/JPEGImages/plain/00000.jpg", ns=(1, 1))
    with pytest.raises(VosError, match=r"\.out\.unfinished: expected .* files that have changed since; remove"):
        convert(world, "coco", tmp_path / "out")


def test_the_original_is_only_read(world: Path, tmp_path: Path) -> None:
    before = snapshot(world)
    for target in converting.targets():
        convert(world, target, tmp_path / target)
    assert snapshot(world) == before


def test_several_workers_write_the_same(world: Path, tmp_path: Path) -> None:
    convert(world, "coco", tmp_path / "one")
    convert(world, "coco", tmp_path / "two", workers=2)
    names = [sorted(snapshot(tmp_path / name)) for name in ("one", "two")]
    assert names[0] == names[1]
    assert describe(tmp_path / "one") == describe(tmp_path / "two")


@pytest.mark.parametrize("place", ["in/train/out", "in", "."])
def test_a_folder_within_the_original_or_around_it_is_refused(world: Path, tmp_path: Path, place: str) -> None:
    with pytest.raises(VosError, match="expected a folder apart from"):
        convert(world, "coco", tmp_path / place)


def test_a_folder_with_other_files_is_refused(world: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    with pytest.raises(VosError, match="expected a new or empty folder to write to, found other files"):
        convert(world, "coco", tmp_path / "out")
    (tmp_path / "out/notes.txt").unlink()
    assert not convert(world, "coco", tmp_path / "out").finished_before


def test_a_full_disk_keeps_what_is_finished(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def full(path: Path, content: bytes) -> None:
        if len(written) == 12:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_file(path, content)
        written.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_file", full)
        with pytest.raises(VosError, match=r"No space left on device.*kept, run the same command again"):
            convert(world, "youtube-vos", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    convert(world, "youtube-vos", tmp_path / "out")
    assert describe(tmp_path / "out") == describe(world)


class TestNames:
    @pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:\\evil", "..\\evil", "", "a\0b"])
    def test_folders_stay_within(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(VosError, match="expected names of videos inside the data set"):
            folder_inside(tmp_path / "out", name)
        assert not list(tmp_path.rglob("evil"))

    def test_links_are_not_followed_out(self, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "out").mkdir()
        (tmp_path / "out/train").symlink_to(tmp_path / "outside")
        with pytest.raises(VosError, match="found a link that leads out of it"):
            folder_inside(tmp_path / "out", "train")
        (tmp_path / "outside/a.txt").write_text("old")
        (tmp_path / "out/a.txt").symlink_to(tmp_path / "outside/a.txt")
        write_file(tmp_path / "out/a.txt", b"new")
        assert (tmp_path / "outside/a.txt").read_text() == "old"

    def test_a_link_in_place_of_the_unfinished_folder(self, world: Path, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / ".out.unfinished").symlink_to(tmp_path / "outside")
        with pytest.raises(VosError, match="found a link"):
            convert(world, "coco", tmp_path / "out")
        assert not list((tmp_path / "outside").iterdir())

    @pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "..\\evil"])
    def test_meta_json(self, world: Path, tmp_path: Path, name: str) -> None:
        path = world / "train/meta.json"
        content = json.loads(path.read_text())
        content["videos"][name] = content["videos"].pop("plain")
        path.write_text(json.dumps(content))
        with pytest.raises(VosError, match=r"meta\.json: expected names of videos inside the data set"):
            convert(world, "davis", tmp_path / "out")

    @pytest.mark.parametrize("name", ["../evil.jpg", "/tmp/evil.jpg"])
    def test_coco(self, world: Path, tmp_path: Path, name: str) -> None:
        convert(world, "coco", tmp_path / "coco")
        path = tmp_path / "coco/annotations/instances_train.json"
        content = json.loads(path.read_text())
        content["images"][0]["file_name"] = name
        path.write_text(json.dumps(content))
        with pytest.raises(VosError, match=r"instances_train\.json: expected names of videos inside the data set"):
            convert(tmp_path / "coco", "davis", tmp_path / "out")

    @pytest.mark.parametrize(("key", "value"), [("name", "../evil"), ("folder", "/evil"), ("split", ".."),
                                                ("frames", ["../../evil"])])  # fmt: skip
    def test_companion(self, world: Path, tmp_path: Path, key: str, value: object) -> None:
        convert(world, "yolo", tmp_path / "yolo")
        path = tmp_path / "yolo" / COMPANION
        content = json.loads(path.read_text())
        content["videos"][0][key] = value
        path.write_text(json.dumps(content))
        with pytest.raises(VosError, match=r"vos_tf\.json: expected names of videos inside the data set"):
            convert(tmp_path / "yolo", "davis", tmp_path / "out")

    def test_davis_lists(self, world: Path, tmp_path: Path) -> None:
        convert(world, "davis", tmp_path / "davis")
        (tmp_path / "davis/ImageSets/2017/train.txt").write_text("../../evil\n")
        with pytest.raises(VosError, match=r"train\.txt: expected names of videos inside the data set"):
            convert(tmp_path / "davis", "coco", tmp_path / "out")


class TestCompanion:
    @pytest.mark.parametrize(
        "content", ["[]", "{", '{"version": 2}', '{"version": 1, "layout": "yolo", "plan": "x", "videos": [{}]}']
    )
    def test_other_content_is_refused(self, tmp_path: Path, content: str) -> None:
        (tmp_path / COMPANION).write_text(content)
        with pytest.raises(VosError, match=r"vos_tf\.json: expected"):
            read_companion(tmp_path)

    def test_frames_that_are_gone_are_noticed(self, world: Path, tmp_path: Path) -> None:
        convert(world, "davis", tmp_path / "davis")
        (tmp_path / "davis/JPEGImages/480p/plain/00025.jpg").unlink()
        with pytest.raises(VosError, match=r"expected the 6 frames of video plain .* remove this file"):
            convert(tmp_path / "davis", "coco", tmp_path / "out")

    def test_label_files_that_changed_are_noticed(self, world: Path, tmp_path: Path) -> None:
        convert(world, "yolo", tmp_path / "yolo")
        path = tmp_path / "yolo/labels/train/plain/00000.txt"
        path.write_text(path.read_text().splitlines()[0])
        with pytest.raises(VosError, match=r"00000\.txt: expected 2 lines as when it was written, found 1"):
            convert(tmp_path / "yolo", "coco", tmp_path / "out")


@dataclass(frozen=True)
class BrokenJob:
    name: str = "broken"
    frames: int = 1

    def __call__(self, root: Path) -> None:
        raise VosError("broken: expected a whole frame, found a damaged one")


def test_a_broken_video_ends_the_run_and_leaves_nothing_under_its_name(tmp_path: Path) -> None:
    with pytest.raises(VosError, match="expected a whole frame"):
        write_staged(tmp_path / "out", "plan", [BrokenJob()], lambda root, entries: None, description="test")
    assert not (tmp_path / "out").exists()


def test_names_of_frames_are_checked(tmp_path: Path, world: Path) -> None:
    video = open_dataset("youtube_vos", world, "valid").videos[0]
    job = converting.ConvertJob(copy_of(video, "../up"), FolderWriter())
    with pytest.raises(VosError, match="expected names of videos inside the data set"):
        job(tmp_path / "out")


class TestCommand:
    def run(self, *arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["convert", *map(str, arguments)])
        if isinstance(result.exception, VosError):
            return 1, str(result.exception)
        return result.exit_code, result.output

    def test_says_what_it_did(self, world: Path, tmp_path: Path) -> None:
        code, text = self.run(world, "--to", "davis", "--out", tmp_path / "out")
        assert code == 0
        assert "note: DAVIS follows the objects of the first frame only, here some appear later: später, 2.5 m" in text
        assert "(youtube_vos) -> " in text
        assert "(davis2017): 3 videos in train, valid, 13 frames, 7 masks" in text
        assert "finished before" in self.run(world, "--to", "davis", "--out", tmp_path / "out")[1]

    def test_what_is_no_data_set(self, tmp_path: Path) -> None:
        write_frame(tmp_path / "in/holiday.jpg", 0)
        code, text = self.run(tmp_path / "in", "--to", "coco", "--out", tmp_path / "out")
        assert code == 1
        assert "expected a data set (JPEGImages and Annotations, images and masks" in text
        assert "found holiday.jpg" in text
        shutil.rmtree(tmp_path / "in")
        assert self.run(tmp_path / "in", "--to", "coco", "--out", tmp_path / "out")[0] == 1
