import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from data_set_trees import Tree

from vos_tf.datasets.youtube_vos import open_youtube_vos
from vos_tf.errors import ProblemsError, VosError

FRAMES = ["00000", "00005", "00010", "00015"]


def meta(**videos: dict) -> dict:
    return {"videos": {name: {"objects": objects} for name, objects in videos.items()}}


def entry(frames: list[str], category: str = "cat") -> dict:
    return {"category": category, "frames": frames}


@pytest.fixture
def ytvos(tree: Tree) -> Tree:
    """``a``: object 1 from the start, object 3 from the third frame; ``b``: one object. valid: first masks only."""
    for name in ("a", "b"):
        tree.frames(f"train/JPEGImages/{name}", FRAMES)
    tree.masks("train/Annotations/a", {"00000": [1], "00005": [1], "00010": [1, 3], "00015": [3]})
    tree.masks("train/Annotations/b", {frame: [2] for frame in FRAMES})
    tree.json(
        "train/meta.json",
        meta(b={"2": entry(FRAMES, "dog")}, a={"3": entry(FRAMES[2:]), "1": entry(FRAMES[:3])}),
    )
    tree.frames("valid/JPEGImages/c", FRAMES)
    tree.masks("valid/Annotations/c", {"00000": [1], "00010": [2]})
    tree.json("valid/meta.json", meta(c={"1": entry(FRAMES), "2": entry(FRAMES[2:])}))
    return tree


def test_train_as_meta_json_says(ytvos: Tree):
    dataset = open_youtube_vos(ytvos.root, "train")
    assert (dataset.name, dataset.split, dataset.notes) == ("youtube_vos", "train", ())
    assert [video.name for video in dataset.videos] == ["b", "a"]
    dog, video = dataset.videos
    assert dog.objects[0].category == "dog"
    assert [(o.id, o.first_frame, o.frames) for o in video.objects] == [
        (1, "00000", ("00000", "00005", "00010")),
        (3, "00010", ("00010", "00015")),
    ]
    assert (video.size, video.frame_rate, video.single_object) == ((6, 8), Fraction(6), False)


def test_valid_has_masks_where_objects_appear(ytvos: Tree):
    video = open_youtube_vos(ytvos.root, "valid").videos[0]
    assert list(video.masks) == ["00000", "00010"]
    assert [(o.id, o.first_frame, len(o.frames)) for o in video.objects] == [(1, "00000", 4), (2, "00010", 2)]


def test_an_object_starts_at_the_first_mask_that_shows_it(ytvos: Tree):
    ytvos.json("train/meta.json", meta(a={"3": entry(FRAMES[::-1])}))
    (item,) = open_youtube_vos(ytvos.root, "train").videos[0].objects
    assert (item.first_frame, item.frames) == ("00010", ("00010", "00015"))


def test_an_object_without_any_mask_is_left_out_with_a_note(ytvos: Tree):
    ytvos.json("train/meta.json", meta(a={"1": entry(FRAMES), "9": entry(FRAMES)}, b={"2": entry(FRAMES)}))
    dataset = open_youtube_vos(ytvos.root, "train")
    assert dataset.videos[0].object_ids == (1,)
    assert dataset.notes == ("a: object 9 was left out, no mask of its frames shows it",)


def test_videos_that_meta_json_does_not_list_are_noted(ytvos: Tree):
    ytvos.frames("train/JPEGImages/extra", FRAMES)
    dataset = open_youtube_vos(ytvos.root, "train")
    assert len(dataset.videos) == 2
    assert "extra" in dataset.notes[0]


@pytest.mark.parametrize("split", ["train", "valid"])
def test_meta_json_is_rebuilt_from_the_masks(ytvos: Tree, split: str):
    listed = {video.name: video for video in open_youtube_vos(ytvos.root, split).videos}
    (ytvos.root / split / "meta.json").unlink()
    before = sorted(ytvos.root.rglob("*"))
    dataset = open_youtube_vos(ytvos.root, split)
    assert "meta.json is missing" in dataset.notes[0]
    assert sorted(ytvos.root.rglob("*")) == before
    for video in dataset.videos:
        known = listed[video.name]
        assert [(o.id, o.first_frame) for o in video.objects] == [(o.id, o.first_frame) for o in known.objects]
        for item in video.objects:
            assert item.category is None
            assert item.frames == video.frame_names[video.frame_names.index(item.first_frame) :]


