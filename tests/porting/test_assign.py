"""Comparison of a checkpoint with a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from vos_tf.errors import ProblemsError
from vos_tf.porting.assign import SHOWN, assign
from vos_tf.porting.layouts import NameTable, convolution

FILE = Path("net.pth")


@pytest.fixture
def network() -> Any:
    return keras.Sequential([keras.Input((None, None, 2)), keras.layers.Conv2D(3, 1)])


def table(network: Any, **options: Any) -> NameTable:
    return NameTable(convolution("conv", network.layers[0]), **options)


GOOD = {"conv.weight": np.arange(6, dtype=np.float32).reshape(3, 2, 1, 1), "conv.bias": np.ones(3, np.float32)}


def test_weights_arrive_and_what_is_left_out_is_said(network: Any) -> None:
    names = table(network, ignored=(r"fc\..*",), fixed={"up": np.eye(2), "absent": np.eye(3)})
    left_out = assign(network, names, {**GOOD, "fc.bias": np.ones(4), "up": np.eye(2) + 1e-6}, FILE, "Net")
    assert left_out == ("fc.bias",)
    np.testing.assert_array_equal(network.layers[0].kernel, [[[[0, 2, 4], [1, 3, 5]]]])
    np.testing.assert_array_equal(network.layers[0].bias, [1, 1, 1])


def test_nothing_is_assigned_where_anything_is_wrong(network: Any) -> None:
    before = network.get_weights()
    with pytest.raises(
        ProblemsError, match=r"but 1 tensor does not fit:\n  conv\.bias: expected a tensor of shape \(3,\)"
    ):
        assign(network, table(network), {"conv.weight": GOOD["conv.weight"]}, FILE, "Net")
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 1, 1), (3, 2, 1, 1, 1), ()])
def test_shapes_are_those_of_the_original(network: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ProblemsError) as caught:
        assign(network, table(network), {**GOOD, "conv.weight": np.zeros(shape)}, FILE, "Net")
    (problem,) = caught.value.problems
    assert str(problem) == f"conv.weight: expected a tensor of shape (3, 2, 1, 1), found one of shape {shape}"


def test_long_lists_are_counted(network: Any) -> None:
    extra = {f"extra{index}": np.zeros(1) for index in range(20)}
    with pytest.raises(ProblemsError, match=f"but 20 tensors do not fit, the first {SHOWN} of them:") as caught:
        assign(network, table(network), {**GOOD, **extra}, FILE, "Net")
    assert len(caught.value.problems) == SHOWN


def test_a_table_has_to_reach_every_weight(network: Any) -> None:
    layer = network.layers[0]
    half = {"conv.weight": table(network).entries["conv.weight"]}
    with pytest.raises(ValueError, match="The table of names has to reach every weight"):
        assign(network, NameTable(half), GOOD, FILE, "Net")
    assert assign(network, NameTable(half, constant=(layer.bias,)), half_of(GOOD), FILE, "Net") == ()


def half_of(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"conv.weight": weights["conv.weight"]}
