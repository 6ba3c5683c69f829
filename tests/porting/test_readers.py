"""Checkpoint files as the originals wrote them, and files that are none."""

from __future__ import annotations

import os
import shutil
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.porting.readers import read_pytorch, read_pytorch_parts, read_tensorflow

torch = pytest.importorskip("torch")
WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)


def state() -> dict[str, Any]:
    return OrderedDict({"conv.weight": torch.from_numpy(WEIGHT.copy()), "bn.num_batches_tracked": torch.tensor(7)})


def save(file: Path, content: Any, **options: Any) -> Path:
    torch.save(content, file, **options)
    return file


class RunsCode:
    """What a malicious checkpoint holds: loading it calls a function."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.trace),))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_state_dictionary(tmp_path: Path, zipped: bool) -> None:
    tensors = read_pytorch(save(tmp_path / "x.pth", state(), _use_new_zipfile_serialization=zipped))
    assert list(tensors) == ["conv.weight", "bn.num_batches_tracked"]
    np.testing.assert_array_equal(tensors["conv.weight"], WEIGHT)
    assert tensors["conv.weight"].dtype == np.float32


@pytest.mark.parametrize("key", ["state_dict", "cnn_state_dict", "model_state_dict", "model"])
def test_state_dictionary_within_a_dictionary(tmp_path: Path, key: str) -> None:
    content = {"epoch": 30, key: state(), "optimizer_state_dict": {"state": {0: {"exp_avg": torch.zeros(3)}}}}
    assert set(read_pytorch(save(tmp_path / "x.pt", content))) == set(state())


def test_numbers_of_numpy_beside_the_weights_are_passed_over(tmp_path: Path) -> None:
    """The second seed keeps its measures as NumPy scalars, which PyTorch by itself refuses."""
    content = {
        "epoch": np.int64(3),
        "cnn_state_dict": state(),
        "loss": torch.tensor(0.5),
        "epoch_losses": [np.float64(0.25), np.float32(0.125)],
        "epoch_jaccs": np.array([0.5, 0.75]),
    }
    file = save(tmp_path / "x.pth", content)
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(file, weights_only=True)
    np.testing.assert_array_equal(read_pytorch(file)["conv.weight"], WEIGHT)


def test_prefix_of_several_devices_is_taken_off(tmp_path: Path) -> None:
    content = {f"module.{name}": value for name, value in state().items()}
    assert set(read_pytorch(save(tmp_path / "x.pth", content))) == set(state())


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    tensors = read_pytorch(save(tmp_path / "x.pth", {"w": torch.ones(2, dtype=torch.bfloat16)}))
    assert tensors["w"].dtype == np.float32


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "was_here"
    file = save(tmp_path / "x.pth", {"state_dict": state(), "args": RunsCode(trace)})
    with pytest.raises(VosError, match=r"expected weights only, found posix\.mkdir, which could run code"):
        read_pytorch(file)
    assert not trace.exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VosError, match=r"found torch\.nn\.modules\.conv\.Conv2d, which could run code"):
        read_pytorch(save(tmp_path / "x.pth", torch.nn.Conv2d(1, 1, 1)))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_cut_off_files(tmp_path: Path, zipped: bool, share: float) -> None:
    file = save(tmp_path / "x.pth", {"w": torch.zeros(5000)}, _use_new_zipfile_serialization=zipped)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(VosError, match="found a broken or other file"):
        read_pytorch(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a checkpoint", "found a broken or other file"),
        (None, "found no such file"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "x.pth"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(VosError, match=message):
        read_pytorch(file)


@pytest.mark.parametrize(
    ("content", "found"), [({"epoch": 3, "args": "x"}, "the keys epoch, args"), ([1, 2], "list"), ({}, "the keys")]
)
def test_checkpoints_without_tensors(tmp_path: Path, content: Any, found: str) -> None:
    with pytest.raises(VosError, match=f"expected a dictionary of tensors, found {found}"):
        read_pytorch(save(tmp_path / "x.pth", content))


def test_without_pytorch_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "x.pth", state())
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(VosError, match=r"pip install 'vos-tf\[porting\]'"):
        read_pytorch(file)


def test_parts_in_a_folder(tmp_path: Path) -> None:
    save(tmp_path / "encoder.pt", {f"module.{name}": value for name, value in state().items()})
    save(tmp_path / "decoder.pt", {"conv_out.bias": torch.zeros(1)})
    (tmp_path / "args.pkl").write_bytes(b"never read")
    tensors = read_pytorch_parts(tmp_path, ("encoder", "decoder"))
    assert set(tensors) == {"encoder.conv.weight", "encoder.bn.num_batches_tracked", "decoder.conv_out.bias"}


def test_a_part_is_missing(tmp_path: Path) -> None:
    save(tmp_path / "encoder.pt", state())
    with pytest.raises(VosError, match=r"decoder\.pt: expected a PyTorch checkpoint, found no such file"):
        read_pytorch_parts(tmp_path, ("encoder", "decoder"))
    with pytest.raises(VosError, match=r"expected a folder with encoder\.pt and decoder\.pt, found a file"):
        read_pytorch_parts(tmp_path / "encoder.pt", ("encoder", "decoder"))


@pytest.fixture(scope="module")
def tensorflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of TensorFlow 1 with what Adam and Momentum leave in it."""
    folder = tmp_path_factory.mktemp("tf1")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        names = ("net/conv/weights", "net/conv/weights/Adam", "net/conv/weights/Adam_1", "net/conv/weights/Momentum")
        for name in (*names, "beta1_power", "beta2_power", "net/beta1_power_1"):
            tf.compat.v1.get_variable(name, initializer=WEIGHT)
        tf.compat.v1.get_variable("global_step", initializer=np.int64(50000))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "parent.ckpt"), global_step=50000)
    return folder


