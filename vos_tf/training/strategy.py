"""Where training runs: one device, all devices of this machine, or several machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from vos_tf.errors import VosError

PRECISION_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def make_strategy(name: str) -> Any:
    """A `tf.distribute` strategy by name: ``default``, ``mirrored`` or ``multi_worker``.

    ``keras.distribution`` is not used: on the TensorFlow backend it runs on one device without saying so.

    Raises:
        VosError: ``multi_worker`` without ``TF_CONFIG`` in the environment.
    """
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "multi_worker":
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        if not resolver.cluster_spec().as_dict():
            raise VosError("--strategy multi_worker: expected the workers in the variable TF_CONFIG, found none")
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    return tf.distribute.get_strategy()


def set_precision(precision: str) -> None:
    """Set the Keras policy for new layers: variables stay float32, computation is done in ``precision``."""
    keras.mixed_precision.set_global_policy(PRECISION_POLICIES[precision])


def worker(strategy: Any) -> tuple[int, int]:
    """Index of this process and their number; a ``chief`` of the cluster counts before its ``worker`` entries."""
    resolver = strategy.cluster_resolver
    cluster = resolver.cluster_spec().as_dict() if resolver else {}
    if not cluster:
        return 0, 1
    chiefs = len(cluster.get("chief", []))
    index = (resolver.task_id or 0) + (chiefs if resolver.task_type == "worker" else 0)
    return index, chiefs + len(cluster.get("worker", []))


def is_chief(strategy: Any) -> bool:
    """Whether this process writes files: the first of several workers, or the only one."""
    return worker(strategy)[0] == 0


def per_replica_batches(strategy: Any, batches: Callable[[], Any]) -> Any:
    """Distribute this worker's batches: each is cut evenly among its replicas.

    Args:
        strategy: From `make_strategy`.
        batches: Gives a tf.data.Dataset of named tuples of tensors (or nothing, ``()``) whose first axis is this
            worker's part of the batch.
    """
    replicas = strategy.num_replicas_in_sync // worker(strategy)[1]
    if strategy.num_replicas_in_sync == 1:
        return batches()

    def part(tensor: Any) -> Any:
        return tf.reshape(tensor, tf.concat([[replicas, -1], tf.shape(tensor)[1:]], 0))

    def cut(batch: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(part, tuple(batch)))

    return strategy.distribute_datasets_from_function(lambda context: batches().flat_map(cut).prefetch(2 * replicas))
