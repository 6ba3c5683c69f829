"""``vos-tf evaluate`` with a model that is fine-tuned: its options reach it, and those of others are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError
from vos_tf.methods.registry import get_method
from vos_tf.models.weights import save_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained models."""
    folder = tmp_path_factory.mktemp("models")
    tiny = {"size": [16, 24], "state_filters": 4, "decoder_filters": [4, 4, 4]}
    for name, settings in (("osvos", {"side_filters": 4}), ("s2s", tiny)):
        save_model(folder / name, name, get_method(name).build(get_method(name).resolve_settings("small", settings)))
    return folder


def call(models: Path, world: Path, folder: Path, model: str, *arguments: str) -> Any:
    common = ("--dataset", "synthetic", "--root", str(world), "--split", "valid", "--no-overlay", "--workers", "1")
    names = ("--run", str(models / model), "--results", str(folder), "--scenario-name", "one")
    return CliRunner().invoke(app, ["evaluate", *names, *common, *arguments])


@pytest.fixture(autouse=True)
def warnings_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vos_tf.commands.tf_logging.quiet_tensorflow", lambda: None)


def test_options_reach_the_fine_tuning(models: Path, tiny_world: Path, tmp_path: Path) -> None:
    options = ["--steps", "2", "--learning-rate", "1e-3", "--trainable", "head", "--short-side", "24", "--snap"]
    options += ["--reach", "1.5", "--test-scales", "0.5,1", "--save-adapted", "--overlay-frames"]
    options += ["--set", "finetune.augment.rotation=3", "--set", "finetune.crop=[16, 24]"]
    result = call(models, tiny_world, tmp_path, "osvos", *options)
    assert result.exit_code == 0, result.output
    settings = json.loads((tmp_path / "one" / "scenario.json").read_text())["settings"]
    assert settings["finetune"]["steps"] == 2
    assert settings["finetune"]["augment"]["rotation"] == 3
    assert settings["finetune"]["crop"] == [16, 24]
    assert (settings["short_side"], settings["test_scales"], settings["snap"]) == (24, [0.5, 1], True)
    assert "adapted" not in settings
    video = open_dataset("synthetic", tiny_world, "valid").videos[0]
    first = video.objects[0].first_frame
    assert (tmp_path / "one" / "adapted" / video.name / first / "receipt.json").is_file()
    assert (tmp_path / "one" / "overlays" / video.name / f"{first}.jpg").is_file()
    assert "adapted" not in result.output.replace(str(tmp_path), "")  # no stranger to the scores
    again = call(models, tiny_world, tmp_path, "osvos", "--steps", "3")
    assert isinstance(again.exception, VosError)
    assert "found those of other settings" in str(again.exception)


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ("s2s", ["--trainable", "head"], "option finetune.trainable: expected an option of s2s (finetune.steps, "),
        ("s2s", ["--reach", "1"], "option reach: expected an option of s2s"),
        ("osvos", ["--batch_size", "2"], "option objects_per_call: expected an option of osvos"),
        ("osvos", ["--test-scales", "a"], "osvos options.test_scales"),
        ("osvos", ["--set", "finetune.stepz=3"], "did you mean 'steps'?"),
    ],
)
def test_options_of_other_models_are_refused(
    models: Path, tiny_world: Path, tmp_path: Path, model: str, arguments: list[str], message: str
) -> None:
    result = call(models, tiny_world, tmp_path, model, *arguments)
    assert isinstance(result.exception, VosError)
    assert message in str(result.exception)
    assert not (tmp_path / "one").exists()
