"""Batches in tf.data: equal for equal arguments, cut by resuming and sharding without a difference."""

import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.pipeline.clips import ClipBatch, clip_batches, steps_per_epoch
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.reading import ClipReader
from vos_tf.pipeline.sampling import plan_epoch

OPTIONS = ClipOptions(clip_length=(2, 5), objects="all", max_objects=3)
AUGMENT = AugmentOptions(flip=0.5, rotation=20, contrast=0.2)


def batches(manifest, options=OPTIONS, **settings):
    settings = {"batch_size": 4, "seed": 3, "epoch": 1, "augment": AUGMENT, **settings}
    return [ClipBatch(*map(np.asarray, batch)) for batch in clip_batches(manifest, options, **settings)]


def assert_equal(ours, theirs):
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        for ours_field, theirs_field in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours_field, theirs_field)


def test_batches_are_the_planned_clips(small_manifest):
    plan = plan_epoch(small_manifest, OPTIONS, batch_size=4, seed=3, epoch=1)
    reader = ClipReader(small_manifest, (40, 60))
    found = batches(small_manifest)
    assert len(found) == steps_per_epoch(small_manifest, OPTIONS, batch_size=4) == 3
    for step, batch in enumerate(found):
        clips = [reader.read(request, AUGMENT, (3, 1)) for request in plan[4 * step : 4 * step + 4]]
        assert_equal([batch], [ClipBatch(*(np.stack(field) for field in zip(*clips, strict=True)))])


def test_shapes_and_types(small_manifest):
    dataset = clip_batches(small_manifest, OPTIONS, batch_size=4, seed=0, epoch=0)
    frames, labels, annotated, count, classes = dataset.element_spec
    assert isinstance(dataset.element_spec, ClipBatch)
    assert (frames.shape.as_list(), frames.dtype) == ([4, None, 40, 60, 3], tf.uint8)
    assert (labels.shape.as_list(), labels.dtype) == ([4, None, 40, 60], tf.uint8)
    assert (annotated.shape.as_list(), annotated.dtype) == ([4, None], tf.bool)
    assert (count.shape.as_list(), count.dtype) == ([4], tf.int32)
    assert classes == ()
    fixed = clip_batches(small_manifest, ClipOptions(clip_length=3, size=(20, 30)), batch_size=4, seed=0, epoch=0)
    assert fixed.element_spec.frames.shape.as_list() == [4, 4, 20, 30, 3]
    for batch in dataset:
        assert 3 <= batch.frames.shape[1] <= 6
        assert 1 <= tf.reduce_min(batch.object_count) <= tf.reduce_max(batch.object_count) <= 3


def test_equal_arguments_give_equal_batches_whatever_the_threads(small_manifest):
    first = batches(small_manifest, parallel=1)
    assert_equal(batches(small_manifest, parallel=4), first)
    for other in ({"seed": 4}, {"epoch": 2}):
        assert any(
            (a.frames.shape != b.frames.shape) or (a.frames != b.frames).any()
            for a, b in zip(batches(small_manifest, **other), first, strict=True)
        )


def test_resuming_is_a_slice(small_manifest):
    whole = batches(small_manifest)
    for step in range(len(whole)):
        assert_equal(batches(small_manifest, start_step=step), whole[step:])
    assert batches(small_manifest, start_step=len(whole)) == []


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("drop_remainder", [True, False])
def test_the_workers_together_have_the_batch(small_manifest, workers, drop_remainder):
    options = ClipOptions(clip_length=(2, 5), clips_per_object=2)
    settings = {"batch_size": 8, "options": options, "drop_remainder": drop_remainder}
    whole = batches(small_manifest, **settings)
    parts = [batches(small_manifest, shard=(index, workers), **settings) for index in range(workers)]
    joined = [
        ClipBatch(*(np.concatenate(fields) for fields in zip(*(part[step] for part in parts), strict=True)))
        for step in range(len(whole))
    ]
    assert_equal(joined, whole)


def test_the_last_batch_is_dropped_or_short(small_manifest):
    options = ClipOptions(clip_length=2)
    assert [len(batch.frames) for batch in batches(small_manifest, options, batch_size=5)] == [5, 5]
    short = batches(small_manifest, options, batch_size=5, drop_remainder=False)
    assert [len(batch.frames) for batch in short] == [5, 5, 2]
    assert steps_per_epoch(small_manifest, options, batch_size=5) == 2
    assert steps_per_epoch(small_manifest, options, batch_size=5, drop_remainder=False) == 3
    with pytest.raises(VosError, match="at least one batch of 50 clips in an epoch, found 12 clips"):
        steps_per_epoch(small_manifest, options, batch_size=50)


def test_validation_has_no_chance_in_it(small_manifest):
    one = batches(small_manifest, batch_size=1, validation=True)
    other = batches(small_manifest, batch_size=1, validation=True, seed=9, epoch=9, augment=None)
    assert_equal(one, other)
    assert len(one) == 12 and all(batch.frames.shape[1] == 6 for batch in one)


def test_a_batch_that_cannot_be_shared_out_is_refused(small_manifest):
    for shard in ((0, 3), (2, 2), (-1, 2)):
        with pytest.raises(VosError, match="batch_size 4: expected a multiple"):
            clip_batches(small_manifest, OPTIONS, batch_size=4, seed=0, epoch=0, shard=shard)


def test_videos_of_several_sizes_need_a_size(tmp_path):
    from small_world import make_video

    from vos_tf.datasets.types import Dataset
    from vos_tf.records.preprocess import preprocess

    videos = (make_video(tmp_path, "a"), make_video(tmp_path, "b", size=(60, 40)))
    manifest = preprocess(Dataset("small", "train", videos, tmp_path), tmp_path / "out", size="native", workers=1)
    options = ClipOptions(clip_length=2)
    with pytest.raises(VosError, match=r"expected videos of one size, found 2; say which with clips\.size"):
        clip_batches(manifest, options, batch_size=2, seed=0, epoch=0)
    sized = ClipOptions(clip_length=2, size=(24, 32))
    (first, *_) = clip_batches(manifest, sized, batch_size=4, seed=0, epoch=0)
    assert first.frames.shape == (4, 3, 24, 32, 3)


def test_damage_while_training_stops_it_with_the_reason(tmp_path, small_dataset):
    from vos_tf.records.preprocess import preprocess

    manifest = preprocess(small_dataset, tmp_path / "out", size="native", workers=1)
    dataset = clip_batches(manifest, OPTIONS, batch_size=4, seed=0, epoch=0)
    shard = tmp_path / "out" / manifest.shards[0].file
    shard.write_bytes(bytes(manifest.shards[0].bytes))
    with pytest.raises(tf.errors.OpError, match="verify the records"):
        list(dataset)


def test_epochs_leave_no_files_and_threads_behind(small_manifest):
    def held():
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    batches(small_manifest)
    before = held()
    for epoch in range(20):
        batches(small_manifest, epoch=epoch, start_step=2)
    assert np.subtract(held(), before).max() <= 2


def test_more_datasets_at_a_time_than_plans_are_kept(small_manifest):
    datasets = [
        clip_batches(small_manifest, OPTIONS, batch_size=4, seed=3, epoch=epoch, augment=AUGMENT) for epoch in range(20)
    ]
    assert_equal(list(datasets[1].as_numpy_iterator()), batches(small_manifest))
