"""Records as TensorFlow reads them, against the files on disk and the manifest."""

import numpy as np
from small_world import make_dataset

from vos_tf.media.images import read_image
from vos_tf.records.preprocess import preprocess
from vos_tf.records.reader import decode_frames, decode_masks, read_manifest, record_dataset


def test_tensorflow_reads_what_lies_on_disk(tmp_path):
    made = make_dataset(tmp_path / "world", videos=3, every=2)
    preprocess(made, tmp_path / "out", size="native", shards=2, workers=1)
    manifest = read_manifest(tmp_path / "out")
    records = list(record_dataset(manifest))
    assert len(records) == 3
    for record, entry, video in zip(records, manifest.records, made.videos, strict=True):
        assert record.video.numpy().decode() == entry.video == video.name
        assert tuple(record.size.numpy()) == tuple(record.original_size.numpy()) == video.size
        assert tuple(record.frame_rate.numpy()) == (30000, 1001)
        assert [name.decode() for name in record.frame_names.numpy()] == list(video.frame_names)
        frames = decode_frames(record.frames).numpy()
        np.testing.assert_array_equal(frames, np.stack([read_image(path) for path in video.frames]))
        annotated = [bool(png) for png in record.masks.numpy()]
        assert annotated == [name in video.masks for name in video.frame_names]
        masks = decode_masks(record.masks[np.asarray(annotated)]).numpy()
        np.testing.assert_array_equal(masks, np.stack([video.read_mask(name) for name in video.masks]))
        assert record.mask_ids.to_list() == [list(ids) for ids in entry.mask_ids]
        assert record.object_ids.numpy().tolist() == [item.id for item in entry.objects]
        assert record.object_categories.numpy().tolist() == [b"box", b"box"]
        assert record.object_first_frames.numpy().tolist() == [item.first_frame for item in entry.objects]
        assert record.object_frames.to_list() == [list(item.frames) for item in entry.objects]


def test_a_video_without_objects_or_masks(tmp_path):
    made = make_dataset(tmp_path / "world", videos=1, frames=3, objects=())
    manifest = preprocess(made, tmp_path / "out", size="native", workers=1)
    (record,) = record_dataset(manifest)
    assert record.object_ids.shape == (0,) and record.object_frames.to_list() == []
    assert record.mask_ids.to_list() == [[], [], []]
