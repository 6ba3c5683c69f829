"""The learned parts of EMVOS: what is said of a frame alone, and the decoder from cues to logits."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from vos_tf.methods.emvos.settings import STRIDES, EMVOSSettings
from vos_tf.models.backbones import build_trunk

PRIOR = (3.0, 3.0, 2.0, 3.0, 1.0)
"""First weights of what the cues say by themselves: permanent bases, moving bases, ridge score (-1..1), local match at
stride 8 and at 16 (all but the score 0..1)."""


@keras.saving.register_keras_serializable("vos_tf")
class Doubling(keras.layers.Layer):
    """Maps at twice their size, bilinear, cut to the size of another map."""

    def call(self, x: Any, like: Any) -> Any:
        """Enlarge ``(N, h, w, C)`` to the height and width of ``like``, at most twice its own."""
        return doubled(x)[:, : ops.shape(like)[1], : ops.shape(like)[2]]

    def compute_output_shape(self, x_shape: Any, like_shape: Any) -> tuple[int | None, ...]:
        """The other map's size."""
        return (x_shape[0], *like_shape[1:3], x_shape[3])


_UP = keras.layers.UpSampling2D(2, interpolation="bilinear", name="doubled")


def doubled(x: Any) -> Any:
    """Maps ``(N, h, w, C)`` at twice their size, bilinear."""
    if x.shape[1] is not None and x.shape[2] is not None:
        return _UP(x)
    for axis in (1, 2):  # Keras resizes to known sizes alone
        x = _doubled_along(x, axis)
    return x


def _doubled_along(x: Any, axis: int) -> Any:
    """Maps with twice as many rows (axis 1) or columns (2): each between itself and one of its neighbours."""
    count, shape = ops.shape(x)[axis], list(ops.shape(x))
    index = ops.arange(count)
    before, after = (ops.take(x, ops.clip(index + step, 0, count - 1), axis=axis) for step in (-1, 1))
    both = ops.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
    shape[axis] = 2 * count
    return ops.reshape(both, (-1, *shape[1:]))


def _conv(filters: int, kernel: int, name: str, **options: Any) -> Any:
    return keras.layers.Conv2D(filters, kernel, padding="same", name=name, **options)


def _frame(filters: int, name: str, **options: Any) -> Any:
    # The trunk's maps vary about six times as much as what else the decoder sees.
    return _conv(filters, 1, name, kernel_initializer=keras.initializers.VarianceScaling(1 / 36), **options)


def build_taps(settings: EMVOSSettings) -> Any:
    """The trunk, from RGB 0..255 to its maps at strides 2, 4, 8 and 16."""
    trunk = build_trunk(settings.trunk, 3, "trunk")
    return keras.Model(trunk.inputs, trunk.outputs[: len(STRIDES)], name="trunk")


def build_encoder(settings: EMVOSSettings, channels: list[int]) -> Any:
    """From the trunk's maps to keys and the frame's share of each scale of the decoder.

    Args:
        settings: Of the network.
        channels: Of the trunk's maps.

    Returns:
        A model; keys ``(N, h, w, C)`` at stride 8, not yet of unit length, then maps at strides 8, 4 and 2.
    """
    at2, at4, at8, at16 = (keras.Input((None, None, count)) for count in channels)
    up = Doubling(name="up16")
    projected = [
        _conv(settings.key_channels, 1, "key8", kernel_initializer="orthogonal")(at8),
        up(_conv(settings.key_channels, 1, "key16", use_bias=False, kernel_initializer="orthogonal")(at16), at8),
    ]
    key = projected[0] + projected[1]
    key = key + _conv(settings.key_channels, 3, "key_change", kernel_initializer="zeros")(ops.relu(key))
    coarse, middle, fine = settings.filters
    frame8 = _frame(coarse, "frame8")(at8) + up(_frame(coarse, "frame16", use_bias=False)(at16), at8)
    frame4, frame2 = _frame(middle, "frame4")(at4), _frame(fine, "frame2")(at2)
    return keras.Model([at2, at4, at8, at16], [key, frame8, frame4, frame2], name="encoder")


def build_values(settings: EMVOSSettings) -> Any:
    """From keys and the object's probability ``(N, h, w, C + 1)`` to the learned part of values ``(N, h, w, V)``."""
    inputs = keras.Input((None, None, settings.key_channels + 1))
    return keras.Model(inputs, _conv(settings.value_channels, 3, "values")(inputs), name="values")


def build_decoder(settings: EMVOSSettings, cues: int) -> Any:
    """From cues, what the cues say alone, and the frame's maps to logits.

    Before training it says what the cues say alone.

    Args:
        settings: Of the network.
        cues: Number of channels of the cues.

    Returns:
        A model from cues ``(N, h, w, cues)``, the five plain cues ``(N, h, w, 5)`` and the maps of `build_encoder` at
        strides 8, 4 and 2 (batch N or 1) to logits ``(N, ..., 1)`` at stride 2, at stride 8, and of the plain cues.
    """
    coarse, middle, fine = settings.filters
    seen, plain = keras.Input((None, None, cues)), keras.Input((None, None, len(PRIOR)))
    frame8, frame4, frame2 = (keras.Input((None, None, count)) for count in settings.filters)
    prior = keras.layers.Conv2D(
        1,
        1,
        kernel_initializer=keras.initializers.Constant(np.reshape(PRIOR, (1, 1, -1, 1)).tolist()),
        bias_initializer=keras.initializers.Constant(-sum(PRIOR[:2] + PRIOR[3:]) / 2),
        name="prior",
    )(plain)
    x = ops.relu(_conv(coarse, 1, "cues")(seen) + frame8)
    x = ops.relu(x + _conv(coarse, 3, "mix8b")(_conv(coarse, 3, "mix8a", activation="relu")(x)))
    at8 = _conv(1, 1, "logits8", kernel_initializer="zeros")(x) + prior
    x = ops.relu(Doubling(name="up8")(_conv(middle, 1, "narrow8")(x), frame4) + frame4)
    x = ops.relu(x + _conv(middle, 3, "mix4b")(_conv(middle, 3, "mix4a", activation="relu")(x)))
    x = ops.relu(Doubling(name="up4")(_conv(fine, 1, "narrow4")(x), frame2) + frame2)
    x = _conv(fine, 3, "mix2", activation="relu")(x)
    finer = Doubling(name="finer8")(at8, frame4)
    at2 = _conv(1, 3, "logits2", kernel_initializer="zeros")(x) + Doubling(name="finer4")(finer, frame2)
    return keras.Model([seen, plain, frame8, frame4, frame2], [at2, at8, prior], name="decoder")
