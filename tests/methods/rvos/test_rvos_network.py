"""The RVOS network: sizes, unrolled = stepped, scanned = unrolled, batches, slots and what passes between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.methods.load import load_model
from vos_tf.methods.rvos.network import RVOS, RVOSSettings, RVOSState, default_settings
from vos_tf.methods.rvos.settings import SMALL
from vos_tf.methods.rvos.slot_lstm import SlotConvLSTM
from vos_tf.models.batch_norm import BatchNorm, statistics_by_frame
from vos_tf.models.resnet import build_resnet
from vos_tf.models.weights import save_model

TINY = replace(SMALL, size=(32, 48), hidden_size=16, extra_levels=1, slots=4)
ZERO_SHOT = replace(TINY, mask_input=False)


def clip(batch: int, steps: int, slots: int, size: tuple[int, int] = TINY.size) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    frames = rng.uniform(0, 255, (batch, steps, *size, 3)).astype(np.float32)
    blocks = rng.random((batch, steps, slots, -(-size[0] // 16), -(-size[1] // 16))) > 0.5
    masks = blocks.repeat(16, axis=3).repeat(16, axis=4)[..., : size[0], : size[1]]
    return frames, masks.astype(np.float32)


def lively(settings: RVOSSettings, seed: int = 0) -> RVOS:
    """A network whose parts all matter: larger weights than the initial ones, and moved statistics."""
    network = RVOS(settings)
    rng = np.random.default_rng(seed)
    for variable in network.weights:
        value = np.asarray(variable)
        if "moving" in variable.path:
            value = value + rng.uniform(0, 0.5, value.shape)
        elif "cell" in variable.path or "conv_out" in variable.path:
            value = value * 3
        variable.assign(value)
    return network


def follow(network: RVOS, frames: np.ndarray, masks: np.ndarray | None) -> tuple[np.ndarray, list[RVOSState]]:
    """Logits ``(T, S, H, W)`` and states of one clip, frame by frame."""
    if masks is None:
        state, rest = network.initial_state(), frames
    else:
        state, rest = network.start(frames[:1], masks[0][..., None]), frames[1:]
    found, states = [], [state]
    for frame in rest:
        logits, state = network.step(frame[None], state)
        found.append(np.asarray(logits)[..., 0])
        states.append(state)
    return np.stack(found), states


@pytest.mark.parametrize(("trunk", "encoder", "skips"), [
    ("resnet34", 22_775_624 - 513_000, 977_952),
    ("resnet50", 29_465_672 - 2_049_000, 3_908_640),
    ("resnet101", 48_457_800 - 2_049_000, 3_908_640),
    ("vgg16", 139_722_568 - 123_642_856, 1_365_024),
])  # fmt: skip
def test_published_networks_have_the_published_numbers_of_parameters(trunk: str, encoder: int, skips: int) -> None:
    def count(*layers: Any) -> int:
        return sum(int(np.prod(v.shape)) for layer in layers for v in layer.trainable_variables)

    network = RVOS(replace(default_settings(trunk), mask_input=trunk != "resnet34"))
    decoder = 2_931_793 if trunk == "resnet34" else 2_940_433
    assert count(*network.skips, *network.skip_norms) == skips
    assert count(network.trunk) == encoder - skips
    assert count(*network.cells, network.conv_out) == decoder


@pytest.mark.parametrize("recurrence", ["spatiotemporal", "only_spatial", "only_temporal"])
def test_unrolled_clip_equals_stepped_frames(recurrence: str) -> None:
    network = lively(replace(TINY, recurrence=recurrence))
    frames, masks = clip(2, 4, 3)
    unrolled = np.asarray(network(frames, masks[:, 0]))
    assert unrolled.shape == (2, 3, 3, *TINY.size)
    for video in range(2):
        stepped, _ = follow(network, frames[video], masks[video])
        np.testing.assert_allclose(stepped, unrolled[video], atol=1e-5)


def test_unrolled_zero_shot_clip_equals_stepped_frames() -> None:
    network = lively(ZERO_SHOT)
    frames, _ = clip(2, 3, 1)
    unrolled = np.asarray(network(frames))
    assert unrolled.shape == (2, 3, 4, *TINY.size)
    for video in range(2):
        np.testing.assert_allclose(follow(network, frames[video], None)[0], unrolled[video], atol=1e-5)


@pytest.mark.parametrize("skip_mode", ["concat", "sum", "mul", "none"])
def test_scanned_slots_equal_unrolled_slots_and_their_gradients(skip_mode: str) -> None:
    frames, masks = clip(2, 2, 3)
    answers = []
    for slot_loop in ("unrolled", "scanned"):
        settings = replace(TINY, skip_mode=skip_mode, slot_loop=slot_loop, recurrence="only_temporal")
        network = RVOS(settings if skip_mode == "sum" else replace(settings, recurrence="spatiotemporal"))
        if answers:
            network.set_weights(answers[0][2])
        with tf.GradientTape() as tape:
            logits = network(frames, masks[:, 0])
            loss = tf.reduce_sum(logits**2)
        kernels = [cell.kernel for cell in network.cells]
        answers.append((np.asarray(logits), tape.gradient(loss, kernels), network.get_weights()))
    np.testing.assert_allclose(answers[0][0], answers[1][0], atol=1e-6)
    for one, other in zip(answers[0][1], answers[1][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * float(tf.reduce_max(abs(one))))


def test_a_graph_takes_any_number_of_slots_and_any_size() -> None:
    network = lively(TINY)
    shape = tf.TensorSpec([None, None, None, 1])
    graph = tf.function(
        lambda image, mask: network.step(image, network.start(image, mask))[0],
        input_signature=[tf.TensorSpec([1, None, None, 3]), shape],
    )
    for slots, size in ((1, (33, 45)), (3, (40, 64))):
        frames, masks = clip(1, 1, slots, size)
        expected, _ = network.step(frames[0], network.start(frames[0], masks[0, 0][..., None]))
        found = graph(frames[0], masks[0, 0][..., None])
        assert found.shape == (slots, *size, 1)
        np.testing.assert_allclose(found, np.asarray(expected), atol=2e-5)


def test_decoding_only_the_slots_in_use_changes_nothing_for_them() -> None:
    network = lively(TINY)
    frames, masks = clip(1, 4, 4)
    masks[:, :, 2:] = 0
    every, _ = follow(network, frames[0], masks[0])
    used, states = follow(network, frames[0], masks[0, :, :2])
    np.testing.assert_allclose(used, every[:, :2], atol=1e-5)
    assert {x.shape[0] for x in (*states[-1].hidden, states[-1].mask)} == {2}


def test_states_keep_their_shapes() -> None:
    for settings, masks in ((TINY, clip(1, 4, 3)[1][0]), (ZERO_SHOT, None)):
        network = RVOS(settings)
        _, states = follow(network, clip(1, 4, 1)[0][0], masks)
        shapes = [[tuple(x.shape) for x in tf.nest.flatten(state)] for state in states]
        assert all(shape == shapes[0] for shape in shapes)
        blank = network.initial_state(3 if masks is not None else None)
        assert [tuple(x.shape) for x in tf.nest.flatten(blank)] == shapes[0]


def test_a_slot_sees_those_before_it_and_its_own_past() -> None:
    frames, masks = clip(1, 2, 3)
    changed = masks.copy()
    changed[:, :, 1] = 1 - changed[:, :, 1]
    network = lively(TINY)
    one, other = (follow(network, frames[0], given[0])[0][0] for given in (masks, changed))
    moved = np.abs(one - other).max(axis=(1, 2))
    assert moved[0] < 1e-6
    assert min(moved[1:]) > 1e-4
    alone = lively(replace(TINY, recurrence="only_temporal"))
    state = alone.start(frames[0, :1], masks[0, 0][..., None])
    other = state._replace(mask=changed[0, 0][..., None])
    moved = np.abs(np.asarray(alone.step(frames[0, 1:], state)[0]) - np.asarray(alone.step(frames[0, 1:], other)[0]))
    np.testing.assert_array_equal(moved.max(axis=(1, 2, 3)) > 1e-4, [False, True, False])


def test_nothing_but_masks_passes_between_frames_with_spatial_recurrence_only() -> None:
    network = lively(replace(TINY, recurrence="only_spatial"))
    frames, masks = clip(1, 2, 2)
    state = network.start(frames[0, :1], masks[0, 0][..., None])
    blank = network.initial_state(mask=state.mask)
    one, other = (np.asarray(network.step(frames[0, 1:], given)[0]) for given in (state, blank))
    np.testing.assert_array_equal(one, other)


def test_zero_shot_slots_differ_from_their_first_frame_on() -> None:
    for recurrence in ("spatiotemporal", "only_spatial", "only_temporal"):
        network = lively(replace(ZERO_SHOT, recurrence=recurrence))
        logits, _ = follow(network, clip(1, 2, 1)[0][0], None)
        assert np.abs(np.diff(logits, axis=1)).max(axis=(2, 3)).min() > 1e-5


def test_previous_masks_come_from_where_they_should() -> None:
    network = lively(TINY)
    frames, masks = clip(1, 3, 2)
    truth = np.asarray(network.unroll(frames, masks, previous="truth").logits)
    prediction = np.asarray(network.unroll(frames, masks[:, :1], previous="prediction").logits)
    fed = masks.copy()
    fed[:, :2] = 1 / (1 + np.exp(-prediction[:, :2]))
    given = np.asarray(network.unroll(frames, fed, previous="truth").logits)
    np.testing.assert_allclose(truth[:, 0], prediction[:, 0], atol=1e-6)
    assert np.abs(truth[:, 1] - prediction[:, 1]).max() > 1e-3
    # Frame 0 sees the true mask in `prediction`, its own prediction here: later frames differ by their past alone.
    state = network.initial_state(mask=masks[0, 0][..., None])
    logits, state = network.step(frames[0, :1], state)
    np.testing.assert_allclose(np.asarray(logits)[..., 0], prediction[0, 0], atol=1e-5)
    np.testing.assert_allclose(np.asarray(network.step(frames[0, 1:2], state)[0])[..., 0], prediction[0, 1], atol=1e-5)
    assert np.abs(given[:, 0] - prediction[:, 0]).max() > 1e-4


def test_no_gradient_passes_through_predicted_masks() -> None:
    network = lively(replace(TINY, recurrence="only_spatial"))
    frames, masks = clip(1, 2, 2)

    def gradient(previous: str, given: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = network.unroll(frames, given, previous=previous).logits[:, 1]
            loss = tf.reduce_sum(logits**2)
        return tape.gradient(loss, network.conv_out.kernel)

    first = network.unroll(frames, masks).logits[:, :1]
    fed = np.concatenate([1 / (1 + np.exp(-np.asarray(first))), masks[:, 1:]], axis=1)
    np.testing.assert_allclose(gradient("prediction", masks), gradient("truth", fed), rtol=1e-4)


def test_mask_pyramid_takes_the_largest_of_each_block_at_odd_sizes() -> None:
    network = RVOS(replace(TINY, size=(33, 45)))
    masks = clip(1, 1, 2, (33, 45))[1][0, 0][:, None, ..., None]
    for stride, found in zip(network.settings.strides, network._mask_pyramid(masks), strict=True):
        rows, columns = -(-33 // stride), -(-45 // stride)
        padded = np.pad(masks[:, 0, ..., 0], ((0, 0), (0, rows * stride - 33), (0, columns * stride - 45)))
        blocks = padded.reshape(2, rows, stride, columns, stride).max(axis=(2, 4))
        np.testing.assert_array_equal(np.asarray(found)[:, 0, ..., 0], blocks)


def test_one_convolution_of_all_inputs_gives_the_same_cell() -> None:
    rng = np.random.default_rng(0)
    cell = SlotConvLSTM(4, 3, mask_input=True)
    cell.build(7)
    shared, own, mask, past = (
        rng.normal(size=(*slots, 2, 5, 6, channels)).astype(np.float32)
        for slots, channels in (((), 3), ((3,), 4), ((3,), 1), ((3,), 4))
    )
    hiddens, cells = cell(shared, own, mask, past, slots=3)
    h = c = np.zeros((2, 5, 6, 4), np.float32)
    for slot in range(3):
        inputs = np.concatenate([own[slot], shared, mask[slot], h, past[slot]], axis=-1)
        gates = np.asarray(keras.ops.conv(inputs, cell.kernel, padding="same")) + np.asarray(cell.bias)
        i, f, o = (1 / (1 + np.exp(-gates[..., 4 * k : 4 * k + 4])) for k in range(3))
        c = f * c + i * np.tanh(gates[..., 12:])
        h = o * np.tanh(c)
        np.testing.assert_allclose(np.asarray(hiddens[slot]), h, atol=1e-5)
        np.testing.assert_allclose(np.asarray(cells[slot]), c, atol=1e-5)


def test_extra_heads_see_the_largest_activations() -> None:
    network = lively(replace(ZERO_SHOT, class_count=5, stop_head=True))
    frames, _ = clip(2, 2, 1)
    found = network.unroll(frames)
    assert found.classes.shape == (2, 2, 4, 5)
    assert found.stops.shape == (2, 2, 4)
    hidden = network.decode(network.encode(frames[:, 0]), None, slots=4).hidden
    pooled = np.concatenate([np.asarray(x).max(axis=(2, 3)) for x in hidden], axis=-1)
    kernel, bias = network.heads["stop_head"].get_weights()
    np.testing.assert_allclose(np.asarray(found.stops)[:, 0], (pooled @ kernel + bias)[..., 0].T, atol=1e-5)
    plain = RVOS(ZERO_SHOT).unroll(frames)
    assert (plain.classes, plain.stops) == ((), ())


def test_dropout_works_in_training_only() -> None:
    network, plain = RVOS(replace(ZERO_SHOT, dropout=0.5)), RVOS(ZERO_SHOT)
    plain.set_weights(network.get_weights())
    frames, _ = clip(1, 1, 1)
    np.testing.assert_array_equal(np.asarray(network(frames)), np.asarray(plain(frames)))
    first, second = (np.asarray(network(frames, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-5


def test_batch_norm_moves_the_unbiased_variance_and_can_be_frozen() -> None:
    x = np.random.default_rng(0).normal(2, 3, (2, 2, 3, 4)).astype(np.float32)
    layer = BatchNorm()
    found = np.asarray(layer(x, training=True))
    flat = x.reshape(-1, 4)
    np.testing.assert_allclose(found.reshape(-1, 4), (flat - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-5), atol=1e-5)
    np.testing.assert_allclose(np.asarray(layer.moving_mean), 0.1 * flat.mean(0), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(layer.moving_variance), 0.9 + 0.1 * flat.var(0, ddof=1), rtol=1e-5)
    layer.trainable = False
    expected = (flat - np.asarray(layer.moving_mean)) / np.sqrt(np.asarray(layer.moving_variance) + 1e-5)
    np.testing.assert_allclose(np.asarray(layer(x, training=True)).reshape(-1, 4), expected, atol=1e-5)


@pytest.mark.parametrize(("mode", "moved"), [("frame", True), ("clip", True), ("frozen", False)])
def test_statistics_of_the_trunk_move_as_the_settings_say(mode: str, moved: bool) -> None:
    network = RVOS(replace(ZERO_SHOT, trunk="resnet34", hidden_size=8, extra_levels=0, slots=1, batch_norm=mode))
    before = np.asarray(network.trunk.get_layer("bn1").moving_mean)
    skip = np.asarray(network.skip_norms[0].moving_mean)
    network(clip(1, 2, 1)[0], training=True)
    assert (np.abs(np.asarray(network.trunk.get_layer("bn1").moving_mean) - before).max() > 0) == moved
    assert np.abs(np.asarray(network.skip_norms[0].moving_mean) - skip).max() > 0
    names = {variable.path for variable in network.trainable_variables}
    assert any("bn1/gamma" in name for name in names) == moved


def test_frame_statistics_are_of_one_frame_and_clip_statistics_of_all() -> None:
    frames, _ = clip(2, 2, 1)
    networks = {mode: RVOS(replace(ZERO_SHOT, batch_norm=mode, slots=1)) for mode in ("frame", "clip")}
    networks["clip"].set_weights(networks["frame"].get_weights())
    alone = np.asarray(networks["frame"](frames[:, :1], training=True))
    by_frame = np.asarray(networks["frame"](frames, training=True))
    by_clip = np.asarray(networks["clip"](frames, training=True))
    np.testing.assert_allclose(by_frame[:, :1], alone, atol=1e-6)
    assert np.abs(by_clip[:, :1] - alone).max() > 1e-5


def test_frames_together_are_normalised_as_frames_one_by_one() -> None:
    x = np.random.default_rng(0).normal(2, 3, (6, 2, 3, 4)).astype(np.float32)
    alone, together = BatchNorm(), BatchNorm()
    expected = np.concatenate([np.asarray(alone(x[i : i + 2], training=True)) for i in (0, 2, 4)])
    with statistics_by_frame([together], 3):
        found = np.asarray(together(x, training=True))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for one, other in zip(alone.get_weights(), together.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert together.frames == 1


def test_resnets_halve_sizes_rounded_up() -> None:
    scales = build_resnet(34, 3, "trunk")(np.zeros((1, 33, 45, 3), np.float32))
    assert [tuple(x.shape[1:3]) for x in scales] == [(17, 23), (9, 12), (5, 6), (3, 3), (2, 2)]


def test_masks_where_they_do_not_belong_are_one_clear_sentence() -> None:
    frames, masks = clip(1, 2, 2)
    zero_shot, one_shot = RVOS(ZERO_SHOT), RVOS(TINY)
    for wrong in (
        lambda: zero_shot(frames, masks[:, 0]),
        lambda: zero_shot.start(frames[0, :1], masks[0, 0][..., None]),
    ):
        with pytest.raises(VosError, match="expected no masks"):
            wrong()
    with pytest.raises(VosError, match="expected the objects' first masks"):
        one_shot(frames)


@pytest.mark.parametrize(("changes", "message"), [
    ({"trunk": "resnet18"}, "trunk: expected one of vgg16, .*, found 'resnet18'"),
    ({"skip_mode": "add"}, "model.skip_mode: expected one of concat, sum, mul, none, found 'add'"),
    ({"recurrence": "both"}, "model.recurrence: expected one of"),
    ({"batch_norm": "off"}, "model.batch_norm: expected one of"),
    ({"slot_loop": "none"}, "model.slot_loop: expected one of"),
    ({"normalization": "rgb"}, "model.normalization: expected one of '', unit"),
    ({"trunk": "vgg16", "size": (240, 427)}, r"model.size: expected multiples of 32 \(trunk vgg16\), found"),
    ({"size": (16, 448)}, r"model.size: expected 32 or more \(trunk resnet101\), found"),
    ({"hidden_size": 20}, "model.hidden_size: expected a multiple of 8, found 20"),
    ({"hidden_size": 0}, "model.hidden_size: expected a multiple of 8, found 0"),
    ({"kernel_size": 2}, "model.kernel_size: expected an odd number, found 2"),
    ({"slots": 0}, "model.slots: expected 1 or more, found 0"),
    ({"extra_levels": -1}, "model.extra_levels: expected 0 or more, found -1"),
    ({"class_count": -1}, "model.class_count: expected 0 or more, found -1"),
    ({"dropout": 1.0}, "model.dropout: expected 0 <= x < 1, found 1.0"),
    ({"finest_stride": 3}, r"model.finest_stride: expected one of 2, 4, 8, 16, 32 \(trunk resnet101\), found 3"),
])  # fmt: skip
def test_impossible_settings_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(VosError, match=message):
        replace(RVOSSettings(), **changes)


def test_saved_model_folder_gives_the_same_network(tmp_path: Path) -> None:
    network = lively(replace(TINY, stop_head=True, dropout=0.1))
    save_model(tmp_path / "model", "rvos", network)
    name, loaded = load_model(tmp_path / "model")
    assert name == "rvos"
    assert loaded.settings == network.settings
    frames, masks = clip(1, 2, 2)
    np.testing.assert_array_equal(np.asarray(network(frames, masks[:, 0])), np.asarray(loaded(frames, masks[:, 0])))


def test_trunk_weights_reach_the_trunk_alone(tmp_path: Path) -> None:
    settings = replace(default_settings("mobilenet_v2"), size=(32, 32), hidden_size=8)
    source = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(None, None, 3))
    source.save_weights(tmp_path / "trunk.weights.h5")
    network = RVOS(settings)
    cells = [cell.get_weights() for cell in network.cells]
    network.load_trunk_weights(str(tmp_path / "trunk.weights.h5"))
    body = network.trunk.get_layer("features")
    np.testing.assert_array_equal(
        body.get_layer("Conv_1").get_weights()[0], source.get_layer("Conv_1").get_weights()[0]
    )
    for old, cell in zip(cells, network.cells, strict=True):
        np.testing.assert_array_equal(old[0], cell.get_weights()[0])


def test_keras_has_no_imagenet_weights_of_these_resnets() -> None:
    network = RVOS(replace(default_settings("resnet34"), size=(32, 32), hidden_size=8))
    with pytest.raises(VosError, match=r"trunk resnet34: expected a \.weights\.h5 file"):
        network.load_trunk_weights("imagenet")
