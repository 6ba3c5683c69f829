"""What every method of the registry promises; a new one is tested by being there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from vos_tf.config import RECIPES, read_recipe
from vos_tf.errors import VosError
from vos_tf.jobs.export import export_checked
from vos_tf.jobs.run_config import run_config
from vos_tf.jobs.train import train_run
from vos_tf.methods.load import load_model
from vos_tf.methods.method import Method, imported
from vos_tf.methods.registry import all_methods
from vos_tf.models.weights import save_model
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.pipeline.options import ClipOptions

TOLERANCE = 1e-5
every_method = pytest.mark.parametrize("method", all_methods(), ids=lambda method: str(method.name))


def settings_of(method: Method) -> Any:
    changes = dict(method.small)
    return method.resolve_settings(changes.pop("trunk", None), changes)


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    """A small network of each method, with weights that give lively answers."""
    found = {}
    for method in all_methods():
        keras.utils.set_random_seed(1)
        network = method.build(settings_of(method))
        rng = np.random.default_rng(0)
        for variable in network.trainable_variables:
            noise = rng.normal(0, 0.2 / np.sqrt(np.prod(variable.shape[:-1]) or 1), variable.shape)
            variable.assign(variable + noise.astype(np.float32))
        found[method.name] = network
    return found


def clip_of(network: Any, steps: int = 3, objects: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Frames float32 ``(1, 1 + T, H, W, 3)`` at the network's size and label maps uint8 ``(1, 1 + T, H, W)``."""
    height, width = network.settings.size or (64, 96)
    rng = np.random.default_rng(5)
    frames = rng.uniform(0, 255, (1, 1 + steps, height, width, 3)).astype(np.float32)
    labels = np.zeros((1, 1 + steps, height, width), np.uint8)
    for index in range(objects):
        labels[:, :, 8 + index : 24 + index, 6 + 20 * index : 20 + 20 * index] = index + 1
    return frames, labels


def masks_of(labels: np.ndarray, objects: int) -> np.ndarray:
    return np.stack([labels[0, 0] == i + 1 for i in range(objects)])[..., None].astype(np.float32)


def objects_from(method: Method, network: Any) -> str:
    return method.objects_from(network.get_config()["settings"])


@every_method
def test_a_declaration_says_what_is_there(method: Method) -> None:
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        if isinstance(value, str) and ":" in value and value.startswith("vos_tf."):
            assert imported(value) is not None
    assert all(dataclasses.is_dataclass(imported(kind)) for kind in method.option_types)
    readers = method.part("checkpoints") if method.checkpoint_kinds else {}
    assert set(readers) == set(method.checkpoint_kinds)
    for preset in method.presets:
        assert method.resolve_settings(None, {"preset": preset}) is not None
    assert method.light_recipe in [path.stem for path in RECIPES.glob("*.yaml")]


