from pathlib import Path

import numpy as np
import pytest
from data_set_trees import Tree
from PIL import Image

from vos_tf.datasets.davis import open_davis2016, open_davis2017
from vos_tf.errors import VosError

FRAMES = ["00000", "00001", "00002"]


@pytest.fixture
def davis(tree: Tree) -> Tree:
    for name in ("bear", "camel"):
        tree.frames(f"JPEGImages/480p/{name}", FRAMES)
        tree.masks(f"Annotations/480p/{name}", {"00000": [1, 3], "00001": [1, 2, 3], "00002": [3, 255]})
    tree.text("ImageSets/2016/val.txt", "camel\nbear\n\n")
    tree.text("ImageSets/2017/val.txt", "bear \ncamel")
    pairs = [f"/JPEGImages/480p/{n}/{f}.jpg /Annotations/480p/{n}/{f}.png" for n in ("camel", "bear") for f in FRAMES]
    tree.text("ImageSets/480p/val.txt", "\n".join(pairs))
    return tree


def test_2017_takes_its_objects_from_the_first_mask(davis: Tree):
    dataset = open_davis2017(davis.root, "val")
    assert (dataset.name, dataset.split, dataset.notes) == ("davis2017", "val", ())
    assert [video.name for video in dataset.videos] == ["bear", "camel"]
    video = dataset.videos[0]
    assert video.object_ids == (1, 3)
    assert video.size == (6, 8)
    assert not video.single_object
    for item in video.objects:
        assert (item.first_frame, item.frames, item.category) == ("00000", tuple(FRAMES), None)
    assert sorted(np.unique(video.read_mask("00002"))) == [0, 3, 255]


def test_2016_merges_all_ids(davis: Tree):
    dataset = open_davis2016(davis.root, "val")
    assert [video.name for video in dataset.videos] == ["camel", "bear"]
    video = dataset.videos[0]
    assert video.object_ids == (1,)
    assert video.single_object
    assert video.read_mask("00001").ravel()[:4].tolist() == [1, 1, 1, 0]


def test_2016_reads_masks_with_several_channels(davis: Tree):
    values = np.zeros((6, 8, 4), np.uint8)
    values[..., 3] = 255
    values[2, 3, :3] = 255
    Image.fromarray(values).save(davis.root / "Annotations/480p/bear/00001.png")
    mask = open_davis2016(davis.root, "val").videos[1].read_mask("00001")
    assert np.argwhere(mask).tolist() == [[2, 3]]


def test_both_styles_of_lists_mean_the_same(davis: Tree):
    names = open_davis2016(davis.root, "val")
    (davis.root / "ImageSets/2016/val.txt").unlink()
    pairs = open_davis2016(davis.root, "val")
    assert pairs.videos == names.videos
    assert pairs.fingerprint == names.fingerprint


def test_a_list_of_pairs_can_leave_frames_out(davis: Tree):
    davis.text("ImageSets/480p/short.txt", "/JPEGImages/480p/bear/00000.jpg\n/JPEGImages/480p/bear/00002.jpg\n")
    video = open_davis2016(davis.root, "short").videos[0]
    assert video.frame_names == ("00000", "00002")
    assert sorted(video.masks) == ["00000", "00002"]


def test_test_sets_have_one_mask(davis: Tree):
    davis.text("ImageSets/2017/test-dev.txt", "bear")
    for frame in FRAMES[1:]:
        (davis.root / f"Annotations/480p/bear/{frame}.png").unlink()
    video = open_davis2017(davis.root, "test-dev").videos[0]
    assert list(video.masks) == ["00000"]
    assert video.objects[0].frames == tuple(FRAMES)


def test_resolution_is_chosen_or_the_only_one_taken(davis: Tree):
    davis.frames("JPEGImages/Full-Resolution/bear", FRAMES)
    davis.masks("Annotations/Full-Resolution/bear", {"00000": [1]})
    davis.text("ImageSets/2017/one.txt", "bear")
    assert "480p" in str(open_davis2017(davis.root, "one").videos[0].frames[0])
    full = open_davis2017(davis.root, "one", resolution="Full-Resolution")
    assert "Full-Resolution" in str(full.videos[0].frames[0])
    assert full.notes == ()
    with pytest.raises(VosError, match="expected a folder 4k, found 480p, Full-Resolution"):
        open_davis2017(davis.root, "one", resolution="4k")
    (davis.root / "JPEGImages/480p").rename(davis.root / "elsewhere")
    only = open_davis2017(davis.root, "one")
    assert only.videos == full.videos
    assert "Full-Resolution" in only.notes[0]


