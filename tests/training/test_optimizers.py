"""AdamW, against its definition."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from vos_tf.config import TrainingSettings
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.training.optimizers import make_optimizer

RATE, DECAY = 0.01, 0.1


def test_adamw_shrinks_kernels_by_rate_times_decay_and_nothing_else() -> None:
    layers = [keras.layers.Conv2D(3, 3), keras.layers.BatchNormalization(), keras.layers.DepthwiseConv2D(3)]
    network = keras.Sequential(layers)
    network.build((1, 9, 9, 2))
    groups = [
        ParameterGroup("first", layers[0].trainable_weights, rate=0.5),
        ParameterGroup("norm", layers[1].trainable_weights),
        ParameterGroup("last", layers[2].trainable_weights, decay=False),
    ]
    variables = [variable for group in groups for variable in group.variables]
    random = np.random.default_rng(0)
    start = [random.normal(size=v.shape).astype(np.float32) for v in variables]
    gradients = [[tf.constant(random.normal(size=v.shape), tf.float32) for v in variables] for _ in range(3)]
    found = {}
    for name, decay in (("adam", 0.0), ("adamw", 0.0), ("adamw", DECAY)):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        settings = TrainingSettings(optimizer=name, lr=RATE, weight_decay=decay)
        optimizer = make_optimizer(settings, groups)
        steps = []
        for gradient in gradients:
            optimizer.apply(gradient, variables)
            steps.append([np.asarray(v.numpy()) for v in variables])
        found[name, decay] = steps
    for one, two in zip(found["adam", 0.0][-1], found["adamw", 0.0][-1], strict=True):
        np.testing.assert_array_equal(one, two)
    # Kernel and bias of the first group, scale and offset of the second, kernel and bias of the last.
    rates = [0.5, 0, 0, 0, 0, 0]
    # Adam's own step does not depend on the weights: what differs is the decay alone.
    previous = {0.0: start, DECAY: start}
    for number in range(3):
        for index, rate in enumerate(rates):
            plain = found["adamw", 0.0][number][index] - previous[0.0][index]
            decayed = found["adamw", DECAY][number][index] - (1 - RATE * rate * DECAY) * previous[DECAY][index]
            np.testing.assert_allclose(decayed, plain, atol=1e-6)
        previous = {decay: found["adamw", decay][number] for decay in (0.0, DECAY)}
    kernel = found["adamw", DECAY][-1][0] - found["adam", 0.0][-1][0]
    assert np.abs(kernel).max() > 1e-4
