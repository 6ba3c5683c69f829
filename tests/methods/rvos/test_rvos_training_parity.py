"""Training RVOS against the recorded first steps of the original: losses, gradients, changed weights, statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_outputs import Golden, load_golden

from vos_tf.config import TrainingSettings
from vos_tf.methods.rvos.checkpoints import rvos_names
from vos_tf.methods.rvos.network import RVOS, RVOSSettings
from vos_tf.methods.rvos.objective import RVOSObjective, Settings
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.porting.assign import assign
from vos_tf.training.optimizers import make_optimizer
from vos_tf.training.steps import TrainingStep

UPDATES = 5


def golden_network(golden: Golden) -> RVOS:
    """A network with the fixture's weights."""
    options, clip = golden.meta["options"], golden.meta["inputs"]["clip0"]
    settings = RVOSSettings(
        trunk=options["backbone"],
        size=(clip["height"], clip["width"]),
        slots=options["slots"],
        mask_input=options["one_shot"],
        normalization="imagenet_rgb",
    )
    network = RVOS(settings)
    assign(network, rvos_names(network), golden.weights, Path(golden.meta["variant"]), "RVOS")
    return network


def golden_batch(golden: Golden) -> ClipBatch:
    """The fixture's clips as the pipeline gives them; objects that are not valid do not occur in the label maps."""
    frames, labels = [], []
    for name, flags in zip(golden.meta["inputs"], golden.meta["options"]["valid"], strict=True):
        item = golden.meta["inputs"][name]
        size = (item["frames"], item["height"], item["width"], item["objects"])
        images, masks = golden.rules.video(item["name"], golden.meta["salt"], *size)
        frames.append((images * 255).astype(np.float32))
        ids = np.arange(1, len(flags) + 1) * np.array(flags)
        labels.append((masks * ids[:, None, None]).sum(axis=1).astype(np.uint8))
    annotated = np.ones((len(frames), len(frames[0])), bool)
    count = np.full(len(frames), golden.meta["options"]["slots"], np.int32)
    return ClipBatch(*map(tf.constant, (np.stack(frames), np.stack(labels), annotated, count)))


def norms(names: list[str], values: dict[str, np.ndarray]) -> list[float]:
    """The length of each tensor, by the originals' names."""
    return [float(np.linalg.norm(values[name].astype(np.float64))) for name in names]


def values_of(network: RVOS) -> dict[str, np.ndarray]:
    """All weights by the originals' names, in our layout."""
    return {name: keras.ops.convert_to_numpy(entry.variable) for name, entry in rvos_names(network).entries.items()}


def answers(golden: Golden, trajectory: str, **objective: Any) -> dict[str, Any]:
    """Losses before each of five updates and after the last, and what changed, with the same clips in each update."""
    network = golden_network(golden)
    rate = 0.1 if "cnn1e-4" in trajectory else 1e-3
    settings = TrainingSettings(lr=1e-3, weight_decay=1e-6, batch_size=2)
    purpose = RVOSObjective(Settings(average="batch", absent_objects="skip", trunk_rate=rate, **objective), 3)
    optimizer = make_optimizer(settings, purpose.groups(network))
    step = TrainingStep(network, optimizer, tf.distribute.get_strategy(), settings, purpose)
    before, batch = values_of(network), golden_batch(golden)
    losses = [float(step(batch, settings.lr)) for _ in range(UPDATES)]
    losses.append(float(tf.reduce_mean(purpose.outcome(network, batch, tf.constant(1.0), training=True).losses)))
    after = values_of(network)
    changes = {name: after[name] - before[name] for name in after}
    return {
        f"loss/{trajectory}": losses,
        f"delta_norm/{trajectory}": norms(golden.meta["trainable"], changes),
        f"buffer_norm/{trajectory}": norms(golden.meta["buffers"], after),
    }


SLOW = pytest.mark.slow
# What leaves the fixture's tolerance in single precision. In double precision ``clean`` of ResNet-34 is within a
# seventh of it; the larger rates of the trunk still leave it in one to three of a hundred tensors, by up to 8 times.
ROUNDED = {
    ("oneshot_previous_inference_mask_resnet34", "clean"): ("changes",),
    ("oneshot_previous_inference_mask_resnet34", "clean_cnn1e-4"): ("changes", "buffers"),
    ("oneshot_previous_mask_resnet34", "clean"): ("changes",),
    ("oneshot_previous_mask_resnet34", "clean_cnn1e-4"): ("changes", "buffers"),
    ("zeroshot_resnet50", "clean_cnn1e-4"): ("changes", "buffers"),
}


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("trajectory", ["clean", pytest.param("clean_cnn1e-4", marks=SLOW)])
@pytest.mark.parametrize(
    ("variant", "objective"),
    [
        pytest.param("oneshot_previous_mask_resnet34", {"feedback": "truth"}, id="truth"),
        pytest.param("oneshot_previous_inference_mask_vgg16", {}, id="prediction"),
        pytest.param("oneshot_previous_inference_mask_resnet34", {}, id="prediction-resnet", marks=SLOW),
        pytest.param("zeroshot_resnet50", {}, id="zero-shot"),
    ],
)
def test_five_updates_are_the_originals(variant: str, objective: dict[str, str], trajectory: str, shared: Path) -> None:
    golden = load_golden(shared, f"rvos_train_{variant}")
    found = answers(golden, trajectory, **objective)
    changes, buffers = f"delta_norm/{trajectory}", f"buffer_norm/{trajectory}"
    if (variant, trajectory) == ("zeroshot_resnet50", "clean"):
        # Adam makes whole steps of gradients that are little more than rounding.
        np.testing.assert_allclose(found.pop(changes), golden.arrays[changes], rtol=0.02)
    for key in ROUNDED.get((variant, trajectory), ()):
        name = buffers if key == "buffers" else changes
        largest = 0.04 if "resnet50" in variant else 0.01
        golden.assert_alike_but_for_rounding(name, found.pop(name), largest=largest)
    assert golden.problems(found) == []


def test_rates_of_duplicate_updates_are_how_often_the_original_held_each_weight(shared: Path) -> None:
    for variant in ("oneshot_previous_inference_mask_vgg16", "zeroshot_resnet50"):
        golden = load_golden(shared, f"rvos_train_{variant}")
        network = golden_network(golden)
        groups = RVOSObjective(Settings(duplicate_updates=True), 3).groups(network)
        rates = {id(variable): group.rate * 1e3 for group in groups[1:] for variable in group.variables}
        entries = rvos_names(network).entries
        found = {name: round(rates[id(entries[name].variable)]) for name in golden.meta["occurrences"]}
        assert found == golden.meta["occurrences"]
