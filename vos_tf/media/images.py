"""Colour images: reading, writing and resizing. uint8 RGB ``(H, W, 3)`` throughout.

A turn noted in EXIF is ignored everywhere, so that frames and masks keep their stored orientation.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vos_tf.errors import VosError
from vos_tf.files import write_bytes
from vos_tf.media.label_maps import LabelMap
from vos_tf.media.limits import MAX_PIXELS, check_pixels

RGBImage = NDArray[np.uint8]
"""uint8 ``(H, W, 3)``, RGB."""

LARGEST_DISTORTION = 0.02
"""Relative difference of proportions up to which an image is taken for another at another scale; sizes were rounded."""

_PNG_END = b"IEND\xaeB`\x82"
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG_START = b"\x89PNG"


def header_size(content: bytes, name: str) -> tuple[int, int]:
    """``(H, W)`` of an encoded image, from its header alone.

    Args:
        content: The file's bytes; the beginning is enough.
        name: What to call it in an error.

    Raises:
        VosError: No image, or one of more than `MAX_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except Image.DecompressionBombError:
        raise VosError(f"{name}: expected at most {MAX_PIXELS} pixels, found more") from None
    except UnidentifiedImageError:  # its own words name an object in memory, not the file
        raise VosError(f"{name}: expected an image, found a file that is none, or damaged") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise VosError(f"{name}: expected an image, found a file that cannot be decoded ({error})") from None
    check_pixels((height, width), name)
    return height, width


def ends_whole(content: bytes) -> bool:
    """Whether the bytes of a JPEG or PNG end as such a file must; ``False`` also for formats without an end mark."""
    if content.startswith(_JPEG_START):
        return content.endswith(_JPEG_END)
    return content.startswith(_PNG_START) and content.endswith(_PNG_END)


def check_whole(content: bytes, name: str) -> None:
    """Make sure that an encoded image is not cut short: the end mark where there is one, else a strict decoding.

    Raises:
        VosError: It is cut short or cannot be decoded.
    """
    if ends_whole(content):
        return
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise VosError(f"{name}: expected a whole image, found a damaged one ({error})") from None


def decode_image(content: bytes, name: str = "image") -> RGBImage:
    """Decode a JPEG, PNG, BMP or WebP image to uint8 RGB ``(H, W, 3)``; alpha is dropped, 16 bit becomes 8.

    Args:
        content: The file's bytes.
        name: What to call it in an error.

    Raises:
        VosError: No image, cut short, or of more than `MAX_PIXELS`.
    """
    header_size(content, name)
    check_whole(content, name)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if image is None:
        raise VosError(f"{name}: expected an image, found a file that cannot be decoded")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        VosError: Missing or not readable.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise VosError(f"{path}: expected an image, found no such file") from None
    except OSError as error:
        raise VosError(f"{path}: expected an image, found a file that cannot be read ({error.strerror})") from None


def read_image(path: Path) -> RGBImage:
    """Read an image file as uint8 RGB ``(H, W, 3)``; see `decode_image`."""
    return decode_image(read_bytes(path), str(path))


def encode_image(image: RGBImage, suffix: str = ".jpg", quality: int = 95) -> bytes:
    """Encode uint8 RGB ``(H, W, 3)``.

    Args:
        image: The image.
        suffix: ``.jpg``, ``.jpeg`` or ``.png``.
        quality: Of a JPEG, 1..100.

    Raises:
        ValueError: Another shape, type or suffix.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"an image is uint8 (H, W, 3); received {image.dtype} {image.shape}")
    suffix = suffix.lower()
    if suffix not in (".jpg", ".jpeg", ".png"):
        raise ValueError(f"images are written as .jpg, .jpeg or .png; received {suffix!r}")
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, encoded = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return bytes(encoded.tobytes())


def write_image(path: Path, image: RGBImage, quality: int = 95) -> None:
    """Write uint8 RGB ``(H, W, 3)`` as JPEG or PNG by the suffix of ``path``, whole or not at all."""
    write_bytes(path, encode_image(image, path.suffix, quality))


def resize_image(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize an image, antialiased: area averages along axes that shrink, bilinear along axes that grow.

    Args:
        image: uint8 or float32, ``(H, W)`` or ``(H, W, C)``.
        size: The new ``(H, W)``.
    """
    height, width = size
    smaller = min(height, image.shape[0]), min(width, image.shape[1])
    result = image
    if smaller != image.shape[:2]:
        result = cv2.resize(result, smaller[::-1], interpolation=cv2.INTER_AREA)
    if size != smaller:
        result = cv2.resize(result, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(result).reshape(*size, *image.shape[2:])


def same_proportions(found: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether two sizes ``(H, W)`` are those of one picture at two scales, but for rounding."""
    rows, columns = found[0] / size[0], found[1] / size[1]
    # Half a pixel of rounding on either side is no distortion.
    rounding = 1 / min(*found, *size)
    return abs(rows - columns) <= (LARGEST_DISTORTION + rounding) * max(rows, columns)


def resize_label_map(labels: LabelMap, size: tuple[int, int]) -> LabelMap:
    """Resize a label map to ``(H, W)``; pixel i takes the id at its centre, ``floor((i + 0.5) * old / new)``."""
    if labels.shape == size:
        return labels
    # In whole numbers: OpenCV's INTER_NEAREST_EXACT rounds centres that fall between two pixels the other way.
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for old, new in zip(labels.shape, size, strict=True))
    return np.asarray(labels.take(rows, axis=0).take(columns, axis=1), np.uint8)
