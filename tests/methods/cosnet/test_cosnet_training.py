"""Five recorded training steps of COSNet and of the Tianchi network: losses, gradients, changes, statistics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from golden_cosnet import network_of, raw_frames
from golden_outputs import Golden, load_golden

from vos_tf.config import TrainingSettings
from vos_tf.methods.cosnet.checkpoints import cosnet_names, tianchi_names
from vos_tf.methods.cosnet.losses import absolute_error
from vos_tf.methods.cosnet.network import PAIR, TIANCHI, COSNet
from vos_tf.methods.registry import get_method
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.porting.assign import assign
from vos_tf.porting.layouts import Entry
from vos_tf.training.optimizers import make_optimizer
from vos_tf.training.schedules import learning_rate
from vos_tf.training.steps import TrainingStep

# Relative. Weights that are off by 1e-7 change the norms of these gradients by up to 0.2 %: at 9x9 positions many
# activations lie near the bend of a ReLU.
GRADIENTS = 0.01
COURSE = 0.1
UPDATES = 5
# The original trains 60 epochs of 130 updates.
SETTINGS = TrainingSettings(
    optimizer="sgd",
    momentum=0.9,
    lr=2.5e-4,
    weight_decay=5e-4,
    schedule="polynomial",
    schedule_power=0.9,
    n_epochs=60,
    batch_size=2,
)


def frames_and_masks(golden: Golden, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Frames ``(B, T, H, W, 3)`` and masks ``(B, T, K, H, W)`` of several inputs."""
    frames = [raw_frames(golden, key) for key in keys]
    return np.stack(frames), np.stack([golden.inputs[f"{key}.masks"] for key in keys])


def clips_of(golden: Golden, keys: Sequence[str]) -> ClipBatch:
    """Pairs as the pipeline gives them; a still image is paired with itself."""
    frames, masks = frames_and_masks(golden, keys)
    if frames.shape[1] == 1:
        frames, masks = np.repeat(frames, 2, axis=1), np.repeat(masks, 2, axis=1)
    labels = (masks[:, :, 0] > 0.5).astype(np.uint8)
    return ClipBatch(
        *map(tf.constant, (frames, labels, np.ones(labels.shape[:2], bool), np.ones(len(labels), np.int32)))
    )


def norms(values: Sequence[Any]) -> list[float]:
    return [-1.0 if x is None else float(np.linalg.norm(np.asarray(x))) for x in values]


class Trained:
    """The weights of a network that the original trains, in the fixture's order of names."""

    def __init__(self, golden: Golden, network: COSNet, entries: dict[str, Entry]) -> None:
        trainable = {id(v) for v in network.trainable_variables}
        self.golden, self.entries = golden, entries
        self.names = [name for name in golden.meta["trainable"] if id(entries[name].variable) in trainable]
        self.variables = [entries[name].variable for name in self.names]
        assert len(self.variables) == len(trainable)
        frozen = {row["name"] for row in golden.meta["parameters"] if row.get("frozen")}
        assert set(golden.meta["trainable"]) - set(self.names) == frozen
        self.before = [v.numpy() for v in self.variables]

    def in_order(self, values: Sequence[float], absent: float) -> np.ndarray:
        by_name = dict(zip(self.names, values, strict=True))
        return np.array([by_name.get(name, absent) for name in self.golden.meta["trainable"]])

    def check_gradients(self, key: str, gradients: Sequence[Any]) -> None:
        found, wanted = self.in_order(norms(gradients), -1.0), self.golden.arrays[key]
        # Biases before a batch normalisation have gradients that are nothing but rounding.
        np.testing.assert_allclose(found, wanted, rtol=GRADIENTS, atol=1e-5 * wanted.max())

    def check_end(self, name: str, losses: Sequence[float]) -> None:
        """Losses before each step and after the last one; then change of each weight, statistics of each norm."""
        assert self.golden.problems({f"loss/{name}": losses}) == []
        changes = norms([v.numpy() - old for v, old in zip(self.variables, self.before, strict=True)])
        statistics = norms([self.entries[buffer].variable for buffer in self.golden.meta["buffers"]])
        self.check_course(f"delta_norm/{name}", self.in_order(changes, 0.0))
        self.check_course(f"buffer_norm/{name}", np.array(statistics))

    def check_course(self, key: str, found: np.ndarray) -> None:
        """What several steps make of rounding: for some weights the original differs from itself by a quarter."""
        wanted, allowed = (self.golden.arrays[name].astype(np.float64) for name in (key, f"tol/{key}"))
        errors = np.abs(found - wanted)
        assert (errors <= np.maximum(allowed, COURSE * wanted + 1e-5 * wanted.max())).all()
        assert np.median(errors[wanted > 0] / wanted[wanted > 0]) < GRADIENTS


