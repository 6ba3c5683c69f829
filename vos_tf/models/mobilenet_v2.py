"""MobileNetV2 trunks: keras.applications' model with its names and weights, its last strides turned to dilations."""

from __future__ import annotations

import re
import warnings
from functools import partial
from typing import Any

import keras

from vos_tf.models.batch_norm import freeze_batch_norm
from vos_tf.models.layers import ImageNormalization

# Layers that end a scale: strides 2, 4, 8, 16, 32
SCALES = ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu", "out_relu")
# Blocks that lose their stride, by output stride
UNSTRIDED = {8: (6, 13), 16: (13,), 32: ()}


def build_mobilenet_v2(channels: int, name: str, *, output_stride: int = 32, scales: tuple[str, ...] = SCALES) -> Any:
    """MobileNetV2 without its classifier; its batch normalisation is frozen.

    Published weights come with folded or frozen statistics; small batches of clips would only spoil them.

    Args:
        channels: Of the input, RGB 0..255 (or RGB and a mask 0..1).
        name: Of the model.
        output_stride: Of the coarsest map, 8, 16 or 32: strides that would lead beyond it become dilations.
        scales: Layers whose maps are given, finest first.

    Returns:
        A Keras model from ``(N, H, W, channels)`` to one map for each of the scales, sizes rounded up.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This model usually expects 1 or 3 input channels")
        body = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(None, None, channels))
    features = keras.Model(body.input, [body.get_layer(scale).output for scale in scales])
    if unstrided := UNSTRIDED[output_stride]:
        features = keras.models.clone_model(features, clone_function=partial(_dilated, unstrided=unstrided))
    freeze_batch_norm(features)
    features.name = "features"
    inputs = keras.Input((None, None, channels))
    return keras.Model(inputs, features(ImageNormalization("unit", name="normalization")(inputs)), name=name)


def _dilated(layer: Any, unstrided: tuple[int, ...]) -> Any:
    """A copy of a layer; the stride of the blocks ``unstrided`` becomes dilation of those after them."""
    config = layer.get_config()
    found = re.match(r"block_(\d+)_", layer.name)
    block = int(found[1]) if found else 0
    dilation = 2 ** sum(block > other for other in unstrided)
    if isinstance(layer, keras.layers.ZeroPadding2D) and block in unstrided:
        config["padding"] = dilation
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        config["dilation_rate"] = dilation
        config["strides"] = 1 if block in unstrided else layer.strides
    return type(layer).from_config(config)
