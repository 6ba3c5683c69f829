"""What is seen in one frame or one mask, each decoded once; judged elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vos_tf.errors import VosError
from vos_tf.media.diagnosis import FEWEST_PHANTOMS, thin_values
from vos_tf.media.images import check_whole, header_size, read_bytes
from vos_tf.media.label_maps import VOID, LabelMap, davis_palette

DARK = 48
"""Colours whose strongest channel is below this look black."""
MANY_COLOURS = 4096
"""Colours of a mask beyond which it is taken for a photograph."""
STILL_MEAN, STILL_MOST = 0.6, 12
"""Frames repeat each other if they differ by less than this, on average and anywhere, at a quarter of their size: less
than what a second JPEG compression does, and less than what any motion does."""
NEAR_ENDS = 48
"""A lossy mask of one object has its values this near to 0 or 255 nearly everywhere."""
FEWEST_SHADES = 8
ONE_BYTE = frozenset({"P", "L", "1"})
SIXTEEN_BIT = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
_NEIGHBOURS = np.ones((5, 5), np.uint8)


@dataclass(frozen=True)
class FrameFacts:
    """A frame.

    Attributes:
        path: The file.
        size: ``(H, W)``; ``None`` if it cannot be read.
        fault: Why not.
        repeats: It shows the same as the frame before.
    """

    path: Path
    size: tuple[int, int] | None
    fault: str = ""
    repeats: bool = False


@dataclass(frozen=True)
class MaskFacts:
    """A mask.

    Attributes:
        path: The file.
        size: ``(H, W)``; ``None`` if it cannot be read.
        fault: Why not.
        lossy: It is a JPEG.
        two_valued: Nearly all pixels are nearly black or nearly white.
        mode: Pillow's mode.
        counts: Value to pixels, of a mask of one channel, or of several that are equal.
        phantoms: Values that are only seams between others.
        dark: All that it shows looks black.
        scrambled: The palette has DAVIS' colours, but black is not 0.
        colours: Colours of solid areas as ``0xRRGGBB`` with their pixels, of a coloured or scrambled mask.
        shades: Number of all its values or colours.
    """

    path: Path
    size: tuple[int, int] | None
    fault: str = ""
    lossy: bool = False
    two_valued: bool = False
    mode: str = ""
    counts: tuple[tuple[int, int], ...] = ()
    phantoms: tuple[int, ...] = ()
    dark: bool = False
    scrambled: bool = False
    colours: tuple[tuple[int, int], ...] = ()
    shades: int = 0

    @property
    def shown(self) -> frozenset[int]:
        """All values but 0."""
        return frozenset(value for value, _ in self.counts) - {0}

    @property
    def is_indexed(self) -> bool:
        """It has one channel of 8 bit."""
        return self.mode in ONE_BYTE

    @property
    def is_soft_binary(self) -> bool:
        """It is mostly 0 and 255, with shades between."""
        return is_soft_binary(dict(self.counts))


def what_is_wrong(error: VosError, path: Path) -> str:
    """What was expected of a file and what was found, without its name."""
    return str(error).removeprefix(f"{path}: ")


def frame_facts(paths: Sequence[Path]) -> Iterator[FrameFacts]:
    """Facts of the frames of a video, in order."""
    before: NDArray[np.int16] | None = None
    for path in paths:
        try:
            content = read_bytes(path)
            size = header_size(content, str(path))
            check_whole(content, str(path))
            picture = _small(content)
        except VosError as error:
            yield FrameFacts(path, None, what_is_wrong(error, path))
            continue
        if picture is None:
            yield FrameFacts(path, None, "expected an image, found a file that cannot be decoded")
            continue
        yield FrameFacts(path, size, repeats=before is not None and _same(before, picture))
        before = picture


def _small(content: bytes) -> NDArray[np.int16] | None:
    flags = cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    return None if picture is None else np.asarray(picture, np.int16)


def _same(first: NDArray[np.int16], second: NDArray[np.int16]) -> bool:
    if first.shape != second.shape:
        return False
    difference = np.abs(first - second)
    return bool(difference.mean() < STILL_MEAN and difference.max() <= STILL_MOST)


def mask_facts(path: Path) -> MaskFacts:
    """Facts of a mask."""
    try:
        content = read_bytes(path)
        size = header_size(content, str(path))
        check_whole(content, str(path))
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except VosError as error:
        return MaskFacts(path, None, what_is_wrong(error, path))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        return MaskFacts(path, None, f"expected a whole image, found a damaged one ({error})")
    facts = MaskFacts(path, size, lossy=image.format == "JPEG", mode=image.mode)
    if image.mode in SIXTEEN_BIT:
        values, counts = np.unique(np.asarray(image), return_counts=True)
        pairs = tuple((int(value), int(count)) for value, count in zip(values, counts, strict=True))
        return replace(facts, counts=pairs, shades=len(pairs))
    if image.mode in ONE_BYTE:
        return _indexed_facts(image, facts)
    codes = packed_colours(image)
    grey = grey_values(codes)
    if grey is not None:
        return replace(_value_facts(grey, facts), mode=image.mode)
    colours, shades = _solid_colours(codes)
    return replace(facts, colours=colours, shades=shades, two_valued=_is_two_valued(np.asarray(image.convert("L"))))


def _indexed_facts(image: Image.Image, facts: MaskFacts) -> MaskFacts:
    labels = np.asarray(image, np.uint8)
    facts = _value_facts(labels, facts)
    present = [value for value, _ in facts.counts]
    scrambled = image.mode == "P" and _is_scrambled(image, present)
    return replace(
        facts,
        dark=bool(facts.shown) and all(max(_colour(image, value)) < DARK for value in facts.shown),
        scrambled=scrambled,
        colours=_solid_colours(packed_colours(image))[0] if scrambled else (),
    )


def _value_facts(labels: LabelMap, facts: MaskFacts) -> MaskFacts:
    histogram = np.bincount(labels.ravel(), minlength=VOID + 1)
    counts = tuple((int(value), int(histogram[value])) for value in np.flatnonzero(histogram))
    return replace(
        facts,
        counts=counts,
        phantoms=phantom_values(labels),
        shades=len(counts),
        two_valued=facts.lossy and _is_two_valued(labels),
    )


def _is_two_valued(values: NDArray[np.uint8]) -> bool:
    ends = (values < NEAR_ENDS) | (values >= VOID - NEAR_ENDS)
    return bool(ends.mean() >= 0.95 and (values >= VOID - NEAR_ENDS).any())


def is_soft_binary(counts: Mapping[int, int]) -> bool:
    """Whether most of what a mask shows is 255, with many shades between 0 and that."""
    total = sum(count for value, count in counts.items() if value)
    return len(counts) >= FEWEST_SHADES and counts.get(VOID, 0) >= 0.5 * total


def phantom_values(labels: LabelMap) -> tuple[int, ...]:
    """Values that only occur as seams between two others, or so many thin ones that they can be nothing else."""
    thin = thin_values(labels)
    if not thin:
        return ()
    shown = len(np.unique(labels)) - 1
    if len(thin) >= max(FEWEST_PHANTOMS, shown / 2):
        return thin
    seam = np.isin(labels, thin)
    # Of the areas around: the lowest and the highest value. A seam has two different ones beside it.
    lowest = cv2.erode(np.where(seam, np.uint8(VOID), labels), _NEIGHBOURS)
    highest = cv2.dilate(np.where(seam, np.uint8(0), labels), _NEIGHBOURS)
    between = lowest < highest
    return tuple(value for value in thin if between[labels == value].mean() > 0.9)


def packed_colours(image: Image.Image) -> NDArray[np.uint32]:
    """Colours of an image of several channels as ``0xRRGGBB``, ``(H, W)``; transparent pixels are black."""
    pixels = np.asarray(image.convert("RGBA"), np.uint32)
    codes = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    return np.where(pixels[..., 3] > 0, codes, 0).astype(np.uint32)


def grey_values(codes: NDArray[np.uint32]) -> LabelMap | None:
    """The values of colours without colour, uint8 ``(H, W)``; ``None`` if one has some."""
    red, green, blue = codes >> 16, (codes >> 8) & 255, codes & 255
    return red.astype(np.uint8) if (red == green).all() and (green == blue).all() else None


def solid_areas(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Where a pixel and its eight neighbours are equal, ``(H, W)``."""
    same = np.ones(codes.shape, bool)
    padded = np.pad(codes, 1, mode="edge")
    height, width = codes.shape
    for row in range(3):
        for column in range(3):
            same &= padded[row : row + height, column : column + width] == codes
    return same


def _solid_colours(codes: NDArray[np.uint32]) -> tuple[tuple[tuple[int, int], ...], int]:
    shades = len(np.unique(codes))
    if shades > MANY_COLOURS:
        return (), shades
    colours, counts = np.unique(codes[solid_areas(codes)], return_counts=True)
    return tuple((int(colour), int(count)) for colour, count in zip(colours, counts, strict=True)), shades


def _colour(image: Image.Image, value: int) -> tuple[int, ...]:
    """The colour in which a viewer shows a value."""
    if image.mode == "1":
        return (255 * value,) * 3
    palette = image.getpalette() if image.mode == "P" else None
    if palette is None:
        return (value,) * 3
    return tuple(palette[3 * value : 3 * value + 3]) or (0, 0, 0)


def _is_scrambled(image: Image.Image, present: Sequence[int]) -> bool:
    """Whether an editor saved the colours of ids in an order of its own: black, the background, is not 0."""
    known = {tuple(colour): index for index, colour in enumerate(davis_palette().tolist())}
    ids = [known.get(_colour(image, value)) for value in present]
    return (
        None not in ids
        and len(set(ids)) == len(ids)
        and any((value == 0) != (i == 0) for value, i in zip(present, ids, strict=True))
    )
