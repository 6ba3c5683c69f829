"""One-shot sessions: objects are learned from their first frames, together or apart, compiled once per size."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from scipy import ndimage

import vos_tf
from vos_tf.errors import VosError
from vos_tf.inference.session import FrameResult
from vos_tf.media.label_maps import VOID
from vos_tf.methods.osvos.segmenter import OSVOSSegmenter
from vos_tf.methods.registry import get_method
from vos_tf.training.finetune import Finetuner

SIZE = (32, 48)
COLOURS = np.array([[40, 50, 60], [230, 60, 40], [60, 220, 60]], np.uint8)


def picture(time: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame and its label map: two rectangles of their own colours, ids 3 and 8, that move over noise."""
    labels = np.zeros(SIZE, np.uint8)
    labels[4 + time : 16 + time, 4 + 2 * time : 20 + 2 * time] = 3
    labels[18:28, 40 - 3 * time - 10 : 40 - 3 * time] = 8
    noise = np.random.default_rng(time).integers(0, 25, (*SIZE, 3), np.uint8)
    return COLOURS[np.searchsorted([0, 3, 8], labels)] + noise, labels


FRAMES = [picture(time)[0] for time in range(4)]
LABELS = [picture(time)[1] for time in range(4)]


def only(*ids: int, time: int = 0) -> np.ndarray:
    return np.where(np.isin(LABELS[time], ids), LABELS[time], 0).astype(np.uint8)


@pytest.fixture(scope="module")
def parent() -> Any:
    keras.utils.set_random_seed(2)
    return vos_tf.build("osvos", trunk="small", side_filters=4).network


# As simple as can be; the defaults of light trunks are for real video.
PLAIN = {"scales": (1.0,), "motion": 0.0, "crop": None, "batch_size": 1, "loss": "balanced_mean"}
PLAIN |= {"schedule": "constant"}
PLAIN_OPTIONS = {"test_scales": (1.0,), "test_flip": False, "reach": 0.0, "snap": False}
PLAIN_OPTIONS |= {"adaptation": {"steps": 0}, "zoom": {"share": 0.0}}


def segmenter_of(parent: Any, *, steps: int = 3, finetune: dict[str, Any] | None = None, **given: Any) -> Any:
    changes = {**PLAIN, "steps": steps, "learning_rate": 3e-3, "augment": {}, **(finetune or {})}
    plain = dict.fromkeys(("flip", "rotation", "scale", "brightness", "contrast", "saturation"), 0.0)
    changes["augment"] = {**plain, **changes["augment"]}
    options = {**PLAIN_OPTIONS, "finetune": changes, **given}
    return get_method("osvos").make_segmenter(parent, None, get_method("osvos").resolve_options(parent, options))


@pytest.fixture(scope="module")
def shared_segmenter(parent: Any) -> OSVOSSegmenter:
    """Three steps for each video; compiled once for all tests that need nothing else."""
    made: OSVOSSegmenter = segmenter_of(parent)
    return made


def jaccard(results: list[FrameResult], object_id: int) -> float:
    scores = []
    for result, labels in zip(results[1:], LABELS[1:], strict=True):
        found, wanted = result.labels == object_id, labels == object_id
        scores.append((found & wanted).sum() / max((found | wanted).sum(), 1))
    return float(np.mean(scores))


def test_fine_tuning_raises_j(parent: Any) -> None:
    learned = list(segmenter_of(parent, steps=60).stream(FRAMES, first=LABELS[0]))
    unlearned = list(segmenter_of(parent, steps=0).stream(FRAMES, first=LABELS[0]))
    np.testing.assert_array_equal(learned[0].labels, LABELS[0])
    for object_id in (3, 8):
        assert jaccard(learned, object_id) > jaccard(unlearned, object_id) + 0.3
        assert jaccard(learned, object_id) > 0.6


