"""Which clips an epoch consists of. NumPy only, a pure function: resuming and sharding are slices of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from vos_tf.errors import VosError
from vos_tf.pipeline.options import ClipOptions
from vos_tf.pipeline.scenes import Candidate, Scene, draw_scenes
from vos_tf.pipeline.videos import ClipObject, ClipVideo, Indices, clip_videos, merged_objects
from vos_tf.records.manifest import Manifest

PLAN_STREAM, AUGMENT_STREAM, MOTION_STREAM = 1, 2, 3
"""First word of a random seed: what the numbers are for."""
GOLDEN_RATIO = (5**0.5 - 1) / 2


class ClipRequest(NamedTuple):
    """One clip to read.

    Attributes:
        number: Position in the plan of the epoch.
        video: Index into `clip_videos`.
        objects: Ids of the objects the clip follows, rising; all are in the mask of the reference frame. `FOREGROUND`
            alone: all ids are one object.
        frames: Indices in the video: the reference frame, then the T frames of the clip. Where the object's frames
            end before the clip does, the last one is repeated.
        annotated: For each of the frames whether it has a mask that counts; false for repeated ones.
        repeated: Number of repeated frames, at the end.
        times: Of a clip made from a still image: moments of its frames, counted in frames of a video; all 0 where
            nothing moves.
        scene: What else happens in the clip; ``None``: nothing.
    """

    number: int
    video: int
    objects: tuple[int, ...]
    frames: tuple[int, ...]
    annotated: tuple[bool, ...]
    repeated: int
    times: tuple[int, ...] = ()
    scene: Scene | None = None


class _Starts(NamedTuple):
    """Where clips of one object may begin: positions in ``path``, for each start of the reference and the clip."""

    path: Indices
    references: Indices
    firsts: Indices


class _Cursor(NamedTuple):
    """Place of a clip in the plan, its video, T and step, and which of its object's starts it has (``None``: any)."""

    number: int
    video: int
    length: int
    stride: int
    first: int | None


