"""YOLO segmentation data sets: ``images``, ``labels`` with a polygon on each line, ``data.yaml`` with the classes.

The format knows neither videos nor ids. Those of a data set that vos_tf wrote are in its companion ``vos_tf.json``;
frames without a mask lie in ``unlabelled``, because an image without labels means "nothing here" to a YOLO trainer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from vos_tf.datasets.companion import COMPANION, CompanionVideo, read_companion
from vos_tf.datasets.layout import Layout, Recognised
from vos_tf.datasets.listing import IMAGE_SUFFIXES, check_root, names_found
from vos_tf.datasets.still_images import open_still_images
from vos_tf.datasets.still_images.finding import Folders, still_splits
from vos_tf.datasets.still_images.layout import CLASS_FILES
from vos_tf.datasets.still_images.polygons import fill_polygon, read_polygons
from vos_tf.datasets.types import Dataset, Video
from vos_tf.datasets.video_copy import VideoCopy
from vos_tf.datasets.writing import (
    UNKNOWN_CATEGORY,
    LayoutWriter,
    Written,
    companion_of,
    folder_inside,
    write_file,
    write_frames,
)
from vos_tf.errors import VosError
from vos_tf.media.contours import outline
from vos_tf.media.label_maps import VOID, LabelMap, object_ids
from vos_tf.media.run_lengths import mask_of, pack_counts, run_lengths, unpack_counts

IMAGES, LABELS, UNLABELLED = "images", "labels", "unlabelled"
_DIGITS = 7  # of a share of the side: exact to a tenth of a pixel in images a million pixels wide


@dataclass(frozen=True, repr=False)
class YoloMaskReader:
    """Reads label files whose ids the companion knows.

    Attributes:
        root: The data set's folder.
    """

    root: Path

    def __repr__(self) -> str:
        return "YoloMaskReader()"

    def __call__(self, path: Path, size: tuple[int, int]) -> LabelMap:
        """The label map of a label file, uint8 ``(H, W)``."""
        kept = _by_label_file(self.root).get(path.relative_to(self.root).as_posix())
        if kept is None:
            raise VosError(f"{path}: expected a label file that {COMPANION} knows, found another")
        instances = read_polygons(path)
        if len(instances) != len(kept.ids):
            raise VosError(f"{path}: expected {len(kept.ids)} lines as when it was written, found {len(instances)}")
        labels = np.zeros(size, np.uint8)
        for number, instance in zip(kept.ids, instances, strict=True):
            patch = fill_polygon(instance.points * (size[1], size[0]), size)
            patch.of(labels)[patch.pixels] = number
        if kept.void:
            try:
                labels[mask_of(unpack_counts(kept.void), size)] = VOID
            except ValueError as error:
                raise VosError(f"{self.root / COMPANION}: void pixels of {path.name}: {error}") from None
        return labels


@dataclass(frozen=True)
class _Kept:
    """What the companion says of one label file."""

    ids: tuple[int, ...]
    void: str


def open_yolo(root: Path, split: str) -> Dataset:
    """Open a data set in the YOLO segmentation format.

    With a companion, it has the videos, ids and categories it was made from; without, every image is a video of one
    frame, as `open_still_images` reads it.

    Raises:
        VosError: No such root or split, or files that are not those the companion names.
    """
    check_root(root)
    companion = read_companion(root)
    if companion is None or companion.layout != "yolo":
        opened = open_still_images(root, split)
        return Dataset("yolo", split, opened.videos, root, opened.notes)
    videos = tuple(_open_video(root, video) for video in companion.videos if video.split == split)
    if not videos:
        raise VosError(f"{root}: expected a split {split!r}, found {names_found(companion.splits)}")
    return Dataset("yolo", split, videos, root)


def place(video: CompanionVideo, frame: str) -> str:
    """Where a frame lies in its split, without suffix: ``<video>/<frame>``, or ``<video>`` for a still image."""
    lone = video.frames == (PurePosixPath(video.folder).name,)
    return video.folder if lone else f"{video.folder}/{frame}"


def label_file(video: CompanionVideo, frame: str) -> str:
    """The label file of an annotated frame, below the data set's folder."""
    return f"{LABELS}/{video.split}/{place(video, frame)}.txt"


