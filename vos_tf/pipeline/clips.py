"""Training batches: the plan of an epoch, read clip by clip, in ``tf.data``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.pipeline.memory import BatchMemory
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.reading import ClipReader
from vos_tf.pipeline.sampling import ClipRequest, count_clips, plan_epoch
from vos_tf.pipeline.videos import clip_videos
from vos_tf.records.manifest import Manifest
from vos_tf.workers import worker_count

BATCHES_AT_A_TIME = 2
"""While one batch waits for its last clip, the next one is begun."""


class ClipBatch(NamedTuple):
    """A batch of clips; index 0 of time is the reference frame.

    Attributes:
        frames: uint8 ``(B, 1 + T, H, W, 3)`` RGB.
        labels: uint8 ``(B, 1 + T, H, W)``: chosen objects 1..K, 0 background, 255 void (and the whole of a frame that
            is not annotated). The reference frame shows every chosen object.
        annotated: bool ``(B, 1 + T)``.
        object_count: int32 ``(B,)``, number of chosen objects, at least 1 and at most `ClipOptions.objects_per_clip`.
        object_classes: int32 ``(B, ClipOptions.objects_per_clip)``, index in `ClipOptions.classes` of each chosen
            object; -1 where its category is not known or not listed, or there is no object. ``()`` without classes.
    """

    frames: Any
    labels: Any
    annotated: Any
    object_count: Any
    object_classes: Any = ()


def steps_per_epoch(manifest: Manifest, options: ClipOptions, *, batch_size: int, drop_remainder: bool = True) -> int:
    """Number of batches of an epoch.

    Raises:
        VosError: There is not one whole batch, or no clip at all.
    """
    clips = count_clips(manifest, options)
    if drop_remainder and clips < batch_size:
        raise VosError(
            f"{manifest.where}: expected at least one batch of {batch_size} clips in an epoch, found {clips} clips; "
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
        VosError: The records are incomplete, no clip can be cut from them, the batch cannot be shared out, or none of
            the objects to train on is of one of the classes.
    """
    index, count = shard
    if not 0 <= index < count or batch_size % count:
        raise VosError(f"batch_size {batch_size}: expected a multiple of the {count} workers (this is number {index})")
    if validation:
        options, augment, drop_remainder = options.for_validation(), None, False
    elif options.classes:
        _check_classes(manifest, options.classes)
    manifest.check_shards()
    epoch_of = _Epoch(manifest, options, augment, options.size or _common_size(manifest), batch_size, seed, epoch)
    clips, share = len(_plan(epoch_of)), batch_size // count
    steps = clips // batch_size
    if not drop_remainder and clips % batch_size > index * share:
        steps += 1
    rows = _Rows(index * share, share, always=drop_remainder)
    return _dataset(epoch_of, rows, range(start_step, max(steps, start_step)), worker_count(parallel))


class _Rows(NamedTuple):
    """The rows of each batch that a worker reads; ``always``: no batch lacks them."""

    first: int
    share: int
    always: bool


def _dataset(epoch: _Epoch, rows: _Rows, steps: range, threads: int) -> Any:
    shortest, longest = epoch.options.in_epoch(epoch.epoch).lengths
    time = 1 + longest if shortest == longest else None
    shape = (rows.share if rows.always else None, time, *epoch.size)

    def read(step: Any) -> tuple[NDArray[Any], ...]:
        return _read_batch(epoch, int(step) * epoch.batch_size + rows.first, rows.share, threads)

    kinds = [tf.uint8, tf.uint8, tf.bool, tf.int32]
    shapes: list[tuple[int | None, ...]] = [(*shape, 3), shape, shape[:2], shape[:1]]
    if epoch.options.classes:
        kinds.append(tf.int32)
        shapes.append((shape[0], epoch.options.objects_per_clip))

    def load(step: Any) -> ClipBatch:
        # Stateless, so that TensorFlow's determinism does not forbid several batches at a time.
        tensors = tf.numpy_function(read, [step], kinds, stateful=False)
        for tensor, known in zip(tensors, shapes, strict=True):
            tensor.set_shape(known)
        return ClipBatch(*tensors)

    settings = tf.data.Options()
    settings.deterministic = True
    # The rows are this worker's already.
    settings.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    batches = tf.data.Dataset.range(steps.start, steps.stop)
    return batches.map(load, num_parallel_calls=BATCHES_AT_A_TIME).prefetch(1).with_options(settings)


