"""The training loop: one for one device, several devices and several machines; stops and resumes exactly."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from vos_tf.config import TrainingSettings
from vos_tf.errors import VosError
from vos_tf.files import replacing
from vos_tf.models.weights import save_model
from vos_tf.pipeline.clips import clip_batches, steps_per_epoch
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.progress import progress
from vos_tf.records.manifest import Manifest
from vos_tf.training.averages import WeightAverages
from vos_tf.training.checkpoints import (
    WEIGHTS,
    Position,
    list_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)
from vos_tf.training.history import (
    LOSSES,
    EpochRecord,
    TensorBoard,
    read_history,
    read_losses,
    write_history,
    write_losses,
)
from vos_tf.training.objective import Objective
from vos_tf.training.optimizers import make_optimizer
from vos_tf.training.schedules import learning_rate
from vos_tf.training.selection import Validation, judge, out_of_patience
from vos_tf.training.steps import TrainingStep, ValidationStep
from vos_tf.training.strategy import is_chief, per_replica_batches, worker
from vos_tf.training.video_validation import VideoValidation


@dataclass(frozen=True)
class TrainingData:
    """What is trained and validated on.

    Attributes:
        training: Records of the training videos.
        validation: Records of the validation videos; ``None``: no validation.
        clips: How clips are sampled.
        augment: How they are changed in training.
    """

    training: Manifest
    validation: Manifest | None
    clips: ClipOptions
    augment: AugmentOptions


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended: ``finished``, or stopped by a signal; with its history."""

    finished: bool
    history: tuple[EpochRecord, ...]


