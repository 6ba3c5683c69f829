"""Training S2S against the recorded first steps of its first PyTorch implementation: losses, gradients, changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_outputs import Golden, load_golden

from vos_tf.config import TrainingSettings
from vos_tf.methods.s2s.checkpoints import s2s_pytorch
from vos_tf.methods.s2s.network import S2S, default_settings
from vos_tf.methods.s2s.objective import S2SObjective, Settings
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.porting.assign import assign
from vos_tf.training.optimizers import GroupedAdam, make_optimizer
from vos_tf.training.steps import TrainingStep

OBJECTIVE = S2SObjective(Settings(), 1)


def golden_network(golden: Golden) -> S2S:
    network = S2S(replace(default_settings("vgg16", "shashankvkt"), swap_states=True))
    assign(network, s2s_pytorch(network), golden.weights, Path(golden.meta["variant"]), "S2S")
    return network


def golden_batch(golden: Golden) -> ClipBatch:
    """The fixture's clip as the pipeline gives it."""
    item = golden.meta["inputs"]["clip"]
    size = (item["frames"], item["height"], item["width"])
    frames, masks = golden.rules.video(item["name"], golden.meta["salt"], *size)
    frames = (frames * 255).astype(np.float32)[None]
    annotated = np.ones((1, size[0]), bool)
    labels = masks[:, 0].astype(np.uint8)[None]
    return ClipBatch(*map(tf.constant, (frames, labels, annotated, np.ones(1, np.int32))))


def lengths(golden: Golden, values: dict[str, Any]) -> list[float]:
    return [float(np.linalg.norm(np.asarray(values[name], np.float64))) for name in golden.meta["trainable"]]


def loss_of(network: S2S, batch: ClipBatch) -> Any:
    return tf.reduce_mean(OBJECTIVE.outcome(network, batch, 0.0, training=True).losses)


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return load_golden(shared, "s2s_vgg16_train")


@pytest.mark.usefixtures("eagerly")
def test_loss_and_gradients_are_the_originals(golden: Golden) -> None:
    network = golden_network(golden)
    variables = {name: entry.variable for name, entry in s2s_pytorch(network).entries.items()}
    with tf.GradientTape() as tape:
        loss = loss_of(network, golden_batch(golden))
    gradients = tape.gradient(loss, variables)
    assert golden.problems({"grad_norm": lengths(golden, gradients)}) == []
    np.testing.assert_allclose(float(loss), golden.arrays["loss/lr1e-5"][0], rtol=1e-5)


def optimizer_of(network: S2S, settings: TrainingSettings, *, before_correction: bool) -> Any:
    optimizer = make_optimizer(settings, OBJECTIVE.groups(network))
    if before_correction:  # as PyTorch had it up to 1.2, and Keras has it
        optimizer.update_step = lambda *args: keras.optimizers.Adam.update_step(optimizer, *args)
    assert isinstance(optimizer, GroupedAdam)
    return optimizer


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("trajectory", "rate", "updates"), [("lr1e-5", 1e-5, 5), ("lr1e-4", 1e-4, 5), ("lr1e-4_epsilon_hat", 1e-4, 3)]
)
def test_updates_are_the_originals(trajectory: str, rate: float, updates: int, golden: Golden) -> None:
    network, batch = golden_network(golden), golden_batch(golden)
    settings = TrainingSettings(lr=rate, batch_size=1)
    optimizer = optimizer_of(network, settings, before_correction=trajectory.endswith("epsilon_hat"))
    step = TrainingStep(network, optimizer, tf.distribute.get_strategy(), settings, OBJECTIVE)
    entries = s2s_pytorch(network).entries
    before = {name: keras.ops.convert_to_numpy(entry.variable) for name, entry in entries.items()}
    losses = [float(step(batch, rate)) for _ in range(updates)]
    losses.append(float(loss_of(network, batch)))
    changes = {name: keras.ops.convert_to_numpy(entry.variable) - before[name] for name, entry in entries.items()}
    assert golden.problems({f"loss/{trajectory}": losses}) == []
    # ``lr1e-5``: in double precision all 70 are within half the tolerance, in single one is not (0.06 % off). The
    # others were not tried in double precision.
    golden.assert_alike_but_for_rounding(f"delta_norm/{trajectory}", lengths(golden, changes), largest=0.01)
