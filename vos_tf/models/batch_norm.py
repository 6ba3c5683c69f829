"""Batch normalisation with PyTorch's numbers, for batches of images and of clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

# PyTorch's default; Keras' own is 1e-3.
EPSILON = 1e-5


@keras.saving.register_keras_serializable("vos_tf")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation with PyTorch's numbers: epsilon 1e-5, and an unbiased moving variance.

    A layer that is not trainable always uses its moving statistics. See `statistics_by_frame` for batches of clips.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = EPSILON, **kwargs: Any) -> None:
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)
        self.frames = 1

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Normalise ``(N, h, w, C)`` over all but the channels; in training, each frame's ``N / frames`` by itself."""
        if not (training and self.trainable):
            return self._normalize(inputs, self.moving_mean, self.moving_variance)
        shape = ops.shape(inputs)
        x = ops.reshape(inputs, (self.frames, -1, *shape[1:]))
        mean, variance = ops.moments(ops.cast(x, self.variable_dtype), axes=(1, 2, 3), keepdims=True)
        count = ops.cast(shape[0] // self.frames * shape[1] * shape[2], variance.dtype)
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance * count / ops.maximum(count - 1.0, 1.0))
        return ops.reshape(self._normalize(x, mean, variance), shape)

    def _normalize(self, x: Any, mean: Any, variance: Any) -> Any:
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        shift = self.beta - mean * scale
        return x * ops.cast(scale, x.dtype) + ops.cast(shift, x.dtype)

    def _move(self, statistic: Any, values: Any) -> None:
        """Move a statistic towards the values of the frames ``(frames, 1, 1, 1, C)``, one after the other."""
        values = ops.cast(ops.stop_gradient(values), statistic.dtype)[:, 0, 0, 0]
        kept = [self.momentum ** (self.frames - frame) for frame in range(self.frames + 1)]
        weights = [[(1.0 - self.momentum) * later] for later in kept[1:]]
        moves = ops.sum(values * ops.convert_to_tensor(weights, dtype=statistic.dtype), axis=0)
        statistic.assign(statistic * kept[0] + moves)


@keras.saving.register_keras_serializable("vos_tf")
class FixedBatchNorm(BatchNorm):
    """`BatchNorm` whose weights never train; in training its statistics follow the batches all the same."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the four vectors for inputs ``(N, h, w, C)``."""
        names = {"gamma": "ones", "beta": "zeros", "moving_mean": "zeros", "moving_variance": "ones"}
        for name, initializer in names.items():
            weight = self.add_weight(
                shape=input_shape[-1:], initializer=initializer, name=name, trainable=False, autocast=False
            )
            setattr(self, name, weight)


@keras.saving.register_keras_serializable("vos_tf")
class FrozenBatchNormalization(FixedBatchNorm):
    """`FixedBatchNorm` by the name that it has in files of VGG19's weights: Keras finds weights by their class."""


def freeze_batch_norm(model: Any) -> None:
    """Let every batch normalisation in a model, nested models opened, keep its weights and its statistics."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


@contextmanager
def statistics_by_frame(layers: Iterable[Any], frames: int) -> Iterator[None]:
    """Inside, the `BatchNorm` among ``layers`` take their batches for ``frames`` batches, one after the other.

    Clips whose frames go through a trunk together, time first, are then normalised as if each frame came alone.
    """
    norms = [layer for layer in layers if isinstance(layer, BatchNorm)]
    for norm in norms:
        norm.frames = frames
    try:
        yield
    finally:
        for norm in norms:
            norm.frames = 1
