"""What lies in a folder: images in natural order, safe names, sizes from headers. Reads no pixels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath

from vos_tf.errors import VosError
from vos_tf.progress import progress

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
"""Suffixes of images, in lower case; case does not matter on disk."""

_DIGITS = re.compile(r"(\d+)")


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts numbers inside names by value: ``frame9`` before ``frame10``, numbers before letters.

    Names that differ only in leading zeros are told apart, so that the order is total.

    >>> sorted(["b10", "b9", "a", "b09"], key=natural_key)
    ['a', 'b09', 'b9', 'b10']
    """
    pieces = [piece for piece in _DIGITS.split(text) if piece]
    key = [(1, int(piece), "") if piece.isdecimal() else (2, 0, piece) for piece in pieces]
    return (*key, (0, 0, text))


def list_images(folder: Path, suffixes: Iterable[str] = IMAGE_SUFFIXES) -> tuple[Path, ...]:
    """Image files directly in ``folder``, in natural order of their stems; hidden files are left out.

    Raises:
        VosError: No such folder, or two images with the same stem.
    """
    wanted = frozenset(suffixes)
    try:
        files = [path for path in folder.iterdir() if path.suffix.lower() in wanted and path.name[0] != "."]
    except (FileNotFoundError, NotADirectoryError):
        raise VosError(f"{folder}: expected a folder of images, found none") from None
    files.sort(key=lambda path: natural_key(path.stem))
    for before, after in pairwise(files):
        if before.stem == after.stem:
            raise VosError(f"{folder}: expected one image for each name, found {before.name} and {after.name}")
    return tuple(files)


def list_folders(folder: Path) -> tuple[str, ...]:
    """Names of the folders directly in ``folder``, in natural order, without hidden ones; none if it is missing."""
    if not folder.is_dir():
        return ()
    names = [item.name for item in folder.iterdir() if item.name[0] != "." and item.is_dir()]
    return tuple(sorted(names, key=natural_key))


def check_name(name: str, source: Path) -> str:
    """``name``, a video's name out of a list or ``meta.json``, when it stays within the data set's folder.

    Raises:
        VosError: It is empty, absolute, or climbs out with ``..``.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or name.startswith("\\")
    if not parts or absolute or ".." in parts or "\0" in name:
        raise VosError(f"{source}: expected names of videos inside the data set, found {name!r}")
    return name


def check_root(root: Path) -> None:
    """Raise a VosError unless ``root`` is a folder."""
    if not root.is_dir():
        raise VosError(f"{root}: expected the folder of a data set, found {'a file' if root.exists() else 'nothing'}")


def image_size(path: Path) -> tuple[int, int]:
    """``(H, W)`` of an image, from its header; a turn noted in EXIF is ignored, as everywhere.

    Raises:
        VosError: Missing, or no image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            width, height = image.size
    except FileNotFoundError:
        raise VosError(f"{path}: expected an image, found no such file") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise VosError(f"{path}: expected an image, found a file that cannot be read ({error})") from None
    return height, width


def names_found(names: Sequence[str], limit: int = 10) -> str:
    """Names as a phrase for an error message: ``a, b, c and 7 more``; ``none`` when empty."""
    if not names:
        return "none"
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def announced(names: Sequence[str], description: str, *, many: int, unit: str = "videos") -> Iterator[str]:
    """The names, one by one; with a progress bar where there are at least ``many``."""
    if len(names) < many:
        yield from names
        return
    with progress(description, len(names), unit) as bar:
        for name in names:
            yield name
            bar.advance()
