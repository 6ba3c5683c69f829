"""How each model runs over videos: from a network and options to a segmenter, by the model's name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from vos_tf.config import fill, merge, nearest
from vos_tf.errors import VosError
from vos_tf.inference.merge import MergeRule
from vos_tf.inference.session import VideoSegmenter

# Each module holds a frozen dataclass of options, ``default_options(network)`` that gives one with the values that suit
# the network, and ``make(network, rule, options)``. A field with the metadata ``decides_masks: False`` changes how the
# work is done, but not the masks.
_METHODS = {
    "s2s": "vos_tf.inference.segmenter",
    "osvos": "vos_tf.inference.one_shot",
    "rvos": "vos_tf.inference.rvos",
}


def _module(model: str) -> Any:
    if model not in _METHODS:
        raise VosError(f"model: expected one that segments videos ({', '.join(_METHODS)}), found {model!r}")
    return import_module(_METHODS[model])


def resolve_options(model: str, network: Any, given: Mapping[str, Any]) -> Any:
    """The complete options of a model's segmenter from those that differ from its defaults, checked.

    Args:
        model: The model's name.
        network: The network, as the defaults may depend on its trunk.
        given: Options, those of sections as nested mappings: ``{"finetune": {"steps": 100}}``.

    Raises:
        VosError: The model has no such option, a wrong type or an impossible value.
    """
    defaults = _module(model).default_options(network)
    _refuse_foreign(model, given, defaults, "")
    return fill(type(defaults), merge(_plain(defaults), given), f"{model} options")


def make_segmenter(model: str, network: Any, rule: MergeRule | None = None, options: Any = None) -> VideoSegmenter:
    """The segmenter of a network.

    Args:
        model: The model's name.
        network: The network.
        rule: How objects are merged; arg-max against 0.5 if not given.
        options: What `resolve_options` gave; the defaults if not given.
    """
    made: VideoSegmenter = _module(model).make(
        network, rule or MergeRule(), options or resolve_options(model, network, {})
    )
    return made


def is_zero_shot(network: Any) -> bool:
    """Whether a network finds objects itself instead of following those it is given masks of."""
    return not getattr(network.settings, "mask_input", True)


def deciding(options: Any) -> dict[str, Any]:
    """The options that decide the masks, as plain values."""
    decide = {item.name for item in dataclasses.fields(options) if item.metadata.get("decides_masks", True)}
    return {key: value for key, value in _plain(options).items() if key in decide}


def _plain(options: Any) -> dict[str, Any]:
    return dataclasses.asdict(options)


def _refuse_foreign(model: str, given: Mapping[str, Any], options: Any, prefix: str) -> None:
    """Name the first given option that the model does not have, at any depth."""
    known = [item.name for item in dataclasses.fields(options)]
    for key, value in given.items():
        if key not in known:
            raise VosError(
                f"option {prefix}{key}: expected an option of {model} ({', '.join(prefix + name for name in known)}), "
                f"found one that it does not have{nearest(key, known)}"
            )
        section = getattr(options, key)
        if dataclasses.is_dataclass(section) and isinstance(value, Mapping):
            _refuse_foreign(model, value, section, f"{prefix}{key}.")
