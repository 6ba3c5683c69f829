"""COSNet against the golden outputs of the originals: pair model, group model, the Tianchi network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from golden_cosnet import network_of, raw_frames
from golden_outputs import Golden, load_golden

from vos_tf.methods.cosnet.checkpoints import cosnet_names, tianchi_names
from vos_tf.methods.cosnet.network import GROUP, PAIR, TIANCHI, COSNet

# In spreads of the original's output; the fixtures' own tolerances are tighter and checked as well.
SPREADS = 1e-4


def parameters(network: COSNet) -> int:
    """Number of parameters as PyTorch counts them: without the statistics of batch normalisation."""
    return sum(int(np.prod(v.shape)) for v in network.weights if not v.name.startswith("moving_"))


def sigmoid(logits: Any) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.asarray(logits, np.float64)))


def check(golden: Golden, answers: dict[str, Any]) -> None:
    assert set(answers) == {key for key in golden.arrays if not key.startswith("act/")}
    assert golden.problems(answers) == []
    assert max(golden.error(key, answer) for key, answer in answers.items()) < SPREADS


def test_pair_model_answers_as_the_original(shared: Path) -> None:
    golden = load_golden(shared, "cosnet_pair")
    network = network_of(golden, PAIR, cosnet_names)
    assert parameters(network) == 81_242_436
    frames = raw_frames(golden)
    logits = network(frames[None])
    first, second = sigmoid(logits.frames)[0, :, 0]
    check(golden, {"first": first, "second": second, "side_of_second": sigmoid(logits.sides)[0, 1, 0]})


def test_group_model_answers_as_the_original(shared: Path) -> None:
    golden = load_golden(shared, "cosnet_group")
    network = network_of(golden, GROUP, cosnet_names)
    frames = raw_frames(golden)
    logits = network(frames[None])
    assert logits.frames.shape[:3] == (1, 1, 1)
    check(golden, {"target": sigmoid(logits.frames)[0, 0, 0], "side_of_target": sigmoid(logits.sides)[0, 0, 0]})
    state = network.start(frames[1:])
    stepped = network.attend(network.encode(frames[:1]), state.references, frames.shape[1:3])
    assert golden.error("target", sigmoid(stepped)[0, ..., 0]) < SPREADS


def test_tianchi_network_answers_as_the_original(shared: Path) -> None:
    golden = load_golden(shared, "uvos_pair")
    network = network_of(golden, TIANCHI, tianchi_names)
    assert parameters(network) == 62_251_079
    first, second = sigmoid(network(raw_frames(golden)[None]).frames)[0]
    answers = {"first_last_channel": first[2]}
    for name, maps in (("first", first), ("second", second)):
        views = golden.rules.views(maps, stride=4, corner=32)
        answers |= {f"{name}/{part}": view for part, view in views.items()}
    check(golden, answers)
