"""The ConvLSTM cell with tanh is Keras' ConvLSTM2D, from the same weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from vos_tf.models.conv_lstm import ConvLSTMCell, from_keras, to_keras

RNG = np.random.default_rng(2)
CHANNELS, FILTERS, KERNEL = 3, 5, 3


def random(*shape: int) -> np.ndarray:
    return RNG.normal(0, 0.5, shape).astype(np.float32)


def cell_of(gate_order: str) -> ConvLSTMCell:
    cell = ConvLSTMCell(FILTERS, KERNEL, candidate_activation="tanh", output_activation="tanh", gate_order=gate_order)
    cell.build((None, 7, 6, CHANNELS))
    return cell


def layer_of() -> keras.layers.ConvLSTM2D:
    layer = keras.layers.ConvLSTM2D(FILTERS, KERNEL, padding="same", return_sequences=True, return_state=True)
    layer.build((None, None, 7, 6, CHANNELS))
    return layer


@pytest.mark.parametrize("gate_order", ["ifog", "igfo"])
@pytest.mark.parametrize("direction", ["to", "from"])
def test_cell_is_keras_conv_lstm(gate_order: str, direction: str) -> None:
    cell, layer = cell_of(gate_order), layer_of()
    if direction == "to":
        cell.set_weights([random(*weight.shape) for weight in cell.get_weights()])
        layer.set_weights(to_keras(cell.get_weights(), gate_order))
    else:
        layer.set_weights([random(*weight.shape) for weight in layer.get_weights()])
        cell.set_weights(from_keras(layer.get_weights(), gate_order))
    frames, hidden, memory = random(2, 4, 7, 6, CHANNELS), random(2, 7, 6, FILTERS), random(2, 7, 6, FILTERS)
    wanted, last_hidden, last_memory = layer(frames, initial_state=[hidden, memory])
    projected = keras.ops.stack([cell.project(frames[:, time]) for time in range(4)], axis=1)
    np.testing.assert_allclose(cell.unroll(projected, hidden, memory), wanted, atol=1e-5)
    state = (hidden, memory)
    for time in range(4):
        state = cell(frames[:, time], *state)
    np.testing.assert_allclose(state[0], last_hidden, atol=1e-5)
    np.testing.assert_allclose(state[1], last_memory, atol=1e-5)


@pytest.mark.parametrize("gate_order", ["ifog", "gofi"])
def test_conversions_are_inverse(gate_order: str) -> None:
    weights = [random(3, 3, CHANNELS + FILTERS, 4 * FILTERS), random(4 * FILTERS)]
    for ours, again in zip(weights, from_keras(to_keras(weights, gate_order), gate_order), strict=True):
        np.testing.assert_array_equal(ours, again)
