"""Frames and masks in a tree of nobody's layout: found by equal names and by what the images look like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vos_tf.datasets.findings import Finding
from vos_tf.datasets.folder import FOLDER, WHOLE_SPLITS
from vos_tf.datasets.listing import IMAGE_SUFFIXES, list_folders
from vos_tf.datasets.scanned_video import (
    Content,
    DatasetScan,
    Rules,
    ScannedVideo,
    below,
    content_of,
    link_findings,
    stray_finding,
)
from vos_tf.doctor.file_facts import packed_colours
from vos_tf.errors import VosError
from vos_tf.media.images import header_size, read_bytes

DEEPEST = 6
FEW_COLOURS = 512
EVEN_SHARE = 0.6
"""Share of a mask that its two most frequent colours cover; of a photograph they cover far less."""
_SPLIT = re.compile(r"(train|val|valid|test)([-_].*)?", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_GENERAL = frozenset({"", "frame", "frames", "img", "image", "im", "gt", "mask", "x", "y"})


class _Pair(NamedTuple):
    """Frames and masks that belong together, and the folder above both."""

    place: Path
    frames: tuple[Path, ...]
    masks: tuple[Path, ...]
    strays: tuple[Path, ...]


def scan_unknown_layout(root: Path) -> DatasetScan | None:
    """Videos of a tree without a known layout; ``None`` if there is nothing like frames and masks of equal names."""
    pairs = list(_pairs(root, root, DEEPEST))
    if not pairs:
        return None
    findings: list[Finding] = []
    videos = []
    for pair, (split, name) in zip(pairs, _names(root, pairs), strict=True):
        findings += stray_finding(root, pair.strays, split, name)
        findings += link_findings(root, [*pair.frames, *pair.masks], split, name)
        videos.append(ScannedVideo(split, name, pair.frames, pair.masks, Rules(binary=True)))
    first = pairs[0]
    words = f"no known layout; frames seem to be {below(root, first.frames[0])} and the like, "
    words += f"masks {below(root, first.masks[0])} and the like"
    repair = "arranged as JPEGImages/<video> and Annotations/<video>"
    findings.append(Finding("layout", "fault", below(root, first.place), words, repair, count=len(pairs)))
    splits = tuple(dict.fromkeys(video.split for video in videos))
    return DatasetScan(root, FOLDER.name, "images of equal names", splits, tuple(videos), tuple(findings))


def _pairs(root: Path, folder: Path, deep: int) -> Iterator[_Pair]:
    content = content_of(folder)
    if content.images and not content.folders:
        yield from _in_one_folder(folder, content)
        return
    found = _in_two_folders(folder, content)
    taken = {path for pair in found for path in (pair.frames[0], pair.masks[0])}
    yield from found
    for name in content.folders if deep else ():
        inner = folder / name
        if not any(path.is_relative_to(inner) for path in taken):
            yield from _pairs(root, inner, deep - 1)


def _in_one_folder(folder: Path, content: Content) -> Iterator[_Pair]:
    """Frames and masks side by side: ``gt_0.jpg`` and ``mask_0.png``, or ``0.jpg`` and ``0_mask.png``."""
    groups: dict[tuple[str, str], list[Path]] = {}
    # Of two images of one name, a.jpg and a.png, the second is among the strays.
    for path in (*content.images, *(path for path in content.strays if path.suffix.lower() in IMAGE_SUFFIXES)):
        if path.name[0] != ".":
            groups.setdefault((_NUMBER.sub("#", path.stem), path.suffix.lower()), []).append(path)
    yield from _chosen(folder, [tuple(group) for group in groups.values()], content.strays)


def _stems(content: Content) -> set[str]:
    return {path.stem for path in content.images}


def _chosen(folder: Path, groups: list[tuple[Path, ...]], strays: tuple[Path, ...]) -> Iterator[_Pair]:
    """Of groups of files the two of which one looks like masks of the other."""
    for first, second in combinations(groups, 2):
        numbers = [[_NUMBER.findall(path.stem) for path in group] for group in (first, second)]
        if not all(numbers[0]) or not {str(item) for item in numbers[0]} & {str(item) for item in numbers[1]}:
            continue
        pair = _judged(folder, first, second)
        if pair is not None:
            rest = tuple(path for path in strays if path not in {*pair.frames, *pair.masks})
            yield pair._replace(strays=rest)
            return


def _in_two_folders(folder: Path, content: Content) -> list[_Pair]:
    """Folders beside each other whose files have equal names, with or without folders for videos in them."""
    images = {name: _images_below(folder / name) for name in content.folders}
    for first, second in combinations(images, 2):
        names = images[first].keys() & images[second].keys()
        shared = [name for name in names if _stems(images[first][name]) & _stems(images[second][name])]
        if not shared:
            continue
        pairs = []
        for name in sorted(shared):
            left, right = images[first][name], images[second][name]
            pair = _judged(folder / name, left.images, right.images)
            if pair is not None:
                pairs.append(pair._replace(strays=(*left.strays, *right.strays)))
        if pairs:
            return pairs
    return []


def _images_below(folder: Path, prefix: str = "", deep: int = DEEPEST) -> Mapping[str, Content]:
    content = content_of(folder)
    found = {prefix: content} if content.images else {}
    for name in list_folders(folder) if deep else ():
        if name in content.folders:
            found |= _images_below(folder / name, f"{prefix}/{name}" if prefix else name, deep - 1)
    return found


def _judged(place: Path, first: tuple[Path, ...], second: tuple[Path, ...]) -> _Pair | None:
    looks = looks_like_mask(first[0]), looks_like_mask(second[0])
    if looks == (False, True):
        return _Pair(place, first, second, ())
    return _Pair(place, second, first, ()) if looks == (True, False) else None


def looks_like_mask(path: Path) -> bool:
    """Whether an image has few colours, two of which cover most of it."""
    from PIL import Image

    try:
        header_size(read_bytes(path), str(path))
        with Image.open(path) as image:
            codes = packed_colours(image)
    except (VosError, OSError, SyntaxError, ValueError):
        return False
    _, counts = np.unique(codes, return_counts=True)
    top = np.sort(counts)[-2:].sum()
    return len(counts) <= FEW_COLOURS and bool(top >= EVEN_SHARE * codes.size)


def _names(root: Path, pairs: Sequence[_Pair]) -> list[tuple[str, str]]:
    """Split and name of each video, by its files or else by the folders in which they differ."""
    split_of, parts_of = [], []
    for pair in pairs:
        parts = pair.place.relative_to(root).parts
        split = next((part for part in parts if _SPLIT.fullmatch(part)), WHOLE_SPLITS[0])
        prefix = _NUMBER.split(pair.frames[0].stem)[0].strip("_- .")
        named = prefix.lower() not in _GENERAL and all(path.stem.startswith(prefix) for path in pair.frames)
        split_of.append(split)
        parts_of.append([*(part for part in parts if part != split), *([prefix] if named else [])])
    while len(parts_of) > 1 and all(len(parts) > 1 and parts[0] == parts_of[0][0] for parts in parts_of):
        parts_of = [parts[1:] for parts in parts_of]
    return [(split, "_".join(parts) or root.resolve().name) for split, parts in zip(split_of, parts_of, strict=True)]
