"""The objective of S2S: RS2S's loss on its own network, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from vos_tf.config import TrainingSettings
from vos_tf.errors import VosError
from vos_tf.methods.registry import get_method
from vos_tf.methods.s2s.network import S2S, default_settings
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.training.optimizers import make_optimizer
from vos_tf.training.steps import TrainingStep

SIZE = (32, 48)


def light(preset: str) -> S2S:
    keras.utils.set_random_seed(0)
    settings = replace(default_settings("small", preset), size=SIZE, state_filters=8, decoder_filters=(8, 8, 8))
    if settings.finer_states:
        settings = replace(settings, initializer_hidden=(), finer_states=((8, 3), (8, 3)))
    return S2S(settings)


def test_training_with_rs2s_loss_learns_masks_and_distances() -> None:
    network, settings = light("rs2s"), TrainingSettings(lr=3e-3, batch_size=2)
    objective = get_method("s2s").make_objective({"loss": "rs2s"}, 1)
    optimizer = make_optimizer(settings, objective.groups(network))
    step = TrainingStep(network, optimizer, tf.distribute.get_strategy(), settings, objective)
    labels = np.zeros((2, 3, *SIZE), np.uint8)
    labels[:, :, 8:24, 10:30] = 1
    labels[1, 2, :4] = 255
    frames = np.random.default_rng(0).uniform(0, 255, (2, 3, *SIZE, 3)).astype(np.float32)
    frames[:, :, 8:24, 10:30] += 60
    batch = ClipBatch(*map(tf.constant, (frames, labels, np.ones((2, 3), bool), np.ones(2, np.int32))))
    losses = [float(step(batch, settings.lr)) for _ in range(40)]
    assert losses[-1] < 0.7 * losses[0]


def test_rs2s_loss_needs_its_distance_classes() -> None:
    objective = get_method("s2s").make_objective({"loss": "rs2s"}, 1)
    with pytest.raises(VosError, match=r"expected a network with .*distance_classes 42 \(preset rs2s\), found 0"):
        objective.groups(light("paper"))


def test_losses_that_there_are_not() -> None:
    with pytest.raises(VosError, match="loss: expected one of cross_entropy, rs2s, found 'bce'"):
        get_method("s2s").resolve_objective({"loss": "bce"})
