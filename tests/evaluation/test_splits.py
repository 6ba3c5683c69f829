import json

import pytest
from handmade import make_dataset, square, write_masks

from vos_tf.datasets import open_dataset
from vos_tf.datasets.splits import split_training_videos
from vos_tf.errors import VosError
from vos_tf.evaluation import score_results

CATEGORIES = ["cat", "dog", "owl", "yak"]


@pytest.fixture
def root(tmp_path):
    """Training videos v00..v19, five of each category."""
    names = [f"v{index:02d}" for index in range(20)]
    make_dataset(tmp_path / "train", {name: [square(10, 10)] * 3 for name in names}, pictures=True)
    frames = [f"{index:05d}" for index in range(3)]
    videos = {
        name: {"objects": {"1": {"category": CATEGORIES[index % 4], "frames": frames}}}
        for index, name in enumerate(names)
    }
    (tmp_path / "train" / "meta.json").write_text(json.dumps({"videos": videos}))
    return tmp_path


def test_split_is_reproducible_and_complete(root):
    made = split_training_videos(root, fraction=0.25)
    assert (len(made.training), len(made.validation), made.unseen) == (15, 5, ())
    assert not set(made.training) & set(made.validation)
    assert split_training_videos(root, fraction=0.25) == made
    assert made.validation == ("v00", "v03", "v06", "v08", "v10")  # the same on every machine


def test_split_does_not_depend_on_the_order_of_the_list(root):
    made = split_training_videos(root, fraction=0.25)
    path = root / "train" / "meta.json"
    videos = json.loads(path.read_text())["videos"]
    path.write_text(json.dumps({"videos": dict(sorted(videos.items(), reverse=True))}))
    assert split_training_videos(root, fraction=0.25) == made


def test_parts_open_as_data_sets_and_are_scored_as_seen_and_unseen(root, tmp_path):
    made = split_training_videos(root, fraction=0.5, unseen=1)
    assert len(made.unseen) == 1
    parts = {name: open_dataset("youtube_vos", root, name) for name in ("train-train", "train-val")}
    assert tuple(video.name for video in parts["train-train"].videos) == made.training
    shown = {item.category for video in parts["train-train"].videos for item in video.objects}
    assert shown == set(CATEGORIES) - set(made.unseen)
    masks = {video.name: [square(10, 10)] * 3 for video in parts["train-val"].videos}
    table = score_results(write_masks(tmp_path / "results", masks), parts["train-val"], identical="allow")
    assert {group.name: group.count for group in table.groups()} == {"all": 10, "seen": 5, "unseen": 5}


def test_another_split_is_not_overwritten(root):
    split_training_videos(root, fraction=0.25)
    with pytest.raises(VosError, match="found one with other videos"):
        split_training_videos(root, fraction=0.25, seed=1)


def test_impossible_splits_are_refused(root, tmp_path):
    with pytest.raises(VosError, match="leaves a part of the split empty"):
        split_training_videos(root, fraction=0.01)
    with pytest.raises(VosError, match="take a larger fraction"):
        split_training_videos(root, fraction=0.2, unseen=2)
    with pytest.raises(VosError, match="expected the list of training videos"):
        split_training_videos(tmp_path / "nowhere")