def test_results_are_like_every_methods(shared_segmenter: OSVOSSegmenter) -> None:
    results = list(shared_segmenter.stream(FRAMES[:3], first=LABELS[0]))
    assert [result.name for result in results] == ["0", "1", "2"]
    for result in results:
        assert result.object_ids == (3, 8)
        assert result.labels.shape == SIZE
        assert result.labels.dtype == np.uint8
        assert result.probabilities.shape == (2, *SIZE)
        assert set(np.unique(result.labels)) <= {0, 3, 8}


def test_heads_together_equal_networks_apart_where_the_trunk_stays(parent: Any) -> None:
    head = {"trainable": "head", "augment": {"flip": 0.5, "rotation": 20.0}}
    together = list(segmenter_of(parent, steps=4, finetune=head).stream(FRAMES[:3], first=LABELS[0]))
    apart = list(segmenter_of(parent, steps=4, finetune=head, separate=True).stream(FRAMES[:3], first=LABELS[0]))
    for one, other in zip(together, apart, strict=True):
        assert one.object_ids == other.object_ids
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
    assert np.ptp(together[2].probabilities) > 1e-3


def test_videos_of_one_size_share_what_is_compiled(shared_segmenter: OSVOSSegmenter) -> None:
    for shift in (1, 2):
        list(shared_segmenter.stream(FRAMES[shift:], first=LABELS[shift]))
    network = shared_segmenter.finetuned_network(2)
    assert (network.finetuner.traces, network.traces) == (1, 1)


def test_sessions_do_not_disturb_each_other(shared_segmenter: OSVOSSegmenter) -> None:
    alone = [list(shared_segmenter.stream(clip, first=LABELS[0])) for clip in (FRAMES, FRAMES[::-1])]
    streams = [shared_segmenter.stream(clip, first=LABELS[0]) for clip in (FRAMES, FRAMES[::-1])]
    for wanted in zip(*alone, strict=True):
        for stream, result in zip(streams, wanted, strict=True):
            np.testing.assert_allclose(next(stream).probabilities, result.probabilities, atol=1e-5)


