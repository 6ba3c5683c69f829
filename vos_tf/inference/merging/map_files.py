"""Probability maps of any source on disk: which there are, and what they hold. No TensorFlow.

Known are three ways to name them, and ``.png`` (8 or 16 bit, grey), ``.npz`` and ``.npy`` (float 0..1, or uint8) files:

* ``<video>/<frame>_object_<id>.png``, as evaluation writes them;
* ``<video>/<frame>_instance_<id>.png``, or any other ``<video>/<frame>_<id>.<kind>``;
* ``<video>/<id>/<frame>.png``, a folder for each object (a PyTorch port of Xu et al., ECCV 2018).
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.listing import natural_key
from vos_tf.errors import VosError
from vos_tf.inference.merging.numpy_merge import ProbabilityMap
from vos_tf.media.images import check_whole, header_size, read_bytes
from vos_tf.media.label_maps import MAX_OBJECT_ID
from vos_tf.media.probability_maps import read_probability

KINDS = (".png", ".npz", ".npy")
_SAID = re.compile(r"(?P<frame>.+)_(?:object|instance)_(?P<id>\d+)")
_FLAT = re.compile(r"(?P<frame>.+)_(?P<id>\d+)")


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
        if path.suffix.lower() not in KINDS or any(part.startswith(".") for part in relative.parts):
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
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return read_probability(path)
    content = read_bytes(path)
    if suffix == ".npy":
        return _decode_npy(content, path)
    header_size(content, str(path))
    check_whole(content, str(path))
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 2 or values.dtype not in (np.uint8, np.uint16):
        found = "a damaged file" if values is None else f"{values.dtype} {'x'.join(map(str, values.shape))}"
        raise VosError(f"{path}: expected probabilities as grey PNG of 8 or 16 bits, found {found}")
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    return np.asarray(values, np.float32) / np.float32(65535)


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
