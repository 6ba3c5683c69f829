"""The Python API: `load` a trained model, or `build` one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vos_tf.inference.merging.graph import MergeRule
from vos_tf.inference.session import VideoSegmenter
from vos_tf.methods.load import find_model, load_model
from vos_tf.methods.registry import get_method
from vos_tf.models.weights import load_weights


def load(path: str | Path, *, rule: MergeRule | None = None, **options: Any) -> VideoSegmenter:
    """Load a trained model.

    Args:
        path: A run folder (``runs/davis``), a model folder (``runs/davis/model``), the weights file in one, or the name
            of a model that comes with vos_tf.
        rule: How objects are merged; arg-max against 0.5 if not given.
        **options: How the model segments, where it differs from its defaults: the fields of its method's ``Options``,
            such as ``finetune={"steps": 100}``, and of all methods ``test_scales``, ``test_flip`` and
            ``crf={"enabled": True}``.

    Raises:
        VosError: There is no model, its weights do not match its configuration, or it has no such option.

    Examples:
        >>> import vos_tf
        >>> from vos_tf.methods.load import shipped_models
        >>> vos_tf.load(shipped_models()[0]).needs_masks
        True
    """
    name, network = load_model(find_model(Path(path)))
    method = get_method(name)
    return method.make_segmenter(network, rule, method.resolve_options(network, options))


def build(
    name: str,
    *,
    trunk: str | None = None,
    weights: str | Path | None = None,
    rule: MergeRule | None = None,
    options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> VideoSegmenter:
    """Build a model from its name and settings.

    Args:
        name: Of a method, see `vos_tf.methods.registry.method_names`.
        trunk: Which trunk; the model's own default if not given.
        weights: A ``.weights.h5`` file of the same network; random weights if not given.
        rule: As for `load`.
        options: As for `load`.
        **settings: Settings of the network that differ from the method's defaults; and ``preset``, a published variant
            of a method that has some.

    Raises:
        VosError: No such model, trunk or setting, or the weights do not fit.

    Examples:
        >>> import vos_tf
        >>> from vos_tf.methods.registry import default_method
        >>> segmenter = vos_tf.build(default_method(), trunk="small", state_filters=32)
        >>> segmenter.network.settings.size
        (128, 224)
    """
    method = get_method(name)
    network = method.build(method.resolve_settings(trunk, settings))
    if weights is not None:
        load_weights(network, Path(weights))
    return method.make_segmenter(network, rule, method.resolve_options(network, options or {}))