def test_the_parent_stays_as_it_is(shared_segmenter: OSVOSSegmenter) -> None:
    before = [np.array(weights) for weights in shared_segmenter.network.get_weights()]
    list(shared_segmenter.stream(FRAMES[:2], first=LABELS[0]))
    for one, other in zip(before, shared_segmenter.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_late_object_is_learned_from_its_own_first_frame(shared_segmenter: OSVOSSegmenter) -> None:
    alone = list(shared_segmenter.stream(FRAMES, first=only(3)))
    joined = list(shared_segmenter.stream(FRAMES, masks={"0": only(3), "2": only(8, time=2)}))
    assert [result.object_ids for result in joined] == [(3,), (3,), (3, 8), (3, 8)]
    assert (joined[2].labels[LABELS[2] == 8] == 8).all()
    for one, other in zip(alone, joined, strict=True):
        np.testing.assert_allclose(one.probabilities[0], other.probabilities[0], atol=1e-5)
    fresh = list(shared_segmenter.stream(FRAMES[2:], first=only(8, time=2)))
    np.testing.assert_allclose(joined[3].probabilities[1], fresh[1].probabilities[0], atol=1e-5)


def test_objects_leave_and_start_anew(shared_segmenter: OSVOSSegmenter) -> None:
    session = shared_segmenter.session(SIZE)
    session.add(LABELS[0])
    session.step(FRAMES[0])
    both = session.step(FRAMES[1])
    session.remove(3)
    rest = session.step(FRAMES[1])
    assert rest.object_ids == (8,)
    np.testing.assert_allclose(rest.probabilities[0], both.probabilities[1], atol=1e-6)
    session.add(LABELS[2])
    session.step(FRAMES[2])
    assert session.object_ids == (3, 8)
    fresh = list(shared_segmenter.stream(FRAMES[2:], first=LABELS[2]))
    np.testing.assert_allclose(session.step(FRAMES[3]).probabilities, fresh[1].probabilities, atol=1e-5)


def test_a_frame_that_nothing_follows_is_not_learned(
    shared_segmenter: OSVOSSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Finetuner, "run", lambda *_: pytest.fail("fine-tuned for nothing"))
    (result,) = shared_segmenter.stream(FRAMES[:1], first=LABELS[0])
    np.testing.assert_array_equal(result.labels, LABELS[0])


def test_void_is_not_learned(shared_segmenter: OSVOSSegmenter) -> None:
    unknown = np.where(LABELS[0] == 8, VOID, LABELS[0]).astype(np.uint8)
    results = list(shared_segmenter.stream(FRAMES[:2], first=unknown))
    assert results[0].object_ids == (3,)
    assert VOID not in results[0].labels
    background = list(shared_segmenter.stream(FRAMES[:2], first=only(3)))
    assert np.abs(results[1].probabilities - background[1].probabilities).max() > 1e-5


def test_no_steps_are_the_parent(parent: Any) -> None:
    results = list(segmenter_of(parent, steps=0).stream(FRAMES[:2], first=LABELS[0]))
    logits = parent.fused(FRAMES[1][None].astype(np.float32)).numpy()[0, ..., 0]
    for probabilities in results[1].probabilities:
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_with_the_mirrored_frame_left_and_right_are_alike(parent: Any) -> None:
    segmenter = segmenter_of(parent, steps=0, test_flip=True, test_scales=(0.75, 1.0))
    one = list(segmenter.stream(FRAMES[:2], first=LABELS[0]))[1].probabilities
    other = list(segmenter.stream([frame[:, ::-1] for frame in FRAMES[:2]], first=LABELS[0]))[1].probabilities
    np.testing.assert_allclose(one, other[..., ::-1], atol=1e-5)


def test_the_working_size_follows_the_short_side(parent: Any) -> None:
    segmenter = segmenter_of(parent, short_side=16, steps=1)
    network = segmenter.finetuned_network(1)
    assert network.working_size(SIZE) == (16, 24)
    assert network.working_size((48, 32)) == (24, 16)
    result = list(segmenter.stream(FRAMES[:2], first=only(3)))[1]
    assert result.probabilities.shape == (1, *SIZE)


def test_mistakes_are_one_clear_sentence(shared_segmenter: OSVOSSegmenter) -> None:
    for nothing in (np.zeros(SIZE, np.uint8), np.full(SIZE, VOID, np.uint8)):
        with pytest.raises(VosError, match=r"mask: expected at least one object \(ids 1 to 254\), found only"):
            list(shared_segmenter.stream(FRAMES, first=nothing))
    with pytest.raises(VosError, match="mask: expected uint8 32x48 like the frames, found uint8 20x20"):
        list(shared_segmenter.stream(FRAMES, first=np.ones((20, 20), np.uint8)))
    with pytest.raises(VosError, match="frame 1: expected uint8 32x48x3, found uint8 20x20x3"):
        list(shared_segmenter.stream([FRAMES[0], np.zeros((20, 20, 3), np.uint8)], first=LABELS[0]))


def test_a_network_that_was_adapted_to_several_objects_is_no_parent() -> None:
    several = vos_tf.build("osvos", trunk="small", side_filters=4, objects=2)
    with pytest.raises(VosError, match="expected a network with one head to copy, found 2 heads"):
        list(several.stream(FRAMES[:2], first=LABELS[0]))


def test_what_is_far_from_the_last_mask_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nothing_near(probabilities: np.ndarray, last: np.ndarray, ids: tuple[int, ...], reach: float) -> np.ndarray:
        asked.append((last.copy(), ids, reach))
        return np.zeros_like(probabilities)

    monkeypatch.setattr("vos_tf.methods.osvos.segmenter.gate_by_distance", nothing_near)
    everywhere = vos_tf.build("osvos", trunk="small", side_filters=4).network
    everywhere.fuse.bias.assign([2.0])  # finds the object in every pixel
    free = list(segmenter_of(everywhere, steps=0).stream(FRAMES[:2], first=only(3)))
    assert (free[1].labels == 3).all()
    assert not asked
    bound = list(segmenter_of(everywhere, steps=0, reach=0.1).stream(FRAMES[:2], first=only(3)))
    assert not bound[1].labels.any()
    np.testing.assert_array_equal(asked[0][0], only(3))
    assert asked[0][1:] == ((3,), 0.1)


def test_snapping_comes_last_but_leaves_given_masks_alone(parent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapped(image: np.ndarray, labels: np.ndarray, settings: object) -> np.ndarray:
        return np.where(labels > 0, 0, 8).astype(np.uint8)

    monkeypatch.setattr("vos_tf.methods.osvos.segmenter.snap_label_map", snapped)
    plain = list(segmenter_of(parent, steps=0).stream(FRAMES[:2], first=only(3)))
    results = list(segmenter_of(parent, steps=0, snap=True).stream(FRAMES[:2], first=only(3)))
    np.testing.assert_array_equal(results[0].labels, np.where(LABELS[0] == 3, 3, 8))
    np.testing.assert_array_equal(results[1].labels, np.where(plain[1].labels > 0, 0, 8))


def test_given_masks_win_no_pixel_by_snapping(parent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "vos_tf.methods.osvos.segmenter.snap_label_map",
        lambda image, labels, settings: ndimage.grey_dilation(labels, 5),
    )
    first = next(iter(segmenter_of(parent, steps=0, snap=True).stream(FRAMES[:1], first=only(3))))
    np.testing.assert_array_equal(first.labels, only(3))


def test_learning_goes_on_from_own_masks(parent: Any) -> None:
    """What was learned from two frames of a video is not what was learned from the first alone."""
    plain = {"certain": 0.5, "border": 0, "unlikely": 0.5, "learning_rate": 3e-3}
    once = list(segmenter_of(parent, steps=40).stream(FRAMES, first=LABELS[0]))
    never = segmenter_of(parent, steps=40, adaptation={**plain, "steps": 2, "every": 9})
    on = segmenter_of(parent, steps=40, adaptation={**plain, "steps": 4, "every": 1})
    streams = [on.stream(clip, first=LABELS[0]) for clip in (FRAMES, FRAMES)]
    for first, other, result in zip(*streams, once, strict=True):  # each goes its own way, both the same
        np.testing.assert_allclose(first.probabilities, other.probabilities, atol=1e-5)
        if first.name in "01":
            np.testing.assert_allclose(first.probabilities, result.probabilities, atol=1e-5)
        else:
            assert np.abs(first.probabilities - result.probabilities).max() > 1e-3
    for result, same in zip(never.stream(FRAMES, first=LABELS[0]), once, strict=True):
        np.testing.assert_allclose(result.probabilities, same.probabilities, atol=1e-5)


def test_a_parent_that_learns_nothing_does_not_learn_later(parent: Any) -> None:
    results = list(segmenter_of(parent, steps=0, adaptation={"steps": 4}).stream(FRAMES[:3], first=only(3)))
    plain = list(segmenter_of(parent, steps=0).stream(FRAMES[:3], first=only(3)))
    np.testing.assert_allclose(results[2].probabilities, plain[2].probabilities, atol=1e-6)


def test_a_closer_view_changes_what_is_near_the_last_mask_alone(parent: Any) -> None:
    crop = {"crop": (20, 28)}
    plain = list(segmenter_of(parent, steps=0, finetune=crop).stream(FRAMES[:2], first=only(8)))[1]
    closer = list(segmenter_of(parent, steps=0, finetune=crop, zoom={"share": 0.5}).stream(FRAMES[:2], first=only(8)))[
        1
    ]
    changed = np.abs(closer.probabilities - plain.probabilities)[0] > 1e-6
    assert changed[18:28, 30:40].mean() > 0.9
    assert not changed[:, :16].any()
