"""A layer of PyTorch and our layer with its weights, brought over by the layouts, answer the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest

from vos_tf.porting.layouts import (
    AS_IS,
    CONV,
    LINEAR,
    TRANSPOSED,
    Entry,
    Layout,
    NameTable,
    batch_norm,
    convolution,
    linear,
    prelu,
    tensorflow_convolution,
    transposed,
)

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(5)


def load(entries: Mapping[str, Entry], tensors: Mapping[str, np.ndarray]) -> None:
    assert set(entries) <= set(tensors)
    for name, entry in entries.items():
        entry.variable.assign(entry.layout.to_keras(tensors[name]))


def state(module: Any) -> dict[str, np.ndarray]:
    return {f"x.{name}": value.numpy() for name, value in module.state_dict().items()}


def both(module: Any, layer: Any, entries: Mapping[str, Entry], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers to ``x`` (channels last) of PyTorch's module and of our layer, channels last."""
    load(entries, state(module))
    with torch.no_grad():
        theirs = module.eval()(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy()
    return np.moveaxis(theirs, 1, -1), np.asarray(layer(x))


@pytest.mark.parametrize("bias", [True, False])
def test_convolution(bias: bool) -> None:
    layer = keras.layers.Conv2D(5, (3, 1), padding="valid", use_bias=bias)
    layer.build((None, None, None, 4))
    x = RNG.normal(size=(2, 6, 7, 4)).astype(np.float32)
    theirs, ours = both(torch.nn.Conv2d(4, 5, (3, 1), bias=bias), layer, convolution("x", layer), x)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_transposed_convolution() -> None:
    layer = keras.layers.Conv2DTranspose(3, (4, 5), strides=2)
    layer.build((None, None, None, 2))
    x = RNG.normal(size=(1, 3, 4, 2)).astype(np.float32)
    theirs, ours = both(torch.nn.ConvTranspose2d(2, 3, (4, 5), stride=2), layer, transposed("x", layer), x)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_linear() -> None:
    layer = keras.layers.Dense(3)
    layer.build((None, 6))
    x = RNG.normal(size=(2, 6)).astype(np.float32)
    theirs, ours = both(torch.nn.Linear(6, 3), layer, linear("x", layer), x)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_batch_normalisation() -> None:
    layer = keras.layers.BatchNormalization(epsilon=1e-5)
    layer.build((None, None, None, 4))
    module = torch.nn.BatchNorm2d(4)
    with torch.no_grad():
        for value in (module.weight, module.bias, module.running_mean, module.running_var):
            value.uniform_(0.5, 2.0)
    x = RNG.normal(size=(2, 3, 5, 4)).astype(np.float32)
    theirs, ours = both(module, layer, batch_norm("x", layer), x)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_prelu() -> None:
    layer = keras.layers.PReLU(shared_axes=[1, 2])
    layer.build((None, None, None, 4))
    x = RNG.normal(size=(2, 3, 5, 4)).astype(np.float32)
    theirs, ours = both(torch.nn.PReLU(init=0.3), layer, {"x.weight": Entry(layer.alpha, prelu(4))}, x)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_names_of_tensorflow_slim() -> None:
    layer = keras.layers.Conv2D(5, 3)
    layer.build((None, None, None, 4))
    entries = tensorflow_convolution("conv1/conv1_1", layer)
    assert {name: entry.variable for name, entry in entries.items()} == {
        "conv1/conv1_1/weights": layer.kernel,
        "conv1/conv1_1/biases": layer.bias,
    }
    kernel = RNG.normal(size=(3, 3, 4, 5))
    np.testing.assert_array_equal(entries["conv1/conv1_1/weights"].layout.to_keras(kernel), kernel)


@pytest.mark.parametrize(
    ("layout", "shape"),
    [(AS_IS, (7,)), (AS_IS, (3, 3, 2, 4)), (CONV, (5, 4, 3, 2)), (TRANSPOSED, (5, 4, 3, 2)), (LINEAR, (5, 4))],
)
def test_layouts_lead_back(layout: Layout, shape: tuple[int, ...]) -> None:
    array = RNG.normal(size=shape)
    np.testing.assert_array_equal(layout.from_keras(layout.to_keras(array)), array)


def test_one_slope_becomes_one_per_channel_and_back() -> None:
    slopes = prelu(3).to_keras(np.array([0.25]))
    np.testing.assert_array_equal(slopes, np.full((1, 1, 3), 0.25))
    np.testing.assert_array_equal(prelu(3).from_keras(slopes), [0.25])


def test_whole_names_are_ignored_only() -> None:
    table = NameTable({}, ignored=(r"fc\..*", r".*\.num_batches_tracked"))
    assert table.is_ignored("fc.weight")
    assert table.is_ignored("bn1.num_batches_tracked")
    assert not table.is_ignored("conv.fc.weight")
