"""Clips of single frames and of still images, from files to batches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vos_tf.datasets import open_dataset
from vos_tf.media.images import read_image, resize_image, resize_label_map
from vos_tf.pipeline.augment import draw_change, move_image, move_labels
from vos_tf.pipeline.clips import clip_batches, steps_per_epoch
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.reading import ClipReader
from vos_tf.pipeline.sampling import AUGMENT_STREAM, ClipRequest, plan_epoch
from vos_tf.pipeline.videos import FOREGROUND, clip_videos
from vos_tf.records.preprocess import preprocess

SIZE = (48, 64)


@pytest.fixture(scope="module")
def stills(tmp_path_factory):
    """Five images of two sizes with two overlapping polygons each, and their records."""
    root = tmp_path_factory.mktemp("stills")
    for number in range(5):
        height, width = SIZE if number % 2 else (60, 52)
        values = np.random.default_rng(number).integers(0, 255, (height // 4, width // 4, 3), np.uint8)
        (root / "images").mkdir(exist_ok=True)
        (root / "labels").mkdir(exist_ok=True)
        Image.fromarray(values).resize((width, height)).save(root / f"images/{number}.png")
        (root / f"labels/{number}.txt").write_text(
            "0 0.1 0.1 0.9 0.2 0.8 0.9 0.2 0.8\n1 0.3 0.3 0.6 0.3 0.6 0.6 0.3 0.6\n"
        )
    dataset = open_dataset("still_images", root, "all")
    return dataset, preprocess(dataset, root / "records", size="native", workers=1)


def test_single_frames_are_batches_of_one_frame(stills):
    dataset, manifest = stills
    options = ClipOptions(clip_length=0, size=(24, 32), clips_per_object=2)
    assert steps_per_epoch(manifest, options, batch_size=4) == 5
    batches = clip_batches(manifest, options, batch_size=4, seed=0, epoch=0)
    assert batches.element_spec.frames.shape.as_list() == [4, 1, 24, 32, 3]
    plan = plan_epoch(manifest, options, batch_size=4, seed=0, epoch=0)
    for step, batch in enumerate(batches):
        assert batch.annotated.numpy().all() and (batch.object_count.numpy() == 1).all()
        for row, request in enumerate(plan[4 * step : 4 * step + 4]):
            video = dataset.videos[request.video]
            labels = resize_label_map(video.read_mask(video.frame_names[0]), (24, 32))
            np.testing.assert_array_equal(batch.labels[row, 0].numpy(), labels == request.objects[0])
            image = resize_image(read_image(video.frames[0]), (24, 32)).astype(int)
            assert np.abs(batch.frames[row, 0].numpy() - image).mean() < 8


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 2**31), flip=st.sampled_from([0.0, 1.0]), rotation=st.sampled_from([0.0, 30.0]))
def test_changes_are_the_same_for_image_and_mask_of_a_single_frame(stills, number, flip, rotation):
    _, manifest = stills
    options = AugmentOptions(flip=flip, rotation=rotation, scale=0.25)
    request = ClipRequest(number, 1, (FOREGROUND,), (0,), (True,), 0)
    reader = ClipReader(manifest, SIZE)
    clip, plain = reader.read(request, options, (5, 2)), reader.read(request)
    change = draw_change(options, SIZE, np.random.default_rng([AUGMENT_STREAM, 5, 2, number]))
    image, labels = np.empty((*SIZE, 3), np.uint8), np.empty(SIZE, np.uint8)
    move_image(plain.frames[0], change, image)
    move_labels(plain.labels[0], change, labels)
    np.testing.assert_array_equal(clip.frames[0], image)
    np.testing.assert_array_equal(clip.labels[0], labels)


def test_foreground_merges_all_ids_and_keeps_void(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    labels = np.zeros(SIZE, np.uint8)
    labels[4:20, 4:20], labels[24:40, 30:50], labels[:, 60:] = 3, 200, 255
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "images/a.png")
    Image.fromarray(labels).save(tmp_path / "masks/a.png")
    manifest = preprocess(open_dataset("still_images", tmp_path, "all"), tmp_path / "out", size="native", workers=1)
    options = ClipOptions(clip_length=0, objects="foreground", clips_per_object=3)
    plan = plan_epoch(manifest, options, batch_size=1, seed=0, epoch=0)
    assert [request.objects for request in plan] == [(FOREGROUND,)] * 3
    clip = ClipReader(manifest, SIZE).read(plan[0])
    expected = np.where(labels == 255, 255, labels > 0)
    np.testing.assert_array_equal(clip.labels[0], expected)
    assert clip.object_count == 1


def test_every_annotated_frame_once_in_rounds_over_the_videos(small_manifest):
    options = ClipOptions(clip_length=0, objects="foreground", clips_per_object=0, clips_per_frame=1)
    plan = plan_epoch(small_manifest, options, batch_size=1, seed=0, epoch=0)
    assert len(plan) == len({(clip.video, clip.frames) for clip in plan}) == 4 * 12
    ordered = plan_epoch(small_manifest, options.for_validation(), batch_size=1, seed=0, epoch=0)
    assert sorted(clip.frames for clip in ordered) == sorted(clip.frames for clip in plan)
    assert [clip.video for clip in ordered[:8]] == [0, 1, 2, 3] * 2
    # The first few are spread over the video.
    assert [clip.frames[0] for clip in ordered[::4]][:4] == [0, 5, 10, 2]
    starts = ClipOptions(clip_length=(2, 4), clips_per_object=0, clips_per_frame=1, shuffle=False)
    references = [clip.frames[0] for clip in plan_epoch(small_manifest, starts, batch_size=1, seed=0, epoch=0)
                  if clip.video == 0 and clip.objects == (1,)]  # fmt: skip
    assert sorted(references) == list(range(11))


def test_stills_become_clips_in_motion(stills):
    _, manifest = stills
    options = ClipOptions(clip_length=(1, 3), objects="all", max_objects=2, stride=2, size=SIZE, clips_per_object=4)
    for seed in (0, 1):
        batches = [
            [tuple(np.asarray(field) for field in batch) for batch in
             clip_batches(manifest, options, batch_size=2, seed=seed, epoch=epoch, augment=AugmentOptions(flip=0.5))]
            for epoch in (0, 0, 1)
        ]  # fmt: skip
        for one, again in zip(batches[0], batches[1], strict=True):
            for field, same in zip(one, again, strict=True):
                np.testing.assert_array_equal(field, same)
        frames, labels, annotated, count, _ = batches[0][0]
        assert 2 <= frames.shape[1] <= 4 and annotated.all() and (count == 2).all()
        assert (frames[:, 0] != frames[:, 1]).any(axis=(1, 2, 3)).all()
        assert all({1, 2} <= set(np.unique(labels[row, 0])) for row in range(2))


def test_stills_can_be_skipped_beside_videos_and_motion_depends_on_the_clip(stills):
    _, manifest = stills
    request = ClipRequest(3, 0, (1, 2), (0, 0, 0), (True,) * 3, 0, (0, 1, 2))
    reader = ClipReader(manifest, SIZE)
    clip = reader.read(request, seed=(1, 2))
    np.testing.assert_array_equal(clip.frames, reader.read(request, seed=(1, 2)).frames)
    others = [reader.read(request, seed=(2, 2)), reader.read(request, seed=(1, 3)),
              reader.read(request._replace(number=4), seed=(1, 2))]  # fmt: skip
    assert all((other.labels[2] != clip.labels[2]).any() for other in others)
    np.testing.assert_array_equal(
        clip.labels[0], reader.read(request._replace(frames=(0,), annotated=(True,), times=())).labels[0]
    )
    assert all(video.still for video in clip_videos(manifest))
