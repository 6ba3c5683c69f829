"""What people look at of a segmented video: its frames with the masks laid over, as pictures and as a video."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from vos_tf.datasets.types import Video
from vos_tf.errors import VosError
from vos_tf.files import write_bytes
from vos_tf.media.video_writer import opened_video
from vos_tf.report.overlays import Picture, encode_picture, overlay_frames


def write_products(video: Video, results_folder: Path, out: Path, *, frames: bool, mp4: bool) -> None:
    """Write the overlays of one video: ``out/<video>/<frame>.jpg`` and ``out/<video>.mp4``, either or both.

    One frame is held at a time. The pictures have the names of the frames; the video has the frame rate of ``video``.

    Args:
        video: The video.
        results_folder: Folder with the result masks, ``<video>/<frame>.png``. A frame without mask is shown bare.
        out: Where to write.
        frames: Write one picture per frame.
        mp4: Write a video (needs the extra ``[video]``).

    Raises:
        VosError: The video has no result masks, a file cannot be read or written, or PyAV is missing.
    """
    if not any((results_folder / video.name).glob("*.png")):
        raise VosError(f"{results_folder / video.name}: expected result masks to draw, found none")
    with ExitStack() as stack:
        file = stack.enter_context(opened_video(out / f"{video.name}.mp4", video.frame_rate)) if mp4 else None
        for name, picture in _named(video, results_folder) if frames or mp4 else ():
            if frames:
                write_bytes(out / video.name / f"{name}.jpg", encode_picture(picture))
            if file is not None:
                file.write(picture)


def _named(video: Video, results_folder: Path) -> Iterator[tuple[str, Picture]]:
    return zip(video.frame_names, overlay_frames(video, results_folder), strict=True)
