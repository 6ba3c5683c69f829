"""What ``vos-tf train`` says in the end."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from vos_tf.commands.train import train
from vos_tf.jobs import train as job
from vos_tf.training.history import EpochRecord
from vos_tf.training.loop import TrainingResult


@pytest.mark.parametrize(
    ("history", "line"),
    [
        ((EpochRecord(3, 12, 0.25, 0.5, None, 1e-5, 9.0),), "trained 3 epochs: loss 0.2500, validation J 0.500"),
        ((EpochRecord(3, 12, 0.25, None, None, 1e-5, 9.0),), "trained 3 epochs: loss 0.2500"),
        ((), "trained before; its history.csv is missing"),
    ],
)
def test_the_last_epoch_is_said(
    history: tuple[EpochRecord, ...], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "train_run", lambda *_args, **_options: TrainingResult(True, history))
    app = typer.Typer()
    app.command()(train)
    finished = CliRunner().invoke(app, ["--run", str(tmp_path)], catch_exceptions=False)
    assert finished.stdout.splitlines() == [line, f"model: {tmp_path / 'model'}"]
