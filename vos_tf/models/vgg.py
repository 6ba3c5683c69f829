"""VGG trunks that end each scale before its pooling, as OSVOS cuts them: strides 1, 2, 4, 8, 16.

`vos_tf.models.backbones` has the trunk whose scales end after the pooling (strides 2 to 32).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from vos_tf.models.layers import ImageNormalization

# (filters, number of 3x3 convolutions) of each of the five blocks (Simonyan and Zisserman 2015, table 1, D and E)
VGG16_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
VGG19_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
VGG_STRIDES = (1, 2, 4, 8, 16)


@keras.saving.register_keras_serializable("vos_tf")
class FrozenBatchNormalization(keras.layers.Layer):
    """Batch normalisation whose weights never train, but whose statistics move in training, as PyTorch moves them.

    PyTorch normalises with the biased variance of the batch and keeps the unbiased one in its moving variance;
    `keras.layers.BatchNormalization` keeps the biased one. In training a batch, also a batch of one image, is
    normalised with its own statistics.

    Args:
        epsilon: Added to the variance.
        momentum: Share of the old statistics that stays in each update.
    """

    def __init__(self, epsilon: float = 1e-5, momentum: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.momentum = momentum

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the four vectors for inputs ``(N, H, W, C)``."""

        def vector(name: str, initializer: str) -> Any:
            return self.add_weight(
                shape=(input_shape[-1],), initializer=initializer, name=name, trainable=False, autocast=False
            )

        self.gamma, self.beta = vector("gamma", "ones"), vector("beta", "zeros")
        self.moving_mean, self.moving_variance = vector("moving_mean", "zeros"), vector("moving_variance", "ones")

    def call(self, x: Any, training: bool = False) -> Any:
        """Normalise ``(N, H, W, C)``; with ``training``, by the batch's own statistics, which also move the kept."""
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            mean, variance = ops.moments(ops.cast(x, self.variable_dtype), axes=[0, 1, 2])
            self._move(mean, variance, ops.shape(x))
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        return ops.cast(x * ops.cast(scale, x.dtype) + ops.cast(self.beta - mean * scale, x.dtype), x.dtype)

    def _move(self, mean: Any, variance: Any, shape: Any) -> None:
        count = ops.cast(shape[0] * shape[1] * shape[2], variance.dtype)
        unbiased = variance * count / ops.maximum(count - 1.0, 1.0)
        for kept, new in ((self.moving_mean, mean), (self.moving_variance, unbiased)):
            kept.assign(kept * self.momentum + new * (1.0 - self.momentum))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape stays."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "epsilon": self.epsilon, "momentum": self.momentum}


def _stages(blocks: tuple[tuple[int, int], ...], inputs: Any, x: Any, *, batch_norm: bool, padding: str) -> Any:
    scales = []
    for block, (filters, convolutions) in enumerate(blocks, start=1):
        if block > 1:
            # Pooling with "same" rounds an odd size up (Caffe's rule), with "valid" down.
            x = keras.layers.MaxPooling2D(padding=padding, name=f"block{block - 1}_pool")(x)
        for index in range(1, convolutions + 1):
            name = f"block{block}_conv{index}"
            activation = None if batch_norm else "relu"
            x = keras.layers.Conv2D(filters, 3, padding="same", activation=activation, name=name)(x)
            if batch_norm:
                x = FrozenBatchNormalization(name=f"block{block}_bn{index}")(x)
                x = keras.layers.ReLU(name=f"block{block}_relu{index}")(x)
        scales.append(x)
    return keras.Model(inputs, scales)


def vgg16_stages(channels: int, name: str) -> Any:
    """VGG16 with OSVOS's means, ``relu1_2`` to ``relu5_3``; sizes are rounded up at each pooling."""
    inputs = keras.Input((None, None, channels))
    x = ImageNormalization("osvos_bgr", name="normalization")(inputs)
    model = _stages(VGG16_BLOCKS, inputs, x, batch_norm=False, padding="same")
    model.name = name
    return model


def vgg19_bn_stages(channels: int, name: str) -> Any:
    """VGG19 with batch normalisation and torchvision's means; none of its weights trains. Sizes are rounded down."""
    inputs = keras.Input((None, None, channels))
    x = ImageNormalization("imagenet_rgb", name="normalization")(inputs)
    model = _stages(VGG19_BLOCKS, inputs, x, batch_norm=True, padding="valid")
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.trainable = False
    model.name = name
    return model
