"""Learning rates over the course of training, as plain functions of the step."""

from __future__ import annotations

import math

from vos_tf.config import TrainingSettings


def learning_rate(settings: TrainingSettings, step: int, steps_per_epoch: int) -> float:
    """Learning rate of update ``step`` (from 0).

    ``constant``; ``cosine`` to 0; ``polynomial`` ``(1 - t) ** power``; ``exponential`` ``power ** t``; ``step``:
    multiplied by ``power`` at the end of each of ``schedule_steps`` equal stretches; t runs from 0 to 1 over the
    epochs after the warm-up.
    """
    total = settings.n_epochs * steps_per_epoch
    warmup = settings.warmup_epochs * steps_per_epoch
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    t = (step - warmup) / max(total - warmup, 1)
    power = settings.schedule_power
    factor: float = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * t)),
        "polynomial": max(1 - t, 0.0) ** power,
        "exponential": power**t,
        "step": power ** math.floor(t * settings.schedule_steps),
    }[settings.schedule]
    return settings.lr * factor