class _Epoch(NamedTuple):
    """All that decides the clips of an epoch."""

    manifest: Manifest
    options: ClipOptions
    augment: AugmentOptions | None
    size: tuple[int, int]
    batch_size: int
    seed: int
    epoch: int


# TensorFlow never lets go of a Python function that a dataset has called. So the function holds no plan, files or
# threads, only what they follow from, and finds them here. What was dropped meanwhile is made again.


@lru_cache(maxsize=16)
def _plan(epoch: _Epoch) -> tuple[ClipRequest, ...]:
    return plan_epoch(epoch.manifest, epoch.options, batch_size=epoch.batch_size, seed=epoch.seed, epoch=epoch.epoch)


@lru_cache(maxsize=8)
def _reader(manifest: Manifest, size: tuple[int, int]) -> ClipReader:
    return ClipReader(manifest, size)


@lru_cache(maxsize=2)
def _memory(pixels: int) -> BatchMemory:
    return BatchMemory(pixels)


@lru_cache(maxsize=8)
def _threads(count: int) -> ThreadPoolExecutor:
    cv2.setNumThreads(1)  # clips are read side by side; threads within one would only be in each other's way
    return ThreadPoolExecutor(count, thread_name_prefix="clips")


def _read_batch(epoch: _Epoch, first: int, count: int, threads: int) -> tuple[NDArray[Any], ...]:
    """The fields of a `ClipBatch` of ``count`` clips from the plan, read side by side, straight into the batch."""
    requests = _plan(epoch)[first : first + count]
    reader, seed = _reader(epoch.manifest, epoch.size), (epoch.seed, epoch.epoch)
    longest = count * (1 + epoch.options.lengths[1]) * math.prod(epoch.size)
    frames, labels = _memory(longest).take((len(requests), len(requests[0].frames), *epoch.size))
    jobs = [
        _threads(threads).submit(reader.read_into, *row, epoch.augment, seed)
        for row in zip(requests, frames, labels, strict=True)
    ]
    counts = np.array([job.result() for job in jobs], np.int32)
    annotated = np.array([request.annotated for request in requests])
    classes = (_object_classes(epoch, requests),) if epoch.options.classes else ()
    return frames, labels, annotated, counts, *classes


def _object_classes(epoch: _Epoch, requests: Sequence[ClipRequest]) -> NDArray[np.int32]:
    """`ClipBatch.object_classes` of some clips."""
    videos = clip_videos(epoch.manifest)
    index_of = {name: index for index, name in enumerate(epoch.options.classes)}
    classes = np.full((len(requests), epoch.options.objects_per_clip), -1, np.int32)
    for row, request in zip(classes, requests, strict=True):
        category_of = {item.id: item.category for item in videos[request.video].objects}
        row[: len(request.objects)] = [index_of.get(category_of.get(key) or "", -1) for key in request.objects]
    return classes


def _check_classes(manifest: Manifest, classes: Sequence[str]) -> None:
    known = {item.category for video in clip_videos(manifest) for item in video.objects if item.category}
    if known.isdisjoint(classes):
        found = f"only {', '.join(sorted(known))}" if known else "objects without categories"
        raise VosError(
            f"{manifest.where}: expected objects of one of clips.classes ({', '.join(classes)}), found {found}"
        )


def _common_size(manifest: Manifest) -> tuple[int, int]:
    sizes = {video.size for video in clip_videos(manifest)}
    if len(sizes) > 1:
        raise VosError(f"{manifest.where}: expected videos of one size, found {len(sizes)}; say which with clips.size")
    return sizes.pop()