def test_unsupervised_masks_lie_elsewhere(davis: Tree):
    for name in ("bear", "camel"):
        davis.masks(f"Annotations_unsupervised/480p/{name}", {frame: [5, 6] for frame in FRAMES})
    assert open_davis2017(davis.root, "val", unsupervised=True).videos[0].object_ids == (5, 6)
    davis.text("ImageSets/2019/val.txt", "camel")
    assert [video.name for video in open_davis2017(davis.root, "val", unsupervised=True).videos] == ["camel"]


def test_missing_split_names_those_that_exist(davis: Tree):
    with pytest.raises(VosError, match=r"2017/test\.txt: expected the list of split 'test', found lists of val"):
        open_davis2017(davis.root, "test")


def damage_folder(davis: Tree) -> None:
    davis.text("ImageSets/2017/val.txt", "bear\nlion")


def damage_masks(davis: Tree) -> None:
    (davis.root / "Annotations/480p/bear").rename(davis.root / "gone")


def damage_frames(davis: Tree) -> None:
    for path in (davis.root / "JPEGImages/480p/bear").iterdir():
        path.unlink()


def damage_first_mask(davis: Tree) -> None:
    (davis.root / "Annotations/480p/bear/00000.png").unlink()


def damage_ids(davis: Tree) -> None:
    davis.mask("Annotations/480p/bear/00000.png", [])


def damage_list(davis: Tree) -> None:
    davis.text("ImageSets/2017/val.txt", "bear and camel")


def empty_list(davis: Tree) -> None:
    davis.text("ImageSets/2017/val.txt", "\n")


def climbing_list(davis: Tree) -> None:
    davis.text("ImageSets/2017/val.txt", "../bear")


def listed_frame(davis: Tree) -> None:
    davis.text("ImageSets/2017/val.txt", "/JPEGImages/480p/bear/00007.jpg /Annotations/480p/bear/00007.png")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_folder, "lion: expected the sequence that the list names, found no such folder"),
        (damage_masks, "bear: expected the masks of the sequence, found no such folder"),
        (damage_frames, "bear: expected frames, found none"),
        (damage_first_mask, "expected a mask of the first frame, 00000.png, found none"),
        (damage_ids, "expected object ids 1..254 in the first mask, found none"),
        (damage_list, "bear and camel: expected the sequence that the list names, found no such folder"),
        (empty_list, "expected names of sequences, found an empty list"),
        (climbing_list, "expected names of videos inside the data set, found '../bear'"),
        (listed_frame, "expected the frames that the list names, found no 00007"),
    ],
)
def test_structure_errors_are_clear(davis: Tree, damage: object, message: str):
    damage(davis)
    with pytest.raises(VosError) as error:
        open_davis2017(davis.root, "val")
    assert message in str(error.value)


def test_real_sequences_by_both_lists(shared: Path, tmp_path: Path):
    real = shared / "data/davis2016"
    dataset = open_davis2016(real, "train")
    assert [video.name for video in dataset.videos] == ["bear", "breakdance", "camel", "goat", "libby", "parkour"]
    assert {video.size for video in dataset.videos} == {(480, 854)}
    assert sum(len(video.frames) for split in ("train", "val") for video in open_davis2016(real, split).videos) == 686
    for folder in ("JPEGImages", "Annotations"):
        (tmp_path / folder).symlink_to(real / folder)
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets/480p").symlink_to(real / "ImageSets/480p")
    assert open_davis2016(tmp_path, "train").fingerprint == dataset.fingerprint
    for video in dataset.videos:
        assert sorted(video.masks) == list(video.frame_names)
        assert np.unique(video.read_mask("00000")).tolist() == [0, 1]
