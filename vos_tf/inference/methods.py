"""How each model runs over videos: from a network and options to a segmenter, by the model's name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

from vos_tf.config import fill, merge, nearest
from vos_tf.errors import VosError
from vos_tf.inference.crf import refine_probabilities
from vos_tf.inference.merge import MergeRule
from vos_tf.inference.session import VideoSegmenter
from vos_tf.inference.shared_options import with_shared
from vos_tf.inference.views import View, ViewsSegmenter, check_scales, resized, views

# Each module holds a frozen dataclass of options, ``default_options(network)`` that gives one with the values that suit
# the network, and ``make(network, rule, options)``. A field with the metadata ``decides_masks: False`` changes how the
# work is done, but not the masks. `vos_tf.inference.shared_options` has the options of all of them; a module that has
# the option ``test_scales`` itself averages over scales itself.
_METHODS = {
    "s2s": "vos_tf.inference.segmenter",
    "osvos": "vos_tf.inference.one_shot",
    "rvos": "vos_tf.inference.rvos",
    "cosnet": "vos_tf.inference.cosnet",
    "emvos": "vos_tf.methods.emvos.segmenter",
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
    own: Any = _module(model).default_options(network)
    own_kind: Any = type(own)
    kind = with_shared(own_kind)
    defaults = kind(**{item.name: getattr(own, item.name) for item in dataclasses.fields(own)})
    _refuse_foreign(model, given, defaults, "")
    chosen = fill(kind, merge(_plain(defaults), given), f"{model} options")
    check_scales(chosen.test_scales)
    return chosen


def make_segmenter(model: str, network: Any, rule: MergeRule | None = None, options: Any = None) -> VideoSegmenter:
    """The segmenter of a network.

    Args:
        model: The model's name.
        network: The network.
        rule: How objects are merged; arg-max against 0.5 if not given.
        options: What `resolve_options` gave; the defaults if not given.
    """
    chosen = options or resolve_options(model, network, {})
    made = _seen_in_views(model, network, rule or MergeRule(), chosen)
    if chosen.crf.enabled:
        made.merging.refine = partial(refine_probabilities, settings=chosen.crf)
    return made


def _seen_in_views(model: str, network: Any, rule: MergeRule, options: Any) -> VideoSegmenter:
    module = _module(model)
    looks = views(options.test_scales, options.test_flip)
    itself = hasattr(type(module.default_options(network)), "test_scales")
    if itself or looks == (View(1.0, False),):
        plain: VideoSegmenter = module.make(network, rule, options)
        return plain
    scales = dict.fromkeys(options.test_scales)
    return ViewsSegmenter({scale: module.make(resized(network, scale), rule, options) for scale in scales}, looks)


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
