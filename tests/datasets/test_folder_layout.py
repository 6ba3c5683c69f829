import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from data_set_trees import Tree
from PIL import Image

from vos_tf.datasets.folder import match_masks, open_folder
from vos_tf.errors import VosError

NAMES = ["f8", "f9", "f10"]


def test_videos_in_natural_order(tree: Tree):
    for video in ("v2", "v10", "deep/v1"):
        tree.frames(f"JPEGImages/{video}", NAMES, ".PNG")
        tree.masks(f"Annotations/{video}", {"f8": [4], "f10": [2, 4]})
    dataset = open_folder(tree.root, "all")
    assert [video.name for video in dataset.videos] == ["deep/v1", "v2", "v10"]
    video = dataset.videos[1]
    assert video.frame_names == ("f8", "f9", "f10")
    assert list(video.masks) == ["f8", "f10"]
    assert [(o.id, o.first_frame, o.frames) for o in video.objects] == [
        (2, "f10", ("f10",)),
        (4, "f8", ("f8", "f9", "f10")),
    ]
    assert (video.size, video.frame_rate) == ((6, 8), 24)
    assert open_folder(tree.root, "all", frame_rate=Fraction(30000, 1001)).videos[0].frame_rate == Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("images", "masks"), [("JPEGImages", "Annotations"), ("images", "masks"), ("Frames", "Labels")]
)
def test_a_single_video_is_named_like_its_folder(tree: Tree, images: str, masks: str):
    tree.frames(images, NAMES)
    tree.masks(masks, {"f9": [1]})
    (video,) = open_folder(tree.root, "all").videos
    assert video.name == "data"
    assert video.objects[0].first_frame == "f9"


def test_splits(tree: Tree):
    for split in ("train", "val"):
        tree.frames(f"{split}/JPEGImages/{split}_video", NAMES)
        tree.masks(f"{split}/Annotations/{split}_video", {"f8": [1]})
    assert [video.name for video in open_folder(tree.root, "val").videos] == ["val_video"]
    for wrong in ("test", "all", "..", ""):
        with pytest.raises(VosError, match="found train, val"):
            open_folder(tree.root, wrong)


def test_without_splits_only_the_whole_can_be_opened(tree: Tree):
    tree.frames("images/v", NAMES)
    tree.masks("masks/v", {"f8": [1]})
    assert open_folder(tree.root, "all").notes == ()
    assert "all its videos" in open_folder(tree.root, "train").notes[0]
    with pytest.raises(VosError, match=r"expected a split 'val'.*found all \(the whole folder\)"):
        open_folder(tree.root, "val")


def paths(*stems: str) -> list[Path]:
    return [Path(f"{stem}.png") for stem in stems]


@pytest.mark.parametrize(
    ("frames", "masks", "expected"),
    [
        (["a", "b"], ["b"], {"b": "b"}),
        (["gt_0", "gt_3", "gt_10"], ["mask_3", "mask_10"], {"gt_3": "mask_3", "gt_10": "mask_10"}),
        (["frame_000014", "frame_000033"], ["14"], {"frame_000014": "14"}),
        (["0001_a2", "0002_a2"], ["0001_m", "0002_m"], {"0001_a2": "0001_m", "0002_a2": "0002_m"}),
        (["x", "y"], ["first", "second"], {"x": "first", "y": "second"}),
        (["1", "2"], ["3", "4"], {"1": "3", "2": "4"}),
    ],
)
def test_masks_find_their_frames(frames: list[str], masks: list[str], expected: dict[str, str]):
    matched = match_masks(frames, paths(*masks), Path("masks"))
    assert {frame: path.stem for frame, path in matched.items()} == expected
    assert list(matched) == [frame for frame in frames if frame in expected]


@pytest.mark.parametrize("masks", [["c"], ["mask_7"], ["a", "z", "q"], ["m1_9", "m2_9", "m5_9"]])
def test_masks_that_fit_nowhere_are_refused(masks: list[str]):
    with pytest.raises(VosError, match="expected masks named like their frames"):
        match_masks(["a1", "b2", "c3", "d4"], paths(*masks), Path("masks"))


def test_masks_of_0_and_255_mean_one_object(tree: Tree):
    tree.frames("images", NAMES)
    tree.masks("masks", {"f8": [], "f9": [255], "f10": [255]})
    dataset = open_folder(tree.root, "all")
    (video,) = dataset.videos
    assert video.single_object
    assert [(o.id, o.first_frame) for o in video.objects] == [(1, "f9")]
    assert video.read_mask("f10").max() == 1
    assert "read as one object: data" in dataset.notes[0]


def test_void_beside_objects_stays_void(tree: Tree):
    tree.frames("images", NAMES)
    tree.masks("masks", {"f8": [3, 255]})
    (video,) = open_folder(tree.root, "all").videos
    assert video.object_ids == (3,)
    assert not video.single_object


