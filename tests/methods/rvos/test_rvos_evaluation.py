"""``vos-tf evaluate`` with RVOS: one-shot, proposals, matched proposals, masks of single objects, bad input."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rvos_networks import ONE_SHOT, ZERO_SHOT, lively
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError
from vos_tf.evaluation import score_results
from vos_tf.jobs.evaluate import EvaluationRequest, requested_dataset
from vos_tf.media.label_maps import read_label_map, write_label_map
from vos_tf.models.weights import save_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, settings in (("one", ONE_SHOT), ("zero", ZERO_SHOT), ("single", replace(ONE_SHOT, slots=1))):
        save_model(folder / name, "rvos", lively(settings))
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short videos of two objects, of another size than the networks'."""
    from vos_tf.datasets.synthetic import SyntheticSettings, generate

    root = tmp_path_factory.mktemp("world")
    settings = SyntheticSettings(frames=4, height=48, width=64, objects_min=2, objects_max=2, late_objects=0.0)
    generate(root, settings, videos=2, split="valid", seed=3)
    return root


@pytest.fixture(autouse=True)
def warnings_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vos_tf.commands.tf_logging.quiet_tensorflow", lambda: None)


def call(models: Path, model: str, world: Path, results: Path, *arguments: str) -> Any:
    common = ("--dataset", "synthetic", "--root", str(world), "--split", "valid", "--no-overlay", "--workers", "1")
    names = ("--run", str(models / model), "--results", str(results), "--scenario-name", "x", "--background", "0.3")
    return CliRunner().invoke(app, ["evaluate", *names, *common, *arguments])


def test_one_shot(models: Path, world: Path, tmp_path: Path) -> None:
    result = call(models, "one", world, tmp_path, "--instances", "--merge", "painted")
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "x" / "scores.json").read_text())
    assert scores["protocol"]["name"] == "folder"
    settings = json.loads((tmp_path / "x" / "scenario.json").read_text())["settings"]
    assert (settings["decode"], settings["joining"], settings["merge"]) == ("present", "started", "painted")
    for video in open_dataset("synthetic", world, "valid").videos:
        first = read_label_map(video.masks[video.frame_names[0]])
        for frame in video.frame_names:
            labels = read_label_map(tmp_path / "x" / video.name / f"{frame}.png")
            covered = np.zeros(video.size, bool)
            for number in video.object_ids:
                path = tmp_path / "x" / "instances" / video.name / f"{frame}_instance_{number:02d}.png"
                mask = np.asarray(Image.open(path))
                assert mask.shape == video.size
                assert set(np.unique(mask)) <= {0, 255}
                assert mask[labels == number].all()
                covered |= mask > 0
                if frame == video.frame_names[0]:
                    np.testing.assert_array_equal(mask > 0, first == number)
            np.testing.assert_array_equal(covered, labels > 0)


def test_instances_are_added_to_finished_results(models: Path, world: Path, tmp_path: Path) -> None:
    assert call(models, "one", world, tmp_path).exit_code == 0
    assert not (tmp_path / "x" / "instances").exists()
    assert call(models, "one", world, tmp_path, "--instances").exit_code == 0
    files = sorted((tmp_path / "x" / "instances").rglob("*.png"))
    assert len(files) == sum(len(v.frames) * len(v.objects) for v in open_dataset("synthetic", world, "valid").videos)
    times = [path.stat().st_mtime_ns for path in files]
    assert call(models, "one", world, tmp_path, "--instances").exit_code == 0
    assert [path.stat().st_mtime_ns for path in files] == times


def test_proposals_are_scored_as_such(models: Path, world: Path, tmp_path: Path) -> None:
    result = call(models, "zero", world, tmp_path, "--zero-shot", "--set", "min_area=0.01", "--background", "0.05")
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "x" / "scores.json").read_text())
    assert scores["protocol"]["name"] == "davis2017-unsupervised"
    dataset = open_dataset("synthetic", world, "valid")
    table = score_results(tmp_path / "x", dataset, protocol="davis2017-unsupervised")
    assert scores["overall"] == table.to_json()["overall"]
    settings = json.loads((tmp_path / "x" / "scenario.json").read_text())["settings"]
    assert (settings["objects"], settings["min_area"]) == ("proposals", 0.01)
    found = set()
    for video in dataset.videos:
        for frame in video.frame_names:
            found |= set(np.unique(read_label_map(tmp_path / "x" / video.name / f"{frame}.png")).tolist())
    assert found <= {0, 1, 2, 3, 4}
    assert len(found) > 1


def test_matched_proposals_have_the_objects_ids(models: Path, world: Path, tmp_path: Path) -> None:
    result = call(models, "zero", world, tmp_path, "--zero-shot", "--matched", "--merge", "painted")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "x" / "scores.json").read_text())["protocol"]["name"] == "folder"
    for video in open_dataset("synthetic", world, "valid").videos:
        first, last = (read_label_map(tmp_path / "x" / video.name / f"{video.frame_names[i]}.png") for i in (0, -1))
        np.testing.assert_array_equal(first, video.read_mask(video.frame_names[0]))
        assert set(np.unique(last).tolist()) <= {0, *video.object_ids}


def test_proposals_have_an_annotation_of_their_own_on_davis(tmp_path: Path) -> None:
    """Where the folder for it exists; matched proposals are scored as objects that were given."""
    empty = dict.fromkeys(("run", "checkpoint", "split", "config"))
    for name in ("Annotations", "Annotations_unsupervised"):
        write_davis(tmp_path, name, 2 if name == "Annotations" else 3)
    found = {}
    for zero_shot in ("", "proposals", "matched"):
        request = EvaluationRequest(
            **empty, dataset="davis2017", root=tmp_path, folder=tmp_path / "results", zero_shot=zero_shot
        )
        found[zero_shot] = requested_dataset(request).videos[0].object_ids
    assert found == {"": (1, 2), "proposals": (1, 2, 3), "matched": (1, 2)}


def write_davis(root: Path, annotation: str, objects: int) -> None:
    labels = np.repeat(np.arange(objects + 1, dtype=np.uint8), 4)[None].repeat(8, axis=0)
    write_label_map(root / annotation / "480p" / "bear" / "00000.png", labels)
    frames = root / "JPEGImages" / "480p" / "bear"
    frames.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((*labels.shape, 3), np.uint8)).save(frames / "00000.jpg")
    (root / "ImageSets" / "2017").mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("bear\n")


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ("zero", [], r"weights.h5: expected a one-shot network, .* found a zero-shot .*: add --zero-shot, or"),
        ("one", ["--zero-shot"], r"expected a zero-shot network, .* found a one-shot one, .*: leave --zero-shot out"),
        ("one", ["--matched"], "--matched names proposals after objects: expected --zero-shot beside it"),
        ("one", ["--zero-shot", "--baseline"], "--baseline repeats first masks: expected no --zero-shot"),
        ("zero", ["--zero-shot", "--merge", "painted"], "merge rule: expected argmax.* found painted"),
        ("zero", ["--zero-shot", "--set", "min_area"], "--set min_area: expected key=value"),
        ("one", ["--set", "objects=matched"], r"option objects: expected an option of rvos \(.*decode, joining"),
        ("single", [], r"expected at most 1 objects \(the slots of this network\), found 2; the same weights"),
    ],
)
def test_bad_input(models: Path, world: Path, tmp_path: Path, model: str, arguments: list[str], message: str) -> None:
    result = call(models, model, world, tmp_path, *arguments)
    assert isinstance(result.exception, VosError)
    assert re.search(message, str(result.exception)), str(result.exception)
    assert not list(tmp_path.rglob("*.png"))
