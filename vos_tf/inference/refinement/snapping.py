"""Contour snapping: contours of a label map move to edges of the image.

Caelles et al. (CVPR 2017, section 3.3) cut the image into superpixels along its strong edges, and each takes
the label that most of its pixels have. There the edges come from a network trained for them, and the superpixels from
an oriented watershed and an ultrametric contour map (Arbelaez et al., PAMI 2011). Here nothing is trained: edges are
colour gradients, superpixels the basins of their watershed, merged over the weakest borders first. As such edges say
less, a superpixel changes the label map only where it is clear about its label and all that it changes is near a
contour.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.inference.refinement.settings import SnappingSettings
from vos_tf.media.images import RGBImage
from vos_tf.media.label_maps import LabelMap

_REFERENCE_SIDE = 480
_BLUR = 0.8  # standard deviation at 480 pixels
_NEIGHBOURS = np.ones((3, 3), np.uint8)

Regions = NDArray[np.int32]
"""int32 ``(H, W)``: the region of each pixel, numbered from 0."""


def snap_label_map(image: RGBImage, labels: LabelMap, settings: SnappingSettings | None = None) -> LabelMap:
    """Move the contours of a label map to edges of the image; all objects together.

    Args:
        image: RGB uint8 ``(H, W, 3)``.
        labels: uint8 ``(H, W)``.
        settings: See `SnappingSettings`.

    Returns:
        uint8 ``(H, W)``. Pixels far from contours keep their label, and no object disappears.

    Raises:
        ValueError: Image and label map differ in size.
    """
    settings = settings or SnappingSettings()
    if image.shape[:2] != labels.shape:
        raise ValueError(f"image {image.shape[:2]} and label map {labels.shape} must have one size")
    scale = min(labels.shape) / _REFERENCE_SIDE
    reach = max(settings.band * min(labels.shape), 1.0)
    near = _near_contours(labels, reach)
    if not near.any():
        return labels.copy()
    gradient = colour_gradient(image, _BLUR * max(scale, 0.75))
    window = _window(near, margin=round(4 * reach))
    basins = watershed(gradient[window])
    regions = merge_regions(basins, gradient[window], settings.threshold * float(np.median(gradient)))
    result = labels.copy()
    result[window] = _vote(regions, labels[window], near[window], settings.clear)
    for lost in set(np.unique(labels).tolist()) - set(np.unique(result).tolist()):
        result[labels == lost] = lost
    return result


def colour_gradient(image: RGBImage, blur: float) -> NDArray[np.float32]:
    """Strongest slope of the colour at each pixel, over all directions (Di Zenzo, 1986).

    Args:
        image: RGB uint8 ``(H, W, 3)``.
        blur: Standard deviation of the Gaussian before, in pixels.

    Returns:
        float32 ``(H, W)``, CIELAB units per pixel.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    lab = cv2.GaussianBlur(lab, (0, 0), blur)
    dx, dy = (cv2.Sobel(lab, cv2.CV_32F, *order, ksize=3, scale=1 / 8) for order in ((1, 0), (0, 1)))
    xx, xy, yy = (cv2.transform(product, np.ones((1, 3))) for product in (dx * dx, dx * dy, dy * dy))
    strongest = (xx + yy + np.sqrt((xx - yy) ** 2 + 4 * xy * xy)) / 2
    return np.asarray(np.sqrt(np.maximum(strongest, 0)), np.float32)


