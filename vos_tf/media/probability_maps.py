"""Probability maps on disk: a file for each object of each frame, before objects are merged.

``<frame>_object_<id>.png``, id of three digits: 8-bit grey, ``round(255 p)``, so that p is off by 1/510 at most.
``<frame>_object_<id>.npz``: one array ``probabilities``, float16 ``(H, W)``.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.files import write_bytes
from vos_tf.media.images import header_size, read_bytes
from vos_tf.media.label_maps import MAX_OBJECT_ID
from vos_tf.media.limits import MAX_PIXELS

PROBABILITIES = "probabilities"
"""Their folder in a results folder; in it a folder for each video."""

PROBABILITY_KINDS = ("png", "npz")
_NAME = re.compile(r"(?P<frame>.+)_object_(?P<id>\d{3})\.(?P<kind>png|npz)")
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
    maps = [read_probability(path) for path in paths]
    for path, values in zip(paths, maps, strict=True):
        if values.shape != maps[0].shape:
            expected, found = ("x".join(map(str, size)) for size in (maps[0].shape, values.shape))
            raise VosError(f"{path}: expected {expected} pixels (height x width) like {paths[0].name}, found {found}")
    return ProbabilityMaps(ids, np.stack(maps))


def read_probability(path: Path) -> NDArray[np.float32]:
    """Read one map, float32 ``(H, W)``, 0..1, by its suffix.

    Raises:
        VosError: Missing, damaged, or something else.
    """
    content = read_bytes(path)
    if path.suffix.lower() == ".npz":
        return _decode_npz(content, path)
    header_size(content, str(path))
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint8 or values.ndim != 2:
        found = "a damaged file" if values is None else f"{values.dtype} {values.shape}"
        raise VosError(f"{path}: expected probabilities as 8-bit grey PNG, found {found}")
    return np.asarray(values, np.float32) / np.float32(255)


def _encode(values: NDArray[np.floating], kind: str) -> bytes:
    if kind == "png":
        # + 0.5, cut off: NumPy's own rounding takes several times as long.
        grey = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
        return bytes(cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, _FASTEST])[1].tobytes())
    buffer = io.BytesIO()
    np.savez_compressed(buffer, probabilities=values.astype(np.float16))
    return buffer.getvalue()


def _decode_npz(content: bytes, path: Path) -> NDArray[np.float32]:
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
