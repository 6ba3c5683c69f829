"""Probability maps on disk: a file for each object of each frame, before objects are merged.

Written are ``<video>/<frame>_object_<id>.png``, id of three digits: 8-bit grey, ``round(255 p)``, so that p is off by
1/510 at most; or ``.npz``: one array ``probabilities``, float16 ``(H, W)``. Read are those of other programs as well,
``.png`` (8 or 16 bit, grey), ``.npz`` and ``.npy`` (float 0..1, or uint8):

* ``<video>/<frame>_instance_<id>.png``, or any other ``<video>/<frame>_<id>.<kind>``;
* ``<video>/<id>/<frame>.png``, a folder for each object.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.files import write_bytes
from vos_tf.media.image_files import natural_key
from vos_tf.media.images import check_whole, header_size, read_bytes
from vos_tf.media.label_maps import MAX_OBJECT_ID
from vos_tf.media.limits import MAX_PIXELS

PROBABILITIES = "probabilities"
"""Their folder in a results folder; in it a folder for each video."""

ProbabilityMap = NDArray[np.uint8] | NDArray[np.float32]
"""``(H, W)``: uint8, 255 for 1, or float32 0..1."""
LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)
"""What the values of an 8-bit map mean."""
PROBABILITY_KINDS = ("png", "npz")
_NAME = re.compile(r"(?P<frame>.+)_object_(?P<id>\d{3})\.(?P<kind>png|npz)")
_SAID = re.compile(r"(?P<frame>.+)_(?:object|instance)_(?P<id>\d+)")
_FLAT = re.compile(r"(?P<frame>.+)_(?P<id>\d+)")
_SUFFIXES = (".png", ".npz", ".npy")
_FASTEST = 1  # level of PNG compression


class ProbabilityMaps(NamedTuple):
    """The objects of one frame.

    Attributes:
        object_ids: Rising ids.
        probabilities: float32 ``(N, H, W)``, 0..1, in the order of the ids.
    """

    object_ids: tuple[int, ...]
    probabilities: NDArray[np.float32]


class ProbabilityFile(NamedTuple):
    """What the name of such a file says."""

    path: Path
    frame: str
    object_id: int
    kind: str


def probability_path(folder: Path, frame: str, object_id: int, kind: str = "png") -> Path:
    """File of one object in one frame.

    >>> probability_path(Path("probabilities/dog"), "00012", 3).as_posix()
    'probabilities/dog/00012_object_003.png'
    """
    return folder / f"{frame}_object_{object_id:03d}.{kind}"


def write_probabilities(
    folder: Path, frame: str, object_ids: Sequence[int], probabilities: NDArray[np.floating], kind: str = "png"
) -> None:
    """Write the maps of all objects of a frame, each whole or not at all.

    Args:
        folder: The video's folder.
        frame: Name of the frame.
        object_ids: Ids of N objects, 1..254.
        probabilities: Float ``(N, H, W)``, 0..1.
        kind: ``png`` (8 bit) or ``npz`` (float16).

    Raises:
        ValueError: Another kind, shape or type.
    """
    if kind not in PROBABILITY_KINDS:
        raise ValueError(f"kind: expected {' or '.join(PROBABILITY_KINDS)}; received {kind!r}")
    if probabilities.ndim != 3 or len(probabilities) != len(object_ids) or probabilities.dtype.kind != "f":
        raise ValueError(
            f"probabilities: expected float (N, H, W) of {len(object_ids)} objects; "
            f"received {probabilities.dtype} {probabilities.shape}"
        )
    for number, values in zip(object_ids, probabilities, strict=True):
        write_bytes(probability_path(folder, frame, number, kind), _encode(values, kind))


def find_probabilities(folder: Path) -> tuple[ProbabilityFile, ...]:
    """All probability files of a video's folder, in the order of frames' names and ids; none if there is no folder."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        named = _NAME.fullmatch(path.name)
        if named and 1 <= int(named["id"]) <= MAX_OBJECT_ID:
            found.append(ProbabilityFile(path, named["frame"], int(named["id"]), named["kind"]))
    return tuple(sorted(found, key=lambda file: (file.frame, file.object_id, file.kind)))


def read_probabilities(folder: Path, frame: str, object_ids: Iterable[int], kind: str = "png") -> ProbabilityMaps:
    """Read the maps of some objects of a frame.

    Args:
        folder: The video's folder.
        frame: Name of the frame.
        object_ids: Which objects, at least one; see `find_probabilities`.
        kind: ``png`` or ``npz``.

    Raises:
        VosError: A file is missing or damaged, or the objects' sizes differ.
    """
    ids = tuple(sorted(object_ids))
    paths = [probability_path(folder, frame, number, kind) for number in ids]
    maps = [as_float(read_map(path)) for path in paths]
    for path, values in zip(paths, maps, strict=True):
        if values.shape != maps[0].shape:
            expected, found = ("x".join(map(str, size)) for size in (maps[0].shape, values.shape))
            raise VosError(f"{path}: expected {expected} pixels (height x width) like {paths[0].name}, found {found}")
    return ProbabilityMaps(ids, np.stack(maps))


