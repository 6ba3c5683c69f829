"""Small clips, and the network on them, for the tests of EMVOS."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vos_tf.methods.emvos.network import EMVOS
from vos_tf.methods.emvos.settings import EMVOSSettings

SIZE = (64, 96)
SETTINGS = EMVOSSettings(size=SIZE, bases=8, filters=(16, 8, 8))


def network(settings: EMVOSSettings = SETTINGS) -> EMVOS:
    """A network whose decoder says more than the cues do, as if it had been trained."""
    keras.utils.set_random_seed(0)
    made = EMVOS(settings)
    random = np.random.default_rng(1)
    for name in ("logits8", "logits2"):
        layer = made.decoder.get_layer(name)
        layer.set_weights([random.normal(0, 0.1, weight.shape) for weight in layer.get_weights()])
    return made


def clip(steps: int = 3, batch: int = 1, size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    """Frames ``(batch, 1 + steps, H, W, 3)``: a bright disc on noise moves to the right."""
    random = np.random.default_rng(2)
    ground = random.uniform(0, 150, (batch, 1, *size, 3))
    frames = np.repeat(ground, 1 + steps, axis=1)
    for step in range(1 + steps):
        frames[:, step][:, disc(step, size)] = (250, 220, 40)
    return frames.astype(np.float32)


def disc(step: int, size: tuple[int, int] = SIZE) -> NDArray[np.bool_]:
    """Where the disc is in a frame."""
    rows, columns = np.indices(size)
    return np.hypot(rows - size[0] / 2, columns - size[1] / 3 - 4 * step) < size[0] / 5


def masks(*objects: NDArray[Any]) -> NDArray[np.float32]:
    """Masks ``(H, W)`` of objects as ``(N, H, W, 1)``."""
    return np.stack(objects)[..., None].astype(np.float32)


def flat(state: Any) -> list[NDArray[np.float32]]:
    """All tensors of a state."""
    if isinstance(state, tuple):
        return [x for part in state for x in flat(part)]
    return [np.asarray(state)]
