"""Writing synthetic videos in the YouTube-VOS layout; interruptible, and the same bytes however many workers.

While a split is being written, the folder ``.unfinished`` inside it holds the plan and one entry per finished video.
The receipt ``synthetic.json`` is written last.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.synthetic.render import RenderedVideo, frame_name, render_video
from vos_tf.datasets.synthetic.settings import SyntheticSettings
from vos_tf.errors import VosError
from vos_tf.files import replacing, sweep, write_json
from vos_tf.media.label_maps import encode_label_map
from vos_tf.progress import progress
from vos_tf.workers import open_workers

RECEIPT = "synthetic.json"
UNFINISHED = ".unfinished"
JPEG_QUALITY = 92
WORLD_VERSION = 1
"""Raised when equal settings and seeds no longer give equal bytes."""


@dataclass(frozen=True)
class Plan:
    """All that decides the bytes of a split."""

    settings: SyntheticSettings
    split: str
    videos: int
    seed: int
    first_masks_only: bool

    def as_json(self) -> dict[str, Any]:
        """As the receipt keeps it."""
        return {
            "world_version": WORLD_VERSION,
            "split": self.split,
            "videos": self.videos,
            "seed": self.seed,
            "first_masks_only": self.first_masks_only,
            "settings": self.settings.as_dict(),
        }


def video_name(index: int) -> str:
    """Name of a video: ``synthetic_00012``."""
    return f"synthetic_{index:05d}"


def generate(
    root: Path | str,
    settings: SyntheticSettings,
    *,
    videos: int,
    split: str,
    seed: int,
    workers: int = 1,
    first_masks_only: bool = False,
) -> Path:
    """Write one split of the synthetic world as ``<root>/<split>/{JPEGImages,Annotations,meta.json}``.

    Equal arguments give equal files, byte for byte, whatever ``workers`` is. A run that was interrupted is continued;
    a split that is complete is left as it is.

    Args:
        root: The data set's folder.
        settings: Of the world.
        videos: How many.
        split: Name of the split; each split has random streams of its own, so that no video is shared.
        seed: 0 or more.
        workers: Processes; 0: one for every core.
        first_masks_only: Keep only the masks that introduce objects, as the YouTube-VOS validation set does: a
            mask is written for the frames where an object first appears, and shows only the objects that are new.

    Returns:
        The split's folder.

    Raises:
        VosError: The folder holds another data set or one made with other settings, or an argument is out of range.
    """
    _check_arguments(videos, split, seed, workers)
    plan = Plan(settings, split, videos, seed, first_masks_only)
    folder = Path(root) / split
    if not _claim(folder, plan):
        return folder
    entries = folder / UNFINISHED
    missing = [index for index in range(videos) if not (entries / f"{video_name(index)}.json").exists()]
    description = f"synthetic {split}"
    done = (videos - len(missing)) * settings.frames
    with (
        progress(description, videos * settings.frames, done=done) as bar,
        open_workers(workers, tasks=len(missing)) as pool,
    ):
        for name in pool.map(partial(_write_video, folder, plan), missing):
            bar.advance(settings.frames, name)
    _finish(folder, plan)
    return folder


def _check_arguments(videos: int, split: str, seed: int, workers: int) -> None:
    for name, value, lowest in (("videos", videos, 1), ("seed", seed, 0), ("workers", workers, 0)):
        if value < lowest:
            raise VosError(f"synthetic {name}: expected {lowest} or more, found {value}")
    if not split or Path(split).name != split or split.startswith("."):
        raise VosError(f"synthetic split: expected a plain name such as train, found {split!r}")


def _claim(folder: Path, plan: Plan) -> bool:
    """Make sure that the folder is this plan's; ``False`` when it is complete already."""
    receipt, draft = folder / RECEIPT, folder / UNFINISHED / "plan.json"
    for path in (receipt, draft):
        if path.exists():
            _check_same_plan(path, plan)
    if receipt.exists():
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        return False
    if not draft.exists():
        if folder.exists() and any(item.name != UNFINISHED for item in folder.iterdir()):
            raise VosError(f"{folder}: expected an empty folder to write synthetic videos to, found other files")
        write_json(draft, plan.as_json())
    return True


def _check_same_plan(path: Path, plan: Plan) -> None:
    try:
        found = json.loads(path.read_text())
        settings = found["settings"]
    except (ValueError, KeyError, TypeError):
        raise VosError(f"{path}: expected the receipt of synthetic videos, found unreadable content") from None
    wanted = plan.as_json()
    pairs = [(key, found.get(key), wanted[key]) for key in wanted if key != "settings"]
    pairs += [(key, settings.get(key), value) for key, value in wanted["settings"].items()]
    different = [f"{key} {old} (now {new})" for key, old, new in pairs if old != new]
    if different:
        raise VosError(
            f"{path}: expected the settings of this run, found {', '.join(different)}; "
            "choose another folder or remove this one"
        )


def _write_video(folder: Path, plan: Plan, index: int) -> str:
    """Render and write one video; its entry in ``.unfinished`` is written last."""
    name = video_name(index)
    video = render_video(plan.settings, plan.seed, index, split=plan.split)
    with replacing(folder / "JPEGImages" / name) as images:
        images.mkdir()
        for number, frame in enumerate(video.frames):
            (images / f"{frame_name(number)}.jpg").write_bytes(_jpeg(frame))
    with replacing(folder / "Annotations" / name) as masks:
        masks.mkdir()
        for frame, labels in _masks(video, plan.first_masks_only):
            (masks / f"{frame}.png").write_bytes(encode_label_map(labels))
    objects = {str(item.id): {"category": item.category, "frames": list(item.frames)} for item in video.objects}
    write_json(folder / UNFINISHED / f"{name}.json", {"objects": objects})
    return name


def _jpeg(frame: NDArray[np.uint8]) -> bytes:
    _, encoded = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(encoded.tobytes())


def _masks(video: RenderedVideo, first_only: bool) -> Iterable[tuple[str, NDArray[np.uint8]]]:
    for number, labels in enumerate(video.labels):
        frame = frame_name(number)
        if not first_only:
            yield frame, labels
            continue
        new = [item.id for item in video.objects if item.first_frame == frame]
        if new:
            yield frame, np.where(np.isin(labels, new), labels, 0).astype(np.uint8)


def _finish(folder: Path, plan: Plan) -> None:
    """Assemble ``meta.json``, write the receipt, clear the rest away."""
    entries = folder / UNFINISHED
    names = [video_name(index) for index in range(plan.videos)]
    videos = {name: json.loads((entries / f"{name}.json").read_text()) for name in names}
    write_json(folder / "meta.json", {"videos": videos})
    for parent in ("JPEGImages", "Annotations"):
        sweep(folder / parent)
    counts = {
        "frames": plan.videos * plan.settings.frames,
        "objects": sum(len(video["objects"]) for video in videos.values()),
    }
    write_json(folder / RECEIPT, plan.as_json() | {"counts": counts})
    shutil.rmtree(entries, ignore_errors=True)
