"""Bilinear resizing with aligned corners: the first and last pixels' centres of both images coincide.

Keras resizes with half-pixel centres only, and only to sizes that are known beforehand. Each axis is one matrix product
with at most two weights per row, which costs less than gathering on a CPU and has an exact gradient on every backend.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


@lru_cache(maxsize=256)
def _static_weights(new: int, old: int) -> NDArray[np.float32]:
    distance = np.abs(np.arange(new)[:, None] * (old - 1) - np.arange(old)[None, :] * max(new - 1, 1))
    weights: NDArray[np.float32] = np.maximum(1.0 - distance / max(new - 1, 1), 0.0).astype(np.float32)
    return weights


def interpolation_weights(new: Any, old: Any) -> Any:
    """Weights float32 ``(new, old)`` of the old samples in the new ones; each row adds up to 1.

    Args:
        new: Number of samples afterwards, a number or a scalar tensor.
        old: Number of samples before, likewise.
    """
    if isinstance(new, int) and isinstance(old, int):
        return _static_weights(new, old)
    # Whole numbers until the last division: positions are exact however long the axis.
    steps = ops.maximum(new - 1, 1)
    distance = ops.abs(ops.arange(new)[:, None] * (old - 1) - ops.arange(old)[None, :] * steps)
    return ops.maximum(1.0 - ops.cast(distance, "float32") / ops.cast(steps, "float32"), 0.0)


def resize_align_corners(x: Any, height: Any, width: Any) -> Any:
    """Resize maps ``(N, h, w, C)`` to ``(N, height, width, C)``, as PyTorch's ``align_corners=True`` does.

    Args:
        x: The maps, of any floating dtype, which is kept.
        height: New number of rows, a number or a scalar tensor.
        width: New number of columns, likewise.
    """
    _, old_height, old_width, _ = ops.shape(x)
    return _resize(x, interpolation_weights(height, old_height), interpolation_weights(width, old_width))


def half_pixel_weights(new: Any, old: Any) -> Any:
    """`interpolation_weights` with half-pixel centres and without antialiasing, as Keras and PyTorch resize."""
    # Positions times 2 new, between the centres of the first and the last sample.
    positions = ops.clip((2 * ops.arange(new) + 1) * old - new, 0, 2 * new * (old - 1))
    distance = ops.cast(ops.abs(positions[:, None] - 2 * new * ops.arange(old)[None, :]), "float32")
    return ops.maximum(1.0 - distance / ops.cast(2 * new, "float32"), 0.0)


def _resize(x: Any, rows: Any, columns: Any) -> Any:
    rows, columns = ops.cast(rows, x.dtype), ops.cast(columns, x.dtype)
    (height, old_height), (width, old_width) = ops.shape(rows), ops.shape(columns)
    channels = x.shape[-1]
    x = ops.matmul(rows, ops.reshape(x, (-1, old_height, old_width * channels)))
    if channels == 1:
        x = ops.matmul(ops.reshape(x, (-1, height, old_width)), ops.transpose(columns))
    else:
        x = ops.matmul(columns, ops.reshape(x, (-1, old_width, channels)))
    return ops.reshape(x, (-1, height, width, channels))


@keras.saving.register_keras_serializable("vos_tf")
class AlignedUpsampling(keras.layers.Layer):
    """`resize_align_corners` to a multiple of the map's own size.

    Args:
        factor: The multiple.
    """

    def __init__(self, factor: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        """Enlarge ``(N, h, w, C)``."""
        _, height, width, _ = ops.shape(x)
        return resize_align_corners(x, self.factor * height, self.factor * width)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Larger by the factor."""
        batch, height, width, channels = input_shape
        return (batch, *(side and self.factor * side for side in (height, width)), channels)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable("vos_tf")
class ResizeToReference(keras.layers.Layer):
    """Resize maps, half-pixel centres, not antialiased, to ``times / over`` the size of another map.

    Args:
        times: See above.
        over: See above.
    """

    def __init__(self, times: int = 1, over: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.times = times
        self.over = over

    def call(self, x: Any, reference: Any) -> Any:
        """Resize ``(N, h, w, C)`` by the reference ``(M, H, W, D)``."""
        height, width = (side * self.times // self.over for side in ops.shape(reference)[1:3])
        _, old_height, old_width, _ = ops.shape(x)
        return _resize(x, half_pixel_weights(height, old_height), half_pixel_weights(width, old_width))

    def compute_output_shape(
        self, x_shape: tuple[int | None, ...], reference_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """The reference's, resized."""
        sides = (side and side * self.times // self.over for side in reference_shape[1:3])
        return (x_shape[0], *sides, x_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "times": self.times, "over": self.over}
