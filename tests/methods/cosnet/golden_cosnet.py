"""COSNet with the weights of golden outputs, and their images as our network takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
from golden_outputs import Golden

from vos_tf.methods.cosnet.network import COSNet, COSNetSettings
from vos_tf.porting.assign import assign
from vos_tf.porting.layouts import NameTable


def network_of(golden: Golden, settings: COSNetSettings, table: Callable[[Any], NameTable]) -> COSNet:
    # All weights are replaced: drawing 81 million random numbers first would take longer than the test.
    with patch.object(keras.initializers.VarianceScaling, "__call__", _zeros):
        network = COSNet(settings)
    assign(network, table(network), golden.weights, Path("fixture"), "COSNet")
    return network


def _zeros(_self: Any, shape: tuple[int, ...], dtype: Any = None, **_options: Any) -> Any:
    return keras.ops.zeros(shape, dtype)


def raw_frames(golden: Golden, key: str = "clip") -> np.ndarray:
    """RGB 0..255 frames ``(T, H, W, 3)`` of an input whose channels lie in the order B, G, R."""
    spec = golden.meta["inputs"][key]
    frames, _ = golden.rules.video(
        spec["name"],
        golden.meta["salt"],
        spec["frames"],
        spec["height"],
        spec["width"],
        spec.get("objects", 1),
        high=255.0,
    )
    return np.ascontiguousarray(frames[..., ::-1])
