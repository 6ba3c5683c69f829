"""Which source of frames a user means: a video file, a folder, a pipe or a camera."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from vos_tf.errors import VosError
from vos_tf.media.frame_source import FrameFolder, FrameSource
from vos_tf.media.image_files import IMAGE_SUFFIXES

PIPE = "-"
FOLDER_FRAME_RATE = Fraction(24)
"""Frames per second of a folder of images, which does not say."""


def open_source(text: str, frame_rate: Fraction | None = None) -> FrameSource:
    """The frames of a video.

    Args:
        text: A video file, a folder of images, ``-`` (encoded video through a pipe) or the number of a camera.
        frame_rate: Frames per second, instead of what the source says.

    Raises:
        VosError: There is nothing of that kind, or it cannot be read.
    """
    if frame_rate is not None and frame_rate <= 0:
        raise VosError(f"frame rate: expected a number above 0, found {frame_rate}")
    check_source(text)
    path = Path(text)
    if path.is_dir():
        return FrameFolder(path, frame_rate or FOLDER_FRAME_RATE)
    if text.isdecimal() and not path.exists():
        from vos_tf.media.camera import Camera

        return Camera(int(text), frame_rate)
    from vos_tf.media.video_reader import VideoReader

    return VideoReader(None if text == PIPE else path, frame_rate)


def check_source(text: str) -> None:
    """Make sure that there can be a video, without opening it: this is quick.

    Args:
        text: As for `open_source`.

    Raises:
        VosError: There is no such file, or it is an image.
    """
    path = Path(text)
    if text == PIPE or path.is_dir() or (text.isdecimal() and not path.exists()):
        return
    if not path.is_file():
        raise VosError(
            f"{text}: expected a video file, a folder of images, - (encoded video through a pipe) or the number of a "
            "camera, found no such file"
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise VosError(f"{text}: expected a video, found an image; a folder of images is a video")
