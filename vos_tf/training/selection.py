"""Which epoch is the best one, and when to stop waiting for a better one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from vos_tf.config import TrainingSettings
from vos_tf.training.checkpoints import Position


class Validation(NamedTuple):
    """Mean J and mean loss of an epoch's validation clips; ``None`` where nothing could be measured."""

    j: float | None
    loss: float | None


def judge(settings: TrainingSettings, position: Position, found: Validation) -> tuple[bool, Position]:
    """Whether an epoch is the best so far, and the position that remembers it.

    Args:
        settings: ``best_by`` and ``min_delta`` count.
        position: Before the epoch.
        found: In validation after the epoch; an epoch without validation is neither better nor worse.
    """
    if settings.best_by == "loss":
        if found.loss is None:
            return False, position
        if found.loss < (math.inf if position.best_loss is None else position.best_loss - settings.min_delta):
            return True, replace(position, best_loss=found.loss, waiting=0)
    else:
        if found.j is None:
            return False, position
        if found.j > position.best_j + settings.min_delta or not position.has_best:
            return True, replace(position, best_j=found.j, waiting=0)
    return False, replace(position, waiting=position.waiting + 1)


def out_of_patience(settings: TrainingSettings, position: Position) -> bool:
    """Whether no epoch was better for ``patience`` epochs."""
    return 0 < settings.patience <= position.waiting
