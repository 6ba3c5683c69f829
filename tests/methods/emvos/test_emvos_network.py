"""EMVOS as a network: shapes, equal ways to the same result, and masks that leave nothing to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from emvos_networks import SETTINGS, SIZE, clip, disc, flat, masks, network
from keras import ops

from vos_tf.errors import VosError
from vos_tf.inference.graph import VideoGraph
from vos_tf.methods.emvos.decoder import doubled
from vos_tf.methods.emvos.network import EMVOS
from vos_tf.methods.emvos.settings import EMVOSSettings
from vos_tf.methods.load import load_model
from vos_tf.models.weights import save_model

OTHER = np.roll(disc(0), 30, axis=1)


@pytest.fixture(scope="module")
def made() -> EMVOS:
    return network()


def test_unrolled_is_stepped(made: EMVOS) -> None:
    frames, first = clip(), masks(disc(0), OTHER)
    unrolled = np.asarray(made(frames, first[None, ..., 0]))
    assert unrolled.shape == (1, 3, 2, *SIZE)
    state = made.start(frames[:, 0], first)
    for step in range(3):
        logits, state = made.step(frames[:, 1 + step], state)
        np.testing.assert_allclose(np.asarray(logits)[..., 0], unrolled[0, step], atol=1e-5)


def test_together_is_one_by_one(made: EMVOS) -> None:
    frames, first = clip(), masks(disc(0), OTHER, np.zeros(SIZE))
    together = made.start(frames[:, 0], first)
    alone = [made.start(frames[:, 0], first[n : n + 1]) for n in range(3)]
    for step in range(3):
        logits, together = made.step(frames[:, 1 + step], together)
        for n in range(3):
            own, alone[n] = made.step(frames[:, 1 + step], alone[n])
            np.testing.assert_allclose(own, logits[n : n + 1], atol=1e-5)


def test_every_tensor_of_the_state_begins_with_the_objects_and_keeps_its_size(made: EMVOS) -> None:
    frames = clip()
    state = made.start(frames[:, 0], masks(disc(0), OTHER))
    shapes = [x.shape for x in flat(state)]
    assert {shape[0] for shape in shapes} == {2}
    for step in range(3):
        state = made.step(frames[:, 1 + step], state)[1]
    assert [x.shape for x in flat(state)] == shapes


@pytest.mark.parametrize("size", [(64, 96), (61, 83), (50, 37)])
def test_frames_of_any_size(made: EMVOS, size: tuple[int, int]) -> None:
    frames = clip(size=size)
    logits, _ = made.step(frames[:, 1], made.start(frames[:, 0], masks(disc(0, size))))
    assert logits.shape == (1, *size, 1)


def test_maps_of_unknown_size_are_doubled_like_others() -> None:
    maps = np.random.default_rng(3).normal(size=(2, 5, 7, 3)).astype(np.float32)
    unknown = tf.function(doubled, input_signature=[tf.TensorSpec([None, None, None, 3])])
    np.testing.assert_allclose(unknown(maps), doubled(ops.convert_to_tensor(maps)), atol=1e-6)


def test_a_portrait_video_keeps_its_proportions(made: EMVOS) -> None:
    graph = VideoGraph(made)
    upright = np.transpose(clip()[:, 0], (0, 2, 1, 3)).astype(np.uint8)
    features = graph.encode(upright)
    assert features.keys.shape[1:3] == (SIZE[1] // 8, SIZE[0] // 8)
    logits, _ = graph.step(features, graph.start(upright, masks(disc(0).T).astype(np.uint8)))
    assert logits.shape == (1, *SIZE[::-1], 1)


def _point() -> np.ndarray:
    point = np.zeros(SIZE)
    point[20, 30] = 1
    return point


@pytest.mark.parametrize("mask", [np.zeros(SIZE), np.ones(SIZE), _point()], ids=["empty", "full", "one pixel"])
@pytest.mark.parametrize("grey", [False, True], ids=["clip", "grey"])
def test_masks_and_frames_that_say_little(made: EMVOS, mask: np.ndarray, grey: bool) -> None:
    frames = np.full_like(clip(), 127) if grey else clip()
    state = made.start(frames[:, 0], masks(mask))
    for step in range(3):
        logits, state = made.step(frames[:, 1 + step], state)
        assert np.isfinite(logits).all()
    assert all(np.isfinite(x).all() for x in flat(state))


def test_a_lost_object_leaves_the_moving_memory_as_it_is(made: EMVOS) -> None:
    frames = clip()
    features = made.encode(frames[:, 1])
    state = made.start(frames[:, 0], masks(disc(0)))
    nothing = ops.full((1, SIZE[0] // 2, SIZE[1] // 2, 1), -20.0)
    kept = made._learn(features, nothing, state)
    for before, after in zip(flat(state[:4]), flat(kept[:4]), strict=True):
        np.testing.assert_array_equal(before, after)


def test_an_object_that_is_seen_is_learned(made: EMVOS) -> None:
    frames = clip()
    state = made.start(frames[:, 0], masks(disc(0)))
    shown = np.where(disc(1)[::2, ::2], 20.0, -20.0)[None, ..., None].astype(np.float32)
    learned = made._learn(made.encode(frames[:, 1]), ops.convert_to_tensor(shown), state)
    assert np.abs(np.asarray(learned.moving.mass) - np.asarray(state.moving.mass)).max() > 0.1
    np.testing.assert_array_equal(learned.permanent.keys, state.permanent.keys)


def test_what_is_saved_is_loaded(made: EMVOS, tmp_path: Path) -> None:
    save_model(tmp_path / "model", "emvos", made)
    name, other = load_model(tmp_path / "model")
    assert name == "emvos" and other.settings == SETTINGS
    frames, first = clip(), masks(disc(0))[..., 0][None]
    np.testing.assert_array_equal(made(frames, first), other(frames, first))


@pytest.mark.parametrize(
    "values",
    [{"trunk": "small"}, {"size": (50, 64)}, {"bases": 0}, {"forgetting": 1.5}, {"filters": (8, 8)}, {"ridge": 0.0}],
)
def test_impossible_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(VosError):
        EMVOSSettings(**values)  # type: ignore[arg-type]
