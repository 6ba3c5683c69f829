"""Small data sets and results made for one test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vos_tf.datasets.types import Dataset, Video, VideoObject
from vos_tf.media.label_maps import encode_label_map

Masks = Mapping[str, Sequence[np.ndarray]]


def square(top: int, left: int, side: int = 10, number: int = 1, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    labels = np.zeros(size, np.uint8)
    labels[top : top + side, left : left + side] = number
    return labels


def write_masks(folder: Path, masks: Masks) -> Path:
    for name, labels in masks.items():
        for index, one in enumerate(labels):
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / f"{index:05d}.png").write_bytes(encode_label_map(one))
    return folder


def make_dataset(
    folder: Path,
    masks: Masks,
    name: str = "davis2017",
    *,
    categories: Mapping[int, str] | None = None,
    single_object: bool = False,
    pictures: bool = False,
) -> Dataset:
    """A data set of label maps; objects are listed from the frame that first shows them."""
    write_masks(folder / "Annotations", masks)
    videos = []
    for video, labels in masks.items():
        names = [f"{index:05d}" for index in range(len(labels))]
        frames = tuple(folder / "JPEGImages" / video / f"{frame}.jpg" for frame in names)
        if pictures:
            for path in frames:
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((*labels[0].shape, 3), 120, np.uint8)).save(path)
        ids = sorted({int(number) for one in labels for number in np.unique(one)} - {0, 255})
        objects = []
        for number in [1] if single_object else ids:
            seen = [index for index, one in enumerate(labels) if single_object or (one == number).any()]
            first = seen[0]
            objects.append(VideoObject(number, (categories or {}).get(number), names[first], tuple(names[first:])))
        files = {frame: folder / "Annotations" / video / f"{frame}.png" for frame in names}
        size = labels[0].shape
        videos.append(Video(video, frames, files, tuple(objects), size, single_object=single_object))
    return Dataset(name, "val", tuple(videos), folder)