def watershed(heights: NDArray[np.float32]) -> Regions:
    """Basins of a landscape: each pixel belongs to the minimum that the steepest way down leads to.

    Args:
        heights: float32 ``(H, W)``.

    Returns:
        Regions, connected over sides and corners.
    """
    height, width = heights.shape
    own = np.arange(heights.size, dtype=np.int32).reshape(heights.shape)
    lowest = cv2.erode(heights, _NEIGHBOURS)
    outside = cv2.copyMakeBorder(heights, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=np.inf)
    way = own.copy()
    # In falling order, so that of several lowest neighbours, the pixel itself among them, the first is taken: level
    # ground drains to its first pixel.
    for down, right in ((1, 1), (1, 0), (1, -1), (0, 1), (0, 0), (0, -1), (-1, 1), (-1, 0), (-1, -1)):
        neighbour = outside[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        np.add(own, down * width + right, out=way, where=neighbour == lowest)
    end = way.ravel()
    while True:
        further = end[end]
        if np.array_equal(further, end):
            break
        end = further
    minima = np.flatnonzero(end == own.ravel())
    number = np.zeros(heights.size, np.int32)
    number[minima] = np.arange(len(minima))
    return np.asarray(number[end].reshape(heights.shape), np.int32)


class _Borders(NamedTuple):
    """Borders between regions ``first`` and ``second``: sum of the gradient along each, and its length."""

    first: NDArray[Any]
    second: NDArray[Any]
    total: NDArray[np.float64]
    length: NDArray[np.float64]


def merge_regions(regions: Regions, gradient: NDArray[np.float32], threshold: float) -> Regions:
    """Merge regions until no border between two has a mean gradient below ``threshold``.

    In each round every region merges over its weakest border if that is below (Boruvka's way to a spanning tree); then
    the means are taken anew. An ultrametric contour map merges one pair at a time.

    Args:
        regions: What `watershed` gave.
        gradient: float32 ``(H, W)``.
        threshold: In the units of ``gradient``.

    Returns:
        Regions, each a union of regions of before.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = int(regions.max()) + 1
    borders = _borders(regions, gradient)
    merged = np.arange(count, dtype=np.int32)
    while True:
        mean = borders.total / borders.length
        weakest = np.full(count, np.inf)
        np.minimum.at(weakest, borders.first, mean)
        np.minimum.at(weakest, borders.second, mean)
        falls = (mean < threshold) & ((mean == weakest[borders.first]) | (mean == weakest[borders.second]))
        if not falls.any():
            return np.asarray(merged[regions], np.int32)
        pairs = borders.first[falls], borders.second[falls]
        graph = coo_array((np.ones(len(pairs[0]), np.int8), pairs), shape=(count, count))
        count, joined = connected_components(graph, directed=False)
        merged = joined[merged]
        borders = _summed(joined[borders.first], joined[borders.second], borders.total, borders.length)


def _borders(regions: Regions, gradient: NDArray[np.float32]) -> _Borders:
    """The borders of all regions; a step between two neighbouring pixels is as strong as the stronger of them."""
    ends, steps = [], []
    for before, after in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        differ = regions[before] != regions[after]
        ends.append(np.stack([regions[before][differ], regions[after][differ]]))
        steps.append(np.maximum(gradient[before][differ], gradient[after][differ]))
    first, second = np.concatenate(ends, axis=1)
    total = np.concatenate(steps).astype(np.float64)
    return _summed(first, second, total, np.ones_like(total))


def _summed(
    first: NDArray[Any], second: NDArray[Any], total: NDArray[np.float64], length: NDArray[np.float64]
) -> _Borders:
    """Borders between the same two regions become one; those inside a region go."""
    from scipy.sparse import coo_array

    kept = first != second
    lower, upper = np.minimum(first, second)[kept], np.maximum(first, second)[kept]
    count = int(upper.max(initial=0)) + 1
    sums = [coo_array((values[kept], (lower, upper)), shape=(count, count)).tocsr() for values in (total, length)]
    for matrix in sums:
        matrix.sum_duplicates()
    rows = np.repeat(np.arange(count), np.diff(sums[0].indptr))
    return _Borders(rows, sums[0].indices, sums[0].data, sums[1].data)


def _near_contours(labels: LabelMap, reach: float) -> NDArray[np.bool_]:
    """Pixels within ``reach`` of one whose neighbour has another label."""
    contour = cv2.erode(labels, _NEIGHBOURS) != cv2.dilate(labels, _NEIGHBOURS)
    if not contour.any():
        return np.asarray(contour, np.bool_)
    distance = cv2.distanceTransform((~contour).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(distance < reach, np.bool_)


def _window(area: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    """The box around ``area``, larger by ``margin`` on every side."""
    rows, columns = (np.flatnonzero(area.any(axis=axis)) for axis in (1, 0))
    return tuple(slice(max(int(line[0]) - margin, 0), int(line[-1]) + 1 + margin) for line in (rows, columns))  # type: ignore[return-value]


def _vote(regions: Regions, labels: LabelMap, near: NDArray[np.bool_], clear: float) -> LabelMap:
    """Give each region the label that most of its pixels have, where they are at least the share ``clear``.

    A region in which other labels reach beyond the pixels ``near`` contours contradicts more than a contour: it stays.
    """
    ids, index = np.unique(labels, return_inverse=True)
    index, flat = index.ravel(), regions.ravel()
    count = int(regions.max()) + 1
    votes = np.bincount(flat * len(ids) + index, minlength=count * len(ids)).reshape(count, len(ids))
    winner = votes.argmax(axis=1)
    decided = votes.max(axis=1) >= clear * votes.sum(axis=1)
    differs = winner[flat] != index
    decided[flat[differs & ~near.ravel()]] = False
    changed = np.where(differs & decided[flat], winner[flat], index)
    return np.asarray(ids[changed].reshape(labels.shape), np.uint8)
