"""The OSVOS network: fused first = fused last, heads together = one by one, any size, groups, files, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.losses import class_balanced_cross_entropy
from vos_tf.methods.load import load_model
from vos_tf.methods.osvos.network import OSVOS, OSVOSSettings, OSVOSState, default_settings
from vos_tf.methods.osvos.upsampling import crop_start
from vos_tf.methods.registry import get_method
from vos_tf.models.backbones import load_trunk_weights
from vos_tf.models.batch_norm import FrozenBatchNormalization
from vos_tf.models.weights import save_model

TINY = OSVOSSettings("small", sides=(2, 4, 8), side_filters=5)


def network_with_weights(settings: OSVOSSettings, seed: int = 0) -> Any:
    """A network whose head is not as small as at the start of training."""
    rng = np.random.default_rng(seed)
    network = OSVOS(settings)
    for variable in network.trainable_variables:
        fan_in = int(np.prod(variable.shape[:-1])) or 1
        variable.assign(rng.normal(0, 1.4 * fan_in**-0.5, variable.shape))
    return network


def image_of(height: int, width: int, batch: int = 1) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (batch, height, width, 3)).astype(np.float32)


def bilinear_kernel(channels: int, stride: int) -> np.ndarray:
    """As the originals fill it: rows, columns, output channels, input channels."""
    kernel = np.zeros((2 * stride, 2 * stride, channels, channels), np.float32)
    for row in range(2 * stride):
        for column in range(2 * stride):
            weights = [1 - abs(at - (stride - 0.5)) / stride for at in (row, column)]
            kernel[row, column] = np.eye(channels) * weights[0] * weights[1]
    return kernel


def plain_logits(network: Any, image: np.ndarray, start_of: Any) -> tuple[Any, list[Any]]:
    """OSVOS as it is written: up-sample all channels, crop, join, fuse. One head."""
    height, width = image.shape[1:3]

    def to_image(x: Any, stride: int, score: bool) -> Any:
        large = tf.nn.conv2d_transpose(
            x,
            bilinear_kernel(x.shape[-1], stride),
            (x.shape[0], (x.shape[1] + 1) * stride, (x.shape[2] + 1) * stride, x.shape[-1]),
            stride,
            "VALID",
        )
        top, left = (
            start_of(have - want, stride, score) for have, want in zip(large.shape[1:3], (height, width), strict=True)
        )
        return large[:, top : top + height, left : left + width]

    joined, scores = [], []
    for stride, prep, score, x in zip(
        network.settings.sides, network.side_prep, network.score, network.features(image).maps, strict=True
    ):
        side = prep(x)
        joined.append(to_image(side, stride, False))
        scores.append(to_image(side @ tf.transpose(score.kernel.value) + score.bias.value, stride, True))
    fused = tf.concat(joined, axis=-1) @ tf.transpose(network.fuse.kernel.value) + network.fuse.bias.value
    return fused, scores


def centered(surplus: int, stride: int, score: bool) -> int:
    return surplus // 2


def as_caffe(surplus: int, stride: int, score: bool) -> int:
    return 0 if score and stride == 2 else stride // 2


@pytest.mark.parametrize("size", [(32, 48), (37, 51)])
@pytest.mark.parametrize(("crop", "start_of"), [("center", centered), ("caffe", as_caffe)])
def test_fusing_first_equals_fusing_last(size: tuple[int, int], crop: str, start_of: Any) -> None:
    network = network_with_weights(replace(TINY, crop=crop))
    image = image_of(*size, batch=2)
    weights = network.trainable_variables

    def total(fused: Any, sides: Any) -> Any:
        return tf.reduce_sum(fused**2) + sum(tf.reduce_sum(side**2) for side in sides)

    with tf.GradientTape(persistent=True) as tape:
        ours, plain = network(image), plain_logits(network, image, start_of)
        sums = total(*ours), total(*plain)
    np.testing.assert_allclose(ours.fused, plain[0], atol=2e-5)
    for side, other in zip(ours.sides, plain[1], strict=True):
        np.testing.assert_allclose(side, other, atol=2e-5)
    for mine, other in zip(tape.gradient(sums[0], weights), tape.gradient(sums[1], weights), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4 * float(np.abs(other).max()))


@pytest.mark.parametrize("surplus", range(8))
def test_centre_crop_rounds_as_the_port_does(surplus: int) -> None:
    assert crop_start(9, 10 * 4 - surplus, 4, "center_even") == round(surplus / 2)
    assert crop_start(9, 10 * 4 - surplus, 4, "center") == surplus // 2


@pytest.mark.parametrize("upsampling", ["bilinear", "learned"])
def test_objects_together_equal_objects_one_by_one(upsampling: str) -> None:
    one = network_with_weights(replace(TINY, upsampling=upsampling))
    image = image_of(33, 45)
    three = one.with_objects(3)
    np.testing.assert_allclose(three.fused(image), np.repeat(one.fused(image), 3, axis=-1), rtol=1e-4, atol=1e-5)
    for layer in (*three.side_prep, *three.score, *three.upsample, three.fuse):
        for variable in layer.trainable_variables:
            variable.assign_add(np.random.default_rng(2).normal(0, 0.05, variable.shape))
    together = three(image)
    for index in range(3):
        alone = head_alone(three, index)(image)
        for mine, other in zip([together.fused, *together.sides], [alone.fused, *alone.sides], strict=True):
            np.testing.assert_allclose(np.asarray(mine)[..., index : index + 1], other, rtol=1e-4, atol=2e-5)


def head_alone(network: Any, index: int) -> Any:
    """One of several heads as a network of its own."""
    filters = network.settings.side_filters
    alone = OSVOS(replace(network.settings, objects=1))
    alone.trunk.set_weights(network.trunk.get_weights())
    for mine, theirs in zip(alone.side_prep, network.side_prep, strict=True):
        mine.set_weights([weight[..., filters * index : filters * (index + 1)] for weight in theirs.get_weights()])
    pairs = zip(
        (*alone.score, *alone.upsample, *alone.score_upsample, alone.fuse),
        (*network.score, *network.upsample, *network.score_upsample, network.fuse),
        strict=True,
    )
    for mine, theirs in pairs:
        mine.set_weights([weight[index : index + 1] for weight in theirs.get_weights()])
    return alone


def test_heads_learn_as_if_they_were_alone() -> None:
    one = network_with_weights(TINY)
    image = image_of(32, 48)
    masks = (np.random.default_rng(3).random((1, 32, 48, 2)) > 0.7).astype(np.float32)
    two = one.with_objects(2)

    def head_gradients(network: Any, mask: np.ndarray) -> list[Any]:
        weights = [layer.kernel for layer in network.side_prep] + [network.fuse.kernel]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(class_balanced_cross_entropy(network.fused(image), mask))
        return [np.asarray(gradient) for gradient in tape.gradient(loss, weights)]

    together = head_gradients(two, masks)
    for index in range(2):
        for number, alone in enumerate(head_gradients(one, masks[..., index : index + 1])):
            last = number == len(TINY.sides)
            mine = together[number][index : index + 1] if last else together[number][..., 5 * index : 5 * index + 5]
            np.testing.assert_allclose(mine, alone, rtol=1e-3, atol=1e-4 * np.abs(alone).max())


def test_copies_are_independent_and_only_of_one_head() -> None:
    one = network_with_weights(TINY)
    image = image_of(32, 32)
    before = np.asarray(one.fused(image))
    two = one.with_objects(2)
    for variable in two.trainable_variables:
        variable.assign(variable * 0.5)
    np.testing.assert_array_equal(one.fused(image), before)
    with pytest.raises(VosError, match="one head to copy, found 2"):
        two.with_objects(3)


def test_one_graph_serves_all_sizes() -> None:
    network = network_with_weights(TINY)
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def segment(image: Any) -> Any:
        traces.append(1)
        return network(image)

    for height, width in ((32, 48), (33, 47), (65, 17)):
        image = image_of(height, width)
        found, wanted = segment(image), network(image)
        assert found.fused.shape == (1, height, width, 1)
        for mine, other in zip([found.fused, *found.sides], [wanted.fused, *wanted.sides], strict=True):
            np.testing.assert_allclose(mine, other, atol=2e-5)
    assert len(traces) == 1


def test_step_gives_the_objects_as_batch_and_remembers_nothing() -> None:
    network = network_with_weights(replace(TINY, objects=3))
    image, other = image_of(33, 45), image_of(33, 45)[:, ::-1].copy()
    state = network.start(image, np.zeros((3, 33, 45, 1), np.float32))
    assert state == OSVOSState()
    first, state = network.step(image, state)
    network.step(other, state)
    again, _ = network.step(image, state)
    assert first.shape == (3, 33, 45, 1)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(np.asarray(first)[..., 0], np.moveaxis(network(image).fused[0], -1, 0), atol=1e-5)


def test_parameters_and_their_groups_are_the_authors() -> None:
    network = OSVOS()
    assert network.count_params() == 14_917_637
    rates = {group.name: (group.rate, group.decay) for group in network.parameter_groups() if group.variables}
    assert rates == {
        "trunk_weights": (1.0, True),
        "trunk_biases": (2.0, False),
        "side_weights": (1.0, True),
        "side_biases": (2.0, False),
        "score_weights": (0.1, True),
        "score_biases": (0.2, False),
        "fuse_weights": (0.01, True),
        "fuse_biases": (0.02, False),
    }
    new = np.concatenate([np.ravel(layer.kernel) for layer in (*network.side_prep, *network.score, network.fuse)])
    assert abs(float(new.std()) - 0.001) < 1e-5


@pytest.mark.parametrize("trunk", ["vgg19_bn", "mobilenet_v2", "small"])
def test_groups_hold_every_trainable_weight_once(trunk: str) -> None:
    network = OSVOS(default_settings(trunk))
    grouped = [id(variable) for group in network.parameter_groups() for variable in group.variables]
    assert sorted(grouped) == sorted(id(variable) for variable in network.trainable_variables)
    logits = network(image_of(65, 83))
    assert [side.shape for side in logits.sides] == [(1, 65, 83, 1)] * len(network.settings.sides)


def test_vgg19_port_trains_its_head_while_statistics_of_the_trunk_move() -> None:
    network = OSVOS(default_settings("vgg19_bn"))
    assert not network.trunk.trainable_variables
    layer = network.trunk.get_layer("block1_bn1")
    image = image_of(32, 48, batch=2)
    network(image)
    np.testing.assert_array_equal(layer.moving_mean, 0)
    with tf.GradientTape() as tape:
        logits = network(image, training=True)
        loss = tf.reduce_sum(logits.fused)
    assert np.abs(np.asarray(layer.moving_mean)).max() > 0
    variables = [*network.trunk.variables, network.fuse.kernel]
    gradients = tape.gradient(loss, variables)
    assert gradients[-1] is not None
    assert all(gradient is None for gradient in gradients[:-1])


def test_statistics_move_as_in_pytorch() -> None:
    layer = FrozenBatchNormalization()
    x = np.random.default_rng(0).normal(3, 2, (2, 3, 4, 5)).astype(np.float32)
    y = np.asarray(layer(x, training=True))
    np.testing.assert_allclose(y, (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5), atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * x.var((0, 1, 2), ddof=1), rtol=1e-5)
    kept = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
    np.testing.assert_allclose(layer(x), (x - kept[0]) / np.sqrt(kept[1] + 1e-5), atol=1e-5)


@pytest.mark.parametrize("settings", [TINY, replace(TINY, upsampling="learned", crop="center_even", score_padding=1)])
def test_model_folder_gives_the_network_back(tmp_path: Path, settings: OSVOSSettings) -> None:
    network = network_with_weights(replace(settings, objects=2))
    save_model(tmp_path / "model", "osvos", network)
    name, loaded = load_model(tmp_path / "model")
    assert (name, loaded.settings) == ("osvos", network.settings)
    np.testing.assert_array_equal(loaded.fused(image_of(24, 40)), network.fused(image_of(24, 40)))


@pytest.fixture
def half_precision() -> Iterator[None]:
    """Networks that are built meanwhile compute in bfloat16."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(policy)


