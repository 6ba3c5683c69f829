"""Opening COCO annotations as a data set of videos."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vos_tf.datasets.coco.shapes import render
from vos_tf.datasets.coco.table import CocoVideo, read_table
from vos_tf.datasets.coco.writer import CocoWriter
from vos_tf.datasets.layout import Layout, Recognised
from vos_tf.datasets.listing import check_root, names_found, with_progress
from vos_tf.datasets.types import DEFAULT_FRAME_RATE, Dataset, Video, VideoObject
from vos_tf.errors import VosError
from vos_tf.media.label_maps import LabelMap, object_ids

WHOLE_SPLIT = "all"
MANY_VIDEOS = 50
_OTHER_TASKS = ("captions", "person_keypoints", "panoptic", "stuff", "image_info")


@dataclass(frozen=True, repr=False)
class CocoMaskReader:
    """Reads the label map of an image out of COCO annotations.

    Attributes:
        file: The annotations.
        folder: The folder of images.
    """

    file: Path
    folder: Path

    def __repr__(self) -> str:
        return "CocoMaskReader()"  # no setting changes what it reads

    def __call__(self, path: Path, size: tuple[int, int]) -> LabelMap:
        """The label map of the image ``path``, uint8 ``(H, W)``."""
        name = path.relative_to(self.folder).as_posix()
        shapes = read_table(self.file).shapes.get(name)
        if shapes is None:
            raise VosError(f"{self.file}: expected annotations of {name}, found none")
        return render(shapes, size, self.file)


def coco_files(root: Path) -> dict[str, Path]:
    """Annotation files of a data set by the name of their split; empty if it is no COCO data set.

    They lie in ``annotations`` (``instances_train2017.json``), in the folder itself, or beside the images of each
    split (``train/_annotations.coco.json``). One that is not named after a split is ``all``.
    """
    found: dict[str, Path] = {}
    for path in (*sorted((root / "annotations").glob("*.json")), *sorted(root.glob("*.json"))):
        stem = path.stem.removeprefix("instances_")
        if not stem.startswith(_OTHER_TASKS) and _is_coco(path):
            found.setdefault(WHOLE_SPLIT if stem in ("instances", "annotations", "_annotations.coco") else stem, path)
    for path in sorted(root.glob("*/_annotations.coco.json")):
        found.setdefault(path.parent.name, path)
    return found


def _is_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "annotations" in content and bool({"images", "videos"} & content.keys())


def open_coco(root: Path, split: str) -> Dataset:
    """Open a split of a data set with COCO annotations.

    Images with ``video_id`` are frames of videos, whose objects ``instance_id`` or ``track_id`` tells apart; other
    images are videos of one frame, whose ids are 1, 2, 3, ... in the order of the file. The ``segmentations`` of
    YouTube-VIS are read as well. Where objects overlap, the smaller one is on top; crowds are void.

    Args:
        root: The folder with the annotations and the images.
        split: A name out of `coco_files`, say ``train2017``.

    Raises:
        VosError: No such root or split, no images, or annotations that cannot be read.
    """
    check_root(root)
    files = coco_files(root)
    if split not in files:
        raise VosError(f"{root}: expected COCO annotations of split {split!r}, found {names_found(sorted(files))}")
    file = files[split]
    table = read_table(file).videos
    if not table:
        raise VosError(f"{file}: expected images, found none")
    folder = _images_folder(root, split, file, table[0].frames[0])
    twice = [name for name, count in Counter(video.name for video in table).items() if count > 1]
    if twice:
        raise VosError(f"{file}: expected every video once, found several of {names_found(twice)}")
    by_name = {video.name: video for video in table}
    reader = CocoMaskReader(file, folder)
    videos = [
        _open_video(by_name[name], reader)
        for name in with_progress(tuple(by_name), f"open {file.name}", many=MANY_VIDEOS)
    ]
    empty = [video.name for video in videos if not video.objects]
    notes = (f"videos or images without an object left out: {names_found(empty)}",) if empty else ()
    return Dataset("coco", split, tuple(video for video in videos if video.objects), root, notes)


def _images_folder(root: Path, split: str, file: Path, first: str) -> Path:
    folders = (root / split, root / "images" / split, file.parent, root / "images", root)
    found = next((folder for folder in folders if (folder / first).is_file()), None)
    if found is None:
        raise VosError(
            f"{root}: expected image {first} of {file.name} in {split}, images/{split} or images, found none"
        )
    return found


def _open_video(video: CocoVideo, reader: CocoMaskReader) -> Video:
    files = {name: reader.folder / name for name in video.frames}
    stems = {name: PurePosixPath(name).stem for name in video.frames}
    categories = {shape.id: shape.category for shapes in video.shapes.values() for shape in shapes}
    first: dict[int, str] = {}
    for name in video.frames:
        if name in video.shapes:
            for number in object_ids(render(video.shapes[name], video.size, reader.file)):
                first.setdefault(number, stems[name])
    order = list(stems.values())
    objects = tuple(
        VideoObject(number, categories[number], frame, tuple(order[order.index(frame) :]))
        for number, frame in sorted(first.items())
    )
    masks = {stems[name]: files[name] for name in video.frames if name in video.shapes}
    rate = video.frame_rate or DEFAULT_FRAME_RATE
    return Video(video.name, tuple(files.values()), masks, objects, video.size, rate, mask_reader=reader)


def _recognise(root: Path) -> Recognised | None:
    files = coco_files(root)
    first = next(iter(files.values()), root).relative_to(root).as_posix()
    return Recognised("coco", tuple(files), first) if files else None


COCO = Layout("coco", open_coco, _recognise, writer=lambda _: CocoWriter(), target="coco")