def _by_label_file(root: Path) -> dict[str, _Kept]:
    return _table(root, (root / COMPANION).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _table(root: Path, modified: int) -> dict[str, _Kept]:
    companion = read_companion(root)
    return {
        label_file(video, frame): _Kept(ids, video.void.get(frame, ""))
        for video in (companion.videos if companion else ())
        for frame, ids in video.lines.items()
    }


def _open_video(root: Path, video: CompanionVideo) -> Video:
    frames = []
    for frame in video.frames:
        folder = IMAGES if frame in video.lines else UNLABELLED
        stem = root / folder / video.split / place(video, frame)
        path = next((path for path in _candidates(stem) if path.is_file()), None)
        if path is None:
            raise VosError(f"{stem}: expected the frame that {COMPANION} names, found no image")
        frames.append(path)
    masks = {frame: root / label_file(video, frame) for frame in video.lines}
    reader = YoloMaskReader(root)
    return Video(video.name, tuple(frames), masks, video.objects, video.size, video.frame_rate, mask_reader=reader)


def _candidates(stem: Path) -> list[Path]:
    # Not with_suffix: a name may contain dots.
    return [stem.with_name(stem.name + suffix) for suffix in sorted(IMAGE_SUFFIXES)]


def _recognise(root: Path) -> Recognised | None:
    classes = next((name for name in CLASS_FILES if (root / name).is_file()), None)
    if classes is None or not (root / LABELS).is_dir():
        return None
    return Recognised("yolo", still_splits(root, Folders()), classes)


@dataclass(frozen=True)
class YoloWriter(LayoutWriter):
    """``images/<split>``, ``labels/<split>``, ``data.yaml``; frames without a mask in ``unlabelled/<split>``.

    Attributes:
        classes: Names of all classes; a line begins with the place of its object's class among them.
    """

    name: str = "yolo"
    classes: tuple[str, ...] = (UNKNOWN_CATEGORY,)

    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write the frames and a label file for each annotated one."""
        kept = companion_of(video)
        folders = {}
        for top in (IMAGES, UNLABELLED, LABELS):
            folders[top] = str(Path(f"{top}/{video.split}/{place(kept, video.frames[0].name)}").parent)
        bare = [frame.name for frame in video.frames if frame.name not in set(video.annotated)]
        if video.annotated:
            write_frames(folder_inside(root, folders[IMAGES]), video, video.annotated)
            folder_inside(root, folders[LABELS])
        if bare:
            write_frames(folder_inside(root, folders[UNLABELLED]), video, bare)
        lines: dict[str, tuple[int, ...]] = {}
        void: dict[str, str] = {}
        for frame in video.annotated:
            labels = video.read_mask(frame)
            lines[frame] = object_ids(labels)
            if (labels == VOID).any():
                void[frame] = pack_counts(run_lengths(labels == VOID))
            text = [
                polygon_line(self.classes.index(video.categories.get(number) or UNKNOWN_CATEGORY), labels == number)
                for number in lines[frame]
            ]
            write_file(root / label_file(kept, frame), "".join(text).encode())
        return Written(replace(kept, lines=lines, void=void))

    def finish(self, root: Path, written: Sequence[Written]) -> None:
        """Write ``data.yaml``."""
        content: dict[str, Any] = {}
        splits = dict.fromkeys(item.video.split for item in written)
        for split in splits:
            key = next((key for key in ("val", "test") if split.startswith(key)), "train")
            content.setdefault(key, []).append(f"{IMAGES}/{split}")
        content.setdefault("train", list(content.get("val", [])))
        content.setdefault("val", list(content["train"]))  # trainers want one
        content["names"] = dict(enumerate(self.classes))
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        write_file(root / "data.yaml", text.encode())


def classes_of(categories: Iterable[str | None]) -> tuple[str, ...]:
    """Names of all classes, sorted; ``object``, for what has none, is among them."""
    named = sorted({name for name in categories if name} - {UNKNOWN_CATEGORY})
    return (*named, UNKNOWN_CATEGORY)


def polygon_line(number: int, mask: NDArray[np.bool_]) -> str:
    """A line of a label file: the class and the outline of a mask, bool ``(H, W)``, in shares of its sides."""
    shares = outline(mask) / mask.shape[::-1]
    return f"{number} " + " ".join(f"{value:.{_DIGITS}g}" for value in shares.ravel()) + "\n"


YOLO = Layout(
    "yolo", open_yolo, _recognise, writer=lambda categories: YoloWriter(classes=classes_of(categories)), target="yolo"
)
