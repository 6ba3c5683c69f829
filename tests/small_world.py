"""Small data sets on disk, made by hand: rectangles that move over a smooth background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from vos_tf.datasets.types import Dataset, Video, VideoObject
from vos_tf.media.label_maps import write_label_map

COLOURS = np.array([[90, 110, 100], [230, 40, 40], [40, 60, 230], [240, 220, 30], [40, 200, 60]], np.uint8)


@dataclass(frozen=True)
class Moving:
    """An object seen in frames ``first`` to ``end`` (excluded)."""

    id: int
    first: int
    end: int
    category: str | None = "box"


def draw_labels(frame: int, size: tuple[int, int], objects: Sequence[Moving]) -> np.ndarray:
    labels = np.zeros(size, np.uint8)
    for item in objects:
        if item.first <= frame < item.end:
            top = (7 * item.id + frame) % (size[0] // 2)
            left = (11 * item.id + 2 * frame) % (size[1] // 2)
            labels[top : top + size[0] // 4, left : left + size[1] // 4] = item.id
    return labels


def draw_frame(labels: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(random.integers(0, 60, (*labels.shape, 3), dtype=np.uint8), (5, 5), 0)
    return COLOURS[np.minimum(labels, len(COLOURS) - 1)] // 2 + noise


def make_video(
    root: Path,
    name: str,
    *,
    frames: int = 12,
    size: tuple[int, int] = (40, 60),
    every: int = 1,
    objects: Sequence[Moving] = (Moving(1, 0, 12), Moving(2, 3, 9)),
    suffix: str = ".jpg",
) -> Video:
    """Write one video; every ``every``-th frame is annotated."""
    paths, masks, names = [], {}, [f"{5 * index:05d}" for index in range(frames)]
    for index, stem in enumerate(names):
        labels = draw_labels(index, size, objects)
        path = root / "frames" / name / f"{stem}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw_frame(labels, seed=index)[..., ::-1])
        paths.append(path)
        if index % every == 0:
            masks[stem] = root / "masks" / name / f"{stem}.png"
            write_label_map(masks[stem], labels)
    table = []
    for item in objects:
        listed = tuple(stem for index, stem in enumerate(names) if item.first <= index < item.end and stem in masks)
        if listed:
            table.append(VideoObject(item.id, item.category, listed[0], listed))
    return Video(name, tuple(paths), masks, tuple(table), size, Fraction(30000, 1001))


def make_dataset(root: Path, videos: int = 4, **settings: object) -> Dataset:
    """Write ``videos`` equal videos of different content."""
    made = tuple(make_video(root, f"video{index}", **settings) for index in range(videos))  # type: ignore[arg-type]
    return Dataset("small", "train", made, root)
