"""What all layouts that can be written have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vos_tf.datasets.companion import CompanionVideo
from vos_tf.datasets.listing import check_name
from vos_tf.datasets.video_copy import VideoCopy
from vos_tf.errors import VosError
from vos_tf.media.label_maps import encode_label_map

UNKNOWN_CATEGORY = "object"
"""What an object is called where a layout wants a category and none is known."""
WHOLE_SPLIT = "all"
"""Name of the split of a data set that has none."""


class Written(NamedTuple):
    """A video that was written.

    Attributes:
        video: What the companion keeps of it.
        content: What the layout's own list of all videos needs, as JSON.
    """

    video: CompanionVideo
    content: Any = None


@dataclass(frozen=True)
class LayoutWriter(ABC):
    """Writes videos in one layout; can be pickled.

    Attributes:
        name: The layout's name, as `open_dataset` knows it.
    """

    name: str = ""

    def prepare(self, videos: Sequence[VideoCopy]) -> tuple[tuple[VideoCopy, ...], tuple[str, ...]]:
        """The videos as the layout can hold them, and what a user should know about that; by default nothing is lost.

        Raises:
            VosError: It cannot hold them.
        """
        check_folders(videos, shared=False)
        return tuple(videos), ()

    @abstractmethod
    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write frames and masks of one video below ``root``."""

    def finish(self, root: Path, written: Sequence[Written]) -> None:  # noqa: B027 - not every layout has lists
        """Write the lists of all videos."""


def folder_inside(root: Path, place: str) -> Path:
    """The folder ``place`` below ``root``, made if it is missing.

    Raises:
        VosError: It would lie outside of ``root``: through ``..``, as an absolute path, or over a link.
    """
    folder = root / check_name(place, root)
    folder.mkdir(parents=True, exist_ok=True)
    if not folder.resolve().is_relative_to(root.resolve()):
        raise VosError(f"{folder}: expected a folder inside {root}, found a link that leads out of it")
    return folder


def write_file(path: Path, content: bytes) -> None:
    """Write a file of a data set that is still being made; a link that lies there is not followed."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def write_frames(folder: Path, video: VideoCopy, names: Iterable[str] | None = None) -> None:
    """Write frames of a video (all of them if not named) as ``<folder>/<frame><suffix>``."""
    wanted = None if names is None else set(names)
    for frame in video.frames:
        if wanted is None or frame.name in wanted:
            write_file(folder / f"{frame.name}{frame.suffix}", frame.content())


def write_masks(folder: Path, video: VideoCopy) -> None:
    """Write all masks of a video as ``<folder>/<frame>.png``, with the DAVIS palette."""
    for frame in video.annotated:
        write_file(folder / f"{frame}.png", encode_label_map(video.read_mask(frame)))


def companion_of(video: VideoCopy, folder: str | None = None) -> CompanionVideo:
    """What the companion keeps of a video that was written to ``folder`` (its own, if not given)."""
    return CompanionVideo(
        split=video.split,
        name=video.name,
        folder=folder or video.folder,
        frame_rate=video.frame_rate,
        size=video.size,
        frames=tuple(frame.name for frame in video.frames),
        objects=video.objects,
    )


def by_split(written: Iterable[Written]) -> dict[str, list[Written]]:
    """What was written, by the name of the split, in order."""
    splits: dict[str, list[Written]] = {}
    for item in written:
        splits.setdefault(item.video.split, []).append(item)
    return splits


def check_folders(videos: Sequence[VideoCopy], *, shared: bool) -> None:
    """Make sure that no two videos are written to the same folder.

    Args:
        videos: All of them.
        shared: The splits share one folder, as in DAVIS; a video may be in two of them.

    Raises:
        VosError: Two are.
    """
    taken: dict[tuple[str, str], VideoCopy] = {}
    for video in videos:
        key = ("" if shared else video.split, video.folder)
        other = taken.setdefault(key, video)
        if other is not video and (not shared or other.frames != video.frames or other.split == video.split):
            raise VosError(
                f"videos {other.name} ({other.split}) and {video.name} ({video.split}): expected different names for "
                f"different videos, found that both would be written to {video.folder}"
            )


@dataclass(frozen=True)
class FolderWriter(LayoutWriter):
    """Frames in ``JPEGImages``, masks in ``Annotations``, below a folder for each split but ``all``."""

    name: str = "folder"

    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write ``JPEGImages/<video>`` and ``Annotations/<video>``."""
        base = self.folder_of(video.split)
        write_frames(folder_inside(root, f"{base}JPEGImages/{video.folder}"), video)
        write_masks(folder_inside(root, f"{base}Annotations/{video.folder}"), video)
        return Written(companion_of(video))

    def folder_of(self, split: str) -> str:
        """The folder of a split, with ``/`` behind it."""
        return "" if split == WHOLE_SPLIT else f"{split}/"
