"""Numbers in the names of frames: their step, what is missing between them, and new ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

MOST_IRREGULAR = 0.4
"""Share of irregular steps beyond which the numbers are taken for something else, such as times."""
_NUMBER = re.compile(r"\d+")
_DIGITS = 5


class Gap(NamedTuple):
    """Frames that are missing between two names."""

    before: str
    after: str
    missing: int


def numbers_of(names: Sequence[str]) -> list[int] | None:
    """The last number in each name, rising; ``None`` where they do not number the names."""
    found = [_NUMBER.findall(name) for name in names]
    if not all(found):
        return None
    numbers = [int(digits[-1]) for digits in found]
    return numbers if all(a < b for a, b in pairwise(numbers)) else None


def usual_step(images: Sequence[Path] | Sequence[str]) -> int:
    """The most frequent difference of the numbers of frames; 1 where there are no numbers."""
    numbers = numbers_of([item if isinstance(item, str) else item.stem for item in images])
    if numbers is None or len(numbers) < 2:
        return 1
    steps = Counter(b - a for a, b in pairwise(numbers))
    return max(steps, key=lambda step: (steps[step], -step))


def gaps(names: Sequence[str]) -> tuple[Gap, ...]:
    """Where frames are missing, by the numbers in the names; none where those do not count frames."""
    numbers = numbers_of(names)
    if numbers is None or len(numbers) < 3:
        return ()
    step = usual_step(names)
    found = [
        Gap(before, after, (second - first) // step - 1)
        for (before, after), (first, second) in zip(pairwise(names), pairwise(numbers), strict=True)
        if second - first != step
    ]
    regular = all((second - first) % step == 0 for first, second in pairwise(numbers))
    return tuple(found) if regular and len(found) <= MOST_IRREGULAR * (len(names) - 1) else ()


def sorts_as_text(names: Sequence[str]) -> bool:
    """Whether tools that sort names letter by letter get the same order."""
    return list(names) == sorted(names)


def new_names(count: int, step: int) -> tuple[str, ...]:
    """``00000``, ``00001``, ... or in larger steps."""
    digits = max(_DIGITS, len(str(step * max(0, count - 1))))
    return tuple(f"{step * index:0{digits}d}" for index in range(count))