class Trainer:
    """Trains one network in one run folder.

    Args:
        run: The run's folder; checkpoints, history, TensorBoard and the final model go there.
        model_name: Name of the method, kept with the weights.
        build: Builds the network; called in the strategy's scope.
        objective: How it is trained.
        data: See `TrainingData`.
        settings: See `TrainingSettings`.
        strategy: From `make_strategy`.

    Raises:
        VosError: There is no clip to train or to validate on.
    """

    def __init__(
        self,
        run: Path,
        model_name: str,
        build: Callable[[], Any],
        objective: Objective,
        data: TrainingData,
        settings: TrainingSettings,
        strategy: Any,
    ) -> None:
        self._run, self._model_name, self._data, self._settings = run, model_name, data, settings
        self._strategy = strategy
        self._chief = is_chief(strategy)
        with strategy.scope():
            self.network = build()
            of_stills = objective.for_stills() if data.clips.still_batches else None
            groups = objective.groups(self.network)
            self.optimizer = make_optimizer(settings, groups, strategy.num_replicas_in_sync)
        self._averages = WeightAverages(self.network, settings.ema, strategy) if settings.ema else None
        self._step = TrainingStep(self.network, self.optimizer, strategy, settings, objective, of_stills)
        self._validate = ValidationStep(self.network, objective)
        self._position = Position(fingerprint=data.training.fingerprint)
        self._history: list[EpochRecord] = []
        self._losses: list[float] = []
        self.steps_per_epoch = steps_per_epoch(data.training, data.clips, batch_size=settings.batch_size)
        self._check_validation()
        self._follow_videos = self._video_validation()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self._run / "checkpoints"

    def resume(self) -> Position | None:
        """Continue from the newest checkpoint, if there is one.

        Raises:
            VosError: It is damaged, or was trained on other data than these records hold.
        """
        found = list_checkpoints(self.checkpoints)
        if not found:
            return None
        with self._strategy.scope():
            self._position = restore_checkpoint(found[-1], self.network, self.optimizer, self._averages)
        before, now = self._position.fingerprint, self._data.training.fingerprint
        if before != now:
            raise VosError(f"{found[-1]}: expected records of data set {before} as before, found {now}")
        rows = read_history(self._run / "history.csv")
        self._history = [row for row in rows if row.epoch <= self._position.epoch]
        self._losses = read_losses(self._run / LOSSES, self._position.updates)
        return self._position

    def train(self) -> TrainingResult:
        """Train to the last epoch, or until SIGTERM or SIGINT, which leave a checkpoint."""
        board = TensorBoard(self._run / "tensorboard", active=self._chief)
        total = self._settings.n_epochs * self.steps_per_epoch
        with _stop_signal() as stopped, progress("training", total, "updates", self._position.updates) as bar:
            while not self._done():
                if not self._epoch(board, bar, stopped):
                    board.flush()
                    return TrainingResult(False, tuple(self._history))
        if self._chief:
            self._write_final_model()
        return TrainingResult(True, tuple(self._history))

    def _done(self) -> bool:
        return self._position.epoch >= self._settings.n_epochs or out_of_patience(self._settings, self._position)

    def _epoch(self, board: TensorBoard, bar: Any, stopped: Callable[[], bool]) -> bool:
        """One epoch from the current position, saved at its end or where it was stopped; false if training stops."""
        start, epoch = time.monotonic(), self._position.epoch
        rate = self._settings.lr
        for batch in self._batches(epoch, self._position.step):
            rate = learning_rate(self._settings, self._position.updates, self.steps_per_epoch)
            stills = self._data.clips.of_stills(self._position.step)
            loss = float(self._step(batch, rate, self._progress(), epoch, stills=stills))
            self._losses.append(loss)
            position = self._position
            if self._averages is not None:
                self._averages.update(position.updates + 1)
            self._position = replace(
                position, step=position.step + 1, updates=position.updates + 1, loss_sum=position.loss_sum + loss
            )
            board.scalar("loss", loss, self._position.updates)
            board.scalar("learning rate", rate, self._position.updates)
            bar.advance(note=f"epoch {epoch + 1}/{self._settings.n_epochs}  loss {loss:.4f}{self._last_j()}")
            if stopped() and self._position.step < self.steps_per_epoch:
                self._save()
                return False
        self._end_epoch(rate, time.monotonic() - start, board)
        return not stopped() or self._done()

    def _progress(self) -> float:
        """Share of the run's updates that are done."""
        return min(self._position.updates / (self._settings.n_epochs * self.steps_per_epoch), 1.0)

    def _last_j(self) -> str:
        if self._history and self._history[-1].validation_j is not None:
            return f"  validation J {self._history[-1].validation_j:.3f}"
        return ""

    def _end_epoch(self, rate: float, seconds: float, board: TensorBoard) -> None:
        with self._final_weights():
            self._judge_epoch(rate, seconds, board)
        self._save()

    def _final_weights(self) -> AbstractContextManager[None]:
        """Within it, the network has the weights that would be kept if training ended now."""
        return nullcontext() if self._averages is None else self._averages.in_use()

    def _judge_epoch(self, rate: float, seconds: float, board: TensorBoard) -> None:
        position = self._position
        found = self._validation()
        loss = position.loss_sum / max(position.step, 1)
        record = EpochRecord(position.epoch + 1, position.updates, loss, found.j, found.loss, rate, seconds)
        self._history.append(record)
        best, position = judge(self._settings, position, found)
        self._position = replace(position, epoch=position.epoch + 1, step=0, loss_sum=0.0)
        for name, value in (("epoch loss", loss), ("validation J", found.j), ("validation loss", found.loss)):
            if value is not None:
                board.scalar(name, value, position.updates)
        board.flush()
        if self._chief:
            write_history(self._run / "history.csv", self._history)
            if best:  # whatever model/ shall hold: that may change when the run is continued
                with replacing(self._run / f"best.{WEIGHTS}") as partial:
                    self.network.save_weights(partial)

    def _save(self) -> None:
        if self._chief:
            write_losses(self._run / LOSSES, self._losses)
            keep, averages = self._settings.keep_checkpoints, self._averages
            save_checkpoint(
                self.checkpoints, self.network, self.optimizer, self._position, keep=keep, averages=averages
            )

    def _batches(self, epoch: int, start_step: int) -> Iterator[Any]:
        def local() -> Any:
            return clip_batches(
                self._data.training,
                self._data.clips,
                batch_size=self._settings.batch_size,
                seed=self._settings.seed,
                epoch=epoch,
                start_step=start_step,
                shard=worker(self._strategy),
                augment=self._data.augment,
            )

        yield from per_replica_batches(self._strategy, local)

    def _check_validation(self) -> None:
        """Complain before training, not after the first epoch."""
        if self._data.validation is not None and self._settings.validation_clips:
            if self._settings.validation == "videos":
                return
            steps_per_epoch(self._data.validation, self._data.clips.for_validation(), batch_size=1)
        elif self._settings.final_weights == "best":
            raise VosError("training.final_weights best: expected validation videos to choose it by, found none")
        elif self._settings.patience:
            raise VosError("training.patience: expected validation videos to judge epochs by, found none")

    def _video_validation(self) -> VideoValidation | None:
        """What follows whole videos, if that is asked for."""
        settings, data = self._settings, self._data
        if settings.validation != "videos" or data.validation is None or not settings.validation_clips:
            return None
        size = settings.validation_size or data.clips.size
        if size is None:
            raise VosError("training.validation_size: expected [height, width], as clips have no size, found none")
        return VideoValidation(
            self.network,
            data.validation,
            data.clips,
            size,
            videos=settings.validation_clips,
            frames=settings.validation_frames,
        )

    def _validation(self) -> Validation:
        """J and loss of at most ``validation_clips`` clips from the start of each object, without augmentation.

        Or J of so many videos.
        """
        if self._follow_videos is not None:
            return Validation(self._follow_videos(), None)
        if self._data.validation is None or not self._settings.validation_clips:
            return Validation(None, None)
        batches = clip_batches(
            self._data.validation, self._data.clips, batch_size=1, seed=0, epoch=0, validation=True
        ).take(self._settings.validation_clips)
        sums = [self._validate(batch, self._progress()) for batch in batches]
        count = sum(number for _, number, _ in sums)
        loss = sum(loss for _, _, loss in sums) / len(sums)
        return Validation(sum(total for total, _, _ in sums) / count if count else None, loss)

    def _write_final_model(self) -> None:
        best = self._run / f"best.{WEIGHTS}"
        if self._settings.final_weights == "best" and self._position.has_best and best.is_file():
            with self._strategy.scope():
                self.network.load_weights(best)
            save_model(self._run / "model", self._model_name, self.network)
            return
        with self._final_weights():
            save_model(self._run / "model", self._model_name, self.network)


@contextmanager
def _stop_signal() -> Iterator[Callable[[], bool]]:
    """Note SIGTERM and SIGINT instead of dying from them; a second SIGINT interrupts at once."""
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    old = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def prepare_process(settings: TrainingSettings) -> None:
    """Seed everything and choose determinism; before the network is built."""
    keras.utils.set_random_seed(settings.seed)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
