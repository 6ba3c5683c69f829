"""Label maps from probability maps on disk, frame by frame; interrupted work continues. No TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from vos_tf.datasets.listing import image_size, list_images, names_found
from vos_tf.errors import VosError
from vos_tf.inference.merging.numpy_merge import check_rule, merge_maps
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.results_folder import Provenance, claim_results
from vos_tf.media.label_maps import write_label_map
from vos_tf.media.probability_maps import FrameMaps, ObjectMap, ProbabilityMap, as_float, find_maps, read_map
from vos_tf.progress import progress
from vos_tf.workers import open_workers

Size = tuple[int, int]


class _Frame(NamedTuple):
    """A label map to make: its file, the maps, and ``(H, W)``; ``None``: that of the maps."""

    out: Path
    maps: tuple[ObjectMap, ...]
    size: Size | None


def merge_folder(maps: Path, out: Path, rule: MergeRule, *, like: Path | None = None, workers: int = 0) -> int:
    """Merge every frame's maps into ``out/<video>/<frame>.png``; what is there already, and not older, is kept.

    Args:
        maps: Folder of maps, see `vos_tf.media.probability_maps`.
        out: Folder of the label maps.
        rule: How objects compete.
        like: Folder of the videos' frames, ``<video>/<frame>.jpg``: label maps get their size, and frames without any
            map get an empty one.
        workers: Processes; 0: one for every core.

    Returns:
        The number of label maps in ``out``.

    Raises:
        VosError: There are no maps, one is damaged or has another size than the others of its frame, or ``out`` holds
            something else.
    """
    check_rule(rule)
    videos = find_maps(maps)
    frames = [frame for video, found in videos.items() for frame in _frames(out, video, found, like)]
    settings = {"merge": rule.name, "background": rule.background, "sizes": "frames" if like else "maps"}
    claim_results(out, Provenance("probability maps", str(maps), "", settings), "--out")
    todo = [frame for frame in frames if not _is_done(frame)]
    with (
        progress("merging", len(frames), "frames", len(frames) - len(todo)) as bar,
        open_workers(workers, tasks=len(todo)) as pool,
    ):
        for frame in pool.map(partial(_merge, rule=rule), todo):
            bar.advance(note=frame.out.parent.name)
    return len(frames)


def _frames(out: Path, video: str, maps: FrameMaps, like: Path | None) -> Iterator[_Frame]:
    if like is None:
        for name, objects in maps.items():
            yield _Frame(out / video / f"{name}.png", objects, None)
        return
    images = list_images(like / video)
    names = {path.stem for path in images}
    strange = [name for name in maps if name not in names]
    if strange:
        raise VosError(f"{like / video}: expected a frame for every map, found none for {names_found(strange)}")
    size = image_size(images[0])
    for path in images:
        yield _Frame(out / video / f"{path.stem}.png", maps.get(path.stem, ()), size)


def _is_done(frame: _Frame) -> bool:
    try:
        made = frame.out.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return all(item.path.stat().st_mtime_ns <= made for item in frame.maps)


def _merge(frame: _Frame, rule: MergeRule) -> _Frame:
    """Write one label map."""
    if frame.maps:
        labels = merge_maps(_planes(frame), [item.object_id for item in frame.maps], rule)
    else:
        labels = np.zeros(frame.size or (0, 0), np.uint8)
    write_label_map(frame.out, labels)
    return frame


def _planes(frame: _Frame) -> Iterator[ProbabilityMap]:
    """The maps of a frame one by one, of one size and kind."""
    first = read_map(frame.maps[0].path)
    kinds = {item.path.suffix.lower() for item in frame.maps}
    whole = frame.size is None or frame.size == first.shape
    exact = whole and kinds == {".png"} and first.dtype == np.uint8
    for index, item in enumerate(frame.maps):
        plane = read_map(item.path) if index else first
        if plane.shape != first.shape:
            expected, found = ("x".join(map(str, size)) for size in (first.shape, plane.shape))
            other = frame.maps[0].path.name
            raise VosError(f"{item.path}: expected {expected} pixels (height x width) like {other}, found {found}")
        if exact and plane.dtype != np.uint8:
            raise VosError(f"{item.path}: expected 8 bits like {frame.maps[0].path.name}, found 16")
        yield plane if exact else _resized(as_float(plane), frame.size)


def _resized(plane: ProbabilityMap, size: Size | None) -> ProbabilityMap:
    if size is None or plane.shape == size:
        return plane
    return np.asarray(cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
