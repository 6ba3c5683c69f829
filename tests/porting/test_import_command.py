"""``vos-tf import`` on invented checkpoints of each original's format: the models give the originals' outputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from golden_outputs import Golden, load_golden
from original_files import osvos_in_tensorflow, save_rvos, save_tensorflow, save_torch, save_vgg19bn, tensors
from typer.testing import CliRunner

import vos_tf
from vos_tf.commands.import_weights import import_weights
from vos_tf.errors import ProblemsError, VosError
from vos_tf.methods.load import load_model
from vos_tf.methods.rvos.checkpoints import rvos_settings

torch = pytest.importorskip("torch")


def call(kind: str, checkpoint: Path, out: Path, *arguments: str) -> str:
    """What the command prints."""
    app = typer.Typer()
    app.command()(import_weights)
    command = ["--from", kind, str(checkpoint), "--out", str(out), *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False).stdout


def frames_of(golden: Golden, key: str) -> np.ndarray:
    """RGB 0..255 frames of an input that the fixture normalises."""
    spec = golden.meta["inputs"][key]
    size = (spec["frames"], spec["height"], spec["width"], spec.get("objects", 1))
    frames, _ = golden.rules.video(spec["name"], golden.meta["salt"], *size)
    frames = (frames * np.float32(255.0)).astype(np.float32)
    return frames[..., ::-1] if spec["preprocess"] == "caffe_bgr" else frames


def osvos_problems(folder: Path, golden: Golden) -> list[str]:
    network = vos_tf.load(folder).network
    return golden.problems({"fused": np.asarray(network.fused(frames_of(golden, "image")))[0, ..., 0]})


@pytest.fixture(scope="module")
def canonical(shared: Path) -> Golden:
    return load_golden(shared, "osvos_vgg16_97x163")


@pytest.fixture(scope="module")
def parent(canonical: Golden, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parent network of OSVOS-PyTorch."""
    return save_torch(tmp_path_factory.mktemp("parent") / "parent_epoch-239.pth", tensors(canonical.weights))


def test_osvos_pytorch(parent: Path, canonical: Golden, tmp_path: Path) -> None:
    out = tmp_path / "osvos"
    printed = call("osvos-pytorch", parent, out)
    assert printed == f"OSVOS-PyTorch (trunk vgg16), 14,917,637 parameters: {out}\n"
    assert osvos_problems(out, canonical) == []
    before = (out / "network.weights.h5").stat().st_mtime_ns
    call("osvos-pytorch", parent, out)  # a model may be replaced
    assert (out / "network.weights.h5").stat().st_mtime_ns > before


def test_osvos_tensorflow(canonical: Golden, tmp_path: Path) -> None:
    save_tensorflow(tmp_path / "parent" / "OSVOS_parent.ckpt", osvos_in_tensorflow(canonical.weights))
    call("osvos-tensorflow", tmp_path / "parent", tmp_path / "osvos")
    assert osvos_problems(tmp_path / "osvos", canonical) == []


def test_osvos_with_vgg19_and_batch_normalisation(shared: Path, tmp_path: Path) -> None:
    golden = load_golden(shared, "osvos_vgg19bn_75x107")
    printed = call("osvos-seed", save_vgg19bn(tmp_path / "m3.pth", golden.weights), tmp_path / "osvos")
    assert printed.startswith("not needed: seq1.1.num_batches_tracked, ")
    assert osvos_problems(tmp_path / "osvos", golden) == []


def rvos_problems(network: Any, golden: Golden) -> list[str]:
    frames, masks = frames_of(golden, "clip"), golden.inputs["clip.masks"][0][..., None]
    one_shot = network.settings.mask_input
    state = network.initial_state(mask=masks) if one_shot else network.initial_state(slots=3, size=frames.shape[1:3])
    answers = []
    for time, frame in enumerate(frames):
        logits, state = network.step(frame[None], state)
        answers.append(1 / (1 + np.exp(-np.asarray(logits)[..., 0])))
        if one_shot and time == 0:
            state = state._replace(mask=masks)
    views = golden.rules.views(np.stack(answers), stride=8, corner=16)
    return golden.problems({f"prob/{part}": view for part, view in views.items()})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("oneshot_resnet34", []),
        ("zeroshot_resnet34_skip_sum", ["--set", "model.settings.skip_mode=sum"]),
        ("oneshot_resnet34_hidden64_kernel1", []),
        ("oneshot_vgg16", ["--set", "model.settings.size=[64,96]"]),
    ],
)
def test_rvos(name: str, arguments: list[str], shared: Path, tmp_path: Path) -> None:
    golden = load_golden(shared, f"rvos_{name}")
    folder = save_rvos(tmp_path / "original", golden.weights)
    printed = call("rvos", folder, tmp_path / "model", *arguments)
    assert "not needed: decoder.fc_stop.bias, decoder.fc_stop.weight, encoder.base.fc.weight" in printed
    assert f"mask_input {name.startswith('one')}" in printed
    assert not (folder / "trapped").exists()
    _, network = load_model(tmp_path / "model")
    assert network.settings.trunk == golden.meta["options"]["backbone"]
    assert rvos_problems(network, golden) == []


