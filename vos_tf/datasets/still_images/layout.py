"""Opening still images with masks or polygons as a data set of one-frame videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from vos_tf.datasets.layout import Layout, Recognised
from vos_tf.datasets.listing import check_root, image_size, names_found, with_progress
from vos_tf.datasets.still_images.finding import Folders, Still, find_stills, still_splits
from vos_tf.datasets.still_images.masks import StillMaskReader
from vos_tf.datasets.types import Dataset, Video, VideoObject
from vos_tf.datasets.video_copy import VideoCopy
from vos_tf.datasets.writing import WHOLE_SPLIT, LayoutWriter, Written, companion_of, folder_inside, write_file
from vos_tf.errors import VosError
from vos_tf.media.label_maps import encode_label_map

MANY_IMAGES = 200
"""From here on opening shows its progress, because every mask is read."""
CLASS_FILES = ("data.yaml", "data.yml", "dataset.yaml")
"""Where the YOLO formats keep the names of the classes."""


class _Opened(NamedTuple):
    """One image: its video, how many of its objects got no id, and whether the mask could be read."""

    video: Video
    left_out: int
    readable: bool


def open_still_images(
    root: Path,
    split: str,
    *,
    masks: str = "auto",
    min_area: float = 0.0,
    images_folder: str = "",
    masks_folder: str = "",
) -> Dataset:
    """Open a folder of images with masks, or with polygons in the YOLO segmentation format.

    Images and masks have equal names. They lie in two folders, such as ``images`` and ``masks`` (or ``matting``,
    ``Ground_Truth``, ``labels``, ...), with the same folders in both, or side by side in one: ``a.jpg`` and
    ``a.png``. A mask is an image of ids or of one object (then it may be smooth at edges), of the image's size or of
    its proportions; or a ``.txt`` of polygons, of which the smaller ones lie on top. Every image becomes a video of
    one frame; images without a mask or without an object are left out, with a note.

    A mask that cannot be read makes a video without objects here; writing records lists it as a problem.

    Args:
        root: The folder.
        split: A folder within ``root`` or within the folders of images and masks; where there are no splits, ``all``
            or ``train`` mean all images.
        masks: ``binary``: a mask shows one object, ``ids``: its values are ids, ``auto``: mask by mask whichever it is.
        min_area: Smallest area of an object as a share of the image; smaller ones become void.
        images_folder: Name of the folder of images, where it cannot be told.
        masks_folder: Name of the folder of masks or labels.

    Raises:
        VosError: No such root, split or folders; no image with a mask; several files of one name.
    """
    check_root(root)
    notes: list[str] = []
    reader = StillMaskReader(masks, min_area)
    stills = {still.name: still for still in find_stills(root, split, Folders(images_folder, masks_folder), notes)}
    classes = _class_names(root, split)
    opened = {
        name: _open(stills[name], reader, classes)
        for name in with_progress(tuple(stills), f"open {root}", many=MANY_IMAGES, unit="images")
    }
    broken = [name for name, item in opened.items() if not item.readable]
    empty = [name for name, item in opened.items() if item.readable and not item.video.objects]
    if len(empty) == len(opened):
        raise VosError(f"{root}: expected an object in at least one mask, found only empty masks")
    if empty:
        notes.append(f"images without an object left out: {names_found(empty)}")
    if broken:
        notes.append(f"masks that cannot be read: {names_found(broken)}")
    left_out = sum(item.left_out for item in opened.values())
    if left_out:
        notes.append(f"{left_out} objects are void, because they are too small, hidden, or beyond 254 in an image")
    videos = tuple(item.video for name, item in opened.items() if name not in set(empty))
    return Dataset("still_images", split, videos, root, tuple(notes))


def _open(still: Still, reader: StillMaskReader, classes: Mapping[int, str]) -> _Opened:
    frame = still.image.stem
    try:
        size = image_size(still.image)
        rendered = reader.describe(still.mask, size)
    except VosError:
        # Kept, so that the check before writing finds it and --skip-bad can leave it out.
        size = _size_or_none(still.image)
        return _Opened(Video(still.name, (still.image,), {frame: still.mask}, (), size, mask_reader=reader), 0, False)
    objects = tuple(
        VideoObject(key, None if category is None else classes.get(category), frame, (frame,))
        for key, category in rendered.categories.items()
    )
    video = Video(still.name, (still.image,), {frame: still.mask}, objects, size, mask_reader=reader)
    return _Opened(video, rendered.left_out, True)


def _size_or_none(image: Path) -> tuple[int, int]:
    try:
        return image_size(image)
    except VosError:
        return 1, 1


def _class_names(root: Path, split: str) -> dict[int, str]:
    """Names of the classes by number, from a YOLO ``data.yaml``; empty where there is none.

    Raises:
        VosError: There is one, but it is no YAML or names no classes.
    """
    places = [folder / name for folder in (root, root / split) for name in CLASS_FILES]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        return {}
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise VosError(f"{path}: expected YAML, found {' '.join(str(error).split())}") from None
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(key, int) for key in names):
        raise VosError(f"{path}: expected names of classes, as a list or by number, found {type(names).__name__}")
    return {key: str(name) for key, name in names.items()}


def _recognise(root: Path) -> Recognised | None:
    try:
        splits = still_splits(root, Folders())
    except VosError:
        return None
    return Recognised("still_images", splits, "images and masks of equal names")


@dataclass(frozen=True)
class StillImagesWriter(LayoutWriter):
    """Pictures in ``images``, masks in ``masks``, below them a folder for each split but ``all``."""

    name: str = "still_images"

    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write ``images/<name>`` and ``masks/<name>``."""
        base = "" if video.split == WHOLE_SPLIT else f"/{video.split}"
        images, masks = folder_inside(root, f"images{base}"), folder_inside(root, f"masks{base}")
        for frame in video.frames:
            write_file(images / f"{video.folder}{frame.suffix}", frame.content())
        for name in video.annotated:
            write_file(masks / f"{video.folder}.png", encode_label_map(video.read_mask(name)))
        return Written(companion_of(video))


STILL_IMAGES = Layout("still_images", open_still_images, _recognise, writer=lambda _: StillImagesWriter())
