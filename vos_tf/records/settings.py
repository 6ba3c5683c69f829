"""What a folder of records is written with, and how the command line names it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vos_tf.errors import VosError

SCHEMA_VERSION = 1
JPEG_QUALITY = 95
MAX_CHUNK_FRAMES = 300
MAX_CHUNK_BYTES = 64 << 20
SHARD_BYTES = 150 << 20
BYTES_PER_PIXEL = 0.5
"""Bytes of a JPEG of quality 95 for every pixel, about; only the sizes of chunks and shards are planned with it."""


@dataclass(frozen=True)
class StoredSize:
    """The rule that gives the size of the stored frames.

    Attributes:
        exact: ``(H, W)`` that every video is resized to, or ``None``.
        short_side: Length of the shorter side; the aspect stays, and smaller videos stay as they are. ``None``
            together with ``exact`` ``None`` means the videos' own size.
    """

    exact: tuple[int, int] | None = None
    short_side: int | None = None

    def __str__(self) -> str:
        if self.exact:
            return f"{self.exact[0]}x{self.exact[1]}"
        return f"short:{self.short_side}" if self.short_side else "native"

    def of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Stored ``(H, W)`` of a video of ``size`` ``(H, W)``."""
        if self.exact:
            return self.exact
        if self.short_side is None or min(size) <= self.short_side:
            return size
        height, width = (max(1, round(side * self.short_side / min(size))) for side in size)
        return height, width


def parse_stored_size(text: str) -> StoredSize:
    """Read ``256x448`` (height x width), ``native`` or ``short:480``.

    Examples:
        >>> parse_stored_size("short:480").of((720, 1280))
        (480, 853)

    Raises:
        VosError: The text is none of these.
    """
    if text == "native":
        return StoredSize()
    if match := re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text):
        return StoredSize(exact=(int(match[1]), int(match[2])))
    if match := re.fullmatch(r"short:([1-9]\d{0,4})", text):
        return StoredSize(short_side=int(match[1]))
    raise VosError(f"--size {text}: expected HEIGHTxWIDTH such as 256x448, short:480 or native")


@dataclass(frozen=True)
class RecordSettings:
    """Settings that decide the bytes of the records.

    Attributes:
        size: Rule for the stored size.
        shards: Number of shard files; ``None``: as many as give about 150 MB each.
    """

    size: StoredSize = StoredSize()
    shards: int | None = None

    def __post_init__(self) -> None:
        if self.shards is not None and self.shards < 1:
            raise VosError(f"--shards {self.shards}: expected 1 or more")
