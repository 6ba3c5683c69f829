"""Training COSNet: losses, rates of groups, stills and videos in turn, continued runs, several devices."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from vos_tf.config import TrainingSettings, layered
from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError
from vos_tf.jobs.run_config import RunConfig, run_config
from vos_tf.jobs.train import train_run
from vos_tf.methods.cosnet.losses import (
    absolute_error,
    balanced_cross_entropy,
    orthogonality_penalty,
    positive_ratio_loss,
)
from vos_tf.methods.cosnet.network import LIGHT, COSNet
from vos_tf.methods.load import load_model
from vos_tf.methods.registry import get_method
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.records.preprocess import preprocess
from vos_tf.training.checkpoints import list_checkpoints
from vos_tf.training.loop import Trainer
from vos_tf.training.optimizers import make_optimizer
from vos_tf.training.steps import TrainingStep

SIZE = (32, 48)
TINY = replace(LIGHT, size=SIZE, pyramid_filters=4, feature_filters=6, output_stride=16, attention_tile=0)


@pytest.fixture(scope="module")
def network() -> COSNet:
    keras.utils.set_random_seed(2)
    return COSNet(TINY)


def batch(frames: int = 2, *, annotated: bool = True) -> ClipBatch:
    random = np.random.default_rng(frames)
    labels = np.zeros((2, frames, *SIZE), np.uint8)
    labels[:, :, 8:24, 12:30] = 1
    labels[:, :, :3] = 255
    flags = np.ones((2, frames), bool)
    flags[:, 1:] = annotated
    images = random.integers(0, 255, (2, frames, *SIZE, 3), dtype=np.uint8)
    return ClipBatch(*map(tf.constant, (images, labels, flags, np.ones(2, np.int32))))


def parts(clips: ClipBatch, shown: slice) -> tuple[np.ndarray, np.ndarray]:
    """Targets and weights ``(B, T, 1, H, W)``."""
    labels, flags = np.asarray(clips.labels)[:, shown, None], np.asarray(clips.annotated)[:, shown, None, None, None]
    return (labels == 1).astype(np.float32), ((labels != 255) & flags).astype(np.float32)


LOSSES = {
    "positive_ratio": lambda *maps: positive_ratio_loss(*maps, absolute_weight=0.5),
    "frame_ratio": lambda *maps: positive_ratio_loss(*maps, absolute_weight=0.5, by_frame=True),
    "balanced": balanced_cross_entropy,
    "absolute": absolute_error,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_of_pairs_and_of_stills(network: COSNet, loss: str) -> None:
    clips = batch(annotated=loss != "absolute")
    values = {"loss": loss, "absolute_weight": 0.5, "side_weight": 0.25, "still_weight": 0.3}
    pairs = get_method("cosnet").make_objective(values, 1)
    stills = pairs.for_stills()
    logits = network(tf.cast(clips.frames, tf.float32))
    both = LOSSES[loss](logits.frames, *parts(clips, slice(None)))
    sides = LOSSES[loss](logits.sides, *parts(clips, slice(None)))
    found = pairs.outcome(network, clips, 0.0, training=False)
    np.testing.assert_allclose(found.losses, both + 0.25 * sides, rtol=1e-5)
    assert found.logits.shape == found.targets.shape == found.weights.shape == (2, 2, 1, *SIZE)
    of_stills = stills.outcome(network, clips, 0.0, training=False)
    second = LOSSES[loss](logits.sides[:, 1:], *parts(clips, slice(1, None)))
    np.testing.assert_allclose(of_stills.losses, 0.3 * second, rtol=1e-5)
    np.testing.assert_array_equal(of_stills.logits, logits.sides[:, 1:])


def test_groups_of_frames_teach_the_first_and_symmetric_networks_are_kept_orthogonal() -> None:
    keras.utils.set_random_seed(4)
    network = COSNet(replace(TINY, fusion="joint", heads=1, symmetric=True))
    network.affinity.assign(2.0 * network.affinity)
    clips = batch(3)
    objective = get_method("cosnet").make_objective({"orthogonality_weight": 0.5, "loss": "balanced"}, 1)
    found = objective.outcome(network, clips, 0.0, training=False)
    logits = network(tf.cast(clips.frames, tf.float32)).frames
    assert found.logits.shape == (2, 1, 1, *SIZE)
    penalty = float(orthogonality_penalty(network.affinity))
    assert penalty == pytest.approx(9.0 * TINY.feature_filters, rel=1e-4)
    expected = balanced_cross_entropy(logits, *parts(clips, slice(0, 1))) + 0.5 * penalty
    np.testing.assert_allclose(found.losses, expected, rtol=1e-5)


def test_every_weight_is_in_one_group_at_the_rates_of_the_authors(network: COSNet) -> None:
    objective = get_method("cosnet").make_objective({"trunk_rate": 0.5}, 1)
    pairs, stills = objective.groups(network), objective.for_stills().groups(network)
    found = [id(variable) for group in pairs for variable in group.variables]
    assert sorted(found) == sorted({id(variable) for variable in network.trainable_variables})
    assert found == [id(variable) for group in stills for variable in group.variables]
    assert {group.name: group.rate for group in pairs} == {"trunk": 0.005, "encoder": 0.01, "heads": 10.0}
    assert {group.name: group.rate for group in stills} == {"trunk": 0.5, "encoder": 1.0, "heads": 0.0}
    heads = {id(variable) for variable in pairs[2].variables}
    assert id(network.affinity) in heads and id(network.side_head.kernel) not in heads


@pytest.mark.usefixtures("eagerly")
def test_rates_change_with_the_kind_of_batch_and_momentum_goes_on(network: COSNet) -> None:
    settings = TrainingSettings(optimizer="sgd", momentum=0.9, lr=1e-3, batch_size=2)
    pairs = get_method("cosnet").make_objective({}, 1)
    stills = pairs.for_stills()
    groups = {group.name: group.variables for group in pairs.groups(network)}
    optimizer = make_optimizer(settings, pairs.groups(network))
    step = TrainingStep(network, optimizer, tf.distribute.get_strategy(), settings, pairs, stills)
    order = [variable for group in groups.values() for variable in group]
    gate = next(variable for variable in groups["heads"] if "gate" in variable.path)
    gathered = optimizer.momentums[next(index for index, v in enumerate(order) if v is gate)]
    conv = groups["trunk"][0]
    before = np.array(gate), np.array(conv)
    step(batch(), 1e-3)
    after = np.array(gate), np.array(conv)
    first = np.array(gathered)
    np.testing.assert_allclose(before[0] - after[0], 1e-3 * 10 * first, rtol=1e-3, atol=1e-9)
    assert np.abs(after[1] - before[1]).max() > 0
    step(batch(), 1e-3, stills=True)
    np.testing.assert_array_equal(np.array(gate), after[0])
    np.testing.assert_allclose(np.array(gathered), 0.9 * first, rtol=1e-5)
    assert np.abs(np.array(conv) - after[1]).max() > 0


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(VosError, match=r"training\.objective\.loss: expected one of positive_ratio, frame_ratio"):
        get_method("cosnet").resolve_objective({"loss": "l2"})
    with pytest.raises(VosError, match=r"training\.objective\.head_rate: expected 0 or more, found -1"):
        get_method("cosnet").resolve_objective({"head_rate": -1})
    with pytest.raises(VosError, match=r"clips\.objects: expected 'foreground' or 'one'"):
        get_method("cosnet").make_objective({}, 3)
    with pytest.raises(VosError, match=r"outputs: expected 1 to train, found 3"):
        get_method("cosnet").make_objective({}, 1).groups(SimpleNamespace(settings=replace(TINY, outputs=3)))
    without = SimpleNamespace(settings=replace(TINY, side_head=False))
    with pytest.raises(VosError, match=r"side_weight: expected model\.settings\.side_head with it"):
        get_method("cosnet").make_objective({"side_weight": 1}, 1).groups(without)
    with pytest.raises(VosError, match=r"clips\.still_batches: expected model\.settings\.side_head with it"):
        get_method("cosnet").make_objective({}, 1).for_stills().groups(without)


@pytest.fixture(scope="module")
def values(tiny_records: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of one epoch of three updates, on the tiny videos and four stills in turn."""
    root = tmp_path_factory.mktemp("stills")
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 255, (*SIZE, 3), np.uint8)
        mask = np.zeros(SIZE, np.uint8)
        mask[8:24, 10 : 20 + number] = 255
        for folder, picture in (("images", pixels), ("masks", mask)):
            (root / folder).mkdir(exist_ok=True)
            Image.fromarray(picture).save(root / folder / f"{number}.png")
    preprocess(open_dataset("still_images", root, "all"), root / "records", size="native", workers=1)
    settings = {"pyramid_filters": 4, "feature_filters": 6, "size": list(SIZE), "output_stride": 16}
    return layered(
        None,
        "cosnet_davis",
        [],
        {
            "data": {"records": [str(tiny_records), str(root / "records")]},
            "model": {"trunk": "mobilenet_v2", "trunk_weights": "none", "settings": settings},
            "clips": {"clips_per_epoch": 6},
            "training": {"batch_size": 2, "n_epochs": 1, "objective": {"loss": "balanced"}},
        },
    )


