"""From one probability map per object to one label map: where all methods merge their objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from vos_tf.inference.merging.logit_maps import LogitMaps
from vos_tf.inference.merging.numpy_merge import merge_maps, merge_parts
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.media.label_maps import LabelMap

__all__ = ["MergeRule", "MergingGraph", "merge_objects"]


def merge_objects(probabilities: Any, ids: Any, rule: MergeRule) -> Any:
    """Merge objects into label maps; ties go to background, then to the earlier object.

    Args:
        probabilities: float32 ``(..., N, H, W)``, 0..1; for ``painted`` in the order of painting.
        ids: uint8 ``(N,)``, the objects' ids.
        rule: See `MergeRule`.

    Returns:
        uint8 ``(..., H, W)``.
    """
    if rule.name == "soft_aggregation":
        background = tf.reduce_prod(1.0 - probabilities, axis=-3, keepdims=True)
        planes = tf.clip_by_value(tf.concat([background, probabilities], axis=-3), 1e-7, 1.0 - 1e-7)
        winner = tf.argmax(planes / (1.0 - planes), axis=-3, output_type=tf.int32)
    elif rule.name in ("last_wins", "painted"):
        order = tf.range(1, tf.shape(probabilities)[-3] + 1)[:, None, None]
        winner = tf.reduce_max(tf.where(probabilities >= rule.background, order, 0), axis=-3)
    else:
        background = tf.ones_like(tf.reduce_sum(probabilities, axis=-3, keepdims=True)) * rule.background
        winner = tf.argmax(tf.concat([background, probabilities], axis=-3), axis=-3, output_type=tf.int32)
    table = tf.concat([tf.zeros([1], tf.uint8), tf.cast(ids, tf.uint8)], axis=0)
    return tf.gather(table, winner)


class MergingGraph:
    """`merge_objects` for any size and number of objects: compiled, or plane by plane where maps are on the CPU.

    Attributes:
        rule: How objects are merged.
        refine: Makes better probabilities float32 ``(N, H, W)`` of a frame uint8 ``(H, W, 3)`` and its probabilities,
            before they are merged; ``None``: they stay.
    """

    def __init__(self, rule: MergeRule) -> None:
        self.rule = rule
        self.refine: Callable[[Any, Any], Any] | None = None
        self._compiled = tf.function(self._merge, reduce_retracing=True)

    def __call__(self, probabilities: Any, ids: Sequence[int], given: LabelMap) -> LabelMap:
        """Merge the objects of one frame.

        Args:
            probabilities: float32 ``(N, H, W)``, 0..1, or `LogitMaps`.
            ids: The objects' ids.
            given: Label map uint8 ``(H, W)``; where it is not 0, it stands.
        """
        if not len(ids):
            return given.copy()
        if isinstance(probabilities, np.ndarray | LogitMaps) or "GPU" not in probabilities.device:
            # Several times as fast as TensorFlow there, and the same.
            rule = replace(self.rule, name="last_wins") if self.rule.name == "painted" else self.rule
            if isinstance(probabilities, LogitMaps):
                labels = merge_parts(probabilities.parts(rule), given.shape, ids, rule)
            else:
                labels = merge_maps(np.asarray(probabilities), ids, rule)
            return np.where(given > 0, given, labels) if given.any() else labels
        merged: LabelMap = self._compiled(probabilities, tf.constant(ids, tf.uint8, (len(ids),)), given).numpy()
        return merged

    def _merge(self, probabilities: Any, ids: Any, given: Any) -> Any:
        return tf.where(given > 0, given, merge_objects(probabilities, ids, self.rule))
