"""Losses of COSNet (Lu et al., CVPR 2019) and of the Tianchi code, on logits, one number per clip. Keras only.

Maps are ``(B, T, K, H, W)``: T frames of a clip (2 for a pair, 1 for a still image), K channels. The loss of a clip is
the sum over its frames.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from vos_tf.losses import class_balanced_cross_entropy

# What the authors weigh the loss of still images with, against that of pairs.
STATIC_WEIGHT = 0.1
# The paper's weight of `orthogonality_penalty`.
ORTHOGONALITY_WEIGHT = 1e-4
# Least share of positives of a frame that its loss is divided by.
LEAST_SHARE = 0.02


def balanced_cross_entropy(logits: Any, targets: Any, weights: Any | None = None) -> Any:
    """The paper's loss: with r the share of positives in a map, positives count ``1 - r`` and negatives ``r``.

    Args:
        logits: ``(B, T, K, H, W)``.
        targets: The same shape; 0.5 and more is foreground.
        weights: The same shape, 0 where a pixel does not count, else 1; all count if not given.

    Returns:
        float32 ``(B,)``: mean over the pixels that count, summed over frames and channels. 0 where all pixels of each
        map are of one class.
    """
    size = (-1, *ops.shape(logits)[-2:], 1)
    weights = ops.ones_like(logits) if weights is None else ops.cast(weights, logits.dtype)
    maps = [ops.reshape(x, size) for x in (logits, targets, weights)]
    mean = class_balanced_cross_entropy(*maps) / _counted(maps[2], (1, 2, 3))
    return ops.sum(ops.reshape(mean, (ops.shape(logits)[0], -1)), axis=1)


def positive_ratio_loss(
    logits: Any, targets: Any, weights: Any | None = None, absolute_weight: float = 0.8, *, by_frame: bool = False
) -> Any:
    """The loss of the authors' code: ``cross-entropy / r + 0.8 |p - y|`` with r the share of positives.

    All pixels of a frame count alike, unlike in the paper. r is taken over the whole batch, for each of the T frames by
    itself; where a batch has no positive pixel at all, it is taken as 1 (the code divides by 0).

    Args:
        logits: ``(B, T, K, H, W)``.
        targets: The same shape, 0..1.
        weights: The same shape, 0 where a pixel does not count, else 1; all count if not given.
        absolute_weight: Of the absolute error.
        by_frame: Take r of each frame of each clip by itself, as `LEAST_SHARE` at least, so that frames with small and
            with large objects count alike; an addition.

    Returns:
        float32 ``(B,)``; its mean over the batch is what the code minimises.
    """
    axes = (2, 3, 4) if by_frame else (0, 2, 3, 4)
    logits, targets = ops.cast(logits, "float32"), ops.cast(targets, "float32")
    weights = ops.ones_like(logits) if weights is None else ops.cast(weights, "float32")
    ratio = ops.sum(targets * weights, axis=axes) / _counted(weights, axes)
    least = ops.maximum(ratio, LEAST_SHARE) if by_frame else ratio
    ratio = ops.where(ratio > 0, least, ops.ones_like(ratio))
    cross_entropy = _mean((ops.softplus(logits) - logits * targets) * weights, weights)
    return ops.sum(cross_entropy / ratio, axis=1) + absolute_weight * absolute_error(logits, targets, weights)


def absolute_error(logits: Any, targets: Any, weights: Any | None = None) -> Any:
    """Mean ``|p - y|`` of each frame, the loss of the Tianchi code (there K = 3 colours).

    Args:
        logits: ``(B, T, K, H, W)``.
        targets: The same shape, 0..1.
        weights: The same shape, 0 where a pixel does not count, else 1; all count if not given.

    Returns:
        float32 ``(B,)``.
    """
    error = ops.abs(ops.sigmoid(ops.cast(logits, "float32")) - ops.cast(targets, "float32"))
    weights = ops.ones_like(error) if weights is None else ops.cast(weights, "float32")
    return ops.sum(_mean(error * weights, weights), axis=1)


def orthogonality_penalty(matrix: Any) -> Any:
    """Squared Frobenius norm of ``W W^T - I``; the paper writes ``|W W^T - I|`` and does not say which norm.

    Args:
        matrix: W, ``(C, C)``.

    Returns:
        A float32 scalar, 0 for an orthogonal matrix.
    """
    matrix = ops.cast(matrix, "float32")
    difference = ops.matmul(matrix, ops.transpose(matrix)) - ops.eye(matrix.shape[0], dtype="float32")
    return ops.sum(ops.square(difference))


def _mean(values: Any, weights: Any) -> Any:
    """``(B, T, K, H, W)``, weighted already, to the mean of each frame ``(B, T)``."""
    return ops.sum(values, axis=(2, 3, 4)) / _counted(weights, (2, 3, 4))


def _counted(weights: Any, axes: tuple[int, ...]) -> Any:
    return ops.maximum(ops.sum(ops.cast(weights, "float32"), axis=axes), 1.0)
