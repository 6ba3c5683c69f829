"""Checkpoints that resume exactly: weights, optimiser, position in the data, history."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from keras import ops

from vos_tf.errors import VosError
from vos_tf.files import replacing, write_json
from vos_tf.models.video_network import VideoNetwork
from vos_tf.training.averages import WeightAverages

WEIGHTS = "network.weights.h5"
OPTIMIZER = "optimizer.h5"
AVERAGES = "averages.h5"
POSITION = "position.json"


@dataclass(frozen=True)
class Position:
    """Where training stands; with the run's seed it decides every batch that follows.

    Attributes:
        epoch: Epoch in progress, from 0.
        step: Updates done in it.
        updates: Updates done in all.
        best_j: Validation J of the best epoch so far; -1 before the first, and where the loss tells the best.
        best_loss: Validation loss of the best epoch so far, where the loss tells the best.
        waiting: Epochs since the best.
        loss_sum: Sum of the losses of this epoch's updates so far.
        fingerprint: Of the data set trained on.
    """

    epoch: int = 0
    step: int = 0
    updates: int = 0
    best_j: float = -1.0
    best_loss: float | None = None
    waiting: int = 0
    loss_sum: float = 0.0
    fingerprint: str = ""

    @property
    def has_best(self) -> bool:
        """Whether an epoch was the best of one or more in validation."""
        return self.best_j >= 0 or self.best_loss is not None


def save_checkpoint(
    folder: Path,
    network: VideoNetwork,
    optimizer: Any,
    position: Position,
    *,
    keep: int,
    averages: WeightAverages | None = None,
) -> Path:
    """Write a checkpoint below ``folder``, named by its number of updates, and delete all but the newest ``keep``."""
    path = folder / f"{position.updates:08d}"
    with replacing(path) as partial:
        partial.mkdir()
        network.save_weights(partial / WEIGHTS)
        with h5py.File(partial / OPTIMIZER, "w") as file:
            for index, variable in enumerate(optimizer.variables):
                file[f"{index:05d}"] = ops.convert_to_numpy(variable)
        if averages is not None:
            averages.save(partial / AVERAGES)
        write_json(partial / POSITION, asdict(position))
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints below ``folder``, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name.isdigit() and (path / POSITION).is_file())


def read_position(checkpoint: Path) -> Position:
    """The position a checkpoint was written at."""
    return Position(**json.loads((checkpoint / POSITION).read_text(encoding="utf-8")))


def restore_checkpoint(
    checkpoint: Path, network: VideoNetwork, optimizer: Any, averages: WeightAverages | None = None
) -> Position:
    """Bring network, optimiser (both built) and averages of weights back to a checkpoint.

    Raises:
        VosError: The checkpoint belongs to another network or optimiser, or is damaged.
    """
    try:
        position = read_position(checkpoint)
        network.load_weights(checkpoint / WEIGHTS)
        with h5py.File(checkpoint / OPTIMIZER, "r") as file:
            values = [np.asarray(file[name]) for name in sorted(file)]
        if averages is not None:
            averages.restore(checkpoint / AVERAGES)
    except (ValueError, TypeError, OSError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise VosError(
            f"{checkpoint}: expected a checkpoint of this network, found another or a damaged one ({reason}); "
            "delete it to continue from the one before"
        ) from None
    if len(values) != len(optimizer.variables):
        raise VosError(
            f"{checkpoint}: expected {len(optimizer.variables)} variables of the optimiser, found {len(values)}"
        )
    for variable, value in zip(optimizer.variables, values, strict=True):
        variable.assign(value)
    return position
