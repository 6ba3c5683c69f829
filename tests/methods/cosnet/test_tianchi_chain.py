"""A small data set in the Tianchi layout goes through preprocessing, training, segmenting, scoring and packaging."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_world import Moving, draw_frame, draw_labels

from vos_tf.config import layered
from vos_tf.datasets import open_dataset
from vos_tf.evaluation.packages import check_package, write_package
from vos_tf.jobs.evaluate import EvaluationRequest, evaluate_run
from vos_tf.jobs.run_config import run_config
from vos_tf.jobs.train import train_run
from vos_tf.media.label_maps import write_label_map
from vos_tf.records.preprocess import preprocess

SIZE = (32, 48)
FRAMES = 4
OBJECTS = (Moving(1, 0, FRAMES), Moving(2, 1, FRAMES))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three training videos of two persons, one of whom comes later, and a test video."""
    lists = {"train": ["606332", "607090", "608214"], "test": ["700001"]}
    for split, names in lists.items():
        for name in names:
            for index in range(FRAMES):
                labels = draw_labels(index, SIZE, OBJECTS if split == "train" else OBJECTS[:1])
                frame = tmp_path / f"tianchi/JPEGImages/{name}/{index:05d}.jpg"
                frame.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(frame), draw_frame(labels, seed=index)[..., ::-1])
                if split == "train" or index == 0:
                    write_label_map(tmp_path / f"tianchi/Annotations/{name}/{index:05d}.png", labels)
        (tmp_path / "tianchi/ImageSets").mkdir(exist_ok=True)
        (tmp_path / f"tianchi/ImageSets/{split}.txt").write_text("\n".join(names))
    return tmp_path / "tianchi"


def request(root: Path, split: str, folder: Path, run: Path | None = None) -> EvaluationRequest:
    """Without a run: each object's first mask is repeated."""
    return EvaluationRequest(
        run=run,
        checkpoint=None,
        dataset="tianchi",
        root=root,
        split=split,
        config=None,
        folder=folder,
        options={"objects": "given", "references": 2} if run else {},
        workers=1,
        overlay=False,
        baseline=run is None,
    )


@pytest.mark.usefixtures("eagerly")
def test_train_and_score_the_part_held_out(root: Path, tmp_path: Path) -> None:
    for part in ("train-train", "train-val"):
        manifest = preprocess(open_dataset("tianchi", root, part), tmp_path / part, size="32x48", workers=1)
        assert (manifest.dataset, manifest.split) == ("tianchi", part)
    tiny = {"size": list(SIZE), "pyramid_filters": 4, "feature_filters": 6, "output_stride": 16, "side_head": False}
    values = {
        "data": {"records": str(tmp_path / "train-train"), "validation_records": str(tmp_path / "train-val")},
        "model": {"trunk": "mobilenet_v2", "trunk_weights": "none", "settings": tiny},
        "clips": {"clips_per_epoch": 4},
        "training": {"n_epochs": 1, "validation_clips": 2},
    }
    result = train_run(run_config(layered(None, "cosnet_tianchi", [], values)), tmp_path / "run")
    (row,) = result.history
    assert row.updates == 2 and np.isfinite(row.loss) and row.validation_j is not None
    receipt = json.loads((tmp_path / "run/receipt.json").read_text())
    assert (receipt["dataset"]["name"], receipt["dataset"]["split"]) == ("tianchi", "train-train")
    assert (receipt["dataset"]["training_videos"], receipt["dataset"]["validation_videos"]) == (2, 1)
    evaluate_run(request(root, "train-val", tmp_path / "results", tmp_path / "run"))
    scores = json.loads((tmp_path / "results/scores.json").read_text())
    assert scores["protocol"]["name"] == "folder"
    dataset = open_dataset("tianchi", root, "train-val")
    assert write_package(tmp_path / "results", dataset, "tianchi", tmp_path / "out.zip") == FRAMES


def test_package_the_test_set(root: Path, tmp_path: Path) -> None:
    evaluate_run(request(root, "test", tmp_path / "results"))
    assert not (tmp_path / "results/scores.json").exists()
    dataset = open_dataset("tianchi", root, "test")
    assert write_package(tmp_path / "results", dataset, "tianchi", tmp_path / "out.zip") == FRAMES
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert sorted(archive.namelist()) == [f"Annotations/700001/{index:05d}.png" for index in range(FRAMES)]
    assert check_package(tmp_path / "out.zip", dataset, "tianchi") == FRAMES
