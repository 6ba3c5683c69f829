"""Boxes and polygons in a JSON file as masks of objects.

``{"objects": [{"id": 1, "box": [left, top, width, height]}, {"id": 2, "frame": "12", "polygon": [[x, y], ...]}]}``;
x to the right, y downwards, in pixels. A polygon is filled. In a box, the object is what differs from what surrounds
the box (GrabCut: Rother, Kolmogorov and Blake, SIGGRAPH 2004); where that finds hardly anything, the box itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.still_images.polygons import fill_polygon
from vos_tf.errors import VosError
from vos_tf.media.images import RGBImage, resize_image
from vos_tf.media.label_maps import MAX_OBJECT_ID, LabelMap

_KEYS = frozenset({"id", "frame", "box", "polygon"})
_ROUNDS = 5
_SURROUNDINGS = 0.5  # of the box, on each side
_WORKING_SIDE = 400  # pixels
_LEAST_FOUND = 0.2  # of the box


class Shape(NamedTuple):
    """One object in one frame.

    Attributes:
        object_id: 1..254.
        frame: The frame's name or number; ``None``: not said.
        kind: ``box`` or ``polygon``.
        points: float64 ``(n, 2)``, x and y in pixels; of a box two opposite corners.
    """

    object_id: int
    frame: str | None
    kind: str
    points: NDArray[np.float64]


def read_shapes(path: Path) -> tuple[Shape, ...]:
    """The shapes of a file, in its order.

    Raises:
        VosError: The file is missing or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VosError(f"{path}: expected boxes and polygons, found no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise VosError(f"{path}: expected boxes and polygons as JSON, found something else ({error})") from None
    objects = content.get("objects") if isinstance(content, dict) else content
    if not isinstance(objects, list) or not objects:
        raise VosError(f'{path}: expected {{"objects": [...]}} with at least one object, found none')
    return tuple(_shape(item, f"{path} object {number}") for number, item in enumerate(objects, start=1))


def draw_shapes(shapes: Iterable[Shape], image: RGBImage, name: str) -> LabelMap:
    """The label map of shapes in a frame; where they overlap, the later one is on top.

    Args:
        shapes: What to draw.
        image: The frame, uint8 ``(H, W, 3)``.
        name: What to call the shapes in an error.

    Raises:
        VosError: A shape lies outside of the frame.
    """
    height, width = image.shape[:2]
    labels = np.zeros((height, width), np.uint8)
    for shape in shapes:
        if shape.kind == "box":
            left, top = np.clip(np.round(shape.points[0]).astype(int), 0, (width, height))
            right, bottom = np.clip(np.round(shape.points[1]).astype(int), 0, (width, height))
            mask = np.zeros(labels.shape, np.bool_)
            if right > left and bottom > top:
                mask[top:bottom, left:right] = _object_in_box(image, (int(left), int(top), int(right), int(bottom)))
        else:
            patch = fill_polygon(shape.points, (height, width))
            mask = np.zeros(labels.shape, np.bool_)
            patch.of(mask)[...] = patch.pixels
        if not mask.any():
            raise VosError(
                f"{name}: expected object {shape.object_id} inside of the frame of {width}x{height} pixels (width x "
                f"height), found its {shape.kind} outside"
            )
        labels[mask] = shape.object_id
    return labels


def _shape(item: Any, where: str) -> Shape:
    if not isinstance(item, dict) or not _KEYS.issuperset(item):
        raise VosError(f"{where}: expected id, box or polygon, and perhaps frame, found {_shortened(item)}")
    number, frame = item.get("id"), item.get("frame")
    if type(number) is not int or not 1 <= number <= MAX_OBJECT_ID:
        raise VosError(f"{where}: expected an id from 1 to {MAX_OBJECT_ID}, found {_shortened(number)}")
    if frame is not None and type(frame) not in (int, str):
        raise VosError(f"{where}: expected the name or number of a frame, found {_shortened(frame)}")
    kinds = [kind for kind in ("box", "polygon") if kind in item]
    if len(kinds) != 1:
        raise VosError(f"{where}: expected a box or a polygon, found {' and '.join(kinds) or 'neither'}")
    points = _numbers(item[kinds[0]], kinds[0], where)
    return Shape(number, None if frame is None else str(frame), kinds[0], points)


def _numbers(value: Any, kind: str, where: str) -> NDArray[np.float64]:
    """Corners of a box or a polygon; the points of a polygon may also be one flat list, as in COCO."""
    parts = value if isinstance(value, list) else []
    flat = [number for part in parts for number in (part if isinstance(part, list) else [part])]
    plain = all(type(number) in (int, float) and math.isfinite(number) for number in flat)
    if kind == "box":
        if not plain or len(flat) != 4 or min(flat[2:], default=0) <= 0:
            raise VosError(f"{where}: expected box [left, top, width, height], found {_shortened(value)}")
        left, top, width, height = flat
        return np.array([[left, top], [left + width, top + height]], np.float64)
    if not plain or len(flat) < 6 or len(flat) % 2:
        raise VosError(f"{where}: expected polygon [[x, y], ...] of three points or more, found {_shortened(value)}")
    return np.array(flat, np.float64).reshape(-1, 2)


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _object_in_box(image: RGBImage, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Pixels of the object in a box (left, top, right, bottom), as bool ``(bottom - top, right - left)``."""
    left, top, right, bottom = box
    height, width = bottom - top, right - left
    full = np.ones((height, width), np.bool_)
    x0, y0 = max(left - int(_SURROUNDINGS * width), 0), max(top - int(_SURROUNDINGS * height), 0)
    x1, y1 = right + int(_SURROUNDINGS * width), bottom + int(_SURROUNDINGS * height)
    around = image[y0:y1, x0:x1]
    if around.shape[:2] == full.shape or min(height, width) < 4:
        return full  # nothing around it to differ from
    scale = min(_WORKING_SIDE / max(around.shape[:2]), 1.0)
    size = max(round(scale * around.shape[0]), 8), max(round(scale * around.shape[1]), 8)
    small = np.ascontiguousarray(resize_image(around, size)[..., ::-1])
    place = tuple(round(scale * value) for value in (left - x0, top - y0, width, height))
    marks = np.zeros(size, np.uint8)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65), np.float64), np.zeros((1, 65), np.float64)
    cv2.grabCut(small, marks, place, *models, _ROUNDS, cv2.GC_INIT_WITH_RECT)
    found = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.float32)
    grown = resize_image(found, (around.shape[0], around.shape[1])) >= 0.5
    inside = grown[top - y0 : bottom - y0, left - x0 : right - x0]
    return inside if inside.mean() >= _LEAST_FOUND else full