def weights(run: Path) -> list[np.ndarray]:
    return load_model(run / "model")[1].get_weights()


@pytest.mark.usefixtures("eagerly")
def test_a_stopped_run_goes_on_with_the_right_kind_of_batch(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, kinds = run_config(values), []
    call = TrainingStep.__call__

    def note(self: TrainingStep, *args: Any, stills: bool, **named: Any) -> Any:
        kinds.append(stills)
        return call(self, *args, stills=stills, **named)

    monkeypatch.setattr(TrainingStep, "__call__", note)
    result = train_run(config, tmp_path / "whole")
    assert kinds == [True, False, False]
    assert all(np.isfinite(row.loss) for row in result.history)
    read = Trainer._batches

    def two(self: Trainer, epoch: int, start_step: int) -> Any:
        for index, item in enumerate(read(self, epoch, start_step)):
            yield item
            if start_step == 0 and index == 0:
                self._save()
                raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_batches", two)
    with pytest.raises(KeyboardInterrupt):
        train_run(config, tmp_path / "halves")
    assert [path.name for path in list_checkpoints(tmp_path / "halves" / "checkpoints")] == ["00000001"]
    kinds.clear()
    train_run(config, tmp_path / "halves", resume=True)
    assert kinds == [False, False]
    for one, two_ in zip(weights(tmp_path / "whole"), weights(tmp_path / "halves"), strict=True):
        np.testing.assert_array_equal(one, two_)


REPLICAS = """
import keras, numpy as np, tensorflow as tf
if {replicas} > 1:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * {replicas})
from vos_tf.config import TrainingSettings
from vos_tf.methods.cosnet.network import COSNet, COSNetSettings
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.methods.registry import get_method
from vos_tf.training.optimizers import make_optimizer
from vos_tf.training.steps import TrainingStep
from vos_tf.training.strategy import make_strategy, per_replica_batches

strategy = make_strategy({name!r})
settings = TrainingSettings(optimizer="sgd", lr=1e-3, weight_decay=5e-4, batch_size=2)
keras.utils.set_random_seed(6)
with strategy.scope():
    network = COSNet({settings!r})
    pairs = get_method("cosnet").make_objective({{}}, 1)
    stills = pairs.for_stills()
    optimizer = make_optimizer(settings, pairs.groups(network), {replicas})
step = TrainingStep(network, optimizer, strategy, settings, pairs, stills)
frames = np.random.default_rng(0).integers(0, 255, (3, 1, 2, 32, 48, 3), dtype=np.uint8).repeat(2, axis=1)
labels = np.zeros(frames.shape[:-1], np.uint8)
labels[..., 8:24, 12:30] = 1
clips = ClipBatch(frames, labels, np.ones((3, 2, 2), bool), np.ones((3, 2), np.int32))
batches = per_replica_batches(strategy, lambda: tf.data.Dataset.from_tensor_slices(clips))
values = lambda: np.concatenate([np.ravel(v) for v in network.trainable_variables])
before = values()
losses = [float(step(batch, 1e-3, stills=index == 1)) for index, batch in enumerate(batches)]
np.savez({out!r}, change=values() - before, losses=losses)
"""


@pytest.mark.slow
def test_two_devices_take_the_steps_of_one(tmp_path: Path) -> None:
    """Both clips of a batch are the same, so that each device has the statistics of the whole batch."""
    found = []
    for replicas, name in ((1, "default"), (2, "mirrored")):
        out = tmp_path / f"{name}.npz"
        code = REPLICAS.format(replicas=replicas, name=name, settings=TINY, out=str(out))
        subprocess.run([sys.executable, "-c", code], check=True, timeout=1800)
        with np.load(out) as file:
            found.append({key: file[key] for key in file.files})
    one, two = found
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=1e-3)
    # The mean over the image is the same for both clips: what batch normalisation makes of it is rounding.
    assert 0 < np.linalg.norm(two["change"] - one["change"]) < 0.02 * np.linalg.norm(one["change"])


def test_recipes_hold_what_their_originals_do() -> None:
    davis = recipe("cosnet_davis")
    settings = davis.training
    assert (settings.lr, settings.momentum, settings.weight_decay, settings.batch_size) == (2.5e-4, 0.9, 5e-4, 16)
    assert settings.n_epochs * davis.clips.clips_per_epoch // settings.batch_size == 7800
    assert (davis.clips.still_batches, davis.clips.stills, davis.network_settings.size) == (3, "repeat", (473, 473))
    tianchi = recipe("cosnet_tianchi")
    assert (tianchi.training.lr, tianchi.training.weight_decay, tianchi.training.n_epochs) == (2.5e-4, 1e-4, 10)
    assert (tianchi.network_settings.trunk, tianchi.network_settings.size) == ("resnet50", (180, 320))
    for name in ("cosnet_davis", "cosnet_tianchi", "cosnet_light"):
        clips = recipe(name).clips
        assert (clips.lengths, clips.order, clips.objects_per_clip) == ((1, 1), "any", 1)


def recipe(name: str) -> RunConfig:
    return run_config(layered(None, name, [], {}))
