"""COCO's JSON, and the two ways in which it is used for videos, as one table: videos, frames, shapes.

Plain COCO lists ``images`` and, by image, ``annotations`` (https://cocodataset.org/#format-data): every image is a
video of one frame. With ``video_id`` in the images and ``instance_id`` (or ``track_id``) in the annotations, images
are frames and objects are followed. YouTube-VIS lists ``videos`` with ``file_names``, and one annotation for each
object with ``segmentations`` of all frames.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from vos_tf.datasets.coco.shapes import Shape
from vos_tf.datasets.listing import check_name, natural_key
from vos_tf.errors import VosError
from vos_tf.media.label_maps import MAX_OBJECT_ID, VOID


@dataclass(frozen=True)
class CocoVideo:
    """A video as the file describes it.

    Attributes:
        name: Unique in the file.
        frames: File names of all frames, in order, relative to the folder of images.
        size: ``(H, W)``.
        frame_rate: ``None`` where the file does not say.
        shapes: File name to shapes, for the annotated frames only (there may be none in it).
    """

    name: str
    frames: tuple[str, ...]
    size: tuple[int, int]
    frame_rate: Fraction | None
    shapes: Mapping[str, tuple[Shape, ...]]


@dataclass(frozen=True)
class CocoTable:
    """All videos of a file, and the shapes of its annotated frames by file name."""

    videos: tuple[CocoVideo, ...]
    shapes: Mapping[str, tuple[Shape, ...]]


def read_table(path: Path) -> CocoTable:
    """What a file holds; it is read once as long as it does not change.

    Raises:
        VosError: The file is missing, no JSON, not of COCO's structure, or names files outside of the data set.
    """
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise VosError(f"{path}: expected annotations of COCO, found a file that cannot be read ({error})") from None


@lru_cache(maxsize=4)
def _read(path: Path, modified: int) -> CocoTable:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise VosError(f"{path}: expected JSON, found a file that cannot be read ({error})") from None
    try:
        names = {item["id"]: str(item["name"]) for item in content.get("categories", [])}
        if any("segmentations" in item for item in content.get("annotations", [])):
            videos = _of_tracks(path, content, names)
        else:
            videos = _of_images(path, content, names)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise VosError(f"{path}: expected the structure of COCO, found {error!r}") from None
    return CocoTable(videos, {name: shapes for video in videos for name, shapes in video.shapes.items()})


def _of_images(path: Path, content: Any, names: Mapping[int, str]) -> tuple[CocoVideo, ...]:
    """Plain COCO, or COCO with videos."""
    listed = {item["id"]: item for item in content.get("videos", [])}
    members: dict[tuple[bool, Any], list[Any]] = {}
    for image in content["images"]:
        check_name(image["file_name"], path)
        followed = image.get("video_id") in listed
        members.setdefault((followed, image["video_id"] if followed else image["id"]), []).append(image)
    for key in listed:
        members.setdefault((True, key), [])
    by_image: dict[Any, list[Any]] = {}
    for item in content.get("annotations", []):
        by_image.setdefault(item["image_id"], []).append(item)
    return tuple(
        _of_frames(path, listed[key] if followed else {}, images, by_image, names)
        for (followed, key), images in members.items()
    )


def _of_frames(
    path: Path, video: Any, images: list[Any], by_image: Mapping[Any, list[Any]], names: Mapping[int, str]
) -> CocoVideo:
    images = sorted(images, key=lambda image: (_place(image), natural_key(image["file_name"])))
    frames = tuple(check_name(name, path) for name in video.get("file_names", [])) or tuple(
        image["file_name"] for image in images
    )
    name = check_name(str(video.get("name", video.get("file_name", video.get("id")))), path) if video else ""
    annotations = [item for image in images for item in by_image.get(image["id"], [])]
    ids = _ids([_key(item) for item in annotations if not item.get("iscrowd")], path, name, len(images))
    shapes = {image["file_name"]: _shapes(by_image.get(image["id"], []), ids, names, path) for image in images}
    first = images[0] if images else video
    rate = Fraction(video["frame_rate"]) if "frame_rate" in video else None
    own_name = PurePosixPath(frames[0]).with_suffix("").as_posix()
    return CocoVideo(name or own_name, frames, (int(first["height"]), int(first["width"])), rate, shapes)


def _place(image: Any) -> int:
    return int(image.get("frame_id", image.get("frame_index", 0)))


def _key(annotation: Any) -> Any:
    """What tells an object from others in several frames; ``None`` if nothing does."""
    return annotation.get("instance_id", annotation.get("track_id"))


def _ids(keys: Sequence[Any], path: Path, video: str, frames: int) -> dict[Any, int]:
    """Key to object id: as it is where all keys are ids, else numbered in the order in which they occur."""
    if None in keys:
        if frames > 1:
            raise VosError(f"{path}: expected an instance_id in each annotation of video {video}, found one without")
        return {}
    if all(isinstance(key, int) and 1 <= key <= MAX_OBJECT_ID for key in keys):
        return {key: key for key in keys}
    return {key: number for number, key in enumerate(dict.fromkeys(keys), start=1)}


def _shapes(
    annotations: Sequence[Any], ids: Mapping[Any, int], names: Mapping[int, str], path: Path
) -> tuple[Shape, ...]:
    shapes: list[Shape] = []
    unnamed = count(1)
    for item in annotations:
        if not item.get("segmentation"):
            raise VosError(f"{path}: expected masks, found annotation {item['id']} without a segmentation")
        number = VOID if item.get("iscrowd") else ids[_key(item)] if ids else next(unnamed)
        shapes.append(Shape(min(number, VOID), names.get(item["category_id"]), item["segmentation"]))
    return tuple(shapes)


def _of_tracks(path: Path, content: Any, names: Mapping[int, str]) -> tuple[CocoVideo, ...]:
    """YouTube-VIS."""
    tracks: dict[Any, list[Any]] = {}
    for item in content["annotations"]:
        tracks.setdefault(item["video_id"], []).append(item)
    videos = []
    for video in content["videos"]:
        frames = tuple(check_name(name, path) for name in video["file_names"])
        shapes = {
            frame: tuple(
                Shape(
                    VOID if item.get("iscrowd") or number > MAX_OBJECT_ID else number,
                    names.get(item["category_id"]),
                    item["segmentations"][index],
                )
                for number, item in enumerate(tracks.get(video["id"], []), start=1)
                if item["segmentations"][index]
            )
            for index, frame in enumerate(frames)
        }
        name = PurePosixPath(frames[0]).parent.name or str(video["id"])
        videos.append(CocoVideo(name, frames, (int(video["height"]), int(video["width"])), None, shapes))
    return tuple(videos)
