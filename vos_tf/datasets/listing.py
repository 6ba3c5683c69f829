"""What lies in a folder: images in natural order, safe names, sizes from headers. Reads no pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from vos_tf.errors import VosError
from vos_tf.media.image_files import IMAGE_SUFFIXES, list_images, natural_key
from vos_tf.media.limits import check_pixels
from vos_tf.progress import progress

__all__ = [
    "IMAGE_SUFFIXES",
    "check_name",
    "check_root",
    "image_size",
    "list_folders",
    "list_images",
    "names_found",
    "natural_key",
    "ranked",
    "with_progress",
]


def list_folders(folder: Path) -> tuple[str, ...]:
    """Names of the folders directly in ``folder``, in natural order; none if it is missing.

    Hidden ones are left out, and links that lead back to where they lie.
    """
    if not folder.is_dir():
        return ()
    names = [item.name for item in folder.iterdir() if item.name[0] != "." and item.is_dir() and not leads_back(item)]
    return tuple(sorted(names, key=natural_key))


def leads_back(path: Path) -> bool:
    """Whether a path is a link to a folder that it lies in, so that following it would never end."""
    return path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())


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
        VosError: Missing, no image, or one that is too large to decode.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            width, height = image.size
    except FileNotFoundError:
        raise VosError(f"{path}: expected an image, found no such file") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise VosError(f"{path}: expected an image, found a file that cannot be read ({error})") from None
    check_pixels((height, width), str(path))
    return height, width


def names_found(names: Sequence[str], limit: int = 10) -> str:
    """Names as a phrase for an error message: ``a, b, c and 7 more``; ``none`` when empty."""
    if not names:
        return "none"
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def with_progress(names: Sequence[str], description: str, *, many: int, unit: str = "videos") -> Iterator[str]:
    """The names, one by one; with a progress bar where there are at least ``many``."""
    if len(names) < many:
        yield from names
        return
    with progress(description, len(names), unit) as bar:
        for name in names:
            yield name
            bar.advance()


def ranked(names: Sequence[str], seed: int) -> list[str]:
    """The names in an order that depends on the seed and on each name alone, by SHA-256: a draw everyone can repeat."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
