"""Binary masks with 64 pixels in one machine word, so that a whole frame is compared in microseconds.

A `Bitmap` is a rectangle of the image plane, whole words wide; everything outside is 0. It may reach beyond the
image (after dilation), which does no harm: only what two bitmaps share is ever counted.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WORD = 64

Words = NDArray[np.uint64]
"""uint64 ``(rows, words)``: bit ``i`` of word ``j`` is the pixel in column ``64 * j + i``."""


class Bitmap(NamedTuple):
    """A binary mask.

    Attributes:
        top: Image row of its first row.
        left: Image column of its first pixel, in words.
        words: Its pixels.
    """

    top: int
    left: int
    words: Words


EMPTY = Bitmap(0, 0, np.zeros((0, 0), np.uint64))


def pack(mask: NDArray[np.bool_]) -> Bitmap:
    """A bool mask ``(H, W)`` as a bitmap, cut to the rows and words that hold any of it."""
    height, width = mask.shape
    row_bytes = -(-width // WORD) * (WORD // 8)
    packed = np.packbits(mask, axis=1, bitorder="little")
    if packed.shape[1] != row_bytes:
        wide = np.zeros((height, row_bytes), np.uint8)
        wide[:, : packed.shape[1]] = packed
        packed = wide
    words = packed.view("<u8")
    rows = np.flatnonzero(np.bitwise_or.reduce(words, axis=1))
    if rows.size == 0:
        return EMPTY
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(np.bitwise_or.reduce(words[top:bottom], axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return Bitmap(top, left, words[top:bottom, left:right])


def unpack(bitmap: Bitmap, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A bitmap as a bool mask of ``size`` (H, W); what reaches beyond is cut off."""
    height, width = size
    mask = np.zeros((height, -(-width // WORD) * WORD), bool)
    top, left = max(bitmap.top, 0), max(bitmap.left, 0)
    words = bitmap.words[top - bitmap.top : height - bitmap.top, left - bitmap.left :]
    words = words[:, : mask.shape[1] // WORD - left]
    pixels = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    mask[top : top + words.shape[0], left * WORD : left * WORD + pixels.shape[1]] = pixels
    return mask[:, :width]


def count(bitmap: Bitmap) -> int:
    """Number of pixels that are set."""
    return int(np.bitwise_count(bitmap.words).sum(dtype=np.int64))


def count_shared(first: Bitmap, second: Bitmap) -> int:
    """Number of pixels that are set in both."""
    top, left = max(first.top, second.top), max(first.left, second.left)
    bottom = min(first.top + first.words.shape[0], second.top + second.words.shape[0])
    right = min(first.left + first.words.shape[1], second.left + second.words.shape[1])
    if bottom <= top or right <= left:
        return 0
    a, b = (
        bitmap.words[top - bitmap.top : bottom - bitmap.top, left - bitmap.left : right - bitmap.left]
        for bitmap in (first, second)
    )
    return int(np.bitwise_count(a & b).sum(dtype=np.int64))


def boundary(bitmap: Bitmap, size: tuple[int, int]) -> Bitmap:
    """Pixels that differ from their right, lower or lower-right neighbour inside an image of ``size`` (H, W)."""
    height, width = size
    # The boundary may lie one row above and one column before the mask.
    above, before = int(bitmap.top > 0), int(bitmap.left > 0)
    words = np.zeros((bitmap.words.shape[0] + above, bitmap.words.shape[1] + before), np.uint64)
    words[above:, before:] = bitmap.words
    top, left = bitmap.top - above, bitmap.left - before
    inner = _columns_before(width - 1)[left : left + words.shape[1]]  # the last column has no right neighbour
    right = _moved(words, -1)
    edges = (words ^ right) & inner
    edges[:-1] |= (words[:-1] ^ words[1:]) | ((words[:-1] ^ right[1:]) & inner)
    if top + words.shape[0] < height:  # below the last row of the mask there is nothing, unless the image ends
        edges[-1:] |= words[-1:]
    return Bitmap(top, left, edges)


def dilate(bitmap: Bitmap, radius: int) -> Bitmap:
    """All pixels within ``radius`` of a set one: dilation with the disk ``x^2 + y^2 <= radius^2``."""
    rows, columns = bitmap.words.shape
    side = -(-radius // WORD)
    wide = np.zeros((rows, columns + 2 * side), np.uint64)
    wide[:, side : side + columns] = bitmap.words
    result = np.zeros((rows + 2 * radius, columns + 2 * side), np.uint64)
    reach = 0
    for half_width, distances in _disk(radius):
        while reach < half_width:  # a run of 2 * reach + 1 pixels can be moved by as much without a gap
            step = min(half_width - reach, 2 * reach + 1, WORD - 1)
            after, before = _moved(wide, step), _moved(wide, -step)
            wide |= after
            wide |= before
            reach += step
        for distance in distances:
            for start in {radius - distance, radius + distance}:
                result[start : start + rows] |= wide
    return Bitmap(bitmap.top - radius, bitmap.left - side, result)


@lru_cache(maxsize=32)
def _disk(radius: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Half widths of the disk, rising, each with the distances from its middle row at which it has that width."""
    rows: dict[int, list[int]] = {}
    for distance in range(radius, -1, -1):
        rows.setdefault(math.isqrt(radius * radius - distance * distance), []).append(distance)
    return tuple((half_width, tuple(distances)) for half_width, distances in rows.items())


@lru_cache(maxsize=32)
def _columns_before(column: int) -> Words:
    """A row of words with the first ``column`` pixels set, and one more word that is 0."""
    words = np.zeros(column // WORD + 2, np.uint64)
    words[: column // WORD] = np.uint64(2**WORD - 1)
    words[column // WORD] = np.uint64((1 << (column % WORD)) - 1)
    return words


def _moved(words: Words, by: int) -> Words:
    """Every row moved ``by`` pixels to the right (negative: to the left), 0 coming in; 1 to 63."""
    amount, carried = np.uint64(abs(by)), np.uint64(WORD - abs(by))
    if by > 0:
        result = words << amount
        result[:, 1:] |= words[:, :-1] >> carried
    else:
        result = words >> amount
        result[:, :-1] |= words[:, 1:] << carried
    return result
