"""One ConvLSTM cell for all systems: a single convolution over input and hidden state, every known variant a switch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
# Order of the gates of `keras.layers.ConvLSTM2D`.
_KERAS_ORDER = "ifgo"


class ConvLSTMState(NamedTuple):
    """State of a ConvLSTM: two tensors ``(N, h, w, filters)``; of several ConvLSTMs: two tuples of such tensors."""

    hidden: Any
    cell: Any


@keras.saving.register_keras_serializable("vos_tf")
class ConvLSTMCell(keras.layers.Layer):
    """Convolutional LSTM cell (Shi et al. 2015, without peepholes).

    ``c' = f * c + i * g`` and ``h' = o * a(c')`` with gates ``i, f, o`` (sigmoid) and candidate ``g``, all four from
    one convolution of ``[x, h]``. Xu et al. (ECCV 2018) use ReLU for the candidate and for ``a``, and a forget bias
    that starts at 1.

    Args:
        filters: Channels of the state.
        kernel_size: Odd side of the convolution's kernel; padding keeps the size.
        candidate_activation: For ``g``.
        output_activation: The ``a`` above.
        forget_bias: Initial bias of the forget gate.
        gate_order: Order of the four blocks of output channels, a permutation of ``ifog``.
        swap_states: ``h'`` and ``c'`` trade places after each step, as in the first PyTorch implementation of
            Xu et al. (ECCV 2018).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        candidate_activation: str = "relu",
        output_activation: str = "relu",
        forget_bias: float = 1.0,
        gate_order: str = "ifog",
        swap_states: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if sorted(gate_order) != sorted("ifog"):
            raise ValueError(f"`gate_order` is a permutation of 'ifog'. Received: gate_order={gate_order!r}")
        self.filters = filters
        self.kernel_size = kernel_size
        self.candidate_activation = candidate_activation
        self.output_activation = output_activation
        self.forget_bias = forget_bias
        self.gate_order = gate_order
        self.swap_states = swap_states
        self.gates = keras.layers.Conv2D(
            4 * filters, kernel_size, padding="same", bias_initializer=self._initial_bias, name="gates"
        )

    def _initial_bias(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        bias = np.zeros(shape, np.float32)
        block = self.gate_order.index("f")
        bias[block * self.filters : (block + 1) * self.filters] = self.forget_bias
        return ops.convert_to_tensor(bias, dtype=dtype)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the convolution for inputs ``(N, h, w, C)``."""
        self.gates.build((*input_shape[:-1], input_shape[-1] + self.filters))  # type: ignore[operator]
        self.built = True

    def project(self, x: Any) -> Any:
        """The input's share of the gates, ``(N, h, w, C)`` to ``(N, h, w, 4 * filters)``, bias included.

        It does not depend on the state: objects in one frame share it, and frames of a clip go through it together.
        """
        kernel = ops.cast(self.gates.kernel[:, :, : -self.filters], x.dtype)
        return ops.conv(x, kernel, padding="same") + ops.cast(self.gates.bias, x.dtype)

    def recur(self, projected: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
        """One step from `project`'s answer (batch N or 1) and the state of N objects to the new state."""
        return self._recur(projected, hidden, cell, self._recurrent_kernel(hidden))

    def unroll(self, projected: Any, hidden: Any, cell: Any) -> Any:
        """All steps of clips: ``(N, T, h, w, 4 * filters)`` and a state to hidden states ``(N, T, h, w, filters)``."""
        kernel = self._recurrent_kernel(hidden)
        hiddens = []
        for time in range(projected.shape[1]):
            hidden, cell = self._recur(projected[:, time], hidden, cell, kernel)
            hiddens.append(hidden)
        return ops.stack(hiddens, axis=1)

    def call(self, x: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
        """One step: ``x`` ``(N, h, w, C)`` and the state's two tensors give the new two."""
        return self.recur(self.project(x), hidden, cell)

    def _recurrent_kernel(self, like: Any) -> Any:
        return ops.cast(self.gates.kernel[:, :, -self.filters :], like.dtype)

    def _recur(self, projected: Any, hidden: Any, cell: Any, kernel: Any) -> tuple[Any, Any]:
        blocks = ops.split(projected + ops.conv(hidden, kernel, padding="same"), 4, axis=-1)
        gate = dict(zip(self.gate_order, blocks, strict=True))
        candidate = keras.activations.get(self.candidate_activation)(gate["g"])
        new_cell = ops.sigmoid(gate["f"]) * cell + ops.sigmoid(gate["i"]) * candidate
        new_hidden = ops.sigmoid(gate["o"]) * keras.activations.get(self.output_activation)(new_cell)
        return (new_cell, new_hidden) if self.swap_states else (new_hidden, new_cell)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        names = ("filters", "kernel_size", "candidate_activation", "output_activation", "forget_bias", "gate_order")
        return {**super().get_config(), **{name: getattr(self, name) for name in (*names, "swap_states")}}


def to_keras(weights: Sequence[Array], gate_order: str = "ifog") -> list[Array]:
    """Weights of a `ConvLSTMCell` as a `keras.layers.ConvLSTM2D` has them.

    Both then compute the same if the cell's activations are tanh, its states keep their places, and the layer has the
    cell's filters and kernel size and ``padding="same"``.

    Args:
        weights: What ``cell.get_weights()`` gives: kernel ``(k, k, C + F, 4 F)`` over input and hidden state, and bias
            ``(4 F,)``.
        gate_order: The cell's.

    Returns:
        For ``layer.set_weights``: kernel ``(k, k, C, 4 F)``, recurrent kernel ``(k, k, F, 4 F)`` and bias ``(4 F,)``.
    """
    kernel, bias = (_reordered(array, gate_order, _KERAS_ORDER) for array in weights)
    filters = len(bias) // 4
    return [kernel[:, :, :-filters], kernel[:, :, -filters:], bias]


def from_keras(weights: Sequence[Array], gate_order: str = "ifog") -> list[Array]:
    """Weights of a `keras.layers.ConvLSTM2D` as a `ConvLSTMCell` has them; the inverse of `to_keras`.

    Args:
        weights: What ``layer.get_weights()`` gives: kernel ``(k, k, C, 4 F)``, recurrent kernel ``(k, k, F, 4 F)`` and
            bias ``(4 F,)``.
        gate_order: The cell's.

    Returns:
        For ``cell.set_weights``: kernel ``(k, k, C + F, 4 F)`` and bias ``(4 F,)``.
    """
    kernel, recurrent, bias = (_reordered(array, _KERAS_ORDER, gate_order) for array in weights)
    return [np.concatenate([kernel, recurrent], axis=2), bias]


def _reordered(array: Array, old: str, new: str) -> Array:
    """The four blocks of the last axis in another order."""
    blocks = dict(zip(old, np.split(array, 4, axis=-1), strict=True))
    return np.concatenate([blocks[gate] for gate in new], axis=-1)
