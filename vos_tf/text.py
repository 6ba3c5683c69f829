"""Numbers in sentences for users."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """The number and its noun: ``1 video``, ``2 videos``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