@pytest.mark.parametrize("how", ["keyword", "split"])
def test_all_frames(ytvos: Tree, how: str):
    with pytest.raises(VosError, match="expected the frames at 30 per second"):
        open_youtube_vos(ytvos.root, "valid", all_frames=True)
    names = [f"{number:05d}" for number in range(16)]
    ytvos.frames("valid_all_frames/JPEGImages/c", names)
    if how == "keyword":
        dataset = open_youtube_vos(ytvos.root, "valid", all_frames=True)
    else:
        dataset = open_youtube_vos(ytvos.root, "valid_all_frames")
    (video,) = dataset.videos
    assert dataset.split == "valid_all_frames"
    assert video.frame_rate == 30
    assert list(video.frame_names) == names
    assert list(video.masks) == ["00000", "00010"]
    assert video.objects == open_youtube_vos(ytvos.root, "valid").videos[0].objects


def test_missing_split_names_those_that_exist(ytvos: Tree):
    with pytest.raises(VosError, match="expected a split 'test' with a folder JPEGImages, found train, valid"):
        open_youtube_vos(ytvos.root, "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON"),
        ("[1]", 'expected {"videos": {...}}, found [1]'),
        ('{"videos": 3}', 'expected {"videos": {...}}, found 3'),
        ('{"videos": {"a": {}}}', 'expected {"objects": {...}} for each video, found {}'),
        ('{"videos": {"a": {"objects": {"0": {"frames": ["00000"]}}}}}', "expected object ids 1..254, found '0'"),
        ('{"videos": {"a": {"objects": {"255": {"frames": ["00000"]}}}}}', "expected object ids 1..254, found '255'"),
        ('{"videos": {"a": {"objects": {"x": {"frames": ["00000"]}}}}}', "expected object ids 1..254, found 'x'"),
        ('{"videos": {"a": {"objects": {"1": {"frames": []}}}}}', 'object 1 with a text "category" and a list'),
        ('{"videos": {"a": {"objects": {"1": {"frames": [0]}}}}}', 'object 1 with a text "category" and a list'),
        ('{"videos": {"a": {"objects": {"1": {"frames": ["00000"], "category": 3}}}}}', "object 1 with a text"),
        ('{"videos": {"a": {"objects": {"1": {"frames": ["00000"]}, "01": {"frames": ["00000"]}}}}}', "id once"),
        ('{"videos": {"a": {"objects": {"1": {"frames": ["00001", "7"]}}}}}', "meta.json names 00001, 7"),
        ('{"videos": {"z": {"objects": {"1": {"frames": ["00000"]}}}}}', "expected the video's frames"),
        ('{"videos": {"../a": {"objects": {"1": {"frames": ["00000"]}}}}}', "found '../a'"),
        ('{"videos": {}}', "expected a folder for each video, found none"),
    ],
)
def test_meta_json_is_read_strictly(ytvos: Tree, content: str, message: str):
    ytvos.text("train/meta.json", content)
    with pytest.raises(VosError) as error:
        open_youtube_vos(ytvos.root, "train")
    assert message in str(error.value)
    assert str(ytvos.root / "train") in str(error.value)


def test_all_contradictions_are_reported_at_once(ytvos: Tree):
    ytvos.mask("train/Annotations/a/00007.png", [1])
    shutil.rmtree(ytvos.root / "train/JPEGImages/b")
    (ytvos.root / "train/JPEGImages/b").mkdir()
    with pytest.raises(ProblemsError) as error:
        open_youtube_vos(ytvos.root, "train")
    assert {(problem.video, problem.found) for problem in error.value.problems} == {("a", "masks 00007"), ("b", "none")}


def test_real_clips_without_meta_json(shared: Path, tmp_path: Path):
    """Frames and masks are arranged as YouTube-VOS has them; the masks are 0 and 255, made ids here."""
    from vos_tf.media.label_maps import read_label_map, write_label_map

    for source in sorted((shared / "data/ytvos_opn_sample/Image_inputs").iterdir())[:3]:
        frames = tmp_path / "valid/JPEGImages" / source.name
        frames.mkdir(parents=True)
        for number in range(5):
            shutil.copy(source / f"gt_{number}.jpg", frames / f"{5 * number:05d}.jpg")
        labels = read_label_map(source / "mask_0.png", single_object=True)
        write_label_map(tmp_path / "valid/Annotations" / source.name / "00000.png", labels)
    dataset = open_youtube_vos(tmp_path, "valid")
    assert len(dataset.videos) == 3
    for video in dataset.videos:
        assert video.size == (240, 424)
        assert [(o.id, o.first_frame, len(o.frames)) for o in video.objects] == [(1, "00000", 5)]
