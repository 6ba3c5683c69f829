"""Data sets without a fault, for tests to plant one in."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from vos_tf.convert.converting import open_splits
from vos_tf.datasets import Video
from vos_tf.datasets.registry import recognise
from vos_tf.media.label_maps import encode_label_map, write_label_map

SIZE = (48, 64)
COUNT = 8


def frame(index: int, size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.fromarray(np.random.default_rng(index).integers(0, 256, (*size, 3), np.uint8))


def labels(index: int, ids: tuple[int, ...] = (1, 2)) -> np.ndarray:
    """Squares side by side, one for each id, that move down."""
    result = np.zeros(SIZE, np.uint8)
    for place, number in enumerate(ids):
        result[6 + index : 22 + index, 4 + 20 * place : 20 + 20 * place] = number
    return result


class Tree:
    """A data set of one video, ``walk``, of 8 frames with masks; ``frames`` and ``masks`` are its folders."""

    def __init__(self, root: Path, layout: str, ids: tuple[int, ...] = (1, 2)) -> None:
        self.root, self.layout, self.ids = root, layout, ids
        base = {"folder": "", "youtube_vos": "train/"}.get(layout, "")
        inner = "480p/" if layout.startswith("davis") else ""
        self.frames = root / f"{base}JPEGImages/{inner}walk"
        self.masks = root / f"{base}Annotations/{inner}walk"
        self.frames.mkdir(parents=True)
        self.masks.mkdir(parents=True)
        for index in range(COUNT):
            frame(index).save(self.frames / f"{index:05d}.jpg")
            write_label_map(self.masks / f"{index:05d}.png", labels(index, ids))
        if layout.startswith("davis"):
            lists = root / "ImageSets" / layout.removeprefix("davis")
            lists.mkdir(parents=True)
            (lists / "train.txt").write_text("walk\n")
        if layout == "youtube_vos":
            self.write_meta({str(number): {"category": "dog", "frames": self.names} for number in ids})

    @property
    def names(self) -> list[str]:
        return [f"{index:05d}" for index in range(COUNT)]

    @property
    def split(self) -> str:
        return "all" if self.layout == "folder" else "train"

    def mask(self, index: int) -> Path:
        return self.masks / f"{index:05d}.png"

    def image(self, index: int) -> Path:
        return self.frames / f"{index:05d}.jpg"

    def write_meta(self, objects: object, **others: object) -> None:
        content = {"videos": {"walk": {"objects": objects}, **others}}
        (self.root / "train/meta.json").write_text(json.dumps(content))

    def each_mask(self, change: Callable[[np.ndarray], Image.Image]) -> None:
        for index in range(COUNT):
            change(labels(index, self.ids)).save(self.mask(index))

    def snapshot(self) -> dict[str, tuple[bytes, int]]:
        return {
            str(path.relative_to(self.root)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }


def soft(values: np.ndarray) -> np.ndarray:
    """A mask enlarged and made small again: smooth edges."""
    height, width = values.shape
    large = Image.fromarray(values).resize((3 * width + 1, 3 * height + 1), Image.Resampling.BICUBIC)
    return np.asarray(large.resize((width, height), Image.Resampling.BILINEAR))


def coloured(values: np.ndarray) -> Image.Image:
    """A label map as its colours."""
    return Image.open(io.BytesIO(encode_label_map(values))).convert("RGB")


def only_video(copy: Path) -> Video:
    """The video of a data set that has one."""
    layout = recognise(copy)
    (opened,) = open_splits(copy, layout)
    (video,) = opened.videos
    return video
