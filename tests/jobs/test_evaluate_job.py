"""Which network an evaluation takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vos_tf.jobs.evaluate import EvaluationRequest, requested_network
from vos_tf.jobs.run_config import run_config, write_run_config
from vos_tf.methods.registry import get_method
from vos_tf.models.weights import save_model

SETTINGS = {"size": [16, 24], "state_filters": 4, "decoder_filters": [4, 4, 4]}


def request(**given: Path) -> EvaluationRequest:
    empty = dict.fromkeys(("run", "checkpoint", "dataset", "root", "split", "config"))
    return EvaluationRequest(**{**empty, **given, "folder": Path("results")})  # type: ignore[arg-type]


def network() -> Any:
    return get_method("s2s").build(get_method("s2s").resolve_settings("small", SETTINGS))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose config.yaml names a model to start from."""
    monkeypatch.chdir(tmp_path)
    save_model(Path("start/model"), "s2s", network())
    values = {"configs": {"checkpoints_path": "start"}, "model": {"trunk": "small", "settings": SETTINGS}}
    Path("config.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def test_without_a_run_the_configured_model_is_taken(here: Path) -> None:
    assert requested_network(request()).weights == Path("start/model/network.weights.h5")


def test_a_trained_run_is_not_passed_over_for_what_it_started_from(here: Path) -> None:
    save_model(Path("runs/default/model"), "s2s", network())
    write_run_config(Path("runs/default/config.yaml"), run_config(yaml.safe_load(Path("config.yaml").read_text())))
    assert requested_network(request()).weights == Path("runs/default/model/network.weights.h5")
    assert requested_network(request(checkpoint=Path("start"))).weights == Path("start/model/network.weights.h5")


def test_a_weights_file_alone_fits_the_configured_network(here: Path) -> None:
    wanted = network()
    wanted.save_weights("alone.weights.h5")
    model, found, file = requested_network(request(checkpoint=Path("alone.weights.h5")))
    assert (model, file) == ("s2s", Path("alone.weights.h5"))
    for one, two in zip(found.get_weights(), wanted.get_weights(), strict=True):
        assert (one == two).all()


def test_a_checkpoint_is_found_from_within_its_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = here / "runs" / "x" / "checkpoints" / "00000003"
    checkpoint.mkdir(parents=True)
    network().save_weights(checkpoint / "network.weights.h5")
    (checkpoint / "position.json").write_text("{}")
    write_run_config(here / "runs" / "x" / "config.yaml", run_config(yaml.safe_load(Path("config.yaml").read_text())))
    monkeypatch.chdir(checkpoint.parent)
    assert requested_network(request(checkpoint=Path("00000003"))).network.settings.state_filters == 4
