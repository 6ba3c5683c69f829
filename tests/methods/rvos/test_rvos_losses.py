"""Losses of RVOS: the originals' recorded values, and what must not count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from golden_outputs import Golden, load_golden
from keras import ops

from vos_tf.methods.rvos.losses import class_costs, emptiness, matching_costs, mean_of_valid, soft_iou_costs, stop_costs


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return load_golden(shared, "losses")


def slot_tensors(golden: Golden) -> tuple[np.ndarray, np.ndarray]:
    """Logits and targets ``(2, 10, H, W)`` as the fixture's description says."""
    targets = np.zeros((2, 10, 48, 80), np.float32)
    targets[:, :4] = golden.inputs["objects.masks"]
    targets *= golden.arrays["valid"][:, :, None, None]
    logits = golden.inputs["slots"] - 1
    for clip in range(2):
        logits[clip, :4] += 2 * targets[clip, [(3 * slot + clip + 1) % 4 for slot in range(4)]]
    return logits.astype(np.float32), targets


def test_soft_iou_is_the_originals(golden: Golden) -> None:
    logits, targets = slot_tensors(golden)
    valid = golden.arrays["valid"]
    costs = soft_iou_costs(logits, targets)
    answers = {"rvos_cost": np.asarray(costs).reshape(-1)}
    for case, flags in (("valid", valid), ("all", np.ones_like(valid)), ("none", np.zeros_like(valid))):
        answers[f"loss/rvos_soft_iou_{case}"] = np.asarray(mean_of_valid(costs, flags)).reshape(1)
    assert golden.problems(answers) == []


def test_gradient_of_soft_iou_is_the_originals(golden: Golden) -> None:
    import tensorflow as tf

    logits, targets = slot_tensors(golden)
    valid = golden.arrays["valid"]
    variable = tf.Variable(logits)
    for case, flags in (("valid", valid), ("none", np.zeros_like(valid))):
        with tf.GradientTape() as tape:
            loss = mean_of_valid(soft_iou_costs(variable, targets), flags)
        gradient = np.asarray(tape.gradient(loss, variable), np.float64)
        label = f"rvos_soft_iou_{case}/0"
        found = [np.linalg.norm(gradient), *golden.rules.summary(label, gradient)]
        assert golden.problems({f"gradient/{label}": found}) == []


def test_costs_of_matching_are_the_originals(golden: Golden) -> None:
    logits, targets = slot_tensors(golden)
    costs = matching_costs(logits, targets, golden.arrays["valid"], first_slots=True)
    assert golden.problems({"rvos_matching_cost": costs}) == []


def test_any_slot_may_take_an_object(golden: Golden) -> None:
    logits, targets = slot_tensors(golden)
    valid = golden.arrays["valid"]
    costs = np.asarray(matching_costs(logits, targets, valid, first_slots=False))
    pairs = np.asarray(soft_iou_costs(np.repeat(logits[:, None], 10, 1), np.repeat(targets[:, :, None], 10, 2)))
    np.testing.assert_allclose(costs[valid > 0], pairs[valid > 0], atol=1e-6)
    assert (costs[valid == 0] == 10).all()
    left = np.zeros((1, 1, 48, 80), np.float32)
    left[..., :40] = 1
    halved = matching_costs(logits, targets, valid, left, first_slots=False)
    alone = matching_costs(logits[..., :40], targets[..., :40], valid, first_slots=False)
    np.testing.assert_allclose(halved, alone, atol=1e-6)


def test_stop_loss_is_the_originals(golden: Golden) -> None:
    logits, _ = slot_tensors(golden)
    costs = stop_costs(logits[:, :, 0, 0], golden.arrays["valid"])
    assert golden.problems({"rsis_stop_bce": costs}) == []


def test_class_loss_is_the_originals(golden: Golden) -> None:
    logits, _ = slot_tensors(golden)
    rows = np.arange(20)
    costs = class_costs(logits.reshape(20, -1)[:, :21], rows % 21)
    assert golden.problems({"rsis_masked_nll": costs}) == []
    unknown = np.where(rows % 3 == 0, -1, rows)
    found = class_costs(logits.reshape(20, -1)[:, :21], unknown)
    np.testing.assert_array_equal(found, np.where(unknown < 0, 0, costs))


def test_pixels_without_weight_do_not_count() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(3, 6, 8)), (rng.random((3, 6, 8)) > 0.5).astype(np.float32)
    weights = np.zeros((3, 6, 8), np.float32)
    weights[:, :4, :5] = 1
    cut = soft_iou_costs(logits[:, :4, :5], targets[:, :4, :5])
    np.testing.assert_allclose(soft_iou_costs(logits, targets, weights), cut, rtol=1e-5)
    empty = np.zeros_like(targets)
    np.testing.assert_allclose(
        emptiness(logits, empty, weights), ops.mean(ops.softplus(logits[:, :4, :5]), axis=(1, 2)), rtol=1e-5
    )
    np.testing.assert_array_equal(emptiness(logits, targets, weights), 0)


def test_means_fall_back_to_all_row_by_row() -> None:
    costs = np.array([[1.0, 2.0, 6.0], [1.0, 2.0, 6.0]], np.float32)
    valid = np.array([[0, 1, 1], [0, 0, 0]])
    np.testing.assert_allclose(mean_of_valid(costs, valid, axis=1), [4, 3])
    np.testing.assert_allclose(mean_of_valid(costs, valid), 4)
