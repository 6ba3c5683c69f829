"""What a repaired copy holds, and how it is made."""

from __future__ import annotations

import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clean_trees import COUNT, SIZE, Tree, frame, labels, only_video, soft
from faults_to_plant import (
    binary,
    black,
    cut_short,
    duplicate,
    late,
    phantoms,
    seam,
    soft_rgb,
    twice_the_rate,
    unsorted,
)
from PIL import Image

from vos_tf.doctor import diagnose
from vos_tf.doctor.diagnose import diagnose_dataset, repair
from vos_tf.errors import VosError
from vos_tf.media.label_maps import VOID, write_label_map


def test_masks_of_0_and_255_are_one_object_in_a_folder(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder", (1,))
    tree.each_mask(binary)
    assert diagnose_dataset(tree.root).findings == ()


def test_antialiased_masks_are_cut_at_half(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder", (1,))
    soft_rgb(tree)
    repair(tree.root, tmp_path / "copy")
    video = only_video(tmp_path / "copy")
    for index, name in enumerate(video.frame_names):
        wanted = soft(255 * labels(index, (1,))) >= 128
        np.testing.assert_array_equal(video.read_mask(name), wanted)


def test_phantom_ids_become_those_beside_them(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder", (10, 20))
    phantoms(tree)
    repair(tree.root, tmp_path / "copy")
    video = only_video(tmp_path / "copy")
    found, wanted = video.read_mask("00002"), labels(2, (1, 2))
    assert set(np.unique(found)) == {0, 1, 2}
    assert (found != wanted).sum() <= 2 * 4 * 16  # at most a rim of one pixel around each square


def test_a_seam_goes_to_its_neighbours(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder", (1, 5))
    seam(tree)
    repair(tree.root, tmp_path / "copy")
    found = only_video(tmp_path / "copy").read_mask("00002")
    assert set(np.unique(found)) == {0, 1, 2}
    assert found[15, 20] == 1
    assert found[15, 21] == 2


def test_new_names_and_lists_follow(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "youtube_vos")
    unsorted(tree)
    duplicate_name = tree.frames / "frame8.jpg"
    shutil.copy(tree.frames / "frame7.jpg", duplicate_name)
    repair(tree.root, tmp_path / "copy")
    content = json.loads((tmp_path / "copy/train/meta.json").read_text())
    names = [f"{index:05d}" for index in range(COUNT - 1)]
    assert content["videos"]["walk"]["objects"]["1"] == {"category": "dog", "frames": names}
    assert sorted(path.stem for path in (tmp_path / "copy/train/JPEGImages/walk").iterdir()) == names


def test_a_repeated_frame_gives_its_mask_to_the_one_it_repeats(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    duplicate(tree)
    tree.mask(3).unlink()
    repair(tree.root, tmp_path / "copy")
    video = only_video(tmp_path / "copy")
    np.testing.assert_array_equal(video.read_mask("00003"), labels(4))


def test_the_frame_rate_is_put_right(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    twice_the_rate(tree)
    repair(tree.root, tmp_path / "copy")
    assert only_video(tmp_path / "copy").frame_rate == Fraction(12)


def test_objects_that_come_late_are_void_in_davis(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "davis2017")
    late(tree)
    repair(tree.root, tmp_path / "copy")
    video = only_video(tmp_path / "copy")
    assert video.object_ids == (1,)
    np.testing.assert_array_equal(video.read_mask("00004") == VOID, labels(4) == 2)


def test_a_small_thin_object_is_no_phantom(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder", (1,))
    for index in range(COUNT):
        values = labels(index, (1,))
        values[10:30, 50:52] = 2
        write_label_map(tree.mask(index), values)
    assert diagnose_dataset(tree.root).findings == ()


def test_steps_of_numbers_stay(tmp_path: Path) -> None:
    """YouTube-VOS names every fifth frame: that is no gap."""
    tree = Tree(tmp_path / "mine", "youtube_vos")
    new = {name: f"{5 * int(name):05d}" for name in reversed(tree.names)}
    for folder, suffix in ((tree.frames, ".jpg"), (tree.masks, ".png")):
        for name, other in new.items():
            (folder / f"{name}{suffix}").rename(folder / f"{other}{suffix}")
    tree.write_meta({key: {"category": "dog", "frames": sorted(new.values())} for key in "12"})
    report = diagnose_dataset(tree.root)
    assert report.findings == ()
    assert report.videos[0].step == 5
    assert "every fifth frame, 6 per second" in report.edition("train")


def test_a_missing_meta_json_is_rebuilt(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "youtube_vos")
    (tree.root / "train/meta.json").unlink()
    (finding,) = diagnose_dataset(tree.root, dataset="youtube_vos").findings
    assert (finding.kind, finding.level) == ("list", "remark")
    assert "missing: categories are unknown, and objects are taken from the masks" in finding.words
    repair(tree.root, tmp_path / "copy", dataset="youtube_vos")
    content = json.loads((tmp_path / "copy/train/meta.json").read_text())
    assert content["videos"]["walk"]["objects"]["2"] == {"category": "object", "frames": tree.names}
    assert diagnose_dataset(tmp_path / "copy").findings == ()


def test_all_frames_that_are_not_all(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "youtube_vos")
    folder = tree.root / "train_all_frames/JPEGImages/walk"
    folder.mkdir(parents=True)
    for index in range(4):
        frame(index).save(folder / f"{5 * index:05d}.jpg")
    (finding,) = diagnose_dataset(tree.root).findings
    assert finding.kind == "frame rate"
    assert "only every 5th of them: the edition of 6 frames per second" in finding.words
    repair(tree.root, tmp_path / "copy")
    assert not (tmp_path / "copy/train_all_frames").exists()


def test_what_cannot_be_mended_is_left_out(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    for name in ("empty", "bare", "photographs"):
        shutil.copytree(tree.frames, tree.frames.parent / name)
    for name in ("empty", "photographs"):
        (tree.masks.parent / name).mkdir()
        for index in range(COUNT):
            path = tree.masks.parent / name / f"{index:05d}.png"
            if name == "empty":
                write_label_map(path, np.zeros(SIZE, np.uint8))
            else:
                frame(index, (96, 128)).resize(SIZE[::-1]).save(path)
    (tree.frames.parent / "nothing").mkdir()
    report, made = repair(tree.root, tmp_path / "copy")
    assert report is not None
    kinds = {item.video: item.kind for item in report.findings if item.kind not in ("soft", "colours")}
    assert kinds == {"empty": "objects", "bare": "masks", "photographs": "objects", "nothing": "frames"}
    assert made.videos == 1
    assert set(made.left_out) == {"empty", "bare", "photographs", "nothing"}
    assert diagnose_dataset(tmp_path / "copy").findings == ()


def test_a_whole_data_set_of_nothing_is_refused(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    tree.each_mask(lambda values: Image.fromarray(0 * values))
    with pytest.raises(VosError, match="expected a video that can be repaired, found none"):
        repair(tree.root, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_an_interrupted_repair_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    shutil.copytree(tree.frames, tree.frames.parent / "run")
    shutil.copytree(tree.masks, tree.masks.parent / "run")
    looked: list[str] = []
    whole = diagnose.diagnose_video

    def counted(root: Path, video: diagnose.ScannedVideo) -> object:
        if len(looked) == 1 and not (tmp_path / "again").exists():
            raise KeyboardInterrupt
        looked.append(video.name)
        return whole(root, video)

    monkeypatch.setattr(diagnose, "diagnose_video", counted)
    with pytest.raises(KeyboardInterrupt):
        repair(tree.root, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    (tmp_path / "again").mkdir()
    report, _ = repair(tree.root, tmp_path / "copy")
    assert looked == ["run", "walk"]
    assert report is not None
    assert len(report.videos) == 2
    assert repair(tree.root, tmp_path / "copy")[1].finished_before


def test_several_workers_find_the_same(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    shutil.copytree(tree.frames, tree.frames.parent / "run")
    shutil.copytree(tree.masks, tree.masks.parent / "run")
    cut_short(tree.image(2))
    black(tree)
    assert diagnose_dataset(tree.root, workers=2).findings == diagnose_dataset(tree.root).findings


@pytest.mark.skipif(os.geteuid() == 0, reason="the root user reads everything")
def test_files_that_may_not_be_read(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    tree.image(2).chmod(0)
    assert "damaged" in {item.kind for item in diagnose_dataset(tree.root).findings}
