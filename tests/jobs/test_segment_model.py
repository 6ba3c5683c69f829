"""Which model segments a video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import pytest
from cosnet_networks import lively
from rvos_networks import ONE_SHOT, ZERO_SHOT

import vos_tf
from vos_tf.errors import VosError
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.jobs import segment_model
from vos_tf.jobs.segment_model import ChosenModel, choose_model
from vos_tf.methods.rvos.network import RVOS
from vos_tf.models.weights import save_model


def chosen(method: str | None = None, path: Path | None = None, **changes: Any) -> ChosenModel:
    arguments = {"masks": True, "known": True, "adapted": Path("kept"), **changes}
    return choose_model(method, path, MergeRule(), arguments.pop("given", {}), **arguments)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models that come with vos_tf: their configurations alone."""
    models = {"a_rvos": ("rvos", {"mask_input": False}), "b_osvos": ("osvos", {}), "c_s2s": ("s2s", {})}
    models["d_emvos"] = ("emvos", {})
    for name, (model, settings) in models.items():
        (tmp_path / name).mkdir()
        config = {"model": model, "network": {"settings": settings}}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(segment_model, "SHIPPED", tmp_path)
    monkeypatch.setattr(segment_model, "shipped_models", lambda: tuple(models))
    return tmp_path


@pytest.mark.parametrize(("method", "masks", "name"), [
    (None, True, "d_emvos"),
    ("osvos", True, "b_osvos"),
    (None, False, "a_rvos"),
    ("s2s", True, "c_s2s"),
    ("rvos", False, "a_rvos"),
])  # fmt: skip
def test_a_fitting_model_is_found(shipped: Path, method: str | None, masks: bool, name: str) -> None:
    assert segment_model._shipped(method, masks=masks) == shipped / name


def test_without_masks_it_is_the_maskless_recipe_that_is_named(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_model, "shipped_models", lambda: ())
    with pytest.raises(VosError, match=r"no rvos that works without masks .* --recipe rvos_zeroshot_davis\)"):
        chosen("rvos", masks=False)


@pytest.mark.parametrize(("method", "masks", "message"), [
    ("cosnet", False, "no cosnet that works without masks comes with vos_tf, found neither --run nor --weights; train"),
    ("rvos", True, "no rvos that follows given masks comes with .* --recipe rvos_oneshot_davis.* --method emvos"),
    ("s2s", False, "--mask: expected a mask of each object to follow, as s2s does not find objects itself"),
    ("osvos", False, "--mask: expected a mask of each object to follow, as osvos does not find objects itself"),
])  # fmt: skip
def test_where_none_fits_it_says_what_to_train(shipped: Path, method: str, masks: bool, message: str) -> None:
    with pytest.raises(VosError, match=message):
        chosen(method, masks=masks)


def test_without_masks_and_methods_both_are_named(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_model, "shipped_models", lambda: ("b_osvos",))
    with pytest.raises(
        VosError, match="expected a mask of each object to follow, or a model that finds objects itself"
    ):
        chosen(masks=False)


def test_what_comes_with_the_package() -> None:
    real = chosen("s2s", given={"objects_per_call": 2})
    assert (real.method, real.origin) == ("s2s", "s2s_small_synthetic, which comes with vos_tf")
    assert "has seen nothing but made-up video" in real.notes[0]
    assert (chosen().method, chosen().origin) == ("emvos", "emvos_light, which comes with vos_tf")


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(
        VosError, match="--method: expected one of s2s, osvos, rvos, cosnet, emvos, found 'osvs'; did you mean"
    ):
        chosen("osvs")


def test_networks_that_find_objects_may_follow_masks(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    save_model(tmp_path / "zero/model", "rvos", RVOS(ZERO_SHOT))
    save_model(tmp_path / "one/model", "rvos", RVOS(ONE_SHOT))
    matched, proposed = (chosen(path=tmp_path / "zero", masks=masks).segmenter for masks in (True, False))
    assert (matched.needs_masks, proposed.needs_masks) == (True, False)
    assert chosen(path=tmp_path / "one").segmenter.needs_masks
    with pytest.raises(VosError, match="as rvos does not find objects itself, found none"):
        chosen(path=tmp_path / "one", masks=False)


def test_video_that_comes_once_is_not_looked_ahead_in(tiny_trunk: None, tmp_path: Path) -> None:
    save_model(tmp_path / "run/model", "cosnet", lively())
    ahead, streaming = (chosen(path=tmp_path / "run", masks=False, known=known).settings for known in (True, False))
    assert (ahead["sampling"], streaming["sampling"]) == ("uniform", "streaming")
    assert (ahead["objects"], chosen(path=tmp_path / "run").settings["objects"]) == ("foreground", "given")


def test_osvos_keeps_what_it_learns(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    small = vos_tf.build("osvos", trunk="small").network
    save_model(tmp_path / "run/model", "osvos", small)
    assert chosen(path=tmp_path / "run").segmenter.options.adapted == "kept"
