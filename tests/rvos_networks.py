"""Small RVOS networks, and a clip for them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import keras
import numpy as np

from vos_tf.methods.rvos.network import RVOS, RVOSSettings
from vos_tf.methods.rvos.settings import SMALL

ONE_SHOT = replace(SMALL, size=(32, 48), hidden_size=16, extra_levels=1, slots=4)
ZERO_SHOT = replace(ONE_SHOT, mask_input=False)


def lively(settings: RVOSSettings, seed: int = 0) -> RVOS:
    """A network whose answers differ from slot to slot and pixel to pixel: its weights are larger than new ones."""
    keras.utils.set_random_seed(seed)
    network = RVOS(settings)
    rng = np.random.default_rng(seed)
    for variable in network.weights:
        value = np.asarray(variable)
        if "moving" in variable.path:
            value = value + rng.uniform(0, 0.5, value.shape)
        elif "cell" in variable.path:
            value = value * 3
        elif "conv_out" in variable.path:
            value = value * 20
        variable.assign(value)
    return network


def frames_of(count: int, size: tuple[int, int] = ONE_SHOT.size) -> np.ndarray:
    """Smooth noise, uint8 ``(T, H, W, 3)``."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (count, 4, 6, 3), dtype=np.uint8)
    return np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_CUBIC) for frame in coarse])


def boxes(ids: tuple[int, ...], size: tuple[int, int] = ONE_SHOT.size) -> np.ndarray:
    """Label map with a box for each id up to 4, each in its own place."""
    labels = np.zeros(size, np.uint8)
    height, width = size[0] // 2, size[1] // 2
    for number in ids:
        top, left = divmod(number - 1, 2)
        labels[top * height + 2 : (top + 1) * height - 2, left * width + 2 : (left + 1) * width - 2] = number
    return labels
