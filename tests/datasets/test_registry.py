import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from data_set_trees import Tree

from vos_tf.datasets import dataset_names, open_dataset
from vos_tf.errors import VosError


def small_davis(tree: Tree) -> None:
    for name in ("bear", "camel"):
        tree.frames(f"JPEGImages/480p/{name}", ["00000", "00001"])
        tree.masks(f"Annotations/480p/{name}", {"00000": [1, 2], "00001": [2]})
    tree.text("ImageSets/2017/val.txt", "bear\ncamel\n")
    tree.text("ImageSets/2016/val.txt", "bear\ncamel\n")


def test_all_layouts_are_known_and_close_names_are_suggested(tmp_path: Path):
    known = {"davis2016", "davis2017", "youtube_vos", "tianchi", "folder", "still_images", "coco", "yolo", "synthetic"}
    assert known <= set(dataset_names())
    with pytest.raises(VosError, match="did you mean 'davis2017'"):
        open_dataset("davis-217", tmp_path, "val")


@pytest.mark.parametrize("name", ["davis2016", "davis2017", "youtube_vos", "tianchi", "folder"])
def test_missing_root(tmp_path: Path, name: str):
    with pytest.raises(VosError, match="expected the folder of a data set, found nothing"):
        open_dataset(name, tmp_path / "none", "train")
    (tmp_path / "file").touch()
    with pytest.raises(VosError, match="found a file"):
        open_dataset(name, tmp_path / "file", "train")


def test_options_reach_the_layout(tree: Tree):
    small_davis(tree)
    with pytest.raises(VosError, match="expected a folder 1080p"):
        tree.frames("JPEGImages/Full-Resolution/bear", ["00000"])
        open_dataset("davis2017", tree.root, "val", resolution="1080p")


def test_fingerprint_is_the_same_elsewhere_and_in_later_versions(tree: Tree, tmp_path: Path):
    small_davis(tree)
    here = open_dataset("davis2017", tree.root, "val")
    shutil.copytree(tree.root, tmp_path / "copy")
    assert open_dataset("davis2017", tmp_path / "copy", "val").fingerprint == here.fingerprint
    assert here.fingerprint == "bcbe1bb55d2a6b9c"


def test_fingerprint_tells_editions_apart(tree: Tree):
    small_davis(tree)
    dataset = open_dataset("davis2017", tree.root, "val")
    bear, camel = dataset.videos
    changed = [
        replace(dataset, name="davis2016"),
        replace(dataset, split="train"),
        replace(dataset, videos=(bear,)),
        replace(dataset, videos=(camel, bear)),
        replace(dataset, videos=(bear, replace(camel, name="kamel"))),
        replace(dataset, videos=(bear, replace(camel, size=(6, 9)))),
        replace(dataset, videos=(bear, replace(camel, frames=camel.frames[:1]))),
        replace(dataset, videos=(bear, replace(camel, masks={"00000": camel.masks["00000"]}))),
        replace(dataset, videos=(bear, replace(camel, objects=camel.objects[:1]))),
    ]
    prints = [item.fingerprint for item in [dataset, *changed]]
    assert len(set(prints)) == len(prints)
    assert replace(dataset, notes=("seen",), root=Path("/elsewhere")).fingerprint == prints[0]


def test_video_answers_for_its_parts(tree: Tree):
    small_davis(tree)
    video = open_dataset("davis2017", tree.root, "val").videos[0]
    assert video.frame_names == ("00000", "00001")
    assert video.object_ids == (1, 2)
    assert video.frame_rate == Fraction(24)
    assert video.read_mask("00001").max() == 2
    with pytest.raises(KeyError):
        video.read_mask("00002")
