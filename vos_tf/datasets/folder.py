"""Any folder of frames and masks, as users have them.

Frames lie in ``JPEGImages`` (or ``images``, ``frames``), masks in ``Annotations`` (or ``masks``, ``labels``), both with
a folder for each video, or with the files of a single video. Where there are splits, all that lies in a folder of the
split's name. Not every frame needs a mask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vos_tf.datasets.findings import Finding
from vos_tf.datasets.layout import Layout, Recognised
from vos_tf.datasets.listing import check_root, image_size, list_folders, list_images, names_found, with_progress
from vos_tf.datasets.scanned_video import (
    Rules,
    ScannedVideo,
    content_of,
    loop_findings,
    scan_video,
    stray_entries,
    stray_finding,
)
from vos_tf.datasets.types import DEFAULT_FRAME_RATE, Dataset, Video, VideoObject
from vos_tf.errors import VosError
from vos_tf.media.label_maps import VOID, read_label_map

FRAME_FOLDERS = ("JPEGImages", "images", "frames")
MASK_FOLDERS = ("Annotations", "masks", "labels")
WHOLE_SPLITS = ("all", "train")
"""Names that mean all videos where the folder has no splits."""
MANY_VIDEOS = 50
"""From here on opening shows its progress, because every mask is read."""

_NUMBER = re.compile(r"\d+")


class _Masks(NamedTuple):
    """A video's masks by frame, its objects, and whether all values but 0 are one object."""

    files: dict[str, Path]
    objects: tuple[VideoObject, ...]
    single_object: bool


def open_folder(
    root: Path, split: str, *, single_object: bool = False, frame_rate: Fraction = DEFAULT_FRAME_RATE
) -> Dataset:
    """Open a folder of frames and masks.

    Frames and masks are put in natural order (``frame9`` before ``frame10``). A mask belongs to the frame of the
    same stem; else, for all masks alike, of the same number in its name (``gt_3.jpg``, ``mask_3.png``); else, where
    there are as many masks as frames, of the same place in the order. An object starts at the first mask that shows
    it and has to be segmented from there to the last frame. A video whose masks hold nothing but 0 and 255 has one
    object, id 1.

    Args:
        root: The folder.
        split: A folder of that name within ``root``; where there are no splits, ``all`` or ``train`` mean all videos.
        single_object: Every value but 0 means one object, id 1; masks may have several channels then.
        frame_rate: Frames per second.

    Raises:
        VosError: No such root or split; masks that cannot be matched to frames or read as ids; a video without
            frames or without masks.
    """
    check_root(root)
    notes: list[str] = []
    base = _split_folder(root, split, notes)
    frames_folder, masks_folder = _pair_of_folders(base)
    names = tuple(_video_names(frames_folder))
    if not names:
        raise VosError(f"{frames_folder}: expected frames or a folder of frames for each video, found none")
    videos = []
    for name in with_progress(names, f"open {base}", many=MANY_VIDEOS):
        label = name or base.resolve().name
        videos.append(_open_video(label, frames_folder / name, masks_folder / name, single_object, frame_rate))
    binary = [video.name for video in videos if video.single_object]
    if binary and not single_object:
        notes.append(f"masks of 0 and 255 only, read as one object: {names_found(binary)}")
    return Dataset("folder", split, tuple(videos), root, tuple(notes))


def _split_folder(root: Path, split: str, notes: list[str]) -> Path:
    inner = root / split
    if split and split not in (".", "..") and find_folder(inner, FRAME_FOLDERS) is not None:
        return inner
    if split not in WHOLE_SPLITS or find_folder(root, FRAME_FOLDERS) is None:
        splits = [name for name in list_folders(root) if find_folder(root / name, FRAME_FOLDERS) is not None]
        if find_folder(root, FRAME_FOLDERS) is not None:
            splits.append(f"{WHOLE_SPLITS[0]} (the whole folder)")
        wanted = f"a split {split!r}, a folder with {' or '.join(FRAME_FOLDERS)} in it"
        raise VosError(f"{root}: expected {wanted}, found {names_found(splits)}")
    if split != WHOLE_SPLITS[0]:
        notes.append(f"{root} has no folder {split}: all its videos were taken")
    return root


