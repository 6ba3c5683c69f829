"""RVOS sessions: as the network unrolled, whatever is decoded; objects that join and leave; constant memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from rvos_networks import ONE_SHOT, boxes, frames_of, lively

import vos_tf
from vos_tf.errors import VosError
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.methods.rvos.one_shot import jaccard_table
from vos_tf.methods.rvos.options import OneShotOptions
from vos_tf.methods.rvos.segmenter import RVOSSegmenter

SIZE = ONE_SHOT.size
ALL = OneShotOptions("all")
CARRIED = OneShotOptions("all", "carried")


@pytest.fixture(scope="module")
def network() -> Any:
    return lively(ONE_SHOT)


@pytest.fixture(scope="module")
def segmenter(network: Any) -> RVOSSegmenter:
    return RVOSSegmenter(network)


@pytest.fixture(scope="module")
def every_slot(network: Any) -> RVOSSegmenter:
    return RVOSSegmenter(network, options=ALL)


@pytest.fixture(scope="module")
def carried(network: Any) -> RVOSSegmenter:
    return RVOSSegmenter(network, options=CARRIED)


def planes(labels: np.ndarray, ids: tuple[int, ...]) -> np.ndarray:
    return np.stack([labels == i for i in ids])[..., None].astype(np.float32)


def probabilities(logits: Any) -> np.ndarray:
    return tf.sigmoid(logits)[..., 0].numpy()


def follow(segmenter: RVOSSegmenter, frames: np.ndarray, masks: dict[int, np.ndarray]) -> list[Any]:
    return list(segmenter.stream(frames, masks={str(time): labels for time, labels in masks.items()}))


def test_a_session_says_what_the_unrolled_network_says(network: Any, segmenter: RVOSSegmenter) -> None:
    frames, labels = frames_of(5), boxes((1, 2, 3))
    masks = planes(labels, (1, 2, 3))[None, ..., 0]
    unrolled = tf.sigmoid(network(frames[None].astype(np.float32), masks)).numpy()[0]
    results = follow(segmenter, frames, {0: labels})
    np.testing.assert_allclose(np.stack([r.probabilities for r in results[1:]]), unrolled, atol=1e-6)
    assert unrolled.std() > 1e-3
    np.testing.assert_array_equal(results[0].labels, labels)


@pytest.mark.parametrize("recurrence", ["only_spatial", "only_temporal"])
def test_other_recurrences(recurrence: str) -> None:
    network = lively(replace(ONE_SHOT, recurrence=recurrence))
    frames, labels = frames_of(4), boxes((1, 2))
    unrolled = tf.sigmoid(network(frames[None].astype(np.float32), planes(labels, (1, 2))[None, ..., 0])).numpy()[0]
    results = follow(RVOSSegmenter(network), frames, {0: labels})
    np.testing.assert_allclose(np.stack([r.probabilities for r in results[1:]]), unrolled, atol=1e-6)


def test_empty_slots_behind_the_objects_change_nothing(segmenter: RVOSSegmenter, every_slot: RVOSSegmenter) -> None:
    frames, masks = frames_of(6), {0: boxes((1, 2)), 3: boxes((3,))}
    for one, other in zip(follow(segmenter, frames, masks), follow(every_slot, frames, masks), strict=True):
        assert one.object_ids == other.object_ids
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_all_slots_go_by_object_id(network: Any, every_slot: RVOSSegmenter) -> None:
    frames, labels = frames_of(3), boxes((1, 3))
    masks = np.zeros((ONE_SHOT.slots, *SIZE, 1), np.float32)
    masks[[0, 2]] = planes(labels, (1, 3))
    state = network.start(frames[:1].astype(np.float32), masks)
    logits, _ = network.step(frames[1:2].astype(np.float32), state)
    result = follow(every_slot, frames, {0: labels})[1]
    np.testing.assert_allclose(result.probabilities, probabilities(logits)[[0, 2]], atol=1e-6)


def test_ids_beyond_the_slots_go_to_free_ones(every_slot: RVOSSegmenter) -> None:
    frames = frames_of(3)
    high, low = boxes((1, 2)), boxes((1, 2))
    high[high == 2] = 77
    for one, other in zip(follow(every_slot, frames, {0: high}), follow(every_slot, frames, {0: low}), strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_late_objects_start_in_their_own_frame(network: Any, segmenter: RVOSSegmenter) -> None:
    """Decoded with those before them, from nothing; the given mask counts in the next frame, too."""
    frames, images = frames_of(4), frames_of(4).astype(np.float32)
    first, late = boxes((1,)), boxes((2,))
    state = network.start(images[:1], planes(first, (1,)))
    _, state = network.step(images[1:2], state)
    empty, mask = network.initial_state(1), planes(late, (2,))
    hidden = tuple(tf.concat(pair, axis=0) for pair in zip(state.hidden, empty.hidden, strict=True))
    logits, state = network.step(images[2:3], type(state)(hidden, tf.concat([state.mask, mask], axis=0)))
    joined = probabilities(logits)
    state = state._replace(mask=tf.concat([state.mask[:1], mask], axis=0))
    wanted = probabilities(network.step(images[3:], state)[0])
    results = follow(segmenter, frames, {0: first, 2: late})
    np.testing.assert_allclose(results[2].probabilities[0], joined[0], atol=1e-6)
    np.testing.assert_array_equal(results[2].probabilities[1], late == 2)
    np.testing.assert_allclose(results[3].probabilities, wanted, atol=1e-6)


def test_late_objects_carried_on_as_in_the_original(network: Any, carried: RVOSSegmenter) -> None:
    """The empty slot's past stays; the mask is seen in the object's first frame only."""
    images = frames_of(4).astype(np.float32)
    first, late = boxes((1,)), boxes((2,))
    masks = np.zeros((ONE_SHOT.slots, *SIZE, 1), np.float32)
    masks[0] = planes(first, (1,))[0]
    state = network.start(images[:1], masks)
    _, state = network.step(images[1:2], state)
    injected = np.array(state.mask)
    injected[1] = planes(late, (2,))[0]
    _, state = network.step(images[2:3], state._replace(mask=injected))
    wanted = probabilities(network.step(images[3:], state)[0])
    result = follow(carried, frames_of(4), {0: first, 2: late})[3]
    np.testing.assert_allclose(result.probabilities, wanted[:2], atol=1e-6)


@pytest.mark.parametrize("kind", ["segmenter", "every_slot"])
def test_an_object_that_left_leaves_no_trace(kind: str, request: pytest.FixtureRequest) -> None:
    """Those before it do not see it; a slot that was freed starts from nothing."""
    segmenter: RVOSSegmenter = request.getfixturevalue(kind)
    frames = frames_of(5)
    alone = [r.probabilities[0] for r in follow(segmenter, frames, {0: boxes((1,))})]
    session = segmenter.session(SIZE)
    session.add(boxes((1, 2)))
    session.step(frames[0])
    session.step(frames[1])
    session.remove(2)
    np.testing.assert_allclose(session.step(frames[2]).probabilities[0], alone[2], atol=1e-6)
    session.add(boxes((3,)))
    result = session.step(frames[3])
    assert result.object_ids == (1, 3)
    np.testing.assert_allclose(result.probabilities[0], alone[3], atol=1e-6)
    session.remove(1)
    session.remove(3)
    assert not session.step(frames[4]).labels.any()


def test_the_first_object_can_leave_and_come_back(segmenter: RVOSSegmenter) -> None:
    frames, labels = frames_of(4), boxes((1, 2))
    session = segmenter.session(SIZE)
    session.add(labels)
    session.step(frames[0])
    session.add(boxes((1,)))  # known: starts anew, behind the other
    result = session.step(frames[1])
    assert result.object_ids == (2, 1)
    np.testing.assert_array_equal(result.probabilities[1], boxes((1,)) == 1)
    assert session.step(frames[2]).probabilities.shape == (2, *SIZE)


def test_memory_is_constant(every_slot: RVOSSegmenter) -> None:
    frames = frames_of(2)
    session = every_slot.session(SIZE)
    session.add(boxes((1, 2)))
    sizes = set()
    for time in range(110):
        session.step(frames[time % 2])
        kept = tf.nest.flatten([value for value in vars(session).values() if not hasattr(value, "network")])
        sizes.add(sum(np.asarray(x).nbytes for x in kept if tf.is_tensor(x) or isinstance(x, np.ndarray)))
    assert len(sizes) <= 2  # the frame with the given masks, and all others
    assert max(sizes) > 1000


def test_the_best_found_object_is_painted_last(network: Any) -> None:
    frames, labels = frames_of(3), boxes((1, 2))
    state = network.initial_state(mask=planes(labels, (1, 2)))
    maps = probabilities(network.step(frames[:1].astype(np.float32), state)[0])
    threshold = float(np.quantile(maps, 0.3))
    quality = jaccard_table([labels == 1, labels == 2], maps > threshold, labels < 255).diagonal()
    assert quality[0] != quality[1]
    segmenter = RVOSSegmenter(network, rule=MergeRule("painted", threshold))
    result = follow(segmenter, frames, {0: labels})[1]
    painted = result.probabilities >= np.float32(threshold)
    wanted = np.zeros(SIZE, np.uint8)
    for index in np.argsort(quality):
        wanted[painted[index]] = index + 1
    assert painted.all(axis=0).any()
    np.testing.assert_array_equal(result.labels, wanted)


def test_jaccard_table() -> None:
    random = np.random.default_rng(0)
    one, two = random.random((3, 6, 7)) > 0.5, random.random((2, 6, 7)) > 0.5
    counted = random.random((6, 7)) > 0.2
    one[2] = two[1] = False
    table = jaccard_table(one, two, counted)
    for i, j in np.ndindex(3, 2):
        either = ((one[i] | two[j]) & counted).sum()
        assert table[i, j] == pytest.approx(((one[i] & two[j]) & counted).sum() / max(either, 1))
    assert table[2, 1] == 0


def test_more_objects_than_slots(segmenter: RVOSSegmenter) -> None:
    labels = np.zeros(SIZE, np.uint8)
    for number in range(1, 6):
        labels[0, number] = number
    session = segmenter.session(SIZE)
    with pytest.raises(VosError, match=r"at most 4 objects at a time \(the slots of this network\), found 5 \(1, 2, 3"):
        session.add(labels)
    session.add(boxes((1, 2, 3)))  # nothing of the refused masks is left
    assert session.step(frames_of(1)[0]).object_ids == (1, 2, 3)
    session.remove(2)
    session.add(boxes((2, 4)))
    assert session.step(frames_of(1)[0]).object_ids == (1, 3, 2, 4)


def test_the_api_knows_rvos(network: Any) -> None:
    segmenter = vos_tf.build("rvos", trunk="small", size=SIZE, hidden_size=16, options={"decode": "all"})
    assert isinstance(segmenter, RVOSSegmenter)
    assert (segmenter.options.decode, segmenter.options.joining) == (ALL.decode, ALL.joining)
    with pytest.raises(VosError, match="found neither"):
        next(segmenter.stream(frames_of(2)))
    with pytest.raises(VosError, match="joining: expected started where only present objects are decoded"):
        vos_tf.build("rvos", trunk="small", size=SIZE, options={"joining": "carried"})
    with pytest.raises(VosError, match="merge rule: expected argmax, soft_aggregation or last_wins, found painted"):
        vos_tf.build("s2s", trunk="small", size=SIZE, rule=MergeRule("painted"))
