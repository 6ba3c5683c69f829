"""What every data set on disk turns into: a Dataset of Videos. No TensorFlow, no pixels held."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from vos_tf.media.label_maps import LabelMap, read_label_map

DEFAULT_FRAME_RATE = Fraction(24)


class MaskReader(Protocol):
    """Reads masks that do not lie on disk as label maps of the frame's size.

    One that can be pickled, and whose ``repr`` says all its settings: it is part of the fingerprint.
    """

    def __call__(self, path: Path, size: tuple[int, int]) -> LabelMap:
        """The label map in ``path``, uint8 ``(H, W)`` of ``size``.

        Raises:
            VosError: The file is missing or no mask of such a frame.
        """


@dataclass(frozen=True)
class VideoObject:
    """One object of a video.

    Attributes:
        id: 1..254, as in the label maps of the data set.
        category: What it is, or ``None`` where the data set does not say.
        first_frame: Name of the frame whose mask introduces the object.
        frames: Names of the frames in which it must be segmented, in order, ``first_frame`` first.
    """

    id: int
    category: str | None
    first_frame: str
    frames: tuple[str, ...]


@dataclass(frozen=True)
class Video:
    """One video: where its frames and masks lie and which objects it shows.

    Attributes:
        name: Unique in the data set; may contain ``/`` where the layout has levels.
        frames: Image files, in order.
        masks: Frame name (stem of the image file) to the file of its mask, for the annotated frames only.
        objects: By rising id.
        size: ``(H, W)`` in pixels.
        frame_rate: Frames per second of ``frames``.
        single_object: All ids of the masks mean one object, id 1 (DAVIS-2016).
        mask_reader: Reads the masks where they are no label maps (still images); ``None``: they are.
    """

    name: str
    frames: tuple[Path, ...]
    masks: Mapping[str, Path]
    objects: tuple[VideoObject, ...]
    size: tuple[int, int]
    frame_rate: Fraction = DEFAULT_FRAME_RATE
    single_object: bool = False
    mask_reader: MaskReader | None = None

    @property
    def frame_names(self) -> tuple[str, ...]:
        """Names of all frames, in order: the stems of their files."""
        return tuple(path.stem for path in self.frames)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of all objects, rising."""
        return tuple(item.id for item in self.objects)

    def read_mask(self, frame: str) -> LabelMap:
        """The label map of an annotated frame, uint8 ``(H, W)``.

        Raises:
            KeyError: The frame is not annotated.
            VosError: The file is missing or no label map.
        """
        if self.mask_reader is not None:
            return self.mask_reader(self.masks[frame], self.size)
        return read_label_map(self.masks[frame], single_object=self.single_object)


@dataclass(frozen=True)
class Dataset:
    """A named split of a data set.

    Attributes:
        name: The layout's name: ``davis2016``, ``davis2017``, ``youtube_vos``, ``tianchi``, ``folder``,
            ``still_images``, ``synthetic``.
        split: For example ``train`` or ``val``.
        videos: In the order of the data set's list.
        root: The folder it was read from.
        notes: What a user should know about how it was read (say, that ``meta.json`` was rebuilt).
    """

    name: str
    split: str
    videos: tuple[Video, ...]
    root: Path
    notes: tuple[str, ...] = field(default=())

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over names, counts and sizes; equal wherever the same edition lies."""
        rows = [
            [video.name, list(video.size), list(video.frame_names), sorted(video.masks), list(video.object_ids)]
            + ([] if video.mask_reader is None else [repr(video.mask_reader)])
            for video in self.videos
        ]
        content = json.dumps([self.name, self.split, rows], separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:16]
