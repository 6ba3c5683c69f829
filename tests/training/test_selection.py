"""Which epoch is the best, how long training waits for a better one, and what the history says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos_tf.config import TrainingSettings
from vos_tf.errors import VosError
from vos_tf.jobs.run_config import RunConfig
from vos_tf.jobs.train import train_run
from vos_tf.methods.load import load_model
from vos_tf.training.checkpoints import Position, list_checkpoints
from vos_tf.training.history import EpochRecord, read_history, write_history
from vos_tf.training.selection import Validation, judge, out_of_patience


def judged(settings: TrainingSettings, *found: Validation) -> tuple[list[bool], Position]:
    position, better = Position(), []
    for one in found:
        best, position = judge(settings, position, one)
        better.append(best)
    return better, position


def test_greatest_j_or_least_loss() -> None:
    epochs = [Validation(0.5, 2.0), Validation(0.4, 1.0), Validation(0.6, 1.5)]
    better, position = judged(TrainingSettings(best_by="j"), *epochs)
    assert (better, position.best_j, position.best_loss, position.waiting) == ([True, False, True], 0.6, None, 0)
    better, position = judged(TrainingSettings(best_by="loss"), *epochs)
    assert (better, position.best_j, position.best_loss, position.waiting) == ([True, True, False], -1, 1.0, 1)


def test_a_better_epoch_is_better_by_more_than_min_delta() -> None:
    better, position = judged(
        TrainingSettings(best_by="loss", min_delta=0.5, patience=2),
        *(Validation(None, loss) for loss in (2.0, 1.6, 1.4, 1.0, float("nan"))),
    )
    assert better == [True, False, True, False, False]
    assert position.waiting == 2
    assert out_of_patience(TrainingSettings(patience=2), position)
    assert not out_of_patience(TrainingSettings(patience=3), position)
    assert not out_of_patience(TrainingSettings(), position)
    better, _ = judged(TrainingSettings(min_delta=2.0), Validation(0.3, None), Validation(0.9, None))
    assert better == [True, False]


def test_epochs_without_validation_are_neither_better_nor_worse() -> None:
    for best_by in ("j", "loss"):
        better, position = judged(TrainingSettings(best_by=best_by), Validation(None, None))
        assert (better, position) == ([False], Position())


def test_histories_from_before_the_validation_loss_are_read(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text("epoch,updates,loss,validation_j,lr,seconds\n1,2,0.5,0.25,0.1,3\n2,4,0.4,,0.1,3\n")
    rows = read_history(file)
    assert rows == [EpochRecord(1, 2, 0.5, 0.25, None, 0.1, 3), EpochRecord(2, 4, 0.4, None, None, 0.1, 3)]
    write_history(file, [replace(rows[0], validation_loss=0.75), rows[1]])
    assert [row.validation_loss for row in read_history(file)] == [0.75, None]


def with_training(config: RunConfig, **changes: Any) -> RunConfig:
    return replace(config, training=replace(config.training, **changes))


def test_training_stops_early_and_keeps_the_epoch_with_the_least_loss(tiny_run: RunConfig, tmp_path: Path) -> None:
    impatient = with_training(
        tiny_run, best_by="loss", min_delta=9.0, patience=1, final_weights="best", keep_checkpoints=9
    )
    result = train_run(impatient, tmp_path / "run")
    assert result.finished
    assert len(result.history) == 2
    assert all(row.validation_loss is not None and row.validation_loss > 0 for row in result.history)
    network = load_model(tmp_path / "run" / "model")[1]
    network.load_weights(list_checkpoints(tmp_path / "run" / "checkpoints")[0] / "network.weights.h5")
    for one, two in zip(load_model(tmp_path / "run" / "model")[1].get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    # It has ended, and goes on with more patience.
    assert len(train_run(impatient, tmp_path / "run").history) == 2
    assert len(train_run(with_training(impatient, patience=2), tmp_path / "run").history) == 3
    with pytest.raises(VosError, match=r"training\.best_by: 'loss' -> 'j'"):
        train_run(with_training(impatient, best_by="j"), tmp_path / "run")


def test_patience_needs_validation(tiny_run: RunConfig, tmp_path: Path) -> None:
    alone = replace(tiny_run, data=replace(tiny_run.data, validation_fraction=0.0))
    with pytest.raises(
        VosError, match=r"training\.patience: expected validation videos to judge epochs by, found none"
    ):
        train_run(with_training(alone, patience=2), tmp_path / "run")
