"""RSIS's class loss: which slots count, for what, and what it moves."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tiny_training import tiny_values

from vos_tf.errors import VosError
from vos_tf.jobs.run_config import run_config
from vos_tf.jobs.train import train_run
from vos_tf.methods.load import load_model
from vos_tf.methods.rvos.network import RVOS, RVOSClip, RVOSSettings
from vos_tf.methods.rvos.objective import RVOSObjective, Settings
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.records.manifest import read_manifest
from vos_tf.training.strategy import per_replica_batches

SIZE = (8, 12)
CLASSES = np.array([[2, -1, 0], [1, 1, -1]], np.int32)
COUNTS = np.array([3, 2], np.int32)
ANNOTATED = np.array([[True, True, False], [True, True, True]])
ORDER = np.array([[2, 0, 1, 3], [1, 0, 2, 3]])
"""The object of each slot; four slots, three objects at most."""


def clips() -> ClipBatch:
    """Two clips of three frames; object k fills columns 3k - 3 to 3k - 1, the second object of clip 2 only once."""
    labels = np.repeat(np.arange(12) // 3 + 1, 8).reshape(12, 8).T * np.ones((2, 3, 1, 1), np.uint8)
    labels[labels > COUNTS[:, None, None, None]] = 0
    labels[1, 1:][labels[1, 1:] == 2] = 0
    frames = np.zeros((2, 3, *SIZE, 3), np.uint8)
    return ClipBatch(*map(tf.constant, (frames, labels.astype(np.uint8), ANNOTATED, COUNTS, CLASSES)))


def loss_by_hand(logits: np.ndarray, order: np.ndarray, *, skip: bool, batch: bool) -> np.ndarray:
    """Slot by slot."""
    losses = np.zeros(2)
    for time in range(3):
        rows: list[list[float]] = [[], []]
        for clip in range(2):
            for slot, item in enumerate(order[clip]):
                absent = clip == 1 and item == 1 and time > 0
                if item >= COUNTS[clip] or not ANNOTATED[clip, time] or CLASSES[clip, item] < 0 or (skip and absent):
                    continue
                shares = np.exp(logits[clip, time, slot])
                rows[clip].append(-np.log(shares[CLASSES[clip, item]] / shares.sum()))
        both = rows[0] + rows[1]
        means = [np.mean(both)] * 2 if batch else [np.mean(row) if row else 0.0 for row in rows]
        losses += means
    return losses


@pytest.mark.parametrize("average", ["clip", "batch"])
@pytest.mark.parametrize("absent", ["count", "skip"])
@pytest.mark.parametrize("one_shot", [True, False])
def test_the_loss_is_the_mean_over_slots_of_known_classes(average: str, absent: str, one_shot: bool) -> None:
    batch = clips()
    order = np.tile(np.arange(3), (2, 1)) if one_shot else ORDER
    logits = np.random.default_rng(0).normal(size=(2, 3, order.shape[1], 4)).astype(np.float32)
    # Zero-shot: the slots show the objects in another order, and the classes follow them.
    masks = np.asarray(batch.labels)[:, :, None] == 1 + order[:, None, :, None, None]
    said = RVOSClip(tf.constant(np.where(masks, 30.0, -30.0), tf.float32), tf.constant(logits), ())
    network = SimpleNamespace(settings=SimpleNamespace(mask_input=one_shot, slots=4), unroll=lambda *_, **__: said)
    changes = {"matching": "any_slot", "average": average, "absent_objects": absent, "iou_weight": 0.0}

    def losses(progress: float, **more: float) -> np.ndarray:
        objective = RVOSObjective(Settings(**changes, **more), 3)  # type: ignore[arg-type]
        return np.asarray(objective.outcome(network, batch, tf.constant(progress), training=True).losses)

    wanted = loss_by_hand(logits, order, skip=absent == "skip", batch=average == "batch")
    np.testing.assert_allclose(losses(0.5, class_weight=0.1, class_start=0.5), 0.1 * wanted, rtol=1e-5)
    np.testing.assert_array_equal(losses(0.4, class_weight=0.1, class_start=0.5), 0)
    np.testing.assert_array_equal(losses(0.5), 0)


def test_gradients_reach_the_head_from_known_classes_only() -> None:
    values: dict[str, Any] = {"trunk": "small", "size": (32, 48), "slots": 2, "hidden_size": 8, "finest_stride": 4}
    network = RVOS(RVOSSettings(**values, mask_input=False, class_count=3))
    rng = np.random.default_rng(0)
    labels = np.zeros((1, 1, 32, 48), np.uint8)
    labels[:, :, 8:20, 8:30] = 1
    frames = rng.integers(0, 256, (1, 1, 32, 48, 3), dtype=np.uint8)
    objective = RVOSObjective(Settings(class_weight=0.1, iou_weight=0.0), 2)
    moved = []
    for known in ([[1, -1]], [[-1, -1]]):
        batch = ClipBatch(frames, labels, np.ones((1, 1), bool), np.ones(1, np.int32), np.array(known, np.int32))
        with tf.GradientTape() as tape:
            losses = objective.outcome(network, batch, tf.constant(0.0), training=True).losses
        head = network.heads["class_head"].trainable_variables
        gradients = tape.gradient(losses, [*head, network.cells[0].trainable_variables[0]])
        moved.append([bool(np.any(np.asarray(gradient) != 0)) for gradient in gradients])
    assert moved == [[True, True, True], [False, False, False]]


def class_values(records: Path) -> dict[str, Any]:
    values = tiny_values(records, n_epochs=1, batch_size=2, micro_batches=2, validation_clips=1)
    names = {item.category for record in read_manifest(records).records for item in record.objects}
    network = {"size": [32, 48], "slots": 3, "hidden_size": 8, "finest_stride": 4, "class_count": len(names)}
    values["model"] = {"name": "rvos", "trunk": "small", "settings": {**network, "mask_input": False}}
    values["clips"] = {"clip_length": 1, "objects": "all", "max_objects": 3, "clips_per_epoch": 2}
    values["clips"]["classes"] = sorted(name for name in names if name)
    values["training"]["objective"] = {"class_weight": 0.1}
    return values


@pytest.mark.usefixtures("eagerly")
def test_a_run_trains_the_head(tiny_records: Path, tmp_path: Path) -> None:
    result = train_run(run_config(class_values(tiny_records)), tmp_path)
    _, network = load_model(tmp_path / "model")
    assert np.any(network.heads["class_head"].bias.numpy() != 0)
    assert result.history[0].validation_loss is not None and np.isfinite(result.history[0].validation_loss)


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        (
            "settings",
            {"class_count": 0},
            "expected a network with model.settings.class_count, found none",
        ),
        ("clips", {"classes": []}, "expected clips.classes, the names of the classes, found none"),
        ("clips", {"classes": ["cat"]}, "class_count: expected 1, the number of clips.classes, found "),
        ("objective", {"class_weight": -1}, "objective.class_weight: expected 0 or more, found -1"),
    ],
)
def test_mistakes_are_one_clear_sentence(
    section: str, changes: dict[str, Any], message: str, tiny_records: Path
) -> None:
    values = class_values(tiny_records)
    place = {"clips": values, "settings": values["model"], "objective": values["training"]}[section]
    place[section] = {**place[section], **changes}
    with pytest.raises(VosError, match=message):
        run_config(values)


@pytest.mark.parametrize("with_classes", [True, False])
def test_batches_are_cut_for_several_devices(with_classes: bool) -> None:
    whole = clips() if with_classes else clips()._replace(object_classes=())
    several = SimpleNamespace(
        num_replicas_in_sync=2, cluster_resolver=None, distribute_datasets_from_function=lambda make: make(None)
    )
    parts = list(per_replica_batches(several, lambda: tf.data.Dataset.from_tensors(whole)))
    assert len(parts) == 2
    for row, part in enumerate(parts):
        for ours, theirs in zip(ClipBatch(*part), whole, strict=True):
            np.testing.assert_array_equal(ours, theirs[row : row + 1])
