"""Clips read from records against the files they were made of."""

import os

import cv2
import numpy as np
import pytest
from small_world import Moving, make_dataset, make_video

from vos_tf.datasets.types import Dataset
from vos_tf.errors import VosError
from vos_tf.media.images import read_image, resize_image, resize_label_map
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.reading import ClipReader
from vos_tf.pipeline.sampling import ClipRequest, plan_epoch
from vos_tf.records.preprocess import preprocess


def renumbered(labels, objects):
    result = np.zeros_like(labels)
    for slot, key in enumerate(objects, start=1):
        result[labels == key] = slot
    result[labels == 255] = 255
    return result


@pytest.mark.parametrize("size", [(40, 60), (20, 30), (50, 64)])
def test_clips_are_what_lies_on_disk(small_dataset, small_manifest, size):
    options = ClipOptions(clip_length=(3, 9), objects="all", max_objects=2, clips_per_object=2)
    reader = ClipReader(small_manifest, size)
    plan = plan_epoch(small_manifest, options, batch_size=1, seed=1, epoch=0)
    assert {len(clip.objects) for clip in plan} == {1, 2}
    for request in plan:
        clip, video = reader.read(request), small_dataset.videos[request.video]
        for position, index in enumerate(request.frames):
            image = resize_image(read_image(video.frames[index]), size)
            np.testing.assert_array_equal(clip.frames[position], image)
            labels = resize_label_map(video.read_mask(video.frame_names[index]), size)
            expected = renumbered(labels, request.objects) if request.annotated[position] else np.full(size, 255)
            np.testing.assert_array_equal(clip.labels[position], expected)
        assert clip.annotated.tolist() == list(request.annotated)
        assert clip.object_count == len(request.objects) and clip.object_count.dtype == np.int32
        assert set(range(1, len(request.objects) + 1)) <= set(np.unique(clip.labels[0]))


def test_frames_without_masks_are_void(tmp_path):
    made = make_dataset(tmp_path / "world", videos=1, every=3)
    manifest = preprocess(made, tmp_path / "out", size="native", workers=1)
    (request, *_) = plan_epoch(manifest, ClipOptions(clip_length=5, frames="all"), batch_size=1, seed=0, epoch=0)
    clip = ClipReader(manifest, (40, 60)).read(request)
    assert 0 < clip.annotated.sum() < len(clip.annotated)
    assert (clip.labels[~clip.annotated] == 255).all() and not (clip.labels[clip.annotated] == 255).any()


def test_changes_are_the_same_for_all_frames_and_depend_on_seed_epoch_and_clip(small_manifest):
    augment = AugmentOptions(flip=0.5, rotation=15, scale=0.2, translation=0.1, brightness=0.2, saturation=0.3)
    reader = ClipReader(small_manifest, (40, 60))
    still = ClipRequest(0, 0, (1,), (4, 4, 4, 4), (True,) * 4, 0)
    clip = reader.read(still, augment, (7, 2))
    for position in range(1, 4):
        np.testing.assert_array_equal(clip.frames[position], clip.frames[0])
        np.testing.assert_array_equal(clip.labels[position], clip.labels[0])
    again = ClipReader(small_manifest, (40, 60)).read(still, augment, (7, 2))
    np.testing.assert_array_equal(again.frames, clip.frames)
    others = [reader.read(still._replace(number=1), augment, (7, 2)), reader.read(still, augment, (7, 3))]
    others.append(reader.read(still, augment, (8, 2)))
    assert all((other.frames != clip.frames).any() for other in others)


def test_a_change_that_loses_an_object_is_not_made(tmp_path):
    video = make_video(tmp_path, "corner", size=(64, 64), frames=3, objects=(Moving(1, 0, 3), Moving(2, 0, 3)))
    for name in video.masks:
        labels = np.zeros((64, 64), np.uint8)
        labels[:2, :2], labels[30:40, 30:40] = 1, 2
        cv2.imwrite(str(video.masks[name]), labels)
    manifest = preprocess(Dataset("small", "train", (video,), tmp_path), tmp_path / "out", size="native", workers=1)
    reader, augment = ClipReader(manifest, (64, 64)), AugmentOptions(scale=0.5, crop=0.5, translation=0.4)
    kept = whole = 0
    for number in range(40):
        request = ClipRequest(number, 0, (1, 2), (0, 1), (True, True), 0)
        clip = reader.read(request, augment)
        assert {1, 2} <= set(np.unique(clip.labels[0]))
        same = (clip.labels[0] == renumbered(video.read_mask("00000"), (1, 2))).all()
        if same:
            np.testing.assert_array_equal(clip.frames[0], read_image(video.frames[0]))
        kept, whole = kept + (not same), whole + same
    assert kept and whole


def test_an_object_too_thin_for_the_size_keeps_a_pixel(tmp_path):
    video = make_video(tmp_path, "thin", size=(64, 64), frames=3, objects=(Moving(1, 0, 3),))
    for name in video.masks:
        labels = np.zeros((64, 64), np.uint8)
        labels[3, 40:43] = 1
        cv2.imwrite(str(video.masks[name]), labels)
    manifest = preprocess(Dataset("small", "train", (video,), tmp_path), tmp_path / "out", size="native", workers=1)
    clip = ClipReader(manifest, (8, 8)).read(ClipRequest(0, 0, (1,), (0, 1), (True, True), 0))
    assert np.argwhere(clip.labels[0] == 1).tolist() == [[0, 5]]


def test_void_stays_void(tmp_path):
    video = make_video(tmp_path, "void", frames=3, objects=(Moving(1, 0, 3),))
    for name in video.masks:
        labels = video.read_mask(name)
        labels[0, :7] = 255
        cv2.imwrite(str(video.masks[name]), labels)
    manifest = preprocess(Dataset("small", "train", (video,), tmp_path), tmp_path / "out", size="native", workers=1)
    clip = ClipReader(manifest, (40, 60)).read(ClipRequest(0, 0, (1,), (0, 1), (True, True), 0))
    assert (clip.labels == 255).sum() == 14


def test_incomplete_records_are_refused_before_reading_and_named_while_reading(tmp_path):
    made = make_dataset(tmp_path / "world", videos=1)
    manifest = preprocess(made, tmp_path / "out", size="native", workers=1)
    shard = tmp_path / "out" / manifest.shards[0].file
    reader, request = ClipReader(manifest, (40, 60)), ClipRequest(0, 0, (1,), (0, 11), (True, True), 0)
    os.truncate(shard, manifest.shards[0].bytes - 500)
    with pytest.raises(VosError, match=rf"{shard.name}: expected .* verify the records"):
        reader.read(request)
    with pytest.raises(VosError, match="expected a shard of"):
        ClipReader(manifest, (40, 60))
    shard.write_bytes(bytes(manifest.shards[0].bytes))
    with pytest.raises(VosError, match=r"video0: expected a PNG mask .* verify the records"):
        ClipReader(manifest, (40, 60)).read(request)
