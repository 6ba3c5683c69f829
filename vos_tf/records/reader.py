"""Whole records as TensorFlow tensors. Clips for training come from `vos_tf.pipeline`, which reads parts of records."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from vos_tf.records.manifest import Manifest, read_manifest

__all__ = ["VideoRecord", "decode_frames", "decode_masks", "parse_record", "read_manifest", "record_dataset"]


class VideoRecord(NamedTuple):
    """One record; n frames, k objects.

    Attributes:
        video: string scalar, name of the video.
        chunk: int64 scalar, number of the chunk.
        first_frame: int64 scalar, index in the video of the first frame.
        size: int64 ``(2,)``, stored H and W.
        original_size: int64 ``(2,)``, H and W on disk.
        frame_rate: int64 ``(2,)``, numerator and denominator, frames per second.
        frame_names: string ``(n,)``.
        frames: string ``(n,)``, JPEG.
        masks: string ``(n,)``, grey PNG of ids; empty where the frame is not annotated.
        mask_ids: int64 ragged ``(n, None)``, object ids in each mask.
        object_ids: int64 ``(k,)``.
        object_categories: string ``(k,)``, empty where not known.
        object_first_frames: int64 ``(k,)``, index in the video of the frame that introduces each object.
        object_frames: int64 ragged ``(k, None)``, indices in the video of the frames to segment each object in.
    """

    video: Any
    chunk: Any
    first_frame: Any
    size: Any
    original_size: Any
    frame_rate: Any
    frame_names: Any
    frames: Any
    masks: Any
    mask_ids: Any
    object_ids: Any
    object_categories: Any
    object_first_frames: Any
    object_frames: Any


def parse_record(serialized: Any) -> VideoRecord:
    """Parse one record, a string scalar tensor.

    Raises:
        tf.errors.InvalidArgumentError: The bytes are no record.
    """
    scalar, pair = tf.io.FixedLenFeature((), tf.int64), tf.io.FixedLenFeature((2,), tf.int64)
    context, sequences = tf.io.parse_single_sequence_example(
        serialized,
        context_features={
            "video": tf.io.FixedLenFeature((), tf.string),
            "chunk": scalar,
            "first_frame": scalar,
            "size": pair,
            "original_size": pair,
            "frame_rate": pair,
            "object_ids": tf.io.RaggedFeature(tf.int64),
            "object_categories": tf.io.RaggedFeature(tf.string),
            "object_first_frames": tf.io.RaggedFeature(tf.int64),
        },
        sequence_features={
            "frame_names": tf.io.FixedLenSequenceFeature((), tf.string),
            "frames": tf.io.FixedLenSequenceFeature((), tf.string),
            "masks": tf.io.FixedLenSequenceFeature((), tf.string),
            "mask_ids": tf.io.RaggedFeature(tf.int64),
            "object_frames": tf.io.RaggedFeature(tf.int64),
        },
    )
    return VideoRecord(**context, **sequences)


def decode_frames(frames: Any) -> Any:
    """Decode JPEGs, string ``(n,)``, of equal size to uint8 ``(n, H, W, 3)`` RGB."""
    return tf.map_fn(
        lambda jpeg: tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE"),
        frames,
        fn_output_signature=tf.TensorSpec((None, None, 3), tf.uint8),
    )


def decode_masks(masks: Any) -> Any:
    """Decode PNGs, string ``(n,)``, none of them empty, of equal size to uint8 ``(n, H, W)`` ids."""
    return tf.map_fn(
        lambda png: tf.io.decode_png(png, channels=1)[..., 0],
        masks,
        fn_output_signature=tf.TensorSpec((None, None), tf.uint8),
    )


def record_dataset(manifest: Manifest) -> Any:
    """All records of a folder in order, as a ``tf.data.Dataset`` of `VideoRecord`."""
    files = [str(manifest.folder / shard.file) for shard in manifest.shards]
    return tf.data.TFRecordDataset(files).map(parse_record, num_parallel_calls=tf.data.AUTOTUNE)
