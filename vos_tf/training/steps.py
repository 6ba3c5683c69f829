"""The compiled steps of training and validation; equal for one device and for many."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from vos_tf.config import TrainingSettings
from vos_tf.losses import binary_cross_entropy, loss_weights, object_targets, region_similarity, soft_jaccard


def make_optimizer(settings: TrainingSettings, network: Any, replicas: int) -> Any:
    """Adam (Kingma and Ba 2015; epsilon 1e-8 as in the S2S ports) for all trainable weights, with its slots built."""
    # Each replica hands its share of the summed gradient to the optimiser, so the limit is shared out as well.
    clip_norm = settings.clip_norm / replicas if settings.clip_norm else None
    optimizer = keras.optimizers.Adam(settings.lr, epsilon=1e-8, global_clipnorm=clip_norm)
    if settings.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer


class TrainingStep:
    """One update from one batch of clips, over all replicas of a strategy."""

    def __init__(
        self, network: Any, optimizer: Any, strategy: Any, settings: TrainingSettings, objects: int = 1
    ) -> None:
        self._network = network
        self._objects = objects
        self._optimizer = optimizer
        self._strategy = strategy
        self._settings = settings
        single = strategy.num_replicas_in_sync == 1
        # A clip of another length is another graph: shapes stay static, which is quicker than one graph for all.
        self._compiled = tf.function(self._distributed, jit_compile=settings.jit_compile and single)

    def __call__(self, batch: Any, learning_rate: float) -> Any:
        """Update the network from ``batch`` (a ClipBatch, one per replica) and return the loss, a scalar tensor."""
        optimizer = getattr(self._optimizer, "inner_optimizer", self._optimizer)
        optimizer.learning_rate.assign(learning_rate)
        return self._compiled(tuple(batch) if self._strategy.num_replicas_in_sync == 1 else batch)

    def _distributed(self, batch: Any) -> Any:
        losses = self._strategy.run(self._replica, args=(batch,))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _replica(self, batch: Any) -> Any:
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync
        variables = self._network.trainable_variables
        parts = self._settings.micro_batches
        total, gradients = tf.constant(0.0), [tf.zeros_like(v) for v in variables]
        for part in range(parts):
            size = batch[0].shape[0] // parts
            loss, scaled = self._gradients([x[part * size : (part + 1) * size] for x in batch], variables)
            total += loss
            gradients = [old + new for old, new in zip(gradients, scaled, strict=True)]
        if replicas > 1:
            summed = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
            gradients = [gradient / replicas for gradient in summed]
        self._optimizer.apply(gradients, variables)
        return total

    def _gradients(self, batch: Any, variables: Any) -> tuple[Any, Any]:
        frames, labels, annotated, object_count = batch
        with tf.GradientTape() as tape:
            clip_losses = clip_loss(
                self._network, frames, labels, annotated, object_count, self._objects, self._settings.jaccard_weight
            )
            # Divided by the global batch: replicas and micro-batches add up to the mean over all clips.
            loss = tf.reduce_sum(clip_losses) / self._settings.batch_size
            scaled = self._optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables)
        return loss, [tf.zeros_like(v) if g is None else g for g, v in zip(gradients, variables, strict=True)]


def unroll(network: Any, frames: Any, labels: Any, objects: int) -> Any:
    """Logits ``(B, T, K, H, W)`` of a clip whose first frame and label map initialise the network."""
    first = object_targets(labels[:, :1], objects)[:, 0]
    return network(tf.cast(frames, tf.float32), first)


def clip_loss(
    network: Any,
    frames: Any,
    labels: Any,
    annotated: Any,
    object_count: Any,
    objects: int,
    jaccard_weight: float = 0.0,
) -> Any:
    """Loss of each clip, float32 ``(B,)``; arguments as in `vos_tf.pipeline.clips.ClipBatch`."""
    logits = unroll(network, frames, labels, objects)
    targets = object_targets(labels[:, 1:], objects)
    weights = loss_weights(labels[:, 1:], annotated[:, 1:], object_count, objects)
    loss = binary_cross_entropy(logits, targets, weights)
    return loss + jaccard_weight * soft_jaccard(logits, targets, weights) if jaccard_weight else loss


class ValidationStep:
    """Mean J of a batch of clips at the network's size."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._compiled = tf.function(self._scores)

    def __call__(self, batch: Any, objects: int) -> tuple[float, float]:
        """Sum of J over frames and objects that count, and their number."""
        total, count = self._compiled(*batch, objects)
        return float(total), float(count)

    def _scores(self, frames: Any, labels: Any, annotated: Any, object_count: Any, objects: int) -> Any:
        logits = unroll(self._network, frames, labels, objects)
        weights = loss_weights(labels[:, 1:], annotated[:, 1:], object_count, objects)
        score, counts = region_similarity(logits, object_targets(labels[:, 1:], objects), weights)
        return tf.reduce_sum(score * counts), tf.reduce_sum(counts)
