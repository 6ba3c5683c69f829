"""Losses on logits, one number per clip, so that the caller can divide by the *global* batch. Keras only."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from vos_tf.media.label_maps import VOID


def object_targets(labels: Any, objects: int) -> Any:
    """Label maps ``(B, T, H, W)`` with ids 1..K to masks ``(B, T, K, H, W)``, float32 0 or 1."""
    ids = ops.reshape(ops.arange(1, objects + 1, dtype="int32"), (1, 1, objects, 1, 1))
    return ops.cast(ops.equal(ops.cast(labels, "int32")[:, :, None], ids), "float32")


def loss_weights(labels: Any, annotated: Any, object_count: Any, objects: int) -> Any:
    """1 where a pixel counts, 0 elsewhere: frame not annotated, void, or a slot without an object.

    Args:
        labels: Label maps ``(B, T, H, W)``.
        annotated: bool ``(B, T)``.
        object_count: int ``(B,)``: slots 1..count hold an object.
        objects: Number of slots K.

    Returns:
        float32 ``(B, T, K, H, W)``.
    """
    pixel = ops.cast(ops.not_equal(ops.cast(labels, "int32"), VOID), "float32")[:, :, None]
    frame = ops.cast(annotated, "float32")[:, :, None, None, None]
    slot = ops.arange(objects, dtype="int32")[None] < ops.cast(object_count, "int32")[:, None]
    return pixel * frame * ops.cast(slot, "float32")[:, None, :, None, None]


def binary_cross_entropy(logits: Any, targets: Any, weights: Any) -> Any:
    """Mean cross-entropy of each clip over the pixels that count (Xu et al. 2018, section 4).

    Args:
        logits: ``(B, T, K, H, W)``.
        targets: The same shape, 0..1.
        weights: The same shape, 0 where a pixel does not count.

    Returns:
        float32 ``(B,)``; 0 for a clip in which nothing counts.
    """
    logits = ops.cast(logits, "float32")
    # log(1 + e^-|x|) + max(x, 0) - x * y never overflows
    per_pixel = ops.relu(logits) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))
    axes = tuple(range(1, len(logits.shape)))
    total = ops.sum(per_pixel * weights, axis=axes)
    return total / ops.maximum(ops.sum(weights, axis=axes), 1.0)


def soft_jaccard(logits: Any, targets: Any, weights: Any) -> Any:
    """Mean of ``1 - J`` of each clip, with probabilities in place of a threshold.

    Averaged over frames and objects that count; a frame in which the object is not to be seen says nothing about
    overlap and is left to the cross-entropy.

    Args:
        logits: ``(B, T, K, H, W)``.
        targets: The same shape, 0 or 1.
        weights: The same shape, 0 where a pixel does not count.

    Returns:
        float32 ``(B,)``; 0 for a clip in which nothing counts.
    """
    probabilities = ops.sigmoid(ops.cast(logits, "float32")) * weights
    truth = targets * weights
    intersection = ops.sum(probabilities * truth, axis=(-2, -1))
    area = ops.sum(truth, axis=(-2, -1))
    union = ops.sum(probabilities, axis=(-2, -1)) + area - intersection
    counts = ops.cast(area > 0, "float32")
    missed = (1.0 - intersection / ops.maximum(union, 1e-6)) * counts
    return ops.sum(missed, axis=(1, 2)) / ops.maximum(ops.sum(counts, axis=(1, 2)), 1.0)


def region_similarity(logits: Any, targets: Any, weights: Any) -> tuple[Any, Any]:
    """Region similarity J of each frame and object at the network's size, threshold 0.5.

    Returns:
        J, float32 ``(B, T, K)`` (1 where both masks are empty), and 1 where it counts, else 0.
    """
    predicted = ops.cast(logits > 0, "float32") * weights
    truth = targets * weights
    intersection = ops.sum(predicted * truth, axis=(-2, -1))
    union = ops.sum(predicted, axis=(-2, -1)) + ops.sum(truth, axis=(-2, -1)) - intersection
    score = ops.where(union > 0, intersection / ops.maximum(union, 1.0), ops.ones_like(union))
    return score, ops.cast(ops.max(weights, axis=(-2, -1)) > 0, "float32")


def class_balanced_cross_entropy(
    logits: Any, targets: Any, weights: Any | None = None, *, whole_batch: bool = False, epsilon: float = 0.0
) -> Any:
    """Class-balanced cross-entropy (Caelles et al., CVPR 2017, equation 1), summed over the pixels.

    With P positive and Q negative pixels, N = P + Q:
    ``Q / N * sum_positive(-log p) + P / N * sum_negative(-log(1 - p))``.

    Args:
        logits: ``(N, H, W, K)``, one map per object.
        targets: The same shape; 0.5 and more is the object.
        weights: 0 where a pixel does not count (void, or no object to learn), else 1, in a shape that broadcasts to
            the logits'; all count if not given.
        whole_batch: Count P and Q over all images, as the originals do with batches; else for each image by itself.
        epsilon: Added to the probability within the logarithm, as the VGG19 port does; 0: exact for any logit.

    Returns:
        ``(N,)``, float32 or the logits' float64, the sum over objects; the originals divide by the number of images.
        0 where all pixels that count are of one class.
    """
    dtype = keras.backend.result_type(logits.dtype, "float32")
    logits = ops.cast(logits, dtype)
    inside = ops.cast(ops.cast(targets, "float32") >= 0.5, dtype)
    outside = 1.0 - inside
    if weights is not None:
        weights = ops.cast(weights, dtype)
        inside, outside = inside * weights, outside * weights
    axes = (0, 1, 2) if whole_batch else (1, 2)
    positives, negatives = (ops.sum(x, axis=axes, keepdims=True) for x in (inside, outside))
    count = ops.maximum(positives + negatives, 1.0)
    balance = inside * (negatives / count) + outside * (positives / count)
    signed = ops.where(inside > 0, logits, -logits)
    surprise = ops.softplus(-signed) if epsilon == 0 else -ops.log(ops.sigmoid(signed) + epsilon)
    return ops.sum(balance * surprise, axis=(1, 2, 3))
