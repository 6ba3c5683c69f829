"""Checkpoint files of the original projects' formats, with given weights."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

Weights = Mapping[str, np.ndarray]


def tensors(weights: Weights, prefix: str = "") -> OrderedDict[str, Any]:
    """A state dictionary of PyTorch."""
    import torch

    return OrderedDict(
        (prefix + name, torch.from_numpy(np.ascontiguousarray(array))) for name, array in weights.items()
    )


def save_torch(file: Path, content: Any) -> Path:
    import torch

    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, file)
    return file


def save_vgg19bn(file: Path, weights: Weights) -> Path:
    """The dictionary that the VGG19 port writes after every epoch: measures as NumPy scalars, an optimiser's state."""
    import torch

    counters = {name.replace("running_mean", "num_batches_tracked"): torch.tensor(7) for name in weights
                if name.endswith("running_mean")}  # fmt: skip
    unused = {"side_prep_p2.weight": torch.zeros((16, 64, 3, 3)), "side_prep_p2.bias": torch.zeros(16)}
    content = {
        "epoch": 29,
        "cnn_state_dict": tensors(weights) | unused | counters,
        "optimizer_state_dict": {
            "state": {0: {"step": 5, "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}},
            "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0]}],
        },
        "loss": torch.tensor(0.25),
        "epoch_losses": [np.float64(0.5), np.float64(0.25)],
        "epoch_jaccs": [np.float32(0.5)],
        "epoch_cas": [np.float64(0.5)],
    }
    return save_torch(file, content)


def save_tensorflow(prefix: Path, weights: Weights, step: int = 50000) -> Path:
    """A checkpoint of TensorFlow 1 after training with momentum."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, array in weights.items():
            tf.compat.v1.get_variable(name, initializer=array)
            if array.ndim == 1:
                tf.compat.v1.get_variable(f"{name}/Momentum", initializer=array)
        tf.compat.v1.get_variable("global_step", initializer=np.int64(step))
        session.run(tf.compat.v1.global_variables_initializer())
        return Path(tf.compat.v1.train.Saver().save(session, str(prefix), global_step=step))


def osvos_in_tensorflow(weights: Weights) -> dict[str, np.ndarray]:
    """OSVOS-PyTorch's weights by the names and in the layout of OSVOS-TensorFlow."""
    convolutions = {1: (0, 2), 2: (1, 3), 3: (1, 3, 5), 4: (1, 3, 5), 5: (1, 3, 5)}
    names = {
        f"stages.{block - 1}.{position}": f"conv{block}/conv{block}_{index}"
        for block, positions in convolutions.items()
        for index, position in enumerate(positions, 1)
    }
    for index, side in enumerate(("2_2", "3_3", "4_3", "5_3")):
        names[f"side_prep.{index}"] = f"conv{side}_16"
        names[f"score_dsn.{index}"] = f"score-dsn_{index + 2}"
        names[f"upscale.{index}"] = f"score-multi{index + 2}-up"
        names[f"upscale_.{index}"] = f"score-dsn_{index + 2}-up"
    names["fuse"] = "upscore-fuse"
    found = {}
    for theirs, ours in names.items():
        found[f"osvos/{ours}/weights"] = weights[f"{theirs}.weight"].transpose(2, 3, 1, 0)
        if f"{theirs}.bias" in weights:
            found[f"osvos/{ours}/biases"] = weights[f"{theirs}.bias"]
    assert len(found) == len(weights)
    return found


class Trap:
    """Loading it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return (os.mkdir, (str(self.folder),))


def save_rvos(folder: Path, weights: Weights) -> Path:
    """What RVOS's training leaves: two networks, as trained on several devices and with old heads, and the rest."""
    old = {"decoder.fc_stop.weight": np.zeros((1, 240), np.float32), "decoder.fc_stop.bias": np.zeros(1, np.float32)}
    classifier = {"encoder.base.fc.weight": np.zeros((10, 512), np.float32)}
    for part in ("encoder", "decoder"):
        own = {
            name.removeprefix(f"{part}."): array
            for name, array in {**weights, **old, **classifier}.items()
            if name.startswith(f"{part}.")
        }
        save_torch(folder / f"{part}.pt", tensors(own, "module." if part == "encoder" else ""))
    (folder / "args.pkl").write_bytes(pickle.dumps(Trap(folder / "trapped")))
    save_torch(folder / "enc_opt.pt", {"state": Trap(folder / "trapped")})
    return folder
