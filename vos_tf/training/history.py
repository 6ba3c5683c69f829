"""What happened in training: ``history.csv``, ``loss_history.npy`` and TensorBoard, all consistent after a resume."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.files import write_bytes

LOSSES = "loss_history.npy"
"""Beside ``history.csv``: the loss of every update, float32 ``(updates,)``, as a public TensorFlow 1 port writes it."""


@dataclass(frozen=True)
class EpochRecord:
    """One row of ``history.csv``.

    Attributes:
        epoch: From 1.
        updates: Updates done in all.
        loss: Mean of the epoch's losses.
        validation_j: Mean J on validation clips, at the network's size; empty without validation.
        validation_loss: Mean loss on validation clips; empty without validation.
        lr: Learning rate of the epoch's last update.
        seconds: Duration of the epoch in this process.
    """

    epoch: int
    updates: int
    loss: float
    validation_j: float | None
    validation_loss: float | None
    lr: float
    seconds: float


def read_history(path: Path) -> list[EpochRecord]:
    """Rows of a ``history.csv``, also of one from before there was a ``validation_loss``; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            EpochRecord(
                int(row["epoch"]),
                int(row["updates"]),
                float(row["loss"]),
                float(row["validation_j"]) if row["validation_j"] else None,
                float(row["validation_loss"]) if row.get("validation_loss") else None,
                float(row["lr"]),
                float(row["seconds"]),
            )
            for row in csv.DictReader(file)
        ]


def write_history(path: Path, rows: list[EpochRecord]) -> None:
    """Write all rows, whole or not at all."""
    lines = [",".join(item.name for item in fields(EpochRecord))]
    for row in rows:
        lines.append(",".join("" if value is None else f"{value:.9g}" for value in asdict(row).values()))
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def read_losses(path: Path, updates: int) -> list[float]:
    """The losses of the first ``updates`` updates; those that the file does not hold are not a number.

    Raises:
        VosError: It is no such file.
    """
    try:
        found = np.load(path, allow_pickle=False).astype(np.float32).reshape(-1) if path.is_file() else np.zeros(0)
    except (OSError, ValueError, EOFError) as error:
        raise VosError(f"{path}: expected the losses of a run, found a file that cannot be read ({error})") from None
    losses = [float(loss) for loss in found[:updates]]
    return losses + [math.nan] * (updates - len(losses))


def write_losses(path: Path, losses: Sequence[float]) -> None:
    """Write the losses of all updates, whole or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(losses, np.float32))
    write_bytes(path, buffer.getvalue())


class TensorBoard:
    """Scalars for TensorBoard; silent where this process is not the one that writes."""

    def __init__(self, folder: Path, *, active: bool) -> None:
        self._writer: Any = tf.summary.create_file_writer(str(folder)) if active else None

    def scalar(self, name: str, value: float, step: int) -> None:
        """Add one value to the curve ``name``."""
        if self._writer is not None:
            with self._writer.as_default():
                tf.summary.scalar(name, value, step=step)

    def flush(self) -> None:
        """Bring everything to disk."""
        if self._writer is not None:
            self._writer.flush()
