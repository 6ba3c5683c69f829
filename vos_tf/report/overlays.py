"""Pictures of masks over frames: fills, contours, id labels, and contact sheets of whole videos."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vos_tf.datasets.types import Video
from vos_tf.files import write_bytes
from vos_tf.media.images import read_image
from vos_tf.media.label_maps import VOID, LabelMap, davis_palette, read_label_map

if TYPE_CHECKING:
    from collections.abc import Iterable

Picture = NDArray[np.uint8]
"""uint8 ``(H, W, 3)`` RGB."""

TRUTH_COLOUR = (255, 255, 255)
_DARK = (18, 18, 20)
_PAPER = (250, 250, 248)
_INK = (28, 28, 30)
_FAINT = (110, 110, 115)
_DARKEST = 75.0  # a colour with less luminance than this is hard to tell from shadow
_GAIN = 1.6
_LUMINANCE = np.array([0.299, 0.587, 0.114])


class Tile(NamedTuple):
    """One picture of a contact sheet.

    Attributes:
        picture: uint8 ``(H, W, 3)`` RGB.
        caption: Line below it.
    """

    picture: Picture
    caption: str


@lru_cache(maxsize=1)
def overlay_palette() -> Picture:
    """The DAVIS palette with the dark colours lifted until they can be seen: uint8 ``(256, 3)`` RGB."""
    colours = np.minimum(davis_palette().astype(np.float64) * _GAIN, 255)
    luminance = colours @ _LUMINANCE
    lift = np.clip((_DARKEST - luminance) / (255 - np.minimum(luminance, 254)), 0, 1)[:, None]
    result: Picture = np.round(colours + (255 - colours) * lift).astype(np.uint8)
    return result


def draw_overlay(
    frame: Picture, labels: LabelMap, alpha: float = 0.5, contours: bool = True, ids: bool = True
) -> Picture:
    """Lay a label map over a frame.

    Args:
        frame: uint8 ``(H, W, 3)`` RGB.
        labels: uint8 ``(H, W)``; void (255) is shown as grey without contour or id.
        alpha: Strength of the fill, 0..1.
        contours: Draw the outline of every object.
        ids: Write the id into every object that has room for it.

    Returns:
        A new picture, uint8 ``(H, W, 3)``.

    Raises:
        ValueError: Frame and label map differ in size.
    """
    if frame.shape[:2] != labels.shape:
        raise ValueError(f"frame {frame.shape[:2]} and label map {labels.shape} must have one size")
    palette = overlay_palette()
    colours = palette.copy()
    colours[VOID] = (200, 200, 200)
    blended = cv2.addWeighted(frame, 1 - alpha, colours[labels], alpha, 0)
    result: Picture = np.where(labels[..., None] != 0, blended, frame)
    numbers = [int(number) for number in np.unique(labels) if number not in (0, VOID)]
    if contours:
        for number in numbers:
            _outline(result, labels == number, _colour(palette[number]))
    if ids:
        result = _write_ids(result, labels, numbers)
    return result


def draw_contours(frame: Picture, labels: LabelMap, colour: tuple[int, int, int] = TRUTH_COLOUR) -> Picture:
    """Draw the outlines of all objects of a label map in one colour, on a copy of the frame."""
    result = frame.copy()
    for number in np.unique(labels):
        if number not in (0, VOID):
            _outline(result, labels == number, colour, slim=True)
    return result


def contact_sheet(tiles: Sequence[Tile], *, title: str, note: str = "", columns: int = 4, width: int = 320) -> Picture:
    """Lay out pictures in rows, with a title above and a caption below each.

    Args:
        tiles: Pictures; each is scaled to ``width``, keeping its proportions.
        title: Heading.
        note: Second line, smaller.
        columns: Pictures in a row.
        width: Width of one picture in pixels.

    Returns:
        uint8 ``(H, W, 3)``.

    Raises:
        ValueError: There is no picture.
    """
    if not tiles:
        raise ValueError("a contact sheet needs a picture")
    gap, heading, line = max(width // 32, 6), width // 5 if note else width // 7, max(width // 13, 14)
    columns = min(columns, len(tiles))
    pictures = [_scaled(tile.picture, width) for tile in tiles]
    tall = max(picture.shape[0] for picture in pictures)
    rows = -(-len(tiles) // columns)
    size = (gap + columns * (width + gap), heading + gap + rows * (tall + line + gap))
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    _text(pen, (gap, gap), title, width // 13, _INK, size[0] - 2 * gap)
    if note:
        _text(pen, (gap, gap + width // 10), note, width // 20, _FAINT, size[0] - 2 * gap)
    for index, (picture, tile) in enumerate(zip(pictures, tiles, strict=True)):
        row, column = divmod(index, columns)
        x, y = gap + column * (width + gap), heading + gap + row * (tall + line + gap)
        sheet.paste(Image.fromarray(picture), (x, y))
        _text(pen, (x, y + picture.shape[0] + line // 8), tile.caption, round(line * 0.7), _FAINT, width)
    return np.asarray(sheet)


def evenly_spaced(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Up to ``count`` names, first and last included, at even distances."""
    chosen = np.unique(np.round(np.linspace(0, len(names) - 1, min(count, len(names)))).astype(int))
    return tuple(names[index] for index in chosen)