class _Slot(NamedTuple):
    """One clip of the epoch, before chance: a video, one object or any, one of its starts or any (both ``None``)."""

    video: int
    item: ClipObject | None
    first: int | None = None


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
        VosError: No object has a clip with an annotated frame in it, or a folder with a share of the epoch has none.
    """
    videos = clip_videos(manifest)
    random = np.random.default_rng([PLAN_STREAM, seed, epoch])
    options = _of_epoch(manifest, options, epoch)
    slots = _ordered(manifest, options, batch_size, random)
    shortest, longest = options.lengths
    lengths = random.integers(shortest, longest + 1, size=-(-len(slots) // batch_size))
    known: dict[tuple[int, int, int, int], tuple[int, _Starts]] = {}
    requests = []
    for index, slot in enumerate(slots):
        video, length = videos[slot.video], int(lengths[index // batch_size])
        item = slot.item
        if item is None:
            usable = _usable(video, options)
            item = usable[0 if options.start == "first" else random.integers(len(usable))]
        stride = options.strides[0]
        if options.stride_draw == "up_to":
            stride = int(random.integers(1, stride + 1))
        key = (slot.video, item.id, length, stride)
        if key not in known:
            known[key] = _fitting_starts(video, item, options, length, stride)
        stride, starts = known[key]
        cursor = _Cursor(index, slot.video, length, stride, slot.first)
        requests.append(_request(cursor, video, item, starts, options, random))
    if options.scene.off:
        return tuple(requests)
    clips = [Candidate(item.video, item.objects, videos[item.video].still, any(item.times)) for item in requests]
    scenes = draw_scenes(clips, options, (seed, epoch))
    return tuple(item._replace(scene=scene) for item, scene in zip(requests, scenes, strict=True))


def _of_epoch(manifest: Manifest, options: ClipOptions, epoch: int) -> ClipOptions:
    """The options of one epoch; every epoch of a run has the same number of clips, whatever its stage."""
    if not options.staged:
        return options
    return replace(options.in_epoch(epoch), clips_per_epoch=count_clips(manifest, options))


def count_clips(manifest: Manifest, options: ClipOptions) -> int:
    """Number of clips of an epoch.

    Raises:
        VosError: No object has a clip with an annotated frame in it, or a folder with a share of the epoch has none.
    """
    slots = _slots(manifest, options)
    if options.still_batches:
        _by_kind(manifest, slots)
    return options.clips_per_epoch or len(slots)


def usable_videos(manifest: Manifest, options: ClipOptions) -> tuple[str, ...]:
    """Names of the videos that clips can be cut from; raises a VosError where none shows an object at all."""
    return tuple(video.name for video in clip_videos(manifest) if _usable(video, options))


def _ordered(manifest: Manifest, options: ClipOptions, batch_size: int, random: np.random.Generator) -> list[_Slot]:
    """The slots of one epoch in the order of training."""
    slots = _slots(manifest, options)
    total = options.clips_per_epoch or len(slots)
    if not options.still_batches:
        return _arranged(manifest, options, slots, total, random)
    stills, moving = _by_kind(manifest, slots)
    kinds = [options.of_stills(number // batch_size) for number in range(total)]
    queues = {
        kind: iter(_arranged(manifest, options, pool, kinds.count(kind), random))
        for kind, pool in ((True, stills), (False, moving))
    }
    return [next(queues[kind]) for kind in kinds]


def _by_kind(manifest: Manifest, slots: Sequence[_Slot]) -> tuple[list[_Slot], list[_Slot]]:
    """Slots of still images and of videos; raises a VosError where there are none of a kind."""
    videos = clip_videos(manifest)
    stills = [slot for slot in slots if videos[slot.video].still]
    moving = [slot for slot in slots if not videos[slot.video].still]
    if not (stills and moving):
        raise VosError(
            f"{manifest.where}: expected still images and videos for clips.still_batches, found clips of "
            f"{len(stills)} still images and {len(moving)} of videos"
        )
    return stills, moving


def _arranged(
    manifest: Manifest, options: ClipOptions, slots: Sequence[_Slot], total: int, random: np.random.Generator
) -> list[_Slot]:
    """``total`` slots drawn from those given, mixed or in order."""
    drawn: list[_Slot] = []
    for pool, count in _pools(manifest, slots, total):
        drawn += _drawn(pool, count, options, random)
    if options.shuffle:
        return [drawn[index] for index in random.permutation(len(drawn))]
    return _mixed(drawn, clip_videos(manifest)) if manifest.sources else drawn


def _drawn(pool: list[_Slot], count: int, options: ClipOptions, random: np.random.Generator) -> list[_Slot]:
    """``count`` slots by video: the pool whole as often as it fits, the rest drawn from it."""
    whole, rest = divmod(count, len(pool))
    slots = pool * whole
    if rest and options.shuffle:
        slots += [pool[index] for index in sorted(random.permutation(len(pool))[:rest])]
    elif rest:
        slots += [pool[index * len(pool) // rest] for index in range(rest)]
    return slots


def _mixed(slots: Sequence[_Slot], videos: Sequence[ClipVideo]) -> list[_Slot]:
    """Slots of several folders put between each other, so that the first few are from all of them."""
    sources = np.array([videos[slot.video].source for slot in slots])
    places = np.zeros(len(slots))
    for source in np.unique(sources):
        mine = sources == source
        places[mine] = (np.arange(mine.sum()) + 0.5) / mine.sum()
    return [slots[index] for index in np.argsort(places, kind="stable")]


def _pools(manifest: Manifest, slots: Sequence[_Slot], total: int) -> list[tuple[list[_Slot], int]]:
    """Slots that are drawn from together, and how many clips of an epoch they give: one pool for each share."""
    if not any(source.share for source in manifest.sources):
        return [(list(slots), total)]
    videos = clip_videos(manifest)
    by_source: dict[int, list[_Slot]] = {}
    for slot in slots:
        by_source.setdefault(videos[slot.video].source, []).append(slot)
    shares = [manifest.sources[index].share for index in sorted(by_source)]
    ends = np.rint(total * np.cumsum(shares) / sum(shares)).astype(int).tolist()
    return [
        (by_source[index], end - start)
        for index, (start, end) in zip(sorted(by_source), pairwise([0, *ends]), strict=True)
    ]


def _slots(manifest: Manifest, options: ClipOptions) -> list[_Slot]:
    """Every slot that an epoch may be drawn from; raises a VosError where there are too few."""
    videos = clip_videos(manifest)
    slots: list[_Slot] = []
    for index, video in enumerate(videos):
        usable = _usable(video, options)
        slots += [_Slot(index, item) for item in usable for _ in range(options.clips_per_object)]
        slots += [_Slot(index, None)] * (options.clips_per_video if usable else 0)
    slots += _frame_slots(videos, options) * options.clips_per_frame
    if not slots:
        raise VosError(
            f"clips.clip_length {options.lengths[0]}, clips.stride {options.stride}, clips.frames {options.frames}: "
            "expected clips that reach an annotated frame, found none; take longer clips, another stride or, for still "
            "images, clips.stills motion"
        )
    sources = {videos[slot.video].source for slot in slots}
    for index, source in enumerate(manifest.sources):
        if source.share and index not in sources:
            raise VosError(f"{source.folder}: expected clips for its share of an epoch, found none (see clips)")
    return slots


def _frame_slots(videos: Sequence[ClipVideo], options: ClipOptions) -> list[_Slot]:
    """A slot for every start of every object: in rounds over all videos, one of each object in a round.

    So that the first few tell most about the whole, when only they are looked at in validation.
    """
    if not options.clips_per_frame:
        return []
    rounds = []
    for index, video in enumerate(videos):
        for rank, item in enumerate(_usable(video, options)):
            firsts = _starts(video, item, options, options.lengths[0], _least_stride(options)).firsts
            # The multiples of the golden ratio fill an interval evenly, however many are taken.
            spread = np.argsort(np.arange(len(firsts)) * GOLDEN_RATIO % 1, kind="stable")
            rounds += [(turn, rank, index, _Slot(index, item, int(firsts[at]))) for turn, at in enumerate(spread)]
    rounds.sort(key=lambda row: row[:3])
    return [slot for *_, slot in rounds]


def _usable(video: ClipVideo, options: ClipOptions) -> list[ClipObject]:
    """Objects with a clip of the lowest T, and so of any T."""
    items = (merged_objects(video),) if options.objects == "foreground" else video.objects
    least = _least_stride(options)
    return [item for item in items if len(_starts(video, item, options, options.lengths[0], least).firsts)]


def _least_stride(options: ClipOptions) -> int:
    """The step with which a clip must be possible at least."""
    return 1 if options.stride_fits else options.strides[0]


def _fitting_starts(
    video: ClipVideo, item: ClipObject, options: ClipOptions, length: int, stride: int
) -> tuple[int, _Starts]:
    """The step asked for, or the largest one below it for which the video is long enough, and the places to begin."""
    starts = _starts(video, item, options, length, stride)
    if not options.stride_fits or video.still or length == 0 or options.order == "any":
        return stride, starts
    stride = max(1, min(stride, (len(starts.path) - 1) // length))
    starts = _starts(video, item, options, length, stride)
    while stride > 1 and not len(starts.firsts):
        stride -= 1
        starts = _starts(video, item, options, length, stride)
    return stride, starts


def _starts(video: ClipVideo, item: ClipObject, options: ClipOptions, length: int, stride: int) -> _Starts:
    """Every place where a clip of ``length`` frames with an annotated one among them may begin."""
    if options.frames == "annotated":
        path = item.frames[video.annotated[item.frames]]
    else:
        path = np.arange(item.frames[0], item.frames[-1] + 1)
    seen = np.flatnonzero(np.isin(path, item.seen))
    if length == 0:
        seen = seen if options.reference == "before_clip" else seen[:1]
        return _Starts(path, seen, seen)
    if video.still:
        seen = seen[:0] if options.stills == "skip" else seen
        return _Starts(path, seen, seen)
    if options.order == "any":
        seen = seen if options.reference == "before_clip" else seen[:1]
        seen = seen if len(path) > 1 else seen[:0]
        return _Starts(path, seen, seen)
    if options.reference == "before_clip":
        references, firsts = seen, seen + stride
    else:
        firsts = np.arange(seen[0] + stride, len(path))
        references = np.full_like(firsts, seen[0])
    steps = firsts[:, None] + stride * np.arange(length)
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
    if video.still:
        count = 1 + cursor.length
        step = cursor.stride if options.stills == "motion" else 0
        times = tuple(step * index for index in range(count)) if cursor.length else ()
        objects = _objects(video.mask_ids[0], item.id, options, random)
        return ClipRequest(cursor.number, cursor.video, objects, (0,) * count, (True,) * count, 0, times)
    choose = _scattered if options.order == "any" and cursor.length else _consecutive
    frames = [int(index) for index in starts.path[choose(cursor, starts, options, random)]]
    annotated = [bool(flag) for flag in video.annotated[frames]]
    repeated = 1 + cursor.length - len(frames)
    return ClipRequest(
        cursor.number,
        cursor.video,
        _objects(video.mask_ids[frames[0]], item.id, options, random),
        (*frames, *[frames[-1]] * repeated),
        (*annotated, *[False] * repeated),
        repeated,
    )


def _consecutive(cursor: _Cursor, starts: _Starts, options: ClipOptions, random: np.random.Generator) -> list[int]:
    """Places in the path of the reference frame and of those that follow it, as many as there are."""
    room = (len(starts.path) - 1 - starts.firsts) // cursor.stride + 1
    if cursor.first is None:
        # Clips that fit are preferred; where none does, those that need the least repetition.
        choices = np.flatnonzero(room >= min(cursor.length, room.max()))
        choice = choices[0 if options.start == "first" else random.integers(len(choices))]
    else:
        # Of another step than the least, the place that is nearest behind it.
        choice = min(np.searchsorted(starts.firsts, cursor.first), len(starts.firsts) - 1)
    steps = starts.firsts[choice] + cursor.stride * np.arange(min(cursor.length, room[choice]))
    return [int(starts.references[choice]), *steps.tolist()]


def _scattered(cursor: _Cursor, starts: _Starts, options: ClipOptions, random: np.random.Generator) -> list[int]:
    """Places in the path of the reference frame and of others anywhere, no place twice, as many as there are."""
    if cursor.first is None:
        reference = int(starts.references[0 if options.start == "first" else random.integers(len(starts.references))])
    else:
        reference = cursor.first
    others = np.delete(np.arange(len(starts.path)), reference)
    count = min(cursor.length, len(others))
    if options.start == "random":
        return [reference, *random.permutation(others)[:count].tolist()]
    return [reference, *others[(2 * np.arange(count) + 1) * len(others) // (2 * count)].tolist()]


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
