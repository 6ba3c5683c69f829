"""Losses of RVOS (Ventura et al., CVPR 2019) and of its ancestor RSIS (Salvador et al. 2017). Keras only."""

from __future__ import annotations

from typing import Any

from keras import ops

EPSILON = 1e-6
FORBIDDEN = 10.0
"""Cost of a pair that must not be matched; a true cost is 1 at most."""


def soft_iou_costs(logits: Any, targets: Any, weights: Any | None = None) -> Any:
    """``1 - sum(p y) / (sum(p + y - p y) + 1e-6)`` of each map, with ``p = sigmoid(logit)``.

    The cost of an empty target is 1 and has no gradient.

    Args:
        logits: ``(..., H, W)``.
        targets: The same shape, 0 or 1.
        weights: The same shape, 0 where a pixel does not count; all count if not given.

    Returns:
        float32 ``(...)``.
    """
    probabilities = ops.sigmoid(ops.cast(logits, "float32"))
    targets = ops.cast(targets, "float32")
    if weights is not None:
        probabilities, targets = probabilities * weights, targets * weights
    shared = ops.sum(probabilities * targets, axis=(-2, -1))
    either = ops.sum(probabilities, axis=(-2, -1)) + ops.sum(targets, axis=(-2, -1)) - shared
    return 1.0 - shared / (either + EPSILON)


def mean_of_valid(costs: Any, valid: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """Mean of the costs whose flag is 1; where there is none, of all, as the original has it.

    Args:
        costs: Any shape.
        valid: The same shape, 0 or 1.
        axis: What the mean is taken over; ``None``: everything.
    """
    valid = ops.cast(valid, "float32")
    count = ops.sum(valid, axis=axis)
    chosen = ops.sum(costs * valid, axis=axis) / ops.maximum(count, 1.0)
    return ops.where(count > 0, chosen, ops.mean(costs, axis=axis))


def matching_costs(logits: Any, targets: Any, valid: Any, weights: Any = 1.0, *, first_slots: bool) -> Any:
    """Soft IoU cost of every pair of an object and a slot, `FORBIDDEN` where they must not meet.

    Args:
        logits: ``(B, S, H, W)``, one map per slot.
        targets: ``(B, S, H, W)``, 0 or 1, padded with empty ones to the number of slots.
        valid: ``(B, S)``: which targets are objects.
        weights: 0 where a pixel does not count, in a shape that broadcasts to the logits'.
        first_slots: Slot s may be matched only where target s is an object (the original: n objects go to the first n
            slots, in any order); else any slot may be.

    Returns:
        float32 ``(B, S, S)``: cost of target g in slot s at ``[b, g, s]``.
    """
    probabilities = _flat(ops.sigmoid(ops.cast(logits, "float32")) * weights)
    masks = _flat(ops.cast(targets, "float32") * weights)
    shared = ops.matmul(masks, ops.swapaxes(probabilities, 1, 2))
    either = ops.sum(masks, axis=-1)[:, :, None] + ops.sum(probabilities, axis=-1)[:, None] - shared
    allowed = ops.cast(valid, "bool")[:, :, None]
    if first_slots:
        allowed = ops.logical_and(allowed, ops.cast(valid, "bool")[:, None])
    return ops.where(allowed, 1.0 - shared / (either + EPSILON), FORBIDDEN)


def _flat(maps: Any) -> Any:
    batch, slots, height, width = ops.shape(maps)
    return ops.reshape(maps, (batch, slots, height * width))


def emptiness(logits: Any, targets: Any, weights: Any) -> Any:
    """Mean cross-entropy of each map against nothing, where its target is empty; 0 where it is not.

    Not from the paper: its soft IoU has no gradient where there is nothing to find.

    Args:
        logits: ``(..., H, W)``.
        targets: The same shape, 0 or 1.
        weights: The same shape, 0 where a pixel does not count.

    Returns:
        float32 ``(...)``.
    """
    absent = ops.cast(ops.max(ops.cast(targets, "float32") * weights, axis=(-2, -1)) == 0, "float32")
    pixels = ops.sum(weights, axis=(-2, -1))
    surprise = ops.softplus(ops.cast(logits, "float32")) * weights
    return absent * ops.sum(surprise, axis=(-2, -1)) / ops.maximum(pixels, 1.0)


def class_costs(logits: Any, classes: Any) -> Any:
    """Cross-entropy of RSIS's class head: minus the logarithm of the probability of each slot's own class.

    Args:
        logits: ``(..., classes)``.
        classes: int ``(...)``; -1 where the class is not known.

    Returns:
        float32 ``(...)``; 0 where the class is not known.
    """
    count = ops.shape(logits)[-1]
    chosen = ops.one_hot(classes, count, dtype="float32")
    return -ops.sum(chosen * ops.log_softmax(ops.cast(logits, "float32"), axis=-1), axis=-1)


def stop_costs(logits: Any, valid: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """Balanced cross-entropy of RSIS's stop head: whether a slot holds an object.

    Args:
        logits: Any shape, positive for an object.
        valid: The same shape, 1 for an object, else 0.
        axis: What the share of objects is counted over; ``None``: everything, as the original does.

    Returns:
        float32 of the same shape: objects are weighted by the share of the others, and the others by theirs.
    """
    logits, valid = ops.cast(logits, "float32"), ops.cast(valid, "float32")
    share = ops.mean(valid, axis=axis, keepdims=True)
    balance = valid * (1.0 - share) + (1.0 - valid) * share
    return balance * ops.softplus(ops.where(valid > 0, -logits, logits))
