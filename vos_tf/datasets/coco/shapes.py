"""Shapes of objects as COCO's JSON has them, polygons or run lengths, and label maps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.still_images.polygons import fill_polygon
from vos_tf.errors import VosError
from vos_tf.media.label_maps import VOID, LabelMap
from vos_tf.media.run_lengths import mask_of, unpack_counts


@dataclass(frozen=True)
class Shape:
    """The pixels of one object in one image.

    Attributes:
        id: 1..254, or void (255) for what is neither an object nor background, such as a crowd.
        category: Its name, or ``None`` if there is none.
        segmentation: As in the file: polygons ``[[x1, y1, ...], ...]`` in pixels, or
            ``{"size": [H, W], "counts": ...}``.
    """

    id: int
    category: str | None
    segmentation: Any


def render(shapes: Sequence[Shape], size: tuple[int, int], source: Path) -> LabelMap:
    """The label map of shapes, uint8 ``(H, W)``; where they overlap, the smaller one is on top, void lowest.

    A pixel belongs to a polygon when its centre lies inside; parts of one object add up.

    Args:
        shapes: Of one image.
        size: ``(H, W)`` of the image.
        source: What to name in an error.

    Raises:
        VosError: A shape is neither polygons nor run lengths of this size.
    """
    masks = []
    for shape in shapes:
        try:
            masks.append(_mask(shape.segmentation, size))
        except (ValueError, TypeError, KeyError) as error:
            raise VosError(f"{source}: expected polygons or run lengths of each object, found {error}") from None
    labels = np.zeros(size, np.uint8)
    order = sorted(range(len(shapes)), key=lambda index: (shapes[index].id != VOID, -int(masks[index].sum())))
    for index in order:
        labels[masks[index]] = shapes[index].id
    return labels


def _mask(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        if list(segmentation.get("size", size)) != list(size):
            raise ValueError(f"run lengths for {segmentation['size']} in an image of {list(size)}")
        return mask_of(unpack_counts(counts) if isinstance(counts, str) else counts, size)
    mask = np.zeros(size, np.bool_)
    for part in segmentation:
        points = np.asarray(part, np.float64)
        if points.ndim != 1 or len(points) < 6 or len(points) % 2 or not np.isfinite(points).all():
            raise ValueError(f"a polygon of {np.size(part)} coordinates")
        patch = fill_polygon(points.reshape(-1, 2), size)
        patch.of(mask)[patch.pixels] = True
    return mask
