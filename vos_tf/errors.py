"""Errors that a user can cause: one clear sentence each, never a traceback on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class VosError(Exception):
    """Something the user can put right. The message is one sentence: where, what was expected, what was found."""


class IncompleteError(VosError):
    """Input that ended before its end: what was made of it up to there is whole, and kept. Exit code 3."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data set or a results folder.

    Attributes:
        file: The file or folder, as the user knows it.
        expected: What should be there.
        found: What is there.
        video: Name of the video it belongs to; empty when it concerns the whole data set.
    """

    file: str
    expected: str
    found: str
    video: str = ""

    def __str__(self) -> str:
        return f"{self.file}: expected {self.expected}, found {self.found}"


class ProblemsError(VosError):
    """All problems found in one go, so that the user can mend them in one go."""

    def __init__(self, headline: str, problems: Sequence[Problem]) -> None:
        self.headline = headline
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{headline}\n{lines}")
