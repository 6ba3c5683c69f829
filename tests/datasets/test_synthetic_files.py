import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vos_tf.datasets import open_dataset
from vos_tf.datasets.synthetic import SyntheticSettings, generate, layout, render_video, writing
from vos_tf.errors import VosError
from vos_tf.media.images import read_image
from vos_tf.media.label_maps import object_ids

TINY = SyntheticSettings(frames=4, height=48, width=64, late_objects=1.0, objects_min=3)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic")
    generate(root, TINY, videos=4, split="train", seed=5)
    return root


def test_files_hold_what_is_rendered(made: Path):
    dataset = open_dataset("synthetic", made, "train")
    assert (dataset.name, dataset.split, dataset.notes) == ("synthetic", "train", ())
    assert [video.name for video in dataset.videos] == [f"synthetic_{index:05d}" for index in range(4)]
    for index, video in enumerate(dataset.videos):
        rendered = render_video(TINY, 5, index)
        assert video.objects == rendered.objects
        assert video.size == (48, 64)
        assert video.frame_rate == 6
        for number, frame in enumerate(video.frame_names):
            assert frame == f"{number:05d}"
            np.testing.assert_array_equal(video.read_mask(frame), rendered.labels[number])
            difference = read_image(video.frames[number]).astype(int) - rendered.frames[number]
            assert np.abs(difference).mean() < 12


def test_receipt_and_meta_json(made: Path):
    receipt = json.loads((made / "train/synthetic.json").read_text())
    meta = json.loads((made / "train/meta.json").read_text())["videos"]
    assert receipt["settings"] == TINY.as_dict()
    assert (receipt["seed"], receipt["videos"], receipt["split"]) == (5, 4, "train")
    assert receipt["counts"] == {"frames": 16, "objects": sum(len(video["objects"]) for video in meta.values())}
    assert sorted(path.name for path in (made / "train").iterdir()) == [
        "Annotations", "JPEGImages", "meta.json", "synthetic.json"
    ]  # fmt: skip


def test_the_number_of_workers_changes_no_byte(made: Path, tmp_path: Path):
    generate(tmp_path, TINY, videos=4, split="train", seed=5, workers=2)
    assert contents(tmp_path) == contents(made)


def test_an_interrupted_run_is_continued_to_the_same_bytes(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []

    def stop_at_the_third(settings: SyntheticSettings, seed: int, index: int, *, split: str) -> object:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(index)
        return render_video(settings, seed, index, split=split)

    monkeypatch.setattr(writing, "render_video", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, TINY, videos=4, split="train", seed=5)
    assert not (tmp_path / "train/synthetic.json").exists()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f"train/JPEGImages/.synthetic_00002.{dead.pid}.partial").mkdir()
    with pytest.raises(VosError, match="found seed 5"):
        generate(tmp_path, TINY, videos=4, split="train", seed=6)
    calls.clear()
    monkeypatch.setattr(writing, "render_video", lambda *a, **k: calls.append(a[2]) or render_video(*a, **k))
    generate(tmp_path, TINY, videos=4, split="train", seed=5)
    assert calls == [2, 3]
    assert contents(tmp_path) == contents(made)
    assert not list(tmp_path.rglob(".*"))


def test_a_complete_split_is_left_alone_and_others_are_refused(made: Path):
    before = contents(made)
    generate(made, TINY, videos=4, split="train", seed=5)
    assert contents(made) == before
    changed = SyntheticSettings(**(TINY.as_dict() | {"noise": 0.0}))
    with pytest.raises(VosError, match=r"found noise 0\.012 \(now 0\.0\)"):
        generate(made, changed, videos=4, split="train", seed=5)
    with pytest.raises(VosError, match=r"found videos 4 \(now 5\)"):
        generate(made, TINY, videos=5, split="train", seed=5)
    assert contents(made) == before


def test_a_folder_of_other_files_is_not_touched(tmp_path: Path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/mine.txt").write_text("mine")
    with pytest.raises(VosError, match="expected an empty folder"):
        generate(tmp_path, TINY, videos=1, split="train", seed=0)
    assert contents(tmp_path) == {"train/mine.txt": b"mine"}
    (tmp_path / "train/synthetic.json").write_text("{}")
    with pytest.raises(VosError, match="expected the receipt"):
        generate(tmp_path, TINY, videos=1, split="train", seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"videos": 0}, "synthetic videos: expected 1 or more"),
        ({"seed": -1}, "synthetic seed: expected 0 or more"),
        ({"workers": -1}, "synthetic workers: expected 0 or more"),
        ({"split": "../x"}, "expected a plain name"),
        ({"split": ""}, "expected a plain name"),
    ],
)
def test_arguments_are_checked(tmp_path: Path, change: dict, message: str):
    with pytest.raises(VosError, match=message):
        generate(tmp_path, TINY, **({"videos": 1, "split": "train", "seed": 0, "workers": 1} | change))


def test_first_masks_only(made: Path, tmp_path: Path):
    generate(tmp_path, TINY, videos=4, split="train", seed=5, first_masks_only=True)
    full, sparse = open_dataset("synthetic", made, "train"), open_dataset("synthetic", tmp_path, "train")
    assert any(len(video.masks) > 1 for video in sparse.videos)
    for whole, video in zip(full.videos, sparse.videos, strict=True):
        assert video.objects == whole.objects
        assert set(video.masks) == {item.first_frame for item in video.objects}
        for frame in video.masks:
            new = [item.id for item in video.objects if item.first_frame == frame]
            assert list(object_ids(video.read_mask(frame))) == new
            seen = whole.read_mask(frame)
            np.testing.assert_array_equal(video.read_mask(frame), np.where(np.isin(seen, new), seen, 0))


def test_splits_share_no_video(made: Path, tmp_path: Path):
    generate(tmp_path, TINY, videos=4, split="valid", seed=5)
    frames = [{path.read_bytes() for path in root.rglob("*.jpg")} for root in (made, tmp_path)]
    assert not frames[0] & frames[1]


def test_the_default_is_made_on_the_spot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(layout, "SyntheticSettings", lambda: TINY)
    monkeypatch.setattr(layout, "DEFAULT_VIDEOS", {"train": 2, "valid": 1})
    dataset = open_dataset("synthetic", tmp_path / "new", "valid")
    assert len(dataset.videos) == 1
    assert "generating 1 videos" in capsys.readouterr().err
    assert open_dataset("synthetic", tmp_path / "new", "valid").fingerprint == dataset.fingerprint
    assert capsys.readouterr().err == ""
    with pytest.raises(VosError, match="expected a split that exists or one of train, valid"):
        open_dataset("synthetic", tmp_path / "new", "test")
