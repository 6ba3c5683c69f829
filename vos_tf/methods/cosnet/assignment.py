"""Which object is it? Foreground is shared out among objects whose first masks are given.

Each object's last mask moves along with the image (optical flow); a pixel of the foreground belongs to the object whose
moved mask is nearest. So masks decide what belongs to whom, not what is foreground.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.media.images import RGBImage

Maps = NDArray[np.float32]
Mask = NDArray[np.uint8]
"""uint8 ``(H, W)``, 0 or 1."""

SEEN = 0.5
"""Probability at which foreground counts as seen."""
LEAST_SIDE = 16
"""Pixels below which there is nothing to see motion by."""
REACH = 0.02
"""Distance over which an object's claim to what lies nearer to another falls to 1/e, in square roots of the frame."""


class ObjectAssigner:
    """Follows which foreground belongs to which object; holds one frame, and a mask for each object."""

    def __init__(self) -> None:
        self._grey: NDArray[np.uint8] | None = None
        self._masks: list[Mask] = []

    def join(self, masks: Sequence[NDArray[np.bool_]]) -> None:
        """Objects join with their masks ``(H, W)`` in the frame of the last `assign`, behind those that are there."""
        together = np.any(masks, axis=0)
        self._masks = [mask * ~together for mask in self._masks] + [mask.astype(np.uint8) for mask in masks]

    def keep(self, indices: Sequence[int]) -> None:
        """Forget all objects but those at ``indices``."""
        self._masks = [self._masks[index] for index in indices]

    def assign(self, frame: RGBImage, foreground: Maps) -> Maps:
        """Share out the foreground of the next frame.

        Args:
            frame: RGB uint8 ``(H, W, 3)``.
            foreground: Its probability ``(H, W)``.

        Returns:
            Probabilities ``(N, H, W)``. The object that a pixel belongs to has the whole probability of the
            foreground, others less.
        """
        grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
        before, self._grey = self._grey, grey
        if not self._masks:
            return np.zeros((0, *foreground.shape), np.float32)
        moved = self._masks if before is None else _moved(self._masks, grey, before)
        distances = np.stack([_distance(mask) for mask in moved])
        behind = distances - distances.min(axis=0)
        nearest = distances.argmin(axis=0)
        # An object that is not seen stays where it was.
        seen = [((nearest == index) & (foreground > SEEN)).astype(np.uint8) for index in range(len(moved))]
        self._masks = [now if now.any() else old for now, old in zip(seen, self._masks, strict=True)]
        maps: Maps = foreground * np.exp(-behind / (REACH * foreground.size**0.5)).astype(np.float32)
        return maps


def _moved(masks: Sequence[Mask], now: NDArray[np.uint8], before: NDArray[np.uint8]) -> list[Mask]:
    """Masks of the frame before, as they lie in this one."""
    if min(now.shape) < LEAST_SIDE:
        return list(masks)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(now, before, None)
    rows, columns = np.mgrid[: now.shape[0], : now.shape[1]].astype(np.float32)
    there = columns + flow[..., 0], rows + flow[..., 1]
    return [np.asarray(cv2.remap(mask, *there, cv2.INTER_NEAREST), np.uint8) for mask in masks]


def _distance(mask: Mask) -> Maps:
    """From each pixel to the nearest of a mask, in pixels; the frame's diagonal where it is empty."""
    if not mask.any():
        return np.full(mask.shape, float(np.hypot(*mask.shape)), np.float32)
    return np.asarray(cv2.distanceTransform(1 - mask, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)
