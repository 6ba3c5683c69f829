"""Parts of maps against whole ones: probabilities, label maps, confidences."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.inference.merging.graph import MergeRule, MergingGraph
from vos_tf.inference.merging.logit_maps import LogitMaps, join_maps
from vos_tf.inference.resizing import to_frame_size
from vos_tf.inference.session import FrameResult

SIZE = (48, 85)
RULES = (
    MergeRule(),
    MergeRule("argmax", 0.4),
    MergeRule("argmax", 0.0),
    MergeRule("argmax", 1.0),
    MergeRule("last_wins", 1 / 255),
    MergeRule("last_wins", 0.0),
    MergeRule("last_wins", 1.0),
    MergeRule("soft_aggregation"),
)
MERGING = {rule: MergingGraph(rule) for rule in RULES}


def logits_of(seed: int, size: tuple[int, int], scale: float, level: float) -> np.ndarray:
    """Smooth maps of three objects."""
    noise = np.random.default_rng(seed).normal(size=(*size, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2).reshape(noise.shape)
    return np.ascontiguousarray((smooth * scale + level).transpose(2, 0, 1)[..., None], np.float32)


def whole_maps(logits: np.ndarray, size: tuple[int, int]) -> Any:
    return to_frame_size(tf.constant(logits), *size).numpy()


def blobs(size: tuple[int, int] = (16, 28)) -> np.ndarray:
    logits = np.full((3, *size, 1), -8, np.float32)
    logits[0, 2:5, 3:9] = 5
    logits[1, 4:9, 7:15] = 6
    return logits  # the third object is nowhere


def result_of(maps: Any, rule: MergeRule = RULES[0]) -> FrameResult:
    nothing = np.zeros(SIZE, np.uint8)
    return FrameResult((4, 2, 9), "0", lambda: MERGING[rule](maps, (4, 2, 9), nothing), maps)


@given(
    st.integers(0, 2**16),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.sampled_from([1.0, 20.0, 3000.0]),
    st.sampled_from([-3.0, 0.0, 2.0]),
    st.sampled_from(RULES),
)
@settings(max_examples=80, deadline=None)
def test_label_maps_are_those_of_whole_maps(
    seed: int, small: tuple[int, int], size: tuple[int, int], scale: float, level: float, rule: MergeRule
) -> None:
    logits = logits_of(seed, small, scale, level)
    nothing = np.zeros(size, np.uint8)
    wanted = MERGING[rule](whole_maps(logits, size), (4, 2, 9), nothing)
    found = MERGING[rule](LogitMaps(tf.constant(logits), size), (4, 2, 9), nothing)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name}-{rule.background:.2f}")
def test_parts_are_those_of_whole_maps_and_hold_all_that_can_win(rule: MergeRule) -> None:
    logits = logits_of(5, (16, 28), 6, -2)
    whole = whole_maps(logits, SIZE)
    for part, values in zip(LogitMaps(tf.constant(logits), SIZE).parts(rule), whole, strict=True):
        np.testing.assert_allclose(part.values, values[part.box], atol=1e-6)
        outside = values.copy()
        outside[part.box] = 0
        assert outside.max() < max(rule.background, 1e-6)


def test_parts_are_small_where_objects_are() -> None:
    maps = LogitMaps(tf.constant(blobs()), SIZE)
    shares = [part.values.size / (SIZE[0] * SIZE[1]) for part in maps.parts(MergeRule())]
    assert 0.02 < shares[0] < 0.12
    assert shares[2] == 0
    assert [part.values.shape for part in maps.parts(MergeRule())] == [part.values.shape for part in maps.found]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_no_number_wins_nowhere_as_in_whole_maps() -> None:
    logits = blobs()
    logits[0, 3, 3] = np.nan
    logits[1, 6, 9] = np.inf
    np.testing.assert_array_equal(
        result_of(LogitMaps(tf.constant(logits), SIZE)).labels, result_of(whole_maps(logits, SIZE)).labels
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name}-{rule.background:.2f}")
def test_results_say_the_same_whether_maps_are_whole_or_not(rule: MergeRule) -> None:
    logits = blobs()
    one, other = result_of(LogitMaps(tf.constant(logits), SIZE), rule), result_of(whole_maps(logits, SIZE), rule)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    np.testing.assert_allclose(one.confidences, other.confidences, rtol=1e-6)
    for number, values, confidence in zip(one.object_ids, other.probabilities, one.confidences, strict=True):
        inside = values[other.labels == number]
        if inside.size:
            np.testing.assert_allclose(confidence, inside.mean(), rtol=1e-6)
        else:
            assert np.isnan(confidence)


def test_maps_of_several_groups_are_joined() -> None:
    logits = tf.constant(logits_of(3, (16, 28), 6, 0))
    first, rest = LogitMaps(logits[:1], SIZE), LogitMaps(logits[1:], SIZE)
    together = join_maps([first, rest])
    assert isinstance(together, LogitMaps)
    whole = whole_maps(logits.numpy(), SIZE)
    np.testing.assert_array_equal(np.asarray(together), whole)
    mixed = join_maps([first, tf.constant(whole[1:])])
    np.testing.assert_array_equal(mixed.numpy(), whole)
    assert join_maps([first]) is first
