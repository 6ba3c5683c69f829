"""Networks for inference alone: normalisations that became part of the convolutions before them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from vos_tf.models.batch_norm import BatchNorm


def folded(model: Any) -> Any:
    """A copy of a model for inference, without each `BatchNorm` that directly follows a convolution.

    A normalisation with its moving statistics is linear, ``scale * x + shift``: the convolution gets kernels times
    ``scale`` and the bias ``shift``. Frameworks then run convolution, bias and activation as one operation.

    Args:
        model: A functional Keras model. Weights are copied as they are now; it is not changed.

    Returns:
        A model whose outputs are those of the given one with ``training=False``, but for rounding; the given one
        itself where there is nothing to fold.
    """
    norms = {layer.name: conv for layer in model.layers if (conv := _convolution_before(layer, model)) is not None}
    convolutions = {conv.name for conv in norms.values()}
    if not norms:
        return model

    def copied(layer: Any) -> Any:
        if layer.name in norms:
            return keras.layers.Identity(name=layer.name)
        config = layer.get_config()
        if layer.name in convolutions:
            config["use_bias"] = True
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=copied)
    for name, conv in norms.items():
        _fold(conv, model.get_layer(name), copy.get_layer(conv.name))
    for layer in model.layers:
        if layer.weights and layer.name not in norms and layer.name not in convolutions:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    copy.trainable = False
    return copy


def _convolution_before(layer: Any, model: Any) -> Any:
    """The convolution whose only use is this layer, a `BatchNorm`; ``None`` if there is none."""
    if not isinstance(layer, BatchNorm):
        return None
    conv = layer.input._keras_history.operation
    alone = len(conv._outbound_nodes) == 1 and all(layer.input is not output for output in model.outputs)
    return conv if type(conv) is keras.layers.Conv2D and not conv.use_bias and alone else None


def _fold(conv: Any, norm: Any, target: Any) -> None:
    scale = norm.gamma * ops.rsqrt(norm.moving_variance + norm.epsilon)
    target.kernel.assign(conv.kernel * scale)
    target.bias.assign(norm.beta - norm.moving_mean * scale)
