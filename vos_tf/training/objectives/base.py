"""The contract between a model's objective and the training loop, and the objectives by the models' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from vos_tf.config import fill
from vos_tf.errors import VosError
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.pipeline.options import ClipOptions

# Each module holds a frozen dataclass ``Settings`` and a function ``make(settings, objects)``; one that learns
# otherwise from batches of still images alone, too, a function ``make_for_stills(settings, objects)``; one whose
# settings need some of the network or the clips, a function ``check(settings, network_settings, clip_options)``.
_OBJECTIVES = {
    "s2s": "vos_tf.training.objectives.s2s",
    "rvos": "vos_tf.training.objectives.rvos",
    "osvos": "vos_tf.training.objectives.osvos",
    "cosnet": "vos_tf.training.objectives.cosnet",
    "emvos": "vos_tf.methods.emvos.objective",
}


class Outcome(NamedTuple):
    """What a network made of a batch.

    Attributes:
        losses: float32 ``(B,)``, one per clip.
        logits: ``(B, T, K, H, W)``.
        targets: 0 or 1, the same shape.
        weights: 0 where a pixel does not count, the same shape.
    """

    losses: Any
    logits: Any
    targets: Any
    weights: Any


class Objective(Protocol):
    """How one model is trained."""

    def groups(self, network: Any) -> Sequence[ParameterGroup]:
        """All weights that are ever trained, in groups."""

    def outcome(self, network: Any, batch: ClipBatch, progress: Any, *, training: bool) -> Outcome:
        """Run the network over a batch of clips.

        Args:
            network: The network.
            batch: See `ClipBatch`.
            progress: float32 scalar, 0..1: the share of the run's updates that are done.
            training: Whether a training step (augmented clips, changing statistics) or validation asks.
        """


def _module(model: str) -> Any:
    if model not in _OBJECTIVES:
        raise VosError(f"training: expected one of the models {', '.join(_OBJECTIVES)}, found {model!r}")
    return import_module(_OBJECTIVES[model])


def resolve_objective(model: str, values: Mapping[str, Any]) -> Any:
    """The complete settings of a model's objective from those that differ from its defaults, checked.

    Raises:
        VosError: An unknown or mistyped key, a wrong type or an impossible value.
    """
    return fill(_module(model).Settings, values, "training.objective")


def check_objective(model: str, values: Mapping[str, Any], network: Any, clips: ClipOptions) -> None:
    """Refuse settings of a model's objective that are wrong, or do not suit the network's settings or the clips.

    Raises:
        VosError: See `resolve_objective`; or they do not suit.
    """
    settings, module = resolve_objective(model, values), _module(model)
    if hasattr(module, "check"):
        module.check(settings, network, clips)


def make_objective(model: str, values: Mapping[str, Any], objects: int, *, stills: bool = False) -> Objective:
    """The objective of a model for clips with ``objects`` slots; ``stills``: for batches of still images alone.

    Both have the same groups of weights, with rates of their own.
    """
    module = _module(model)
    make = getattr(module, "make_for_stills", module.make) if stills else module.make
    return make(resolve_objective(model, values), objects)  # type: ignore[no-any-return]
