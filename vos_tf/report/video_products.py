"""What people look at of their own video, made while it is segmented: pictures, a video, a contact sheet.

One frame is held at a time, and some small pictures for the sheet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vos_tf.files import write_bytes
from vos_tf.media.frame_source import TimedFrame, timestamp
from vos_tf.media.images import resize_image, resize_label_map, write_image
from vos_tf.media.label_maps import LabelMap
from vos_tf.media.video_writer import VideoFile, opened_video
from vos_tf.report.overlays import Picture, Tile, contact_sheet, draw_overlay, encode_picture

SHEET_TILES = 8
TILE_WIDTH = 480
_SEAM = 6  # pixels between a frame and its overlay
_SEAM_COLOUR = 18


class OverlayStyle(NamedTuple):
    """How masks are laid over frames.

    Attributes:
        alpha: Strength of the fill, 0..1.
        contours: Draw outlines.
        ids: Write ids.
    """

    alpha: float = 0.5
    contours: bool = True
    ids: bool = True

    def draw(self, frame: Picture, labels: LabelMap) -> Picture:
        """A frame with its masks laid over, uint8 ``(H, W, 3)``."""
        return draw_overlay(frame, labels, self.alpha, self.contours, self.ids)


class _Small(NamedTuple):
    """A frame, scaled down, its label map and what is written below it."""

    image: Picture
    labels: LabelMap
    caption: str


def _small(frame: TimedFrame, labels: LabelMap) -> _Small:
    height, width = labels.shape
    size = (max(round(height * TILE_WIDTH / width), 1), TILE_WIDTH)
    image = np.asarray(resize_image(frame.image, size), np.uint8)
    return _Small(image, resize_label_map(labels, size), f"{frame.name}   {timestamp(frame.time)}")


class SpreadTiles:
    """Small overlays of frames that are spread evenly over a video whose length nobody knows.

    Every n-th frame is kept; when there are too many, every second of them goes, and n doubles. The last frame is
    always there.

    Args:
        style: How to draw.
        max_tiles: Largest number of tiles.
        expected: Number of frames, as far as it is known: what would go later is then not made at all.
    """

    def __init__(self, style: OverlayStyle, max_tiles: int = SHEET_TILES, expected: int = 0) -> None:
        self._style = style
        self._max_tiles = max_tiles
        self._step = 1
        while expected > 4 * max_tiles * self._step:
            self._step *= 2
        self._count = 0
        self._kept: dict[int, _Small] = {}
        self._last: tuple[TimedFrame, LabelMap] | None = None

    def add(self, frame: TimedFrame, labels: LabelMap) -> None:
        """Take the next frame of the video."""
        if self._count % self._step == 0:
            self._kept[self._count] = _small(frame, labels)
            if len(self._kept) > 4 * self._max_tiles:
                self._step *= 2
                self._kept = {index: kept for index, kept in self._kept.items() if index % self._step == 0}
        self._count += 1
        self._last = frame, labels

    def tiles(self) -> tuple[Tile, ...]:
        """The tiles, in order."""
        if self._last is None:
            return ()
        kept = {**self._kept, self._count - 1: _small(*self._last)}
        wanted = np.linspace(0, self._count - 1, min(self._max_tiles, len(kept)))
        nearest = {min(kept, key=lambda index: abs(index - place)): None for place in wanted}
        chosen = [kept[index] for index in sorted(nearest)]
        return tuple(Tile(self._style.draw(small.image, small.labels), small.caption) for small in chosen)


class VideoProducts:
    """The products of one video; see `opened_products`."""

    def __init__(
        self, style: OverlayStyle, pictures: Path | None, video: VideoFile | None, side_by_side: bool, expected: int
    ) -> None:
        self._style = style
        self._pictures = pictures
        self._video = video
        self._side_by_side = side_by_side
        self.spread = SpreadTiles(style, expected=expected)

    def add(self, frame: TimedFrame, labels: LabelMap) -> None:
        """Take the next frame with its label map.

        Raises:
            VosError: The video cannot be written.
            OSError: A picture cannot be written.
        """
        self.spread.add(frame, labels)
        if self._pictures is None and self._video is None:
            return
        overlay = self._style.draw(frame.image, labels)
        if self._pictures is not None:
            write_image(self._pictures / f"{frame.name}.jpg", overlay, quality=90)
        if self._video is not None:
            self._video.write(beside(frame.image, overlay) if self._side_by_side else overlay, frame.time)


@contextmanager
def opened_products(
    style: OverlayStyle,
    *,
    pictures: Path | None = None,
    video: Path | None = None,
    side_by_side: bool = False,
    frame_rate: Fraction = Fraction(24),
    expected: int = 0,
) -> Iterator[VideoProducts]:
    """Take frames one by one; the video appears under its name when the block ends well.

    Args:
        style: How masks are laid over.
        pictures: Folder for an overlay of every frame, ``<frame>.jpg``; ``None``: none.
        video: ``.mp4`` or ``.webm`` file of the overlays, with the times of the frames; ``None``: none.
        side_by_side: In the video, each frame stands beside its overlay.
        frame_rate: Of the video, on average.
        expected: Number of frames, as far as it is known.

    Raises:
        VosError: As `vos_tf.media.video_writer.opened_video`.
    """
    with ExitStack() as stack:
        file = stack.enter_context(opened_video(video, frame_rate, variable=True)) if video is not None else None
        yield VideoProducts(style, pictures, file, side_by_side, expected)


def beside(frame: Picture, overlay: Picture) -> Picture:
    """A frame and its overlay in one picture: side by side, or the overlay below where they are very wide.

    Args:
        frame: uint8 ``(H, W, 3)``.
        overlay: The same.
    """
    height, width = frame.shape[:2]
    below = width > 2 * height
    seam = np.full((_SEAM, width, 3) if below else (height, _SEAM, 3), _SEAM_COLOUR, np.uint8)
    result: Picture = np.concatenate([frame, seam, overlay], axis=0 if below else 1)
    return result


def write_contact_sheet(path: Path, tiles: tuple[Tile, ...], title: str, note: str) -> None:
    """Write a contact sheet as JPEG or PNG, by the suffix of ``path``.

    Raises:
        OSError: It cannot be written.
    """
    sheet = contact_sheet(tiles, title=title, note=note, columns=4, width=TILE_WIDTH)
    write_bytes(path, encode_picture(sheet, "PNG" if path.suffix.lower() == ".png" else "JPEG"))
