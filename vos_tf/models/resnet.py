"""ResNet trunks (He et al. 2016, arXiv 1512.03385), in torchvision's form and in that of DeepLab.

torchvision has the stride in the 3x3 convolution of a bottleneck. DeepLab (Chen et al. 2017, arXiv 1706.05587) follows
the authors: stride in the first 1x1 convolution, and a pooling that rounds up. `weights_of_keras` is for the latter;
the weights of ``keras.applications`` do not fit the former.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from vos_tf.models.batch_norm import BatchNorm, FixedBatchNorm
from vos_tf.models.layers import ImageNormalization

RESNET_STRIDES = (2, 4, 8, 16, 32)


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


def _convolve(x: Any, filters: int, kernel: int, name: str, *, stride: int = 1, dilation: int = 1) -> Any:
    """Convolution without bias, padded on all sides alike."""
    if kernel > 1 and stride > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        dilation_rate=dilation,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        name=name,
    )(x)


def _block(
    x: Any, width: int, *, bottleneck: bool, stride: int = 1, dilation: int = 1, deeplab: bool = False, name: str
) -> Any:
    plan = [(width, 1), (width, 3), (4 * width, 1)] if bottleneck else [(width, 3), (width, 3)]
    strided = 1 if bottleneck and not deeplab else 0
    outputs = plan[-1][0]
    shortcut = x
    if x.shape[-1] != outputs:
        shortcut = _convolve(x, outputs, 1, f"{name}_downsample_conv", stride=stride)
        shortcut = (FixedBatchNorm if deeplab else BatchNorm)(name=f"{name}_downsample_bn")(shortcut)
    for index, (filters, kernel) in enumerate(plan):
        step, rate = stride if index == strided else 1, dilation if kernel > 1 else 1
        x = _convolve(x, filters, kernel, f"{name}_conv{index + 1}", stride=step, dilation=rate)
        x = BatchNorm(name=f"{name}_bn{index + 1}")(x)
        if index + 1 < len(plan):
            x = keras.layers.ReLU(name=f"{name}_relu{index + 1}")(x)
    # Which comes first decides the order of the layers, by which weights are found in files.
    both = [x, shortcut] if deeplab else [shortcut, x]
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")(both))


def build_resnet(depth: int, channels: int, name: str, *, output_stride: int = 32, deeplab: bool = False) -> Any:
    """A ResNet of 34, 50 or 101 layers without its classifier.

    Layers are called as torchvision's modules, with underscores: ``conv1``, ``bn1``, ``layer1_0_conv1``, ...,
    ``layer2_0_downsample_conv``, ``layer2_0_downsample_bn``.

    Args:
        depth: A key of `RESNETS`.
        channels: Of the input, RGB 0..255 (or RGB and a mask 0..1).
        name: Of the model.
        output_stride: Of the coarsest map: strides that would lead beyond it become dilations.
        deeplab: DeepLab's form, see the module; weights of batch normalisation are fixed where a block changes the
            number of channels.

    Returns:
        A Keras model from ``(N, H, W, channels)`` to five feature maps at `RESNET_STRIDES`, none of them above
        ``output_stride``; sizes are rounded up, but in DeepLab's form an even size n becomes n / 2 + 1 at the pooling.
    """
    kind = RESNETS[depth]
    inputs = keras.Input((None, None, channels))
    x = ImageNormalization("imagenet_rgb", name="normalization")(inputs)
    x = keras.layers.ReLU(name="relu")(BatchNorm(name="bn1")(_convolve(x, 64, 7, "conv1", stride=2)))
    scales = [x]
    # After a ReLU, zeros around the border are as good as minus infinity.
    x = keras.layers.ZeroPadding2D(((1, 2), (1, 2)) if deeplab else 1, name="maxpool_pad")(x)
    x = keras.layers.MaxPooling2D(3, 2, name="maxpool")(x)
    total, dilation = 4, 1
    for stage, blocks in enumerate(kind.blocks):
        stride = 2 if stage > 0 else 1
        if total * stride > output_stride:
            stride, dilation = 1, 2 * dilation
        total *= stride
        for block in range(blocks):
            x = _block(
                x,
                64 * 2**stage,
                bottleneck=kind.bottleneck,
                stride=stride if block == 0 else 1,
                dilation=dilation,
                deeplab=deeplab,
                name=f"layer{stage + 1}_{block}",
            )
        scales.append(x)
    return keras.Model(inputs, scales, name=name)


def weights_of_keras(layer: Any, theirs: Mapping[str, Any]) -> list[Any]:
    """Weights of a layer of a ResNet in DeepLab's form, from the layers of the model in keras.applications by name.

    Their convolutions have biases, and their batch normalisation another epsilon: our statistics take up both.
    """
    name = _name_in_keras(layer.name)
    if name.endswith("_conv"):
        return [theirs[name].get_weights()[0]]
    gamma, beta, mean, variance = theirs[name].get_weights()
    bias = theirs[name.removesuffix("bn") + "conv"].get_weights()[1]
    return [gamma, beta, mean - bias, variance + (theirs[name].epsilon - layer.epsilon)]


def _name_in_keras(name: str) -> str:
    """``layer1_0_conv2`` as keras.applications calls it: ``conv2_block1_2_conv``."""
    if found := re.fullmatch(r"layer(\d)_(\d+)_downsample_(conv|bn)", name):
        return f"conv{int(found[1]) + 1}_block{int(found[2]) + 1}_0_{found[3]}"
    if found := re.fullmatch(r"layer(\d)_(\d+)_(conv|bn)(\d)", name):
        return f"conv{int(found[1]) + 1}_block{int(found[2]) + 1}_{found[4]}_{found[3]}"
    return {"conv1": "conv1_conv", "bn1": "conv1_bn"}[name]
