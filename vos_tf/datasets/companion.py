"""``vos_tf.json`` beside a converted data set: what its layout has no place for, so that it can be converted back.

DAVIS knows no categories and no frame rate, YOLO no ids and no videos. Other tools do not look at this file; where it
is missing, a data set is read as its layout says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vos_tf.datasets.listing import check_name
from vos_tf.datasets.types import Dataset, Video, VideoObject
from vos_tf.errors import VosError
from vos_tf.files import write_json
from vos_tf.media.label_maps import MAX_OBJECT_ID

COMPANION = "vos_tf.json"
VERSION = 1


@dataclass(frozen=True)
class CompanionVideo:
    """What is kept of one video.

    Attributes:
        split: The split it belongs to.
        name: Its name in the data set that was converted.
        folder: Its name in the layout it was written to.
        frame_rate: Frames per second.
        size: ``(H, W)``.
        frames: Names of all frames, in order.
        objects: By rising id.
        lines: YOLO only: annotated frame to the ids of the lines of its label file.
        void: YOLO only: annotated frame to the packed run lengths of its void pixels, where there are any.
    """

    split: str
    name: str
    folder: str
    frame_rate: Fraction
    size: tuple[int, int]
    frames: tuple[str, ...]
    objects: tuple[VideoObject, ...]
    lines: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    void: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As the file keeps it."""
        content: dict[str, Any] = {
            "split": self.split,
            "name": self.name,
            "folder": self.folder,
            "frame_rate": str(self.frame_rate),
            "size": list(self.size),
            "frames": list(self.frames),
            "objects": [
                {"id": item.id, "category": item.category, "first_frame": item.first_frame, "frames": list(item.frames)}
                for item in self.objects
            ],
        }
        if self.lines:
            content["lines"] = {frame: list(ids) for frame, ids in self.lines.items()}
            content["void"] = dict(self.void)
        return content


@dataclass(frozen=True)
class Companion:
    """The whole file.

    Attributes:
        layout: Name of the layout that was written.
        plan: Digest of what was written, to know a finished run again.
        videos: In the order of their splits and lists.
    """

    layout: str
    plan: str
    videos: tuple[CompanionVideo, ...]

    def write(self, root: Path) -> None:
        """Write ``vos_tf.json`` into a data set's folder."""
        videos = [video.as_json() for video in self.videos]
        write_json(root / COMPANION, {"version": VERSION, "layout": self.layout, "plan": self.plan, "videos": videos})

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in their order."""
        return tuple(dict.fromkeys(video.split for video in self.videos))


def read_companion(root: Path) -> Companion | None:
    """The ``vos_tf.json`` of a data set; ``None`` where there is none.

    Raises:
        VosError: It is no such file, or names something outside of the data set.
    """
    path = root / COMPANION
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise VosError(f"{path}: expected version {VERSION}, found {content['version']!r}")
        videos = tuple(parse_video(path, item) for item in content["videos"])
        return Companion(str(content["layout"]), str(content["plan"]), videos)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise VosError(f"{path}: expected the companion of a converted data set, found {error!r}") from None


def parse_video(path: Path, item: Any) -> CompanionVideo:
    """A video as `CompanionVideo.as_json` gives it; ``path`` is named in errors.

    Raises:
        VosError: A name leaves the data set.
        ValueError, KeyError, TypeError, AttributeError: It is something else.
    """
    split, name, folder = (check_name(item[key], path) for key in ("split", "name", "folder"))
    height, width = (int(value) for value in item["size"])
    objects = tuple(
        VideoObject(int(entry["id"]), entry["category"], entry["first_frame"], tuple(entry["frames"]))
        for entry in item["objects"]
    )
    lines = {frame: tuple(int(number) for number in ids) for frame, ids in item.get("lines", {}).items()}
    frames = tuple(check_name(frame, path) for frame in item["frames"])
    named = {frame for entry in objects for frame in (entry.first_frame, *entry.frames)} | lines.keys()
    ids = {entry.id for entry in objects}.union(*lines.values())
    if not named <= set(frames) or not ids <= set(range(1, MAX_OBJECT_ID + 1)):
        raise ValueError(f"objects of video {name} that do not fit its frames or ids")
    void = {str(frame): str(counts) for frame, counts in item.get("void", {}).items()}
    return CompanionVideo(
        split, name, folder, Fraction(item["frame_rate"]), (height, width), frames, objects, lines, void
    )


def with_companion(dataset: Dataset, companion: Companion) -> Dataset:
    """A data set as it was before it was converted to its layout: names, categories, objects, frame rate.

    Raises:
        VosError: Frames that an object needs are no longer there.
    """
    kept = {video.folder: video for video in companion.videos if video.split == dataset.split}
    return replace(
        dataset, videos=tuple(_restored(dataset.root, video, kept.get(video.name)) for video in dataset.videos)
    )


def _restored(root: Path, video: Video, kept: CompanionVideo | None) -> Video:
    if kept is None:
        return video
    if video.frame_names != kept.frames:
        raise VosError(
            f"{root / COMPANION}: expected the {len(kept.frames)} frames of video {kept.folder} that were written, "
            f"found {len(video.frames)} or others; remove this file to read the data set without it"
        )
    return replace(video, name=kept.name, objects=kept.objects, frame_rate=kept.frame_rate)
