"""Converted and converted back, a data set is the same: ids, frames, categories, masks."""

from __future__ import annotations

import shutil
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from video_worlds import SIZE, describe, draw, write_frame, write_video, youtube_world

from vos_tf.convert.converting import convert, open_splits, targets
from vos_tf.datasets import open_dataset
from vos_tf.datasets.companion import COMPANION
from vos_tf.datasets.registry import recognise
from vos_tf.datasets.still_images.polygons import read_polygons
from vos_tf.errors import VosError
from vos_tf.media.label_maps import read_label_map, write_label_map
from vos_tf.records.preprocess import preprocess


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return youtube_world(tmp_path_factory.mktemp("world") / "my videos")


@pytest.fixture(scope="module")
def converted(world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The world in every layout."""
    folders = {target: tmp_path_factory.mktemp("converted") / target for target in targets()}
    for target, folder in folders.items():
        convert(world, target, folder)
    return folders


@pytest.mark.parametrize("target", targets())
def test_there_and_back(world: Path, converted: dict[str, Path], target: str, tmp_path: Path) -> None:
    assert describe(converted[target]) == describe(world)
    convert(converted[target], "youtube-vos", tmp_path / "back")
    (tmp_path / "back" / COMPANION).unlink()  # the layout itself holds everything
    assert describe(tmp_path / "back") == describe(world)


@pytest.mark.parametrize(("first", "second"), list(permutations(targets(), 2)))
def test_from_each_layout_to_each_other(
    world: Path, converted: dict[str, Path], first: str, second: str, tmp_path: Path
) -> None:
    made = convert(converted[first], second, tmp_path / "out")
    assert (made.videos, made.frames, made.masks) == (3, 13, 7)
    assert describe(tmp_path / "out") == describe(world)


def test_without_the_companion_a_layout_still_holds_its_own(
    world: Path, converted: dict[str, Path], tmp_path: Path
) -> None:
    wanted = describe(world)
    for target in ("davis", "coco"):
        shutil.copytree(converted[target], tmp_path / target)
        (tmp_path / target / COMPANION).unlink()
        found = describe(tmp_path / target)
        assert [(item.name, item.frames, item.masks) for item in found] == [
            (item.name, item.frames, item.masks) for item in wanted
        ]
    categories = [[(item.id, item.category) for item in video.objects] for video in found]
    assert categories == [[(item.id, item.category) for item in video.objects] for video in wanted]


@pytest.mark.parametrize("target", targets())
def test_what_was_written_can_be_preprocessed(converted: dict[str, Path], target: str, tmp_path: Path) -> None:
    layout = recognise(converted[target])
    if target == "davis":  # which knows the objects of the first frame only, and says so of the others
        layout = layout._replace(splits=("valid",))
    for split in layout.splits:
        dataset = open_dataset(layout.name, converted[target], split)
        manifest = preprocess(dataset, tmp_path / split, size="native", workers=1)
        assert manifest.frame_count == sum(len(video.frames) for video in dataset.videos)


def test_frame_rates_survive(world: Path, converted: dict[str, Path]) -> None:
    for folder in (world, *converted.values()):
        layout = recognise(folder)
        assert {video.frame_rate for item in open_splits(folder, layout) for video in item.videos} == {Fraction(6)}


def test_davis_begins_with_the_first_object_and_says_so(tmp_path: Path) -> None:
    names = ["00000", "00001", "00002"]
    write_video(tmp_path / "in", "train", "0123456789", names, {"00001": (1,), "00002": (1, 2)})
    made = convert(tmp_path / "in", "davis", tmp_path / "out")
    assert [note.partition(":")[0] for note in made.notes[1:]] == [
        "frames before the first object were left out",
        "DAVIS follows the objects of the first frame only, here some appear later",
    ]
    (video,) = open_dataset("davis2017", tmp_path / "out", "train").videos
    assert video.frame_names == ("00001", "00002")
    assert video.object_ids == (1,)


def test_davis_2016_has_one_object_everywhere(tmp_path: Path) -> None:
    root = tmp_path / "DAVIS"
    labels = draw(0, (1,))
    write_frame(root / "JPEGImages/480p/bear/00000.jpg", 0)
    write_label_map(root / "Annotations/480p/bear/00000.png", 255 * labels)
    (root / "ImageSets/2016").mkdir(parents=True)
    (root / "ImageSets/2016/val.txt").write_text("bear\n")
    for target in targets():
        convert(root, target, tmp_path / target)
        (video,) = describe(tmp_path / target)
        assert video.masks == {"00000": labels.tobytes()}
        assert [item.id for item in video.objects] == [1]
    assert open_dataset("davis2016", tmp_path / "davis", "val").videos[0].object_ids == (1,)


def test_yolo_files_are_what_trainers_read(converted: dict[str, Path]) -> None:
    root = converted["yolo"]
    content = yaml.safe_load((root / "data.yaml").read_text())
    assert content["train"] == ["images/train"]
    assert content["val"] == ["images/valid"]
    assert set(content["names"].values()) == {"dog", "person", "a: b", "zebra", "object"}
    images = sorted(path.relative_to(root / "images").with_suffix("") for path in (root / "images").rglob("*.jpg"))
    labels = sorted(path.relative_to(root / "labels").with_suffix("") for path in (root / "labels").rglob("*.txt"))
    assert images == labels, "an image without labels would mean that nothing is there"
    classes = [item.category for item in read_polygons(root / "labels/train/plain/00000.txt")]
    assert [content["names"][number] for number in classes] == ["dog", "person"]


def test_still_images(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for index, name in enumerate(("deep/a", "b.1", "c")):
        write_frame(root / "images" / f"{name}.jpg", index)
        path = root / "masks" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_label_map(path, draw(index, (1, 5)))
    wanted = describe(root, "still_images")
    for target in targets():
        convert(root, target, tmp_path / target, dataset="still_images")
        assert describe(tmp_path / target) == wanted
    assert (tmp_path / "coco/all/b.1.jpg").is_file()
    assert (tmp_path / "yolo/labels/all/deep_a/a.txt").is_file()


def test_videos_that_would_share_a_folder_are_refused(tmp_path: Path) -> None:
    for name in ("a/b", "a_b"):
        write_frame(tmp_path / "in" / "JPEGImages" / name / "0.jpg", 0)
        (tmp_path / "in" / "Annotations" / name).mkdir(parents=True)
        write_label_map(tmp_path / "in" / "Annotations" / name / "0.png", draw(0, (1,)))
    with pytest.raises(VosError, match=r"a/b .* and a_b .*both would be written to a_b"):
        convert(tmp_path / "in", "coco", tmp_path / "out")


def test_one_split_only(world: Path, tmp_path: Path) -> None:
    convert(world, "coco", tmp_path / "out", split="valid")
    assert {video.split for video in describe(tmp_path / "out")} == {"valid"}
    with pytest.raises(VosError, match="expected one of the splits train, valid, found --split test"):
        convert(world, "coco", tmp_path / "other", split="test")


def test_a_mask_of_another_size_is_refused_with_the_way_out(tmp_path: Path) -> None:
    write_video(tmp_path / "in", "train", "0123456789", ["0", "1"], {"0": (1,)})
    write_label_map(tmp_path / "in/train/Annotations/0123456789/1.png", draw(1, (1,))[:, :-1])
    with pytest.raises(VosError, match=f"{SIZE[0]} x {SIZE[1]}.*{SIZE[0]} x {SIZE[1] - 1}; `vos-tf doctor` mends"):
        convert(tmp_path / "in", "coco", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_real_videos(shared: Path, tmp_path: Path) -> None:
    real = shared / "data/multi_object"
    source = tmp_path / "in"
    for kind, other in (("images", "JPEGImages"), ("masks", "Annotations")):
        shutil.copytree(real / kind / "bike", source / other / "bike")
    for index in range(4):
        for kind, suffix in (("JPEGImages", ".jpg"), ("Annotations", ".png")):
            path = source / kind / "chair" / f"frame_{index:06d}{suffix}"
            path.parent.mkdir(exist_ok=True)
            shutil.copy(real / "chair" / kind / path.name, path)
    wanted = describe(source)
    assert [[item.id for item in video.objects] for video in wanted] == [[1, 2], [1]]
    place = source
    for target in ("yolo", "davis", "coco", "youtube-vos"):
        convert(place, target, tmp_path / target)
        place = tmp_path / target
        assert describe(place) == wanted


def test_still_images_of_real_polygons(shared: Path, tmp_path: Path) -> None:
    names = sorted(path.stem for path in (shared / "data/coco128-seg/labels/train2017").iterdir())[:6]
    for kind, suffix in (("images", ".jpg"), ("labels", ".txt")):
        (tmp_path / "in" / kind / "train2017").mkdir(parents=True)
        for name in names:
            shutil.copy(
                shared / "data/coco128-seg" / kind / "train2017" / f"{name}{suffix}",
                tmp_path / "in" / kind / "train2017",
            )
    wanted = describe(tmp_path / "in")
    assert sum(len(video.objects) for video in wanted) > 10
    for target in ("coco", "yolo"):
        convert(tmp_path / "in", target, tmp_path / target)
        assert describe(tmp_path / target) == wanted


def test_masks_are_indexed_with_the_palette(converted: dict[str, Path]) -> None:
    path = converted["davis"] / "Annotations/480p/plain/00000.png"
    with Image.open(path) as image:
        assert image.mode == "P"
    assert set(np.unique(read_label_map(path))) == {0, 1, 2}
