"""``vos-tf import`` of invented checkpoints of S2S's three implementations: states and masks are the originals'."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import pytest
import tensorflow as tf
import typer
from golden_outputs import Golden, load_golden
from original_files import save_torch, tensors
from typer.testing import CliRunner

from vos_tf.commands.import_weights import import_weights
from vos_tf.errors import ProblemsError, VosError
from vos_tf.jobs.import_checkpoint import import_checkpoint
from vos_tf.methods.load import load_model

torch = pytest.importorskip("torch")
# Of an answer's spread.
TOLERANCE = 1e-4


def imported(kind: str, checkpoint: Path, out: Path, *arguments: str) -> tuple[str, Any]:
    """What the command prints, and the network that it wrote."""
    app = typer.Typer()
    app.command()(import_weights)
    command = ["--from", kind, str(checkpoint), "--out", str(out), *arguments]
    printed = CliRunner().invoke(app, command, catch_exceptions=False).stdout
    return printed, load_model(out)[1]


def raw_clip(golden: Golden) -> tuple[np.ndarray, np.ndarray]:
    """Frames ``(1 + T, H, W, 3)`` 0..255, in the fixture's order of channels, and masks ``(1 + T, H, W, 1)``."""
    item = golden.meta["inputs"]["clip"]
    frames, masks = golden.rules.video(item["name"], golden.meta["salt"], item["frames"], item["height"], item["width"])
    return (frames * 255.0).astype(np.float32), masks[:, 0, ..., None]


def follow(network: Any, frames: np.ndarray, masks: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """The state after each frame, the initial one first, and logits ``(T, H, W)``."""
    states = [network.start(frames[:1], masks[:1])]
    logits = []
    for frame in frames[1:]:
        found, state = network.step(frame[None], states[-1])
        states.append(state)
        logits.append(np.asarray(found)[0, ..., 0])
    return states, np.stack(logits)


def check(golden: Golden, answers: dict[str, Any]) -> None:
    """Within the fixture's tolerance, and ours, or as near as the original is to itself in double precision."""
    assert golden.problems(answers) == []
    for key, answer in answers.items():
        whole = f"{key.partition('/')[0]}/grid"  # corners of a map spread less than the map
        spread = golden.arrays[whole if whole in golden.arrays else key].std()
        error = np.abs(np.asarray(answer, np.float64) - golden.arrays[key]).max()
        assert error < max(TOLERANCE * spread, golden.meta["tolerance"][key]["float32_deviation"]), key


def first_implementation(golden: Golden) -> dict[str, Any]:
    """What its trainings wrote: the classifiers that both networks were made from, once more and whole."""
    state = tensors(golden.weights)
    for row in golden.meta["parameters"]:
        if "alias_of" in row:
            state[row["name"]] = state[row["alias_of"]]
        elif row.get("role") == "unused":
            state[row["name"]] = torch.zeros(1).expand(row["shape"])
    assert len(state) == 134
    return state


def test_pytorch_checkpoint(shared: Path, tmp_path: Path) -> None:
    golden = load_golden(shared, "s2s_vgg16")
    file = save_torch(tmp_path / "epoch_280.pth", first_implementation(golden))
    printed, network = imported("s2s-pytorch", file, tmp_path / "model")
    last = printed.splitlines()[-1]
    assert last.startswith("S2S in PyTorch (trunk vgg16, preset shashankvkt, swap_states True), 53,339,457 parameters")
    assert "not needed: encoder.pretrained_model.classifier.0.bias, " in printed
    states, logits = follow(network, *raw_clip(golden))
    views = golden.rules.views(1 / (1 + np.exp(-logits.astype(np.float64))), stride=8, corner=40)
    answers: dict[str, Any] = {f"prob/{part}": view for part, view in views.items()}
    for name, initial in (("h0", states[0].hidden), ("c0", states[0].cell)):
        answers[f"{name}_every_16th_channel"] = golden.rules.channels_first(initial)[0, ::16]
    for time, (cell, hidden) in enumerate(states[1:]):  # they trade places
        for name, x in (("hidden", hidden), ("cell", cell)):
            activation = golden.rules.channels_first(x)
            answers[f"act/{name}#{time}"] = golden.rules.summary(f"{name}#{time}", activation)
    check(golden, answers)


def save_first_tensorflow(prefix: Path, weights: dict[str, np.ndarray]) -> Path:
    """A checkpoint with what Adam kept of two tensors."""
    slots = {f"train_scope/{name}/{slot}": weights[name] for name in list(weights)[:2] for slot in ("Adam", "Adam_1")}
    powers = {f"train_scope/beta{index}_power": np.float32(0.5) for index in (1, 2)}
    content = {**weights, **slots, **powers}
    prefix.parent.mkdir(parents=True)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(content),
        shape_and_slices=[""] * len(content),
        tensors=[tf.constant(array) for array in content.values()],
    )
    return prefix


