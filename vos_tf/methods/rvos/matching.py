"""Which object each slot of a zero-shot network shall follow: the cheapest assignment (Kuhn 1955), by SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vos_tf.methods.rvos.losses import FORBIDDEN


def assign_slots(costs: NDArray[np.float32]) -> NDArray[np.int32]:
    """For each clip and slot the index of the target it is matched with.

    Args:
        costs: ``(B, S, S)`` from `matching_costs`: targets are rows, slots are columns.

    Returns:
        ``(B, S)``, a permutation for each clip. Empty targets fill the slots that no object got.
    """
    # Costs of a network that has diverged: the loss will tell of it, SciPy would only refuse them.
    costs = np.nan_to_num(costs, nan=FORBIDDEN)
    return np.stack([_assign(clip) for clip in costs]).astype(np.int32)


def _assign(costs: NDArray[np.float32]) -> NDArray[np.int64]:
    count = len(costs)
    targets, slots = linear_sum_assignment(costs)
    matched = costs[targets, slots] < FORBIDDEN
    order = np.full(count, -1)
    order[slots[matched]] = targets[matched]
    # Any order of the empty ones would do; this is the originals': those behind the last object come first.
    last = targets[matched].max(initial=-1)
    empty = np.setdiff1d(np.arange(count), targets[matched])
    order[order < 0] = np.concatenate([empty[empty > last], empty[empty < last]])
    return order


def match_slots(costs: Any) -> Any:
    """`assign_slots` as a TensorFlow operation; without a gradient, and not for XLA, which cannot call Python."""
    order = tf.numpy_function(assign_slots, [costs], tf.int32, stateful=False)
    order.set_shape(costs.shape[:2])
    return order
