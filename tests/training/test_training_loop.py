"""The training loop: it learns, stops and resumes exactly, on one device and on several."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tiny_training import tiny_values

from vos_tf.errors import VosError
from vos_tf.jobs.run_config import RunConfig, run_config
from vos_tf.jobs.train import hold_out, train_run
from vos_tf.methods.load import load_model
from vos_tf.records.manifest import read_manifest
from vos_tf.training.checkpoints import list_checkpoints, read_position
from vos_tf.training.loop import Trainer
from vos_tf.training.selection import Validation

TRAIN = [sys.executable, "-m", "vos_tf.commands.train"]


def weights(run: Path) -> list[np.ndarray]:
    return load_model(run / "model")[1].get_weights()


def with_training(config: RunConfig, **changes: Any) -> RunConfig:
    return replace(config, training=replace(config.training, **changes))


def assert_same(run: Path, other: Path) -> None:
    for one, two in zip(weights(run), weights(other), strict=True):
        np.testing.assert_array_equal(one, two)
    columns = ("epoch", "updates", "loss", "validation_j", "lr")
    histories = [list(csv.DictReader((folder / "history.csv").open())) for folder in (run, other)]
    assert [[row[c] for c in columns] for row in histories[0]] == [[row[c] for c in columns] for row in histories[1]]


def test_training_lowers_the_loss_and_leaves_a_complete_run(tiny_run: RunConfig, tmp_path: Path) -> None:
    result = train_run(with_training(tiny_run, n_epochs=12, lr=3e-3, export=True), tmp_path / "run")
    assert result.finished
    losses = [row.loss for row in result.history]
    assert losses[-1] < 0.8 * losses[0]
    assert all(0 <= row.validation_j <= 1 for row in result.history if row.validation_j is not None)
    for part in ("config.yaml", "history.csv", "receipt.json", "model/config.json", "saved_model/saved_model.pb"):
        assert (tmp_path / "run" / part).is_file(), part
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    receipt = json.loads((tmp_path / "run" / "receipt.json").read_text())
    assert receipt["seed"] == 0
    assert len(receipt["dataset"]["fingerprint"]) == 16
    assert run_config(yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())).training.lr == 3e-3


def test_four_epochs_equal_two_and_two(tiny_run: RunConfig, tmp_path: Path) -> None:
    train_run(tiny_run, tmp_path / "whole")
    train_run(with_training(tiny_run, n_epochs=2), tmp_path / "halves")
    train_run(tiny_run, tmp_path / "halves", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "halves")


def test_stop_in_the_middle_of_an_epoch_changes_nothing(
    tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_run(tiny_run, tmp_path / "whole")
    batches = Trainer._batches

    def stop_in_epoch_1(self: Trainer, epoch: int, start_step: int) -> Any:
        for index, batch in enumerate(batches(self, epoch, start_step)):
            if epoch == 1 and index == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_batches", stop_in_epoch_1)
        stopped = train_run(tiny_run, tmp_path / "stopped")
    assert not stopped.finished
    position = read_position(list_checkpoints(tmp_path / "stopped" / "checkpoints")[-1])
    assert (position.epoch, position.step) == (1, 1)
    assert train_run(tiny_run, tmp_path / "stopped").finished
    assert_same(tmp_path / "whole", tmp_path / "stopped")


def test_averages_of_weights_resume_exactly(
    tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_training(tiny_run, ema=0.8, optimizer="adamw", weight_decay=0.01, n_epochs=3)
    train_run(config, tmp_path / "whole")
    batches = Trainer._batches

    def stop_in_epoch_1(self: Trainer, epoch: int, start_step: int) -> Any:
        for index, batch in enumerate(batches(self, epoch, start_step)):
            if epoch == 1 and index == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_batches", stop_in_epoch_1)
        assert not train_run(config, tmp_path / "stopped").finished
    assert train_run(config, tmp_path / "stopped").finished
    assert_same(tmp_path / "whole", tmp_path / "stopped")
    newest = list_checkpoints(tmp_path / "stopped" / "checkpoints")[-1]
    network = load_model(tmp_path / "stopped" / "model")[1]
    network.load_weights(newest / "network.weights.h5")
    assert any(
        (one != two).any() for one, two in zip(network.get_weights(), weights(tmp_path / "stopped"), strict=True)
    ), "the weights that training goes on with are not the averages"
    (newest / "averages.h5").unlink()
    with pytest.raises(VosError, match="expected a checkpoint of this network, found another or a damaged one"):
        train_run(with_training(config, n_epochs=4), tmp_path / "stopped")
    with pytest.raises(VosError, match=r"training.ema: 0.8 -> 0.0"):
        train_run(with_training(config, ema=0.0), tmp_path / "stopped")


def test_the_weights_of_training_do_not_depend_on_their_averages(tiny_run: RunConfig, tmp_path: Path) -> None:
    losses = [
        [row.loss for row in train_run(with_training(tiny_run, ema=ema), tmp_path / f"{ema}").history]
        for ema in (0.0, 0.9)
    ]
    assert losses[0] == losses[1]


def test_killed_command_continues_to_the_same_weights(tiny_records: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(tiny_values(tiny_records, n_epochs=6)))
    command = [*TRAIN, "--config", str(config), "--run"]
    killed = subprocess.Popen([*command, str(tmp_path / "killed")], stderr=subprocess.DEVNULL)
    while len(list_checkpoints(tmp_path / "killed" / "checkpoints")) < 2:
        assert killed.poll() is None, "training ended before it could be killed"
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "killed" / "model").exists()
    for run in ("killed", "whole"):
        subprocess.run([*command, str(tmp_path / run)], check=True, capture_output=True)
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_micro_batches_give_the_same_training(tiny_run: RunConfig, tmp_path: Path) -> None:
    train_run(tiny_run, tmp_path / "whole")
    train_run(with_training(tiny_run, micro_batches=2), tmp_path / "parts")
    for one, two in zip(weights(tmp_path / "whole"), weights(tmp_path / "parts"), strict=True):
        np.testing.assert_allclose(one, two, atol=5e-5)


def test_all_objects_and_other_precisions_train(tiny_run: RunConfig, tmp_path: Path) -> None:
    every = replace(tiny_run, clips=replace(tiny_run.clips, objects="all", max_objects=3))
    for precision in ("bfloat16", "float16"):
        config = with_training(every, precision=precision, n_epochs=1, batch_size=2)
        result = train_run(config, tmp_path / precision)
        assert result.finished
        assert np.isfinite(result.history[-1].loss)
    import keras

    keras.mixed_precision.set_global_policy("float32")


def test_a_run_is_not_continued_with_other_settings(tiny_run: RunConfig, tmp_path: Path) -> None:
    train_run(with_training(tiny_run, n_epochs=1), tmp_path / "run")
    with pytest.raises(VosError, match=r"training.lr: 0.001 -> 0.5"):
        train_run(with_training(tiny_run, lr=0.5), tmp_path / "run")
    with pytest.raises(VosError, match="expected a run with checkpoints to resume, found none"):
        train_run(tiny_run, tmp_path / "other", resume=True)


def test_best_weights_are_those_of_the_best_epoch(tiny_run: RunConfig, tmp_path: Path) -> None:
    last = with_training(tiny_run, n_epochs=3, lr=3e-3, keep_checkpoints=9)
    result = train_run(last, tmp_path / "run")
    best = int(np.argmax([row.validation_j for row in result.history]))
    assert best < 2, "the last epoch is the best: this would show nothing"
    # The choice may change when a run is continued, even when it was finished.
    train_run(with_training(last, final_weights="best"), tmp_path / "run")
    network = load_model(tmp_path / "run" / "model")[1]
    network.load_weights(list_checkpoints(tmp_path / "run" / "checkpoints")[best] / "network.weights.h5")
    for one, two in zip(weights(tmp_path / "run"), network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_best_weights_need_validation(tiny_run: RunConfig, tmp_path: Path) -> None:
    alone = replace(tiny_run, data=replace(tiny_run.data, validation_fraction=0.0))
    with pytest.raises(VosError, match=r"training\.final_weights best: expected validation videos"):
        train_run(with_training(alone, final_weights="best"), tmp_path / "run")


def test_validation_without_a_clip_is_refused_before_training(tiny_run: RunConfig, tmp_path: Path) -> None:
    far = replace(tiny_run, clips=replace(tiny_run.clips, stride=8, clip_length=1))
    with pytest.raises(VosError, match="expected clips that reach an annotated frame"):
        train_run(far, tmp_path / "run")
    manifest = read_manifest(tiny_run.records)
    first = manifest.videos[0]
    blind = tuple(replace(record, objects=()) for record in first)
    others = [record for video in manifest.videos[1:] for record in video]
    held = hold_out(replace(manifest, records=(*blind, *others)), 0.99, tiny_run.clips)
    assert held[1] is not None
    assert [len(part.videos) for part in (held[0], held[1])] == [2, len(manifest.videos) - 2]
    assert first[0].video in {record.video for record in held[0].records}


def test_sigterm_in_validation_saves_once_and_stops(
    tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate, save, saved = Trainer._validation, Trainer._save, []

    def stop(self: Trainer) -> Validation:
        os.kill(os.getpid(), signal.SIGTERM)
        return validate(self)

    def count(self: Trainer) -> None:
        saved.append(self._position)
        save(self)

    monkeypatch.setattr(Trainer, "_validation", stop)
    monkeypatch.setattr(Trainer, "_save", count)
    assert not train_run(tiny_run, tmp_path / "run").finished
    assert [(position.epoch, position.step) for position in saved] == [(1, 0)]


def test_damaged_checkpoint_is_one_clear_sentence(tiny_run: RunConfig, tmp_path: Path) -> None:
    train_run(with_training(tiny_run, n_epochs=1), tmp_path / "run")
    for file in sorted(list_checkpoints(tmp_path / "run" / "checkpoints")[-1].iterdir()):
        content = file.read_bytes()
        file.write_bytes(b"")
        with pytest.raises(VosError, match="expected a checkpoint of this network, found another or a damaged one"):
            train_run(tiny_run, tmp_path / "run")
        file.write_bytes(content)


def run_python(code: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(environment or {})}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


DISTRIBUTED = """
import json, sys
from pathlib import Path
import tensorflow as tf
if {replicas} > 1:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * {replicas})
from vos_tf.jobs.run_config import run_config
from vos_tf.jobs.train import hold_out, train_run
train_run(run_config(json.loads({config!r})), Path({run!r}))
"""


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output


@pytest.fixture(scope="module")
def one_device(tiny_records: Path, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """Averages of the weights after two epochs on one device."""
    run = tmp_path_factory.mktemp("one_device") / "run"
    train_run(run_config(tiny_values(tiny_records, n_epochs=2, ema=0.8)), run)
    return weights(run)


def assert_close(run: Path, wanted: list[np.ndarray]) -> None:
    for one, two in zip(weights(run), wanted, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_two_replicas_equal_one_device(tiny_records: Path, tmp_path: Path, one_device: list[np.ndarray]) -> None:
    config = json.dumps(tiny_values(tiny_records, strategy="mirrored", n_epochs=2, ema=0.8))
    finish(run_python(DISTRIBUTED.format(replicas=2, config=config, run=str(tmp_path))))
    assert_close(tmp_path, one_device)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


def test_two_workers_equal_one_device(tiny_records: Path, tmp_path: Path, one_device: list[np.ndarray]) -> None:
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    config = json.dumps(tiny_values(tiny_records, strategy="multi_worker", n_epochs=2, ema=0.8))
    code = DISTRIBUTED.format(replicas=1, config=config, run=str(tmp_path))
    cluster = [
        {"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})}
        for index in range(2)
    ]
    for process in [run_python(code, variables) for variables in cluster]:
        finish(process)
    assert_close(tmp_path, one_device)


def test_multi_worker_without_a_cluster_is_one_clear_sentence(tiny_run: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(VosError, match="expected the workers in the variable TF_CONFIG"):
        train_run(with_training(tiny_run, strategy="multi_worker"), tmp_path / "run")


def test_a_run_is_not_continued_on_other_data(tiny_run: RunConfig, tmp_path: Path) -> None:
    train_run(with_training(tiny_run, n_epochs=1), tmp_path / "run")
    position = list_checkpoints(tmp_path / "run" / "checkpoints")[-1] / "position.json"
    content = json.loads(position.read_text())
    position.write_text(json.dumps({**content, "fingerprint": "0123456789abcdef"}))
    with pytest.raises(VosError, match="expected records of data set 0123456789abcdef as before, found"):
        train_run(tiny_run, tmp_path / "run")
