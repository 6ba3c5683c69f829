"""Gaps between frames that grow and shrink over the epochs."""

from dataclasses import asdict

import numpy as np
import pytest

from vos_tf.config import fill
from vos_tf.errors import VosError
from vos_tf.pipeline.options import ClipOptions
from vos_tf.pipeline.sampling import count_clips, plan_epoch


def plan_of(manifest, options, epoch=0, seed=0):
    return plan_epoch(manifest, options, batch_size=4, seed=seed, epoch=epoch)


def gaps(plan):
    """The gap of each clip, which all its frames have; repeated frames aside."""
    found = []
    for request in plan:
        frames = np.array(request.frames[: len(request.frames) - request.repeated])
        assert len(set(np.diff(frames))) == 1
        found.append(int(frames[1] - frames[0]))
    return found


def test_one_stage_after_another_and_the_last_for_good(small_manifest):
    options = ClipOptions(clip_length=2, stride=(1, 2, 1), stride_every=2, clips_per_object=3)
    assert [set(gaps(plan_of(small_manifest, options, epoch))) for epoch in range(8)] == [
        {1}, {1}, {2}, {2}, {1}, {1}, {1}, {1}
    ]  # fmt: skip
    counts = {len(plan_of(small_manifest, options, epoch)) for epoch in range(6)}
    assert counts == {count_clips(small_manifest, options)}
    fixed = ClipOptions(clip_length=2, stride=2, clips_per_object=3)
    assert plan_of(small_manifest, options, 2) == plan_of(small_manifest, fixed, 2)


def test_gaps_are_drawn_up_to_what_is_reached(small_manifest):
    options = ClipOptions(clip_length=2, stride=[2, 4], stride_every=1, stride_draw="up_to", clips_per_object=10)
    for epoch, wanted in ((0, {1, 2}), (1, {1, 2, 3, 4}), (9, {1, 2, 3, 4})):
        plan = plan_of(small_manifest, options, epoch)
        assert set(gaps(plan)) == wanted
        assert plan == plan_of(small_manifest, options, epoch)
        assert plan != plan_of(small_manifest, options, epoch, seed=1)


@pytest.mark.parametrize("reference", ["before_clip", "first_of_video"])
@pytest.mark.parametrize("more", [{"stride": (25,)}, {"stride": 25, "stride_draw": "up_to"}])
def test_gaps_that_a_video_is_too_short_for_are_made_smaller(small_manifest, reference, more):
    options = ClipOptions(clip_length=3, reference=reference, clips_per_object=10, **more)
    plan = plan_of(small_manifest, options)
    assert len(plan) == count_clips(small_manifest, options) == 4 * 3 * 10
    assert not any(request.repeated for request in plan)
    assert max(request.frames[-1] - request.frames[0] for request in plan) >= 9
    alone = ClipOptions(clip_length=3, reference=reference, stride=25)
    with pytest.raises(VosError, match=r"clips\.stride 25"):
        plan_of(small_manifest, alone)


def test_starts_from_every_frame_with_other_gaps(small_manifest):
    options = ClipOptions(clip_length=2, stride=(1, 2), stride_every=1, clips_per_object=0, clips_per_frame=1)
    first, second = (plan_of(small_manifest, options, epoch) for epoch in (0, 1))
    assert len(first) == len(second) and {2} == set(gaps([clip for clip in second if not clip.repeated]))


def test_validation_has_the_last_gap_without_chance(small_manifest):
    options = ClipOptions(clip_length=2, stride=(1, 9, 2), stride_every=5, stride_draw="up_to").for_validation()
    assert set(gaps(plan_of(small_manifest, options))) == {2}
    assert not options.staged and plan_of(small_manifest, options, 0) == plan_of(small_manifest, options, 7)


def test_strides_from_yaml_and_what_is_refused():
    filled = fill(ClipOptions, {"stride": [1, 5, 25, 5], "stride_every": 4}, "clips")
    assert filled.strides == (1, 5, 25, 5) and fill(ClipOptions, asdict(filled), "clips") == filled
    assert [filled.in_epoch(epoch).strides for epoch in (0, 3, 4, 8, 12, 99)] == [(1,), (1,), (5,), (25,), (5,), (5,)]
    for values in ({"stride": (1, 0), "stride_every": 1}, {"stride": ()}, {"stride": 0}):
        with pytest.raises(VosError, match=r"clips\.stride: expected 1 or more"):
            ClipOptions(**values)
    for values in ({"stride": (1, 5)}, {"stride": 3, "stride_every": 2}):
        with pytest.raises(VosError, match=r"clips\.stride, clips\.stride_every: expected several strides"):
            ClipOptions(**values)
