"""The videos of a manifest as arrays: what sampling and reading look up for every clip."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.records.manifest import Manifest, RecordEntry

Indices = NDArray[np.int64]
Place = tuple[int, int, int]
"""Index of the shard, offset in it and number of bytes."""
FOREGROUND = 0
"""In place of an id: all ids of a mask together."""


@dataclass(frozen=True, eq=False)
class ClipObject:
    """One object of a video that clips can follow.

    Attributes:
        id: As in the stored masks.
        frames: Indices of the frames in which it must be segmented, rising.
        seen: Indices of the frames whose masks show it, rising.
        category: What it is, or ``None``.
    """

    id: int
    frames: Indices
    seen: Indices
    category: str | None = None


@dataclass(frozen=True, eq=False)
class ClipVideo:
    """One video; n frames over all its records.

    Attributes:
        name: Name of the video.
        source: Index into `Manifest.sources`; 0 where nothing is joined.
        size: Stored ``(H, W)``.
        frame_places: Where every JPEG lies.
        mask_places: Where every mask lies; 0 bytes where the frame is not annotated.
        mask_ids: Object ids in every mask.
        annotated: bool ``(n,)``.
        objects: Those that a mask shows, by rising id.
    """

    name: str
    source: int
    size: tuple[int, int]
    frame_places: tuple[Place, ...]
    mask_places: tuple[Place, ...]
    mask_ids: tuple[tuple[int, ...], ...]
    annotated: NDArray[np.bool_]
    objects: tuple[ClipObject, ...]

    @property
    def still(self) -> bool:
        """It has one frame only."""
        return len(self.frame_places) == 1


@lru_cache(maxsize=8)
def clip_videos(manifest: Manifest) -> tuple[ClipVideo, ...]:
    """The videos of a manifest that have at least one object to follow.

    Raises:
        VosError: There is none.
    """
    starts = [source.first_shard for source in manifest.sources[1:]]
    videos = [_video(records, bisect_right(starts, records[0].shard)) for records in manifest.videos]
    usable = tuple(video for video in videos if video.objects)
    if not usable:
        raise VosError(
            f"{manifest.where}: expected a video with an object in an annotated frame, found none in "
            f"{len(videos)} videos"
        )
    return usable


def merged_objects(video: ClipVideo) -> ClipObject:
    """All objects of a video as one, `FOREGROUND`."""
    frames = np.unique(np.concatenate([item.frames for item in video.objects]))
    return ClipObject(FOREGROUND, frames, np.unique(np.concatenate([item.seen for item in video.objects])))


def _video(records: Sequence[RecordEntry], source: int) -> ClipVideo:
    frame_places = tuple((record.shard, *place) for record in records for place in record.frames)
    mask_places = tuple((record.shard, *place) for record in records for place in record.masks)
    mask_ids = tuple(ids for record in records for ids in record.mask_ids)
    annotated = np.array([length > 0 for _, _, length in mask_places])
    frames: dict[int, list[int]] = {}
    categories: dict[int, str | None] = {}
    for record in records:
        for item in record.objects:
            frames.setdefault(item.id, []).extend(item.frames)
            categories[item.id] = item.category
    objects = []
    for key, indices in sorted(frames.items()):
        listed = np.asarray(indices, np.int64)
        seen = np.asarray([index for index in indices if key in mask_ids[index]], np.int64)
        if len(seen):
            objects.append(ClipObject(key, listed, seen, categories[key]))
    name, size = records[0].video, records[0].size
    return ClipVideo(name, source, size, frame_places, mask_places, mask_ids, annotated, tuple(objects))
