"""Which clips an epoch consists of. NumPy only, a pure function: resuming and sharding are slices of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vos_tf.errors import VosError
from vos_tf.pipeline.options import ClipOptions
from vos_tf.pipeline.videos import ClipObject, ClipVideo, Indices, clip_videos
from vos_tf.records.manifest import Manifest

PLAN_STREAM, AUGMENT_STREAM = 1, 2
"""First word of a random seed: what the numbers are for."""


class ClipRequest(NamedTuple):
    """One clip to read.

    Attributes:
        number: Position in the plan of the epoch.
        video: Index into `clip_videos`.
        objects: Ids of the objects the clip follows, rising; all are in the mask of the reference frame.
        frames: Indices in the video: the reference frame, then the T frames of the clip. Where the object's frames
            end before the clip does, the last one is repeated.
        annotated: For each of the frames whether it has a mask that counts; false for repeated ones.
        repeated: Number of repeated frames, at the end.
    """

    number: int
    video: int
    objects: tuple[int, ...]
    frames: tuple[int, ...]
    annotated: tuple[bool, ...]
    repeated: int


class _Starts(NamedTuple):
    """Where clips of one object may begin: positions in ``path``, for each start of the reference and the clip."""

    path: Indices
    references: Indices
    firsts: Indices


class _Cursor(NamedTuple):
    """Place of a clip in the plan, its video and its T."""

    number: int
    video: int
    length: int


class _Slot(NamedTuple):
    """One clip of the epoch, before chance: a video, and one object or (with ``None``) any of it."""

    video: int
    item: ClipObject | None


def plan_epoch(
    manifest: Manifest, options: ClipOptions, *, batch_size: int, seed: int, epoch: int
) -> tuple[ClipRequest, ...]:
    """All clips of an epoch, in the order of training; depends on the arguments only.

    Args:
        manifest: Of the records.
        options: How clips are sampled.
        batch_size: Consecutive clips that share one T.
        seed: Of the run.
        epoch: 0-based.

    Raises:
        VosError: No object has a clip with an annotated frame in it.
    """
    videos = clip_videos(manifest)
    slots = _slots(videos, options)
    random = np.random.default_rng([PLAN_STREAM, seed, epoch])
    if options.shuffle:
        slots = [slots[index] for index in random.permutation(len(slots))]
    shortest, longest = options.lengths
    lengths = random.integers(shortest, longest + 1, size=-(-len(slots) // batch_size))
    known: dict[tuple[int, int, int], _Starts] = {}
    requests = []
    for index, slot in enumerate(slots):
        video, length = videos[slot.video], int(lengths[index // batch_size])
        item = slot.item
        if item is None:
            usable = _usable(video, options)
            item = usable[0 if options.start == "first" else random.integers(len(usable))]
        key = (slot.video, item.id, length)
        if key not in known:
            known[key] = _starts(video, item, options, length)
        requests.append(_request(_Cursor(index, slot.video, length), video, item, known[key], options, random))
    return tuple(requests)


def count_clips(manifest: Manifest, options: ClipOptions) -> int:
    """Number of clips of an epoch.

    Raises:
        VosError: No object has a clip with an annotated frame in it.
    """
    return len(_slots(clip_videos(manifest), options))


def _slots(videos: Sequence[ClipVideo], options: ClipOptions) -> list[_Slot]:
    slots: list[_Slot] = []
    for index, video in enumerate(videos):
        usable = _usable(video, options)
        slots += [_Slot(index, item) for item in usable for _ in range(options.clips_per_object)]
        slots += [_Slot(index, None)] * (options.clips_per_video if usable else 0)
    if not slots:
        raise VosError(
            f"clips.clip_length {options.lengths[0]}, clips.stride {options.stride}, clips.frames {options.frames}: "
            "expected clips that reach an annotated frame, found none; take longer clips or another stride"
        )
    return slots


def _usable(video: ClipVideo, options: ClipOptions) -> list[ClipObject]:
    """Objects with a clip of the lowest T, and so of any T."""
    return [item for item in video.objects if len(_starts(video, item, options, options.lengths[0]).firsts)]


def _starts(video: ClipVideo, item: ClipObject, options: ClipOptions, length: int) -> _Starts:
    """Every place where a clip of ``length`` frames with an annotated one among them may begin."""
    if options.frames == "annotated":
        path = item.frames[video.annotated[item.frames]]
    else:
        path = np.arange(item.frames[0], item.frames[-1] + 1)
    seen = np.flatnonzero(np.isin(path, item.seen))
    if options.reference == "before_clip":
        references, firsts = seen, seen + options.stride
    else:
        firsts = np.arange(seen[0] + options.stride, len(path))
        references = np.full_like(firsts, seen[0])
    steps = firsts[:, None] + options.stride * np.arange(length)
    inside = steps < len(path)
    counts = inside & video.annotated[path[np.where(inside, steps, 0)]]
    usable = counts.any(axis=1)
    return _Starts(path, references[usable], firsts[usable])


def _request(
    cursor: _Cursor,
    video: ClipVideo,
    item: ClipObject,
    starts: _Starts,
    options: ClipOptions,
    random: np.random.Generator,
) -> ClipRequest:
    room = (len(starts.path) - 1 - starts.firsts) // options.stride + 1
    # Clips that fit are preferred; where none does, those that need the least repetition.
    choices = np.flatnonzero(room >= min(cursor.length, room.max()))
    choice = choices[0 if options.start == "first" else random.integers(len(choices))]
    steps = starts.firsts[choice] + options.stride * np.arange(min(cursor.length, room[choice]))
    frames = [int(starts.path[starts.references[choice]]), *(int(index) for index in starts.path[steps])]
    annotated = [bool(flag) for flag in video.annotated[frames]]
    repeated = 1 + cursor.length - len(frames)
    objects = _objects(video.mask_ids[frames[0]], item.id, options, random)
    return ClipRequest(
        cursor.number,
        cursor.video,
        objects,
        (*frames, *[frames[-1]] * repeated),
        (*annotated, *[False] * repeated),
        repeated,
    )


def _objects(
    present: Sequence[int], followed: int, options: ClipOptions, random: np.random.Generator
) -> tuple[int, ...]:
    """The followed object and, with ``objects="all"``, others of the reference frame."""
    others = [key for key in present if key != followed] if options.objects == "all" else []
    if len(others) >= options.max_objects:
        if options.start == "random":
            random.shuffle(others)
        others = others[: options.max_objects - 1]
    return tuple(sorted([followed, *others]))
