"""Records of several folders: one plan with shares, exact resuming and sharding; fewer annotated frames."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import Moving, make_dataset
from test_sampling import full_video, make_manifest, manifests

from vos_tf.errors import VosError
from vos_tf.pipeline.clips import ClipBatch, clip_batches, steps_per_epoch
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.sampling import count_clips, plan_epoch, usable_videos
from vos_tf.pipeline.sources import join_manifests, keep_fraction
from vos_tf.pipeline.videos import clip_videos
from vos_tf.records.manifest import ShardEntry
from vos_tf.records.preprocess import preprocess

SINGLE = ClipOptions(clip_length=0)


def named(manifest, name, fingerprint="f"):
    shards = (ShardEntry("0.tfrecord", len(manifest.records), 1, ""),)
    return replace(manifest, folder=Path(name), fingerprint=fingerprint, shards=shards)


def sources_of(manifest, options, epoch=0, seed=0):
    videos = clip_videos(manifest)
    plan = plan_epoch(manifest, options, batch_size=2, seed=seed, epoch=epoch)
    assert len(plan) == count_clips(manifest, options)
    return Counter(videos[clip.video].source for clip in plan), plan


FEW, MANY = make_manifest([full_video(9)] * 4), make_manifest([full_video(6)] * 20)


def test_one_folder_stays_as_it_is():
    assert join_manifests([FEW]) is FEW


def test_without_shares_every_folder_gives_its_clips():
    joined = join_manifests([named(FEW, "few"), named(MANY, "many")])
    assert sources_of(joined, SINGLE)[0] == {0: 4, 1: 20}
    assert [video.name for video in clip_videos(joined)][3:5] == ["few/v3", "many/v0"]
    assert joined.where == "few, many" and (joined.dataset, joined.split) == ("made", "train")


@pytest.mark.parametrize(
    ("shares", "per_epoch", "expected"),
    [
        ((1, 1), 0, {0: 12, 1: 12}),
        ((5, 1), 0, {0: 20, 1: 4}),
        ((1, 3), 100, {0: 25, 1: 75}),
        ((1, 2), 10, {0: 3, 1: 7}),
    ],
)
def test_shares_divide_the_epoch(shares, per_epoch, expected):
    joined = join_manifests([named(FEW, "few"), named(MANY, "many")], shares)
    options = ClipOptions(clip_length=2, clips_per_epoch=per_epoch)
    counts, plan = sources_of(joined, options)
    assert counts == expected
    # All videos of a folder are taken equally often, give or take one.
    for source in (0, 1):
        size = (4, 20)[source]
        times = Counter(clip.video for clip in plan if clip_videos(joined)[clip.video].source == source)
        assert max(times.values()) - (min(times.values()) if len(times) == size else 0) <= 1
    other = plan_epoch(joined, options, batch_size=2, seed=0, epoch=1)
    assert Counter(clip.video for clip in other) != Counter(clip.video for clip in plan) or per_epoch == 0


def test_epochs_of_a_number_of_clips_take_all_in_turn():
    options = ClipOptions(clip_length=0, clips_per_epoch=8)
    taken = Counter(
        clip.video for epoch in range(60) for clip in plan_epoch(MANY, options, batch_size=4, seed=1, epoch=epoch)
    )
    assert set(taken) == set(range(20)) and sum(taken.values()) == 480
    still = ClipOptions(clip_length=0, clips_per_epoch=8, shuffle=False)
    assert [clip.video for clip in plan_epoch(MANY, still, batch_size=1, seed=0, epoch=0)] == [
        0, 2, 5, 7, 10, 12, 15, 17,
    ]  # fmt: skip


def test_unshuffled_folders_come_between_each_other():
    joined = join_manifests([named(FEW, "few"), named(MANY, "many")])
    _, plan = sources_of(joined, ClipOptions(clip_length=0, shuffle=False))
    assert [clip_videos(joined)[clip.video].source for clip in plan[:6]] == [1, 1, 0, 1, 1, 1]


@settings(max_examples=40, deadline=None)
@given(st.lists(manifests, min_size=2, max_size=3), st.integers(0, 9), st.booleans())
def test_joined_folders_hold_the_videos_of_each(parts, seed, shuffle):
    usable = [part for part in parts if _has_clips(part)]
    if len(usable) < 2:
        return
    parts = [named(part, f"r{number}") for number, part in enumerate(usable)]
    options = ClipOptions(clip_length=0, objects="all", clips_per_object=0, clips_per_frame=1, shuffle=shuffle)
    joined = join_manifests(parts)
    alone = sum((plan_epoch(part, options, batch_size=1, seed=0, epoch=0) for part in parts), ())
    together = plan_epoch(joined, options, batch_size=3, seed=seed, epoch=0)
    assert sorted(clip.frames for clip in together) == sorted(clip.frames for clip in alone)
    expected = [f"{part.folder}/{name}" for part in parts for name in usable_videos(part, options)]
    assert list(usable_videos(joined, options)) == expected


def _has_clips(manifest):
    try:
        return count_clips(manifest, SINGLE) > 0
    except VosError:
        return False


def test_the_fingerprint_is_that_of_all():
    prints = {
        join_manifests([named(FEW, "a", one), named(MANY, "b", two)]).fingerprint
        for one, two in (("x", "y"), ("y", "x"), ("x", "x"))
    }
    assert len(prints) == 3 and all(len(text) == 16 for text in prints)
    shared = join_manifests([named(FEW, "c", "x"), named(MANY, "d", "y")], (1, 2)).fingerprint
    assert shared == join_manifests([named(FEW, "a", "x"), named(MANY, "b", "y")]).fingerprint


@pytest.mark.parametrize(
    ("shares", "message"),
    [((1,), "expected one for each of the 2 folders, found 1"), ((1, 0), "expected numbers above 0, found 1, 0")],
)
def test_impossible_shares_are_refused(shares, message):
    with pytest.raises(VosError, match=rf"data\.record_shares: {message}"):
        join_manifests([named(FEW, "few"), named(MANY, "many")], shares)


def test_a_folder_twice_or_without_clips_is_refused():
    with pytest.raises(VosError, match="expected every folder once"):
        join_manifests([named(FEW, "few"), named(FEW, "few")])
    stills = make_manifest([full_video(1)] * 3)
    joined = join_manifests([named(FEW, "few"), named(stills, "stills")], (1, 1))
    with pytest.raises(VosError, match="stills: expected clips for its share of an epoch, found none"):
        count_clips(joined, ClipOptions(clip_length=2, stills="skip"))


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    parts = []
    for number, size in enumerate([(40, 60), (64, 48)]):
        root = tmp_path_factory.mktemp("world")
        made = make_dataset(root / "world", videos=2 + number, frames=3, size=size, objects=(Moving(1, 0, 3),))
        parts.append(preprocess(made, root / f"records{number}", size="native", workers=1))
    return join_manifests(parts, (2, 1))


class TestBatches:
    OPTIONS = ClipOptions(clip_length=(0, 0), objects="foreground", size=(32, 40), clips_per_epoch=14)
    AUGMENT = AugmentOptions(window=(0.5, 1.0), flip=0.5, rotation=10)

    def batches(self, manifest, **settings):
        settings = {"batch_size": 2, "seed": 3, "epoch": 1, "augment": self.AUGMENT, **settings}
        return [ClipBatch(*map(np.asarray, batch)) for batch in clip_batches(manifest, self.OPTIONS, **settings)]

    def test_resuming_and_sharding_cut_the_same_batches(self, joined):
        whole = self.batches(joined)
        assert len(whole) == steps_per_epoch(joined, self.OPTIONS, batch_size=2) == 7
        assert whole[0].frames.shape == (2, 1, 32, 40, 3)
        for ours, theirs in zip(self.batches(joined, start_step=4), whole[4:], strict=True):
            np.testing.assert_array_equal(ours.frames, theirs.frames)
        parts = [self.batches(joined, shard=(index, 2)) for index in range(2)]
        for step, batch in enumerate(whole):
            np.testing.assert_array_equal(np.concatenate([part[step].labels for part in parts]), batch.labels)

    def test_stored_sizes_that_differ_need_a_size(self, joined):
        with pytest.raises(VosError, match=r"records0, .*records1: expected videos of one size, found 2"):
            clip_batches(joined, replace(self.OPTIONS, size=None), batch_size=2, seed=0, epoch=0)


class TestFraction:
    @settings(max_examples=60, deadline=None)
    @given(manifests, st.floats(0.05, 1.0), st.integers(0, 5))
    def test_every_video_keeps_its_share_and_one_frame_with_an_object(self, manifest, fraction, seed):
        thinned = keep_fraction(manifest, fraction, seed)
        assert thinned.records == keep_fraction(manifest, fraction, seed).records
        for before, after in zip(manifest.videos, thinned.videos, strict=True):
            masks = [[mask for record in part for mask in record.masks] for part in (before, after)]
            ids = [[keys for record in part for keys in record.mask_ids] for part in (before, after)]
            kept = [index for index, (_, length) in enumerate(masks[1]) if length]
            annotated = [index for index, (_, length) in enumerate(masks[0]) if length]
            assert set(kept) <= set(annotated)
            assert len(kept) == (min(len(annotated), max(1, round(fraction * len(annotated)))))
            assert all(ids[1][index] == (ids[0][index] if index in kept else ()) for index in range(len(ids[0])))
            assert any(ids[1]) == any(ids[0])

    def test_seeds_draw_differently_and_folders_alike(self):
        manifest = make_manifest([full_video(50)] * 2)
        one, two = (keep_fraction(manifest, 0.2, seed) for seed in (0, 1))
        assert one.records != two.records
        assert one.records[0].masks != one.records[2].masks
        assert keep_fraction(manifest, 1.0, 0) is manifest
        alone = replace(manifest, records=manifest.records[2:])
        assert keep_fraction(alone, 0.2, 0).records == one.records[2:]

    def test_clips_come_from_the_kept_frames_only(self):
        thinned = keep_fraction(make_manifest([full_video(40)]), 0.25, 0)
        kept = {index for index, flag in enumerate(clip_videos(thinned)[0].annotated) if flag}
        assert len(kept) == 10
        plan = plan_epoch(
            thinned, ClipOptions(clip_length=0, clips_per_frame=1, clips_per_object=0), batch_size=1, seed=0, epoch=0
        )
        assert sorted(clip.frames[0] for clip in plan) == sorted(kept)
        for clip in plan_epoch(thinned, ClipOptions(clip_length=3, clips_per_object=9), batch_size=1, seed=0, epoch=0):
            assert set(clip.frames) <= kept