def test_tensorflow_checkpoint(shared: Path, tmp_path: Path) -> None:
    golden = load_golden(shared, "s2s_tf1")
    prefix = save_first_tensorflow(tmp_path / "checkpoints" / "model-69", golden.weights)
    printed, network = imported("s2s-tf1", prefix, tmp_path / "model")
    assert printed.startswith("S2S in TensorFlow 1 (trunk vgg16, preset toghi, normalization caffe_bgr_means_on_rgb), ")
    frames, masks = raw_clip(golden)
    states, logits = follow(network, frames[..., ::-1], masks)
    answers: dict[str, Any] = {
        f"logits/{part}": view for part, view in golden.rules.views(logits, stride=8, corner=32).items()
    }
    for name, initial in (("h0", states[0].hidden), ("c0", states[0].cell)):
        answers[f"{name}_every_16th_channel"] = np.asarray(initial)[0, ..., ::16]
    outputs = np.stack([state.hidden for state in states[1:]], axis=1)
    answers["act/lstm_output"] = golden.rules.summary("lstm_output", outputs)
    check(golden, answers)
    surprise = np.logaddexp(0, logits.astype(np.float64)) - logits * masks[1:, ..., 0]
    assert golden.problems({"loss": [surprise.mean()]}) == []


def rs2s_parts(weights: dict[str, Any]) -> dict[str, Any]:
    """The file that RS2S writes, of tensors by ``<part>.<name>``."""
    content: dict[str, Any] = {}
    for name, tensor in weights.items():
        part, _, inner = name.partition(".")
        content.setdefault(part, {})[inner] = tensor
    return content | {
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-5}]}
    }


@pytest.mark.slow
def test_rs2s_checkpoint(shared: Path, tmp_path: Path) -> None:
    golden = load_golden(shared, "rs2s")
    file = save_torch(tmp_path / "weights.pth", rs2s_parts(tensors(golden.weights)))
    golden.weights.clear()
    printed, network = imported("rs2s", file, tmp_path / "model", "--set", "model.settings.size=[128,192]")
    assert printed.startswith(
        "RS2S (trunk vgg16, preset rs2s, encoder_hidden ((200704, 1),)), 429,260,841 parameters: "
    )
    frames, masks = raw_clip(golden)
    states, logits = follow(network, frames, masks)
    answers: dict[str, Any] = {
        f"logits/{part}": view for part, view in golden.rules.views(logits, stride=4, corner=32).items()
    }
    answers["logits_last"] = logits[-1]
    for time, state in enumerate(states[1:]):
        for name in ("hidden", "cell"):
            for level, activation in enumerate(getattr(state, name), start=1):
                label = f"{name}_{level}#{time}"
                answers[f"act/{label}"] = golden.rules.summary(label, golden.rules.channels_first(activation))
    clip = network(frames[None], masks[None, 0, None, ..., 0], distance=True)
    distance = golden.rules.channels_first(np.asarray(clip.distance)[0, -1, 0])
    views = golden.rules.views(distance, stride=16, corner=8)
    answers |= {f"distance_last/{part}": view for part, view in views.items()}
    check(golden, answers)
    np.testing.assert_allclose(np.asarray(clip.logits)[0, :, 0], logits, atol=1e-4)


def test_partial_and_misshapen_checkpoints_are_named(tmp_path: Path) -> None:
    encoder = {"vgg_backbone.encoder.0.0.weight": torch.zeros(2), "out.0.weight": torch.zeros(8, 512, 1, 1)}
    cases = {"s2s-pytorch": {"convlstm.Gates.weight": torch.zeros(4, 4, 3, 3)}, "rs2s": {"encoder": encoder}}
    messages = {}
    with patch.object(keras.initializers.VarianceScaling, "__call__", lambda _self, shape, **_: tf.zeros(shape)):
        for kind, content in cases.items():
            file = save_torch(tmp_path / f"{kind}.pth", content)
            with pytest.raises(ProblemsError) as caught:
                import_checkpoint(kind, file, tmp_path / "out")
            messages[kind] = str(caught.value).splitlines()
    assert not (tmp_path / "out").exists()
    assert messages["s2s-pytorch"][0].endswith("S2S in PyTorch, but 70 tensors do not fit, the first 8 of them:")
    assert (
        "  initializer.new_layer.weight: expected a tensor of shape (64, 4, 3, 3), found none"
        in messages["s2s-pytorch"]
    )
    assert messages["rs2s"][0].endswith("RS2S, but 113 tensors do not fit, the first 8 of them:")
    assert messages["rs2s"][1].startswith("  initializer.vgg_backbone.encoder.0.0.weight: expected a tensor of shape")


def test_one_implementation_is_not_taken_for_another(tmp_path: Path) -> None:
    first = save_torch(tmp_path / "first.pth", {"convlstm.Gates.weight": torch.zeros(1)})
    last = save_torch(tmp_path / "last.pth", {"decoder": {"conv_1.bias": torch.zeros(1)}, "encoder": {
        "vgg_backbone.encoder.0.0.bias": torch.zeros(1)}})  # fmt: skip
    with pytest.raises(VosError, match=r"expected a checkpoint of RS2S, found .* it looks like --from s2s-pytorch$"):
        import_checkpoint("rs2s", first, tmp_path / "out")
    with pytest.raises(VosError, match="expected a dictionary of tensors, found the keys decoder, encoder"):
        import_checkpoint("s2s-pytorch", last, tmp_path / "out")
    prefix = tmp_path / "other" / "model"
    prefix.parent.mkdir()
    tf.raw_ops.SaveV2(
        prefix=str(prefix), tensor_names=["osvos/conv1/conv1_1/weights"], shape_and_slices=[""], tensors=[tf.zeros(2)]
    )
    with pytest.raises(VosError, match=r"it looks like --from osvos-tensorflow$"):
        import_checkpoint("s2s-tf1", prefix, tmp_path / "out")
