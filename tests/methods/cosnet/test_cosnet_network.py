"""COSNet: attention against its formulas, tiles, kept references, dilated trunks, settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.methods.cosnet.co_attention import CoAttention, attention
from vos_tf.methods.cosnet.deeplab import DEEPLAB_TRUNKS, dilated_convolution
from vos_tf.methods.cosnet.network import GROUP, LIGHT, PAIR, TIANCHI, COSNet, COSNetSettings, default_settings
from vos_tf.methods.load import load_model
from vos_tf.models.backbones import build_trunk, load_trunk_weights
from vos_tf.models.weights import save_model

TINY = replace(LIGHT, size=(48, 64), pyramid_filters=6, feature_filters=8, output_stride=16, attention_tile=0)


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def sigmoid(logits: Any) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.asarray(logits, np.float64)))


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, (*shape, 3)).astype(np.float32)


def enliven(network: Any, *inputs: np.ndarray) -> None:
    """Let batch normalisation take the statistics of some images, so that random weights give lively answers."""
    norms = [layer for layer in network._flatten_layers() if hasattr(layer, "moving_variance")]
    frozen = [layer for layer in norms if not layer.trainable]
    for layer in norms:
        layer.momentum, layer.trainable = 0.0, True
    network(*inputs, training=True)
    for layer in norms:
        layer.momentum = 0.9
    for layer in frozen:
        layer.trainable = False


@pytest.fixture(scope="module")
def network() -> COSNet:
    keras.utils.set_random_seed(3)
    network = COSNet(TINY)
    enliven(network, images(4, 2, *TINY.size, seed=9))
    return network


class TestAttention:
    """All that the affinity is used for, against the formulas on whole matrices."""

    def layer(self, **options: Any) -> CoAttention:
        keras.utils.set_random_seed(1)
        return CoAttention(4, **options)

    def parts(self, layer: CoAttention, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
        """Features as rows, and the affinity ``(N_a, N_b)``."""
        rows = a.reshape(-1, 4).astype(np.float64), b.reshape(-1, 4).astype(np.float64)
        return *rows, rows[0] @ np.asarray(layer.affinity.kernel, np.float64) @ rows[1].T

    def gated(self, layer: CoAttention, summary: np.ndarray) -> np.ndarray:
        return summary * sigmoid(summary @ np.asarray(layer.gate.kernel, np.float64).reshape(4, 1))

    @pytest.mark.parametrize("tile", [0, 7])
    def test_official_summaries(self, tile: int) -> None:
        layer = self.layer(tile=tile)
        a, b = random(1, 3, 5, 4), random(1, 2, 8, 4, seed=1)
        va, vb, s = self.parts(layer, a, b)
        za = self.gated(layer, softmax(s, axis=1) @ vb)
        zb = self.gated(layer, softmax(s, axis=0).T @ va)
        np.testing.assert_allclose(np.asarray(layer(a, b[None])).reshape(-1, 4), za, atol=1e-5)
        np.testing.assert_allclose(np.asarray(layer.reverse(a, b[None])).reshape(-1, 4), zb, atol=1e-5)

    @pytest.mark.parametrize("tile", [0, 7])
    def test_swapped_summaries(self, tile: int) -> None:
        layer = self.layer(attention="legacy_swapped", tile=tile)
        a, b = random(1, 3, 5, 4), random(1, 3, 5, 4, seed=1)
        va, vb, s = self.parts(layer, a, b)
        # The code multiplies Vb with softmax_a(S) and Va with softmax_b(S^T), all with pixels as columns.
        za = self.gated(layer, (vb.T @ softmax(s, axis=0)).T)
        zb = self.gated(layer, (va.T @ softmax(s.T, axis=0)).T)
        np.testing.assert_allclose(np.asarray(layer(a, b[None])).reshape(-1, 4), za, atol=1e-5)
        np.testing.assert_allclose(np.asarray(layer.reverse(a, b[None])).reshape(-1, 4), zb, atol=1e-5)

    @pytest.mark.parametrize("tile", [0, 4])
    @pytest.mark.parametrize("double", [False, True])
    def test_joint_summary_of_several_references(self, double: bool, tile: int) -> None:
        layer = self.layer(double_softmax=double, tile=tile)
        a, b = random(1, 3, 5, 4), random(1, 3, 3, 5, 4, seed=1)
        _, vb, s = self.parts(layer, a, b)
        weights = softmax(softmax(s, axis=0) if double else s, axis=1)
        found = np.asarray(layer(a, b, joint=True))
        assert found.shape == (1, 1, 3, 5, 4)
        np.testing.assert_allclose(found.reshape(-1, 4), self.gated(layer, weights @ vb), atol=1e-5)

    def test_each_reference_is_for_itself(self) -> None:
        layer = self.layer(tile=4)
        targets, references = random(2, 3, 5, 4), random(1, 3, 3, 5, 4, seed=1)
        together = np.asarray(layer(targets, references))
        assert together.shape == (2, 3, 3, 5, 4)
        for item, index in np.ndindex(2, 3):
            alone = layer(targets[item : item + 1], references[:, index : index + 1])
            np.testing.assert_allclose(together[item, index], np.asarray(alone)[0, 0], atol=1e-5)

    @pytest.mark.parametrize("double", [False, True])
    def test_tiles_have_the_plain_values_and_gradients(self, double: bool) -> None:
        inputs = [tf.constant(random(2, count, 13, 6, seed=count)) for count in (1, 3, 3)]

        @tf.function
        def both(tile: int) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                result = attention(*inputs, tile, double_softmax=double)
                total = tf.reduce_sum(result**2)
            return result, tape.gradient(total, inputs)

        whole, gradients = both(0)
        for tile in (1, 5, 13, 20):
            result, others = both(tile)
            np.testing.assert_allclose(result, whole, atol=1e-5)
            for one, other in zip(gradients, others, strict=True):
                np.testing.assert_allclose(other, one, atol=1e-4)

    def test_sizes_need_not_be_known_beforehand(self) -> None:
        layer = self.layer(tile=7)
        a, b = random(1, 3, 5, 4), random(3, 3, 5, 4, seed=1)
        unknown = [tf.TensorSpec([None, None, None, 4]), tf.TensorSpec([None, None, None, 4])]
        traced = tf.function(lambda x, y: layer(x, y[None]), input_signature=unknown)
        np.testing.assert_allclose(traced(a, b), layer(a, b[None]), atol=1e-5)

    @pytest.mark.parametrize("joint", [False, True])
    def test_no_tensor_is_larger_than_the_tile_allows(self, joint: bool) -> None:
        layer = self.layer(tile=8, double_softmax=joint)
        specs = [tf.TensorSpec([1, 16, 16, 4]), tf.TensorSpec([1, 3, 16, 16, 4])]
        graph = tf.function(lambda a, b: layer(a, b, joint=joint), input_signature=specs).get_concrete_function().graph
        largest = largest_tensor(graph)
        assert 3 * 8 * 256 <= largest < 2 * 3 * 8 * 256


def largest_tensor(graph: Any) -> int:
    """Elements of the largest tensor in a graph and its functions, as far as sizes are known."""
    largest = 0
    content = graph.as_graph_def(add_shapes=True)
    for node in [*content.node, *(node for f in content.library.function for node in f.node_def)]:
        for shape in node.attr["_output_shapes"].list.shape:
            if not shape.unknown_rank and all(dim.size >= 0 for dim in shape.dim):
                largest = max(largest, int(np.prod([dim.size for dim in shape.dim])))
    return largest


def test_kept_references_give_what_the_pair_gives(network: COSNet) -> None:
    frames = images(3, *TINY.size)
    state = network.start(frames[1:], mask=None)
    assert state.references.shape == (2, 3, 4, 8)
    stepped, same = network.step(frames[:1], state)
    assert same is state
    assert stepped.shape == (1, *TINY.size, 1)
    pairs = [sigmoid(network(frames[None, [0, other]]).frames)[0, 0, 0] for other in (1, 2)]
    np.testing.assert_allclose(sigmoid(stepped)[0, ..., 0], np.mean(pairs, axis=0), atol=1e-5)
    np.testing.assert_allclose(network(frames[None]).frames[0, 0, 0], stepped[0, ..., 0], atol=1e-4)
    alone = network.attend(network.encode(frames[:1]), state.references[:1])
    np.testing.assert_allclose(sigmoid(alone)[0, ..., 0], pairs[0], atol=1e-5)


def test_frames_together_equal_frames_one_by_one(network: COSNet) -> None:
    features, references = network.encode(images(2, *TINY.size)), network.encode(images(3, *TINY.size, seed=1))
    together = np.asarray(network.attend(features, references))
    for index in range(2):
        alone = network.attend(features[index : index + 1], references)
        np.testing.assert_allclose(together[index], alone[0], atol=1e-4)


def test_order_of_references_does_not_matter(network: COSNet) -> None:
    features, references = network.encode(images(1, *TINY.size)), network.encode(images(3, *TINY.size, seed=1))
    for fusion in ("predictions", "summaries", "joint"):
        one = network.attend(features, references, fusion=fusion)
        other = network.attend(features, references[::-1], fusion=fusion)
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_fusions_agree_on_one_reference_and_differ_on_several(network: COSNet) -> None:
    features, references = network.encode(images(1, *TINY.size)), network.encode(images(3, *TINY.size, seed=1))
    alone, several = (
        [np.asarray(network.attend(features, some, fusion=f)) for f in ("predictions", "summaries", "joint")]
        for some in (references[:1], references)
    )
    for other in alone[1:]:
        np.testing.assert_allclose(other, alone[0], atol=1e-5)
    summaries = np.asarray(network.co_attention(features, references[None])).mean(axis=1, keepdims=True)
    wanted = np.asarray(network.heads[0](summaries, features))[0, 0]
    found = np.asarray(network.attend(features, references, size=wanted.shape[:2], fusion="summaries"))[0]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert np.abs(several[0] - several[1]).max() > 1e-6
    assert np.abs(several[0] - several[2]).max() > 1e-6


def test_very_sure_references_stay_finite(network: COSNet) -> None:
    features, references = network.encode(images(1, *TINY.size)), network.encode(images(2, *TINY.size, seed=1))
    bias = network.heads[0].classifier.bias
    bias.assign([500.0])
    sure = np.asarray(network.attend(features, references))
    bias.assign([0.0])
    np.testing.assert_allclose(sure, 500.0, atol=20.0)


def test_search_frame_has_its_own_head(network: COSNet) -> None:
    frames = images(1, 2, *TINY.size)
    logits = network(frames)
    assert logits.frames.shape == (1, 2, 1, *TINY.size)
    assert logits.sides.shape == (1, 2, 1, *TINY.size)
    np.testing.assert_allclose(logits.sides[:, 1, 0], network.side(network.encode(frames[:, 1]))[..., 0], atol=1e-5)
    second = network.heads[1].classifier.bias
    second.assign([2.0])
    moved = network(frames)
    second.assign([0.0])
    np.testing.assert_array_equal(moved.frames[:, 0], logits.frames[:, 0])
    np.testing.assert_allclose(moved.frames[:, 1], logits.frames[:, 1] + 2.0, atol=1e-5)


def test_other_sizes_than_the_settings_are_possible(network: COSNet) -> None:
    image = images(2, 80, 96)
    features = network.encode(image)
    assert features.shape == (2, 5, 6, 8)
    assert network.attend(features[:1], features[1:], size=(80, 96)).shape == (1, 80, 96, 1)


def test_training_mode_moves_statistics_and_the_other_does_not() -> None:
    network = COSNet(replace(TINY, heads=1, side_head=False))
    frames = images(2, 2, *TINY.size)
    statistics = [network.pyramid.fuse_norm.moving_mean, network.heads[0].norm.moving_variance]
    before = [np.array(v) for v in statistics]
    logits = network(frames)
    assert logits.sides is None
    for old, new in zip(before, statistics, strict=True):
        np.testing.assert_array_equal(old, new)
    network(frames, training=True)
    for old, new in zip(before, statistics, strict=True):
        assert np.abs(old - np.array(new)).max() > 0
    with pytest.raises(VosError, match=r"model\.side_head: expected true"):
        network.side(network.encode(frames[:, 0]))


def test_symmetric_networks_start_orthogonal() -> None:
    matrix = np.asarray(CoAttention(16, orthogonal=True).affinity.kernel)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(16), atol=1e-5)


@pytest.mark.parametrize("size", [(9, 5), (4, 13), (3, 3), (1, 2)])
@pytest.mark.parametrize("rate", [1, 3, 6])
def test_dilated_convolution_by_matrix_products(rate: int, size: tuple[int, int]) -> None:
    x, kernel = random(2, *size, 3), random(3, 3, 3, 4, seed=1)
    padded = np.pad(x, ((0, 0), (rate, rate), (rate, rate), (0, 0)))
    rows, columns = size
    wanted = sum(
        padded[:, i * rate : i * rate + rows, j * rate : j * rate + columns] @ kernel[i, j] for i, j in np.ndindex(3, 3)
    )
    np.testing.assert_allclose(dilated_convolution(x, kernel, rate), wanted, atol=1e-5)
    unknown = tf.TensorSpec([None, None, None, 3])
    traced = tf.function(lambda y: dilated_convolution(y, kernel, rate), input_signature=[unknown])
    np.testing.assert_allclose(traced(x), wanted, atol=1e-5)


@pytest.mark.parametrize(("output_stride", "start", "step"), [(16, 1, 2), (8, 3, 4)])
def test_dilated_mobilenet_holds_the_answers_of_the_strided_one(output_stride: int, start: int, step: int) -> None:
    """Without its last strides a network gives more positions, and the same where the strided one has any."""
    strided = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(None, None, 3))
    strided = keras.Model(strided.input, strided.get_layer("block_16_project_BN").output)
    image = images(1, 128, 192)
    enliven(strided, image / 127.5 - 1.0)
    dilated = build_trunk("mobilenet_v2", 3, "dilated", kinds=DEEPLAB_TRUNKS, output_stride=output_stride)
    theirs = {layer.name: layer for layer in strided.layers}
    for layer in dilated.get_layer("features").layers[1:]:
        layer.set_weights(theirs[layer.name].get_weights())
    wanted = np.asarray(strided(image / 127.5 - 1.0))
    found = np.asarray(dilated(image))
    assert found.shape == (1, 128 // output_stride, 192 // output_stride, 320)
    np.testing.assert_allclose(found[:, start::step, start::step], wanted, atol=1e-4)


def test_resnet_takes_the_weights_of_keras_and_holds_its_answers(tmp_path: Path) -> None:
    source = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(None, None, 3))
    image = images(1, 65, 97)
    prepared = keras.applications.resnet.preprocess_input(image.copy())
    for layer in source.layers:
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(0.1 * random(*layer.bias.shape))
    enliven(source, prepared)
    file = tmp_path / "resnet50.weights.h5"
    source.save_weights(file)
    wanted = np.asarray(source(prepared))
    for output_stride in (8, 16):
        options = {"normalization": "caffe_bgr", "output_stride": output_stride}
        trunk = build_trunk("resnet50", 3, "trunk", kinds=DEEPLAB_TRUNKS, **options)
        load_trunk_weights([trunk], "resnet50", str(file), DEEPLAB_TRUNKS["resnet50"])
        found = np.asarray(trunk(image)[-1])
        assert found.shape == (1, -(-65 // output_stride), -(-97 // output_stride), 2048)
        every = 32 // output_stride
        # Its statistics are of few positions: some channels vary little, and rounding grows there.
        np.testing.assert_allclose(found[:, ::every, ::every], wanted, atol=5e-3 * wanted.std())


def test_real_mobilenet_weights_load(shared: Path) -> None:
    file = str(next((shared / "weights").glob("mobilenet_v2*.weights.h5")))
    network = COSNet(TINY)
    network.load_trunk_weights(file)
    whole = build_trunk("mobilenet_v2", 3, "whole")
    load_trunk_weights([whole], "mobilenet_v2", file)
    name = "block_16_depthwise"
    mine, theirs = (model.get_layer("features").get_layer(name).get_weights() for model in (network.trunk, whole))
    np.testing.assert_array_equal(mine[0], theirs[0])
    assert 0.1 < np.asarray(network.trunk(images(1, 64, 64))).std() < 10


def test_published_normalisation_never_trains_where_channels_change() -> None:
    trunk = build_trunk("resnet50", 3, "trunk", kinds=DEEPLAB_TRUNKS, output_stride=8)
    trained = {v.path.split("/")[-2] for v in trunk.trainable_variables}
    assert {"layer1_0_bn3", "layer1_0_downsample_conv", "bn1"} <= trained
    assert not any("downsample_bn" in name for name in trained)


def test_saved_model_folder_gives_the_same_network(network: COSNet, tmp_path: Path) -> None:
    save_model(tmp_path, "cosnet", network)
    name, loaded = load_model(tmp_path)
    assert (name, loaded.settings) == ("cosnet", TINY)
    frames = images(1, 2, *TINY.size)
    np.testing.assert_array_equal(loaded(frames).frames, network(frames).frames)


def test_published_settings() -> None:
    assert default_settings("resnet101") == PAIR == COSNetSettings()
    assert default_settings("resnet50") == replace(PAIR, trunk="resnet50")
    assert default_settings("mobilenet_v2") == LIGHT
    assert (GROUP.fusion, GROUP.legacy_double_softmax, GROUP.heads) == ("joint", True, 1)
    assert (TIANCHI.attention, TIANCHI.outputs, TIANCHI.side_head) == ("legacy_swapped", 3, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trunk": "vgg16"}, "trunk: expected one of resnet101, resnet50, mobilenet_v2, found 'vgg16'"),
        ({"size": (8, 473)}, r"model.size: expected 16 or more, found \(8, 473\)"),
        ({"output_stride": 4}, "model.output_stride: expected one of 8, 16, found 4"),
        ({"attention": "both"}, "model.attention: expected one of official, legacy_swapped, found 'both'"),
        ({"attention_tile": -1}, "model.attention_tile: expected 0 or more, found -1"),
        ({"heads": 3}, "model.heads: expected one of 1, 2, found 3"),
        ({"legacy_double_softmax": True}, "model.legacy_double_softmax: expected model.fusion joint"),
        ({"attention": "legacy_swapped", "fusion": "joint"}, "model.fusion: expected predictions or summaries"),
    ],
)
def test_impossible_settings_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(VosError, match=message):
        replace(PAIR, **changes)
