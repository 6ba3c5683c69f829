"""The Tianchi layout: lists of names, objects from masks, first masks of test videos, a cut of the training videos."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_set_trees import Tree

from vos_tf.datasets import open_dataset
from vos_tf.datasets.tianchi import open_tianchi
from vos_tf.errors import VosError

FRAMES = ["00000", "00001", "00002"]
NAMES = [f"{606332 + number}" for number in range(10)]


@pytest.fixture
def tianchi(tree: Tree) -> Tree:
    """Ten training videos, the first with a person who comes later; one test video."""
    for name in [*NAMES, "700001"]:
        tree.frames(f"JPEGImages/{name}", FRAMES)
    for name in NAMES:
        tree.masks(f"Annotations/{name}", {frame: [1] for frame in FRAMES})
    tree.masks(f"Annotations/{NAMES[0]}", {"00001": [1, 3], "00002": [3]})
    tree.masks("Annotations/700001", {"00000": [1, 2]})
    tree.text("ImageSets/train.txt", "\n".join(reversed(NAMES)) + "\n\n")
    tree.text("ImageSets/test.txt", "700001 \n")
    return tree


def test_training_videos_come_in_the_order_of_the_list_with_all_their_masks(tianchi: Tree) -> None:
    dataset = open_dataset("tianchi", tianchi.root, "train")
    assert (dataset.name, dataset.split) == ("tianchi", "train")
    assert [video.name for video in dataset.videos] == NAMES[::-1]
    video = dataset.videos[-1]
    assert [(item.id, item.first_frame, item.frames) for item in video.objects] == [
        (1, "00000", tuple(FRAMES)),
        (3, "00001", ("00001", "00002")),
    ]
    assert (list(video.masks), video.size, video.single_object) == (FRAMES, (6, 8), False)


def test_test_videos_have_their_first_mask(tianchi: Tree) -> None:
    (video,) = open_tianchi(tianchi.root, "test").videos
    assert (video.name, list(video.masks), video.object_ids) == ("700001", ["00000"], (1, 2))
    assert video.frame_names == tuple(FRAMES)


def parts(root: Path, **options: float) -> tuple[list[str], list[str]]:
    train, val = (open_tianchi(root, f"train-{part}", **options) for part in ("train", "val"))  # type: ignore[arg-type]
    return [video.name for video in train.videos], [video.name for video in val.videos]


def test_the_cut_is_whole_reproducible_and_follows_the_seed(tianchi: Tree) -> None:
    training, validation = parts(tianchi.root)
    assert (len(training), len(validation)) == (8, 2)
    assert [name for name in NAMES[::-1] if name not in validation] == training
    assert parts(tianchi.root) == (training, validation)
    # Whatever the order of the list; and these names for ever.
    tianchi.text("ImageSets/train.txt", "\n".join(NAMES))
    assert set(parts(tianchi.root)[1]) == set(validation) == {"606338", "606341"}
    others = {tuple(parts(tianchi.root, seed=seed)[1]) for seed in range(8)}
    assert len(others) > 3
    smaller, larger = (set(parts(tianchi.root, fraction=fraction)[1]) for fraction in (0.2, 0.5))
    assert smaller < larger and len(larger) == 5
    assert len(parts(tianchi.root, fraction=0.001)[1]) == len(parts(tianchi.root, fraction=0.999)[0]) == 1


def test_faults_are_one_clear_sentence(tianchi: Tree) -> None:
    def refused(split: str, message: str) -> None:
        with pytest.raises(VosError, match=message):
            open_tianchi(tianchi.root, split)

    refused("val", r"val\.txt: expected the list of split 'val', found lists of test, train")
    tianchi.text("ImageSets/one.txt", "606332\n606332\n")
    refused("one", "expected every video once, found 606332 again")
    tianchi.text("ImageSets/one.txt", "\n")
    refused("one", "expected names of videos, found an empty list")
    tianchi.text("ImageSets/one.txt", "../606332")
    refused("one", "expected names of videos inside the data set")
    tianchi.text("ImageSets/one.txt", "123456")
    refused("one", "JPEGImages/123456: expected the frames of a video that the list names, found no such folder")
    tianchi.mask("Annotations/700001/00009.png", [1])
    refused("test", "expected a frame for each mask, found masks 00009 without")
    for name in ("00000", "00009"):
        (tianchi.root / f"Annotations/700001/{name}.png").unlink()
    refused("test", r"expected a mask of the first frame, 00000\.png, found none")
    with pytest.raises(VosError, match="fraction: expected a number between 0 and 1, found 1"):
        open_tianchi(tianchi.root, "train-val", fraction=1)
