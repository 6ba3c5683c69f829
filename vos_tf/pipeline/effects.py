"""Damage that cameras and files do to frames: motion blur and compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.pipeline.scenes import Scene

BLUR_SHARE = (0.01, 0.035)
"""Length of a blur, as a share of the shorter side of the frame."""
JPEG_QUALITIES = (15, 70)


def damage(frames: NDArray[np.uint8], scene: Scene, random: np.random.Generator) -> None:
    """Blur some of the frames of a clip and compress all or none, in place.

    Args:
        frames: uint8 ``(n, H, W, 3)`` RGB.
        scene: Of the clip.
        random: Source of all chance.
    """
    draws = random.uniform(size=(len(frames), 3))
    quality = int(random.integers(JPEG_QUALITIES[0], JPEG_QUALITIES[1] + 1))
    for frame, (chance, length, angle) in zip(frames, draws, strict=True):
        if chance < scene.options.motion_blur:
            low, high = (share * min(frame.shape[:2]) for share in BLUR_SHARE)
            kernel = line_kernel(low + length * (high - low), np.pi * angle)
            cv2.filter2D(frame, -1, kernel, frame, borderType=cv2.BORDER_REFLECT_101)
        if scene.jpeg:
            compress(frame, quality)


def line_kernel(length: float, angle: float) -> NDArray[np.float32]:
    """float32 ``(n, n)``, n odd, with the sum 1: the mean along a line of ``length`` pixels through the centre."""
    half = max(1, round(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for place in np.linspace(-half, half, 8 * half + 1):
        kernel[half + round(place * np.sin(angle)), half + round(place * np.cos(angle))] += 1
    kernel /= kernel.sum()
    return kernel


def compress(frame: NDArray[np.uint8], quality: int) -> None:
    """Let a frame, uint8 ``(H, W, 3)`` RGB, suffer JPEG of a quality of 1 to 100, in place."""
    done, content = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    cv2.cvtColor(cv2.imdecode(content, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB, frame)
