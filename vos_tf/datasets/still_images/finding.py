"""Which image has which mask: by equal names, in folders beside each other or in one folder. Reads no pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vos_tf.datasets.listing import IMAGE_SUFFIXES, list_folders, names_found, natural_key
from vos_tf.datasets.still_images.masks import POLYGONS
from vos_tf.errors import VosError

IMAGE_FOLDERS = ("images", "JPEGImages", "image", "img", "imgs", "photos", "frames")
MASK_FOLDERS = ("masks", "mask", "matting", "mattes", "alpha", "ground_truth", "gt", "Annotations", "labels")
"""Names that are looked for, the first that exists, in any case; then names with such a word in them."""
WHOLE_SPLITS = ("all", "train")
"""Splits that mean all images where there are none."""

_IMAGE_WORDS = re.compile(r"image|img|photo|frame|picture", re.IGNORECASE)
_MASK_WORDS = re.compile(r"mask|matt|alpha|ground.?truth|(^|[^a-z])gt([^a-z]|$)|annot|label|segment", re.IGNORECASE)
_SPLIT_WORDS = re.compile(r"train|val|test", re.IGNORECASE)
_LOSSLESS = frozenset({".png", POLYGONS})
_NO_LABELS = frozenset({"classes.txt", "notes.json"})


class Still(NamedTuple):
    """An image and its mask, an image file or a file of polygons; ``name`` is unique in the data set."""

    name: str
    image: Path
    mask: Path


class Folders(NamedTuple):
    """Names of the folders of images and of masks below the data set's; empty: found by their names."""

    images: str = ""
    masks: str = ""


def find_stills(root: Path, split: str, folders: Folders, notes: list[str]) -> tuple[Still, ...]:
    """All images of a split that have a mask, in natural order.

    Args:
        root: The data set.
        split: A folder of that name within ``root`` or within the folders of images and masks; a name that begins
            with it if only one does; ``all`` or ``train`` mean all images where there are no splits.
        folders: Where images and masks lie.
        notes: Gets what was left out.

    Raises:
        VosError: No such folders or split, several files of one name, or no image with a mask.
    """
    base = root / split if split and split not in (".", "..") and (root / split).is_dir() else root
    images, masks = _folder_pair(base, folders)
    if images == masks:
        found = {key: paths for key, paths in _files(base, IMAGE_SUFFIXES | {POLYGONS}).items() if len(paths) > 1}
        pairs = {key: _loose_pair(paths) for key, paths in found.items()}
        if base == root and pairs:
            _check_whole(root, split, [], notes)
        return _in_order(Still(key, *pair) for key, pair in pairs.items()) or _refuse(base)
    if base == root:
        inner = _inner_split(images, split, notes)
        images, masks = images / inner, masks / inner
    image_of = {key: _single(paths) for key, paths in _files(images, IMAGE_SUFFIXES).items()}
    mask_of = {key: _single(paths) for key, paths in _files(masks, IMAGE_SUFFIXES | {POLYGONS}).items()}
    for left, what in ((image_of.keys() - mask_of.keys(), "images without a mask"),
                       (mask_of.keys() - image_of.keys(), "masks without an image")):  # fmt: skip
        if left:
            notes.append(f"{what} left out: {names_found(sorted(left, key=natural_key))}")
    return _in_order(Still(key, path, mask_of[key]) for key, path in image_of.items() if key in mask_of) or _refuse(
        images, masks
    )


def still_splits(root: Path, folders: Folders) -> tuple[str, ...]:
    """Names of the splits below the folders of images; ``all`` where there are none.

    Raises:
        VosError: No images with masks, or folders that cannot be told apart.
    """
    images, masks = _folder_pair(root, folders)
    splits = [name for name in list_folders(images) if images != masks and _SPLIT_WORDS.match(name)]
    for split in splits or [WHOLE_SPLITS[0]]:
        find_stills(root, split, folders, [])
    return tuple(splits) or (WHOLE_SPLITS[0],)


def _in_order(stills: Iterator[Still]) -> tuple[Still, ...]:
    return tuple(sorted(stills, key=lambda still: natural_key(still.name)))


