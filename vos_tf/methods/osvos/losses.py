"""The loss of OSVOS (Caelles et al., CVPR 2017) over all its outputs. Keras only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vos_tf.losses import class_balanced_cross_entropy


def deep_supervision(
    fused: Any, sides: Sequence[Any], targets: Any, weights: Any | None = None, side_weight: Any = 1.0, **options: Any
) -> Any:
    """The authors' loss of the fused map and, weighted, of every side's map.

    Args:
        fused: Logits ``(N, H, W, K)``.
        sides: Logits of the sides, each of the same shape.
        targets: As for `vos_tf.losses.class_balanced_cross_entropy`, like ``weights`` and ``options``.
        weights: See there.
        side_weight: Of each side, a number or a scalar tensor; the number 0 leaves the sides out.
        **options: Further arguments of `class_balanced_cross_entropy`.

    Returns:
        float32 ``(N,)``.
    """
    loss = class_balanced_cross_entropy(fused, targets, weights, **options)
    if isinstance(side_weight, (int, float)) and side_weight == 0:
        return loss
    for side in sides:
        loss = loss + side_weight * class_balanced_cross_entropy(side, targets, weights, **options)
    return loss
