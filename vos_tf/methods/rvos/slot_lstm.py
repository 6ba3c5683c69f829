"""ConvLSTM with two recurrences, over the object slots of a frame and over time (Ventura et al. 2019, section 3.2)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def torch_uniform(fan_in: int) -> Any:
    """PyTorch's initial weights and biases of a convolution: uniform within ``1 / sqrt(fan_in)``."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


@keras.saving.register_keras_serializable("vos_tf")
class SlotConvLSTM(keras.layers.Layer):
    """One level of the decoder: all slots of a frame from the slots' inputs and their past.

    ``i, f, o, g = conv([input, (mask), h_spatial, h_temporal])``, ``c = f * c_spatial + i * g``, ``h = o * tanh(c)``.
    Hidden state and cell come from the slot before (zeros for the first one); from the frame before comes the hidden
    state of the same slot alone. There is no forget bias.

    The convolution is linear in what it is given, so only the part of ``h_spatial`` waits for the slot before: what
    all slots share goes through it once, what belongs to single slots goes through it for all of them together.

    Args:
        filters: Channels of the state.
        kernel_size: Odd side of the convolution's kernel.
        mask_input: Whether the slot's previous mask is an input.
        slot_loop: ``unrolled``, ``scanned`` (a loop in the graph), or ``auto``: unrolled where the number of slots
            is known when the graph is made. The results are the same.
    """

    def __init__(
        self, filters: int, kernel_size: int = 3, *, mask_input: bool = False, slot_loop: str = "auto", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.mask_input = mask_input
        self.slot_loop = slot_loop
        self.use_bias = True

    def build(self, input_channels: int) -> None:
        """Create kernel and bias for ``input_channels`` channels of input."""
        channels = input_channels + int(self.mask_input) + 2 * self.filters
        initial = torch_uniform(channels * self.kernel_size**2)
        shape = (self.kernel_size, self.kernel_size, channels, 4 * self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=initial)
        self.bias = self.add_weight(name="bias", shape=shape[-1:], initializer=initial)
        self.built = True

    def call(
        self, shared: Any, own: Any = None, masks: Any = None, temporal: Any = None, slots: Any = None, gate: Any = None
    ) -> tuple[Any, Any]:
        """One frame. The order of the kernel's input channels is own, shared, mask, h_spatial, h_temporal.

        Args:
            shared: Input of all slots, ``(B, h, w, C)``, or ``None``.
            own: Input of each slot, ``(S, B, h, w, C)``, or ``None``.
            masks: Previous mask of each slot ``(S, B, h, w, 1)``, or ``None``.
            temporal: Hidden state of the frame before ``(S, B, h, w, filters)``; ``None`` for zeros.
            slots: Number of slots S.
            gate: Factor ``(S, B, 1, 1, 1)`` on the state that comes from the slot before; ``None`` for 1.

        Returns:
            Hidden states and cells, ``(S, B, h, w, filters)`` each.
        """
        spatial = slice(self.kernel.shape[2] - 2 * self.filters, self.kernel.shape[2] - self.filters)
        gates = self._parallel_gates(shared, own, masks, temporal, spatial, slots)
        kernel = self.kernel[:, :, spatial]
        if self.slot_loop != "scanned" and isinstance(slots, int):
            return self._unrolled(gates, kernel, gate, slots)
        if self.slot_loop == "unrolled":
            raise ValueError("The slots can only be unrolled where their number is known. Received: a tensor")
        return self._scanned(gates, kernel, gate)

    def _parallel_gates(self, shared: Any, own: Any, masks: Any, temporal: Any, spatial: slice, slots: Any) -> Any:
        """The part of the convolution that does not wait for another slot: ``(S, B, h, w, 4 * filters)``."""
        own_channels = 0 if own is None else own.shape[-1]
        shared_channels = 0 if shared is None else shared.shape[-1]
        parts, kernels = [], []
        for part, first in ((own, 0), (masks, own_channels + shared_channels), (temporal, spatial.stop)):
            if part is not None:
                parts.append(part)
                kernels.append(self.kernel[:, :, first : first + part.shape[-1]])
        gates = self.bias
        if shared is not None:
            kernel = self.kernel[:, :, own_channels : own_channels + shared_channels]
            gates = self._convolve(shared, kernel) + gates
        if not parts:
            return ops.broadcast_to(gates, (slots, *ops.shape(gates)))
        x = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
        kernel = kernels[0] if len(parts) == 1 else ops.concatenate(kernels, axis=2)
        shape = ops.shape(x)
        each = self._convolve(ops.reshape(x, (-1, *shape[2:])), kernel)
        return ops.reshape(each, (*shape[:4], 4 * self.filters)) + gates

    def _convolve(self, x: Any, kernel: Any) -> Any:
        return ops.conv(x, kernel, padding="same", data_format="channels_last")

    def _cell(self, gates: Any, cell: Any) -> tuple[Any, Any]:
        """State from the gates ``(B, h, w, 4 * filters)`` and the cell of the slot before (``None``: zeros)."""
        i, f, o, g = ops.split(gates, 4, axis=-1)
        new = ops.sigmoid(i) * ops.tanh(g)
        if cell is not None:
            new = new + ops.sigmoid(f) * cell
        return ops.sigmoid(o) * ops.tanh(new), new

    def _unrolled(self, gates: Any, kernel: Any, gate: Any, slots: int) -> tuple[Any, Any]:
        hidden, cell = self._cell(gates[0], None)
        hiddens, cells = [hidden], [cell]
        for slot in range(1, slots):
            if gate is not None:
                hidden, cell = hidden * gate[slot], cell * gate[slot]
            hidden, cell = self._cell(gates[slot] + self._convolve(hidden, kernel), cell)
            hiddens.append(hidden)
            cells.append(cell)
        return ops.stack(hiddens), ops.stack(cells)

    def _scanned(self, gates: Any, kernel: Any, gate: Any) -> tuple[Any, Any]:
        def slot(state: tuple[Any, Any], x: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
            hidden, cell = state
            own = x
            if gate is not None:
                own, factor = x
                hidden, cell = hidden * factor, cell * factor
            state = self._cell(own + self._convolve(hidden, kernel), cell)
            return state, state

        shape = ops.shape(gates)
        zeros = ops.zeros((*shape[1:4], self.filters), gates.dtype)
        _, (hiddens, cells) = ops.scan(slot, (zeros, zeros), gates if gate is None else (gates, gate))
        return hiddens, cells

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        names = ("filters", "kernel_size", "mask_input", "slot_loop")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