def test_settings_of_rvos_follow_from_the_shapes(shared: Path) -> None:
    metas = [json.loads(path.read_text()) for path in sorted((shared / "parity").glob("rvos_[oz]*shot_*.json"))]
    assert len(metas) == 20
    for meta in metas:
        options = meta["options"]
        shapes = {row["name"]: np.broadcast_to(np.float32(0), row["shape"]) for row in meta["parameters"]}
        skip_mode = options["skip_mode"]
        given = {} if skip_mode == "concat" else {"skip_mode": skip_mode}
        trunk, found = rvos_settings(shapes, Path("x"), given)
        expected = {
            "hidden_size": options["hidden_size"],
            "kernel_size": options["kernel_size"],
            "mask_input": options["one_shot"],
        }
        if options["backbone"] == "vgg16":
            expected["normalization"] = "imagenet_rgb"
        assert (trunk, found) == (options["backbone"], expected), meta["variant"]
        if given:
            with pytest.raises(VosError, match=r"--set model\.settings\.skip_mode=sum, mul or none"):
                rvos_settings(shapes, Path("x"), {})


def test_every_tensor_that_does_not_fit_is_named_and_nothing_is_written(
    parent: Path, canonical: Golden, tmp_path: Path
) -> None:
    weights = dict(canonical.weights)
    del weights["stages.0.0.bias"]
    weights["fuse.weight"] = np.zeros((1, 80, 1, 1), np.float32)
    weights["fuse.weight_copy"] = np.zeros(1, np.float32)
    weights["upscale.0.weight"] = weights["upscale.0.weight"] + 0.01
    weights["side_prep.0.bias"] = np.full(16, np.nan, np.float32)
    file = save_torch(tmp_path / "x.pth", tensors(weights))
    with pytest.raises(ProblemsError) as caught:
        call("osvos-pytorch", file, tmp_path / "out")
    assert str(caught.value).splitlines() == [
        f"{file}: expected a checkpoint of OSVOS-PyTorch, but 5 tensors do not fit:",
        "  stages.0.0.bias: expected a tensor of shape (64,), found none",
        "  side_prep.0.bias: expected finite numbers, found 16 that are not",
        "  fuse.weight: expected a tensor of shape (1, 64, 1, 1), found one of shape (1, 80, 1, 1)",
        "  upscale.0.weight: expected the fixed kernel of shape (16, 16, 4, 4), found another of shape (16, 16, 4, 4)",
        "  fuse.weight_copy: expected no such tensor, found one of shape (1,)",
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("kind", "hint"), [("osvos-seed", "osvos-pytorch"), ("osvos-pytorch", "osvos-seed")])
def test_another_originals_checkpoint_is_recognized(kind: str, hint: str, tmp_path: Path) -> None:
    name = "stages.0.0.weight" if hint == "osvos-pytorch" else "seq1.0.weight"
    file = save_torch(tmp_path / "x.pth", {name: torch.zeros(1)})
    with pytest.raises(VosError, match=rf"found 1 tensors of another network \({name}\); it looks like --from {hint}$"):
        call(kind, file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_networks_that_nobody_knows(tmp_path: Path) -> None:
    file = save_torch(tmp_path / "x.pth", {name: torch.zeros(1) for name in "abcd"})
    with pytest.raises(VosError, match=r"found 4 tensors of another network \(a, b, c, \.\.\.\)$"):
        call("osvos-seed", file, tmp_path / "out")
    with pytest.raises(VosError, match=r"to be torchvision's resnet34, .* or vgg19_bn, found another"):
        call("torchvision-trunk", file, tmp_path / "out")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"encoder.base.conv1.weight": (64, 3, 7, 7)}, r"expected the trunk to be torchvision's"),
        ({"encoder.base.features.0.weight": (64, 3, 3, 3)}, r"expected a tensor encoder\.sk5\.weight"),
        (
            {
                "encoder.base.features.0.weight": (64, 3, 3, 3),
                "encoder.sk5.weight": (128, 512, 3, 3),
                "decoder.clstm_list.0.Gates.weight": (512, 390, 3, 3),
                "decoder.clstm_list.1.Gates.weight": (256, 390, 3, 3),
            },
            r"expected gates with 384 input channels \(zero-shot\) or 385 \(one-shot\), found 390",
        ),
    ],
)
def test_rvos_of_other_shapes(weights: dict[str, tuple[int, ...]], message: str) -> None:
    arrays = {name: np.broadcast_to(np.float32(0), shape) for name, shape in weights.items()}
    with pytest.raises(VosError, match=message):
        rvos_settings(arrays, Path("x"), {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "training.lr=1"], "unknown key training "),
        (["--set", "model.trunk=vgg16"], "unknown key model.trunk "),
        (["--set", "model.settings.object=3"], "unknown key model.settings.object; did you mean 'objects'"),
    ],
)
def test_settings_that_there_are_not(arguments: list[str], message: str, tmp_path: Path) -> None:
    file = save_torch(tmp_path / "x.pth", {"seq1.0.weight": torch.zeros(1)})
    with pytest.raises(VosError, match=message):
        call("osvos-seed", file, tmp_path / "out", *arguments)


def test_folders_with_other_content_are_left_alone(parent: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(VosError, match="expected a new folder, or a model to replace, found something else"):
        call("osvos-pytorch", parent, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_mistakes_end_with_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "parent.pth").write_bytes(b"PK\x03\x04 cut off")
    command = [sys.executable, "-m", "vos_tf", "import", "--from", "osvos-pytorch", "parent.pth", "--out", "out"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: parent.pth: expected a PyTorch checkpoint, found a broken or other file")
    assert len(finished.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_kinds_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(VosError, match=r"--from: expected one of s2s-pytorch, .*; did you mean 'osvos-pytorch'\?"):
        call("osvos-pytorc", tmp_path, tmp_path / "out")


def test_what_an_interruption_left_may_be_replaced(tmp_path: Path) -> None:
    file = save_torch(tmp_path / "x.pth", {"seq1.0.weight": torch.zeros(1)})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".partial.network.weights.h5").write_bytes(b"half")
    with pytest.raises(ProblemsError, match="do not fit"):
        call("osvos-seed", file, tmp_path / "out")
