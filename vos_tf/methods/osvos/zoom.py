"""A second, closer look at each object: a window around its last mask, enlarged as far as it goes.

A network without memory sees small objects at a few pixels. Where an object was in the frame before tells where to look
closely; the views of the whole frame and of the window are averaged.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.methods.osvos.options import ZoomSettings


class Window(NamedTuple):
    """A magnified part of a frame.

    Attributes:
        matrix: float64 ``(2, 3)``, place in the frame of a place ``(x, y, 1)`` in the window.
        size: ``(h, w)`` of the window.
    """

    matrix: NDArray[np.float64]
    size: tuple[int, int]

    def cut(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The window's pixels, uint8 ``(h, w, 3)``; the frame's border goes on beyond it."""
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(frame, self.matrix, self.size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )

    def blend(self, closer: NDArray[np.float32], whole: NDArray[np.float32], share: float) -> NDArray[np.float32]:
        """The average of two views where both show the same.

        Args:
            closer: Probabilities in the window, float32 ``(h, w)``.
            whole: Probabilities in the frame, float32 ``(H, W)``.
            share: Of the closer view.

        Returns:
            float32 ``(H, W)``.
        """
        size = whole.shape[::-1]
        placed = cv2.warpAffine(closer, self.matrix, size, flags=cv2.INTER_AREA)
        inside = cv2.warpAffine(np.ones_like(closer), self.matrix, size, flags=cv2.INTER_LINEAR) > 0.99
        return np.where(inside, share * placed + (1 - share) * whole, whole).astype(np.float32)


def window_around(
    mask: NDArray[np.bool_], size: tuple[int, int], settings: ZoomSettings, scale: float = 1.0
) -> Window | None:
    """Where to look closely at an object.

    Args:
        mask: Its last mask, bool ``(H, W)``.
        size: ``(h, w)`` of the window, in pixels of the network.
        settings: See `ZoomSettings`.
        scale: Pixels of the network for a pixel of the frame in the view of the whole frame.

    Returns:
        The window, inside of the frame as far as it fits; ``None`` where the object is not to be seen, or so large that
        a window would not magnify it.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    low, high = np.array([columns[0], rows[0]], float), np.array([columns[-1] + 1, rows[-1] + 1], float)
    window = np.array(size[::-1], float)
    magnification = min(float((window / ((high - low) * settings.margin)).min()), settings.limit * scale)
    if magnification <= scale:
        return None
    frame, extent = np.array(mask.shape[::-1], float), window / magnification
    centre = np.clip((low + high) / 2, np.minimum(extent, frame) / 2, frame - np.minimum(extent, frame) / 2)
    # Centres of pixels: place x of the window is at (x + 0.5) / magnification from the window's corner.
    shift = centre - extent / 2 + 0.5 / magnification - 0.5
    return Window(np.array([[1 / magnification, 0, shift[0]], [0, 1 / magnification, shift[1]]]), size)