@pytest.mark.parametrize(
    "name", ["", "parent.ckpt-50000", "parent.ckpt-50000.index", "parent.ckpt-50000.data-00000-of-00001"]
)
def test_tensorflow_checkpoint_by_any_of_its_names(tensorflow_folder: Path, name: str) -> None:
    tensors = read_tensorflow(tensorflow_folder / name)
    assert list(tensors) == ["net/conv/weights"]
    np.testing.assert_array_equal(tensors["net/conv/weights"], WEIGHT)


def copied(folder: Path, target: Path, *names: str) -> Path:
    """``folder`` with its checkpoint under each of ``names``."""
    target.mkdir()
    for name in names:
        for file in folder.glob("parent.ckpt-50000.*"):
            shutil.copy(file, target / file.name.replace("parent.ckpt-50000", name))
    return target


def test_the_latest_of_several_tensorflow_checkpoints(tensorflow_folder: Path, tmp_path: Path) -> None:
    folder = copied(tensorflow_folder, tmp_path / "several", "a-1", "b-2")
    with pytest.raises(VosError, match=r"expected one TensorFlow checkpoint .* found a-1, b-2; name the one to take"):
        read_tensorflow(folder)
    (folder / "checkpoint").write_text('model_checkpoint_path: "/home/somebody/else/b-2"\n')
    (folder / "a-1.index").write_bytes(b"broken")
    assert list(read_tensorflow(folder)) == ["net/conv/weights"]
    with pytest.raises(VosError, match="a broken or other file"):
        read_tensorflow(folder / "a-1")


def test_cut_off_tensorflow_checkpoint(tensorflow_folder: Path, tmp_path: Path) -> None:
    folder = copied(tensorflow_folder, tmp_path / "cut", "x")
    data = folder / "x.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:10])
    with pytest.raises(VosError, match="expected a TensorFlow checkpoint, found a broken or other file"):
        read_tensorflow(folder)
    data.unlink()
    with pytest.raises(VosError, match="expected a TensorFlow checkpoint"):
        read_tensorflow(folder)


def test_no_tensorflow_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(VosError, match=r"found none; name the one to take"):
        read_tensorflow(tmp_path)
    with pytest.raises(VosError, match=r"expected a TensorFlow checkpoint, found no parent\.ckpt\.index"):
        read_tensorflow(tmp_path / "parent.ckpt")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(VosError, match="a broken or other file"):
        read_tensorflow(tmp_path / "text")
