"""What is particular to training each model: its loss, its groups of weights; everything else is shared."""

from vos_tf.training.objectives.base import Objective, Outcome, check_objective, make_objective, resolve_objective

__all__ = ["Objective", "Outcome", "check_objective", "make_objective", "resolve_objective"]
