"""Masks as run lengths, the way COCO stores them (https://cocodataset.org/#format-data).

Pixels are taken column by column; the counts are lengths of runs of 0 and of 1 in turn, beginning with 0. In a JSON
file they stand as a list of numbers, or packed as text: from the fourth on each count is written as its difference to
the one two places before; five bits at a time, lowest first, make a character (48 + bits, + 32 when more follow).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FIRST_CHARACTER = 48
_MORE, _SIGN, _BITS = 32, 16, 5
_LONGEST = 7  # characters of a count: 35 bits


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Counts of a mask, bool ``(H, W)``.

    >>> run_lengths(np.array([[0, 1], [1, 1]], bool))
    [1, 3]
    """
    flat = np.asarray(mask, np.bool_).T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return [0, *counts] if flat.size and flat[0] else counts


def mask_of(counts: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of counts, bool ``(H, W)``.

    Raises:
        ValueError: The counts are not those of a mask of this size.
    """
    height, width = size
    if any(not isinstance(count, int) or count < 0 for count in counts) or sum(counts) != height * width:
        raise ValueError(f"expected run lengths of {height} x {width} pixels, found {sum(map(int, counts))} pixels")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T


def pack_counts(counts: Sequence[int]) -> str:
    """Counts as text.

    >>> pack_counts([6, 1, 40, 4, 5, 4])
    '61X13mN0'
    """
    characters = []
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            bits = value & (_MORE - 1)
            value >>= _BITS
            # Done when the sign of what was written says the rest: all zeros or all ones.
            more = value != (-1 if bits & _SIGN else 0)
            characters.append(chr(_FIRST_CHARACTER + bits + (_MORE if more else 0)))
    return "".join(characters)


def unpack_counts(text: str) -> list[int]:
    """The counts that a text holds.

    Raises:
        ValueError: It is no such text.
    """
    counts: list[int] = []
    value = length = 0
    for character in text:
        code = ord(character) - _FIRST_CHARACTER
        if not 0 <= code < 2 * _MORE or length == _LONGEST:
            raise ValueError(f"expected packed run lengths, found {text[:20]!r}")
        value |= (code & (_MORE - 1)) << (_BITS * length)
        length += 1
        if code & _MORE:
            continue
        if code & _SIGN:
            value -= 1 << (_BITS * length)
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = length = 0
    if length:
        raise ValueError(f"expected packed run lengths, found {text[-20:]!r} cut short")
    return counts