def gradients_of(
    objective: Any, network: COSNet, clips: ClipBatch, variables: Sequence[Any]
) -> tuple[float, list[Any]]:
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(objective.outcome(network, clips, 0.0, training=True).losses)
    return float(loss), tape.gradient(loss, variables)


def test_losses_and_gradients_of_the_first_steps(shared: Path) -> None:
    golden = load_golden(shared, "cosnet_train")
    network = network_of(golden, PAIR, cosnet_names)
    table = cosnet_names(network)
    trained = Trained(golden, network, dict(table.entries))
    pairs = get_method("cosnet").make_objective({}, 1)
    stills = pairs.for_stills()
    loss, gradients = gradients_of(stills, network, clips_of(golden, ["still0", "still1"]), trained.variables)
    trained.check_gradients("grad_norm", gradients)
    np.testing.assert_allclose(loss, golden.arrays["loss/clean"][0], rtol=1e-6)
    assign(network, table, golden.weights, Path("fixture"), "COSNet")
    loss, gradients = gradients_of(pairs, network, clips_of(golden, ["clip0", "clip1"]), trained.variables)
    trained.check_gradients("grad_norm/video", gradients)
    np.testing.assert_allclose(loss, golden.arrays["loss/video_first"][0], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_steps_in_turn_follow_the_original(shared: Path) -> None:
    golden = load_golden(shared, "cosnet_train")
    network = network_of(golden, PAIR, cosnet_names)
    trained = Trained(golden, network, dict(cosnet_names(network).entries))
    pairs = get_method("cosnet").make_objective({}, 1)
    stills = pairs.for_stills()
    optimizer = make_optimizer(SETTINGS, pairs.groups(network))
    step = TrainingStep(network, optimizer, tf.distribute.get_strategy(), SETTINGS, pairs, stills)
    clips = {False: clips_of(golden, ["clip0", "clip1"]), True: clips_of(golden, ["still0", "still1"])}
    kinds = [index % 3 == 0 for index in range(UPDATES)]
    losses = [
        float(step(clips[kind], learning_rate(SETTINGS, index, 130), stills=kind)) for index, kind in enumerate(kinds)
    ]
    losses.append(float(tf.reduce_mean(pairs.outcome(network, clips[False], 0.0, training=True).losses)))
    trained.check_end("clean", losses)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rate"), [("original", 2.5e-4), ("lr2.5e-3", 2.5e-3)])
def test_tianchi_training_follows_the_original(shared: Path, name: str, rate: float) -> None:
    golden = load_golden(shared, "uvos_train")
    network = network_of(golden, TIANCHI, tianchi_names)
    trained = Trained(golden, network, dict(tianchi_names(network).entries))
    frames, masks = frames_and_masks(golden, ["clip0", "clip1"])
    settings = TrainingSettings(optimizer="sgd", momentum=0.9, lr=rate, weight_decay=1e-4)
    optimizer = make_optimizer(settings, [ParameterGroup("all", trained.variables)])
    losses = []
    for index in range(UPDATES + 1):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(absolute_error(network(frames, training=True).frames, masks))
        losses.append(float(loss))
        if index == UPDATES:
            break
        gradients = tape.gradient(loss, trained.variables)
        if index == 0:
            trained.check_gradients("grad_norm", gradients)
        optimizer.apply(gradients, trained.variables)
    trained.check_end(name, losses)
