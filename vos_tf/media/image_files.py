"""Image files in a folder, in natural order. Reads no pixels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from vos_tf.errors import VosError

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
