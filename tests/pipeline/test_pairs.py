"""Pairs and groups of frames from anywhere in a video, stills paired with themselves, stills and videos in turn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_world import Moving, make_dataset
from test_sampling import full_video, make_manifest

from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError
from vos_tf.pipeline.augment import draw_change, move_image, move_labels
from vos_tf.pipeline.clips import ClipBatch, clip_batches
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.reading import ClipReader
from vos_tf.pipeline.sampling import AUGMENT_STREAM, ClipRequest, count_clips, plan_epoch
from vos_tf.pipeline.sources import join_manifests
from vos_tf.pipeline.videos import FOREGROUND, clip_videos
from vos_tf.records.manifest import Manifest
from vos_tf.records.preprocess import preprocess

PAIRS = ClipOptions(
    clip_length=1, order="any", objects="foreground", clips_per_object=0, clips_per_frame=1, stills="repeat"
)
IN_TURN = replace(PAIRS, still_batches=3, clips_per_epoch=18)
SIZE = (32, 40)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Two videos of six frames with two objects, and five still images."""
    root = tmp_path_factory.mktemp("pairs")
    videos = make_dataset(root / "world", videos=2, frames=6, objects=(Moving(1, 0, 6), Moving(2, 2, 6)))
    for number in range(5):
        labels = np.zeros((30, 40), np.uint8)
        labels[5:20, 8 : 15 + number] = 255
        values = np.random.default_rng(number).integers(0, 255, (30, 40, 3), np.uint8)
        for folder, pixels in (("images", values), ("masks", labels)):
            (root / "stills" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / "stills" / folder / f"{number}.png")
    stills = open_dataset("still_images", root / "stills", "all")
    parts = [preprocess(part, root / part.name, size="native", workers=1) for part in (videos, stills)]
    return join_manifests(parts, (3, 1))


def test_every_frame_is_the_first_of_a_pair_once_and_partners_come_from_the_whole_video() -> None:
    manifest = make_manifest([full_video(8)] * 2)
    partners = Counter()
    for epoch in range(60):
        plan = plan_epoch(manifest, PAIRS, batch_size=4, seed=0, epoch=epoch)
        assert sorted((clip.video, clip.frames[0]) for clip in plan) == [(v, f) for v in range(2) for f in range(8)]
        partners.update(clip.frames[1] - clip.frames[0] for clip in plan)
    # Each other frame is as likely: 8 - d of the 56 ordered pairs lie d apart in one direction.
    assert set(partners) == set(range(-7, 8)) - {0}
    expected = {step: 60 * 2 * 8 * (8 - abs(step)) / 56 for step in partners}
    assert all(abs(count - expected[step]) < 5 * expected[step] ** 0.5 for step, count in partners.items())


def test_groups_have_distinct_frames_and_short_videos_repeat() -> None:
    group = replace(PAIRS, clip_length=3)
    plan = plan_epoch(make_manifest([full_video(6), full_video(2)]), group, batch_size=1, seed=0, epoch=0)
    for clip in plan:
        if clip.video == 0:
            assert len(set(clip.frames)) == 4 and all(clip.annotated)
        else:
            first = clip.frames[0]
            assert clip.frames == (first, *[1 - first] * 3) and clip.annotated == (True, True, False, False)


def test_validation_takes_frames_all_over_the_video_and_partners_evenly() -> None:
    options = replace(PAIRS, clip_length=2).for_validation()
    plan = plan_epoch(make_manifest([full_video(9)]), options, batch_size=1, seed=3, epoch=5)
    assert plan == plan_epoch(make_manifest([full_video(9)]), options, batch_size=1, seed=0, epoch=0)
    assert sorted(clip.frames[0] for clip in plan) == list(range(9))
    assert next(clip.frames for clip in plan if clip.frames[0] == 0) == (0, 3, 7)


def test_batches_of_stills_and_of_videos_take_turns(joined: Manifest) -> None:
    videos = clip_videos(joined)
    kinds = []
    for epoch in (0, 1):
        plan = plan_epoch(joined, IN_TURN, batch_size=3, seed=0, epoch=epoch)
        kinds.append([videos[clip.video].still for clip in plan])
        taken = Counter(clip.video for clip in plan if videos[clip.video].still)
        assert max(taken.values()) - min(taken.values()) <= 1 and len(taken) == 5
    assert kinds[0] == kinds[1] == ([True] * 3 + [False] * 6) * 2
    assert [IN_TURN.of_stills(batch) for batch in range(6)] == [True, False, False] * 2
    assert not any(PAIRS.of_stills(batch) for batch in range(6))


def test_turns_need_both_kinds() -> None:
    with pytest.raises(VosError, match=r"expected still images and videos .* 0 still images and 3 of videos"):
        count_clips(make_manifest([full_video(3)]), IN_TURN)
    with pytest.raises(VosError, match=r"of 2 still images and 0 of videos"):
        count_clips(make_manifest([full_video(1)] * 2), IN_TURN)


