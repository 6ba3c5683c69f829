"""The doctor on real data: clean data has no finding, and what is found elsewhere is true."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos_tf.convert.converting import open_splits
from vos_tf.datasets import open_dataset
from vos_tf.datasets.registry import layout_of, recognise
from vos_tf.doctor.diagnose import diagnose_dataset, repair
from vos_tf.doctor.diagnose_video import diagnose_video
from vos_tf.media.images import read_image
from vos_tf.media.label_maps import read_label_map
from vos_tf.records.preprocess import preprocess


def test_davis_is_clean(shared: Path, tmp_path: Path) -> None:
    """Every sequence, of each its first and last frames: all of them take long."""
    root = shared / "data/davis2016"
    for path in sorted((root / "JPEGImages/480p").iterdir()):
        names = sorted(item.stem for item in path.iterdir())
        for kind, suffix in (("JPEGImages", ".jpg"), ("Annotations", ".png")):
            folder = tmp_path / kind / "480p" / path.name
            folder.mkdir(parents=True)
            for name in (*names[:3], *names[-1:]) if path.name == "bear" else names[:3]:
                (folder / f"{name}{suffix}").write_bytes(
                    (root / kind / "480p" / path.name / f"{name}{suffix}").read_bytes()
                )
    shutil.copytree(root / "ImageSets/2016", tmp_path / "ImageSets/2016")
    report = diagnose_dataset(tmp_path)
    assert [item.kind for item in report.findings] == ["missing frames"]  # those of bear that were not copied
    assert report.edition("train") == "not a whole edition: DAVIS-2016 has 30 videos"
    assert [len(videos) for videos in report.splits.values()] == [6, 3]


@pytest.mark.slow
def test_all_of_davis_is_clean(shared: Path) -> None:
    assert diagnose_dataset(shared / "data/davis2016").findings == ()


def test_a_video_saved_with_another_rate(shared: Path) -> None:
    """25 frames per second saved as 30: every sixth frame is that before."""
    root = shared / "data/multi_object/chair"
    recognised = recognise(root)
    found = layout_of(recognised.name).scan_all(root, recognised)
    assert [item.words for item in found.findings] == ["neither frame nor mask: chair.mp4, incorrect/"]
    diagnosis = diagnose_video(root, found.videos[0])
    (finding,) = diagnosis.findings
    assert finding.kind == "frame rate"
    assert finding.words.startswith("of 6 frames only 5 are new")
    assert "as 25 per second saved as 30" in finding.words
    assert diagnosis.frames.ratio == Fraction(5, 6)
    for name, other in diagnosis.frames.repeats.items():
        pair = [read_image(root / f"JPEGImages/{item}.jpg") for item in (name, other)]
        np.testing.assert_array_equal(*pair)


def test_sparse_masks_one_of_another_size(shared: Path, tmp_path: Path) -> None:
    real = shared / "data/multi_object"
    shutil.copytree(real / "images/judo", tmp_path / "mine/images/judo")
    shutil.copytree(real / "masks/judo", tmp_path / "mine/masks/judo")
    (finding,) = diagnose_dataset(tmp_path / "mine").findings
    assert (finding.kind, finding.file) == ("mask size", "masks/judo/00005.png")
    assert "480 x 853, while its frame has 480 x 854" in finding.words
    repair(tmp_path / "mine", tmp_path / "copy")
    assert diagnose_dataset(tmp_path / "copy").findings == ()
    (video,) = open_splits(tmp_path / "copy", recognise(tmp_path / "copy"))[0].videos
    assert {frame: set(np.unique(video.read_mask(frame))) - {0} for frame in video.masks} == {
        "00000": {1}, "00005": {2}, "00008": {3}, "00013": {4},
    }  # fmt: skip
    mask = read_label_map(real / "masks/judo/00005.png")
    np.testing.assert_array_equal(video.read_mask("00005")[:, :426], mask[:, :426])
    np.testing.assert_array_equal(video.read_mask("00005")[:, 428:], mask[:, 427:])


def test_colour_masks_in_folders_of_their_own(shared: Path, tmp_path: Path) -> None:
    """A video of SegTrack: frames in x, antialiased colour masks in y; two of its frames repeat others."""
    root = shared / "data/segtrackv2_bmx/dataset/train"
    report, _ = repair(root, tmp_path / "copy")
    assert report is not None
    assert {item.kind: item.count for item in report.findings} == {
        "layout": 1, "colours": 23, "soft": 23, "duplicate frames": 2, "stray": 1,
    }  # fmt: skip
    assert diagnose_dataset(tmp_path / "copy").findings == ()
    (video,) = open_dataset("folder", tmp_path / "copy", "all").videos
    assert (video.name, len(video.frames), video.object_ids) == ("bmx", 21, (1,))
    names = [f"bmx_{number:05d}" for number in range(6668, 6691) if number not in (6682, 6687)]
    for name, old in list(zip(video.frame_names, names, strict=True))[::5]:
        wanted = np.asarray(Image.open(root / f"y/{old}.png"))[..., 0] > 127
        np.testing.assert_array_equal(video.read_mask(name), wanted)
        assert video.masks[name].is_file()
    opened = open_dataset("folder", tmp_path / "copy", "all")
    assert preprocess(opened, tmp_path / "records", size="short:90", workers=1).frame_count == 21


def test_frames_and_masks_in_one_folder(shared: Path, tmp_path: Path) -> None:
    root = shared / "data/ytvos_opn_sample"
    report, made = repair(root, tmp_path / "copy")
    assert report is not None
    assert {item.kind for item in report.findings} == {"layout", "names"}
    assert made.videos == 11
    assert diagnose_dataset(tmp_path / "copy").findings == ()
    dataset = open_dataset("folder", tmp_path / "copy", "all")
    assert {video.name: len(video.frames) for video in dataset.videos} == {
        path.name: 5 for path in (root / "Image_inputs").iterdir()
    }
    video = dataset.videos[0]
    wanted = read_label_map(root / f"Image_inputs/{video.name}/mask_3.png", single_object=True)
    np.testing.assert_array_equal(video.read_mask("gt_3"), wanted)


def test_still_images_of_another_size(shared: Path, tmp_path: Path) -> None:
    root = shared / "data/human_segmentation"
    for kind, suffix in (("Training_Images", ".jpg"), ("Ground_Truth", ".png")):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        for name in ("1", "9", "53"):
            shutil.copy(root / kind / f"{name}{suffix}", tmp_path / "mine" / kind)
    (finding,) = diagnose_dataset(tmp_path / "mine").findings
    assert (finding.kind, finding.level, finding.file) == ("mask size", "remark", "Ground_Truth/53.png")
    before = {
        video.name: video.read_mask(video.name)
        for video in open_dataset("still_images", tmp_path / "mine", "all").videos
    }
    repair(tmp_path / "mine", tmp_path / "copy")
    assert diagnose_dataset(tmp_path / "copy").findings == ()
    for video in open_dataset("still_images", tmp_path / "copy", "all").videos:
        np.testing.assert_array_equal(video.read_mask(video.name), before[video.name])


def test_polygons_are_clean(shared: Path, tmp_path: Path) -> None:
    names = sorted(path.stem for path in (shared / "data/coco128-seg/labels/train2017").iterdir())[:5]
    for kind, suffix in (("images", ".jpg"), ("labels", ".txt")):
        (tmp_path / kind / "train2017").mkdir(parents=True)
        for name in names:
            shutil.copy(shared / f"data/coco128-seg/{kind}/train2017/{name}{suffix}", tmp_path / kind / "train2017")
    assert diagnose_dataset(tmp_path).findings == ()
