"""ResNet trunks in the layout of torchvision: stride in the 3x3 convolution of a bottleneck, symmetric padding.

He et al. 2016 (arXiv 1512.03385). ``keras.applications`` has the first layout, with the stride in the 1x1 convolution
and biases before every batch normalisation: its weights do not fit here, and these do not fit there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from vos_tf.models.layers import ImageNormalization

# PyTorch's default; Keras' own is 1e-3.
EPSILON = 1e-5
RESNET_STRIDES = (2, 4, 8, 16, 32)


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
        mean, variance = ops.moments(ops.cast(x, "float32"), axes=(1, 2, 3), keepdims=True)
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


@dataclass(frozen=True)
class ResNetKind:
    """Blocks of each of the four stages, and whether they are bottlenecks (three convolutions, four times as wide)."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool


RESNETS = {
    34: ResNetKind((3, 4, 6, 3), bottleneck=False),
    50: ResNetKind((3, 4, 6, 3), bottleneck=True),
    101: ResNetKind((3, 4, 23, 3), bottleneck=True),
}


def _convolve(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    """Convolution without bias, padded by half the kernel on all sides."""
    if stride > 1 and kernel > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    layer = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        name=name,
    )
    return layer(x)


def _block(x: Any, width: int, stride: int, bottleneck: bool, name: str) -> Any:
    plan = [(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)] if bottleneck else [(width, 3, stride), (width, 3, 1)]
    shortcut = x
    if stride > 1 or x.shape[-1] != plan[-1][0]:
        shortcut = _convolve(x, plan[-1][0], 1, stride, f"{name}_downsample_conv")
        shortcut = BatchNorm(name=f"{name}_downsample_bn")(shortcut)
    for index, (filters, kernel, step) in enumerate(plan, start=1):
        x = BatchNorm(name=f"{name}_bn{index}")(_convolve(x, filters, kernel, step, f"{name}_conv{index}"))
        if index < len(plan):
            x = keras.layers.ReLU(name=f"{name}_relu{index}")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")([shortcut, x]))


def build_resnet(depth: int, channels: int, name: str) -> Any:
    """A ResNet of 34, 50 or 101 layers without its classifier.

    Layers are called as torchvision's modules, with underscores: ``conv1``, ``bn1``, ``layer1_0_conv1``, ...,
    ``layer2_0_downsample_conv``, ``layer2_0_downsample_bn``.

    Args:
        depth: A key of `RESNETS`.
        channels: Of the input, RGB 0..255 (or RGB and a mask 0..1).
        name: Of the model.

    Returns:
        A Keras model from ``(N, H, W, channels)`` to five feature maps at `RESNET_STRIDES`, sizes rounded up.
    """
    kind = RESNETS[depth]
    inputs = keras.Input((None, None, channels))
    x = ImageNormalization("imagenet_rgb", name="normalization")(inputs)
    x = keras.layers.ReLU(name="relu")(BatchNorm(name="bn1")(_convolve(x, 64, 7, 2, "conv1")))
    scales = [x]
    # After a ReLU, zeros around the border are as good as minus infinity.
    x = keras.layers.MaxPooling2D(3, 2, name="maxpool")(keras.layers.ZeroPadding2D(1, name="maxpool_pad")(x))
    for stage, blocks in enumerate(kind.blocks):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            x = _block(x, 64 * 2**stage, stride, kind.bottleneck, f"layer{stage + 1}_{block}")
        scales.append(x)
    return keras.Model(inputs, scales, name=name)
