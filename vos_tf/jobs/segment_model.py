"""Which model segments a user's video: the one that is named, or a fitting one of those that come with vos_tf."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.files import sha256
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.inference.options import result_options
from vos_tf.inference.session import VideoSegmenter
from vos_tf.methods.load import SHIPPED, find_model, load_model, shipped_models
from vos_tf.methods.registry import all_methods, get_method, method_names, preferred_method
from vos_tf.models.weights import CONFIG, WEIGHTS

_MADE_UP = "synthetic"


@dataclass(frozen=True)
class ChosenModel:
    """A segmenter and what the user should know of it.

    Attributes:
        segmenter: What segments.
        method: The model's name.
        origin: Where its weights are from.
        digest: SHA-256 of its weights.
        settings: What decides the masks, beside weights and data.
        notes: Sentences for the user.
    """

    segmenter: VideoSegmenter
    method: str
    origin: str
    digest: str
    settings: Mapping[str, Any]
    notes: tuple[str, ...]


def choose_model(
    method: str | None,
    path: Path | None,
    rule: MergeRule,
    given: Mapping[str, Any],
    *,
    masks: bool,
    known: bool,
    adapted: Path,
) -> ChosenModel:
    """Load the model that a user means.

    Args:
        method: Name of a model; ``None``: that of ``path``, or the preferred one.
        path: Run folder, model folder, weights file in one, or name of a model that comes with vos_tf; ``None``: one of
            those.
        rule: How objects are merged.
        given: Options of the method that differ from its defaults.
        masks: Whether there are masks of objects to follow.
        known: Whether the video's length is known, and each of its frames can be read before its time.
        adapted: Where weights are kept that a method adapts to the video.

    Raises:
        VosError: No such model, none that fits comes with vos_tf, or it has no such option.
    """
    if method is not None:
        one_of("--method", method, method_names())
    folder = find_model(path) if path is not None else _shipped(method, masks=masks)
    name, network = load_model(folder)
    if method not in (None, name):
        raise VosError(f"{path}: expected a model of --method {method}, found one of {name}")
    chosen = get_method(name)
    fitting: dict[str, Any] = {"adapted": str(adapted)} if chosen.finetunes else {}
    if masks and not chosen.needs_masks(network.get_config()["settings"]):
        fitting |= chosen.following_masks
    if not known:
        fitting |= chosen.without_lookahead
    options = chosen.resolve_options(network, {**fitting, **given})
    segmenter = chosen.make_segmenter(network, rule, options)
    if segmenter.needs_masks and not masks:
        raise _without_masks(name)
    settings = {"merge": rule.name, "background": rule.background, **result_options(options)}
    settings["network"] = network.get_config()["settings"]
    return ChosenModel(segmenter, name, _origin(folder), sha256(folder / WEIGHTS), settings, _notes(name, folder))


def _maskless() -> str:
    """The methods that can work without masks."""
    return " or ".join(method.name for method in all_methods() if method.maskless_recipe)


def _without_masks(name: str) -> VosError:
    return VosError(
        f"--mask: expected a mask of each object to follow, as {name} does not find objects itself, found none; "
        f"networks of {_maskless()} find objects without masks"
    )


def _origin(folder: Path) -> str:
    return f"{folder.name}, which comes with vos_tf" if folder.parent == SHIPPED else str(folder)


def _notes(name: str, folder: Path) -> tuple[str, ...]:
    if folder.parent == SHIPPED and _MADE_UP in folder.name:
        return (
            f"{folder.name} has seen nothing but made-up video: for real video take --method {preferred_method()}, "
            f"or train {name} (--recipe {get_method(name).light_recipe}) and give its run with --run",
        )
    return ()


def _shipped(method: str | None, *, masks: bool) -> Path:
    """A model that comes with vos_tf, of a method, for work with or without masks."""
    fitting: dict[str, Path] = {}
    for name in shipped_models():
        config = json.loads((SHIPPED / name / CONFIG).read_text(encoding="utf-8"))
        if _finds_objects(config) != masks:
            fitting.setdefault(config["model"], SHIPPED / name)
    preferred = preferred_method()
    wanted = method or (preferred if preferred in fitting else next(iter(fitting), None))
    if wanted in fitting:
        return fitting[wanted]
    if method is None:
        raise VosError(
            "--mask: expected a mask of each object to follow, or a model that finds objects itself (--run of one of "
            f"{_maskless()}), found neither"
        )
    recipe = get_method(method).light_recipe if masks else get_method(method).maskless_recipe
    if not recipe and not masks:
        raise _without_masks(method)
    kind = f"{method} that follows given masks" if masks else f"{method} that works without masks"
    train = f"train one (python VOS.py --recipe {recipe})" if recipe else "train one"
    raise VosError(
        f"--method {method}: expected a trained model, as no {kind} comes with vos_tf, found neither --run nor "
        f"--weights; {train}, import one (vos-tf import)"
        + (f", or take --method {preferred}" if masks and method != preferred else "")
    )


def _finds_objects(config: Mapping[str, Any]) -> bool:
    """Whether a model works without masks, by its configuration."""
    return not get_method(config["model"]).needs_masks(config["network"]["settings"])
