"""Networks by name: their settings, and the classes that are built from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from vos_tf.config import fill
from vos_tf.errors import VosError


@dataclass(frozen=True)
class ModelKind:
    """Where a model lives: ``module`` holds the class ``network`` and ``default_settings(trunk)``.

    Where it has published variants, ``default_settings`` takes the name of one of its ``PRESETS``, too.
    """

    module: str
    network: str
    trunk: str


_MODELS = {
    "s2s": ModelKind("vos_tf.models.s2s", "S2S", "vgg16"),
    "osvos": ModelKind("vos_tf.models.osvos", "OSVOS", "vgg16"),
    "rvos": ModelKind("vos_tf.models.rvos", "RVOS", "resnet101"),
    "cosnet": ModelKind("vos_tf.models.cosnet", "COSNet", "resnet101"),
    "emvos": ModelKind("vos_tf.methods.emvos.network", "EMVOS", "efficientnet_lite0"),
}


def model_names() -> tuple[str, ...]:
    """Names that `build_network` knows."""
    return tuple(_MODELS)


def _part(name: str, part: str) -> Any:
    if name not in _MODELS:
        raise VosError(f"model: expected one of {', '.join(_MODELS)}, found {name!r}")
    kind = _MODELS[name]
    return getattr(import_module(kind.module), kind.network if part == "network" else part)


def default_settings(name: str, trunk: str, **preset: Any) -> Any:
    """The settings a model has for a trunk, and for a ``preset``, when nothing else is said."""
    return _part(name, "default_settings")(trunk, **preset)


def has_presets(name: str) -> bool:
    """Whether a model has published variants."""
    return hasattr(import_module(_MODELS[name].module), "PRESETS")


def resolve_settings(name: str, trunk: str | None, changes: Mapping[str, Any]) -> Any:
    """The settings of model ``name`` for ``trunk`` (``None``: the model's own) with ``changes``, checked.

    Among the changes, ``preset`` is no setting: it names a published variant whose settings all others change.

    Raises:
        VosError: No such model, trunk, preset or setting, or a value that does not fit.
    """
    preset = {}
    if "preset" in changes and name in _MODELS and has_presets(name):
        preset = {"preset": changes["preset"]}
        changes = {key: value for key, value in changes.items() if key != "preset"}
    base = default_settings(name, trunk or _MODELS[name].trunk if name in _MODELS else "", **preset)
    if changes.get("trunk", base.trunk) != base.trunk:
        raise VosError(f"model.settings.trunk: expected {base.trunk!r} like model.trunk, found {changes['trunk']!r}")
    values = {item.name: getattr(base, item.name) for item in dataclasses.fields(base)}
    return fill(type(base), {**values, **changes}, "model.settings")


def build_network(name: str, settings: Any) -> Any:
    """A network with new weights from its settings dataclass."""
    return _part(name, "network")(settings)


def network_from_config(name: str, config: Mapping[str, Any]) -> Any:
    """A network with new weights from what its ``get_config`` gave."""
    return _part(name, "network").from_config(dict(config))
