"""OSVOS against golden outputs of its originals: logits at even and odd sizes, losses, five optimiser updates.

The updates run in double precision: where a pooling or a ReLU is close to a tie, the last digit of single precision
decides which way an update goes, so that single-precision runs of one and the same network drift apart by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_outputs import Golden, load_golden

from vos_tf.config import TrainingSettings
from vos_tf.losses import class_balanced_cross_entropy
from vos_tf.methods.osvos.checkpoints import osvos_pytorch, osvos_vgg19bn
from vos_tf.methods.osvos.losses import deep_supervision
from vos_tf.methods.osvos.network import OSVOS, OSVOSLogits, default_settings
from vos_tf.porting.assign import assign
from vos_tf.porting.layouts import NameTable
from vos_tf.training.optimizers import make_optimizer

TABLES = {"vgg16": osvos_pytorch, "vgg19_bn": osvos_vgg19bn}
# The promise of the project; the fixtures' own tolerances are tighter and checked as well.
SPREADS = 1e-4


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Networks that are built meanwhile work in float64."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


def network_of(golden: Golden, trunk: str) -> Any:
    network = OSVOS(default_settings(trunk))
    left = assign(network, TABLES[trunk](network), golden.weights, Path("fixture"), "OSVOS")
    assert set(left) <= {"side_prep_p2.weight", "side_prep_p2.bias"}
    return network


def raw_frames(golden: Golden, key: str, trunk: str) -> np.ndarray:
    """RGB 0..255 frames of an input that the fixture normalises."""
    spec = golden.meta["inputs"][key]
    frames, _ = golden.rules.video(
        spec["name"], golden.meta["salt"], spec["frames"], spec["height"], spec["width"], high=255.0
    )
    # The canonical fixtures hold channels in the order B, G, R.
    return frames[..., ::-1] if trunk == "vgg16" else frames


@pytest.mark.parametrize(
    ("name", "trunk", "first"),
    [
        ("osvos_vgg16_96x160", "vgg16", 2),
        ("osvos_vgg16_97x163", "vgg16", 2),
        ("osvos_vgg19bn_96x160", "vgg19_bn", 1),
        ("osvos_vgg19bn_75x107", "vgg19_bn", 1),
    ],
)
def test_logits_of_all_sides_equal_the_original(shared: Path, name: str, trunk: str, first: int) -> None:
    golden = load_golden(shared, name)
    network = network_of(golden, trunk)
    logits = network(raw_frames(golden, "image", trunk))
    answers = {"fused": np.asarray(logits.fused)[0, ..., 0]}
    for number, side in enumerate(logits.sides, first):
        views = golden.rules.views(np.asarray(side)[0, ..., 0], stride=4, corner=32)
        answers |= {f"side{number}/{part}": view for part, view in views.items()}
    assert set(answers) == {key for key in golden.arrays if key.startswith(("side", "fused"))}
    assert golden.problems(answers) == []
    assert max(golden.error(key, answer) for key, answer in answers.items()) < SPREADS


def frames_and_masks(golden: Golden, key: str, trunk: str) -> tuple[np.ndarray, np.ndarray]:
    masks = golden.inputs[f"{key}.masks"]
    return np.ascontiguousarray(raw_frames(golden, key, trunk)), masks.transpose(0, 2, 3, 1)


def all_losses(network: Any, image: Any, mask: Any, **options: Any) -> list[float]:
    """Of every side, then of the fused map, each divided by the number of images."""
    logits = network(image, training=True)
    maps = [*logits.sides, logits.fused]
    return [float(np.sum(class_balanced_cross_entropy(x, mask, **options))) / len(image) for x in maps]


def gradients_of(network: Any, loss_of: Any, variables: list[Any]) -> tuple[float, list[Any]]:
    with tf.GradientTape() as tape:
        loss = loss_of(network)
    return float(loss), tape.gradient(loss, variables)


def by_original_name(golden: Golden, table: NameTable, values: dict[int, float], absent: np.ndarray) -> np.ndarray:
    """Values per variable in the fixture's order of tensors, ``absent`` for tensors that are not ours."""
    entries = table.entries
    return np.array(
        [
            values[id(entries[name].variable)] if name in entries else other
            for name, other in zip(golden.meta["trainable"], absent, strict=True)
        ]
    )


def follow(
    network: Any, optimizer: Any, variables: list[Any], parts: list[Any]
) -> tuple[list[float], dict[int, float]]:
    """Five updates by the mean gradient of the parts: losses before each and after the last, change per variable."""
    before = {id(v): v.numpy() for v in network.variables}
    losses = []
    for update in range(6):
        found = [gradients_of(network, part, variables) for part in parts]
        losses.append(float(np.mean([loss for loss, _ in found])))
        if update < 5:
            mean = [sum(items) / len(parts) for items in zip(*(items for _, items in found), strict=True)]
            optimizer.apply(mean, variables)
    return losses, {id(v): float(np.linalg.norm(v.numpy() - before[id(v)])) for v in network.variables}


