"""Moving averages of weights: what is validated and kept in the end, while training goes on with the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import ops

from vos_tf.models.video_network import VideoNetwork


class WeightAverages:
    """Exponential moving averages of a network's weights, in float32, equal on every replica.

    After t updates the average is the mean of the weights after each of them, weighted with ``decay ** (t - i)``: as
    the moments of Adam (Kingma and Ba 2015) it is free of the weights that training began with.

    Args:
        network: Built; its floating-point weights are averaged, those that are not trained as well.
        decay: 0 < decay < 1.
        strategy: In whose scope the network was built.
    """

    def __init__(self, network: VideoNetwork, decay: float, strategy: Any) -> None:
        self._decay, self._strategy = decay, strategy
        self._weights = [weight for weight in network.weights if keras.backend.is_float_dtype(weight.dtype)]
        with strategy.scope():
            self._averages = [
                tf.Variable(ops.convert_to_numpy(weight).astype(np.float32), trainable=False)
                for weight in self._weights
            ]
        self._compiled = tf.function(self._update)

    def update(self, count: int) -> None:
        """Take in the weights after update number ``count``, from 1."""
        share = (1 - self._decay) / (1 - self._decay**count)
        self._compiled(tf.constant(share, tf.float32))

    def _update(self, share: Any) -> None:
        def closer(average: Any, weight: Any) -> Any:
            return average.assign_add(share * (tf.cast(weight, tf.float32) - average))

        with self._strategy.scope():
            for average, weight in zip(self._averages, self._weights, strict=True):
                self._strategy.extended.update(average, closer, args=(weight.value,))

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within it, the network has the averages as weights."""
        kept = [ops.convert_to_numpy(weight) for weight in self._weights]
        self._assign([average.read_value() for average in self._averages])
        try:
            yield
        finally:
            self._assign(kept)

    def _assign(self, values: list[Any]) -> None:
        with self._strategy.scope():
            for weight, value in zip(self._weights, values, strict=True):
                weight.assign(value)

    def save(self, path: Path) -> None:
        """Write all averages."""
        with h5py.File(path, "w") as file:
            for index, average in enumerate(self._averages):
                file[f"{index:05d}"] = average.read_value().numpy()

    def restore(self, path: Path) -> None:
        """Read what `save` wrote.

        Raises:
            OSError: There is no such file, or it is damaged.
            ValueError: It is of another network.
        """
        with h5py.File(path, "r") as file:
            values = [np.asarray(file[name]) for name in sorted(file)]
        if [value.shape for value in values] != [tuple(average.shape) for average in self._averages]:
            raise ValueError(f"expected averages of {len(self._averages)} weights, found other ones in {path.name}")
        with self._strategy.scope():
            for average, value in zip(self._averages, values, strict=True):
                average.assign(value)
