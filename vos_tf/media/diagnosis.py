"""What is wrong with one frame or one mask. Finds the faults that users' files have; mends nothing."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vos_tf.errors import Problem, VosError
from vos_tf.media.images import check_whole, header_size, read_bytes
from vos_tf.media.label_maps import BACKGROUND, MAX_OBJECT_ID, VOID, LabelMap

FEWEST_PHANTOMS = 4
"""Thin ids from which on a mask counts as antialiased when its ids were not declared."""
MOST_TINY = 16
"""Largest number of objects without 3x3 pixels that a mask is thought to have."""
MAX_NAMED_IDS = 8
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_GREY_OR_INDEXED = frozenset({"P", "L", "1"})
_SIXTEEN_BIT = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})


class _Decoded(NamedTuple):
    """A mask as it lies on disk: its format, Pillow's mode and the stored values ``(H, W)`` or ``(H, W, C)``."""

    format: str
    mode: str
    values: NDArray[np.generic]


def diagnose_frame(path: Path, size: tuple[int, int]) -> list[Problem]:
    """Problems of one frame: missing, no image, cut short, another size than its video.

    Cheap: the header gives the size, the end mark shows that the file is whole; pixels are decoded only when the
    end mark is not where it should be.

    Args:
        path: The image file.
        size: ``(H, W)`` of the video.
    """
    try:
        content = read_bytes(path)
        found = header_size(content, str(path))
        check_whole(content, str(path))
    except VosError as error:
        return [_unreadable(path, "an image", error)]
    return _size_problems(path, found, size, "its video")


def diagnose_mask(
    path: Path,
    *,
    frame_size: tuple[int, int],
    declared_ids: Collection[int],
    single_object: bool,
    introduces: Collection[int] = (),
) -> list[Problem]:
    """Problems of one mask, the most basic first; what hides the others is reported alone.

    Args:
        path: The mask file.
        frame_size: ``(H, W)`` of its frame.
        declared_ids: Ids of the video's objects (``single_object``: not looked at).
        single_object: Every value but 0 means one object, id 1.
        introduces: Ids that this mask has to show, because it is the first mask of those objects.
    """
    return inspect_mask(
        path,
        frame_size=frame_size,
        declared_ids=declared_ids,
        single_object=single_object,
        introduces=introduces,
    )[0]


def inspect_mask(
    path: Path,
    *,
    frame_size: tuple[int, int],
    declared_ids: Collection[int],
    single_object: bool,
    introduces: Collection[int] = (),
) -> tuple[list[Problem], LabelMap | None]:
    """What `diagnose_mask` finds, and the label map that was decoded for it.

    Returns:
        The problems, and what `read_label_map` gives; ``None`` where there are problems.
    """
    try:
        mask = _decode(path)
    except VosError as error:
        return [_unreadable(path, "a PNG label map", error)], None
    problems = _size_problems(path, mask.values.shape[:2], frame_size, "its frame")
    if mask.format == "JPEG":
        problems.append(Problem(str(path), "a lossless PNG", "a JPEG, which smears ids at edges"))
    elif single_object:
        problems += _single_object_problems(path, mask, introduces)
    elif mask.mode not in _GREY_OR_INDEXED:
        problems.append(Problem(str(path), "an indexed or grey PNG with object ids", _describe_mode(mask)))
    else:
        values = np.asarray(mask.values, np.uint8)
        problems += _id_problems(path, values, frozenset(declared_ids), frozenset(introduces))
    if problems:
        return problems, None
    return [], _foreground(mask) if single_object else np.asarray(mask.values, np.uint8)


def _foreground(mask: _Decoded) -> LabelMap:
    return np.asarray(_strongest_channel(mask) != 0, np.uint8)


def _strongest_channel(mask: _Decoded) -> NDArray[np.generic]:
    """The values of a grey mask, or of several colour channels the largest; without alpha."""
    if mask.values.ndim == 2:
        return mask.values
    colours = mask.values[..., :-1] if mask.mode in ("RGBA", "LA", "PA") else mask.values
    return np.asarray(colours.max(axis=-1))


def _decode(path: Path) -> _Decoded:
    content = read_bytes(path)
    try:
        header_size(content, str(path))
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return _Decoded(image.format or "", image.mode, np.asarray(image))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise VosError(f"{path}: expected a mask, found a damaged file ({error})") from None


def _unreadable(path: Path, expected: str, error: VosError) -> Problem:
    return Problem(str(path), expected, str(error).rpartition(" found ")[2])


def _size_problems(path: Path, found: tuple[int, ...], wanted: tuple[int, int], owner: str) -> list[Problem]:
    if tuple(found) == tuple(wanted):
        return []
    expected = f"{wanted[0]} x {wanted[1]} pixels (height x width) as {owner}"
    return [Problem(str(path), expected, f"{found[0]} x {found[1]}")]


