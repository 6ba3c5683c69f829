"""A small COSNet with lively answers, and clips for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import keras
import numpy as np

from vos_tf.models.cosnet import LIGHT, COSNet, COSNetSettings

TINY = replace(LIGHT, size=(48, 64), pyramid_filters=6, feature_filters=8, output_stride=16, attention_tile=0)


def lively(settings: COSNetSettings = TINY, seed: int = 3) -> COSNet:
    """A network whose answers differ from pixel to pixel: batch normalisation has the statistics of some images."""
    keras.utils.set_random_seed(seed)
    network = COSNet(settings)
    norms: list[Any] = [layer for layer in network._flatten_layers() if hasattr(layer, "moving_variance")]
    frozen = [layer for layer in norms if not layer.trainable]
    for layer in norms:
        layer.momentum, layer.trainable = 0.0, True
    network(np.random.default_rng(9).uniform(0, 255, (4, 2, *settings.size, 3)).astype(np.float32), training=True)
    for layer in norms:
        layer.momentum = 0.9
    for layer in frozen:
        layer.trainable = False
    kernel = network.heads[0].classifier.kernel
    kernel.assign(2 * kernel)
    return network


def frames_of(count: int, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    """Smooth noise, uint8 ``(T, H, W, 3)``."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 4, 6, 3), dtype=np.uint8)
    return np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_CUBIC) for frame in coarse])
