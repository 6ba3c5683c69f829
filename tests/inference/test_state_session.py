"""States carried on, or begun again from the first frame as the ports of S2S did."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import vos_tf
from vos_tf.errors import VosError
from vos_tf.inference.merging.graph import MergingGraph
from vos_tf.inference.prefetch import prefetch
from vos_tf.methods.s2s.options import Options
from vos_tf.methods.s2s.segmenter import S2SSegmenter

SIZE = (32, 48)


@pytest.fixture(scope="module")
def network() -> Any:
    keras.utils.set_random_seed(4)
    return vos_tf.build("s2s", trunk="small", size=SIZE, state_filters=8, decoder_filters=(8, 6, 4)).network


def frames(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (*SIZE, 3), dtype=np.uint8) for _ in range(count)]


def labels_of(*ids: int) -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    for index, object_id in enumerate(ids):
        labels[2 + 10 * index : 10 + 10 * index, 8:30] = object_id
    return labels


def by_hand(network: Any, clip: list[np.ndarray], labels: np.ndarray, every: int, *, step_first: bool) -> list[Any]:
    """Probabilities of object 1 in all frames after the first, from ``start`` and ``step`` alone."""
    images = [frame[None].astype(np.float32) for frame in clip]
    first = network.start(images[0], (labels == 1)[None, ..., None].astype(np.float32))
    state, maps = first, []
    for index, image in enumerate(images if step_first else images[1:]):
        if every and index % every == 0:
            state = first
        logits, state = network.step(image, state)
        maps.append(tf.sigmoid(logits)[0, ..., 0].numpy())
    return maps[1:] if step_first else maps


@pytest.mark.parametrize(("every", "step_first"), [(0, False), (1, False), (3, False), (0, True), (3, True), (1, True)])
def test_states_against_the_network_by_hand(network: Any, every: int, step_first: bool) -> None:
    clip = frames(8)
    segmenter = S2SSegmenter(network, options=Options(restart_every=every, step_first=step_first))
    wanted = by_hand(network, clip, labels_of(1, 2), every, step_first=step_first)
    results = list(segmenter.stream(clip, first=labels_of(1, 2)))
    for result, maps in zip(results[1:], wanted, strict=True):
        np.testing.assert_allclose(result.probabilities[0], maps, atol=1e-5)
    others = by_hand(network, clip, labels_of(1, 2), (every + 1) % 4, step_first=step_first)
    assert any(
        np.abs(result.probabilities[0] - maps).max() > 1e-4 for result, maps in zip(results[1:], others, strict=True)
    )


def test_states_of_several_cells_are_begun_again_together() -> None:
    keras.utils.set_random_seed(6)
    settings = {"preset": "rs2s", "size": SIZE, "state_filters": 8, "decoder_filters": (8, 6, 4)}
    several = vos_tf.build("s2s", trunk="small", **settings).network
    assert len(several.cells) > 1
    results = list(S2SSegmenter(several, options=Options(restart_every=2)).stream(frames(4), first=labels_of(1)))
    for result, maps in zip(results[1:], by_hand(several, frames(4), labels_of(1), 2, step_first=False), strict=True):
        np.testing.assert_allclose(result.probabilities[0], maps, atol=1e-5)


def test_every_object_is_begun_again_at_its_own_time(network: Any) -> None:
    clip = frames(9)
    segmenter = S2SSegmenter(network, options=Options(restart_every=3, objects_per_call=1))
    late = np.zeros(SIZE, np.uint8)
    late[20:30, 20:40] = 8
    alone = list(segmenter.stream(clip[2:], first=late))
    session = segmenter.session(size=SIZE)
    session.add(labels_of(3))
    joined = []
    for index, frame in enumerate(clip):
        if index == 2:
            session.add(late)
        if index == 5:
            session.remove(3)
        joined.append(session.step(frame))
    for one, other in zip(alone[1:], joined[3:], strict=True):
        np.testing.assert_allclose(one.probabilities[0], other.probabilities[-1], atol=1e-5)


def test_prepared_frames_and_labels_that_are_asked_for_later(network: Any) -> None:
    """Frames encoded before their turn, in another thread; results that are looked at when all is over."""
    clip = frames(7)
    segmenter = S2SSegmenter(network, options=Options(restart_every=4))
    wanted = list(segmenter.stream(clip, masks={"0": labels_of(3), "3": labels_of(0, 8)}))
    assert np.ptp(wanted[2].probabilities) > 1e-4
    session = segmenter.session(size=SIZE)
    results = []
    for index, frame in enumerate(prefetch(session.prepare(frame) for frame in clip)):
        if index in (0, 3):
            session.add(labels_of(3) if index == 0 else labels_of(0, 8))
        results.append(session.step(frame))
    session.remove(3)
    assert isinstance(session.prepare(clip[0]), tuple)
    merge = MergingGraph(segmenter.rule)
    for one, other in zip(results, wanted, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert one.object_ids == other.object_ids
        given = other.labels if other.name in ("0", "3") else np.zeros(SIZE, np.uint8)
        np.testing.assert_array_equal(one.labels, merge(one.probabilities, one.object_ids, given))


def test_impossible_options_are_refused() -> None:
    with pytest.raises(VosError, match=r"restart_every: expected 0 \(never\) or more frames, found -1"):
        Options(restart_every=-1)