def as_float(plane: ProbabilityMap) -> NDArray[np.float32]:
    """A map as float32 0..1."""
    return LEVELS[plane] if plane.dtype == np.uint8 else np.asarray(plane, np.float32)


class ObjectMap(NamedTuple):
    """One object in one frame."""

    object_id: int
    path: Path


FrameMaps = Mapping[str, tuple[ObjectMap, ...]]
"""The maps of a video by the name of the frame, in natural order; in a frame in the order in which objects joined."""


def find_maps(folder: Path) -> dict[str, FrameMaps]:
    """All maps below ``folder``, by video.

    Raises:
        VosError: There are none, a file is named in another way, or an object has two maps in a frame.
    """
    found: dict[str, dict[str, dict[int, Path]]] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.suffix.lower() not in _SUFFIXES or any(part.startswith(".") for part in relative.parts):
            continue
        video, frame, number = _named(path, relative)
        maps = found.setdefault(video, {}).setdefault(frame, {})
        if number in maps:
            raise VosError(f"{path}: expected one map of an object in a frame, found {maps[number].name}, too")
        maps[number] = path
    if not found:
        raise VosError(f"{folder}: expected probability maps (<video>/<frame>_object_<id>.png), found none")
    return {video: _in_order(found[video]) for video in sorted(found, key=natural_key)}


def _named(path: Path, relative: Path) -> tuple[str, str, int]:
    """Video, frame and object of a file."""
    *folders, _ = relative.parts
    name = _SAID.fullmatch(path.stem)
    if name is None and len(folders) > 1 and _is_id(folders[-1]):
        return "/".join(folders[:-1]), path.stem, int(folders[-1])
    name = name or _FLAT.fullmatch(path.stem)
    if name is None or not folders or not _is_id(name["id"]):
        raise VosError(
            f"{path}: expected <video>/<frame>_object_<id>{path.suffix} or <video>/<id>/<frame>{path.suffix} with an "
            f"id from 1 to {MAX_OBJECT_ID}, found another name"
        )
    return "/".join(folders), name["frame"], int(name["id"])


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_OBJECT_ID


def _in_order(frames: Mapping[str, Mapping[int, Path]]) -> FrameMaps:
    names = sorted(frames, key=natural_key)
    joined: dict[int, int] = {}
    for index, name in enumerate(names):
        for number in sorted(frames[name]):
            joined.setdefault(number, index)
    order = sorted(joined, key=lambda number: (joined[number], number))
    return {name: tuple(ObjectMap(i, frames[name][i]) for i in order if i in frames[name]) for name in names}


def read_map(path: Path) -> ProbabilityMap:
    """One map: uint8 of an 8-bit file, else float32 0..1.

    Raises:
        VosError: Missing, damaged, or something else.
    """
    content = read_bytes(path)
    decode = {".npz": _decode_npz, ".npy": _decode_npy}.get(path.suffix.lower())
    if decode is not None:
        return decode(content, path)
    header_size(content, str(path))
    check_whole(content, str(path))
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 2 or values.dtype not in (np.uint8, np.uint16):
        found = "a damaged file" if values is None else f"{values.dtype} {'x'.join(map(str, values.shape))}"
        raise VosError(f"{path}: expected probabilities as grey PNG of 8 or 16 bits, found {found}")
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    return np.asarray(values, np.float32) / np.float32(65535)


def _encode(values: NDArray[np.floating], kind: str) -> bytes:
    if kind == "png":
        # + 0.5, cut off: NumPy's own rounding takes several times as long.
        grey = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
        return bytes(cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, _FASTEST])[1].tobytes())
    buffer = io.BytesIO()
    np.savez_compressed(buffer, probabilities=values.astype(np.float16))
    return buffer.getvalue()


def _decode_npz(content: bytes, path: Path) -> ProbabilityMap:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            size = sum(item.file_size for item in file.infolist())
        if size > 2 * MAX_PIXELS + 4096:  # the header of the array
            raise VosError(f"{path}: expected at most {MAX_PIXELS} values, found {size} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            values = arrays["probabilities"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise VosError(f"{path}: expected probabilities as npz, found a file that cannot be read ({error})") from None
    if values.ndim != 2 or values.dtype.kind != "f" or not np.isfinite(values).all():
        raise VosError(f"{path}: expected finite probabilities (H, W), found {values.dtype} {values.shape}")
    return np.asarray(np.clip(values, 0, 1), np.float32)


def _decode_npy(content: bytes, path: Path) -> ProbabilityMap:
    try:
        values: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise VosError(f"{path}: expected probabilities, found a file that cannot be read ({error})") from None
    # An axis of one is left out: (1, H, W) and (H, W, 1) are maps, too.
    plane = values.squeeze() if values.ndim > 2 else values
    if plane.ndim == 2 and plane.dtype == np.uint8:
        return np.asarray(plane, np.uint8)
    if plane.ndim != 2 or plane.dtype.kind != "f":
        raise VosError(f"{path}: expected float probabilities (H, W), found {values.dtype} {values.shape}")
    if not (plane.min() >= 0 and plane.max() <= 1):  # refuses nan, too
        raise VosError(f"{path}: expected probabilities, 0 to 1, found {plane.min():g} to {plane.max():g}")
    return np.asarray(plane, np.float32)
