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
        path: A run folder (``runs/s2s``), a model folder (``runs/s2s/model``), the weights file in one, or the name of
            a model that comes with vos_tf.
        rule: How objects are merged; arg-max against 0.5 if not given.
        **options: How the model segments, where it differs from its defaults: the fields of
            `vos_tf.methods.s2s.options.Options` for ``s2s`` (``objects_per_call=2``), of
            `vos_tf.methods.osvos.options.Options` for ``osvos`` (``finetune={"steps": 100}``), of
            `vos_tf.methods.rvos.segmenter.OneShotOptions` or ``ZeroShotOptions`` for ``rvos`` (``decode="all"``), of
            `vos_tf.methods.cosnet.segmenter.Options` for ``cosnet`` (``references=3``), and for all of them those of
            `vos_tf.inference.options.SharedOptions` (``crf={"enabled": True}``).

    Raises:
        VosError: There is no model, its weights do not match its configuration, or it has no such option.

    Examples:
        >>> import vos_tf
        >>> segmenter = vos_tf.load("s2s_small_synthetic")
        >>> segmenter.network.settings.trunk
        'small'
    """
    name, network = load_model(find_model(Path(path)))
    return get_method(name).make_segmenter(network, rule, get_method(name).resolve_options(network, options))


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
        name: Of a model that segments videos, for example ``s2s`` or ``osvos``.
        trunk: Which trunk; the model's own default if not given.
        weights: A ``.weights.h5`` file of the same network; random weights if not given.
        rule: As for `load`.
        options: As for `load`.
        **settings: Settings of the network that differ from the defaults, as in
            `vos_tf.methods.s2s.settings.S2SSettings`; and ``preset``, a published variant of ``s2s``.

    Raises:
        VosError: No such model, trunk or setting, or the weights do not fit.

    Examples:
        >>> import vos_tf
        >>> segmenter = vos_tf.build("s2s", trunk="small", state_filters=32)
        >>> segmenter.network.settings.size
        (128, 224)
    """
    network = get_method(name).build(get_method(name).resolve_settings(trunk, settings))
    if weights is not None:
        load_weights(network, Path(weights))
    return get_method(name).make_segmenter(network, rule, get_method(name).resolve_options(network, options or {}))