def test_colour_masks_need_single_object(tree: Tree):
    tree.frames("images", NAMES)
    values = np.zeros((6, 8, 3), np.uint8)
    values[0, 0] = 255
    (tree.root / "masks").mkdir()
    Image.fromarray(values).save(tree.root / "masks/f8.png")
    with pytest.raises(VosError, match="found mode RGB"):
        open_folder(tree.root, "all")
    assert open_folder(tree.root, "all", single_object=True).videos[0].object_ids == (1,)


def test_frames_and_masks_in_one_numbering(tree: Tree):
    tree.frames("images", ["gt_0", "gt_1", "gt_10"])
    tree.masks("masks", {"mask_1": [1], "mask_10": [1, 2]})
    (video,) = open_folder(tree.root, "all").videos
    assert {frame: path.name for frame, path in video.masks.items()} == {"gt_1": "mask_1.png", "gt_10": "mask_10.png"}
    assert video.objects[1].first_frame == "gt_10"


def without_masks(tree: Tree) -> None:
    shutil.rmtree(tree.root / "masks")


def without_video_masks(tree: Tree) -> None:
    (tree.root / "masks/v").rename(tree.root / "masks/w")


def with_empty_folder_of_masks(tree: Tree) -> None:
    (tree.root / "masks/v/f8.png").unlink()


def with_empty_masks(tree: Tree) -> None:
    tree.mask("masks/v/f8.png", [])


def with_jpeg_masks(tree: Tree) -> None:
    tree.frames("masks/v", ["f9"])


def with_both_levels(tree: Tree) -> None:
    tree.frames("images", ["f0"])


def with_empty_video(tree: Tree) -> None:
    (tree.root / "images/w").mkdir()


def without_frames(tree: Tree) -> None:
    shutil.rmtree(tree.root / "images/v")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_masks, "expected a folder Annotations or masks or labels, found images"),
        (without_video_masks, "masks/v: expected the masks of video v, found no such folder"),
        (with_empty_folder_of_masks, "expected at least one mask, found none"),
        (with_empty_masks, "expected an object in at least one mask, found only empty masks"),
        (with_jpeg_masks, "f9.jpg: expected a PNG mask, found a JPEG"),
        (with_both_levels, "expected images or folders of images, found both"),
        (with_empty_video, "images/w: expected frames, found none"),
        (without_frames, "expected frames or a folder of frames for each video, found none"),
    ],
)
def test_structure_errors_are_clear(tree: Tree, damage: object, message: str):
    tree.frames("images/v", NAMES)
    tree.masks("masks/v", {"f8": [1]})
    damage(tree)
    with pytest.raises(VosError) as error:
        open_folder(tree.root, "all")
    assert message in str(error.value)


class TestRealFolders:
    def test_sparse_masks(self, shared: Path):
        (video,) = open_folder(shared / "data/multi_object/caps", "all").videos
        assert (len(video.frames), len(video.masks), video.size) == (87, 5, (853, 480))
        first = [(o.id, o.first_frame, len(o.frames)) for o in video.objects]
        assert first == [(1, "frame_000000", 87), (2, "frame_000033", 54)]

    def test_objects_that_join(self, shared: Path):
        bike, judo = open_folder(shared / "data/multi_object", "all").videos
        assert (bike.name, bike.object_ids) == ("bike", (1, 2))
        assert {o.id: o.first_frame for o in judo.objects} == {1: "00000", 2: "00005", 3: "00008", 4: "00013"}

    def test_frames_and_masks_numbered_alike(self, shared: Path, tmp_path: Path):
        for source in sorted((shared / "data/ytvos_opn_sample/Image_inputs").iterdir())[:2]:
            for folder, pattern in (("images", "gt_*"), ("masks", "mask_*")):
                (tmp_path / folder / source.name).mkdir(parents=True)
                for path in source.glob(pattern):
                    (tmp_path / folder / source.name / path.name).symlink_to(path)
        dataset = open_folder(tmp_path, "all")
        for video in dataset.videos:
            assert video.frame_names == tuple(f"gt_{number}" for number in range(5))
            assert [path.stem for path in video.masks.values()] == [f"mask_{number}" for number in range(5)]
            assert video.single_object


def test_links_that_lead_back_are_not_followed(tree: Tree):
    tree.frames("JPEGImages/v1", NAMES)
    tree.masks("Annotations/v1", {"f8": [1]})
    (tree.root / "JPEGImages/again").symlink_to(tree.root)
    (tree.root / "JPEGImages/self").symlink_to(tree.root / "JPEGImages")
    assert [video.name for video in open_folder(tree.root, "all").videos] == ["v1"]
