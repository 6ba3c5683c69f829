"""Label maps on disk: indexed PNG with the DAVIS palette. The only place that reads or writes one.

A label map is uint8 ``(H, W)``: 0 background, 1..254 object ids as the data set gives them, 255 void
(ground truth only).
"""

from __future__ import annotations

import struct
import zlib
from itertools import starmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vos_tf.errors import VosError
from vos_tf.files import write_bytes
from vos_tf.media.limits import check_pixels

LabelMap = NDArray[np.uint8]
"""uint8 ``(H, W)``: 0 background, 1..254 object ids, 255 void."""

_PNG_START = b"\x89PNG\r\n\x1a\n"
_INDEXED, _UP = 3, 2  # colour type and filter (PNG specification)
BACKGROUND = 0
VOID = 255
MAX_OBJECT_ID = 254


def davis_palette() -> NDArray[np.uint8]:
    """The palette of DAVIS and PASCAL VOC, uint8 ``(256, 3)`` RGB: the bits of the index, dealt out to R, G, B."""
    index = np.arange(256)
    palette = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
    return palette.astype(np.uint8)


_PALETTE = davis_palette().tobytes()


def object_ids(labels: LabelMap) -> tuple[int, ...]:
    """Ids of the objects that a label map shows, rising; background and void are left out.

    Examples:
        >>> object_ids(np.array([[0, 3], [255, 1]], np.uint8))
        (1, 3)
    """
    counts = np.bincount(labels.ravel(), minlength=VOID + 1)
    return tuple(int(value) for value in np.flatnonzero(counts[1:VOID]) + 1)


def encode_label_map(labels: LabelMap) -> bytes:
    """The label map as the bytes of an indexed PNG with the DAVIS palette.

    Raises:
        ValueError: ``labels`` is not uint8 of rank 2.
    """
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f"a label map is uint8 (H, W); received {labels.dtype} {labels.shape}")
    height, width = labels.shape
    # Each row as its difference from the one above (filter 2): half the time of Pillow, which has no filters for
    # indices, and smaller files.
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = _UP
    rows[:, 1:] = labels
    rows[1:, 1:] -= labels[:-1]
    header = struct.pack(">IIBBBBB", width, height, 8, _INDEXED, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", _PALETTE),
        (b"IDAT", _compressed(rows.tobytes())),
        (b"IEND", b""),
    )
    return _PNG_START + b"".join(starmap(_chunk, chunks))


def _compressed(content: bytes) -> bytes:
    """Run lengths alone: label maps hold little else, and nothing longer has to be searched for."""
    packer = zlib.compressobj(strategy=zlib.Z_RLE)
    return packer.compress(content) + packer.flush()


def _chunk(kind: bytes, content: bytes) -> bytes:
    """A piece of a PNG file: length, kind, content, checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def write_label_map(path: Path, labels: LabelMap) -> None:
    """Write ``labels`` to ``path`` as indexed PNG, whole or not at all."""
    write_bytes(path, encode_label_map(labels))


def read_label_map(path: Path, *, single_object: bool = False) -> LabelMap:
    """Read a label map: palette indices of an indexed PNG, or the values of a grey one.

    Args:
        path: The PNG file.
        single_object: Read as one foreground object, as DAVIS-2016 does: every value but 0 becomes id 1. Only
            then are images with several channels accepted (any channel that is not 0 is foreground).

    Returns:
        uint8 ``(H, W)``.

    Raises:
        VosError: The file is missing, too large, cannot be decoded, or is no label map (RGB, 16 bit).
    """
    try:
        with Image.open(path) as image:
            check_pixels(image.size[::-1], str(path))
            image.load()
    except FileNotFoundError:
        raise VosError(f"{path}: expected a mask, found no such file") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise VosError(f"{path}: expected a PNG label map, found a file that cannot be decoded ({error})") from None
    if single_object:
        values = np.asarray(image.convert("RGB") if image.mode in ("RGBA", "LA", "PA") else image)
        foreground = np.any(values, axis=-1) if values.ndim == 3 else np.not_equal(values, 0)
        return np.asarray(foreground, dtype=np.uint8)
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    if image.mode not in ("P", "L"):
        raise VosError(f"{path}: expected an indexed or grey PNG with object ids, found mode {image.mode}")
    return np.array(image, dtype=np.uint8)
