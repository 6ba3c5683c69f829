"""The compiled steps of training and validation; equal for one device and for many."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from vos_tf.config import TrainingSettings
from vos_tf.losses import region_similarity
from vos_tf.models.video_network import VideoNetwork
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.training.objective import Objective
from vos_tf.training.optimizers import set_rates


class TrainingStep:
    """One update from one batch of clips, over all replicas of a strategy.

    Args:
        network: What is trained.
        optimizer: Of the groups of weights of ``objective``.
        strategy: From `make_strategy`.
        settings: See `TrainingSettings`.
        objective: See `Objective`.
        of_stills: That of batches made of still images alone; ``None``: the same.
    """

    def __init__(
        self,
        network: VideoNetwork,
        optimizer: Any,
        strategy: Any,
        settings: TrainingSettings,
        objective: Objective,
        of_stills: Objective | None = None,
    ) -> None:
        self._network = network
        self._objectives = {False: objective, True: of_stills or objective}
        self._groups = {stills: item.groups(network) for stills, item in self._objectives.items()}
        self._optimizer = optimizer
        self._strategy = strategy
        self._settings = settings
        single = strategy.num_replicas_in_sync == 1
        # A clip of another length is another graph: shapes stay static, which is quicker than one graph for all.
        self._compiled = tf.function(self._distributed, jit_compile=settings.jit_compile and single)

    def __call__(
        self, batch: Any, learning_rate: float, progress: float = 0.0, epoch: int = 0, *, stills: bool = False
    ) -> Any:
        """Update the network and return the loss, a scalar tensor.

        Args:
            batch: A ClipBatch, one per replica.
            learning_rate: Of the groups with rate 1.
            progress: Share of the run's updates that are done, 0..1.
            epoch: From 0; decides which groups are trained.
            stills: Whether the batch is made of still images alone.
        """
        optimizer = getattr(self._optimizer, "inner_optimizer", self._optimizer)
        optimizer.learning_rate.assign(learning_rate)
        awake = tuple(group.name for group in self._groups[stills] if group.first_epoch <= epoch)
        batch = tuple(batch) if self._strategy.num_replicas_in_sync == 1 else batch
        return self._compiled(batch, tf.constant(progress, tf.float32), awake, stills)

    def _distributed(self, batch: Any, progress: Any, awake: tuple[str, ...], stills: bool) -> Any:
        groups, objective = self._groups[stills], self._objectives[stills]
        set_rates(self._optimizer, groups)
        variables = [v for group in groups if group.name in awake for v in group.variables]
        losses = self._strategy.run(lambda part: self._replica(part, progress, variables, objective), args=(batch,))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _replica(self, batch: Any, progress: Any, variables: list[Any], objective: Objective) -> Any:
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync
        parts = self._settings.micro_batches
        total, gradients = tf.constant(0.0), [tf.zeros_like(v) for v in variables]
        for part in range(parts):
            size = batch[0].shape[0] // parts
            clips = ClipBatch(*(x[part * size : (part + 1) * size] for x in batch))
            loss, scaled = self._gradients(clips, progress, variables, objective)
            total += loss
            gradients = [old + new for old, new in zip(gradients, scaled, strict=True)]
        if replicas > 1:
            summed = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
            gradients = [gradient / replicas for gradient in summed]
        self._optimizer.apply(gradients, variables)
        return total

    def _gradients(
        self, batch: ClipBatch, progress: Any, variables: list[Any], objective: Objective
    ) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            losses = objective.outcome(self._network, batch, progress, training=True).losses
            # Divided by the global batch: replicas and micro-batches add up to the mean over all clips.
            loss = tf.reduce_sum(losses) / self._settings.batch_size
            scaled = self._optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables)
        return loss, [tf.zeros_like(v) if g is None else g for g, v in zip(gradients, variables, strict=True)]


class ValidationStep:
    """Mean J and loss of a batch of clips at the network's size."""

    def __init__(self, network: VideoNetwork, objective: Objective) -> None:
        self._network = network
        self._objective = objective
        self._compiled = tf.function(self._scores)

    def __call__(self, batch: Any, progress: float = 0.0) -> tuple[float, float, float]:
        """Sum of J over frames and objects that count, their number, and the sum of the clips' losses."""
        total, count, loss = self._compiled(tuple(batch), tf.constant(progress, tf.float32))
        return float(total), float(count), float(loss)

    def _scores(self, batch: Any, progress: Any) -> Any:
        outcome = self._objective.outcome(self._network, ClipBatch(*batch), progress, training=False)
        score, counts = region_similarity(outcome.logits, outcome.targets, outcome.weights)
        return tf.reduce_sum(score * counts), tf.reduce_sum(counts), tf.reduce_sum(outcome.losses)
