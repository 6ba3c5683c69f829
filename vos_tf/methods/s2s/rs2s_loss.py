"""RS2S's loss: class-balanced cross-entropy, distance classes of every pixel, and the Jaccard index. Keras only."""

from __future__ import annotations

from typing import Any

from keras import ops

# Pixels this near to the object's border have a class of their own; two classes more than that never occur.
BORDER = 20
CLASSES = 2 * BORDER + 2
# Of balanced cross-entropy, distance classes and Jaccard index.
WEIGHTS = (0.6, 0.2, 0.2)
# A squared distance beyond all that count.
FAR = 1e6


def distance_classes(masks: Any) -> Any:
    """The class of each pixel by its Euclidean distance d, rounded down, to the object or from its background.

    Background: ``20 - d``, and 0 from 20 on. Object: ``21 + d``, and 41 from 20 on. Classes 20 and 21 never occur.

    Args:
        masks: ``(..., H, W)``, 0 or 1; what lies beyond the image is neither.

    Returns:
        int32, the same shape.
    """
    inside = ops.cast(masks, "float32") >= 0.5
    squares = ops.where(ops.stack([inside, ops.logical_not(inside)]), 0.0, FAR)
    squares = _nearest(_nearest(squares, axis=-1), axis=-2)
    # Half more: the root of a square number must not fall below it.
    distances = ops.cast(ops.sqrt(ops.minimum(squares, FAR) + 0.5), "int32")
    to_object, to_background = distances[0], distances[1]
    return ops.where(inside, BORDER + 1 + ops.minimum(to_background, BORDER), BORDER - ops.minimum(to_object, BORDER))


def _nearest(squares: Any, axis: int) -> Any:
    """Least ``squares + distance^2`` along an axis, as far as `BORDER`."""
    rank, size = len(squares.shape), squares.shape[axis]
    widths = [(0, 0)] * rank
    widths[axis] = (BORDER, BORDER)
    padded = ops.pad(squares, widths, constant_values=FAR)
    best = squares
    for shift in (*range(-BORDER, 0), *range(1, BORDER + 1)):
        window = [slice(None)] * rank
        window[axis] = slice(BORDER + shift, BORDER + shift + size)
        best = ops.minimum(best, padded[tuple(window)] + float(shift * shift))
    return best


def rs2s_loss(logits: Any, distance: Any, targets: Any, weights: Any) -> Any:
    """``0.6 balanced + 0.2 distance + 0.2 Jaccard`` of each frame over the whole batch, averaged over frames.

    Args:
        logits: ``(B, T, K, H, W)``.
        distance: Logits of distance classes, ``(B, T, K, H, W, 42)``.
        targets: 0 or 1, the shape of ``logits``.
        weights: 0 where a pixel does not count, the shape of ``logits``.

    Returns:
        float32 ``(B,)``, whose mean is the loss; 0 where nothing counts. The Jaccard index has no share of a clip: each
        gets that of the batch.
    """
    parts = (
        balanced_part(logits, targets, weights),
        distance_part(distance, targets, weights),
        jaccard_part(logits, targets, weights),
    )
    total = sum(weight * part for weight, part in zip(WEIGHTS, parts, strict=True))
    counts = ops.cast(ops.max(weights, axis=(0, 2, 3, 4)) > 0, "float32")
    return ops.sum(total * counts, axis=1) / ops.maximum(ops.sum(counts), 1.0)


def balanced_part(logits: Any, targets: Any, weights: Any) -> Any:
    """Cross-entropy with both classes of equal weight in each frame of the batch, mean over its pixels: ``(B, T)``."""
    logits = ops.cast(logits, "float32")
    inside, outside = targets * weights, (1.0 - targets) * weights
    positives, negatives = _over_batch(inside), _over_batch(outside)
    count = ops.maximum(positives + negatives, 1.0)
    surprise = ops.softplus(ops.where(targets > 0, -logits, logits))
    balanced = surprise * (inside * (negatives / count) + outside * (positives / count))
    return _shares(balanced / count)


def distance_part(distance: Any, targets: Any, weights: Any) -> Any:
    """Cross-entropy of the distance classes, mean over the pixels of each frame of the batch: ``(B, T)``."""
    surprise = ops.sparse_categorical_crossentropy(
        distance_classes(targets), ops.cast(distance, "float32"), from_logits=True
    )
    return _shares(surprise * weights / ops.maximum(_over_batch(weights), 1.0))


def jaccard_part(logits: Any, targets: Any, weights: Any) -> Any:
    """``-log J`` of each frame of the batch, with probabilities in place of a threshold: ``(B, T)``, equal for all.

    A frame in which no object is to be seen says nothing about overlap and is left to the other parts.
    """
    probabilities = ops.sigmoid(ops.cast(logits, "float32")) * weights
    truth = targets * weights
    both, area = _over_batch(probabilities * truth), _over_batch(truth)
    either = _over_batch(probabilities) + area - both
    surprise = ops.log(either + 1e-15) - ops.log(both + 1e-15)
    return ops.where(area > 0, surprise, 0.0)[..., 0, 0, 0] * ops.ones_like(logits[..., 0, 0, 0], "float32")


def _over_batch(x: Any) -> Any:
    return ops.sum(x, axis=(0, 2, 3, 4), keepdims=True)


def _shares(x: Any) -> Any:
    """What each clip adds to a sum over the batch, times their number."""
    return ops.sum(x, axis=(2, 3, 4)) * ops.cast(ops.shape(x)[0], "float32")
