"""A camera as an endless video, read with OpenCV."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from vos_tf.errors import IncompleteError, VosError
from vos_tf.media.frame_source import FrameSource, TimedFrame

DEFAULT_FRAME_RATE = Fraction(30)
_LARGEST_DENOMINATOR = 1001


class Camera(FrameSource):
    """A camera of this machine. Frames have the times at which they came; where work is slow, some are left out.

    Args:
        number: 0 is the first camera.
        frame_rate: Instead of what the camera says.

    Raises:
        VosError: There is no such camera.
    """

    length = None
    lasting = False
    endless = True

    def __init__(self, number: int, frame_rate: Fraction | None = None) -> None:
        self.label = f"camera {number}"
        self.name = f"camera{number}"
        self._device = _opened(number)
        if not self._device.isOpened():
            raise VosError(
                f"{self.label}: expected a camera, found none of that number; 0 is the first one, and a camera that "
                "another program uses cannot be opened"
            )
        said = self._device.get(cv2.CAP_PROP_FPS)
        known = Fraction(said).limit_denominator(_LARGEST_DENOMINATOR) if 1 <= said <= 1000 else DEFAULT_FRAME_RATE
        self.frame_rate = frame_rate or known

    def read(self) -> Iterator[TimedFrame]:
        """See `vos_tf.media.frame_source.FrameSource.read`."""
        first: float | None = None
        index = 0
        try:
            while True:
                ok, image = self._device.read()
                now = time.monotonic()
                first = now if first is None else first
                if not ok:
                    kind = IncompleteError if index else VosError
                    raise kind(f"{self.label}: expected a frame, found none after the first {index}")
                rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
                yield TimedFrame(f"{index:05d}", Fraction(round(1000 * (now - first)), 1000), rgb)
                index += 1
        finally:
            self._device.release()


def _opened(number: int) -> cv2.VideoCapture:
    """The device; OpenCV's own messages about cameras that are not there are kept back."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)
