"""Writing COCO: frames by split, one JSON file with run lengths for each split."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.video_copy import VideoCopy
from vos_tf.datasets.writing import (
    UNKNOWN_CATEGORY,
    LayoutWriter,
    Written,
    by_split,
    companion_of,
    folder_inside,
    write_file,
    write_frames,
)
from vos_tf.datasets.yolo import place
from vos_tf.media.label_maps import VOID, LabelMap, object_ids
from vos_tf.media.run_lengths import pack_counts, run_lengths


@dataclass(frozen=True)
class CocoWriter(LayoutWriter):
    """Images in ``<split>``, ``annotations/instances_<split>.json``.

    Masks are packed run lengths. Frames carry ``video_id`` and ``frame_id``, objects ``instance_id``; tools for still
    images do not look at them. Only annotated frames are listed as images: one without annotations would mean that
    nothing is there. Void is written as a crowd, which COCO does not score either.
    """

    name: str = "coco"

    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write the frames; give file names and annotations by annotated frame."""
        kept = companion_of(video)
        names = {frame.name: f"{place(kept, frame.name)}{frame.suffix}" for frame in video.frames}
        parent = str(Path(f"{video.split}/{next(iter(names.values()))}").parent)
        write_frames(folder_inside(root, parent), video)
        shapes = {frame: _annotations(video.read_mask(frame), video.categories) for frame in video.annotated}
        return Written(kept, {"files": names, "shapes": shapes})

    def finish(self, root: Path, written: Sequence[Written]) -> None:
        """Write the annotations of each split."""
        categories = {entry.category or UNKNOWN_CATEGORY for item in written for entry in item.video.objects} | {
            shape["category"] for item in written for shapes in item.content["shapes"].values() for shape in shapes
        }
        numbers = {name: number for number, name in enumerate(sorted(categories), start=1)}
        folder = folder_inside(root, "annotations")
        for split, items in by_split(written).items():
            content = _content(items, numbers)
            write_file(folder / f"instances_{split}.json", (json.dumps(content, ensure_ascii=False) + "\n").encode())


def _annotations(labels: LabelMap, categories: Mapping[int, str | None]) -> list[dict[str, Any]]:
    """Annotations of one frame, without the numbers that are dealt out in the end."""
    found = [_annotation(labels == number, number, categories.get(number)) for number in object_ids(labels)]
    void = labels == VOID
    if void.any():
        category = found[0]["category"] if found else None
        found.append(_annotation(void, VOID, category))
    return found


def _annotation(mask: NDArray[np.bool_], number: int, category: str | None) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return {
        "category": category or UNKNOWN_CATEGORY,
        "instance_id": number,
        "segmentation": {"size": list(mask.shape), "counts": pack_counts(run_lengths(mask))},
        "area": int(mask.sum()),
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
    }


def _content(items: Sequence[Written], numbers: Mapping[str, int]) -> dict[str, Any]:
    """The JSON of one split."""
    videos: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for item in items:
        files: Mapping[str, str] = item.content["files"]
        height, width = item.video.size
        in_video: dict[str, Any] = {}
        if len(files) > 1 or "/" in next(iter(files.values())):
            in_video = {"video_id": len(videos) + 1}
            videos.append(
                {
                    "id": in_video["video_id"],
                    "name": item.video.folder,
                    "height": height,
                    "width": width,
                    "length": len(files),
                    "frame_rate": str(item.video.frame_rate),
                    "file_names": list(files.values()),
                }
            )
        for place_in_video, (frame, file) in enumerate(files.items()):
            if frame not in item.content["shapes"]:
                continue
            image: dict[str, Any] = {"id": len(images) + 1, "file_name": file, "height": height, "width": width}
            images.append(image | (in_video | {"frame_id": place_in_video} if in_video else {}))
            for shape in item.content["shapes"][frame]:
                head = {"id": len(annotations) + 1, "image_id": image["id"], **in_video}
                annotations.append(head | _numbered(shape, numbers))
    classes = [{"id": number, "name": name, "supercategory": name} for name, number in numbers.items()]
    return {"videos": videos, "categories": classes, "images": images, "annotations": annotations}


def _numbered(shape: Mapping[str, Any], numbers: Mapping[str, int]) -> dict[str, Any]:
    crowd = shape["instance_id"] == VOID
    kept = {key: value for key, value in shape.items() if key != "category" and not (crowd and key == "instance_id")}
    return {"category_id": numbers[shape["category"]], **kept, "iscrowd": int(crowd)}
