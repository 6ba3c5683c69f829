"""Small data sets in the layout of YouTube-VOS with everything that a conversion can lose, and what is in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from vos_tf.convert.converting import open_splits
from vos_tf.datasets.registry import recognise
from vos_tf.datasets.types import VideoObject
from vos_tf.media.label_maps import VOID, write_label_map

SIZE = (24, 37)


class Described(NamedTuple):
    """All that has to survive of a video."""

    split: str
    name: str
    frames: tuple[str, ...]
    images: tuple[bytes, ...]
    objects: tuple[VideoObject, ...]
    size: tuple[int, int]
    masks: dict[str, bytes]


def describe(root: Path, dataset: str | None = None) -> list[Described]:
    return [
        Described(
            split=opened.split,
            name=video.name,
            frames=video.frame_names,
            images=tuple(path.read_bytes() for path in video.frames),
            objects=video.objects,
            size=video.size,
            masks={frame: video.read_mask(frame).tobytes() for frame in video.masks},
        )
        for opened in open_splits(root, recognise(root, dataset))
        for video in opened.videos
    ]


def draw(seed: int, ids: tuple[int, ...], void: bool = False) -> np.ndarray:
    """Objects in several parts with holes; those named first lie lowest."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(SIZE, np.uint8)
    for number in (*ids, *((VOID,) if void else ())):
        labels[rng.random(SIZE) < 0.3] = number
    return labels


def write_frame(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)).save(path)


def write_video(
    root: Path, split: str, name: str, frames: list[str], ids: dict[str, tuple[int, ...]], *, void: bool = False
) -> None:
    for index, frame in enumerate(frames):
        write_frame(root / split / "JPEGImages" / name / f"{frame}.jpg", seed=index)
        if frame in ids:
            write_label_map(
                root / split / "Annotations" / name / f"{frame}.png", draw(index, ids[frame], void and bool(ids[frame]))
            )


def youtube_world(root: Path) -> Path:
    """Two splits: late objects, gaps in ids, frames without masks, empty masks, void, categories, odd names."""
    names = [f"{number:05d}" for number in range(0, 30, 5)]
    write_video(root, "train", "plain", names, {names[0]: (1, 2), names[2]: (1, 2), names[5]: (2,)})
    write_video(
        root, "train", "später, 2.5 m", names[:4], {names[0]: (7,), names[1]: (), names[3]: (7, 254)}, void=True
    )
    write_video(root, "valid", "only first", names[:3], {names[0]: (3,)})
    objects: dict[str, dict[str, Any]] = {
        "plain": {"1": ("dog", names), "2": ("person", names)},
        "später, 2.5 m": {"7": ("person", names[:4]), "254": ("a: b", names[3:4])},
        "only first": {"3": ("zebra", names[:2])},
    }
    for split in ("train", "valid"):
        content = {
            video.name: {
                "objects": {key: {"category": item[0], "frames": item[1]} for key, item in objects[video.name].items()}
            }
            for video in sorted((root / split / "JPEGImages").iterdir())
        }
        (root / split / "meta.json").write_text(json.dumps({"videos": content}))
    return root
