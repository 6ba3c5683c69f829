"""Polygons of instances, as the YOLO segmentation format has them, rendered to label maps.

A line of a label file is ``class x1 y1 x2 y2 ...``, coordinates as shares of width and height
(https://docs.ultralytics.com/datasets/segment/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.media.label_maps import BACKGROUND, MAX_OBJECT_ID, VOID, LabelMap

MOST_OUTSIDE = 0.05
"""Share of the image by which a point may lie outside of it; annotations of objects at the edge overshoot a little."""


class Instance(NamedTuple):
    """One polygon.

    Attributes:
        category: Number of its class.
        points: float64 ``(n, 2)``, x and y as shares of width and height.
    """

    category: int
    points: NDArray[np.float64]


class Rendered(NamedTuple):
    """A label map and what its ids are.

    Attributes:
        labels: uint8 ``(H, W)``; instances that were left out are void.
        categories: Id to class, for all ids, rising; ``None`` where it is not known.
        left_out: Number of instances that got no id.
    """

    labels: LabelMap
    categories: Mapping[int, int | None]
    left_out: int


def read_polygons(path: Path) -> list[Instance]:
    """The instances of a label file, in its order; none if it is empty.

    Raises:
        VosError: The file is missing, or a line is no polygon.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise VosError(f"{path}: expected polygons, found no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise VosError(f"{path}: expected polygons, found a file that cannot be read ({error})") from None
    return [_parse(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _parse(path: Path, number: int, line: str) -> Instance:
    where = f"{path} line {number}"
    try:
        category, *values = (float(word) for word in line.split())
    except ValueError:
        raise VosError(f"{where}: expected a class and coordinates, found {line[:40]!r}") from None
    if not category.is_integer() or category < 0:
        raise VosError(f"{where}: expected the number of a class first, found {line.split()[0]}")
    if len(values) == 4:
        raise VosError(f"{where}: expected a polygon of three points or more, found a box")
    if len(values) < 6 or len(values) % 2:
        raise VosError(f"{where}: expected x and y of three points or more, found {len(values)} coordinates")
    wrong = next((value for value in values if not -MOST_OUTSIDE <= value <= 1 + MOST_OUTSIDE), None)
    if wrong is not None:
        raise VosError(f"{where}: expected coordinates from 0 to 1 (shares of width and height), found {wrong:g}")
    return Instance(int(category), np.array(values).reshape(-1, 2))


class Patch(NamedTuple):
    """A mask where it is not empty: bool ``pixels`` from row ``top`` and column ``left`` on."""

    top: int
    left: int
    pixels: NDArray[np.bool_]

    def of(self, image: NDArray[Any]) -> NDArray[Any]:
        """The part of an image, as a view, that the patch covers."""
        height, width = self.pixels.shape
        return image[self.top : self.top + height, self.left : self.left + width]


def fill_polygon(points: NDArray[np.float64], size: tuple[int, int]) -> Patch:
    """The pixels whose centres lie inside a polygon, by the even-odd rule: exact, whatever the fractions of pixels.

    A thin bridge that goes to another part of the object and back encloses nothing.

    Args:
        points: float64 ``(n, 2)``, x and y in pixels; pixel ``(0, 0)`` covers 0..1 along both.
        size: ``(H, W)`` of the image; what lies outside is cut off.
    """
    height, width = size
    following = np.roll(points, -1, axis=0)
    # Every edge is taken downwards, so that polygons that share it, in whatever direction, compute the same crossings.
    downwards = (points[:, 1] < following[:, 1])[:, None]
    x0, y0 = np.where(downwards, points, following).T
    x1, y1 = np.where(downwards, following, points).T
    # Rows whose centre line each edge crosses, first to end; half-open, so that a corner counts once.
    first = np.clip(np.ceil(y0 - 0.5), 0, height).astype(np.int64)
    end = np.clip(np.ceil(y1 - 0.5), 0, height).astype(np.int64)
    counts = end - first
    edge = np.repeat(np.arange(len(points)), counts)
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    if not len(rows):
        return Patch(0, 0, np.zeros((0, 0), np.bool_))
    x = x0[edge] + (rows + 0.5 - y0[edge]) * ((x1 - x0)[edge] / (y1 - y0)[edge])
    # The first pixel whose centre lies at the crossing or to the right of it.
    columns = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    top, left = rows.min(), columns.min()
    crossings = np.zeros((rows.max() - top + 1, columns.max() - left + 1), np.int32)
    np.add.at(crossings, (rows - top, columns - left), 1)
    return Patch(int(top), int(left), np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1)


def render_instances(instances: Sequence[Instance], size: tuple[int, int], min_area: float = 0.0) -> Rendered:
    """Render instances to a label map; where they overlap, the smaller one is on top.

    Ids are 1, 2, 3, ... in the order given, for those that show. An instance that is smaller than ``min_area``, or
    one of those that are too many (the smallest are), gets no id: where it shows, the map is void, because it is
    neither one of the objects nor background.

    Args:
        instances: The polygons.
        size: ``(H, W)`` of the image.
        min_area: Smallest area of an instance, as a share of the image.
    """
    height, width = size
    patches = [fill_polygon(item.points * (width, height), size) for item in instances]
    areas = [int(patch.pixels.sum()) for patch in patches]
    # By falling area, so that the smaller one is painted over the larger; of equal ones the later.
    order = sorted(range(len(patches)), key=lambda index: (-areas[index], index))
    owners = np.full(size, -1, np.int32)
    for index in order:
        patches[index].of(owners)[patches[index].pixels] = index
    shows = np.bincount(owners[owners >= 0], minlength=len(patches))
    wanted = [index for index in order if shows[index] and areas[index] >= min_area * height * width]
    kept = sorted(wanted[:MAX_OBJECT_ID])
    table = np.full(len(patches) + 1, VOID, np.uint8)
    table[-1] = BACKGROUND  # owner -1: no instance
    table[kept] = np.arange(1, len(kept) + 1)
    categories = {number: instances[index].category for number, index in enumerate(kept, start=1)}
    return Rendered(table[owners], categories, len(instances) - len(kept))