def _describe_mode(mask: _Decoded) -> str:
    if mask.mode in _SIXTEEN_BIT:
        return f"16 bit or more per pixel (mode {mask.mode})"
    pixels = mask.values.reshape(-1, mask.values.shape[-1])[:, : 3 if mask.mode.startswith("RGB") else 1]
    codes = pixels.astype(np.uint32) @ (256 ** np.arange(pixels.shape[1], dtype=np.uint32))
    colours = len(np.unique(codes))
    soft = len(thin_values(np.asarray(mask.values[..., : pixels.shape[1]].max(axis=-1), np.uint8)))
    hint = ", antialiased at edges" if soft >= FEWEST_PHANTOMS else ""
    return f"mode {mask.mode} with {colours} colours{hint}"


def _single_object_problems(path: Path, mask: _Decoded, introduces: Collection[int]) -> list[Problem]:
    """A soft edge would grow the object, since every value but 0 counts."""
    values = _strongest_channel(mask)
    if introduces and not values.any():
        return [Problem(str(path), "the object in its first mask", "an empty mask")]
    if mask.mode in _SIXTEEN_BIT:
        return [Problem(str(path), "8 bit per pixel", _describe_mode(mask))]
    grey = np.asarray(values, np.uint8)
    phantoms = thin_values(grey)
    if len(phantoms) < FEWEST_PHANTOMS:
        return []
    count = int(np.isin(grey, phantoms).sum())
    return [
        Problem(str(path), "two values, background and object", f"antialiased edges: {len(phantoms)} further values "
                f"on {count} pixels; apply a threshold")
    ]  # fmt: skip


def _id_problems(path: Path, labels: LabelMap, declared: frozenset[int], introduces: frozenset[int]) -> list[Problem]:
    counts = np.bincount(labels.ravel(), minlength=VOID + 1)
    shown = frozenset(int(value) for value in np.flatnonzero(counts[1:VOID]) + 1)
    name = str(path)
    problems = []
    phantoms = frozenset(thin_values(labels))
    if len(phantoms) < max(FEWEST_PHANTOMS, len(shown) / 2):
        phantoms -= declared
    if shown == phantoms and counts[VOID] and declared:
        edges = " with soft edges" if phantoms else ""
        found = f"only 0 and {VOID}{edges}: a binary mask, in which {VOID} would mean void"
        problems.append(Problem(name, f"object ids 1..{MAX_OBJECT_ID}", found))
    if phantoms:
        pixels = int(counts[sorted(phantoms)].sum())
        found = f"antialiased edges: {len(phantoms)} phantom ids on {pixels} pixels along edges ({_ids(phantoms)})"
        problems.append(Problem(name, "hard edges between ids", found))
    foreign = shown - declared - phantoms
    if foreign:
        pixels = int(counts[sorted(foreign)].sum())
        expected = f"the ids of its video ({_ids(declared) or 'none'})"
        problems.append(Problem(name, expected, f"id {_ids(foreign)} on {pixels} pixels"))
    missing = introduces - shown
    if missing:
        expected = f"object {_ids(missing)}, which this mask introduces"
        problems.append(Problem(name, expected, f"id {_ids(shown)}" if shown else "an empty mask"))
    return problems


def _ids(ids: Collection[int]) -> str:
    named = sorted(ids)[:MAX_NAMED_IDS]
    more = len(ids) - len(named)
    return ", ".join(map(str, named)) + (f" and {more} more" if more else "")


def thin_values(labels: LabelMap) -> tuple[int, ...]:
    """Values that only occur as a thin seam: nowhere 3x3 pixels of them, always beside larger regions.

    This is what antialiasing or a re-quantised palette leaves along the edge between two ids. Where there are more than
    `MOST_TINY` values without 3x3 pixels, edges are so soft that all of these count, however far from larger regions.
    """
    # OpenCV's histogram takes a third of the time of NumPy's, and most masks need no more than it.
    present = np.flatnonzero(cv2.calcHist([labels], [0], None, [VOID + 1], [0, VOID + 1]))
    if len(present) <= 2:
        return ()
    # A pixel is inside its region when all its neighbours have its value.
    same = cv2.erode(labels, _NEIGHBOURS) == cv2.dilate(labels, _NEIGHBOURS)
    solid = frozenset(np.unique(labels[same]).tolist())
    thin = [int(value) for value in present if int(value) not in solid and value not in (BACKGROUND, VOID)]
    if len(thin) > MOST_TINY:
        return tuple(thin)
    if not thin or len(solid) < 2:
        return ()
    solid_map = np.isin(labels, sorted(solid)).astype(np.uint8)
    reached = cv2.dilate(solid_map, np.ones((5, 5), np.uint8)) > 0
    return tuple(value for value in thin if reached[labels == value].all())
