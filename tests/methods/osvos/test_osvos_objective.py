"""Training OSVOS parents: supervision along the run, groups and rates, single frames, void and unannotated frames."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from vos_tf.errors import VosError
from vos_tf.losses import class_balanced_cross_entropy
from vos_tf.methods.osvos.network import OSVOS, default_settings
from vos_tf.methods.osvos.objective import side_weight
from vos_tf.methods.registry import get_method
from vos_tf.pipeline.clips import ClipBatch

SIZE = (32, 48)


@pytest.fixture(scope="module")
def network() -> OSVOS:
    keras.utils.set_random_seed(1)
    return OSVOS(default_settings("small"))


def batch(*, annotated: bool = True, frames: int = 1, void: bool = False) -> ClipBatch:
    random = np.random.default_rng(0)
    labels = np.zeros((2, frames, *SIZE), np.uint8)
    labels[:, :, 8:20, 10:30] = 1
    if void:
        labels[:, :, :4] = 255
    flags = np.ones((2, frames), bool)
    flags[:, 1:] = annotated
    images = random.integers(0, 255, (2, frames, *SIZE, 3), dtype=np.uint8)
    return ClipBatch(images, labels, flags, np.ones(2, np.int32))


def losses(network: OSVOS, clips: ClipBatch, progress: float = 0.0, **settings: object) -> np.ndarray:
    objective = get_method("osvos").make_objective(settings, 1)
    return np.asarray(objective.outcome(network, clips, progress, training=True).losses)


def test_side_weights_follow_the_stages_and_the_decay() -> None:
    assert [float(side_weight("staged", np.float32(t))) for t in (0.0, 0.29, 0.31, 0.59, 0.61, 1.0)] == [
        1.0,
        1.0,
        0.5,
        0.5,
        0.0,
        0.0,
    ]
    assert [float(side_weight("decay", t)) for t in (0.0, 0.25, 1.0)] == [1.0, 0.75, 0.0]
    assert [side_weight(name, 0.5) for name in ("strong", "weak", "none")] == [1.0, 0.5, 0.0]


def test_without_supervision_the_loss_is_that_of_the_fused_map(network: OSVOS) -> None:
    clips = batch()
    fused = network.fused(clips.frames[:, 0].astype(np.float32))
    target = (clips.labels[:, 0] == 1).astype(np.float32)[..., None]
    expected = np.asarray(class_balanced_cross_entropy(fused, target))
    np.testing.assert_allclose(losses(network, clips, supervision="none"), expected, rtol=1e-5)
    assert (losses(network, clips, supervision="strong") > losses(network, clips, supervision="weak")).all()
    np.testing.assert_allclose(losses(network, clips, 1.0, supervision="decay"), expected, rtol=1e-5)


def test_balanced_normalization_does_not_depend_on_the_size_of_object_and_image(network: OSVOS) -> None:
    clips = batch()
    area, pixels = 12 * 20, SIZE[0] * SIZE[1]
    factor = 2 * area * (pixels - area) / pixels
    plain = losses(network, clips, supervision="none")
    np.testing.assert_allclose(
        losses(network, clips, supervision="none", normalization="balanced"), plain / factor, rtol=1e-5
    )


def test_unannotated_frames_and_void_do_not_count(network: OSVOS) -> None:
    one, two = batch(), batch(annotated=False, frames=2)
    two.frames[:, 0] = one.frames[:, 0]
    np.testing.assert_allclose(losses(network, two), losses(network, one), rtol=1e-5)
    changed = batch(void=True)
    shown = losses(network, changed)
    objective = get_method("osvos").make_objective({}, 1)
    weights = np.asarray(objective.outcome(network, changed, 0.0, training=False).weights)
    assert weights[..., :4, :].sum() == 0
    assert np.isfinite(shown).all()
    assert (shown != losses(network, one)).all()


def test_groups_hold_every_trained_weight_once_at_the_authors_rates(network: OSVOS) -> None:
    groups = get_method("osvos").make_objective({}, 1).groups(network)
    names = [variable.path for group in groups for variable in group.variables]
    assert sorted(names) == sorted({variable.path for variable in network.trainable_variables})
    rates = {group.name: (group.rate, group.decay) for group in groups}
    assert rates["trunk_weights"] == (1.0, True)
    assert rates["trunk_biases"] == (2.0, False)
    assert rates["score_weights"] == (0.1, True)
    assert rates["fuse_biases"] == (0.02, False)
    equal = get_method("osvos").make_objective({"rates": "equal", "train_trunk": False}, 1).groups(network)
    assert {group.rate for group in equal} == {1.0}
    assert not any(group.name.startswith("trunk") for group in equal)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(VosError, match=r"training\.objective\.supervision: expected one of strong, weak, none, staged"):
        get_method("osvos").resolve_objective({"supervision": "some"})
    with pytest.raises(VosError, match=r"clips\.objects: expected 'one' or 'foreground'"):
        get_method("osvos").make_objective({}, 3)
