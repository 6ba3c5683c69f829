"""Trunks keep the layers, names, shapes and order by which weights in older files are found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from vos_tf.methods.cosnet.deeplab import DEEPLAB_TRUNKS
from vos_tf.models.backbones import TRUNKS, TRUNKS_BEFORE_POOLING, TrunkKind, build_trunk

STRIDE_8 = {"output_stride": 8}


def weighted_layers(model: Any) -> list[Any]:
    found: list[Any] = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            found += weighted_layers(layer)
        elif layer.weights:
            found.append([type(layer).__name__, layer.name, [list(weight.shape) for weight in layer.weights]])
    return found


@pytest.mark.parametrize(
    ("kinds", "trunk", "channels", "options", "digest"),
    [
        (TRUNKS, "vgg16", 4, {}, "18731e3bd5a7"),
        (TRUNKS, "small", 4, {}, "27189bc3c5db"),
        (TRUNKS, "mobilenet_v2", 4, {}, "08204b4b7538"),
        (TRUNKS, "resnet34", 4, {}, "6c1e65a6969f"),
        (TRUNKS, "resnet50", 4, {}, "27f239e6b8f2"),
        (TRUNKS_BEFORE_POOLING, "vgg16", 3, {}, "a8921dab7e47"),
        (TRUNKS_BEFORE_POOLING, "vgg19_bn", 3, {}, "d027edf35f6b"),
        (DEEPLAB_TRUNKS, "resnet50", 3, STRIDE_8, "d4ee64696de6"),
        (DEEPLAB_TRUNKS, "mobilenet_v2", 3, STRIDE_8, "74be7cf4143a"),
    ],
)
def test_files_of_weights_stay_readable(
    kinds: Mapping[str, TrunkKind], trunk: str, channels: int, options: dict[str, int], digest: str
) -> None:
    layers = weighted_layers(build_trunk(trunk, channels, "trunk", kinds=kinds, **options))
    assert hashlib.sha256(json.dumps(layers).encode()).hexdigest()[:12] == digest
