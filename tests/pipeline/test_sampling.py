"""Properties of every planned epoch, over all options and odd videos."""

from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.errors import VosError
from vos_tf.pipeline.options import ClipOptions
from vos_tf.pipeline.sampling import count_clips, plan_epoch
from vos_tf.pipeline.videos import FOREGROUND, clip_videos, merged_objects
from vos_tf.records.manifest import Manifest, ObjectEntry, RecordEntry


def make_manifest(videos):
    """Videos as lists of ``(annotated, ids in the mask, ids listed)`` per frame, each cut into two records."""
    records = []
    for number, frames in enumerate(videos):
        cut = len(frames) // 2
        for chunk, (first, part) in enumerate([(0, frames[:cut]), (cut, frames[cut:])] if cut else [(0, frames)]):
            ids = sorted({key for _, _, listed in part for key in listed})
            records.append(
                RecordEntry(
                    shard=0,
                    offset=0,
                    length=1,
                    video=f"v{number}",
                    chunk=chunk,
                    chunks=2,
                    first_frame=first,
                    size=(8, 8),
                    original_size=(8, 8),
                    frame_rate=Fraction(24),
                    frames=((0, 1),) * len(part),
                    masks=tuple((0, int(annotated)) for annotated, _, _ in part),
                    mask_ids=tuple(tuple(sorted(present)) if annotated else () for annotated, present, _ in part),
                    objects=tuple(
                        ObjectEntry(
                            key,
                            None,
                            0,
                            tuple(first + index for index, (_, _, listed) in enumerate(part) if key in listed),
                        )
                        for key in ids
                    ),
                )
            )
    return Manifest(Path("records"), "made", "train", "", "native", 95, (), (), tuple(records))


ids = st.sets(st.sampled_from([1, 2, 5]))
video_frames = st.lists(st.tuples(st.booleans(), ids, ids), min_size=1, max_size=14)
manifests = st.lists(video_frames, min_size=1, max_size=4).map(make_manifest)
lengths = st.one_of(
    st.just((0, 0)), st.tuples(st.integers(1, 4), st.integers(0, 4)).map(lambda pair: (pair[0], pair[0] + pair[1]))
)
clip_options = st.builds(
    ClipOptions,
    clip_length=lengths,
    stride=st.integers(1, 3),
    frames=st.sampled_from(["annotated", "all"]),
    reference=st.sampled_from(["before_clip", "first_of_video"]),
    objects=st.sampled_from(["one", "all", "foreground"]),
    max_objects=st.integers(1, 3),
    clips_per_object=st.integers(1, 2),
    clips_per_video=st.integers(0, 2),
    clips_per_frame=st.integers(0, 1),
    clips_per_epoch=st.sampled_from([0, 0, 3, 17]),
    order=st.sampled_from(["time", "any"]),
    stills=st.sampled_from(["motion", "repeat", "skip"]),
    still_batches=st.sampled_from([0, 0, 2, 3]),
    start=st.sampled_from(["random", "first"]),
    shuffle=st.booleans(),
)


def plan_or_none(manifest, options, **settings):
    try:
        return plan_epoch(manifest, options, **settings)
    except VosError:
        with pytest.raises(VosError, match="expected"):
            count_clips(manifest, options)
        return None


