"""RVOS against the golden outputs of the original network: every trunk, recurrence and skip mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_outputs import Golden, load_golden

from vos_tf.methods.rvos.checkpoints import rvos_names
from vos_tf.methods.rvos.network import RVOS, RVOSSettings, RVOSState
from vos_tf.porting.assign import assign

# Reported errors are in spreads of the original's output.
TOLERANCE = 1e-4
VARIANTS = (
    "resnet34",
    "vgg16",
    "resnet50",
    "resnet34_only_spatial",
    "resnet34_only_temporal",
    "resnet34_skip_sum",
    "resnet34_skip_mul",
    "resnet34_skip_none",
    "resnet34_hidden64_kernel1",
    "resnet101",
)
SLOW = ("zeroshot", "resnet101")


def golden_settings(golden: Golden) -> RVOSSettings:
    """The settings that a fixture's options describe."""
    options = golden.meta["options"]
    names = [name for name in ("only_spatial", "only_temporal") if options.get(name)]
    clip = next(iter(golden.meta["inputs"].values()))
    return RVOSSettings(
        trunk=options["backbone"],
        size=(clip["height"], clip["width"]),
        slots=options["slots"],
        mask_input=options["one_shot"],
        hidden_size=options.get("hidden_size", 128),
        kernel_size=options.get("kernel_size", 3),
        skip_mode=options.get("skip_mode", "concat"),
        recurrence=names[0] if names else "spatiotemporal",
        normalization="imagenet_rgb",
    )


def golden_network(golden: Golden) -> RVOS:
    """A network with the fixture's weights."""
    network = RVOS(golden_settings(golden))
    assign(network, rvos_names(network), golden.weights, Path(golden.meta["variant"]), "RVOS")
    return network


def raw_frames(golden: Golden, clip: str) -> np.ndarray:
    """The frames of a fixture's clip before its normalisation, RGB 0..255."""
    item = golden.meta["inputs"][clip]
    size = (item["frames"], item["height"], item["width"], item["objects"])
    frames, _ = golden.rules.video(item["name"], golden.meta["salt"], *size)
    return (frames * 255.0).astype(np.float32)


def follow(network: RVOS, frames: np.ndarray, masks: np.ndarray) -> dict[str, Any]:
    """Answers to a fixture, from following its clip frame by frame."""
    answers: dict[str, Any] = {}
    one_shot = network.settings.mask_input
    state = network.initial_state(mask=masks[0][..., None]) if one_shot else network.initial_state()
    halves, wholes = [], []
    for time, frame in enumerate(frames):
        features = network.encode(frame[None])
        for level, skip in enumerate(features.skips):
            answers[f"skip{5 - level}#{time}"] = skip
        hidden = tuple(x[:, None] for x in state.hidden)
        decoded = network.decode(features, hidden, state.mask[:, None] if one_shot else None)
        logits = np.asarray(network.full_size(decoded.logits, features))[:, 0]
        probabilities = 1 / (1 + np.exp(-logits))
        # The second frame sees the given masks again.
        mask = masks[0][..., None] if time == 0 else probabilities
        state = RVOSState(tuple(x[:, 0] for x in decoded.hidden), mask if one_shot else ())
        for level, x in enumerate(state.hidden):
            for slot in range(x.shape[0]):
                answers[f"hidden{level}#{time * x.shape[0] + slot}"] = x[slot][None]
        halves.append(np.asarray(decoded.logits)[:, 0, ..., 0])
        wholes.append(probabilities[..., 0])
    return {**answers, "logits_half": np.stack(halves), "prob": np.stack(wholes)}


def fixture_parts(golden: Golden, answers: dict[str, Any]) -> dict[str, np.ndarray]:
    """Those parts of the answers that the fixture keeps."""
    rules, arrays = golden.rules, golden.arrays
    corner = arrays["prob/top_left"].shape[-1]
    parts = {f"prob/{name}": view for name, view in rules.views(answers["prob"], corner=corner).items()}
    parts |= {"logits_half": answers["logits_half"], "prob_last": answers["prob"][-1, -1]}
    for label, activation in answers.items():
        key = f"act/{label}"
        if key in arrays:
            parts[key] = rules.summary(label, rules.channels_first(activation))
    return parts


@pytest.mark.parametrize(
    ("kind", "variant"),
    [
        # Making this one's weights takes longest, and its one-shot sibling has the same trunk.
        pytest.param(kind, variant, marks=[pytest.mark.slow] if (kind, variant) == SLOW else [])
        for kind in ("oneshot", "zeroshot")
        for variant in VARIANTS
    ],
)
def test_outputs_are_the_originals(kind: str, variant: str, shared: Path) -> None:
    golden = load_golden(shared, f"rvos_{kind}_{variant}")
    network = golden_network(golden)
    answers = follow(network, raw_frames(golden, "clip"), golden.inputs["clip.masks"])
    parts = fixture_parts(golden, answers)
    assert golden.problems(parts) == []
    assert golden.error("logits_half", parts["logits_half"]) < TOLERANCE