def _refuse(*folders: Path) -> tuple[Still, ...]:
    where = " and ".join(map(str, folders))
    raise VosError(f"{where}: expected images and masks (or .txt labels) of the same names, found none")


def _folder_pair(base: Path, folders: Folders) -> tuple[Path, Path]:
    """The folders of images and of masks; twice ``base`` where images and masks lie in it side by side."""
    names = list_folders(base)
    mask_like = [name for name in names if _MASK_WORDS.search(name)]
    image_like = [name for name in names if _IMAGE_WORDS.search(name) and name not in mask_like]
    masks = _named(base, folders.masks) or _pick(base, MASK_FOLDERS, names, mask_like, "masks_folder")
    images = _named(base, folders.images) or _pick(base, IMAGE_FOLDERS, names, image_like, "images_folder")
    if images is None and masks is None:
        return base, base
    if images is None or masks is None:
        missing = IMAGE_FOLDERS if images is None else MASK_FOLDERS
        raise VosError(f"{base}: expected a folder {' or '.join(missing)}, found {names_found(names)}")
    return images, masks


def _named(base: Path, name: str) -> Path | None:
    if not name:
        return None
    if not (base / name).is_dir():
        raise VosError(f"{base / name}: expected a folder, found none in {names_found(list_folders(base))}")
    return base / name


def _pick(base: Path, known: Sequence[str], names: Sequence[str], like: Sequence[str], option: str) -> Path | None:
    by_lower = {name.lower(): name for name in names}
    exact = next((by_lower[name.lower()] for name in known if name.lower() in by_lower), None)
    if exact is None and len(like) > 1:
        raise VosError(f"{base}: expected one such folder, found {names_found(like)}; say which with {option}")
    chosen = exact or next(iter(like), None)
    return None if chosen is None else base / chosen


def _inner_split(images: Path, split: str, notes: list[str]) -> str:
    """Name of the folder of a split below the folder of images; empty: all of it."""
    inner = list_folders(images)
    if split in inner:
        return split
    begins = [name for name in inner if split and name.lower().startswith(split.lower())]
    if len(begins) == 1:
        notes.append(f"{images} has no folder {split}: the images are those of {begins[0]}")
        return begins[0]
    _check_whole(images, split, [name for name in inner if _SPLIT_WORDS.match(name)], notes)
    return ""


def _check_whole(folder: Path, split: str, splits: Sequence[str], notes: list[str]) -> None:
    """Refuse a split that can't mean the whole folder."""
    if split not in WHOLE_SPLITS or (splits and split != WHOLE_SPLITS[0]):
        found = names_found([*splits, f"{WHOLE_SPLITS[0]} (the whole folder)"])
        raise VosError(f"{folder}: expected a split {split!r}, found {found}")
    if split != WHOLE_SPLITS[0]:
        notes.append(f"{folder} has no folder {split}: all its images were taken")


def _files(folder: Path, suffixes: frozenset[str]) -> dict[str, list[Path]]:
    """Files below a folder, hidden ones left out, by their paths from there without suffix."""
    if not folder.is_dir():
        raise VosError(f"{folder}: expected a folder, found none")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.suffix.lower() not in suffixes or path.name in _NO_LABELS or not path.is_file():
            continue
        if not any(part.startswith(".") for part in inner.parts):
            found.setdefault(inner.with_suffix("").as_posix(), []).append(path)
    return found


def _single(paths: Sequence[Path]) -> Path:
    if len(paths) > 1:
        raise VosError(f"{paths[0].parent}: expected one file for each name, found {paths[0].name} and {paths[1].name}")
    return paths[0]


def _loose_pair(paths: Sequence[Path]) -> tuple[Path, Path]:
    """Image and mask of one name in one folder: a mask is a PNG beside another format, or a file of polygons."""
    masks = [path for path in paths if path.suffix.lower() == POLYGONS] or [
        path for path in paths if path.suffix.lower() in _LOSSLESS
    ]
    images = [path for path in paths if path not in masks]
    if len(masks) != 1 or len(images) != 1:
        names = names_found([path.name for path in paths])
        raise VosError(f"{paths[0].parent}: expected an image and a PNG or .txt mask of one name, found {names}")
    return images[0], masks[0]