def test_canonical_losses_and_first_gradients(shared: Path) -> None:
    golden = load_golden(shared, "osvos_vgg16_train")
    network = network_of(golden, "vgg16")
    pairs = {key: frames_and_masks(golden, key, "vgg16") for key in "ab"}
    assert golden.problems({f"losses/{key}": all_losses(network, *pair) for key, pair in pairs.items()}) == []

    def loss_of(pair: tuple[Any, Any]) -> Any:
        return lambda network: tf.reduce_sum(deep_supervision(*network(pair[0]), pair[1]))

    variables = network.trainable_variables
    found = [gradients_of(network, loss_of(pair), variables)[1] for pair in pairs.values()]
    norms = {id(v): float(np.linalg.norm((a + b) / 2)) for v, a, b in zip(variables, *found, strict=True)}
    answer = by_original_name(golden, osvos_pytorch(network), norms, golden.arrays["grad_norm"])
    assert golden.problems({"grad_norm": answer}) == []


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(
    ("name", "side_weight"),
    [("parent_epoch0", 1.0), pytest.param("parent_epoch120", 0.5, marks=pytest.mark.slow), ("online", 0.0)],
)
def test_canonical_training_follows_the_original(shared: Path, name: str, side_weight: float) -> None:
    golden = load_golden(shared, "osvos_vgg16_train")
    network = network_of(golden, "vgg16")
    table = osvos_pytorch(network)
    online = name == "online"
    pairs = [frames_and_masks(golden, key, "vgg16") for key in ("a" if online else "ab")]

    def part(image: Any, mask: Any) -> Any:
        def loss_of(network: Any) -> Any:
            logits = OSVOSLogits(network.fused(image), ()) if online else network(image)
            return tf.reduce_sum(deep_supervision(*logits, mask, side_weight=side_weight))

        return loss_of

    groups = [group for group in network.parameter_groups() if not (online and group.name.startswith("score"))]
    settings = TrainingSettings(optimizer="sgd", momentum=0.9, lr=1e-8, weight_decay=2e-4)
    optimizer = make_optimizer(settings, groups)
    variables = [v for group in groups for v in group.variables]
    losses, changes = follow(network, optimizer, variables, [part(*pair) for pair in pairs])
    answer = by_original_name(golden, table, changes, np.zeros(len(golden.meta["trainable"])))
    assert golden.problems({f"loss/{name}": losses, f"delta_norm/{name}": answer}) == []


def test_losses_of_the_vgg19_port(shared: Path) -> None:
    golden = load_golden(shared, "osvos_vgg19bn_train")
    image, mask = frames_and_masks(golden, "clip", "vgg19_bn")
    losses = all_losses(network_of(golden, "vgg19_bn"), image, mask, whole_batch=True, epsilon=1e-7)
    assert golden.problems({"losses": losses}) == []


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(
    ("name", "rate", "images"), [("parent_lr1e-3", 1e-3, 2), ("parent_lr1e-4", 1e-4, 2), ("online_lr5e-5", 5e-5, 1)]
)
def test_training_of_the_vgg19_port_follows_the_original(shared: Path, name: str, rate: float, images: int) -> None:
    golden = load_golden(shared, "osvos_vgg19bn_train")
    network = network_of(golden, "vgg19_bn")
    table = osvos_vgg19bn(network)
    image, mask = (x[:images] for x in frames_and_masks(golden, "clip", "vgg19_bn"))
    options = {"whole_batch": True, "epsilon": 1e-7}

    def loss_of(network: Any) -> Any:
        if images == 1:
            return tf.reduce_sum(class_balanced_cross_entropy(network.fused(image, training=True), mask, **options))
        return tf.reduce_sum(deep_supervision(*network(image, training=True), mask, **options)) / 6 / images

    groups = [g for g in network.parameter_groups() if g.variables]
    if images == 1:  # what gets no gradient is not touched, not even by the decay
        scores = {id(layer.kernel) for layer in network.score_upsample}
        groups = [
            replace(g, variables=tuple(v for v in g.variables if id(v) not in scores))
            for g in groups
            if not g.name.startswith("score")
        ]
    groups = [replace(group, rate=1.0, decay=True) for group in groups]
    optimizer = make_optimizer(TrainingSettings(optimizer="adam", lr=rate, weight_decay=1e-4), groups)
    variables = [v for group in groups for v in group.variables]
    losses, changes = follow(network, optimizer, variables, [loss_of])
    answer = by_original_name(golden, table, changes, np.zeros(len(golden.meta["trainable"])))
    buffers = [np.linalg.norm(table.entries[name].variable.numpy()) for name in golden.meta["buffers"]]
    answers = {f"loss/{name}": losses, f"delta_norm/{name}": answer, f"buffer_norm/{name}": buffers}
    assert golden.problems(answers) == []
