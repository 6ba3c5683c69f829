"""Zero-shot RVOS: proposals kept in their slots, matched with first masks, small ones left out."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from rvos_networks import ONE_SHOT, ZERO_SHOT, boxes, frames_of, lively

import vos_tf
from vos_tf.errors import VosError
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.methods.registry import get_method
from vos_tf.methods.rvos.one_shot import jaccard_table
from vos_tf.methods.rvos.options import ZeroShotOptions
from vos_tf.methods.rvos.segmenter import RVOSSegmenter

SIZE = ZERO_SHOT.size


@pytest.fixture(scope="module")
def network() -> Any:
    return lively(ZERO_SHOT)


@pytest.fixture(scope="module")
def rule(network: Any) -> MergeRule:
    """A threshold that some of the pixels reach."""
    maps = tf.sigmoid(network(frames_of(4)[None].astype(np.float32))).numpy()
    return MergeRule("argmax", float(np.quantile(maps, 0.6)))


@pytest.fixture(scope="module")
def maps(network: Any) -> np.ndarray:
    """Probabilities ``(T, S, H, W)`` of the network, unrolled."""
    found: np.ndarray = tf.sigmoid(network(frames_of(4)[None].astype(np.float32))).numpy()[0]
    return found


@pytest.fixture(scope="module")
def matched(network: Any, rule: MergeRule) -> RVOSSegmenter:
    return RVOSSegmenter(network, rule=rule, options=ZeroShotOptions("matched"))


def test_proposals_are_those_of_the_unrolled_network(network: Any, rule: MergeRule, maps: np.ndarray) -> None:
    results = list(RVOSSegmenter(network, rule=rule).stream(frames_of(4)))
    np.testing.assert_allclose(np.stack([r.probabilities for r in results]), maps, atol=1e-6)
    for result in results:
        assert result.object_ids == (1, 2, 3, 4)
        best = result.probabilities.max(axis=0)
        wanted = np.where(best > rule.background, result.probabilities.argmax(axis=0) + 1, 0)
        np.testing.assert_array_equal(result.labels, wanted)
    assert len({i for result in results for i in np.unique(result.labels)}) > 1


def test_small_proposals_are_left_out(network: Any, rule: MergeRule) -> None:
    plain = list(RVOSSegmenter(network, rule=rule).stream(frames_of(3)))
    areas = sorted(int(n) for r in plain for n in np.bincount(r.labels.ravel())[1:] if n)
    least = (areas[0] + 1) / (SIZE[0] * SIZE[1])
    large = RVOSSegmenter(network, rule=rule, options=ZeroShotOptions(min_area=least)).stream(frames_of(3))
    for one, other in zip(plain, large, strict=True):
        for number in range(1, 5):
            area = (one.labels == number).sum()
            assert (other.labels == number).sum() == (area if area > areas[0] else 0)


def test_a_proposal_can_be_dropped(network: Any, rule: MergeRule, maps: np.ndarray) -> None:
    session = RVOSSegmenter(network, rule=rule).session(SIZE)
    session.step(frames_of(1)[0])
    session.remove(2)
    result = session.step(frames_of(4)[1])
    assert result.object_ids == (1, 3, 4)
    np.testing.assert_allclose(result.probabilities, maps[1][[0, 2, 3]], atol=1e-6)


def test_objects_are_matched_with_the_best_proposals(matched: RVOSSegmenter, maps: np.ndarray) -> None:
    """All ways to match, tried one by one; those found before keep their proposals."""
    first, late = boxes((1, 2)), boxes((3,))
    late[late == 3] = 9
    frames, threshold = frames_of(4), matched.rule.background
    results = list(matched.stream(frames, masks={"1": first, "2": late}))
    assert [result.object_ids for result in results] == [(), (1, 2), (1, 2, 9), (1, 2, 9)]
    assert not results[0].labels.any()
    np.testing.assert_array_equal(results[1].labels, first)
    np.testing.assert_array_equal(results[2].labels[late == 9], 9)

    table = jaccard_table([first == 1, first == 2], maps[1] > threshold, first < 255)
    pairs = max(permutations(range(4), 2), key=lambda pair: table[0, pair[0]] + table[1, pair[1]])
    free = [slot for slot in range(4) if slot not in pairs]
    third = free[int(jaccard_table([late == 9], maps[2][free] > threshold, late < 255).argmax())]
    np.testing.assert_allclose(results[3].probabilities, maps[3][[*pairs, third]], atol=1e-6)
    wanted = np.where(results[3].probabilities.max(axis=0) > threshold, results[3].probabilities.argmax(axis=0), 3)
    np.testing.assert_array_equal(results[3].labels, np.array([1, 2, 9, 0])[wanted])


def test_void_is_not_counted_in_matching(matched: RVOSSegmenter, maps: np.ndarray) -> None:
    """A mask that is a proposal but for pixels that nobody knows is matched with it."""
    proposal = maps[0, 2] > matched.rule.background
    labels = np.where(proposal, np.uint8(5), np.uint8(0))
    labels[:, : SIZE[1] // 3] = 255
    labels[~proposal & (np.arange(SIZE[0]) % 2 == 0)[:, None]] = 255
    session = matched.session(SIZE)
    session.add(labels)
    session.step(frames_of(4)[0])
    np.testing.assert_allclose(session.step(frames_of(4)[1]).probabilities[0], maps[1, 2], atol=1e-6)


def test_matched_objects_are_painted_by_their_fit(network: Any, maps: np.ndarray, rule: MergeRule) -> None:
    painting = MergeRule("painted", rule.background)
    segmenter = RVOSSegmenter(network, rule=painting, options=ZeroShotOptions("matched"))
    labels = boxes((1, 2, 3, 4))
    result = list(segmenter.stream(frames_of(2), first=labels))[1]
    table = jaccard_table([labels == i for i in (1, 2, 3, 4)], maps[0] > rule.background, labels < 255)
    order = max(permutations(range(4)), key=lambda slots: sum(table[i, slot] for i, slot in enumerate(slots)))
    quality = [table[i, slot] for i, slot in enumerate(order)]
    wanted = np.zeros(SIZE, np.uint8)
    for index in np.argsort(quality, kind="stable"):
        wanted[result.probabilities[index] >= np.float32(rule.background)] = index + 1
    np.testing.assert_array_equal(result.labels, wanted)


def test_memory_is_constant(network: Any) -> None:
    session = RVOSSegmenter(network).session(SIZE)
    sizes = set()
    for frame in range(105):
        session.step(frames_of(1)[0], str(frame))
        kept = tf.nest.flatten([value for value in vars(session).values() if not hasattr(value, "network")])
        sizes.add(sum(np.asarray(x).nbytes for x in kept if tf.is_tensor(x) or isinstance(x, np.ndarray)))
    assert len(sizes) == 1


def test_masks_and_zero_shot_do_not_go_together(network: Any, matched: RVOSSegmenter, rule: MergeRule) -> None:
    plain = RVOSSegmenter(network)
    with pytest.raises(
        VosError, match=r"mask: expected none, as this network is zero-shot .* choose objects='matched'"
    ):
        plain.session(SIZE).add(boxes((1,)))
    with pytest.raises(VosError, match="mask: expected none"):
        next(plain.stream(frames_of(1), first=boxes((1,))))
    with pytest.raises(VosError, match="stream: expected a mask of the first frame"):
        next(matched.stream(frames_of(1)))
    with pytest.raises(VosError, match="found painted, which needs first masks"):
        RVOSSegmenter(network, rule=MergeRule("painted"))
    five = boxes((1, 2, 3, 4))
    five[0, 0] = 5
    with pytest.raises(VosError, match="at most 4 objects at a time"):
        matched.session(SIZE).add(five)


def test_options_of_the_other_kind_are_refused(network: Any) -> None:
    assert get_method("rvos").objects_from(network.get_config()["settings"]) == "proposals"
    one_shot = lively(ONE_SHOT)
    assert get_method("rvos").objects_from(one_shot.get_config()["settings"]) == "masks"
    with pytest.raises(VosError, match=r"option objects: expected an option of rvos .*decode, joining\)"):
        get_method("rvos").resolve_options(one_shot, {"objects": "matched"})
    with pytest.raises(VosError, match=r"option decode: expected an option of rvos .*objects, min_area\)"):
        get_method("rvos").resolve_options(network, {"decode": "all"})
    for wrong in ({"objects": "all"}, {"min_area": 2.0}, {"objects": "matched", "min_area": 0.1}):
        with pytest.raises(VosError, match="expected"):
            get_method("rvos").resolve_options(network, wrong)


def test_the_api_builds_zero_shot_networks() -> None:
    segmenter = vos_tf.build("rvos", trunk="small", size=SIZE, hidden_size=16, slots=3, mask_input=False)
    results = list(segmenter.stream(frames_of(2)))
    assert [result.object_ids for result in results] == [(1, 2, 3)] * 2
