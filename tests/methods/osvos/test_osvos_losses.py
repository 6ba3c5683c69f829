"""OSVOS's class-balanced cross-entropy: golden values and gradients, void, counting by image or batch, supervision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from golden_outputs import load_golden
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.losses import class_balanced_cross_entropy
from vos_tf.methods.osvos.losses import deep_supervision

CASES = {
    "osvos_balanced_sum": {},
    "osvos_balanced_sum_first": {"first": True},
    "osvos_balanced_mean": {"mean": True},
    "osvos_balanced_soft": {"target": "soft"},
    "osvos_balanced_empty": {"target": "empty"},
    "osvos_balanced_large": {"scale": 30.0},
    "osvos_vgg19bn_balanced": {"epsilon": 1e-7},
}


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_equal_the_original(shared: Path, case: str) -> None:
    golden = load_golden(shared, "losses")
    options: dict[str, Any] = dict(CASES[case])
    targets = {"clip": golden.inputs["clip.masks"], "soft": golden.inputs["soft"]}
    targets["empty"] = np.zeros_like(targets["clip"])
    images = 1 if options.get("first") else 2
    target = targets[options.get("target", "clip")][:images].transpose(0, 2, 3, 1)
    logits = tf.constant(golden.inputs["logits"][:images].transpose(0, 2, 3, 1))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = class_balanced_cross_entropy(
            logits * options.get("scale", 1.0), target, whole_batch=True, epsilon=options.get("epsilon", 0.0)
        )
        loss = tf.reduce_sum(losses) / (target.size if options.get("mean") else images)
    wanted = float(golden.arrays[f"loss/{case}"][0])
    assert abs(float(loss) - wanted) <= 1e-6 * abs(wanted)
    gradient = golden.rules.channels_first(tape.gradient(loss, logits))
    summary = [np.linalg.norm(gradient), *golden.rules.summary(f"{case}/0", gradient)]
    assert golden.problems({f"gradient/{case}/0": summary}) == []


def random_maps(seed: int, objects: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (3, 6, 7, objects)
    logits = rng.normal(0, 3, shape).astype(np.float32)
    masks, weights = ((rng.random(shape) < p).astype(np.float32) for p in (0.3, 0.8))
    return logits, masks, weights


def slow_loss(logits: np.ndarray, masks: np.ndarray, weights: np.ndarray) -> float:
    """One map, pixel by pixel."""
    inside, outside = masks * weights, (1 - masks) * weights
    positives, negatives = inside.sum(), outside.sum()
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return float(
        negatives / (positives + negatives) * -(inside * np.log(probability)).sum()
        + positives / (positives + negatives) * -(outside * np.log(1 - probability)).sum()
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16))
def test_each_image_is_the_sum_over_its_objects(seed: int) -> None:
    logits, masks, weights = random_maps(seed)
    losses = np.asarray(class_balanced_cross_entropy(logits, masks, weights))
    for image in range(3):
        maps = (slow_loss(*(x[image, ..., k] for x in (logits, masks, weights))) for k in range(2))
        assert losses[image] == pytest.approx(sum(maps), rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16))
def test_void_pixels_say_nothing(seed: int) -> None:
    logits, masks, weights = random_maps(seed)
    shaken = np.where(weights == 0, -7 * logits + 1, logits)
    turned = np.where(weights == 0, 1 - masks, masks)
    np.testing.assert_array_equal(
        class_balanced_cross_entropy(logits, masks, weights), class_balanced_cross_entropy(shaken, turned, weights)
    )


def test_nothing_that_counts_gives_zero() -> None:
    logits, masks, _ = random_maps(0)
    np.testing.assert_array_equal(class_balanced_cross_entropy(logits, masks, np.zeros_like(masks)), 0)
    np.testing.assert_array_equal(class_balanced_cross_entropy(logits, np.ones_like(masks)), 0)


def test_weights_of_pixels_serve_all_objects() -> None:
    logits, masks, weights = random_maps(1)
    shared_weights = weights[..., :1]
    np.testing.assert_allclose(
        class_balanced_cross_entropy(logits, masks, shared_weights),
        class_balanced_cross_entropy(logits, masks, np.repeat(shared_weights, 2, axis=-1)),
        rtol=1e-6,
    )


def test_counts_over_the_batch_differ_from_counts_by_image() -> None:
    logits, masks, _ = random_maps(2, objects=1)
    masks[0] = 0
    by_image = np.asarray(class_balanced_cross_entropy(logits, masks))
    by_batch = np.asarray(class_balanced_cross_entropy(logits, masks, whole_batch=True))
    assert by_image[0] == 0
    assert by_batch[0] > 0
    one_map = slow_loss(logits.reshape(1, -1), masks.reshape(1, -1), np.ones((1, masks.size)))
    assert by_batch.sum() == pytest.approx(one_map, rel=1e-5)


@pytest.mark.parametrize("side_weight", [0.0, 0.5, 1.0])
def test_supervision_adds_the_sides(side_weight: float) -> None:
    fused, masks, weights = random_maps(3)
    sides = [random_maps(seed)[0] for seed in (4, 5)]
    parts = [np.asarray(class_balanced_cross_entropy(x, masks, weights)) for x in (fused, *sides)]
    wanted = parts[0] + side_weight * (parts[1] + parts[2])
    np.testing.assert_allclose(deep_supervision(fused, sides, masks, weights, side_weight), wanted, rtol=1e-6)
    scheduled = deep_supervision(fused, sides, masks, weights, tf.constant(side_weight))
    np.testing.assert_allclose(scheduled, wanted, rtol=1e-6)
