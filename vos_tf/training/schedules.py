"""Learning rates over the course of training, as plain functions of the step."""

from __future__ import annotations

import math

from vos_tf.config import TrainingSettings


def learning_rate(settings: TrainingSettings, step: int, steps_per_epoch: int) -> float:
    """Learning rate of update ``step`` (from 0).

    ``constant``; ``cosine`` to 0; ``polynomial`` ``(1 - t) ** power``; ``exponential`` ``power ** t``; ``step``:
    multiplied by ``power`` at the end of each of ``schedule_steps`` equal stretches, or after every ``schedule_every``
    epochs; t runs from 0 to 1 over the epochs after the warm-up and the ``schedule_after`` epochs at the full rate.
    """
    total = settings.n_epochs * steps_per_epoch
    warmup = settings.warmup_epochs * steps_per_epoch
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    done = max(step - warmup - settings.schedule_after * steps_per_epoch, 0)
    t = done / max(total - warmup - settings.schedule_after * steps_per_epoch, 1)
    power = settings.schedule_power
    every = settings.schedule_every * steps_per_epoch
    factor: float = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * t)),
        "polynomial": max(1 - t, 0.0) ** power,
        "exponential": power**t,
        "step": power ** math.floor(done / every if every else t * settings.schedule_steps),
    }[settings.schedule]
    return settings.lr * factor
