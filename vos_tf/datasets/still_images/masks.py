"""Masks of still images as people have them: binary or with ids, smooth at edges, of another size than the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vos_tf.config import one_of
from vos_tf.datasets.still_images.polygons import Rendered, read_polygons, render_instances
from vos_tf.errors import VosError
from vos_tf.media.diagnosis import thin_values
from vos_tf.media.images import resize_label_map, same_proportions
from vos_tf.media.label_maps import MAX_OBJECT_ID, VOID, LabelMap
from vos_tf.media.limits import check_pixels

POLYGONS = ".txt"
"""Suffix of a file of polygons."""
KINDS = ("auto", "binary", "ids")
HALF = 128
MANY_VALUES = 64
"""From here on the values of a mask are shades, not ids, if a quarter of what it shows is white."""
WHITE = 250


@dataclass(frozen=True)
class StillMaskReader:
    """Reads the mask or the polygons of a still image.

    Attributes:
        kind: ``binary``: a mask shows one object, where it has at least half of its greatest possible value. ``ids``:
            its values are object ids. ``auto``: whichever it is, mask by mask, see `read_mask_image`.
        min_area: Smallest area of an object as a share of the image; smaller ones become void.
    """

    kind: str = "auto"
    min_area: float = 0.0

    def __post_init__(self) -> None:
        one_of(f"masks {self.kind!r}", self.kind, KINDS)
        if not 0 <= self.min_area < 1:
            raise VosError(f"min_area {self.min_area}: expected a share of the image, 0 to 1")

    def __call__(self, path: Path, size: tuple[int, int]) -> LabelMap:
        """The label map of an image of ``size`` ``(H, W)``."""
        return self.describe(path, size).labels

    def describe(self, path: Path, size: tuple[int, int]) -> Rendered:
        """The label map of an image of ``size`` ``(H, W)``, and the classes of its ids where they are known.

        Raises:
            VosError: The file is missing, no mask, or one of other proportions than the image.
        """
        if path.suffix.lower() == POLYGONS:
            return render_instances(read_polygons(path), size, self.min_area)
        labels = read_mask_image(path, self.kind)
        _check_proportions(path, labels.shape, size)
        labels = resize_label_map(labels, size)
        counts = np.bincount(labels.ravel(), minlength=VOID + 1)[:VOID]
        shown = np.flatnonzero(counts[1:]) + 1
        small = shown[counts[shown] < self.min_area * labels.size]
        if len(small):
            labels = np.where(np.isin(labels, small), np.uint8(VOID), labels)
        return Rendered(labels, {int(key): None for key in shown if key not in small}, len(small))


def read_mask_image(path: Path, kind: str = "auto") -> LabelMap:
    """Read a mask in its own size.

    With ``auto``, it is binary if it shows nothing but 0 and 255, if it is a JPEG, if it has an alpha channel with
    something in it (which is the mask then), or if it is grey with soft edges: values that only occur as seams, or
    many shades with much white. Otherwise its values are ids.

    Args:
        path: An image of one channel, or with equal channels; coloured ones only with ``binary``.
        kind: One of `KINDS`.

    Returns:
        uint8 ``(H, W)``: 0 and 1, or ids, with 255 for void.

    Raises:
        VosError: The file is missing, cannot be decoded, or is coloured.
    """
    image = _open(path)
    if "A" in image.getbands():
        alpha = np.asarray(image.getchannel("A"))
        if kind != "ids" and alpha.min() != alpha.max():
            return _threshold(alpha)
        image = image.convert("RGB" if len(image.getbands()) == 4 else "L")
    values = _one_channel(path, image, kind)
    if kind == "binary" or (kind == "auto" and _is_binary(values, image.mode, path)):
        return (values != 0).astype(np.uint8) if values.max() <= 1 or image.mode == "P" else _threshold(values)
    return values


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            check_pixels(image.size[::-1], str(path))
            image.load()
            return image
    except FileNotFoundError:
        raise VosError(f"{path}: expected a mask, found no such file") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise VosError(f"{path}: expected a mask, found a file that cannot be decoded ({error})") from None


def _threshold(values: NDArray[np.uint8]) -> LabelMap:
    return (values >= HALF).astype(np.uint8)


def _one_channel(path: Path, image: Image.Image, kind: str) -> NDArray[np.uint8]:
    """Values 0..255 of a mask; of 16 bit the upper ones where the lower are not enough."""
    values = np.asarray(image)
    if values.ndim == 3:
        if kind != "binary" and (values != values[..., :1]).any():
            raise VosError(f"{path}: expected a grey or indexed mask, found a coloured one (mode {image.mode})")
        values = values.max(axis=-1)
    if values.dtype in (np.uint8, np.bool_):
        return values.astype(np.uint8)
    if values.min() < 0 or values.max() > 65535:
        raise VosError(f"{path}: expected values of 8 or 16 bit, found {values.min()} to {values.max()}")
    return np.asarray(values if values.max() <= MAX_OBJECT_ID else values // 257, np.uint8)


def _is_binary(values: NDArray[np.uint8], mode: str, path: Path) -> bool:
    counts = np.bincount(values.ravel(), minlength=256)
    present = np.flatnonzero(counts)
    if set(present.tolist()) <= {0, 255} or path.suffix.lower() in (".jpg", ".jpeg"):
        return True
    if mode == "P" or not counts[WHITE:].any():
        return False
    between = set(present.tolist()) - {0, 255}
    if between <= set(thin_values(values)):
        return True
    return len(present) >= MANY_VALUES and 4 * int(counts[WHITE:].sum()) >= int(counts[1:].sum())


def _check_proportions(path: Path, found: tuple[int, ...], size: tuple[int, int]) -> None:
    if not same_proportions((found[0], found[1]), size):
        raise VosError(
            f"{path}: expected a mask with the proportions of its image, {size[0]} x {size[1]} (height x width), "
            f"found {found[0]} x {found[1]}"
        )