def labelled_tile(picture: Picture, labels: LabelMap | None, caption: str, width: int, *, ids: bool = True) -> Tile:
    """A picture with its label map laid over.

    Args:
        picture: uint8 ``(H, W, 3)`` RGB.
        labels: uint8 ``(H, W)``; ``None``: the picture is shown bare.
        caption: Line below it.
        width: It is scaled to, so that lines keep their weight.
        ids: Write the id into every object that has room for it.
    """
    small = _scaled(picture, width)
    return Tile(small if labels is None else draw_overlay(small, _fitted(labels, small), ids=ids), caption)


def video_tiles(
    video: Video, results: Path, frames: Iterable[str], *, truth: bool = True, width: int | None = None
) -> list[Tile]:
    """Frames of a video with the result masks laid over, and the annotated contours in white where there are any.

    Args:
        video: The video.
        results: Folder with ``<video>/<frame>.png``; a frame without mask is shown bare and says so.
        frames: Names of the frames.
        truth: Draw the contours of the ground truth.
        width: Scale frames to this width first, so that lines keep their weight; ``None``: full size.

    Raises:
        VosError: A file cannot be read.
    """
    files = dict(zip(video.frame_names, video.frames, strict=True))
    tiles = []
    for name in frames:
        picture, found = _drawn(video, results, files[name], width)
        if truth and name in video.masks:
            picture = draw_contours(picture, _fitted(video.read_mask(name), picture))
        tiles.append(Tile(picture, name if found else f"{name}  no mask"))
    return tiles


def overlay_frames(video: Video, results: Path, *, alpha: float = 0.5, contours: bool = True) -> Iterator[Picture]:
    """All frames of a video with the result masks laid over, at full size, one after the other.

    Args:
        video: The video.
        results: Folder with ``<video>/<frame>.png``; a frame without mask is shown bare.
        alpha: Strength of the fill, 0..1.
        contours: Draw the outline of every object.

    Yields:
        uint8 ``(H, W, 3)`` RGB.

    Raises:
        VosError: A file cannot be read.
    """
    for path in video.frames:
        yield _drawn(video, results, path, alpha=alpha, contours=contours)[0]


def _drawn(
    video: Video, results: Path, frame: Path, width: int | None = None, *, alpha: float = 0.5, contours: bool = True
) -> tuple[Picture, bool]:
    """A frame with its result mask, and whether there is one."""
    picture = _scaled(read_image(frame), width)
    path = results / video.name / f"{frame.stem}.png"
    if not path.is_file():
        return picture, False
    labels = _fitted(read_label_map(path, single_object=video.single_object), picture)
    return draw_overlay(picture, labels, alpha, contours, ids=not video.single_object), True


