"""Objects that bend: smooth displacements of their pixels that grow from frame to frame."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

POINTS = 4
"""Control points along each side of an object's box; between them the displacement is interpolated by cubics."""
SPEED, GREATEST = 0.010, 0.08
"""Of a control point, as shares of the root of the box's area; the greatest is approached, never passed."""


class Bend(NamedTuple):
    """How an object bends.

    Attributes:
        box: Its part of the picture: left, top, width, height.
        ways: float32 ``(n, POINTS, POINTS, 2)``: displacements in pixels for each of the clip's frames; 0 in the first.
    """

    box: tuple[int, int, int, int]
    ways: NDArray[np.float32]

    def at(self, index: int, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The object, uint8 ``(H, W, 4)``, colours weighted with the coverage in the last channel, as bent in a frame.

        Pixels that the picture's side cuts off are continued.
        """
        left, top, width, height = self.box
        part = pixels[top : top + height, left : left + width]
        moved = cv2.resize(self.ways[index], (width, height), interpolation=cv2.INTER_CUBIC)
        moved[..., 0] += np.arange(width, dtype=np.float32)
        moved[..., 1] += np.arange(height, dtype=np.float32)[:, None]
        result = np.zeros_like(pixels)
        result[top : top + height, left : left + width] = cv2.remap(
            part, moved, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return result


def draw_bend(mask: NDArray[np.uint8], moments: NDArray[np.float64], random: np.random.Generator) -> Bend:
    """Draw how an object bends.

    Args:
        mask: uint8 ``(H, W)``, 1 where the object is.
        moments: Of the clip's frames, the first at 0.
        random: Source of chance.
    """
    left, top, width, height = cv2.boundingRect(mask)
    unit = float(np.sqrt(width * height))
    margin = int(np.ceil(GREATEST * unit)) + 1
    right, bottom = min(mask.shape[1], left + width + margin), min(mask.shape[0], top + height + margin)
    left, top = max(0, left - margin), max(0, top - margin)
    velocity = SPEED * random.normal(size=(POINTS, POINTS, 2))
    ways = GREATEST * unit * np.tanh(np.multiply.outer(moments, velocity) / GREATEST)
    return Bend((left, top, right - left, bottom - top), ways.astype(np.float32))
