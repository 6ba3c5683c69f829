"""The losses of EMVOS: on logits of any stride, one number per clip. Keras only."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from vos_tf.losses import soft_jaccard


class Shown(NamedTuple):
    """What maps of a stride shall show.

    Attributes:
        targets: Share of each cell that the object covers, ``(B, T, K, h, w)``.
        weights: Share that counts, the same shape.
        border: 1 at the object's border, else 0.
    """

    targets: Any
    weights: Any
    border: Any


def shown_at(targets: Any, weights: Any, stride: int) -> Shown:
    """Masks and weights ``(B, T, K, H, W)`` of frames as maps of a stride have to show them."""
    lead = ops.shape(targets)[:3]
    counted, whole = _pooled(targets * weights, stride), _pooled(weights, stride)
    covered = counted / ops.maximum(whole, 1e-6)
    most, least = (ops.max_pool(x, 3, 1, padding="same") for x in (covered, -covered))
    border = ops.cast(most + least > 0.5, "float32")

    def unfolded(x: Any) -> Any:
        return ops.reshape(x, (*lead, *ops.shape(x)[1:3]))

    return Shown(unfolded(covered), unfolded(whole), unfolded(border))


def _pooled(maps: Any, stride: int) -> Any:
    maps = ops.reshape(maps, (-1, *ops.shape(maps)[3:], 1))
    return ops.average_pool(maps, stride, stride, padding="same")


def bootstrapped_cross_entropy(logits: Any, shown: Shown, border_weight: float, hardest: float, turn: Any) -> Any:
    """Cross-entropy of all pixels, and more and more of the hardest ones alone.

    Args:
        logits: ``(B, T, K, h, w)``.
        shown: What they shall show.
        border_weight: How much pixels at the object's border count.
        hardest: Share of the pixels of a frame that are its hardest.
        turn: Share of the loss that is of the hardest alone, a number or a scalar tensor 0..1.

    Returns:
        float32 ``(B,)``, the mean over frames and objects.
    """
    targets, weights = shown.targets, shown.weights * (1.0 + (border_weight - 1.0) * shown.border)
    costs = ops.relu(logits) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))
    shape = ops.shape(costs)
    costs, weights = (ops.reshape(x, (*shape[:3], -1)) for x in (costs * weights, weights))
    counted = ops.maximum(ops.sum(weights, axis=-1), 1.0)
    everywhere = ops.sum(costs, axis=-1) / counted
    count = max(int(hardest * costs.shape[-1]), 1)
    worst = ops.sum(ops.top_k(costs, count, sorted=False)[0], axis=-1) / ops.maximum(hardest * counted, 1.0)
    return ops.mean((1.0 - turn) * everywhere + turn * worst, axis=(1, 2))


def overlap_loss(logits: Any, shown: Shown) -> Any:
    """`soft_jaccard`, float32 ``(B,)``."""
    return soft_jaccard(logits, shown.targets, shown.weights)