def write_overlay_sheet(video: Video, results_dir: Path, path: Path, *, count: int = 8, truth: bool = True) -> None:
    """Write a contact sheet of one video's results to ``path`` (``.png`` or ``.jpg``).

    Args:
        video: The video.
        results_dir: Folder with ``<video>/<frame>.png``.
        path: Where to write.
        count: Number of frames, evenly spaced.
        truth: Draw the contours of the ground truth in white.

    Raises:
        VosError: A file cannot be read.
    """
    tiles = video_tiles(video, results_dir, evenly_spaced(video.frame_names, count), truth=truth, width=480)
    note = f"{len(video.frames)} frames of {video.size[1]}x{video.size[0]}"
    if truth and video.masks:
        note += ", ground truth outlined in white"
    sheet = contact_sheet(tiles, title=video.name, note=note, columns=4, width=480)
    write_bytes(path, encode_picture(sheet, "PNG" if path.suffix.lower() == ".png" else "JPEG"))


def encode_picture(picture: Picture, kind: str = "JPEG") -> bytes:
    """A picture as the bytes of a ``JPEG`` or ``PNG`` file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **({"quality": 82, "optimize": True} if kind == "JPEG" else {}))
    return buffer.getvalue()


def _scaled(picture: Picture, width: int | None) -> Picture:
    height, old = picture.shape[:2]
    if width is None or old == width:
        return picture
    kind = cv2.INTER_AREA if width < old else cv2.INTER_LINEAR
    result: Picture = cv2.resize(picture, (width, max(round(height * width / old), 1)), interpolation=kind)
    return result


def _fitted(labels: LabelMap, picture: Picture) -> LabelMap:
    height, width = picture.shape[:2]
    result: LabelMap = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    return result


def _colour(row: NDArray[np.uint8]) -> tuple[int, int, int]:
    return int(row[0]), int(row[1]), int(row[2])


def _outline(picture: Picture, mask: NDArray[np.bool_], colour: tuple[int, int, int], *, slim: bool = False) -> None:
    """Draw the outline of a mask into ``picture``: a coloured line on a dark one, seen on any background."""
    weight = max(round(min(mask.shape) / (400 if slim else 270)), 1)
    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, lines, -1, _DARK, weight + 2, cv2.LINE_AA)
    cv2.drawContours(picture, lines, -1, colour, weight, cv2.LINE_AA)


def _write_ids(picture: Picture, labels: LabelMap, numbers: Sequence[int]) -> Picture:
    size = max(round(min(labels.shape) / 22), 9)
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for number in numbers:
        # The point deepest inside the object; the frame of zeros keeps it off the border of the image.
        inside = cv2.copyMakeBorder((labels == number).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        _, depth, _, (x, y) = cv2.minMaxLoc(cv2.distanceTransform(inside, cv2.DIST_L2, 3))
        if depth < size * 0.6:
            continue
        text, font, point = str(number), _font(size), (x - 1, y - 1)
        left, top, right, bottom = pen.textbbox(point, text, font=font, anchor="mm")
        colour = overlay_palette()[number]
        bright = float(colour @ _LUMINANCE) > 140
        box = (left - 4, top - 3, right + 3, bottom + 3)
        pen.rounded_rectangle(box, radius=4, fill=_colour(colour), outline=_DARK)
        pen.text(point, text, font=font, fill=_DARK if bright else TRUTH_COLOUR, anchor="mm")
    return np.asarray(image)


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(size, 6))


def _text(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: tuple[int, int, int], room: int
) -> None:
    font = _font(size)
    while text and pen.textlength(text, font=font) > room:
        text = text[:-2].rstrip("…") + "…" if len(text) > 2 else ""
    pen.text(place, text, font=font, fill=colour)
