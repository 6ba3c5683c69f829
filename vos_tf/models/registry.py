"""Networks by name, and their exchange: ``.weights.h5`` beside a JSON config, rebuilt from our own classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from vos_tf.errors import VosError


@dataclass(frozen=True)
class ModelKind:
    """Where a model lives: ``module`` holds the network class, its settings and ``default_settings(trunk)``."""

    module: str
    network: str
    settings: str


_MODELS = {"s2s": ModelKind("vos_tf.models.s2s", "S2S", "S2SSettings")}


def model_names() -> tuple[str, ...]:
    """Names that `build_network` knows."""
    return tuple(_MODELS)


def _part(name: str, part: str) -> Any:
    if name not in _MODELS:
        raise VosError(f"model: expected one of {', '.join(_MODELS)}, found {name!r}")
    kind = _MODELS[name]
    return getattr(import_module(kind.module), {"network": kind.network, "settings": kind.settings}.get(part, part))


def settings_class(name: str) -> Any:
    """The settings dataclass of a model."""
    return _part(name, "settings")


def default_settings(name: str, trunk: str) -> Any:
    """The settings a model has for a trunk when nothing else is said."""
    return _part(name, "default_settings")(trunk)


def build_network(name: str, settings: Any) -> Any:
    """A network with new weights from its settings dataclass."""
    return _part(name, "network")(settings)


def network_from_config(name: str, config: Mapping[str, Any]) -> Any:
    """A network with new weights from what its ``get_config`` gave."""
    return _part(name, "network").from_config(dict(config))
