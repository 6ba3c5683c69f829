"""COCO annotations as other tools write them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_set_trees import Tree

from vos_tf.datasets import open_dataset
from vos_tf.datasets.registry import recognise
from vos_tf.errors import VosError
from vos_tf.media.label_maps import VOID
from vos_tf.records.preprocess import preprocess

CATEGORIES = [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}]
LEFT = [0, 0, 4, 0, 4, 6, 0, 6]  # the left half of an image of 6 x 8 pixels
CORNER = [0, 0, 2, 0, 2, 2, 0, 2]


def image(number: int, **extra: object) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number:03d}.jpg", "height": 6, "width": 8, **extra}


def shape(number: int, of: int, category: int, *parts: Sequence[float], **extra: object) -> dict[str, Any]:
    return {"id": number, "image_id": of, "category_id": category, "segmentation": list(parts), **extra}


def lengths(segmentation: object) -> dict[str, Any]:
    return shape(1, 1, 3) | {"segmentation": segmentation}


def write(tree: Tree, content: Mapping[str, object], folder: str = "val2017", count: int = 2) -> None:
    tree.frames(folder, [f"{number:03d}" for number in range(1, count + 1)])
    tree.json("annotations/instances_val2017.json", {"categories": CATEGORIES, **content})


def labels_of(tree: Tree, video: int = 0, split: str = "val2017") -> dict[str, np.ndarray]:
    opened = open_dataset("coco", tree.root, split).videos[video]
    return {frame: opened.read_mask(frame) for frame in opened.masks}


@pytest.mark.parametrize("folder", ["val2017", "images/val2017", "images"])
def test_images_are_videos_of_one_frame(tree: Tree, folder: str) -> None:
    annotations = [shape(7, 1, 9, LEFT), shape(8, 1, 3, CORNER), shape(9, 2, 3, CORNER, [6, 4, 8, 4, 8, 6, 6, 6])]
    write(tree, {"images": [image(1), image(2)], "annotations": annotations}, folder)
    assert recognise(tree.root)[:2] == ("coco", ("val2017",))
    dataset = open_dataset("coco", tree.root, "val2017")
    assert [(video.name, video.frame_names, video.size) for video in dataset.videos] == [
        ("001", ("001",), (6, 8)),
        ("002", ("002",), (6, 8)),
    ]
    first, second = dataset.videos
    assert [(item.id, item.category) for item in first.objects] == [(1, "dog"), (2, "cat")]
    wanted = np.zeros((6, 8), np.uint8)
    wanted[:, :4] = 1
    wanted[:2, :2] = 2  # the smaller one is on top
    np.testing.assert_array_equal(first.read_mask("001"), wanted)
    assert second.read_mask("002").sum() == 8, "parts of one object add up"


def test_images_without_an_object_are_left_out_with_a_note(tree: Tree) -> None:
    tiny = [2.1, 2.1, 2.3, 2.1, 2.3, 2.3]  # no centre of a pixel lies inside
    write(tree, {"images": [image(1), image(2)], "annotations": [shape(1, 1, 3, LEFT), shape(2, 2, 3, tiny)]})
    dataset = open_dataset("coco", tree.root, "val2017")
    assert [video.name for video in dataset.videos] == ["001"]
    assert "002" in dataset.notes[0]


def test_crowds_are_void(tree: Tree) -> None:
    counts = [24, 24]  # the right half, column by column
    crowd = shape(1, 1, 3, iscrowd=1) | {"segmentation": {"size": [6, 8], "counts": counts}}
    write(tree, {"images": [image(1)], "annotations": [crowd, shape(2, 1, 9, LEFT)]})
    labels = labels_of(tree)["001"]
    assert (labels[:, :4] == 1).all()
    assert (labels[:, 4:] == VOID).all()


def test_frames_of_videos(tree: Tree) -> None:
    images = [image(1, video_id=5, frame_id=1), image(2, video_id=5, frame_id=0), image(3)]
    annotations = [
        shape(1, 1, 3, LEFT, track_id=1000),
        shape(2, 2, 9, CORNER, track_id=999),
        shape(3, 2, 3, LEFT, track_id=1000),
        shape(4, 3, 3, LEFT),
    ]
    write(tree, {"videos": [{"id": 5, "name": "walk"}], "images": images, "annotations": annotations}, count=3)
    video, still = open_dataset("coco", tree.root, "val2017").videos
    assert (video.name, video.frame_names) == ("walk", ("002", "001"))
    assert [(item.id, item.category, item.first_frame) for item in video.objects] == [
        (1, "dog", "002"),
        (2, "cat", "002"),
    ]
    assert set(np.unique(video.read_mask("001"))) == {0, 2}
    assert still.name == "003"


def test_youtube_vis(tree: Tree) -> None:
    tree.frames("train/walk", ["00000", "00005"])
    names = ["walk/00000.jpg", "walk/00005.jpg"]
    half = {"size": [6, 8], "counts": [24, 24]}
    tracks = [
        {"id": 1, "video_id": 4, "category_id": 9, "segmentations": [None, half]},
        {"id": 2, "video_id": 4, "category_id": 3, "segmentations": [{"size": [6, 8], "counts": "00`1"}, None]},
    ]
    videos = [{"id": 4, "file_names": names, "height": 6, "width": 8}]
    tracks[1]["segmentations"][0]["counts"] = [0, 6, 42]  # type: ignore[index]
    tree.json("train.json", {"videos": videos, "categories": CATEGORIES, "annotations": tracks})
    (video,) = open_dataset("coco", tree.root, "train").videos
    assert (video.name, video.frame_names) == ("walk", ("00000", "00005"))
    assert [(item.id, item.category, item.first_frame) for item in video.objects] == [
        (1, "dog", "00005"),
        (2, "cat", "00000"),
    ]


def test_annotations_beside_the_images(tree: Tree) -> None:
    for split in ("train", "valid"):
        tree.frames(split, ["001"])
        content = {"categories": CATEGORIES, "images": [image(1)], "annotations": [shape(1, 1, 3, LEFT)]}
        tree.json(f"{split}/_annotations.coco.json", content)
    assert recognise(tree.root).splits == ("train", "valid")
    assert len(open_dataset("coco", tree.root, "valid").videos) == 1


def test_records_can_be_made_of_them(tree: Tree, tmp_path: Path) -> None:
    write(tree, {"images": [image(1), image(2)], "annotations": [shape(1, 1, 3, LEFT), shape(2, 2, 9, CORNER)]})
    dataset = open_dataset("coco", tree.root, "val2017")
    assert preprocess(dataset, tmp_path / "records", size="native", workers=1).frame_count == 2
    reader = dataset.videos[0].mask_reader
    assert reader is not None
    assert repr(pickle.loads(pickle.dumps(reader))) == repr(reader)
    assert str(tree.root) not in repr(reader), "the fingerprint must not depend on where the folder lies"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": [image(1)], "annotations": [shape(1, 1, 3)]}, "expected masks, found annotation 1 without a segm"),
        ({"images": [image(1)], "annotations": [shape(1, 1, 3, [0, 0, 1, 1])]}, "found a polygon of 4 coordinates"),
        ({"images": [image(1)], "annotations": [shape(1, 1, 3, [0, 0, 1, 1, 2, float("nan")])]}, "a polygon of 6"),
        ({"images": [image(1)], "annotations": [{"id": 1}]}, "expected the structure of COCO, found KeyError"),
        ({"images": [{"id": 1}], "annotations": []}, "expected the structure of COCO, found KeyError"),
        ({"images": [], "annotations": []}, "expected images, found none"),
        (
            {"images": [image(1)], "annotations": [lengths({"size": [6, 8], "counts": "oo"})]},
            "expected packed run lengths",
        ),
        (
            {"images": [image(1)], "annotations": [lengths({"size": [9, 9], "counts": [81]})]},
            r"run lengths for \[9, 9\] in an image of \[6, 8\]",
        ),
        (
            {"images": [image(1)], "annotations": [lengths({"counts": [10**9]})]},
            "expected run lengths of 6 x 8 pixels",
        ),
        (
            {
                "videos": [{"id": 1, "name": "a"}],
                "images": [image(1, video_id=1), image(2, video_id=1)],
                "annotations": [shape(1, 1, 3, LEFT)],
            },
            "expected an instance_id in each annotation of video a",
        ),
        ({"images": [image(1), image(1) | {"id": 2}], "annotations": []}, "every video once, found several of 001"),
        ({"images": [image(1) | {"file_name": "no.jpg"}], "annotations": []}, "expected image no.jpg"),
    ],
)  # fmt: skip
def test_other_content_is_refused(tree: Tree, content: dict[str, object], message: str) -> None:
    write(tree, content)
    with pytest.raises(VosError, match=message):
        open_dataset("coco", tree.root, "val2017")


def test_no_such_split_and_no_annotations(tree: Tree) -> None:
    write(tree, {"images": [image(1)], "annotations": [shape(1, 1, 3, LEFT)]})
    tree.json("annotations/captions_val2017.json", {"images": [], "annotations": []})
    tree.text("annotations/broken.json", "{")
    with pytest.raises(VosError, match="expected COCO annotations of split 'train', found val2017"):
        open_dataset("coco", tree.root, "train")
