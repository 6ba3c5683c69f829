"""Losses against plain NumPy, and what must not count."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.losses import binary_cross_entropy, loss_weights, object_targets, region_similarity, soft_jaccard


def made_up(seed: int, shape: tuple[int, ...] = (2, 3, 2, 5, 4)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.normal(0, 4, shape).astype(np.float32),
        (rng.random(shape) > 0.5).astype(np.float32),
        (rng.random(shape) > 0.3).astype(np.float32),
    )


@given(st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_cross_entropy_is_the_mean_over_the_pixels_that_count(seed: int) -> None:
    logits, targets, weights = made_up(seed)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    plain = -(targets * np.log(p) + (1 - targets) * np.log1p(-p)) * weights
    wanted = plain.sum(axis=(1, 2, 3, 4)) / weights.sum(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(np.asarray(binary_cross_entropy(logits, targets, weights)), wanted, rtol=1e-4)


def test_cross_entropy_of_huge_logits_is_finite() -> None:
    logits = np.array([1e4, -1e4], np.float32).reshape(2, 1, 1, 1, 1)
    loss = np.asarray(binary_cross_entropy(logits, np.zeros_like(logits), np.ones_like(logits)))
    np.testing.assert_allclose(loss, [1e4, 0])


def test_a_clip_in_which_nothing_counts_costs_nothing() -> None:
    logits, targets, weights = made_up(0)
    assert np.asarray(binary_cross_entropy(logits, targets, 0 * weights)).tolist() == [0, 0]


@given(st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_soft_jaccard_is_the_mean_over_masks_that_show_the_object(seed: int) -> None:
    logits, targets, weights = made_up(seed)
    targets[0, 1] = 0  # a frame without objects says nothing
    missed: list[list[float]] = [[], []]
    for clip, time, item in np.ndindex(*targets.shape[:3]):
        keep = weights[clip, time, item]
        p = keep / (1 + np.exp(-logits[clip, time, item].astype(np.float64)))
        truth = keep * targets[clip, time, item]
        if truth.any():
            missed[clip].append(1 - (p * truth).sum() / (p + truth - p * truth).sum())
    wanted = [np.mean(clip) for clip in missed]
    np.testing.assert_allclose(np.asarray(soft_jaccard(logits, targets, weights)), wanted, rtol=1e-4)


def test_soft_jaccard_of_nothing_is_nothing() -> None:
    logits, targets, weights = made_up(0)
    assert np.asarray(soft_jaccard(logits, 0 * targets, weights)).tolist() == [0, 0]


def test_void_unannotated_frames_and_empty_slots_do_not_count() -> None:
    labels = np.zeros((1, 2, 2, 2), np.uint8)
    labels[0, 0] = [[1, 255], [2, 0]]
    weights = np.asarray(loss_weights(labels, np.array([[True, False]]), np.array([1]), 2))
    assert weights[0, 0, 0].tolist() == [[1, 0], [1, 1]]
    assert weights[0, 0, 1].sum() == 0
    assert weights[0, 1].sum() == 0
    targets = np.asarray(object_targets(labels, 2))
    assert targets[0, 0, 0].tolist() == [[1, 0], [0, 0]]
    assert targets[0, 0, 1].tolist() == [[0, 0], [1, 0]]


@given(st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_region_similarity_is_intersection_over_union(seed: int) -> None:
    logits, targets, weights = made_up(seed)
    score, counts = map(np.asarray, region_similarity(logits, targets, weights))
    for index in np.ndindex(*score.shape):
        keep = weights[index] > 0
        predicted, truth = (logits[index] > 0) & keep, (targets[index] > 0) & keep
        union = (predicted | truth).sum()
        wanted = (predicted & truth).sum() / union if union else 1.0
        assert abs(score[index] - wanted) < 1e-6
        assert counts[index] == keep.any()
