"""Small encoded videos, in any container."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

ENCODERS = {".mp4": "libx264", ".mkv": "libx264", ".ts": "libx264", ".webm": "libvpx-vp9", ".avi": "mpeg4"}
RATE = Fraction(30000, 1001)


def moving_frames(count: int, size: tuple[int, int] = (64, 96)) -> list[np.ndarray]:
    """RGB frames: a bright square that moves over noise."""
    random = np.random.default_rng(0)
    frames = []
    for index in range(count):
        frame = cv2.GaussianBlur(random.integers(0, 90, (*size, 3), dtype=np.uint8), (5, 5), 0)
        left = 4 + 2 * index % (size[1] - 30)
        frame[20:44, left : left + 24] = (220, 120, 40)
        frames.append(frame)
    return frames


def encode(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    rate: Fraction = RATE,
    times: Sequence[Fraction] | None = None,
    movflags: str = "+faststart",
) -> None:
    """Write frames to a video file whose container and codec its suffix names."""
    options = {"movflags": movflags} if movflags and path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(ENCODERS[path.suffix], rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        tick = Fraction(1, 1000) if times else 1 / rate
        stream.codec_context.time_base = tick
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = index if times is None else int(times[index] / tick), tick
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
