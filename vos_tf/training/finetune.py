"""Online fine-tuning: a network is adapted to one video from its annotated frames, over and over from one parent.

The loop knows nothing of the model: it is given the weights to train, a loss and a source of samples.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from keras import ops

from vos_tf.config import TrainingSettings, one_of
from vos_tf.errors import VosError
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.progress import clock as as_clock
from vos_tf.progress import progress
from vos_tf.training.optimizers import make_optimizer

THREADS = 2
BATCHES_AHEAD = 4
# Steps after the first, which also compiles, that the estimated time is taken from.
MEASURED_STEPS = 3

Sample = tuple[np.ndarray[Any, Any], ...]
Values = tuple[np.ndarray[Any, Any], ...]


@dataclass(frozen=True)
class FinetuneSettings:
    """How a network is adapted to a video.

    Attributes:
        steps: Updates of fine-tuning; 0: none, the parent as it is.
        seconds: Time for fine-tuning instead of ``steps``, compiling included; ``None``: none.
        learning_rate: Learning rate of fine-tuning, for groups of weights with rate 1.
        schedule: ``constant``, or ``cosine`` to 0 over the steps or seconds.
        optimizer: ``adam``, ``sgd`` (with ``momentum``) or ``rmsprop``.
        momentum: Of ``sgd``.
        weight_decay: L2 penalty, added to the gradient; 0: none.
        batch_size: Augmented samples per update.
        augment: How each sample is changed.
        scales: Each sample is scaled by one of these factors, beside ``augment.scale``.
        motion: Share of the samples in which the objects are cut out and moved over the background by themselves
            (as in Lucid Data Dreaming, Khoreva et al. 2017), before all other changes.
        crop: ``(H, W)`` of a window that is cut from each sample, no larger than the frame; ``None``: whole frames.
        crop_focus: Share of the windows that show a part of an object for certain; the others lie anywhere.
        seed: Of everything that is drawn.
    """

    steps: int = field(default=200, metadata={"option": "--steps --online-steps"})
    seconds: float | None = field(default=None, metadata={"option": "--seconds"})
    learning_rate: float = field(default=1e-3, metadata={"option": "--learning-rate"})
    schedule: str = "constant"
    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 1
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    scales: tuple[float, ...] = (1.0,)
    motion: float = 0.0
    crop: tuple[int, int] | None = None
    crop_focus: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("finetune.schedule", self.schedule, ("constant", "cosine"))
        one_of("finetune.optimizer", self.optimizer, ("adam", "sgd", "rmsprop"))
        for name, least in (("steps", 0), ("batch_size", 1), ("weight_decay", 0), ("seed", 0)):
            if not getattr(self, name) >= least:
                raise VosError(f"finetune.{name}: expected {least} or more, found {getattr(self, name)}")
        if self.seconds is not None and not self.seconds > 0:
            raise VosError(f"finetune.seconds: expected a number above 0, found {self.seconds}")
        if not 0 < self.learning_rate < math.inf:
            raise VosError(f"finetune.learning_rate: expected a number above 0, found {self.learning_rate}")
        if not 0 <= self.momentum < 1:
            raise VosError(f"finetune.momentum: expected 0 <= x < 1, found {self.momentum}")
        if not self.scales or not all(0.05 <= scale <= 20 for scale in self.scales):
            raise VosError(f"finetune.scales: expected factors from 0.05 to 20, found {self.scales}")
        if self.crop is not None and min(self.crop) < 1:
            raise VosError(f"finetune.crop: expected height and width in pixels, found {self.crop}")
        if self.augment.window is not None:
            raise VosError(f"finetune.augment.window: expected none (see finetune.crop), found {self.augment.window}")
        if not 0 <= self.motion <= 1:
            raise VosError(f"finetune.motion: expected 0 <= x <= 1, found {self.motion}")
        if not 0 <= self.crop_focus <= 1:
            raise VosError(f"finetune.crop_focus: expected 0 <= x <= 1, found {self.crop_focus}")

    @property
    def adapts(self) -> bool:
        """Whether anything is learned."""
        return self.steps > 0 or self.seconds is not None


class FinetuneReport(NamedTuple):
    """What a fine-tuning did: updates, seconds, and the loss of the first and of the last update."""

    steps: int
    seconds: float
    first_loss: float
    last_loss: float


class Finetuner:
    """Fine-tunes one network for one video after another, each time from the same weights.

    One compiled step serves all videos whose samples have the same shapes; weights and the optimiser's slots are
    brought back by assignment.

    Args:
        network: A built Keras model. Its present weights are those that every video starts from.
        groups: What is trained.
        loss: From a batch, the arrays of a sample with a batch axis before them, to a scalar.
        settings: See `FinetuneSettings`.
        clock: Seconds, rising.
    """

    def __init__(
        self,
        network: Any,
        groups: Sequence[ParameterGroup],
        loss: Callable[..., Any],
        settings: FinetuneSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.network = network
        self.settings = settings
        self._loss = loss
        self._clock = clock
        self._trained = [variable for group in groups for variable in group.variables]
        self._optimizer = make_optimizer(
            TrainingSettings(
                optimizer=settings.optimizer,
                lr=settings.learning_rate,
                momentum=settings.momentum,
                weight_decay=settings.weight_decay,
            ),
            groups,
        )
        self.start: Values = _values(network.variables)
        self._optimizer_start = _values(self._optimizer.variables)
        self._compiled = tf.function(self._update)

    @property
    def traces(self) -> int:
        """How often the step was compiled."""
        return int(self._compiled.experimental_get_tracing_count())

    def assign(self, values: Values) -> None:
        """Give the network these values of its ``variables``."""
        for variable, value in zip(self.network.variables, values, strict=True):
            variable.assign(value)

    def restart(self, values: Values, memory: Values | None = None) -> None:
        """Give the network these values of its ``variables`` and the optimiser its ``memory``; as at first if none."""
        self.assign(values)
        for variable, value in zip(self._optimizer.variables, memory or self._optimizer_start, strict=True):
            variable.assign(value)

    @property
    def memory(self) -> Values:
        """Copies of what the optimiser remembers between updates."""
        return _values(self._optimizer.variables)

    def values(self) -> Values:
        """Copies of the network's ``variables``; those that are as at the start are shared with it."""
        now = _values(self.network.variables)
        return tuple(old if np.array_equal(old, new) else new for old, new in zip(self.start, now, strict=True))

    def run(self, draw: Callable[[int], Sample], description: str) -> FinetuneReport:
        """Fine-tune from the start.

        Args:
            draw: From the number of a sample to the sample: arrays, of the same shapes for all. It is called from
                several threads and depends on nothing but the number.
            description: What the user is told.

        Raises:
            VosError: The loss is not finite any more.
        """
        self.restart(self.start)
        if not self.settings.adapts:
            return FinetuneReport(0, 0.0, math.nan, math.nan)
        with _batches(draw, self.settings.batch_size) as batches:
            return self._steps(batches, description)

    def _steps(self, batches: Iterator[Sample], description: str) -> FinetuneReport:
        watch = _Watch(self._clock, self.settings)
        losses: list[float] = []

        def step() -> None:
            rate = self._learning_rate(watch.share_done(len(losses)))
            losses.append(self.update(next(batches), rate, len(losses)))
            watch.tick()

        while watch.goes_on(len(losses)) and len(losses) <= MEASURED_STEPS:
            step()
        total = watch.expected_steps(len(losses))
        if watch.goes_on(len(losses)):
            sys.stderr.write(f"{description}: {total} steps, about {as_clock(watch.expected_seconds(total))}\n")
            sys.stderr.flush()
            with progress(description, total, "steps", len(losses)) as bar:
                while watch.goes_on(len(losses)):
                    step()
                    bar.advance(note=f"loss {losses[-1]:.3g}")
        return FinetuneReport(len(losses), watch.elapsed, losses[0], losses[-1])

    def _learning_rate(self, done: float) -> float:
        cosine = self.settings.schedule == "cosine"
        return self.settings.learning_rate * (0.5 * (1 + math.cos(math.pi * done)) if cosine else 1.0)

    def update(self, batch: Sample, learning_rate: float, number: int = 0) -> float:
        """One update from where the network is; its loss.

        Args:
            batch: The arrays of a sample with a batch axis before them.
            learning_rate: Of groups of weights with rate 1.
            number: Of the update, for messages.

        Raises:
            VosError: The loss is not finite.
        """
        self._optimizer.learning_rate.assign(learning_rate)
        loss = float(self._compiled(tuple(tf.constant(x) for x in batch)))
        if not math.isfinite(loss):
            raise VosError(
                f"fine-tuning: expected a finite loss, found {loss} at step {number + 1}; choose a lower learning rate "
                f"than {self.settings.learning_rate:g}"
            )
        return loss

    def _update(self, batch: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for variable in self._trained:
                tape.watch(variable.value)
            loss = self._loss(*batch)
        gradients = tape.gradient(loss, [variable.value for variable in self._trained])
        # Weights that the loss does not reach (the heads of single scales) stay as they are, without decay, too.
        reached = [(g, v) for g, v in zip(gradients, self._trained, strict=True) if g is not None]
        self._optimizer.apply([g for g, _ in reached], [v for _, v in reached])
        return loss


class _Watch:
    """Decides when to stop: by the number of steps, or by the time budget and what a step has taken so far."""

    def __init__(self, clock: Callable[[], float], settings: FinetuneSettings) -> None:
        self._clock = clock
        self._settings = settings
        self._ticks = [clock()]

    @property
    def elapsed(self) -> float:
        """Seconds up to the last step's end."""
        return self._ticks[-1] - self._ticks[0]

    @property
    def _step(self) -> float:
        """Seconds of a step: the median of the last ones, without the first, which also compiles."""
        laps = np.diff(self._ticks[1:])[-9:]
        return float(np.median(laps)) if len(laps) else 0.0

    def tick(self) -> None:
        """A step has ended."""
        self._ticks = [*self._ticks[:2], *self._ticks[2:][-12:], self._clock()]

    def goes_on(self, steps: int) -> bool:
        """Whether there is another step after ``steps``; with a time budget, the first is always done."""
        if self._settings.seconds is None:
            return steps < self._settings.steps
        return steps == 0 or self.elapsed + self._step <= self._settings.seconds

    def share_done(self, steps: int) -> float:
        """0..1, of the steps or of the time."""
        if self._settings.seconds is None:
            return steps / self._settings.steps
        return min(self.elapsed / self._settings.seconds, 1.0)

    def expected_steps(self, steps: int) -> int:
        """How many there will be in all, after ``steps`` of them."""
        if self._settings.seconds is None:
            return self._settings.steps
        left = max(self._settings.seconds - self.elapsed, 0.0)
        return steps + (int(left / self._step) if self._step else 0)

    def expected_seconds(self, steps: int) -> float:
        """How long ``steps`` of them take in all."""
        return self._ticks[1] - self._ticks[0] + (steps - 1) * self._step


@contextmanager
def _batches(draw: Callable[[int], Sample], size: int) -> Iterator[Iterator[Sample]]:
    """Batches of drawn samples in order, prepared ahead in threads."""

    def batch(number: int) -> Sample:
        samples = [draw(number * size + index) for index in range(size)]
        return tuple(np.stack(parts) for parts in zip(*samples, strict=True))

    def ordered() -> Iterator[Sample]:
        waiting: deque[Future[Sample]] = deque(pool.submit(batch, number) for number in range(BATCHES_AHEAD))
        number = BATCHES_AHEAD
        while True:
            yield waiting.popleft().result()
            waiting.append(pool.submit(batch, number))
            number += 1

    pool = ThreadPoolExecutor(THREADS)
    try:
        yield ordered()
    finally:
        pool.shutdown(cancel_futures=True)


def _values(variables: Sequence[Any]) -> Values:
    return tuple(np.array(ops.convert_to_numpy(variable)) for variable in variables)
