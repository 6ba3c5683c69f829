"""What RVOS learns from: which slot is matched with which object, what counts, and which weights move when."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from golden_outputs import load_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_training import tiny_values

from vos_tf.config import TrainingSettings
from vos_tf.errors import VosError
from vos_tf.jobs.run_config import run_config
from vos_tf.jobs.train import network_builder, train_run
from vos_tf.methods.rvos.losses import FORBIDDEN
from vos_tf.methods.rvos.matching import assign_slots, match_slots
from vos_tf.methods.rvos.network import RVOS, RVOSClip, RVOSSettings
from vos_tf.methods.rvos.objective import RVOSObjective, Settings
from vos_tf.models.weights import save_model
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.training.history import read_history
from vos_tf.training.optimizers import make_optimizer
from vos_tf.training.steps import TrainingStep

SIZE = (8, 12)
SURE = 30.0


class Saying:
    """A network that says given logits ``(B, T, S, H, W)``, and remembers what it was asked."""

    def __init__(self, logits: np.ndarray, *, one_shot: bool = False, stops: Any = ()) -> None:
        self.settings = SimpleNamespace(mask_input=one_shot, slots=logits.shape[2], stop_head=stops != ())
        self.clip = RVOSClip(tf.constant(logits, tf.float32), (), stops)
        self.asked: dict[str, Any] = {}

    def unroll(self, frames: Any, masks: Any, **asked: Any) -> RVOSClip:
        self.asked = {"masks": masks, **asked}
        return self.clip._replace(logits=self.clip.logits[:, :, : asked["slots"]])


def columns(*shown: tuple[int, ...]) -> np.ndarray:
    """Label maps ``(T, H, W)``: object k fills columns 2k - 2 and 2k - 1 of each frame that shows it."""
    labels = np.zeros((len(shown), *SIZE), np.uint8)
    for time, ids in enumerate(shown):
        for key in ids:
            labels[time, :, 2 * key - 2 : 2 * key] = key
    return labels


def sure(labels: np.ndarray, slots: int) -> np.ndarray:
    """Logits of a network that has object k in slot k - 1, ``(T, slots, H, W)``."""
    return np.where(labels[:, None] == np.arange(1, slots + 1)[:, None, None], SURE, -SURE)


def batch_of(*clips: np.ndarray, counts: list[int], annotated: Any = None) -> ClipBatch:
    labels = np.stack(clips)
    flags = np.ones(labels.shape[:2], bool) if annotated is None else np.array(annotated)
    frames = np.zeros((*labels.shape, 3), np.uint8)
    return ClipBatch(*map(tf.constant, (frames, labels, flags, np.array(counts, np.int32))))


def losses(network: Any, batch: ClipBatch, objects: int, *, training: bool = True, **changes: Any) -> np.ndarray:
    objective = RVOSObjective(Settings(**changes), objects)
    return np.asarray(objective.outcome(network, batch, tf.constant(0.5), training=training).losses)


def test_permutations_are_the_originals(shared: Path) -> None:
    for name, prefix in (("losses", "rvos_"), ("rvos_train_zeroshot_resnet50", "")):
        arrays = load_golden(shared, name).arrays
        np.testing.assert_array_equal(assign_slots(arrays[f"{prefix}matching_cost"]), arrays[f"{prefix}permutation"])


@given(st.integers(0, 2**16), st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_the_assignment_is_the_cheapest(seed: int, objects: int) -> None:
    costs = np.random.default_rng(seed).random((1, 4, 4)).astype(np.float32)
    costs[0, objects:] = FORBIDDEN
    order = assign_slots(costs)[0]
    assert sorted(order) == [0, 1, 2, 3]
    cheapest = min(sum(costs[0, target, slot] for slot, target in enumerate(other)) for other in permutations(range(4)))
    assert sum(costs[0, target, slot] for slot, target in enumerate(order)) == pytest.approx(cheapest)


def test_matching_works_in_a_graph_and_survives_nonsense() -> None:
    costs = np.full((2, 3, 3), np.nan, np.float32)
    costs[0] = 1 - np.eye(3)[[1, 2, 0]]
    order = tf.function(match_slots)(tf.constant(costs))
    np.testing.assert_array_equal(order[0], [2, 0, 1])
    assert sorted(order.numpy()[1]) == [0, 1, 2]


def test_objects_may_come_in_any_order_and_the_first_frame_decides() -> None:
    labels = columns((1, 2), (1, 2), (1, 2))
    swapped = sure(labels, 2)[:, ::-1]
    assert losses(Saying(swapped[None]), batch_of(labels, counts=[2]), 2) == pytest.approx(0, abs=1e-4)
    changing = np.concatenate([swapped[:1], sure(labels, 2)[1:]])
    assert losses(Saying(changing[None]), batch_of(labels, counts=[2]), 2) == pytest.approx(2, abs=1e-4)


def test_one_object_goes_to_the_first_slot_or_to_any() -> None:
    labels = columns((1,), (1,))
    third = np.full((1, 2, 3, *SIZE), -SURE)
    third[0, :, 2] = sure(labels, 1)[:, 0]
    batch = batch_of(labels, counts=[1])
    assert losses(Saying(third), batch, 3) == pytest.approx(2, abs=1e-4)
    assert losses(Saying(third), batch, 3, matching="any_slot") == pytest.approx(0, abs=1e-4)
    # More slots than objects of a clip: with any_slot all are decoded.
    assert losses(Saying(third), batch, 1, matching="any_slot") == pytest.approx(0, abs=1e-4)
    network = Saying(third)
    losses(network, batch, 1)
    assert network.asked["slots"] == 1


def test_absent_objects_count_or_not() -> None:
    labels = columns((1, 2), (1,), ())
    network, batch = Saying(sure(labels, 2)[None]), batch_of(labels, counts=[2])
    assert losses(network, batch, 2) == pytest.approx(0 + 0.5 + 1, abs=1e-4)
    # Where nothing is left to count, the mean is over all.
    assert losses(network, batch, 2, absent_objects="skip") == pytest.approx(0 + 0 + 1, abs=1e-4)


def test_averages_over_clips_and_over_the_batch() -> None:
    labels = columns((1, 2, 3)), columns((1,))
    logits = np.stack([sure(labels[0], 3), np.full((1, 3, *SIZE), -SURE)])
    batch = batch_of(*labels, counts=[3, 1])
    np.testing.assert_allclose(losses(Saying(logits), batch, 3), [0, 1], atol=1e-4)
    np.testing.assert_allclose(losses(Saying(logits), batch, 3, average="batch"), [0.25, 0.25], atol=1e-4)


def test_frames_without_masks_cost_nothing() -> None:
    labels = columns((1,), (1,))
    labels[1] = 255
    logits = np.concatenate([sure(labels[:1], 1), np.full((1, 1, *SIZE), SURE)])[None]
    batch = batch_of(labels, counts=[1], annotated=[[True, False]])
    for average in ("clip", "batch"):
        assert losses(Saying(logits), batch, 1, average=average) == pytest.approx(0, abs=1e-4)
        found = losses(Saying(logits), batch, 1, average=average, empty_weight=1.0)
        assert found == pytest.approx(0, abs=1e-4)


def test_the_first_frame_may_be_left_out() -> None:
    labels = columns((1,), (1,))
    network = Saying(np.full((1, 2, 1, *SIZE), -SURE), one_shot=True)
    batch = batch_of(labels, counts=[1])
    assert losses(network, batch, 1) == pytest.approx(2, abs=1e-4)
    assert losses(network, batch, 1, first_frame=False, iou_weight=3.0) == pytest.approx(3, abs=1e-4)


def test_slots_that_have_nothing_to_show_learn_to_be_empty() -> None:
    labels = columns((1, 2), (1,))
    network = Saying(np.full((1, 2, 3, *SIZE), 2.0))
    found = losses(network, batch_of(labels, counts=[2]), 3, iou_weight=0.0, empty_weight=0.5)
    # One slot of three in the first frame, two in the second.
    assert found == pytest.approx(0.5 * np.log1p(np.exp(2.0)) * (1 + 2) / 3, rel=1e-5)


def test_stop_loss_looks_at_the_objects_and_one_slot_more() -> None:
    labels = columns((1,))
    stops = tf.constant([[[1.0, 2.0, 99.0, 99.0]]])
    network = Saying(np.zeros((1, 1, 4, *SIZE)), stops=stops)
    batch = batch_of(labels, counts=[1])
    wanted = (0.75 * np.log1p(np.exp(-1.0)) + 0.25 * np.log1p(np.exp(2.0))) / 2
    assert losses(network, batch, 4, iou_weight=0.0, stop_weight=2.0) == pytest.approx(2 * wanted, rel=1e-5)
    assert losses(network, batch, 4, iou_weight=0.0, stop_weight=2.0, stop_start=0.6) == pytest.approx(0)


def test_feedback_in_training_and_in_validation() -> None:
    labels = columns((1,), (1,), (1,))
    network, batch = Saying(np.zeros((1, 3, 1, *SIZE)), one_shot=True), batch_of(labels, counts=[1])
    for feedback, training, previous, frames in (
        ("prediction", True, "prediction", 1),
        ("truth", True, "truth", 3),
        ("truth", False, "inference", 1),
    ):
        losses(network, batch, 1, training=training, feedback=feedback)
        assert network.asked["previous"] == previous
        assert network.asked["masks"].shape == (1, frames, 1, *SIZE)
        assert network.asked["training"] == training


def test_outcome_is_that_of_the_matched_slots() -> None:
    labels = columns((1, 2), (1,))
    objective = RVOSObjective(Settings(), 2)
    swapped = Saying(sure(labels, 2)[None, :, ::-1])
    outcome = objective.outcome(swapped, batch_of(labels, counts=[2]), tf.constant(0.0), training=False)
    np.testing.assert_array_equal(outcome.logits > 0, outcome.targets > 0)
    assert outcome.weights.shape == outcome.logits.shape == (1, 2, 2, *SIZE)
    given_first = Saying(sure(labels, 2)[None], one_shot=True)
    outcome = objective.outcome(given_first, batch_of(labels, counts=[2]), tf.constant(0.0), training=False)
    assert outcome.logits.shape == (1, 1, 2, *SIZE)


def tiny_network(**changes: Any) -> RVOS:
    values = {"trunk": "small", "size": (32, 48), "slots": 3, "hidden_size": 8, "finest_stride": 4, **changes}
    return RVOS(RVOSSettings(**values))


def test_groups_of_weights() -> None:
    network = tiny_network()
    decoder, trunk = RVOSObjective(Settings(finetune_after=2), 3).groups(network)
    assert (decoder.rate, decoder.first_epoch, trunk.rate, trunk.first_epoch) == (1, 0, 1e-3, 2)
    assert len(decoder.variables) + len(trunk.variables) == len(network.trainable_variables)
    assert [group.name for group in RVOSObjective(Settings(finetune_after=-1), 3).groups(network)] == ["decoder"]


@pytest.mark.parametrize(
    ("changes", "objects", "message"),
    [
        ({}, 4, r"clips.max_objects: expected at most the 3 slots of the network \(model.settings.slots\), found 4"),
        ({"stop_weight": 0.5}, 3, "expected a network with model.settings.stop_head, found none"),
    ],
)
def test_networks_that_do_not_fit(changes: dict[str, Any], objects: int, message: str) -> None:
    with pytest.raises(VosError, match=message):
        RVOSObjective(Settings(**changes), objects).groups(tiny_network())


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"feedback": "prediktion"}, r"objective.feedback: expected one of prediction, truth.*did you mean"),
        ({"finetune_after": -2}, "objective.finetune_after: expected 0 or more, or -1 for never, found -2"),
        ({"trunk_rate": -1}, "objective.trunk_rate: expected 0 or more, found -1"),
        ({"stop_weight": 1, "matching": "any_slot"}, "objective.stop_weight: expected matching first_slots"),
        ({"jaccard_weight": 1}, "unknown key training.objective.jaccard_weight"),
    ],
)
def test_mistakes_are_one_clear_sentence(objective: dict[str, Any], message: str) -> None:
    with pytest.raises(VosError, match=message):
        run_config({"model": {"name": "rvos", "trunk": "small"}, "training": {"objective": objective}})


@pytest.mark.usefixtures("eagerly")
def test_the_trunk_sleeps_until_its_epoch() -> None:
    network = tiny_network(mask_input=False, batch_norm="clip")
    values = TrainingSettings(lr=1e-3, batch_size=1)
    objective = RVOSObjective(Settings(finetune_after=1, trunk_rate=1.0), 3)
    step = TrainingStep(
        network, make_optimizer(values, objective.groups(network)), tf.distribute.get_strategy(), values, objective
    )
    rng = np.random.default_rng(0)
    labels = np.zeros((1, 2, 32, 48), np.uint8)
    labels[:, :, 8:20, 8:30] = 1
    frames = rng.integers(0, 256, (1, 2, 32, 48, 3), dtype=np.uint8)
    batch = ClipBatch(*map(tf.constant, (frames, labels, np.ones((1, 2), bool), np.ones(1, np.int32))))
    moved, layers = [], (network.trunk.get_layer("block1_conv1"), network.conv_out)
    for epoch in (0, 1):
        before = [layer.get_weights()[0] for layer in layers]
        step(batch, 1e-3, epoch=epoch)
        after = [layer.get_weights()[0] for layer in layers]
        moved.append([bool((one != two).any()) for one, two in zip(before, after, strict=True)])
    assert moved == [[False, True], [True, True]]


def rvos_values(records: Path, *, one_shot: bool, **training: Any) -> dict[str, Any]:
    values = tiny_values(records, **training)
    network = {"size": [32, 48], "slots": 3, "hidden_size": 8, "finest_stride": 4, "mask_input": one_shot}
    values["model"] = {"name": "rvos", "trunk": "small", "settings": network}
    values["clips"] = {"clip_length": 2, "objects": "all", "max_objects": 3}
    values["training"]["objective"] = {"trunk_rate": 1.0, **training.get("objective", {})}
    return values


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("one_shot", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_it_learns_and_its_runs_continue_exactly(
    one_shot: bool, precision: str, tiny_records: Path, tmp_path: Path
) -> None:
    def config(epochs: int) -> Any:
        values = rvos_values(tiny_records, one_shot=one_shot, precision=precision, n_epochs=epochs, lr=5e-3)
        return run_config(values)

    result = train_run(config(4), tmp_path / "whole")
    found = [row.validation_loss for row in result.history]
    assert result.history[-1].loss < result.history[0].loss
    assert all(loss is not None and 0 < loss < 3.5 for loss in found)
    train_run(config(2), tmp_path / "parts")
    train_run(config(4), tmp_path / "parts", resume=True)
    histories = [read_history(tmp_path / run / "history.csv") for run in ("whole", "parts")]
    assert [replace(row, seconds=0) for row in histories[0]] == [replace(row, seconds=0) for row in histories[1]]


def test_a_run_starts_from_another_ones_weights(tiny_records: Path, tmp_path: Path) -> None:
    def config(one_shot: bool, **changes: Any) -> Any:
        values = rvos_values(tiny_records, one_shot=one_shot)
        values["model"]["settings"] |= {"extra_levels": 0, **changes}
        return run_config({**values, "model": {**values["model"], "weights": str(tmp_path / "model")}})

    network = tiny_network()
    save_model(tmp_path / "model", "rvos", network)
    larger = network_builder(config(True, size=[40, 64], dropout=0.1, batch_norm="frozen"))()
    for one, two in zip(network.get_weights(), larger.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(
        VosError, match=r"expected a model with the settings of this run, found others \(mask_input True, "
    ):
        network_builder(config(False))()
