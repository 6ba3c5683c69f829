"""Contact sheets of what is learned from: sequences with their masks, from a data set or records."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from vos_tf.datasets import Dataset, dataset_names, open_dataset
from vos_tf.datasets.types import Video
from vos_tf.errors import VosError
from vos_tf.files import write_bytes
from vos_tf.media.images import decode_image, read_image
from vos_tf.media.label_maps import LabelMap
from vos_tf.progress import progress
from vos_tf.records.manifest import MANIFEST, Manifest, RecordEntry, read_manifest
from vos_tf.report.overlays import Picture, Tile, contact_sheet, encode_picture, evenly_spaced, labelled_tile
from vos_tf.text import counted

COLUMNS = 4
STILLS_ON_A_SHEET = 24
PAPER = 250  # grey of the sheets


@dataclass(frozen=True)
class ShowRequest:
    """Which sequences to draw, and how.

    Attributes:
        what: Name of a layout, or a folder of records.
        root: Folder of the data set; ``data/<layout>`` if not given.
        split: Of the data set.
        out: Folder of the sheets.
        names: Names of the sequences; empty: ``videos`` of them.
        videos: Number of sequences, spread over all; 0: all.
        frames: Frames of each sequence.
        width: Of each picture.
    """

    what: str
    root: Path | None
    split: str
    out: Path
    names: tuple[str, ...] = ()
    videos: int = 12
    frames: int = 8
    width: int = 320

    def __post_init__(self) -> None:
        for name, least in (("videos", 0), ("frames", 1), ("width", 32)):
            if getattr(self, name) < least:
                raise VosError(f"--{name}: expected {least} or more, found {getattr(self, name)}")


class _Shown(NamedTuple):
    """One sequence: its name, how many frames it has and of which size, and the pictures of those that are drawn."""

    name: str
    length: int
    size: tuple[int, int]
    tiles: list[Tile]


_Draw = Callable[[str], _Shown]


def show_sequences(request: ShowRequest) -> list[Path]:
    """Draw a sheet of each sequence, and sheets of many still images together.

    Returns:
        The files, ``<out>/<sequence>.png`` or ``<out>/still_images_<number>.png``.

    Raises:
        VosError: There is no such data set, records, or sequence, or a file cannot be read.
    """
    title, names, draw = _source(request)
    chosen = _chosen(names, request)
    written: list[Path] = []
    stills: list[Tile] = []
    with progress("drawing sheets", len(chosen), "sequences") as bar:
        for name in chosen:
            shown = draw(name)
            if shown.length == 1:
                stills += [Tile(_no_higher_than_wide(tile.picture), name) for tile in shown.tiles]
            else:
                note = f"{title}: {counted(shown.length, 'frame')} of {shown.size[1]}x{shown.size[0]}"
                written.append(_write(request.out / f"{file_name(name)}.png", shown.tiles, name, note, request.width))
            bar.advance(note=name)
    for number, first in enumerate(range(0, len(stills), STILLS_ON_A_SHEET)):
        page = stills[first : first + STILLS_ON_A_SHEET]
        note = f"images {first + 1} to {first + len(page)} of {len(stills)}"
        written.append(_write(request.out / f"still_images_{number:03d}.png", page, title, note, request.width))
    return written


def _source(request: ShowRequest) -> tuple[str, tuple[str, ...], _Draw]:
    """What the sheets are titled, the names of all sequences, and what draws one."""
    if (Path(request.what) / MANIFEST).is_file():
        manifest = read_manifest(request.what)
        videos = {records[0].video: records for records in manifest.videos}
        title = f"records of {manifest.dataset} {manifest.split}"
        return title, tuple(videos), lambda name: _stored(manifest, videos[name], request)
    if request.what.replace("-", "_") not in dataset_names():
        raise VosError(
            f"{request.what or 'show'}: expected a layout ({', '.join(dataset_names())}), a folder of records or a run "
            f"folder, or --recipe or --config, found {'none of them' if request.what else 'nothing'}"
        )
    dataset: Dataset = open_dataset(request.what, request.root or Path("data") / request.what, request.split)
    known = {video.name: video for video in dataset.videos}
    return f"{dataset.name} {dataset.split}", tuple(known), lambda name: _on_disk(known[name], request)


def _chosen(names: Sequence[str], request: ShowRequest) -> tuple[str, ...]:
    missing = [name for name in request.names if name not in names]
    if missing:
        close = ", ".join(evenly_spaced(names, 5))
        raise VosError(f"--video {missing[0]}: expected one of the {len(names)} sequences ({close}, ...), found none")
    if not names:
        raise VosError(f"{request.what} {request.split}: expected sequences to draw, found none")
    return request.names or (evenly_spaced(names, request.videos) if request.videos else tuple(names))


def _drawn_frames(length: int, annotated: Sequence[int], count: int) -> list[int]:
    """Frames spread over a sequence: annotated ones, and where there are few of them, others between."""
    if len(annotated) >= count:
        return [annotated[int(place)] for place in evenly_spaced([str(i) for i in range(len(annotated))], count)]
    others = [index for index in range(length) if index not in annotated]
    spread = evenly_spaced([str(index) for index in others], count - len(annotated)) if others else ()
    return sorted([*annotated, *map(int, spread)])


def _on_disk(video: Video, request: ShowRequest) -> _Shown:
    names = video.frame_names
    annotated = [index for index, name in enumerate(names) if name in video.masks]
    tiles = []
    for index in _drawn_frames(len(names), annotated, request.frames):
        labels = video.read_mask(names[index]) if names[index] in video.masks else None
        picture = read_image(video.frames[index])
        tiles.append(_tile(picture, labels, names[index], request.width, ids=not video.single_object))
    return _Shown(video.name, len(names), video.size, tiles)


def _stored(manifest: Manifest, records: Sequence[RecordEntry], request: ShowRequest) -> _Shown:
    places = [(record, index) for record in records for index in range(len(record.frames))]
    annotated = [number for number, (record, index) in enumerate(places) if record.masks[index][1]]
    tiles = []
    for number in _drawn_frames(len(places), annotated, request.frames):
        record, index = places[number]
        name = f"{record.video} frame {number}"
        picture = decode_image(_content(manifest, record, record.frames[index]), name)
        mask = _content(manifest, record, record.masks[index]) if record.masks[index][1] else b""
        labels = cv2.imdecode(np.frombuffer(mask, np.uint8), cv2.IMREAD_GRAYSCALE) if mask else None
        tiles.append(_tile(picture, labels, str(number), request.width))
    return _Shown(records[0].video, len(places), records[0].size, tiles)


def _content(manifest: Manifest, record: RecordEntry, place: tuple[int, int]) -> bytes:
    path = manifest.folder / manifest.shards[record.shard].file
    try:
        with path.open("rb") as file:
            file.seek(place[0])
            return file.read(place[1])
    except OSError as error:
        raise VosError(
            f"{path}: expected a file of records, found one that cannot be read ({error.strerror})"
        ) from None


def _tile(picture: Picture, labels: LabelMap | None, name: str, width: int, *, ids: bool = True) -> Tile:
    return labelled_tile(picture, labels, name if labels is not None else f"{name}  no mask", width, ids=ids)


def _no_higher_than_wide(picture: Picture) -> Picture:
    """A high picture with paper on both sides, so that no row of a sheet is higher than its pictures are wide."""
    height, width = picture.shape[:2]
    left = max(height - width, 0) // 2
    right = max(height - width - left, 0)
    padded: Picture = np.pad(picture, ((0, 0), (left, right), (0, 0)), constant_values=PAPER)
    return padded


def _write(path: Path, tiles: Sequence[Tile], title: str, note: str, width: int) -> Path:
    sheet = contact_sheet(tiles, title=title, note=note, columns=COLUMNS, width=width)
    write_bytes(path, encode_picture(sheet, "PNG"))
    return path


def file_name(name: str) -> str:
    """A sequence's name as that of a file."""
    return re.sub(r"[^\w.-]+", "_", name)
