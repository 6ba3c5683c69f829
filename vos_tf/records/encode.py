"""From frames and masks on disk to encoded frames. Runs in worker processes; no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.types import MaskReader
from vos_tf.errors import VosError
from vos_tf.media.images import read_bytes, resize_image, resize_label_map
from vos_tf.media.label_maps import BACKGROUND, VOID, LabelMap, read_label_map
from vos_tf.records.settings import JPEG_QUALITY

_JPEG_START = b"\xff\xd8\xff"
# Rows as they are, lightly packed: decodes four times as fast as OpenCV's default, at 2 kB for a mask of 256x448.
_PNG_SETTINGS = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # since OpenCV 4.12
    _PNG_SETTINGS += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]


class EncodedMask(NamedTuple):
    """A mask in its stored size.

    Attributes:
        png: Grey PNG of the ids.
        ids: Object ids in it, rising; without background and void.
    """

    png: bytes
    ids: tuple[int, ...]


class FrameTask(NamedTuple):
    """One frame to encode.

    Attributes:
        frame: The image file.
        mask: Its label map on disk, or encoded already; ``None`` where the frame is not annotated.
        single_object: As in `Video`.
        size: ``(H, W)`` on disk.
        stored_size: ``(H, W)`` in the record.
        mask_reader: As in `Video`.
    """

    frame: Path
    mask: Path | EncodedMask | None
    single_object: bool
    size: tuple[int, int]
    stored_size: tuple[int, int]
    mask_reader: MaskReader | None


class EncodedFrame(NamedTuple):
    """One encoded frame: a JPEG, and its mask where the frame is annotated."""

    jpeg: bytes
    mask: EncodedMask | None


def encode_frames(tasks: Sequence[FrameTask]) -> list[EncodedFrame]:
    """Encode several frames.

    Raises:
        VosError: A file cannot be read or has another size than announced.
    """
    return [EncodedFrame(_encode_image(task), _read_mask(task)) for task in tasks]


def encode_mask(labels: LabelMap, stored_size: tuple[int, int]) -> EncodedMask:
    """Resize a label map to the stored size and encode it."""
    labels = resize_label_map(labels, stored_size)
    return EncodedMask(_encoded(".png", labels, _PNG_SETTINGS), present_ids(labels))


def _read_mask(task: FrameTask) -> EncodedMask | None:
    if not isinstance(task.mask, Path):
        return task.mask
    if task.mask_reader is not None:
        labels = task.mask_reader(task.mask, task.size)
    else:
        labels = read_label_map(task.mask, single_object=task.single_object)
    if labels.shape != task.size:
        raise VosError(f"{task.mask}: expected a mask of {_text(task.size)}, found {_text(labels.shape)}")
    return encode_mask(labels, task.stored_size)


def _encode_image(task: FrameTask) -> bytes:
    content = read_bytes(task.frame)
    if task.stored_size == task.size and _is_plain_jpeg(content):
        return content
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None or image.shape[:2] != task.size:
        found = "a file that cannot be decoded" if image is None else _text(image.shape)
        raise VosError(f"{task.frame}: expected an image of {_text(task.size)}, found {found}")
    image = resize_image(image, task.stored_size)
    return _encoded(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def _is_plain_jpeg(content: bytes) -> bool:
    """A JPEG of one or three channels, which every decoder reads alike."""
    if not content.startswith(_JPEG_START):
        return False
    import io

    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return image.format == "JPEG" and image.mode in ("L", "RGB")


def _encoded(kind: str, pixels: NDArray[Any], parameters: list[int]) -> bytes:
    done, content = cv2.imencode(kind, pixels, parameters)
    if not done:
        raise ValueError(f"OpenCV could not encode {pixels.shape} as {kind}")
    return bytes(content)


def present_ids(labels: LabelMap) -> tuple[int, ...]:
    """Object ids that occur in a label map, rising; without background and void."""
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()
    counts[[BACKGROUND, VOID]] = 0
    return tuple(int(value) for value in np.flatnonzero(counts))


def _text(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]}"