def find_folder(base: Path, names: Sequence[str]) -> Path | None:
    """The first of the named folders in ``base``, whatever their case."""
    folders = {name.lower(): name for name in list_folders(base)}
    found = next((folders[name.lower()] for name in names if name.lower() in folders), None)
    return None if found is None else base / found


def _pair_of_folders(base: Path) -> tuple[Path, Path]:
    frames, masks = find_folder(base, FRAME_FOLDERS), find_folder(base, MASK_FOLDERS)
    if frames is None or masks is None:
        missing = FRAME_FOLDERS if frames is None else MASK_FOLDERS
        raise VosError(f"{base}: expected a folder {' or '.join(missing)}, found {names_found(list_folders(base))}")
    return frames, masks


def _video_names(folder: Path, prefix: str = "") -> Iterator[str]:
    """Every folder that holds images, as its path below the first; the empty name for the first itself."""
    inner = list_folders(folder)
    if not inner or list_images(folder):
        if inner:
            raise VosError(f"{folder}: expected images or folders of images, found both")
        if prefix or list_images(folder):
            yield prefix
        return
    for name in inner:
        yield from _video_names(folder / name, f"{prefix}/{name}" if prefix else name)


def _open_video(name: str, frames_folder: Path, masks_folder: Path, single_object: bool, frame_rate: Fraction) -> Video:
    frames = list_images(frames_folder)
    if not frames:
        raise VosError(f"{frames_folder}: expected frames, found none")
    if not masks_folder.is_dir():
        raise VosError(f"{masks_folder}: expected the masks of video {name}, found no such folder")
    files = list_images(masks_folder)
    lossy = next((path for path in files if path.suffix.lower() in (".jpg", ".jpeg")), None)
    if lossy is not None:
        raise VosError(f"{lossy}: expected a PNG mask, found a JPEG, which smears ids at edges")
    if not files:
        raise VosError(f"{masks_folder}: expected at least one mask, found none")
    stems = tuple(path.stem for path in frames)
    masks = _read_masks(masks_folder, stems, match_masks(stems, files, masks_folder), single_object)
    return Video(name, frames, masks.files, masks.objects, image_size(frames[0]), frame_rate, masks.single_object)


def match_masks(frames: Sequence[str], masks: Sequence[Path], source: Path) -> dict[str, Path]:
    """Find the frame of each mask: by equal stems, else by numbers in the names, else by order.

    Args:
        frames: Stems of the frames, in order.
        masks: Mask files, in order; none may stay without a frame.
        source: What to name in an error.

    Returns:
        Frame to mask, in the order of the frames.

    Raises:
        VosError: No rule matches all masks.
    """
    stems = [path.stem for path in masks]
    for rule in (str, _last_number, _first_number):
        by_key = _unique_keys(frames, rule)
        keys = _unique_keys(stems, rule)
        if by_key is not None and keys is not None and keys.keys() <= by_key.keys():
            matched = {frames[by_key[key]]: masks[index] for key, index in keys.items()}
            return {frame: matched[frame] for frame in frames if frame in matched}
    if len(masks) == len(frames):
        return dict(zip(frames, masks, strict=True))
    stray = [stem for stem in stems if stem not in set(frames)]
    raise VosError(
        f"{source}: expected masks named like their frames ({names_found(frames, 2)}), "
        f"found {names_found(stray, 3)}, and {len(masks)} masks for {len(frames)} frames"
    )


