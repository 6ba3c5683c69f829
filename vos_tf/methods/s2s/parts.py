"""The parts of an S2S network but its ConvLSTMs, as Keras models: initializer, encoder, decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from vos_tf.methods.s2s.polyphase import UpDownConvolution
from vos_tf.methods.s2s.settings import Layers, S2SSettings
from vos_tf.models.backbones import build_trunk, trunk_kind
from vos_tf.models.resize import AlignedUpsampling, ResizeToReference


def _conv(filters: int, kernel: int, name: str, activation: str | None = "relu") -> Any:
    return keras.layers.Conv2D(filters, kernel, padding="same", activation=activation, name=name)


def _hidden(x: Any, layers: Layers) -> Any:
    for index, (filters, kernel) in enumerate(layers, start=1):
        x = _conv(filters, kernel, f"fc{index + 5}")(x)
    return x


def build_initializer(settings: S2SSettings) -> Any:
    """From an image and a mask ``(N, H, W, 4)`` to hidden and cell state of each ConvLSTM, coarsest first."""
    options: dict[str, Any] = {"first_padding": "valid"} if settings.first_padding == "valid" else {}
    trunk = build_trunk(settings.trunk, 4, "initializer_trunk", normalization=settings.normalization, **options)
    x = _hidden(trunk.outputs[-1], settings.initializer_hidden)
    states = [_conv(settings.state_filters, 1, name)(x) for name in ("hidden", "cell")]
    if settings.finer_states:
        x = _conv(settings.state_filters, 1, "reduced")(x)
    finer = trunk.outputs[-2::-1]
    for level, ((filters, _), scale) in enumerate(zip(settings.finer_states, finer, strict=False), start=2):
        x = _conv(filters, 3, f"up{level}")(AlignedUpsampling(name=f"larger{level}")(x))
        x = _conv(filters, 1, f"joined{level}")(keras.layers.Concatenate(name=f"both{level}")([x, scale]))
        states += [_conv(filters, 1, f"{name}{level}")(x) for name in ("hidden", "cell")]
    if options:
        strides = trunk_kind(settings.trunk).strides[::-1]
        states = [
            ResizeToReference(1, strides[index // 2], name=f"state{index}")(state, trunk.input)
            for index, state in enumerate(states)
        ]
    return keras.Model(trunk.input, states, name="initializer")


def build_encoder(settings: S2SSettings) -> Any:
    """From an image ``(N, H, W, 3)`` to the coarsest ConvLSTM's input and the maps that are joined to the decoder.

    The latter come coarsest first: all scales of the trunk as they are (``concat``), or its finer scales, brought to
    the decoder's channels (``add``).
    """
    trunk = build_trunk(settings.trunk, 3, "encoder_trunk", normalization=settings.normalization)
    encoded = _hidden(trunk.outputs[-1], settings.encoder_hidden)
    outputs = [_conv(settings.state_filters, 1, "encoded")(encoded) if settings.encoder_head else encoded]
    if settings.skip and settings.join == "concat":
        outputs += trunk.outputs[::-1]
    elif settings.skip:
        finer = reversed(trunk.outputs[:-1])
        for index, (scale, filters) in enumerate(zip(finer, settings.decoder_filters[:-1], strict=True), 1):
            outputs.append(_conv(filters, 1, f"skip{index}", activation=None)(scale))
    return keras.Model(trunk.input, outputs, name="encoder")


def build_decoder(settings: S2SSettings, skips: Sequence[int]) -> Any:
    """From the hidden states of all ConvLSTMs and the encoder's maps, coarsest first, to logits ``(N, H, W, 1)``.

    Args:
        settings: Of the network.
        skips: Channels of the encoder's maps.

    Returns:
        The model; a second output are logits of distance classes ``(N, H, W, C)`` where there is that head.
    """
    s = settings
    hiddens = [keras.Input((None, None, filters)) for filters in (s.state_filters, *(f for f, _ in s.finer_states))]
    scales = [keras.Input((None, None, channels)) for channels in skips]
    x = hiddens[0]
    for index, filters in enumerate(s.decoder_filters, 1):
        last = index == len(s.decoder_filters)
        if s.skip and s.join == "concat":
            parts = [x, scales[index - 1], *(hiddens[index - 1 : index] if index > 1 else ())]
            x = _conv(x.shape[-1], 1, f"mix{index}")(keras.layers.Concatenate(name=f"both{index}")(parts))
        if last and s.decoder_padding == "valid":
            x = UpDownConvolution(filters, s.decoder_kernel, s.output_kernel, name="logits")(x)
            break
        x = _up(s, filters, index)(x)
        if s.skip and s.join == "add" and not last:
            x = keras.layers.Add(name=f"add{index}")([x, scales[index - 1]])
        x = keras.layers.ReLU(name=f"relu{index}")(x)
    return keras.Model([*hiddens, *scales], _heads(s, x, hiddens[0]), name="decoder")


def _up(settings: S2SSettings, filters: int, index: int) -> Any:
    if settings.upsampling == "transposed":
        padding = settings.decoder_padding
        return keras.layers.Conv2DTranspose(filters, settings.decoder_kernel, 2, padding=padding, name=f"up{index}")
    convolution = _conv(filters, settings.decoder_kernel, f"up{index}", activation=None)
    return lambda x: convolution(AlignedUpsampling(name=f"larger{index}")(x))


def _heads(settings: S2SSettings, x: Any, hidden: Any) -> list[Any]:
    if settings.decoder_padding == "valid":
        factor = trunk_kind(settings.trunk).strides[-1]
        return [ResizeToReference(factor, dtype="float32", name="resized")(x, hidden)]
    if not settings.distance_classes:
        return [keras.layers.Conv2D(1, settings.output_kernel, padding="same", dtype="float32", name="logits")(x)]
    maps = [
        keras.layers.Conv2D(
            settings.distance_classes, settings.output_kernel, padding="same", dtype="float32", name=name
        )(x)
        for name in ("distance", "segmentation")
    ]
    both = keras.layers.ReLU(dtype="float32", name="both")(keras.layers.Concatenate(dtype="float32")(maps))
    return [keras.layers.Conv2D(1, 1, dtype="float32", name="logits")(both), maps[0]]
