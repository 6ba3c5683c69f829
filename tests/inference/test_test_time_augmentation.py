"""Several sizes and mirrored, for methods that remember: one run over the video for each, averaged before merging."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rvos_networks import ONE_SHOT, ZERO_SHOT, boxes, frames_of, lively

from vos_tf.errors import VosError
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.inference.options import result_options
from vos_tf.inference.test_time_augmentation import View, ViewsSegmenter, ViewsSession, resized, views
from vos_tf.methods.osvos.segmenter import OSVOSSegmenter
from vos_tf.methods.registry import get_method
from vos_tf.methods.rvos.segmenter import RVOSSegmenter


@pytest.fixture(scope="module")
def one_shot() -> Any:
    return lively(ONE_SHOT)


@pytest.fixture(scope="module")
def segmenters(one_shot: Any) -> dict[float, Any]:
    return {scale: RVOSSegmenter(resized(one_shot, scale)) for scale in (1.0, 1.5)}


@pytest.fixture(scope="module")
def averaging(segmenters: dict[float, Any]) -> ViewsSegmenter:
    return ViewsSegmenter(segmenters, views((1.0, 1.5), flip=True))


def test_views_are_in_order() -> None:
    assert views((1.0, 0.5), flip=True) == (View(1, False), View(0.5, False), View(1, True), View(0.5, True))
    labels = boxes((1, 2))
    np.testing.assert_array_equal(View(1, True).of(labels), labels[:, ::-1])
    assert View(0.5, False).of(labels) is labels


def test_each_view_has_its_own_memory(segmenters: dict[float, Any], averaging: ViewsSegmenter) -> None:
    """The mean of four runs over the whole video, mirrored back; ids that join late are the same in all."""
    frames, first, late = frames_of(5), boxes((1, 2)), boxes((3,))
    maps: list[list[np.ndarray]] = []
    for segmenter in segmenters.values():
        for flip in (False, True):
            session = segmenter.session(ONE_SHOT.size)
            look = View(1, flip)
            run = []
            for index, frame in enumerate(frames):
                if index in (0, 2):
                    session.add(look.of(first if index == 0 else late))
                run.append(look.back(session.step(look.of(frame)).probabilities))
            maps.append(run)
    results = list(averaging.stream(frames, masks={"0": first, "2": late}))
    for index, result in enumerate(results):
        np.testing.assert_allclose(result.probabilities, np.mean([run[index] for run in maps], axis=0), atol=1e-5)
    assert results[-1].object_ids == (1, 2, 3)
    assert np.abs(maps[0][-1] - maps[1][-1]).max() > 1e-3
    np.testing.assert_array_equal(results[0].labels, first)
    np.testing.assert_array_equal(results[2].labels == 3, late == 3)


def test_objects_leave_all_views(averaging: ViewsSegmenter) -> None:
    frames = frames_of(3)
    session = averaging.session(ONE_SHOT.size)
    session.add(boxes((1, 2)))
    session.step(frames[0])
    session.remove(1)
    result = session.step(frames[1])
    assert session.object_ids == result.object_ids == (2,)
    assert result.probabilities.shape == (1, *ONE_SHOT.size)
    with pytest.raises(VosError, match="object 1: expected one of the objects"):
        session.remove(1)


def test_merging_is_the_methods_own(one_shot: Any) -> None:
    """Painting asks how well objects were found, which the first view knows."""
    plain = RVOSSegmenter(one_shot, rule=MergeRule("painted", 0.45))
    segmenter = ViewsSegmenter({1.0: plain}, views((1.0,), flip=True))
    frames, labels = frames_of(3), boxes((1, 2))
    sessions = [segmenter.session(ONE_SHOT.size), plain.session(ONE_SHOT.size)]
    for session in sessions:
        session.add(labels)
        session.step(frames[0])
    look = sessions[0].predict(frames[1])
    sessions[1].predict(frames[1])
    np.testing.assert_array_equal(sessions[0].finish(look).labels, sessions[1].finish(look).labels)


class _Proposing:
    """Stands in for a session whose proposals are numbered in its own way."""

    object_ids = (1, 2, 3)

    def __init__(self, maps: np.ndarray, order: list[int]) -> None:
        self._maps, self._order = maps, order

    def predict(self, frame: np.ndarray, name: str | None = None) -> Any:
        from vos_tf.inference.session import RawPrediction

        return RawPrediction(frame, "0", frame[..., 0], self._maps[int(frame[0, 0, 0])][self._order])

    def finish(self, look: Any) -> Any:
        return look.probabilities


def test_proposals_of_two_views_are_matched_over_the_past() -> None:
    """What belongs together is decided by all frames so far: one empty frame does not mix it up."""
    random = np.random.default_rng(0)
    maps = np.zeros((3, 3, 8, 9), np.float32)
    for index in range(3):
        maps[0, index, 2 * index : 2 * index + 2] = random.uniform(0.5, 1, (2, 9))
    maps[1] = 0.01
    maps[2] = maps[0][:, ::-1]
    for proposals in (True, False):
        sessions: Any = [_Proposing(maps, [0, 1, 2]), _Proposing(maps, [2, 0, 1])]
        session = ViewsSession(sessions, [View(1, False), View(1, False)], proposals=proposals)
        for index in range(3):
            found: Any = session.step(np.full((8, 9, 3), index, np.uint8))
            if proposals:
                np.testing.assert_allclose(found, maps[index], atol=1e-6)
            elif index != 1:
                assert np.abs(np.asarray(found) - maps[index]).max() > 0.1


def test_zero_shot_networks_average_what_belongs_together() -> None:
    network = lively(ZERO_SHOT)
    frames = frames_of(3)
    options = get_method("rvos").resolve_options(network, {"test_flip": True, "min_area": 0.01})
    segmenter = get_method("rvos").make_segmenter(network, MergeRule(background=0.3), options)
    assert not segmenter.needs_masks
    results = list(segmenter.stream(frames))
    assert results[0].probabilities.shape == (ZERO_SHOT.slots, *ZERO_SHOT.size)
    counts = np.bincount(np.stack([result.labels for result in results]).ravel() + 0)
    assert (counts[counts > 0] >= 0.01 * np.prod(ZERO_SHOT.size)).all()


@pytest.mark.parametrize(
    ("size", "scale", "wanted"), [((32, 48), 0.5, (16, 32)), ((32, 48), 1.3, (48, 64)), ((24, 40), 0.1, (8, 8))]
)
def test_sizes_fit_the_strides(size: tuple[int, int], scale: float, wanted: tuple[int, int]) -> None:
    network = get_method("s2s").build(
        get_method("s2s").resolve_settings("small", {"size": size, "state_filters": 4, "decoder_filters": [4, 4, 4]})
    )
    other = resized(network, scale)
    assert other.settings == replace(network.settings, size=wanted)
    for one, two in zip(network.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert resized(network, 1.0) is network


def test_options_make_views(one_shot: Any) -> None:
    made = get_method("rvos").make_segmenter(
        one_shot, None, get_method("rvos").resolve_options(one_shot, {"test_scales": [1.0, 0.5]})
    )
    assert isinstance(made, ViewsSegmenter)
    assert isinstance(get_method("rvos").make_segmenter(one_shot), RVOSSegmenter)


def test_impossible_sizes_are_said(one_shot: Any) -> None:
    deep: Any = SimpleNamespace(settings=replace(ONE_SHOT, extra_levels=2))
    with pytest.raises(VosError, match=r"sizes that the network can work at, found 0\.05 \(model"):
        resized(deep, 0.05)
    with pytest.raises(VosError, match="test_scales: expected factors"):
        get_method("rvos").resolve_options(one_shot, {"test_scales": [30]})


def test_methods_without_memory_average_themselves() -> None:
    network = get_method("osvos").build(get_method("osvos").resolve_settings("small", {"side_filters": 4}))
    options = get_method("osvos").resolve_options(
        network, {"test_scales": [0.5, 1.0], "crf": {"enabled": True, "steps": 2}}
    )
    segmenter = get_method("osvos").make_segmenter(network, None, options)
    assert isinstance(segmenter, OSVOSSegmenter)
    assert segmenter.options.test_scales == (0.5, 1.0)
    assert segmenter.merging.refine is not None
    assert result_options(options)["crf"]["steps"] == 2


def test_refinement_comes_before_merging_and_keeps_given_masks(one_shot: Any) -> None:
    seen = []

    def refine(frame: np.ndarray, maps: np.ndarray) -> np.ndarray:
        seen.append((frame.shape, maps.shape))
        return np.ones_like(maps) * np.array([0.1, 0.9, 0.2], np.float32)[: len(maps), None, None]

    segmenter = get_method("rvos").make_segmenter(one_shot)
    segmenter.merging.refine = refine
    frames = frames_of(3)
    results = list(segmenter.stream(frames, masks={"0": boxes((1, 2)), "2": boxes((3,))}))
    assert seen == [((*ONE_SHOT.size, 3), (2, *ONE_SHOT.size)), ((*ONE_SHOT.size, 3), (3, *ONE_SHOT.size))]
    np.testing.assert_array_equal(results[0].labels, boxes((1, 2)))
    assert (results[1].labels == 2).all()
    np.testing.assert_array_equal(results[2].probabilities[2], boxes((3,)) == 3)
    np.testing.assert_array_equal(results[2].labels, np.where(boxes((3,)), 3, 2))