def _unique_keys(names: Sequence[str], rule: Callable[[str], str | None]) -> dict[str, int] | None:
    """Key to place in the order; ``None`` when a name has no key or two names share one."""
    keys = [rule(name) for name in names]
    places = {key: index for index, key in enumerate(keys) if key is not None}
    return places if len(places) == len(names) else None


def _last_number(stem: str) -> str | None:
    numbers = _NUMBER.findall(stem)
    return str(int(numbers[-1])) if numbers else None


def _first_number(stem: str) -> str | None:
    numbers = _NUMBER.findall(stem)
    return str(int(numbers[0])) if numbers else None


def _read_masks(folder: Path, frames: Sequence[str], files: dict[str, Path], single_object: bool) -> _Masks:
    """Which objects the masks show, each from the first mask that shows it."""
    order = {frame: index for index, frame in enumerate(frames)}
    first: dict[int, int] = {}
    for frame, path in files.items():
        labels = read_label_map(path, single_object=single_object)
        for value in np.flatnonzero(np.bincount(labels.ravel(), minlength=VOID + 1)[1:]) + 1:
            first.setdefault(int(value), order[frame])
    if not first:
        raise VosError(f"{folder}: expected an object in at least one mask, found only empty masks")
    if first.keys() == {VOID}:
        first, single_object = {1: first[VOID]}, True
    first.pop(VOID, None)
    objects = tuple(VideoObject(number, None, frames[at], tuple(frames[at:])) for number, at in sorted(first.items()))
    return _Masks(files, objects, single_object)


def _recognise(root: Path) -> Recognised | None:
    splits = [name for name in list_folders(root) if _frames_and_masks(root / name)]
    whole = find_folder(root, FRAME_FOLDERS) is not None and find_folder(root, MASK_FOLDERS) is not None
    splits = ([WHOLE_SPLITS[0]] if whole else []) + splits
    labels = find_folder(root, ("labels",))
    if not splits or (labels is not None and any(labels.rglob("*.txt"))):
        return None
    frames = find_folder(root if whole else root / splits[0], FRAME_FOLDERS)
    return Recognised("folder", tuple(splits), "frames in " + (frames or root).relative_to(root).as_posix())


def _frames_and_masks(base: Path) -> bool:
    return find_folder(base, FRAME_FOLDERS) is not None and find_folder(base, MASK_FOLDERS) is not None


def _scan(root: Path, found: Recognised, findings: list[Finding]) -> Iterator[ScannedVideo]:
    whole = WHOLE_SPLITS[0]
    for split in found.splits:
        base = root if split == whole else root / split
        frames, masks = find_folder(base, FRAME_FOLDERS), find_folder(base, MASK_FOLDERS)
        if frames is None or masks is None:
            continue
        names = list(_videos(root, frames, findings))
        for name in names:
            label = name or base.resolve().name
            yield scan_video(root, split, label, frames / name, masks / name, findings, Rules(binary=True))
        known = {frames.name, masks.name, *(found.splits if split == whole else ())}
        alone = [masks / name for name in list_folders(masks) if names != [""] and not _holds(name, names)]
        findings += stray_finding(root, [*stray_entries(base, known), *alone], "" if split == whole else split)
    if whole not in found.splits:
        findings += stray_finding(root, stray_entries(root, set(found.splits)))


def _holds(name: str, videos: Sequence[str]) -> bool:
    return any(video == name or video.startswith(f"{name}/") for video in videos)


def _videos(root: Path, folder: Path, findings: list[Finding], prefix: str = "") -> Iterator[str]:
    """Every folder that holds images, as its path below the first; the empty name for the first itself."""
    content = content_of(folder)
    findings += loop_findings(root, content.loops)
    if not content.folders:
        if prefix or content.images:
            yield prefix
        return
    findings += stray_finding(root, [*content.images, *content.strays])
    for name in content.folders:
        yield from _videos(root, folder / name, findings, f"{prefix}/{name}" if prefix else name)


FOLDER = Layout("folder", open_folder, _recognise, scan=_scan)
