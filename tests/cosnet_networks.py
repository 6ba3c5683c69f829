"""A small COSNet with lively answers, and clips for it. Its trunk exists where the fixture ``tiny_trunk`` is used."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import cv2
import keras
import numpy as np

from vos_tf.methods.cosnet.network import LIGHT, COSNet, COSNetSettings
from vos_tf.models.backbones import TrunkKind
from vos_tf.models.layers import ImageNormalization

SIZE = (48, 64)
COLOURS = {"outputs": 3, "side_head": False, "attention": "legacy_swapped"}


def _build(channels: int, name: str, output_stride: int) -> Any:
    inputs = keras.Input((None, None, channels))
    x = ImageNormalization("unit", name="normalization")(inputs)
    for index, stride in enumerate((4, output_stride // 4)):
        x = keras.layers.Conv2D(12, 5, stride, padding="same", activation="relu", name=f"conv{index}")(x)
    return keras.Model(inputs, x, name=name)


TRUNK = TrunkKind(_build, (16,))


def tiny(**changes: Any) -> COSNetSettings:
    """Settings of a network of two convolutions, a pyramid and the heads."""
    small = replace(LIGHT, trunk="tiny", size=SIZE, pyramid_filters=6, feature_filters=8, output_stride=16)
    return replace(small, attention_tile=0, **changes)


@cache
def lively(**changes: Any) -> COSNet:
    """A network whose answers differ from pixel to pixel: batch normalisation has the statistics of some images.

    It is made once for all tests, which leave it as it is.
    """
    keras.utils.set_random_seed(3)
    network = COSNet(tiny(**changes))
    norms: list[Any] = [layer for layer in network._flatten_layers() if hasattr(layer, "moving_variance")]
    for layer in norms:
        layer.momentum = 0.0
    network(np.random.default_rng(9).uniform(0, 255, (4, 2, *SIZE, 3)).astype(np.float32), training=True)
    for layer in norms:
        layer.momentum = 0.9
    return network


def frames_of(count: int, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    """Smooth noise, uint8 ``(T, H, W, 3)``."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 4, 6, 3), dtype=np.uint8)
    return np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_CUBIC) for frame in coarse])
