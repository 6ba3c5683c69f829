"""Up-sampling by transposed convolution, as OSVOS does it: kernel ``2 s``, stride ``s``, cropped to the image.

The fixed bilinear kernel is ``(1 - |i - c| / s)(1 - |j - c| / s)`` with ``c = s - 0.5``, applied to each channel with
zeros outside the map, so that borders fade. It is separable: two small matrix products do the work of the transposed
convolution and of the crop, in half the time.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

CROPS = ("center", "center_even", "caffe")


def crop_start(cells: Any, size: Any, stride: int, crop: str) -> Any:
    """First row (or column) of the up-sampled map that belongs to the image.

    Args:
        cells: Rows of the map, n; up-sampled it has ``(n + 1) * stride`` rows.
        size: Rows of the image.
        stride: Of the up-sampling; with 1 there is none, and the map keeps its n rows.
        crop: ``center``: half of what is too much, rounded down (the TensorFlow and PyTorch implementations);
            ``center_even``: the same rounded to the nearest, halves to the even number; ``caffe``: ``stride / 2``,
            which puts the centres of cells where they belong at odd sizes, too.
    """
    surplus = (cells + 1) * stride - size if stride > 1 else cells - size
    if crop == "caffe":
        return stride // 2
    return surplus // 2 + (surplus % 4 // 3 if crop == "center_even" else 0)


def interpolation_matrix(cells: Any, size: Any, stride: int, start: Any) -> Any:
    """Rows of the image from rows of the map, float32 ``(size, cells)``: the kernel in one dimension, then the crop.

    The numbers are exact where the stride is a power of two.
    """
    pixels = ops.cast(ops.arange(size, dtype="int32") + start, "float32")
    centres = ops.cast(ops.arange(cells, dtype="int32") * stride, "float32") + (stride - 0.5)
    return ops.relu(1.0 - ops.abs(pixels[:, None] - centres[None]) / stride)


def upsample_bilinear(x: Any, stride: int, size: tuple[Any, Any], starts: tuple[Any, Any]) -> Any:
    """Transposed convolution of each channel with the fixed bilinear kernel, cropped.

    Args:
        x: Maps ``(N, h, w, K)``.
        stride: Of the maps, 2 or more.
        size: ``(H, W)`` of the image, numbers or scalar tensors.
        starts: First row and column of the image in the up-sampled map.

    Returns:
        ``(N, H, W, K)``.
    """
    batch, height, width, channels = ops.shape(x)
    rows = ops.cast(interpolation_matrix(height, size[0], stride, starts[0]), x.dtype)
    columns = ops.cast(interpolation_matrix(width, size[1], stride, starts[1]), x.dtype)
    planes = ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, width))
    wide = ops.reshape(ops.matmul(planes, ops.transpose(columns)), (-1, height, size[1]))
    full = ops.reshape(ops.matmul(rows, wide), (batch, channels, size[0], size[1]))
    return ops.transpose(full, (0, 2, 3, 1))


def crop(x: Any, size: tuple[Any, Any], starts: tuple[Any, Any]) -> Any:
    """The image's part of ``(N, h, w, K)``."""
    return x[:, starts[0] : starts[0] + size[0], starts[1] : starts[1] + size[1]]


@keras.saving.register_keras_serializable("vos_tf")
class LearnedUpsampling(keras.layers.Layer):
    """Transposed convolution with a learned kernel ``2 s`` and stride ``s`` for each of K heads, without bias.

    Args:
        objects: Number of heads K.
        filters: Channels C of each head.
        stride: The ``s`` above.
    """

    def __init__(self, objects: int, filters: int, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.objects = objects
        self.filters = filters
        self.stride = stride

    def build(self, input_shape: Any = None) -> None:
        """Create the kernels ``(K, 2s, 2s, C, C)``, output channels before input channels."""
        side = 2 * self.stride
        limit = (self.filters * side * side) ** -0.5
        self.kernel = self.add_weight(
            shape=(self.objects, side, side, self.filters, self.filters),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="kernel",
        )

    def call(self, x: Any, weights: Any = None) -> Any:
        """Up-sample each head's channels and take their weighted sum.

        The sum goes into the kernel first: one channel is up-sampled instead of C.

        Args:
            x: ``(N, h, w, K * C)``.
            weights: ``(K, C)``; all 1 if not given.

        Returns:
            ``(N, (h + 1) * s, (w + 1) * s, K)``.
        """
        weights = ops.ones((self.objects, self.filters), x.dtype) if weights is None else weights
        kernels = ops.einsum("kijoc,ko->kijc", self.kernel, weights)[..., None, :]
        heads = ops.split(x, self.objects, axis=-1)
        outputs = [
            ops.conv_transpose(head, kernels[index], strides=self.stride, padding="valid")
            for index, head in enumerate(heads)
        ]
        return outputs[0] if self.objects == 1 else ops.concatenate(outputs, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        names = ("objects", "filters", "stride")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
