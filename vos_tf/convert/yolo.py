"""Writing the YOLO segmentation format: a polygon for each object and frame, along the edges of pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from vos_tf.convert.content import VideoCopy
from vos_tf.convert.layout import (
    UNKNOWN_CATEGORY,
    Written,
    check_folders,
    companion_of,
    folder_inside,
    write_file,
    write_frames,
)
from vos_tf.datasets.yolo import IMAGES, UNLABELLED, label_file, place
from vos_tf.media.contours import outline
from vos_tf.media.label_maps import VOID, object_ids
from vos_tf.media.run_lengths import pack_counts, run_lengths

_DIGITS = 7  # of a share of the side: exact to a tenth of a pixel in images a million pixels wide


@dataclass(frozen=True)
class YoloWriter:
    """``images/<split>``, ``labels/<split>``, ``data.yaml``; frames without a mask in ``unlabelled/<split>``.

    Attributes:
        classes: Names of all classes; a line begins with the place of its object's class among them.
    """

    classes: tuple[str, ...] = (UNKNOWN_CATEGORY,)
    name: str = "yolo"

    def prepare(self, videos: Sequence[VideoCopy]) -> tuple[tuple[VideoCopy, ...], tuple[str, ...]]:
        """Nothing is lost, but only the companion knows ids and void."""
        check_folders(videos, shared=False)
        return tuple(videos), ()

    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write the frames and a label file for each annotated one."""
        kept = companion_of(video)
        folders = {}
        for top in (IMAGES, UNLABELLED, "labels"):
            folders[top] = str(Path(f"{top}/{video.split}/{place(kept, video.frames[0].name)}").parent)
        bare = [frame.name for frame in video.frames if frame.name not in set(video.annotated)]
        if video.annotated:
            write_frames(folder_inside(root, folders[IMAGES]), video, video.annotated)
            folder_inside(root, folders["labels"])
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
