"""EfficientNet-Lite0 as a trunk: an image classifier without squeeze-and-excitation, made for CPUs.

Tan and Le 2019 (arXiv 1905.11946), in the "lite" edition of TensorFlow's authors (Apache-2.0): ReLU6 everywhere, stem
and head not scaled. Batch normalisation is never trained here, so it is kept as what it then is: a factor in each
convolution's kernel, and its bias.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.models.layers import ImageNormalization

LITE_STRIDES = (2, 4, 8, 16)
TAPS = (0, 2, 4, 10)
"""Blocks that end a scale: 16, 24, 40 and 112 channels."""
NORMALIZATION = "rgb_127"
EPSILON = 1e-3
STEM, HEAD, CLASSES = 32, 1280, 1000


class Block(NamedTuple):
    """An inverted residual: 1x1 to ``expansion`` times the channels, depthwise ``kernel``, 1x1 to ``filters``."""

    expansion: int
    filters: int
    kernel: int
    stride: int


# (expansion, filters, kernel, stride of the first, number of blocks) of each stage
_STAGES = (
    (1, 16, 3, 1, 1),
    (6, 24, 3, 2, 2),
    (6, 40, 5, 2, 2),
    (6, 80, 3, 2, 3),
    (6, 112, 5, 1, 3),
    (6, 192, 5, 2, 4),
    (6, 320, 3, 1, 1),
)
BLOCKS = tuple(
    Block(expansion, filters, kernel, stride if index == 0 else 1)
    for expansion, filters, kernel, stride, repeats in _STAGES
    for index in range(repeats)
)


def build_efficientnet_lite0(channels: int, name: str) -> Any:
    """The trunk with random weights, from ``(N, H, W, channels)`` to its maps at `LITE_STRIDES`, finest first."""
    inputs, taps = _body(channels, TAPS[-1] + 1)
    return keras.Model(inputs, [taps[index] for index in TAPS], name=name)


def build_classifier() -> Any:
    """The whole classifier with random weights, from RGB 0..255 ``(N, H, W, 3)`` to logits ``(N, 1000)``."""
    inputs, taps = _body(3, len(BLOCKS))
    x = _conv(HEAD, 1, "head_conv")(taps[-1])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="fc")(x), name="efficientnet_lite0")


def read_classifier(path: Path) -> Any:
    """`build_classifier` with the weights of an ``.npz`` file.

    Args:
        path: Kernels in Keras' order as ``stem_conv``, ``block3_dw`` and so on, for each the batch normalisation
            behind it as ``stem_bn/gamma``, ``beta``, ``mean`` and ``var``, and ``fc/kernel`` and ``fc/bias``.

    Raises:
        VosError: The file is no such archive, or something is missing or of another shape.
    """
    model = build_classifier()
    try:
        with np.load(path, allow_pickle=False) as archive:
            for layer in model.layers:
                if layer.weights:
                    layer.set_weights(_folded(archive, layer.name))
    except (OSError, ValueError, KeyError) as error:
        raise VosError(f"{path}: expected weights of EfficientNet-Lite0 (.npz), found others ({error})") from None
    return model


def _folded(archive: Any, name: str) -> list[NDArray[np.float32]]:
    if name == "fc":
        return [archive["fc/kernel"], archive["fc/bias"]]
    kernel, norm = archive[name], _norm_of(name)
    gamma, beta, mean, variance = (archive[f"{norm}/{part}"] for part in ("gamma", "beta", "mean", "var"))
    scale = gamma / np.sqrt(variance + EPSILON)
    channels = scale[:, None] if name.endswith("_dw") else scale
    return [kernel * channels, beta - mean * scale]


def _norm_of(name: str) -> str:
    block, part = name.rsplit("_", 1)
    return f"{block}_bn" if part == "conv" else f"{block}_bn{('expand', 'dw', 'project').index(part)}"


def _body(channels: int, count: int) -> tuple[Any, list[Any]]:
    """Inputs, and the outputs of the first ``count`` blocks."""
    inputs = keras.Input((None, None, channels))
    x = ImageNormalization(NORMALIZATION, name="normalization")(inputs)
    x = _conv(STEM, 3, "stem_conv", strides=2)(x)
    taps = []
    for index, block in enumerate(BLOCKS[:count]):
        x = _inverted_residual(x, block, f"block{index}")
        taps.append(x)
    return inputs, taps


def _inverted_residual(x: Any, block: Block, name: str) -> Any:
    before = x
    if block.expansion > 1:
        x = _conv(block.expansion * x.shape[-1], 1, f"{name}_expand")(x)
    x = keras.layers.DepthwiseConv2D(block.kernel, block.stride, padding="same", activation="relu6", name=f"{name}_dw")(
        x
    )
    x = _conv(block.filters, 1, f"{name}_project", activation=None)(x)
    same = block.stride == 1 and before.shape[-1] == block.filters
    return keras.layers.Add(name=f"{name}_add")([before, x]) if same else x


def _conv(filters: int, kernel: int, name: str, strides: int = 1, activation: str | None = "relu6") -> Any:
    return keras.layers.Conv2D(filters, kernel, strides, padding="same", activation=activation, name=name)
