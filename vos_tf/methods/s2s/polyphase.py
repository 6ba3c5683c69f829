"""An up-sampling and a down-sampling convolution in one layer, without the large map between them in one piece.

A transposed convolution of stride 2 makes four maps of its input's size, one for each parity of row and column: each is
a plain convolution with the kernel's taps of that parity. A convolution of stride 2 behind it reads them as they are,
so that they are never interleaved. That saves a third of the time of both on a CPU.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

PARITIES = ((0, 0), (0, 1), (1, 0), (1, 1))


@keras.saving.register_keras_serializable("vos_tf")
class UpDownConvolution(keras.layers.Layer):
    """``Conv2D(1, output_kernel, 2)(pad(relu(Conv2DTranspose(filters, kernel, 2, "valid")(x)), 1))``.

    Args:
        filters: Channels between both.
        kernel: Side of the transposed convolution's kernel, 2 or more.
        output_kernel: Side of the second convolution's kernel, 2 or more; one channel comes out, float32.
    """

    def __init__(self, filters: int, kernel: int, output_kernel: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel
        self.output_kernel_size = output_kernel

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create both kernels ``(h, w, out, in)`` and ``(h, w, in, 1)``, and their biases."""
        up, down = self.kernel_size, self.output_kernel_size
        shapes = {
            "up_kernel": (up, up, self.filters, input_shape[-1]),
            "up_bias": (self.filters,),
            "kernel": (down, down, self.filters, 1),
            "bias": (1,),
        }
        for name, shape in shapes.items():
            initializer = "zeros" if name.endswith("bias") else "glorot_uniform"
            setattr(self, name, self.add_weight(shape=shape, initializer=initializer, name=name))

    def call(self, x: Any) -> Any:
        """``(N, h, w, C)`` to float32 ``(N, H, W, 1)``: ``H = (2 (h - 1) + kernel + 2 - output_kernel) // 2 + 1``."""
        size = [self._size(side) for side in ops.shape(x)[1:3]]
        terms = []
        for parity in PARITIES:
            phase = ops.relu(self._phase(x, parity) + self.up_bias)
            terms += self._read(phase, parity, size)
        return sum(terms[1:], terms[0])[..., None] + ops.cast(self.bias, "float32")

    def _size(self, side: Any) -> Any:
        return (2 * (side - 1) + self.kernel_size + 2 - self.output_kernel_size) // 2 + 1

    def _phase(self, x: Any, parity: tuple[int, int]) -> Any:
        """Rows and columns of one parity of the transposed convolution."""
        kernel = ops.transpose(self.up_kernel[parity[0] :: 2, parity[1] :: 2], (0, 1, 3, 2))
        taps = [kernel.shape[0] - 1, kernel.shape[1] - 1]
        padded = ops.pad(x, [[0, 0], [taps[0], taps[0]], [taps[1], taps[1]], [0, 0]])
        return ops.conv(padded, ops.flip(kernel, (0, 1)), padding="valid")

    def _read(self, phase: Any, parity: tuple[int, int], size: list[Any]) -> list[Any]:
        """What the second convolution takes from one phase: one map ``(N, H, W)`` per tap."""
        # Row 2 m + tap - 1 of the whole map is row m + (tap - 1) // 2 of the phase of its parity.
        starts = [[tap for tap in range(self.output_kernel_size) if (tap - 1) % 2 == p] for p in parity]
        rows, columns = ([(tap - 1) // 2 + 1 for tap in taps] for taps in starts)
        kernel = self.kernel[starts[0][0] :: 2, starts[1][0] :: 2, :, 0]
        maps = ops.cast(ops.einsum("nhwc,abc->abnhw", phase, kernel), "float32")
        after = self.output_kernel_size
        maps = ops.pad(maps, [[0, 0], [0, 0], [0, 0], [1, after], [1, after]])
        return [
            maps[a, b, :, row : row + size[0], column : column + size[1]]
            for a, row in enumerate(rows)
            for b, column in enumerate(columns)
        ]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """See `call`."""
        return (input_shape[0], *(side and self._size(side) for side in input_shape[1:3]), 1)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        sizes = {"kernel": self.kernel_size, "output_kernel": self.output_kernel_size}
        return {**super().get_config(), "filters": self.filters, **sizes}
