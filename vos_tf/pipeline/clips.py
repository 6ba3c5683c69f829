"""Training batches: the plan of an epoch, read clip by clip, in ``tf.data``."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.reading import ClipReader
from vos_tf.pipeline.sampling import count_clips, plan_epoch
from vos_tf.pipeline.videos import clip_videos
from vos_tf.records.manifest import Manifest
from vos_tf.records.workers import worker_count


class ClipBatch(NamedTuple):
    """A batch of clips; index 0 of time is the reference frame.

    Attributes:
        frames: uint8 ``(B, 1 + T, H, W, 3)`` RGB.
        labels: uint8 ``(B, 1 + T, H, W)``: chosen objects 1..K, 0 background, 255 void (and the whole of a frame that
            is not annotated). The reference frame shows every chosen object.
        annotated: bool ``(B, 1 + T)``.
        object_count: int32 ``(B,)``, number of chosen objects, at least 1 and at most `ClipOptions.objects_per_clip`.
    """

    frames: Any
    labels: Any
    annotated: Any
    object_count: Any


def steps_per_epoch(manifest: Manifest, options: ClipOptions, *, batch_size: int, drop_remainder: bool = True) -> int:
    """Number of batches of an epoch.

    Raises:
        VosError: There is not one whole batch, or no clip at all.
    """
    clips = count_clips(manifest, options)
    if drop_remainder and clips < batch_size:
        raise VosError(
            f"{manifest.folder}: expected at least one batch of {batch_size} clips in an epoch, found {clips} clips; "
            "take more clips_per_object or a smaller batch"
        )
    return clips // batch_size if drop_remainder else -(-clips // batch_size)


def clip_batches(
    manifest: Manifest,
    options: ClipOptions,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    start_step: int = 0,
    shard: tuple[int, int] = (0, 1),
    augment: AugmentOptions | None = None,
    drop_remainder: bool = True,
    validation: bool = False,
    parallel: int = 0,
) -> Any:
    """The batches of one epoch, equal for equal arguments.

    Args:
        manifest: Of the records.
        options: How clips are sampled.
        batch_size: Clips of a batch, over all workers.
        seed: Of the run.
        epoch: 0-based; every epoch has other clips.
        start_step: Number of batches to leave out at the start: an epoch that was stopped goes on exactly.
        shard: ``(index, count)`` of this worker: it gets its rows of each batch, all workers together the whole.
        augment: How clips are changed; ``None``: not at all.
        drop_remainder: Leave out the last batch where it is not full. Else, with several workers, those whose rows
            are missing have one batch less.
        validation: No chance and no change: see `ClipOptions.for_validation`; the last batch may be short.
        parallel: Clips read at a time; 0: one for every core.

    Returns:
        A ``tf.data.Dataset`` of `ClipBatch`.

    Raises:
        VosError: The records are incomplete, no clip can be cut from them, or the batch cannot be shared out.
    """
    index, count = shard
    if not 0 <= index < count or batch_size % count:
        raise VosError(f"batch_size {batch_size}: expected a multiple of the {count} workers (this is number {index})")
    if validation:
        options, augment, drop_remainder = options.for_validation(), None, False
    plan = plan_epoch(manifest, options, batch_size=batch_size, seed=seed, epoch=epoch)
    size = options.size or _common_size(manifest)
    reader = ClipReader(manifest, size)
    cv2.setNumThreads(1)  # clips are read side by side; threads within one would only be in each other's way

    def read(position: Any) -> tuple[Any, ...]:
        return tuple(reader.read(plan[int(position)], augment, (seed, epoch)))

    def load(position: Any) -> ClipBatch:
        kinds = (tf.uint8, tf.uint8, tf.bool, tf.int32)
        frames, labels, annotated, object_count = tf.numpy_function(read, [position], kinds, stateful=False)
        shortest, longest = options.lengths
        time = 1 + shortest if shortest == longest else None
        frames.set_shape((time, *size, 3))
        labels.set_shape((time, *size))
        annotated.set_shape((time,))
        object_count.set_shape(())
        return ClipBatch(frames, labels, annotated, object_count)

    rows = _rows(len(plan), batch_size, start_step, (index, count), drop_remainder)
    settings = tf.data.Options()
    settings.deterministic = True
    # The rows are this worker's already.
    settings.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    clips = tf.data.Dataset.from_tensor_slices(rows).map(load, num_parallel_calls=worker_count(parallel))
    return clips.batch(batch_size // count, drop_remainder).prefetch(2).with_options(settings)


def _rows(clips: int, batch_size: int, start_step: int, shard: tuple[int, int], drop_remainder: bool) -> Any:
    """Positions in the plan of the clips that a worker reads, in order, int64."""
    index, count = shard
    share = batch_size // count
    positions = np.arange(start_step * batch_size, clips - clips % batch_size if drop_remainder else clips)
    return positions[(positions % batch_size) // share == index]


def _common_size(manifest: Manifest) -> tuple[int, int]:
    sizes = {video.size for video in clip_videos(manifest)}
    if len(sizes) > 1:
        raise VosError(f"{manifest.folder}: expected videos of one size, found {len(sizes)}; say which with clips.size")
    return sizes.pop()
