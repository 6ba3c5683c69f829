"""Optimisers whose learning rate and weight decay differ between groups of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vos_tf.config import TrainingSettings
from vos_tf.models.parameter_groups import ParameterGroup


class _Grouped:
    """Gives an optimiser one learning-rate multiplier and one L2 decay per variable.

    The decay is added to the gradient, as the originals' optimisers do, not taken from the weight (AdamW). The
    multipliers that are there when a step is traced are those of the step.
    """

    multipliers: Sequence[float]
    decays: Sequence[float]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)  # type: ignore[attr-defined]
        if self.decays[index]:
            gradient = gradient + ops.cast(self.decays[index], gradient.dtype) * ops.cast(variable, gradient.dtype)
        super().update_step(gradient, variable, learning_rate * self.multipliers[index])  # type: ignore[misc]


class Momentum(keras.optimizers.SGD):
    """Stochastic gradient descent whose momentum gathers gradients, not steps: ``m = mu m + g; w -= lr m``.

    The same as Keras' own while the learning rate is constant; where it changes, this is what the originals did.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        if self.momentum:
            gathered = self.momentums[self._get_variable_index(variable)]
            self.assign(gathered, gathered * ops.cast(self.momentum, variable.dtype) + gradient)
            gradient = gathered
        self.assign_sub(variable, gradient * rate)


class Adam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015, algorithm 1): epsilon is added after the correction of the bias, Keras adds it before.

    For gradients as small as those of a mean over many pixels that makes a difference.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        dtype = variable.dtype
        gradient, step = ops.cast(gradient, dtype), ops.cast(self.iterations + 1, dtype)
        index = self._get_variable_index(variable)
        first, second = self._momentums[index], self._velocities[index]
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(second, (ops.square(gradient) - second) * (1 - self.beta_2))
        corrections = [1 - ops.power(ops.cast(beta, dtype), step) for beta in (self.beta_1, self.beta_2)]
        rate = ops.cast(learning_rate, dtype) / corrections[0]
        self.assign_sub(variable, rate * first / (ops.sqrt(second / corrections[1]) + self.epsilon))


class GroupedAdam(_Grouped, Adam):
    """`Adam` for groups of weights."""


class GroupedAdamW(_Grouped, Adam):
    """AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019) for groups of weights.

    The decay is taken from the weight, times the learning rate of its group, not added to the gradient.
    """

    shrinkages: Sequence[float]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        index = self._get_variable_index(variable)
        if self.shrinkages[index]:
            rate = ops.cast(learning_rate, variable.dtype) * self.multipliers[index] * self.shrinkages[index]
            self.assign_sub(variable, rate * variable)
        super().update_step(gradient, variable, learning_rate)


class GroupedMomentum(_Grouped, Momentum):
    """`Momentum` for groups of weights."""


class GroupedRMSprop(_Grouped, keras.optimizers.RMSprop):
    """RMSprop for groups of weights."""


def make_optimizer(settings: TrainingSettings, groups: Sequence[ParameterGroup], replicas: int = 1) -> Any:
    """The optimiser of a run, with its slots built for the variables of all groups, in their order.

    Args:
        settings: ``optimizer``, ``momentum``, ``weight_decay``, ``clip_norm``, ``precision`` count. Adam: epsilon 1e-8;
            RMSprop: decay 0.99, epsilon 1e-8, as the originals' library has them. AdamW: weights of one axis or none,
            which are biases and scales of normalisations, have no decay.
        groups: What is trained.
        replicas: Of the strategy. Each hands its share of the summed gradient to the optimiser, so the limit of the
            norm is shared out as well.
    """
    clip_norm = settings.clip_norm / replicas if settings.clip_norm else None
    optimizer: Any
    if settings.optimizer == "adam":
        optimizer = GroupedAdam(settings.lr, epsilon=1e-8, global_clipnorm=clip_norm)
    elif settings.optimizer == "adamw":
        optimizer = GroupedAdamW(settings.lr, epsilon=1e-8, global_clipnorm=clip_norm)
    elif settings.optimizer == "sgd":
        optimizer = GroupedMomentum(settings.lr, momentum=settings.momentum, global_clipnorm=clip_norm)
    else:
        optimizer = GroupedRMSprop(settings.lr, rho=0.99, epsilon=1e-8, global_clipnorm=clip_norm)
    variables = [variable for group in groups for variable in group.variables]
    set_rates(optimizer, groups)
    optimizer.decays = [settings.weight_decay * group.decay for group in groups for _ in group.variables]
    if settings.optimizer == "adamw":
        kernels = [len(variable.shape) > 1 for variable in variables]
        optimizer.shrinkages = [decay * kernel for decay, kernel in zip(optimizer.decays, kernels, strict=True)]
        optimizer.decays = [0.0] * len(variables)
    if settings.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def set_rates(optimizer: Any, groups: Sequence[ParameterGroup]) -> None:
    """Let the steps that are traced from now on have the rates of ``groups``: the same weights in the same order."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    optimizer.multipliers = [group.rate for group in groups for _ in group.variables]