@settings(max_examples=300, deadline=None)
@given(manifests, clip_options, st.integers(1, 4), st.integers(0, 99), st.integers(0, 5))
def test_every_clip_keeps_what_the_options_say(manifest, options, batch_size, seed, epoch):
    plan = plan_or_none(manifest, options, batch_size=batch_size, seed=seed, epoch=epoch)
    if plan is None:
        return
    assert plan == plan_epoch(manifest, options, batch_size=batch_size, seed=seed, epoch=epoch)
    assert len(plan) == count_clips(manifest, options)
    assert [clip.number for clip in plan] == list(range(len(plan)))
    for start in range(0, len(plan), batch_size):
        times = {len(clip.frames) - 1 for clip in plan[start : start + batch_size]}
        assert len(times) == 1 and options.lengths[0] <= times.pop() <= options.lengths[1]
        if options.still_batches:
            kinds = {clip_videos(manifest)[clip.video].still for clip in plan[start : start + batch_size]}
            assert kinds == {options.of_stills(start // batch_size)}
    for clip in plan:
        check_clip(clip, clip_videos(manifest)[clip.video], options)


def check_clip(clip, video, options):
    reference, *rest = clip.frames
    real = rest[: len(rest) - clip.repeated]
    # The reference frame is annotated and shows every chosen object.
    assert clip.annotated[0] and video.annotated[reference] and video.mask_ids[reference]
    if options.objects == "foreground":
        assert clip.objects == (FOREGROUND,)
    else:
        assert set(clip.objects) <= set(video.mask_ids[reference])
    assert 1 <= len(clip.objects) <= options.objects_per_clip and list(clip.objects) == sorted(clip.objects)
    if video.still and rest:
        # A picture in motion: one frame, at rising times.
        assert options.stills != "skip" and set(clip.frames) == {0} and all(clip.annotated) and not clip.repeated
        step = options.stride if options.stills == "motion" else 0
        assert clip.times == tuple(step * time for time in range(len(clip.frames)))
        return
    assert clip.times == ()
    if not rest:
        return
    # Something can be learnt; what is repeated or has no mask does not count.
    assert any(clip.annotated[1:]) or options.order == "any"
    assert list(clip.annotated[1 : 1 + len(real)]) == [bool(video.annotated[frame]) for frame in real]
    assert rest[len(real) :] == [real[-1]] * clip.repeated and not any(clip.annotated[1 + len(real) :])
    # One of the chosen objects was followed: consecutive steps through its frames.
    items = [merged_objects(video)] if options.objects == "foreground" else video.objects
    assert any(follows(clip, real, item, video, options) for item in items if item.id in clip.objects)
    if options.objects == "all" and len(clip.objects) < options.max_objects:
        assert set(clip.objects) == set(video.mask_ids[reference])


def follows(clip, real, item, video, options):
    if options.frames == "annotated":
        path = [int(frame) for frame in item.frames if video.annotated[frame]]
    else:
        path = list(range(item.frames[0], item.frames[-1] + 1))
    if not {clip.frames[0], *real} <= set(path):
        return False
    steps = [path.index(frame) for frame in (clip.frames[0], *real)]
    if options.order == "any":
        as_wished = options.reference == "before_clip" or clip.frames[0] == item.seen[0]
        return as_wished and len(set(steps)) == len(steps) == min(len(clip.frames), len(path))
    wanted = {options.stride}
    if options.reference == "first_of_video":
        if clip.frames[0] != item.seen[0] or steps[1] - steps[0] < options.stride:
            return False
        steps = steps[1:]
    if clip.repeated and options.reference == "before_clip" and steps[-1] + options.stride < len(path):
        return False
    return set(np.diff(steps).tolist()) <= wanted


@settings(max_examples=100, deadline=None)
@given(manifests, clip_options, st.integers(0, 5))
def test_every_object_and_video_has_its_number_of_clips(manifest, options, seed):
    one = ClipOptions(
        **{
            **vars(options),
            "objects": "one",
            "clips_per_video": 0,
            "clips_per_frame": 0,
            "clips_per_epoch": 0,
            "still_batches": 0,
        }
    )
    plan = plan_or_none(manifest, one, batch_size=2, seed=seed, epoch=0)
    if plan is None:
        return
    counts = Counter((clip.video, clip.objects) for clip in plan)
    assert set(counts.values()) == {one.clips_per_object}
    per_video = ClipOptions(**{**vars(one), "clips_per_object": 0, "clips_per_video": 3})
    counts = Counter(clip.video for clip in plan_epoch(manifest, per_video, batch_size=2, seed=seed, epoch=0))
    assert counts == {video: 3 for video, _ in {(clip.video, 0) for clip in plan}}


@settings(max_examples=100, deadline=None)
@given(manifests, st.integers(1, 6), st.integers(1, 3))
def test_frames_are_repeated_only_where_no_start_has_room(manifest, length, stride):
    options = ClipOptions(clip_length=length, stride=stride, clips_per_object=3, stills="skip")
    for clip in plan_or_none(manifest, options, batch_size=1, seed=0, epoch=0) or ():
        video = clip_videos(manifest)[clip.video]
        (item,) = (item for item in video.objects if item.id in clip.objects)
        path = [int(frame) for frame in item.frames if video.annotated[frame]]
        room = max((len(path) - 1 - path.index(frame)) // stride for frame in item.seen)
        assert clip.repeated == max(0, length - room)


def full_video(length, keys=(1,)):
    return [(True, set(keys), set(keys))] * length


def test_epochs_and_seeds_differ_and_every_start_occurs():
    manifest = make_manifest([full_video(10)])
    options = ClipOptions(clip_length=3, clips_per_object=200)
    plans = [plan_epoch(manifest, options, batch_size=1, seed=s, epoch=e) for s, e in ((0, 0), (0, 1), (1, 0))]
    assert len(set(plans)) == 3
    assert {clip.frames[0] for clip in plans[0]} == set(range(7))


def test_lengths_are_drawn_from_the_whole_range():
    manifest = make_manifest([full_video(20)])
    plan = plan_epoch(manifest, ClipOptions(clip_length=(5, 11), clips_per_object=300), batch_size=3, seed=0, epoch=0)
    assert {len(clip.frames) - 1 for clip in plan} == set(range(5, 12))


def test_short_videos_are_repeated_at_the_end():
    manifest = make_manifest([full_video(3)])
    (clip,) = plan_epoch(manifest, ClipOptions(clip_length=5), batch_size=1, seed=0, epoch=0)
    assert clip.frames == (0, 1, 2, 2, 2, 2)
    assert clip.annotated == (True, True, True, False, False, False) and clip.repeated == 3


def test_all_frames_include_those_without_a_mask():
    frames = [(index % 5 == 0, {1}, {1} if index % 5 == 0 else set()) for index in range(16)]
    manifest = make_manifest([frames])
    (clip,) = plan_epoch(manifest, ClipOptions(clip_length=15, frames="all"), batch_size=1, seed=0, epoch=0)
    assert clip.frames == tuple(range(16))
    assert [index for index, flag in enumerate(clip.annotated) if flag] == [0, 5, 10, 15]
    with pytest.raises(VosError, match="expected clips that reach an annotated frame"):
        plan_epoch(manifest, ClipOptions(clip_length=4, frames="all"), batch_size=1, seed=0, epoch=0)


def test_an_object_starts_where_it_is_seen_not_where_it_is_listed():
    frames = [(True, {1} if index >= 4 else set(), {1}) for index in range(8)]
    plan = plan_epoch(
        make_manifest([frames]), ClipOptions(clip_length=2, clips_per_object=50), batch_size=1, seed=0, epoch=0
    )
    assert {clip.frames[0] for clip in plan} == {4, 5}


def test_more_objects_than_slots_are_drawn_and_the_followed_one_is_among_them():
    manifest = make_manifest([full_video(6, keys=(1, 2, 3, 4, 5))])
    options = ClipOptions(clip_length=2, objects="all", max_objects=2, clips_per_object=30)
    plan = plan_epoch(manifest, options, batch_size=1, seed=0, epoch=0)
    assert all(len(clip.objects) == 2 for clip in plan)
    assert len({clip.objects for clip in plan}) == 10


def test_records_without_clips_are_refused():
    for frames in ([(True, set(), {1})] * 5, [(True, {1}, set())] * 5):
        with pytest.raises(VosError, match="expected a video with an object in an annotated frame"):
            plan_epoch(make_manifest([frames]), ClipOptions(), batch_size=1, seed=0, epoch=0)
    with pytest.raises(VosError, match="expected clips that reach an annotated frame"):
        plan_epoch(make_manifest([full_video(1)]), ClipOptions(stills="skip"), batch_size=1, seed=0, epoch=0)


def test_validation_clips_start_with_each_object():
    frames = [(True, {1} | ({2} if index >= 3 else set()), {1, 2}) for index in range(9)]
    manifest = make_manifest([frames])
    options = ClipOptions(clip_length=(2, 4)).for_validation()
    plan = plan_epoch(manifest, options, batch_size=1, seed=0, epoch=0)
    assert [(clip.objects, clip.frames) for clip in plan] == [((1,), (0, 1, 2, 3, 4)), ((2,), (3, 4, 5, 6, 7))]
    assert plan == plan_epoch(manifest, options, batch_size=1, seed=5, epoch=3)
