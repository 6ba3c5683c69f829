"""Moving averages of weights, against their definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from vos_tf.training.averages import WeightAverages


@pytest.fixture
def network() -> Any:
    network = keras.Sequential([keras.layers.Dense(3), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)])
    network.build((2, 4))
    return network


def trajectory(network: Any, averages: WeightAverages, count: int, start: int = 1) -> list[list[np.ndarray]]:
    """Change the weights by chance and take them in; returns all of them."""
    seen = []
    for number in range(start, start + count):
        random = np.random.default_rng(number)
        for weight in network.weights:
            if weight.dtype == "float32":
                weight.assign(random.normal(size=weight.shape))
        averages.update(number)
        seen.append(network.get_weights())
    return seen


def test_averages_are_weighted_means_of_all_weights_after_updates(network: Any) -> None:
    averages = WeightAverages(network, 0.7, tf.distribute.get_strategy())
    seen = trajectory(network, averages, 9)
    shares = 0.7 ** np.arange(9)[::-1]
    with averages.in_use():
        for index, found in enumerate(network.get_weights()):
            if found.dtype == np.float32:
                wanted = sum(share * weights[index] for share, weights in zip(shares, seen, strict=True)) / shares.sum()
                np.testing.assert_allclose(found, wanted, atol=1e-6)
    for one, two in zip(network.get_weights(), seen[-1], strict=True):
        np.testing.assert_array_equal(one, two)


def test_weights_that_stay_are_their_own_averages_bit_for_bit(network: Any) -> None:
    averages = WeightAverages(network, 0.999, tf.distribute.get_strategy())
    before = network.get_weights()
    for number in range(1, 30):
        averages.update(number)
    with averages.in_use():
        for one, two in zip(network.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, two)


def test_averages_go_on_from_a_file(network: Any, tmp_path: Path) -> None:
    strategy = tf.distribute.get_strategy()
    whole, first, second = (WeightAverages(network, 0.9, strategy) for _ in range(3))
    trajectory(network, whole, 8)
    trajectory(network, first, 3)
    first.save(tmp_path / "averages.h5")
    second.restore(tmp_path / "averages.h5")
    trajectory(network, second, 5, start=4)
    found = []
    for averages in (whole, second):
        with averages.in_use():
            found.append(network.get_weights())
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)
    other = keras.Sequential([keras.layers.Dense(2)])
    other.build((2, 4))
    with pytest.raises(ValueError, match="of 2 weights"):
        WeightAverages(other, 0.9, strategy).restore(tmp_path / "averages.h5")
