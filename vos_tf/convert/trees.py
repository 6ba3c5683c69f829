"""Layouts that are trees of frames and masks: DAVIS, YouTube-VOS, folders, still images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vos_tf.convert.content import VideoCopy
from vos_tf.convert.layout import (
    UNKNOWN_CATEGORY,
    Written,
    by_split,
    check_folders,
    companion_of,
    folder_inside,
    write_file,
    write_frames,
    write_masks,
)
from vos_tf.datasets.folder import WHOLE_SPLITS
from vos_tf.datasets.listing import names_found
from vos_tf.files import write_json
from vos_tf.media.label_maps import encode_label_map

RESOLUTION = "480p"
"""The folder that tools for DAVIS look into; frames keep their own size."""
WHOLE_SPLIT = WHOLE_SPLITS[0]


@dataclass(frozen=True)
class DavisWriter:
    """DAVIS: one folder for all videos, lists of names by split.

    A sequence begins with the frame whose mask introduces its first object; frames before it are left out.

    Attributes:
        year: ``2017``: objects by id; ``2016``: one object.
    """

    year: str = "2017"

    @property
    def name(self) -> str:
        """Of the layout."""
        return f"davis{self.year}"

    def prepare(self, videos: Sequence[VideoCopy]) -> tuple[tuple[VideoCopy, ...], tuple[str, ...]]:
        """Videos without an object are left out, and so are frames before the first object."""
        check_folders(videos, shared=True)
        filled = [video for video in videos if video.objects]
        begun = tuple(_from_first_object(video) for video in filled)
        found = (
            ("videos without an object were left out", [video.name for video in videos if not video.objects]),
            (
                "frames before the first object were left out",
                [new.name for new, old in zip(begun, filled, strict=True) if new != old],
            ),
            (
                "DAVIS follows the objects of the first frame only, here some appear later",
                [
                    video.name
                    for video in begun
                    if {item.first_frame for item in video.objects} != {video.frames[0].name}
                ],
            ),
            (
                "frames stay as they are, while many tools for DAVIS look for .jpg only",
                [video.name for video in begun if any(frame.suffix != ".jpg" for frame in video.frames)],
            ),
        )
        return begun, tuple(f"{words}: {names_found(names)}" for words, names in found if names)

    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write ``JPEGImages/480p/<video>`` and ``Annotations/480p/<video>``."""
        write_frames(folder_inside(root, f"JPEGImages/{RESOLUTION}/{video.folder}"), video)
        write_masks(folder_inside(root, f"Annotations/{RESOLUTION}/{video.folder}"), video)
        return Written(companion_of(video))

    def finish(self, root: Path, written: Sequence[Written]) -> None:
        """Write ``ImageSets``; data sets of one object can be read as DAVIS-2016 as well."""
        lists = {split: [item.video.folder for item in items] for split, items in by_split(written).items()}
        if {"train", "val"} <= lists.keys():
            lists["trainval"] = list(dict.fromkeys(lists["train"] + lists["val"]))
        single = all(len(item.video.objects) == 1 for item in written)
        for year in {self.year, "2016"} if single else {self.year}:
            folder = folder_inside(root, f"ImageSets/{year}")
            for split, names in lists.items():
                write_file(folder / f"{split}.txt", "".join(f"{name}\n" for name in names).encode())


def _from_first_object(video: VideoCopy) -> VideoCopy:
    first = {item.first_frame for item in video.objects}
    start = next(index for index, frame in enumerate(video.frames) if frame.name in first)
    kept = {frame.name for frame in video.frames[start:]}
    annotated = tuple(name for name in video.annotated if name in kept)
    return replace(video, frames=video.frames[start:], annotated=annotated)


@dataclass(frozen=True)
class YouTubeVOSWriter:
    """YouTube-VOS: a folder and a ``meta.json`` for each split."""

    name: str = "youtube_vos"

    def prepare(self, videos: Sequence[VideoCopy]) -> tuple[tuple[VideoCopy, ...], tuple[str, ...]]:
        """Nothing is lost."""
        check_folders(videos, shared=False)
        return tuple(videos), ()

    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write ``<split>/JPEGImages/<video>`` and ``<split>/Annotations/<video>``."""
        write_frames(folder_inside(root, f"{video.split}/JPEGImages/{video.folder}"), video)
        write_masks(folder_inside(root, f"{video.split}/Annotations/{video.folder}"), video)
        return Written(companion_of(video))

    def finish(self, root: Path, written: Sequence[Written]) -> None:
        """Write ``<split>/meta.json``."""
        for split, items in by_split(written).items():
            videos = {
                item.video.folder: {
                    "objects": {
                        str(entry.id): {"category": entry.category or UNKNOWN_CATEGORY, "frames": list(entry.frames)}
                        for entry in item.video.objects
                    }
                }
                for item in items
            }
            write_json(folder_inside(root, split) / "meta.json", {"videos": videos})


@dataclass(frozen=True)
class FolderWriter:
    """Frames in ``JPEGImages``, masks in ``Annotations``, below a folder for each split but ``all``."""

    name: str = "folder"

    def prepare(self, videos: Sequence[VideoCopy]) -> tuple[tuple[VideoCopy, ...], tuple[str, ...]]:
        """Nothing is lost."""
        check_folders(videos, shared=False)
        return tuple(videos), ()

    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write ``JPEGImages/<video>`` and ``Annotations/<video>``."""
        base = "" if video.split == WHOLE_SPLIT else f"{video.split}/"
        write_frames(folder_inside(root, f"{base}JPEGImages/{video.folder}"), video)
        write_masks(folder_inside(root, f"{base}Annotations/{video.folder}"), video)
        return Written(companion_of(video))

    def finish(self, root: Path, written: Sequence[Written]) -> None:
        """There are no lists."""


@dataclass(frozen=True)
class StillImagesWriter:
    """Pictures in ``images``, masks in ``masks``, below them a folder for each split but ``all``."""

    name: str = "still_images"

    def prepare(self, videos: Sequence[VideoCopy]) -> tuple[tuple[VideoCopy, ...], tuple[str, ...]]:
        """Nothing is lost."""
        check_folders(videos, shared=False)
        return tuple(videos), ()

    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write ``images/<name>`` and ``masks/<name>``."""
        base = "" if video.split == WHOLE_SPLIT else f"/{video.split}"
        images, masks = folder_inside(root, f"images{base}"), folder_inside(root, f"masks{base}")
        for frame in video.frames:
            write_file(images / f"{video.folder}{frame.suffix}", frame.content())
        for name in video.annotated:
            write_file(masks / f"{video.folder}.png", encode_label_map(video.read_mask(name)))
        return Written(companion_of(video))

    def finish(self, root: Path, written: Sequence[Written]) -> None:
        """There are no lists."""
