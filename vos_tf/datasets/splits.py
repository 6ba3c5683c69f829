"""A split of the YouTube-VOS training videos that can be scored without a server.

Ventura et al. (CVPR 2019) report their ablations on such a split, ``train-train`` against ``train-val``; its
lists were never published. This one is drawn from the names alone, so that everybody gets the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from vos_tf.datasets.listing import ranked
from vos_tf.errors import VosError
from vos_tf.files import write_json

_FOLDERS = ("JPEGImages", "Annotations")


class TrainingSplit(NamedTuple):
    """Names of the videos of each part, sorted, and the categories that only the second one holds."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    unseen: tuple[str, ...]


def split_training_videos(root: Path, *, fraction: float = 0.2, unseen: int = 0, seed: int = 0) -> TrainingSplit:
    """Write ``<root>/train-train`` and ``<root>/train-val``: a ``meta.json`` each, and links to the videos.

    Nothing is copied. The videos are ordered by SHA-256 of seed and name; the first ones are held out.

    Args:
        root: Folder with ``train/{JPEGImages,Annotations,meta.json}``.
        fraction: Share of the videos that are held out.
        unseen: Categories held out altogether: all videos that show one of them go to ``train-val`` first.
        seed: Names another split.

    Raises:
        VosError: ``meta.json`` is missing or of another structure, a part is there already with other videos, or
            the held-out categories need more videos than ``fraction`` allows.
    """
    videos = _read_videos(root / "train" / "meta.json")
    made = _draw(videos, fraction, unseen, seed, root)
    for name, members in (("train-train", made.training), ("train-val", made.validation)):
        _write_part(root, name, {video: videos[video] for video in members})
    return made


def _read_videos(path: Path) -> dict[str, Any]:
    try:
        videos = json.loads(path.read_text(encoding="utf-8"))["videos"]
        for video in videos.values():
            _categories(video)
    except OSError as error:
        raise VosError(f"{path}: expected the list of training videos, found {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VosError(f"{path}: expected videos with objects and categories, found {error!r}") from None
    return dict(videos)


def _draw(videos: dict[str, Any], fraction: float, unseen: int, seed: int, root: Path) -> TrainingSplit:
    count = round(fraction * len(videos))
    if not 0 < count < len(videos):
        raise VosError(f"{root}: a fraction of {fraction} of {len(videos)} videos leaves a part of the split empty")
    held_out = ranked(sorted({name for video in videos.values() for name in _categories(video)}), seed)[:unseen]
    first = [name for name, video in videos.items() if _categories(video) & set(held_out)]
    if len(first) > count:
        raise VosError(
            f"{root}: categories {', '.join(held_out)} need {len(first)} videos, found room for {count}; "
            "take a larger fraction or fewer categories"
        )
    others = ranked([name for name in videos if name not in set(first)], seed)
    chosen = set(first) | set(others[: count - len(first)])
    training = tuple(sorted(set(videos) - chosen))
    seen = {name for video in training for name in _categories(videos[video])}
    shown = {name for video in chosen for name in _categories(videos[video])}
    return TrainingSplit(training, tuple(sorted(chosen)), tuple(sorted(shown - seen)))


def _categories(video: dict[str, Any]) -> set[str]:
    return {item["category"] for item in video["objects"].values()}


def _write_part(root: Path, name: str, videos: dict[str, Any]) -> None:
    folder = root / name
    meta = folder / "meta.json"
    if meta.is_file() and set(_read_videos(meta)) != set(videos):
        raise VosError(f"{folder}: expected no other split, found one with other videos; remove it first")
    for kind in _FOLDERS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for video in videos:
            link = folder / kind / video
            if not link.is_symlink():
                link.symlink_to(Path("..", "..", "train", kind, video), target_is_directory=True)
    write_json(meta, {"videos": videos})  # last: the part is whole when its list is there
