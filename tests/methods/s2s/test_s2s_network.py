"""The S2S network: parameter counts, unrolled = stepped, objects together = one by one, trunk weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from vos_tf.errors import VosError
from vos_tf.methods.load import find_model, load_model
from vos_tf.methods.s2s.network import S2S, SMALL, S2SSettings, default_settings
from vos_tf.models.backbones import build_trunk, load_trunk_weights
from vos_tf.models.weights import save_model

TINY = replace(SMALL, size=(32, 48), state_filters=12, decoder_filters=(10, 8, 6))


def clip(batch: int, steps: int, size: tuple[int, int], objects: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    frames = rng.uniform(0, 255, (batch, 1 + steps, *size, 3)).astype(np.float32)
    masks = (rng.random((batch, objects, *size)) > 0.5).astype(np.float32)
    return frames, masks


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def test_paper_network_has_the_published_number_of_parameters() -> None:
    network = S2S()
    assert network.count_params() == 60_053_761
    assert network.initializer.count_params() == 15_240_576
    assert network.encoder.count_params() == 14_977_344
    assert network.conv_lstm.count_params() == 18_876_416
    assert network.decoder.count_params() == 10_959_425


@pytest.mark.parametrize("skip", [False, True])
def test_unrolled_clip_equals_stepped_frames(skip: bool) -> None:
    network = S2S(replace(TINY, skip=skip))
    frames, masks = clip(2, 4, TINY.size, 3)
    unrolled = sigmoid(network(frames, masks))
    assert unrolled.shape == (2, 4, 3, *TINY.size)
    for video in range(2):
        state = network.start(frames[video, :1], masks[video][..., None])
        for step in range(4):
            logits, state = network.step(frames[video, 1 + step : 2 + step], state)
            np.testing.assert_allclose(sigmoid(logits)[..., 0], unrolled[video, step], atol=1e-5)


def test_objects_together_equal_objects_one_by_one() -> None:
    network = S2S(TINY)
    frames, masks = clip(1, 3, TINY.size, 5)
    together = sigmoid(network(frames, masks))
    for index in range(5):
        alone = sigmoid(network(frames, masks[:, index : index + 1]))
        np.testing.assert_allclose(together[:, :, index], alone[:, :, 0], atol=1e-5)


def test_masks_enter_only_through_the_initial_state() -> None:
    network = S2S(TINY)
    frames, masks = clip(1, 2, TINY.size, 1)
    features = network.encode(frames[:, 1])
    one = network.advance(features, network.start(frames[:, 0], masks[0][..., None]))[0]
    other = network.advance(features, network.start(frames[:, 0], 1 - masks[0][..., None]))[0]
    assert float(np.abs(np.asarray(one) - np.asarray(other)).max()) > 1e-4


def test_state_is_passed_and_never_kept() -> None:
    network = S2S(TINY)
    frames, masks = clip(1, 1, TINY.size, 2)
    state = network.start(frames[:, 0], masks[0][..., None])
    first, _ = network.step(frames[:, 1], state)
    again, _ = network.step(frames[:, 1], state)
    np.testing.assert_array_equal(np.asarray(first), np.asarray(again))


def test_forget_bias_starts_at_one_in_its_own_block() -> None:
    network = S2S(replace(TINY, gate_order="igfo"))
    bias = np.asarray(network.conv_lstm.gates.bias).reshape(4, -1)
    np.testing.assert_array_equal(bias[2], np.ones(12))
    np.testing.assert_array_equal(bias[[0, 1, 3]], np.zeros((3, 12)))


def test_gate_order_is_only_an_order() -> None:
    network, other = S2S(TINY), S2S(replace(TINY, gate_order="igfo"))
    other.set_weights(network.get_weights())
    kernel, bias = network.conv_lstm.gates.get_weights()
    order = [0, 3, 1, 2]  # i, f, o, g -> i, g, f, o
    blocks = [kernel.reshape(*kernel.shape[:3], 4, -1)[..., order, :].reshape(kernel.shape)]
    other.conv_lstm.gates.set_weights([*blocks, bias.reshape(4, -1)[order].reshape(-1)])
    frames, masks = clip(1, 3, TINY.size, 1)
    np.testing.assert_allclose(np.asarray(network(frames, masks)), np.asarray(other(frames, masks)), atol=1e-6)


def test_sizes_that_do_not_fit_the_trunk_are_refused() -> None:
    with pytest.raises(VosError, match=r"model.size: expected multiples of 32 \(trunk vgg16\), found \(250, 448\)"):
        S2SSettings(size=(250, 448))
    with pytest.raises(VosError, match="decoder_filters: expected 3 numbers"):
        replace(SMALL, decoder_filters=(8, 8))
    with pytest.raises(VosError, match=r"trunk: expected one of vgg16, mobilenet_v2, .*small, .*, found 'resnet'"):
        default_settings("resnet")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("state_filters", 0),
        ("output_kernel", -1),
        ("decoder_filters", (8, 0, 8)),
        ("gate_order", "ifgg"),
        ("candidate_activation", "rellu"),
    ],
)
def test_impossible_settings_are_refused_by_name(setting: str, value: object) -> None:
    with pytest.raises(VosError, match=rf"model\.{setting}: expected .*, found"):
        replace(SMALL, **{setting: value})


def test_saved_model_folder_gives_the_same_network(tmp_path: Path) -> None:
    network = S2S(TINY)
    save_model(tmp_path / "model", "s2s", network)
    name, loaded = load_model(find_model(tmp_path))
    assert name == "s2s"
    assert loaded.settings == network.settings
    frames, masks = clip(1, 2, TINY.size, 2)
    np.testing.assert_array_equal(np.asarray(network(frames, masks)), np.asarray(loaded(frames, masks)))


def test_changed_weights_file_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path, "s2s", S2S(TINY))
    weights = tmp_path / "network.weights.h5"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(VosError, match="the file was changed"):
        load_model(tmp_path)


def test_missing_model_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(VosError, match=r"expected a run or model folder, found no config.json"):
        find_model(tmp_path)


def test_trunk_weights_reach_both_trunks_and_keep_the_mask_filter(tmp_path: Path) -> None:
    source = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(None, None, 3))
    source.save_weights(tmp_path / "mobilenet.weights.h5")
    three, four = build_trunk("mobilenet_v2", 3, "three"), build_trunk("mobilenet_v2", 4, "four")
    mask_filter = four.get_layer("features").get_layer("Conv1").get_weights()[0][:, :, 3:]
    load_trunk_weights([three, four], "mobilenet_v2", str(tmp_path / "mobilenet.weights.h5"))
    wanted = source.get_layer("Conv1").get_weights()[0]
    np.testing.assert_array_equal(three.get_layer("features").get_layer("Conv1").get_weights()[0], wanted)
    loaded = four.get_layer("features").get_layer("Conv1").get_weights()[0]
    np.testing.assert_array_equal(loaded, np.concatenate([wanted, mask_filter], axis=2))
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(
        np.asarray(three(image)[-1]), np.asarray(source(image / 127.5 - 1, training=False)), atol=1e-5
    )


def test_real_mobilenet_weights_load(shared: Path) -> None:
    trunk = build_trunk("mobilenet_v2", 3, "trunk")
    load_trunk_weights([trunk], "mobilenet_v2", str(next((shared / "weights").glob("mobilenet_v2*.weights.h5"))))
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    deepest = np.asarray(trunk(image)[-1])
    assert deepest.shape == (1, 2, 2, 1280)
    assert 0.1 < deepest.std() < 10


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("trunk", ["vgg16", "mobilenet_v2"])
def test_a_whole_network_takes_trunk_weights_and_keeps_its_heads(trunk: str, skip: bool, tmp_path: Path) -> None:
    applications = {"vgg16": keras.applications.VGG16, "mobilenet_v2": keras.applications.MobileNetV2}
    source = applications[trunk](weights=None, include_top=False, input_shape=(None, None, 3))
    source.save_weights(tmp_path / "trunk.weights.h5")
    small = {"size": (32, 32), "state_filters": 4, "decoder_filters": (4, 4, 4, 4, 4), "skip": skip}
    network = S2S(replace(S2SSettings(), trunk=trunk, **small))
    heads = [network.initializer.get_layer("hidden").get_weights(), network.encoder.get_layer("encoded").get_weights()]
    network.load_trunk_weights(str(tmp_path / "trunk.weights.h5"))
    kept = [network.initializer.get_layer("hidden").get_weights(), network.encoder.get_layer("encoded").get_weights()]
    for old, new in zip(heads, kept, strict=True):
        np.testing.assert_array_equal(old[0], new[0])
    last = {"vgg16": "block5_conv3", "mobilenet_v2": "Conv_1"}[trunk]
    for model in (network.initializer, network.encoder):
        body = model.get_layer("features") if trunk == "mobilenet_v2" else model
        np.testing.assert_array_equal(body.get_layer(last).get_weights()[0], source.get_layer(last).get_weights()[0])


def test_trunk_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VosError, match="found no such file"):
        load_trunk_weights([], "vgg16", str(tmp_path / "none.weights.h5"))
    with pytest.raises(VosError, match="trained from scratch"):
        load_trunk_weights([], "small", "imagenet")
