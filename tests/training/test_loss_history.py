"""``loss_history.npy``: one loss per update, whole after a stop, too."""

from __future__ import annotations

import csv
import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos_tf.errors import VosError
from vos_tf.jobs.run_config import RunConfig
from vos_tf.jobs.train import train_run
from vos_tf.training.history import LOSSES, read_losses, write_losses
from vos_tf.training.loop import Trainer


def test_losses_come_back_as_far_as_they_are_known(tmp_path: Path) -> None:
    path = tmp_path / LOSSES
    assert read_losses(path, 0) == []
    assert [math.isnan(loss) for loss in read_losses(path, 2)] == [True, True]
    write_losses(path, [0.5, 0.25, 0.125])
    stored = np.load(path)
    assert (stored.dtype, stored.shape) == (np.float32, (3,))
    assert read_losses(path, 2) == [0.5, 0.25]
    assert read_losses(path, 3) == [0.5, 0.25, 0.125]
    assert math.isnan(read_losses(path, 4)[3])
    path.write_bytes(b"no array")
    with pytest.raises(VosError, match=r"loss_history\.npy: expected the losses of a run, found"):
        read_losses(path, 1)


def test_a_stop_loses_no_loss(tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(tiny_run, training=replace(tiny_run.training, n_epochs=2))
    batches = Trainer._batches

    def stop_in_epoch_1(self: Trainer, epoch: int, start_step: int) -> Any:
        for index, batch in enumerate(batches(self, epoch, start_step)):
            if epoch == 1 and index == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_batches", stop_in_epoch_1)
        assert not train_run(config, tmp_path / "run").finished
    before = np.load(tmp_path / "run" / LOSSES)
    assert train_run(config, tmp_path / "run").finished
    losses = np.load(tmp_path / "run" / LOSSES)
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").open()))
    assert len(losses) == int(rows[-1]["updates"]) > len(before) > 0
    np.testing.assert_array_equal(losses[: len(before)], before)
    assert not np.isnan(losses).any()
    first = 0
    for row in rows:
        last = int(row["updates"])
        assert losses[first:last].mean() == pytest.approx(float(row["loss"]), rel=1e-5)
        first = last
