"""Losses of COSNet against the originals' values and gradients, against plain NumPy, and without positives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from golden_outputs import load_golden
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.methods.cosnet.losses import (
    STATIC_WEIGHT,
    absolute_error,
    balanced_cross_entropy,
    orthogonality_penalty,
    positive_ratio_loss,
)

LOSSES = [positive_ratio_loss, partial(positive_ratio_loss, by_frame=True), balanced_cross_entropy, absolute_error]


def maps(x: np.ndarray) -> np.ndarray:
    """``(B, K, H, W)`` of the originals as clips of one frame ``(B, 1, K, H, W)``."""
    return x[:, None]


def test_losses_and_gradients_equal_the_originals(shared: Path) -> None:
    golden = load_golden(shared, "losses")
    x = golden.inputs
    masks = x["clip.masks"]
    pairs = np.stack([masks, masks[::-1]], axis=1)
    both = np.stack([x["logits"], x["logits2"]], axis=1)
    one, colours = maps(x["logits"]), maps(x["colour_logits"])
    cases: dict[str, tuple[np.ndarray, Callable[[Any], Any]]] = {
        "cosnet_l1": (one, lambda z: positive_ratio_loss(z, maps(masks), absolute_weight=0.0)),
        "cosnet_l2": (one, lambda z: absolute_error(z, maps(masks))),
        "cosnet_video": (both, lambda z: positive_ratio_loss(z, pairs)),
        "cosnet_static": (one, lambda z: STATIC_WEIGHT * positive_ratio_loss(z, maps(masks))),
        "uvos_l1": (colours, lambda z: absolute_error(z, maps(x["colour"]))),
    }
    answers: dict[str, Any] = {}
    for case, (logits, loss_of) in cases.items():
        variable = tf.Variable(logits)
        with tf.GradientTape() as tape:
            losses = loss_of(variable)
            loss = tf.reduce_mean(losses)
        assert losses.shape == (2,)
        answers[f"loss/{case}"] = [float(loss)]
        gradients = np.asarray(tape.gradient(loss, variable))
        for index in range(gradients.shape[1]):
            part = gradients[:, index]
            summary = golden.rules.summary(f"{case}/{index}", part)
            answers[f"gradient/{case}/{index}"] = [np.linalg.norm(part), *summary]
    assert golden.problems(answers) == []
    for key in (key for key in answers if key.startswith("loss/")):
        np.testing.assert_allclose(answers[key], golden.arrays[key], rtol=1e-6)


def made_up(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (3, 2, 1, 5, 4)
    return (
        rng.normal(0, 4, shape).astype(np.float32),
        (rng.random(shape) > 0.7).astype(np.float32),
        (rng.random(shape) > 0.2).astype(np.float32),
    )


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return -(targets * np.log(p) + (1 - targets) * np.log1p(-p))


@given(st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_balanced_cross_entropy_weighs_both_classes_in_each_map(seed: int) -> None:
    logits, targets, weights = made_up(seed)
    wanted = np.zeros(3)
    for clip, time in np.ndindex(3, 2):
        counts = weights[clip, time] > 0
        y, loss = targets[clip, time][counts], cross_entropy(logits, targets)[clip, time][counts]
        share = y.mean()
        wanted[clip] += np.mean(np.where(y > 0, 1 - share, share) * loss)
    np.testing.assert_allclose(balanced_cross_entropy(logits, targets, weights), wanted, rtol=1e-4, atol=1e-6)


@given(st.integers(0, 2**16), st.booleans())
@settings(max_examples=30, deadline=None)
def test_ratio_is_of_the_whole_batch_or_of_each_frame(seed: int, by_frame: bool) -> None:
    logits, targets, weights = made_up(seed)
    if by_frame:  # a clip of no positive, and one of few
        targets[0], targets[1] = 0, targets[1] * (np.arange(20).reshape(5, 4) == 3)
    axes = (2, 3, 4) if by_frame else (0, 2, 3, 4)
    ratio = (targets * weights).sum(axis=axes) / weights.sum(axis=axes)
    if by_frame:
        ratio[(ratio > 0) & (ratio < 0.02)] = 0.02
    ratio[ratio == 0] = 1
    errors = np.abs(1 / (1 + np.exp(-logits.astype(np.float64))) - targets)
    count = weights.sum(axis=(2, 3, 4))
    wanted = (cross_entropy(logits, targets) * weights).sum(axis=(2, 3, 4)) / count / ratio
    wanted += 0.8 * (errors * weights).sum(axis=(2, 3, 4)) / count
    found = positive_ratio_loss(logits, targets, weights, by_frame=by_frame)
    np.testing.assert_allclose(found, wanted.sum(axis=1), rtol=1e-4)


def test_small_objects_count_as_much_as_large_ones_by_frame() -> None:
    targets = np.zeros((2, 1, 1, 40, 50), np.float32)
    targets[0, ..., :4, :10], targets[1, ..., :20, :40] = 1, 1
    logits = np.zeros_like(targets)
    logits[targets == 1] = -20.0
    missed = positive_ratio_loss(logits - 20.0 * (targets == 0), targets, absolute_weight=0.0, by_frame=True)
    np.testing.assert_allclose(missed, [20.0, 20.0], rtol=1e-5)
    targets[0] = 0
    targets[0, ..., 0, :4] = 1  # less than the least share
    logits = np.where(targets == 1, -20.0, -40.0).astype(np.float32)
    few = positive_ratio_loss(logits, targets, absolute_weight=0.0, by_frame=True)
    np.testing.assert_allclose(few, [20.0 * 0.002 / 0.02, 20.0], rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_finite_without_positives_and_for_huge_logits(loss: Callable[..., Any]) -> None:
    logits, targets, _ = made_up(0)
    variable = tf.Variable(1e4 * logits)
    with tf.GradientTape() as tape:
        losses = loss(variable, 0 * targets)
    assert np.isfinite(losses).all()
    assert np.isfinite(tape.gradient(losses, variable)).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_what_does_not_count_costs_nothing(loss: Callable[..., Any]) -> None:
    logits, targets, weights = made_up(1)
    assert np.asarray(loss(logits, targets, 0 * weights)).tolist() == [0, 0, 0]
    other = np.where(weights > 0, logits, 7.0)
    np.testing.assert_allclose(loss(other, targets, weights), loss(logits, targets, weights), rtol=1e-6)


def test_orthogonality_penalty_is_zero_for_rotations_only() -> None:
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    assert float(orthogonality_penalty(rotation)) < 1e-9
    np.testing.assert_allclose(float(orthogonality_penalty(2 * np.eye(6))), 6 * 9, rtol=1e-6)
