"""What OSVOS trains online: groups, rates, losses; void counts nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vos_tf.errors import VosError
from vos_tf.losses import class_balanced_cross_entropy
from vos_tf.media.label_maps import VOID
from vos_tf.methods.osvos.finetuning import finetuned_groups, finetuning_loss
from vos_tf.methods.osvos.options import OSVOSFinetuneSettings
from vos_tf.methods.registry import get_method


@pytest.fixture(scope="module")
def network() -> Any:
    made = get_method("osvos").build(get_method("osvos").resolve_settings("small", {"objects": 2, "side_filters": 4}))
    random = np.random.default_rng(0)
    for layer in (*made.side_prep, made.fuse):  # new ones say next to nothing
        layer.kernel.assign(random.normal(0, 0.2, layer.kernel.shape))
    return made


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    targets = np.zeros((2, 24, 32), np.uint8)
    targets[0, 2:10, 3:20] = 1
    targets[0, 12:20, 5:9] = 2
    targets[1, 4:12, 6:30] = 2
    targets[:, 21:] = VOID
    return random.integers(0, 256, (2, 24, 32, 3), np.uint8), targets


def test_the_head_is_everything_but_the_trunk(network: Any) -> None:
    head = finetuned_groups(network, OSVOSFinetuneSettings(trainable="head"))
    every = finetuned_groups(network, OSVOSFinetuneSettings())
    ours = {id(v) for group in head for v in group.variables}
    trunk = {id(v) for v in network.trunk.trainable_variables}
    assert trunk
    assert not ours & trunk
    assert ours | trunk == {id(v) for group in every for v in group.variables}
    assert {id(v) for group in every for v in group.variables} == {id(v) for v in network.trainable_variables}


def test_rates_are_the_authors_or_equal(network: Any) -> None:
    authors = {g.name: g.rate for g in finetuned_groups(network, OSVOSFinetuneSettings(rates="authors"))}
    assert authors["trunk_biases"] == 2 * authors["trunk_weights"] == 2.0
    assert authors["fuse_weights"] == 0.01
    assert {g.rate for g in finetuned_groups(network, OSVOSFinetuneSettings(rates="equal"))} == {1.0}


def loss_of(network: Any, kind: str, images: np.ndarray, targets: np.ndarray) -> float:
    return float(finetuning_loss(network, OSVOSFinetuneSettings(loss=kind))(images, targets))


def test_losses_are_what_they_are_called(network: Any, batch: tuple[np.ndarray, np.ndarray]) -> None:
    images, targets = batch
    logits = network.fused(images.astype(np.float32)).numpy().astype(np.float64)
    masks = np.stack([targets == 1, targets == 2], axis=-1)
    counts = (targets != VOID)[..., None] & np.ones(2, bool)
    surprise = np.log1p(np.exp(np.where(masks, -logits, logits)))
    balanced = every = 0.0
    for image in range(2):
        for head in range(2):
            values, mask, count = surprise[image, ..., head], masks[image, ..., head], counts[image, ..., head]
            every += values[count].mean() / 2
            inside = values[mask & count].mean() if (mask & count).any() else 0.0
            balanced += (inside + values[~mask & count].mean()) / 4
    assert loss_of(network, "mean", images, targets) == pytest.approx(every, rel=1e-5)
    assert loss_of(network, "balanced_mean", images, targets) == pytest.approx(balanced, rel=1e-5)
    pooled = 0.0
    for head in range(2):
        mask, count = masks[..., head], counts[..., head]
        inside, outside = surprise[..., head][mask & count], surprise[..., head][~mask & count]
        pooled += 0.5 * (inside.mean() + outside.mean())
    assert loss_of(network, "balanced_batch", images, targets) == pytest.approx(pooled, rel=1e-5)
    assert pooled != pytest.approx(balanced, rel=1e-3)
    authors = class_balanced_cross_entropy(logits, masks.astype(np.float32), counts.astype(np.float32))
    assert loss_of(network, "class_balanced", images, targets) == pytest.approx(float(np.mean(authors)), rel=1e-5)


@pytest.mark.parametrize("kind", ["class_balanced", "balanced_mean", "balanced_batch", "mean"])
def test_void_counts_nowhere(network: Any, batch: tuple[np.ndarray, np.ndarray], kind: str) -> None:
    images, targets = batch
    nothing = np.full_like(targets, VOID)
    assert loss_of(network, kind, images, nothing) == 0.0
    other = targets.copy()
    other[:, 21:] = 0
    assert loss_of(network, kind, images, other) != pytest.approx(loss_of(network, kind, images, targets), rel=1e-6)


@pytest.mark.parametrize("name", ["trainable", "rates", "loss"])
def test_unknown_choices_are_refused_by_name(name: str) -> None:
    with pytest.raises(VosError, match=f"finetune.{name}: expected one of"):
        OSVOSFinetuneSettings(**{name: "unknown"})
