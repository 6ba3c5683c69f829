"""Windows: parts of the stored frames with the proportions of the clips, so that things keep theirs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Window(NamedTuple):
    """A part of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: NDArray[Any]) -> NDArray[Any]:
        """The part of ``image``, as a view."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def whole(frame: tuple[int, int]) -> Window:
    """The window that is the whole frame ``(H, W)``."""
    return Window(0, 0, *frame)


def largest_window(frame: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the largest window in a frame ``(H, W)`` that has the proportions of ``size`` ``(H, W)``."""
    scale = min(frame[0] / size[0], frame[1] / size[1])
    height, width = (max(1, min(round(scale * side), most)) for side, most in zip(size, frame, strict=True))
    return height, width


def draw_window(
    shares: tuple[float, float],
    frame: tuple[int, int],
    size: tuple[int, int],
    pixel: tuple[int, int],
    random: np.random.Generator,
) -> Window:
    """Draw a window that holds a pixel.

    Args:
        shares: Least and greatest height and width, as shares of those of the largest window.
        frame: ``(H, W)`` of the frame.
        size: ``(H, W)`` whose proportions it has.
        pixel: Row and column of the pixel.
        random: Source of chance; three draws are taken from it.
    """
    share = random.uniform(*shares)
    sides = [max(1, round(share * side)) for side in largest_window(frame, size)]
    corner = []
    for place, side, length in zip(pixel, sides, frame, strict=True):
        lowest, highest = max(0, place - side + 1), min(place, length - side)
        corner.append(int(random.integers(lowest, highest + 1)))
    return Window(corner[0], corner[1], sides[0], sides[1])