@pytest.mark.usefixtures("half_precision")
def test_logits_are_float32_in_mixed_precision() -> None:
    network = network_with_weights(replace(TINY, objects=2))
    logits = network(image_of(32, 48))
    assert {x.dtype for x in (logits.fused, *logits.sides)} == {tf.float32}


def test_imagenet_weights_of_the_light_trunk(shared: Path) -> None:
    source = str(shared / "weights" / "mobilenet_v2_1.0_224_dequant_notop.weights.h5")
    network = OSVOS(default_settings("mobilenet_v2"))
    before = [np.asarray(layer.kernel) for layer in network.side_prep]
    network.load_trunk_weights(source)
    other = OSVOS(default_settings("mobilenet_v2"))
    load_trunk_weights([other.trunk], "mobilenet_v2", source)
    for mine, theirs in zip(network.trunk.get_weights(), other.trunk.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for kernel, layer in zip(before, network.side_prep, strict=True):
        np.testing.assert_array_equal(kernel, layer.kernel)


def test_weights_that_do_not_exist_are_refused_with_a_reason() -> None:
    for settings in (OSVOSSettings("vgg19_bn", sides=(1,)), TINY):
        with pytest.raises(VosError, match=f"trunk {settings.trunk}: expected a .weights.h5 file or 'none'.* no such"):
            OSVOS(settings).load_trunk_weights("imagenet")


def test_trunk_weights_fit_a_network_that_uses_only_the_first_scales(tmp_path: Path) -> None:
    whole = OSVOS(TINY)
    whole.trunk.save_weights(tmp_path / "trunk.weights.h5")
    part = OSVOS(replace(TINY, sides=(2, 4)))
    part.load_trunk_weights(str(tmp_path / "trunk.weights.h5"))
    assert 0 < len(part.trunk.weights) < len(whole.trunk.weights)
    for mine, theirs in zip(part.trunk.get_weights(), whole.trunk.get_weights(), strict=False):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trunk": "alexnet"}, "trunk: expected one of .*vgg19_bn.*, found 'alexnet'"),
        ({"sides": (2, 3)}, r"model.sides: expected some of \(2, 4, 8\) \(trunk small\) in order, found \(2, 3\)"),
        ({"sides": (4, 2)}, "in order"),
        ({"sides": ()}, "model.sides"),
        ({"size": (0, 5)}, "model.size: expected two positive numbers"),
        ({"objects": 0}, "model.objects: expected 1 or more, found 0"),
        ({"upsampling": "cubic"}, "model.upsampling: expected one of bilinear, learned, found 'cubic'"),
        ({"crop": "left"}, "model.crop: expected one of"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(VosError, match=message):
        replace(TINY, **changes)


def test_registry_builds_it_from_plain_settings() -> None:
    settings = get_method("osvos").resolve_settings("small", {"sides": [4, 8], "size": None, "crop": "caffe"})
    assert settings == OSVOSSettings("small", sides=(4, 8), crop="caffe")
    assert isinstance(get_method("osvos").build(settings), OSVOS)
    assert get_method("osvos").resolve_settings(None, {}) == OSVOSSettings()
