"""RS2S's loss: golden values and gradients, distance classes against SciPy, what does not count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from golden_outputs import load_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from vos_tf.losses import binary_cross_entropy
from vos_tf.methods.s2s.rs2s_loss import balanced_part, distance_classes, distance_part, jaccard_part, rs2s_loss


def test_values_and_gradients_equal_the_original(shared: Path) -> None:
    golden = load_golden(shared, "losses")
    masks = tf.constant(golden.inputs["clip.masks"][:, None])
    every = tf.ones_like(masks)
    logits = tf.Variable(golden.inputs["logits"][:, None])
    classes = tf.Variable(golden.inputs["classes"].transpose(0, 2, 3, 1)[:, None, None])
    soft = tf.constant(golden.inputs["soft"][:, None])
    cases: dict[str, tuple[list[tf.Variable], Callable[[], Any]]] = {
        "s2s_bce": ([logits], lambda: binary_cross_entropy(logits, masks, every)),
        "s2s_bce_soft": ([logits], lambda: binary_cross_entropy(logits, soft, every)),
        "s2s_tf1_bce": ([logits], lambda: binary_cross_entropy(logits, masks, every)),
        "rs2s_balanced": ([logits], lambda: balanced_part(logits, masks, every)),
        "rs2s_distance": ([classes], lambda: distance_part(classes, masks, every)),
        "rs2s_jaccard": ([logits], lambda: jaccard_part(logits, masks, every)),
        "rs2s_total": ([logits, classes], lambda: rs2s_loss(logits, classes, masks, every)),
    }
    answers: dict[str, Any] = {}
    for case, (variables, loss_of) in cases.items():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(loss_of())
        answers[f"loss/{case}"] = [float(loss)]
        for index, gradient in enumerate(tape.gradient(loss, variables)):
            part = np.asarray(gradient)[:, 0]
            part = part if variables[index] is logits else golden.rules.channels_first(part[:, 0])
            summary = golden.rules.summary(f"{case}/{index}", part)
            answers[f"gradient/{case}/{index}"] = [np.linalg.norm(part), *summary]
    answers["distance_classes"] = distance_classes(golden.inputs["clip.masks"][:, 0])
    assert golden.problems(answers) == []
    for key in (key for key in answers if key.startswith("loss/")):
        np.testing.assert_allclose(answers[key], golden.arrays[key], rtol=1e-6)


def slow_classes(mask: np.ndarray) -> np.ndarray:
    """As RS2S defines them, from SciPy's distances."""
    depth = np.floor(distance_transform_edt(mask)).astype(int)
    distance = np.floor(distance_transform_edt(1 - mask)).astype(int)
    return np.asarray(np.where(mask > 0, np.minimum(21 + depth, 41), np.maximum(20 - distance, 0)))


@given(st.integers(0, 2**16), st.floats(0.001, 0.999))
@settings(max_examples=15, deadline=None)
def test_distance_classes_are_those_of_exact_distances(seed: int, share: float) -> None:
    mask = (np.random.default_rng(seed).random((48, 64)) < share).astype(np.float32)
    mask[0, 0], mask[-1, -1] = 0, 1  # without one of both there is no distance
    mask[10:30, 12:60] = seed % 2
    np.testing.assert_array_equal(distance_classes(mask[None])[0], slow_classes(mask))


def test_whole_and_empty_masks_are_far_from_any_border() -> None:
    assert np.unique(distance_classes(np.zeros((5, 6)))).tolist() == [0]
    assert np.unique(distance_classes(np.ones((5, 6)))).tolist() == [41]


def made_up() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (3, 2, 2, 6, 5)
    logits, classes = rng.normal(size=shape), rng.normal(size=(*shape, 42))
    masks, weights = rng.random(shape) > 0.6, rng.random(shape) > 0.3
    return tuple(x.astype(np.float32) for x in (logits, classes, masks, weights))  # type: ignore[return-value]


def test_frames_that_do_not_count_change_nothing() -> None:
    logits, classes, masks, weights = made_up()
    weights[:, 1] = 0
    both = np.asarray(rs2s_loss(logits, classes, masks, weights))
    one = np.asarray(rs2s_loss(logits[:, :1], classes[:, :1], masks[:, :1], weights[:, :1]))
    np.testing.assert_allclose(both, one, rtol=1e-6)
    assert np.asarray(rs2s_loss(logits, classes, masks, 0 * weights)).tolist() == [0, 0, 0]


def test_frames_without_an_object_have_no_share_in_the_overlap() -> None:
    logits, _, masks, weights = made_up()
    masks[:, 0] = 0
    found = np.asarray(jaccard_part(logits, masks, weights))
    assert found[:, 0].tolist() == [0, 0, 0]
    assert found[0, 1] > 0


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_huge_logits_stay_finite(scale: float) -> None:
    logits, classes, masks, weights = made_up()
    variable = tf.Variable(scale * logits)
    with tf.GradientTape() as tape:
        losses = rs2s_loss(variable, scale * classes, masks, weights)
    assert np.isfinite(losses).all()
    assert np.isfinite(tape.gradient(losses, variable)).all()
