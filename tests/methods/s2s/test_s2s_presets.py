"""The published variants of S2S: parameters, steps and clips, what they are built of, what is refused."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import pytest
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.methods.load import load_model
from vos_tf.methods.registry import get_method
from vos_tf.methods.s2s.network import PRESETS, S2S, S2SSettings, default_settings
from vos_tf.methods.s2s.polyphase import UpDownConvolution
from vos_tf.models.layers import NORMALIZATIONS, ImageNormalization
from vos_tf.models.renormalization import for_other_images
from vos_tf.models.weights import save_model

SMALLER: dict[str, Any] = {"size": (32, 48), "state_filters": 8}
RNG = np.random.default_rng(0)


def lively(preset: str, **changes: Any) -> S2S:
    """A light network of a preset whose answers differ from pixel to pixel."""
    settings = default_settings("small", preset)
    fewer: dict[str, Any] = {"decoder_filters": (10, 8, 6)}
    if settings.initializer_hidden:
        fewer["initializer_hidden"] = tuple((12, kernel) for _, kernel in settings.initializer_hidden)
    if settings.finer_states:
        fewer["finer_states"] = tuple((6, kernel) for _, kernel in settings.finer_states)
    keras.utils.set_random_seed(0)
    network = S2S(replace(settings, **{**SMALLER, **fewer, **changes}))
    for variable in network.weights:
        variable.assign(1.5 * variable)
    return network


def clip(batch: int, steps: int, objects: int) -> tuple[np.ndarray, np.ndarray]:
    frames = RNG.uniform(0, 255, (batch, 1 + steps, *SMALLER["size"], 3)).astype(np.float32)
    return frames, (RNG.random((batch, objects, *SMALLER["size"])) > 0.5).astype(np.float32)


@pytest.mark.parametrize("preset", PRESETS)
def test_clips_equal_stepped_frames_and_objects_do_not_meet(preset: str, tmp_path: Path) -> None:
    network = lively(preset)
    frames, masks = clip(2, 3, 2)
    unrolled = np.asarray(network(frames, masks))
    assert unrolled.shape == (2, 3, 2, *SMALLER["size"])
    assert unrolled.std() > 0.05
    spread = np.abs(unrolled[:, :, 0] - unrolled[:, :, 1]).max()
    assert spread > 1e-3  # what the masks decide
    for video in range(2):
        state = network.start(frames[video, :1], masks[video][..., None])
        for step in range(3):
            logits, state = network.step(frames[video, 1 + step : 2 + step], state)
            np.testing.assert_allclose(np.asarray(logits)[..., 0], unrolled[video, step], atol=1e-4)
    alone = np.asarray(network(frames, masks[:, 1:]))
    np.testing.assert_allclose(alone[:, :, 0], unrolled[:, :, 1], atol=1e-4)
    save_model(tmp_path, "s2s", network)
    _, loaded = load_model(tmp_path)
    assert loaded.settings == network.settings
    np.testing.assert_array_equal(np.asarray(loaded(frames, masks)), unrolled)


def test_several_states_are_followed_like_one() -> None:
    network = lively("rs2s")
    state = network.start(clip(1, 0, 1)[0][:, 0], np.ones((2, *SMALLER["size"], 1), np.float32))
    assert [x.shape for x in state.hidden] == [(2, 4, 6, 8), (2, 8, 12, 6), (2, 16, 24, 6)]
    assert [x.shape for x in state.cell] == [x.shape for x in state.hidden]
    frames, masks = clip(1, 2, 2)
    found = network(frames, masks, distance=True)
    assert found.distance.shape == (1, 2, 2, *SMALLER["size"], 42)
    np.testing.assert_array_equal(np.asarray(found.logits), np.asarray(network(frames, masks)))


def test_swapped_states_trade_places_after_each_step() -> None:
    network, other = lively("shashankvkt"), lively("shashankvkt", swap_states=True)
    other.set_weights(network.get_weights())
    frames, masks = clip(1, 2, 1)
    first = network.start(frames[:, 0], masks[0][..., None])
    _, state = network.step(frames[:, 1], first)
    _, swapped = other.step(frames[:, 1], first)
    np.testing.assert_array_equal(swapped.hidden, state.cell)
    np.testing.assert_array_equal(swapped.cell, state.hidden)
    logits, _ = other.advance(other.encode(frames[:, 2]), swapped)
    np.testing.assert_allclose(np.asarray(logits)[0, ..., 0], np.asarray(other(frames, masks))[0, 1, 0], atol=1e-5)


def parameters(settings: S2SSettings) -> int:
    """Of a network whose weights are never drawn."""
    with patch.object(keras.initializers.VarianceScaling, "__call__", lambda _self, shape, **_: tf.zeros(shape)):
        return int(S2S(settings).count_params())


@pytest.mark.parametrize(
    ("preset", "changes", "count"),
    [
        ("paper", {}, 60_053_761),
        ("paper_fc6", {}, 69_761_281),
        ("shashankvkt", {}, 53_339_457),
        ("toghi", {}, 93_608_193),
        pytest.param("paper_fc6_7x7", {}, 271_087_873, marks=pytest.mark.slow),
        pytest.param("rs2s", {"encoder_hidden": ((200_704, 1),)}, 429_260_841, marks=pytest.mark.slow),
    ],
)
def test_presets_have_the_published_numbers_of_parameters(preset: str, changes: dict[str, Any], count: int) -> None:
    assert parameters(replace(default_settings("vgg16", preset), **changes)) == count


@pytest.mark.parametrize("size", [(5, 7), (4, 4)])
@pytest.mark.parametrize(("kernel", "output_kernel"), [(5, 5), (4, 3), (5, 2), (2, 4)])
def test_up_and_down_convolution_is_both_one_after_the_other(
    kernel: int, output_kernel: int, size: tuple[int, int]
) -> None:
    x = RNG.normal(size=(2, *size, 3)).astype(np.float32)
    layer = UpDownConvolution(6, kernel, output_kernel)
    layer.build(x.shape)
    for variable in layer.weights:
        variable.assign(RNG.normal(size=variable.shape))
    up = keras.layers.Conv2DTranspose(6, kernel, 2, activation="relu")
    down = keras.layers.Conv2D(1, output_kernel, 2)
    both = keras.Sequential([up, keras.layers.ZeroPadding2D(1), down])
    both.build(x.shape)
    up.set_weights([layer.up_kernel, layer.up_bias])
    down.set_weights([layer.kernel, layer.bias])

    def answer(model: Any, inputs: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = model(inputs)
            loss = tf.reduce_sum(outputs**2)
        return outputs, tape.gradient(loss, inputs)

    compiled = tf.function(layer, input_signature=[tf.TensorSpec([None, None, None, 3])])
    wanted = answer(both, tf.constant(x))
    for found in (answer(layer, tf.constant(x)), answer(compiled, tf.constant(x))):
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("wanted", NORMALIZATIONS)
@pytest.mark.parametrize("trained", ["caffe_bgr", "imagenet_rgb"])
def test_first_convolution_for_images_normalised_in_another_way(trained: str, wanted: str) -> None:
    image = RNG.uniform(0, 255, (1, 6, 6, 3)).astype(np.float32)
    kernel, bias = RNG.normal(size=(3, 3, 3, 4)), RNG.normal(size=4)
    changed, offset = for_other_images(kernel, bias, trained, wanted)
    theirs = keras.ops.conv(ImageNormalization(trained)(image), kernel.astype(np.float32)) + bias.astype(np.float32)
    ours = keras.ops.conv(ImageNormalization(wanted)(image), changed) + offset
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-2 if trained == "caffe_bgr" else 1e-4)


def test_masks_as_the_normalisations_bring_them() -> None:
    pixel = np.full((1, 1, 1, 4), [10.0, 20.0, 30.0, 1.0], np.float32)
    found = {kind: np.asarray(ImageNormalization(kind)(pixel))[0, 0, 0] for kind in NORMALIZATIONS}
    np.testing.assert_allclose(found["caffe_bgr_means_on_rgb"], [10 - 103.939, 20 - 116.779, 30 - 123.68, 255])
    np.testing.assert_array_equal(found["imagenet_rgb_unit_mask"], found["imagenet_rgb"])
    pixel[..., 3] = 0
    assert [float(np.asarray(ImageNormalization(k)(pixel))[0, 0, 0, 3]) for k in NORMALIZATIONS] == [
        -1, 0, 0, 0, -1, 0, 0, -1,
    ]  # fmt: skip


def test_trunk_weights_fit_whatever_the_normalisation(tmp_path: Path) -> None:
    source = keras.applications.VGG16(weights=None, include_top=False, input_shape=(None, None, 3))
    source.save_weights(tmp_path / "trunk.weights.h5")
    small: dict[str, Any] = {"size": (64, 64), "state_filters": 4, "decoder_filters": (4, 4, 4, 4, 4)}
    network = S2S(replace(default_settings("vgg16", "shashankvkt"), **small))
    network.load_trunk_weights(str(tmp_path / "trunk.weights.h5"))
    first = keras.Model(network.encoder.input, network.encoder.get_layer("block1_conv1").output)
    image = RNG.uniform(0, 255, (1, 16, 16, 3)).astype(np.float32)
    inside = (slice(None), slice(1, -1), slice(1, -1))
    wanted = source.get_layer("block1_conv1")(ImageNormalization("caffe_bgr")(image))
    np.testing.assert_allclose(np.asarray(first(image))[inside], np.asarray(wanted)[inside], rtol=1e-4, atol=1e-2)
    with pytest.raises(VosError, match=r"normalization: expected '' or 'unit' with weights of the trunk mobilenet_v2"):
        S2S(replace(default_settings("mobilenet_v2"), normalization="imagenet_rgb", **small)).load_trunk_weights("x")


def test_presets_are_chosen_beside_settings() -> None:
    settings = get_method("s2s").resolve_settings("small", {"preset": "toghi", "state_filters": 16})
    assert settings == replace(default_settings("small", "toghi"), state_filters=16)
    assert get_method("s2s").resolve_settings(None, {"preset": "paper"}) == S2SSettings()
    with pytest.raises(VosError, match=r"preset: expected one of paper, .*, found 'togi'; did you mean 'toghi'\?"):
        get_method("s2s").resolve_settings("small", {"preset": "togi"})
    with pytest.raises(VosError, match=r"unknown key model\.settings\.preset"):
        get_method("osvos").resolve_settings("small", {"preset": "paper"})


def test_settings_saved_before_there_were_presets_mean_the_same() -> None:
    names = [item.name for item in fields(S2SSettings)]
    old = {name: getattr(default_settings("small"), name) for name in names[: names.index("normalization")]}
    config = {"settings": {key: list(v) if isinstance(v, tuple) else v for key, v in old.items()}}
    assert S2S.from_config(config).settings == default_settings("small")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalization": "rgb"}, "normalization: expected one of '', unit"),
        ({"finer_states": ((8, 3),)}, "finer_states: expected with skip true and join concat"),
        ({"finer_states": ((8, 3),) * 5}, "finer_states: expected 4 at most"),
        ({"finer_states": ((8, 0),), "skip": True, "join": "concat"}, "finer_states: expected 1 or more, found 0"),
        ({"decoder_padding": "valid", "skip": True}, "decoder_padding: expected 'same' with skip connections"),
        ({"decoder_padding": "valid", "output_kernel": 1}, "decoder_padding: expected 'same' with kernels of 1"),
        ({"first_padding": "valid", "trunk": "mobilenet_v2"}, "first_padding: expected 'same'"),
        ({"distance_classes": -1}, "distance_classes: expected 0 or more"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(VosError, match=message):
        replace(S2SSettings(), **changes)
