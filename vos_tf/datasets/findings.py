"""What the doctor finds: one small record for each thing that is wrong, with the repair it proposes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["fault", "remark"]
"""A fault stops preprocessing, or is read in another way than it is meant; a remark misleads people or other tools."""

KINDS = {
    "outside": "names or links that lead out of the data set",
    "list": "lists that do not fit the files",
    "layout": "a layout of its own",
    "frames": "no frames",
    "damaged": "files that cannot be read",
    "frame size": "frames of other sizes",
    "missing frames": "missing frames",
    "order": "frames out of order",
    "duplicate frames": "duplicate frames",
    "frame rate": "a wrong frame rate",
    "masks": "no masks",
    "names": "masks that are not named like their frames",
    "colours": "masks in colours instead of ids",
    "palette": "masks with a scrambled palette",
    "lossy": "masks saved as JPEG",
    "deep": "masks of 16 bit",
    "soft": "antialiased masks and phantom ids",
    "binary": "masks of 0 and 255 instead of ids",
    "black": "masks that look black",
    "mask size": "masks of other sizes than their frames",
    "empty first mask": "empty first masks",
    "objects": "no object at all",
    "late objects": "objects that the first mask does not show",
    "ids": "ids with gaps",
    "stray": "files that belong to nothing",
}
"""Kinds of findings, the most basic first, and what each is called."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: One of `KINDS`.
        level: How bad it is.
        file: The first file or folder concerned, below the data set's folder.
        words: What is wrong, in plain words.
        repair: What a repaired copy has instead, or what is lost.
        split: The split it belongs to; empty: the whole data set.
        video: The video it belongs to; empty: the whole split.
        count: How many files are concerned.
    """

    kind: str
    level: Level
    file: str
    words: str
    repair: str
    split: str = ""
    video: str = ""
    count: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a kind of finding is one of {', '.join(KINDS)}; received {self.kind!r}")

    def as_json(self) -> dict[str, Any]:
        """As a report keeps it."""
        return asdict(self)


def in_order(findings: list[Finding] | tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Faults first, then by kind, basic ones first; within a kind in the order in which they were found."""
    places = {kind: place for place, kind in enumerate(KINDS)}
    return tuple(sorted(findings, key=lambda item: (item.level != "fault", places[item.kind])))
