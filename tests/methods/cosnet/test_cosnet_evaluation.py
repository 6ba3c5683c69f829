"""``vos-tf evaluate`` with COSNet: without any flag, with a CRF, with first masks; bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cosnet_networks import lively
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError
from vos_tf.evaluation import score_results
from vos_tf.media.label_maps import read_label_map
from vos_tf.models.weights import save_model


@pytest.fixture(scope="module")
def model(tiny_trunk: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "cosnet"
    save_model(folder, "cosnet", lively())
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short videos of two objects."""
    from vos_tf.datasets.synthetic import SyntheticSettings, generate

    root = tmp_path_factory.mktemp("world")
    settings = SyntheticSettings(frames=4, height=48, width=64, objects_min=2, objects_max=2, late_objects=0.0)
    generate(root, settings, videos=2, split="valid", seed=3)
    return root


@pytest.fixture(autouse=True)
def warnings_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vos_tf.commands.tf_logging.quiet_tensorflow", lambda: None)


def call(model: Path, world: Path, results: Path, *arguments: str) -> Any:
    common = ("--dataset", "synthetic", "--root", str(world), "--split", "valid", "--no-overlay", "--workers", "1")
    names = ("--run", str(model), "--results", str(results), "--scenario-name", "x", "--background", "0.3")
    return CliRunner().invoke(app, ["evaluate", *names, *common, *arguments])


def label_maps(world: Path, results: Path) -> list[np.ndarray]:
    videos = open_dataset("synthetic", world, "valid").videos
    return [read_label_map(results / "x" / v.name / f"{name}.png") for v in videos for name in v.frame_names]


def test_the_foreground_needs_no_flag_and_is_one_object(model: Path, world: Path, tmp_path: Path) -> None:
    result = call(model, world, tmp_path)
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "x" / "scores.json").read_text())
    assert scores["protocol"]["name"] == "davis2016"
    table = score_results(tmp_path / "x", open_dataset("synthetic", world, "valid"), protocol="davis2016")
    assert scores["overall"] == table.to_json()["overall"]
    assert set(np.unique(label_maps(world, tmp_path)).tolist()) == {0, 1}
    settings = json.loads((tmp_path / "x" / "scenario.json").read_text())["settings"]
    assert (settings["references"], settings["sampling"], settings["objects"]) == (5, "uniform", "foreground")
    assert not settings["crf"]["enabled"]


def test_objects_of_first_masks_and_crf(model: Path, world: Path, tmp_path: Path) -> None:
    result = call(model, world, tmp_path, "--set", "objects=given", "--crf", "--set", "crf.steps=2")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "x" / "scores.json").read_text())["protocol"]["name"] == "folder"
    crf = json.loads((tmp_path / "x" / "scenario.json").read_text())["settings"]["crf"]
    assert (crf["enabled"], crf["steps"]) == (True, 2)
    for video in open_dataset("synthetic", world, "valid").videos:
        first = read_label_map(tmp_path / "x" / video.name / f"{video.frame_names[0]}.png")
        np.testing.assert_array_equal(first, video.read_mask(video.frame_names[0]))
    assert {1, 2} <= set(np.unique(label_maps(world, tmp_path)).tolist())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--zero-shot"], r"--zero-shot: expected a model that proposes objects, found cosnet, .* leave"),
        (["--set", "sampling=all"], "sampling: expected one of uniform, random, streaming"),
        (["--steps", "3"], "option finetune: expected an option of cosnet"),
        (["--merge", "painted"], "merge rule: expected argmax, .* found painted"),
    ],
)
def test_bad_input(model: Path, world: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = call(model, world, tmp_path, *arguments)
    assert isinstance(result.exception, VosError)
    assert re.search(message, str(result.exception)), str(result.exception)
    assert not list(tmp_path.rglob("*.png"))
