"""Normalisations folded into convolutions: the same outputs, fewer layers, and the given model as it was."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from vos_tf.models.backbones import build_trunk
from vos_tf.models.batch_norm import BatchNorm
from vos_tf.models.folding import folded
from vos_tf.models.resnet import build_resnet


def dilated_resnet() -> Any:
    return build_resnet(50, 3, "trunk", output_stride=8, deeplab=True)


@pytest.mark.parametrize("build", [lambda: build_resnet(34, 3, "trunk"), dilated_resnet], ids=["resnet34", "dilated"])
def test_outputs_are_the_same_and_the_given_model_stays(build: Any) -> None:
    model, rng = build(), np.random.default_rng(0)
    for norm in (layer for layer in model.layers if isinstance(layer, BatchNorm)):
        norm.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in norm.get_weights()])
    before = model.get_weights()
    copy = folded(model)
    image = rng.uniform(0, 255, (1, 48, 64, 3)).astype(np.float32)
    wanted, found = (
        [keras.ops.convert_to_numpy(x) for x in keras.tree.flatten(m(image, training=False))] for m in (model, copy)
    )
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-4 * one.std())
    assert not any(isinstance(layer, BatchNorm) for layer in copy.layers)
    assert all((old == new).all() for old, new in zip(before, model.get_weights(), strict=True))


def test_a_model_with_nothing_to_fold_is_given_back() -> None:
    trunk = build_trunk("vgg16", 3, "trunk")
    assert folded(trunk) is trunk


def test_a_convolution_that_others_look_at_keeps_its_output() -> None:
    inputs = keras.Input((8, 8, 3))
    conv = keras.layers.Conv2D(4, 1, use_bias=False)(inputs)
    model = keras.Model(inputs, [BatchNorm()(conv), conv])
    assert folded(model) is model
