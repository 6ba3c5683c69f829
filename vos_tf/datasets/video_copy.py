"""What is written of a video, whatever layout it comes from and goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from vos_tf.datasets.listing import check_name
from vos_tf.datasets.types import Video, VideoObject
from vos_tf.errors import VosError
from vos_tf.media.images import encode_image, read_bytes, read_image, resize_image
from vos_tf.media.label_maps import LabelMap


@dataclass(frozen=True)
class FrameCopy:
    """One frame to write.

    Attributes:
        name: Its new name, without suffix.
        source: The image file.
        size: ``(H, W)`` to resize it to; ``None``: its bytes are copied.
    """

    name: str
    source: Path
    size: tuple[int, int] | None = None

    @property
    def suffix(self) -> str:
        """Of the file to write, in lower case."""
        found = self.source.suffix.lower()
        return found if self.size is None or found in (".jpg", ".jpeg", ".png") else ".png"

    def content(self) -> bytes:
        """The bytes to write.

        Raises:
            VosError: The image cannot be read.
        """
        if self.size is None:
            return read_bytes(self.source)
        return encode_image(resize_image(read_image(self.source), self.size), self.suffix)


class MaskSource(Protocol):
    """Gives label maps by frame; can be pickled."""

    def __call__(self, frame: str) -> LabelMap:
        """The label map of an annotated frame, uint8 ``(H, W)``.

        Raises:
            VosError: It cannot be read.
        """


@dataclass(frozen=True)
class VideoCopy:
    """One video to write.

    Attributes:
        split: The split it belongs to.
        name: Its name, with ``/`` where the source has levels.
        frames: In order.
        annotated: Names of the frames with a mask, in order.
        masks: Gives their label maps.
        objects: By rising id.
        size: ``(H, W)``.
        frame_rate: Frames per second.
    """

    split: str
    name: str
    frames: tuple[FrameCopy, ...]
    annotated: tuple[str, ...]
    masks: MaskSource
    objects: tuple[VideoObject, ...]
    size: tuple[int, int]
    frame_rate: Fraction

    @property
    def folder(self) -> str:
        """Its name as that of one folder."""
        return self.name.replace("/", "_")

    @property
    def categories(self) -> Mapping[int, str | None]:
        """Id to category."""
        return {item.id: item.category for item in self.objects}

    def read_mask(self, frame: str) -> LabelMap:
        """The label map of an annotated frame, uint8 ``(H, W)``.

        Raises:
            VosError: It cannot be read or has another size than the video.
        """
        labels = self.masks(frame)
        if labels.shape != self.size:
            raise VosError(
                f"video {self.name} frame {frame}: expected a mask of {self.size[0]} x {self.size[1]} (height x "
                f"width), found {labels.shape[0]} x {labels.shape[1]}; `vos-tf doctor` mends such masks"
            )
        return labels


@dataclass(frozen=True)
class VideoMasks:
    """The masks of a video as they lie on disk."""

    video: Video

    def __call__(self, frame: str) -> LabelMap:
        """The label map of an annotated frame."""
        return self.video.read_mask(frame)


def copy_of(video: Video, split: str) -> VideoCopy:
    """A video to be written as it is.

    Raises:
        VosError: Its name, or that of a frame, would leave the folder it is written to.
    """
    for name in (video.name, *video.frame_names):
        check_name(name, video.frames[0].parent)
    return VideoCopy(
        split=split,
        name=video.name,
        frames=tuple(FrameCopy(path.stem, path) for path in video.frames),
        annotated=tuple(name for name in video.frame_names if name in video.masks),
        masks=VideoMasks(video),
        objects=video.objects,
        size=video.size,
        frame_rate=video.frame_rate,
    )
