"""Weights of a network that are trained alike: what a network says of itself, and a training asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ParameterGroup:
    """Weights that are trained alike.

    Attributes:
        name: What they are.
        variables: The weights.
        rate: Their learning rate as a multiple of the run's.
        decay: Whether the run's weight decay applies to them.
        first_epoch: They stay as they are before this epoch, counted from 0.
    """

    name: str
    variables: Sequence[Any]
    rate: float = 1.0
    decay: bool = True
    first_epoch: int = 0
