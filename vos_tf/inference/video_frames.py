"""The frames of videos and the masks in which objects join, checked as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.types import Video
from vos_tf.errors import VosError
from vos_tf.media.images import read_image
from vos_tf.media.label_maps import VOID, LabelMap, object_ids

Frames = Video | Iterable[NDArray[np.uint8]]
"""A video of a data set, or RGB frames uint8 ``(H, W, 3)``: a list, an array, or what comes one by one."""


def joining_mask(video: Video, frame: str) -> LabelMap | None:
    """Label map of the objects of a video whose first frame is ``frame``, with void; ``None`` if there are none.

    Raises:
        VosError: It cannot be read, or has another size than the video.
    """
    ids = [item.id for item in video.objects if item.first_frame == frame]
    if not ids:
        return None
    labels = read_labels(video, frame)
    found = np.where(np.isin(labels, [*ids, VOID]), labels, np.uint8(0))
    return found if object_ids(found) else None


def read_labels(video: Video, frame: str) -> LabelMap:
    """The label map of an annotated frame.

    Raises:
        VosError: It cannot be read, or has another size than the video.
    """
    labels = video.read_mask(frame)
    check_size(video, video.masks[frame], labels.shape)
    return labels


def read_frame(video: Video, path: Path) -> NDArray[np.uint8]:
    """A frame of a video, RGB uint8 ``(H, W, 3)``.

    Raises:
        VosError: It cannot be read, or has another size than the video.
    """
    frame = read_image(path)
    check_size(video, path, frame.shape)
    return frame


def check_size(video: Video, path: Path, shape: tuple[int, ...]) -> None:
    """Refuse a file whose ``shape`` does not begin with the video's size."""
    if shape[:2] != video.size:
        expected, found = ("x".join(map(str, size)) for size in (video.size, shape[:2]))
        raise VosError(f"{path}: expected {expected} pixels (height x width) like the video, found {found}")


def named_frames(video: Frames) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """The frames with their names, or their numbers where they have none."""
    if isinstance(video, Video):
        for path in video.frames:
            yield path.stem, read_frame(video, path)
    else:
        for index, frame in enumerate(video):
            yield str(index), frame