def batches(manifest: Manifest, **settings: object) -> list[ClipBatch]:
    values = {"batch_size": 2, "seed": 3, "epoch": 1, "augment": AugmentOptions(flip=0.5, each_frame=True), **settings}
    found = clip_batches(manifest, replace(IN_TURN, size=SIZE), **values)  # type: ignore[arg-type]
    return [ClipBatch(*map(np.asarray, batch)) for batch in found]


def assert_equal(ours: list[ClipBatch], theirs: list[ClipBatch]) -> None:
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        for field, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(field, same)


def test_batches_resume_exactly_and_are_shared_out_without_a_difference(joined: Manifest) -> None:
    whole = batches(joined)
    assert len(whole) == 9
    assert_equal(batches(joined, start_step=4), whole[4:])
    parts = [batches(joined, shard=(index, 2)) for index in (0, 1)]
    both = [ClipBatch(*map(np.concatenate, zip(*pair, strict=True))) for pair in zip(*parts, strict=True)]
    assert_equal(both, whole)


def test_a_still_is_paired_with_itself(joined: Manifest) -> None:
    stills, *_ = batches(joined, augment=None)
    assert stills.annotated.all() and (stills.object_count == 1).all()
    np.testing.assert_array_equal(stills.frames[:, 0], stills.frames[:, 1])
    np.testing.assert_array_equal(stills.labels[:, 0], stills.labels[:, 1])
    assert (stills.labels == 1).any()


class TestEachFrame:
    """Changes of their own for every frame of a clip."""

    AUGMENT = AugmentOptions(rotation=20, scale=0.3, each_frame=True)

    def request(self, manifest: Manifest, *, still: bool) -> ClipRequest:
        video = next(index for index, video in enumerate(clip_videos(manifest)) if video.still == still)
        frames = (0, 0, 0) if still else (3, 3, 3)
        return ClipRequest(7, video, (FOREGROUND,), frames, (True,) * 3, 0)

    @pytest.mark.parametrize("still", [True, False])
    def test_image_and_label_map_are_changed_alike(self, joined: Manifest, still: bool) -> None:
        reader, request = ClipReader(joined, SIZE), self.request(joined, still=still)
        plain, clip = reader.read(request), reader.read(request, self.AUGMENT, (5, 2))
        for position in (1, 2):
            random = np.random.default_rng([AUGMENT_STREAM, 5, 2, 7, position])
            change = draw_change(self.AUGMENT, SIZE, random)
            image, labels = np.empty((*SIZE, 3), np.uint8), np.empty(SIZE, np.uint8)
            move_image(plain.frames[position], change, image)
            move_labels(plain.labels[position], change, labels)
            np.testing.assert_array_equal(clip.frames[position], image)
            np.testing.assert_array_equal(clip.labels[position], labels)
        assert (clip.labels[1] != clip.labels[2]).any() and (clip.labels[0] != clip.labels[1]).any()
        same = reader.read(request, replace(self.AUGMENT, each_frame=False), (5, 2))
        np.testing.assert_array_equal(same.labels[0], clip.labels[0])
        np.testing.assert_array_equal(same.labels[1], clip.labels[0])

    def test_windows_show_the_object_of_their_own_frame(self, joined: Manifest) -> None:
        reader, augment = ClipReader(joined, SIZE), AugmentOptions(window=(0.4, 0.4), each_frame=True)
        for number in range(12):
            request = self.request(joined, still=False)._replace(number=number, frames=(0, 5, 2))
            clip = reader.read(request, augment)
            assert (clip.labels == 1).any(axis=(1, 2)).all()

    def test_stills_in_motion_are_changed_too(self, joined: Manifest) -> None:
        reader, request = ClipReader(joined, SIZE), self.request(joined, still=True)._replace(times=(0, 1, 2))
        clip, same = (
            reader.read(request, replace(self.AUGMENT, each_frame=each_frame), (5, 2)) for each_frame in (True, False)
        )
        np.testing.assert_array_equal(clip.frames[0], same.frames[0])
        assert (clip.labels[1] != same.labels[1]).any() and (clip.frames[2] != same.frames[2]).any()


def test_a_real_video_is_paired(shared: Path, tmp_path: Path) -> None:
    dataset = open_dataset("davis2016", shared / "data/davis2016", "val")
    video = replace(dataset.videos[0], frames=dataset.videos[0].frames[:4])
    video = replace(
        video,
        masks={name: video.masks[name] for name in video.frame_names},
        objects=tuple(replace(item, frames=video.frame_names) for item in video.objects),
    )
    manifest = preprocess(replace(dataset, videos=(video,)), tmp_path / "out", size="60x107", workers=1)
    (batch,) = clip_batches(manifest, PAIRS, batch_size=4, seed=0, epoch=0)
    assert batch.frames.shape == (4, 2, 60, 107, 3)
    assert (np.asarray(batch.labels) == 1).any(axis=(2, 3)).all()