@every_method
def test_saved_is_loaded(method: Method, networks: dict[str, Any], tmp_path: Path) -> None:
    network = networks[method.name]
    save_model(tmp_path, method.name, network)
    name, loaded = load_model(tmp_path)
    assert (name, type(loaded), loaded.settings) == (method.name, type(network), network.settings)
    for ours, theirs in zip(network.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@every_method
def test_unrolled_is_stepped(method: Method, networks: dict[str, Any]) -> None:
    """What training sees of a clip is what a session steps through."""
    network = networks[method.name]
    frames, labels = clip_of(network)
    batch = ClipBatch(frames, labels, np.ones(labels.shape[:2], np.bool_), np.ones(1, np.int32))
    outcome = method.make_objective({}, 1).outcome(network, batch, 0.0, training=False)
    unrolled = keras.ops.convert_to_numpy(outcome.logits)[0, :, 0]
    if objects_from(method, network) == "foreground":  # a frame is seen against the others of its clip
        logits, _ = network.step(frames[0, :1], network.start(frames[0, 1:]))
        np.testing.assert_allclose(unrolled[0], logits[0, ..., 0], atol=TOLERANCE)
        return
    state = network.start(frames[0, :1], masks_of(labels, 1))
    for time in range(1, frames.shape[1]):
        logits, state = network.step(frames[0, time : time + 1], state)
        np.testing.assert_allclose(unrolled[time - frames.shape[1]], logits[0, ..., 0], atol=TOLERANCE)


@every_method
def test_together_is_one_by_one(method: Method, networks: dict[str, Any]) -> None:
    network = networks[method.name]
    if objects_from(method, network) == "foreground":
        pytest.skip("one object")
    frames, labels = clip_of(network, objects=2)
    masks = masks_of(labels, 2)
    together, alone = [], []
    for chosen, found in ((slice(0, 2), together), (slice(0, 1), alone), (slice(1, 2), alone)):
        state = network.start(frames[0, :1], masks[chosen])
        for time in range(1, frames.shape[1]):
            logits, state = network.step(frames[0, time : time + 1], state)
        found.append(keras.ops.convert_to_numpy(logits))
    count = 2 if method.independent_objects and len(together[0]) == 2 else 1
    np.testing.assert_allclose(together[0][:count], np.concatenate(alone)[:count], atol=TOLERANCE)


@every_method
def test_every_weight_is_in_one_group(method: Method, networks: dict[str, Any]) -> None:
    network = networks[method.name]
    groups = method.make_objective({}, 1).groups(network)
    grouped = [id(variable) for group in groups for variable in group.variables]
    assert len(grouped) == len(set(grouped))
    every = {id(variable) for variable in network.trainable_variables}
    # A trunk may stay as it is.
    still = {id(variable) for part in network.trunk_parts() for variable in part.trainable_variables}
    assert set(grouped) in (every, every - still)


@every_method
def test_two_updates_train_every_group_and_end_with_a_saved_model(
    method: Method, tiny_records: Path, tmp_path: Path
) -> None:
    changes = dict(method.small)
    single = objects_from(method, method.build(settings_of(method))) == "foreground"
    values = {
        "data": {"records": str(tiny_records), "validation_fraction": 0.2},
        "model": {"name": method.name, "trunk": changes.pop("trunk"), "trunk_weights": "none"},
        "clips": {"clip_length": 1 if single else 2, "clips_per_epoch": 2, "size": (64, 96)},
        "training": {"n_epochs": 1, "batch_size": 1, "lr": 1e-2, "validation_clips": 1},
    }
    size = {"size": (64, 96)} if method.resolve_settings(None, {}).size else {}
    values["model"]["settings"] = {**changes, **size}
    config = run_config(values)
    keras.utils.set_random_seed(config.training.seed)
    before = config.method.build(config.network_settings)
    result = train_run(config, tmp_path)
    assert result.finished
    name, network = load_model(tmp_path / "model")
    assert name == method.name
    assert np.isfinite([row.loss for row in result.history]).all()
    for group in method.make_objective({}, 1).groups(network):
        paths = {variable.path for variable in group.variables}
        pairs = zip(before.trainable_variables, network.trainable_variables, strict=True)
        changed = [bool(np.any(np.asarray(old) != np.asarray(new))) for old, new in pairs if new.path in paths]
        assert any(changed), group.name
    assert (tmp_path / "saved_model" / "parity.json").is_file()


@every_method
def test_an_object_may_join_late(method: Method, networks: dict[str, Any]) -> None:
    network = networks[method.name]
    following = {} if objects_from(method, network) == "masks" else dict(method.following_masks)
    given = {**following, **method.without_lookahead}
    if method.finetunes:
        given["finetune"] = {"steps": 1}
    segmenter = method.make_segmenter(network, None, method.resolve_options(network, given))
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 256, (4, 70, 94, 3), dtype=np.uint8)
    first, second = np.zeros((70, 94), np.uint8), np.zeros((70, 94), np.uint8)
    first[10:40, 10:40], second[30:60, 50:80] = 3, 7
    session = segmenter.session(size=(70, 94))
    session.add(first)
    np.testing.assert_array_equal(session.step(frames[0]).labels, first)
    assert session.step(frames[1]).object_ids == (3,)
    session.add(second)
    joined = session.step(frames[2])
    assert joined.object_ids == (3, 7)
    np.testing.assert_array_equal(joined.labels == 7, second == 7)
    last = session.step(frames[3])
    assert last.probabilities.shape == (2, 70, 94)
    assert np.isfinite(last.probabilities).all()
    assert set(np.unique(last.labels)) <= {0, 3, 7}


@every_method
def test_what_is_exported_says_the_same(method: Method, networks: dict[str, Any], tmp_path: Path) -> None:
    report = export_checked(method.make_segmenter(networks[method.name]), tmp_path / "saved_model")
    assert report.probability_difference <= TOLERANCE
    assert report.pixels_different <= report.pixels * 1e-4
    module = tf.saved_model.load(str(tmp_path / "saved_model"))
    assert {"step", "serving_default"} <= set(module.signatures)


def test_help_lists_every_method() -> None:
    from vos_tf.commands.main import app

    said = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["train", "--help"]).output
    assert all(method.name in said for method in all_methods())


@every_method
def test_its_recipes_load(method: Method) -> None:
    recipes = [path.stem for path in RECIPES.glob("*.yaml") if path.stem.startswith(method.name)]
    assert recipes
    for name in recipes:
        assert run_config(read_recipe(name)).method.name == method.name


@every_method
def test_a_wrong_option_gets_a_hint(method: Method, networks: dict[str, Any]) -> None:
    with pytest.raises(VosError, match=rf"expected an option of {method.name} .*did you mean 'test_flip'\?"):
        method.resolve_options(networks[method.name], {"test_flop": True})
    with pytest.raises(VosError, match=r"unknown key model\.settings\.sise; did you mean 'size'"):
        method.resolve_settings(None, {"sise": (3, 4)})


def test_clips_are_what_the_pipeline_makes() -> None:
    """The batch above is one that the pipeline could have made."""
    assert ClipBatch._fields[:4] == ("frames", "labels", "annotated", "object_count")
    assert ClipOptions(clip_length=3).lengths == (3, 3)
