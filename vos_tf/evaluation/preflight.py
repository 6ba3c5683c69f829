"""Before any score: are the result masks there, readable, of the right size, with ids that exist?"""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from vos_tf.errors import Problem, VosError
from vos_tf.evaluation.protocols import Plan, ScoringProtocol
from vos_tf.media.label_maps import LabelMap, read_label_map
from vos_tf.progress import Progress

Missing = Literal["refuse", "zero"]
Identical = Literal["refuse", "allow"]

LEFT_ASIDE = ("overlays", "adapted", "instances", "probabilities")
"""Folders that the evaluation itself leaves beside the masks: pictures, fine-tuned weights, masks and
probabilities of single objects."""

_PNG = b"\x89PNG\r\n\x1a\n"
_HEAD = 26  # signature, then the chunk IHDR: size, bits, colour type
_GREY, _INDEXED = 0, 3
_CHUNK = 32
_SHOWN_NAMES = 5


class Tally(NamedTuple):
    """How many of what was expected is there, is not, and what is there that nobody asked for."""

    matched: int
    missing: int
    extra: int


@dataclass(frozen=True)
class Preflight:
    """What was found in a results folder.

    Attributes:
        sequences: Folders of sequences.
        frames: Masks of the frames that count.
        sizes: Masks of the right size; ``missing``: of a wrong one.
        ids: Object ids, summed over sequences: in the masks, nowhere in the masks, unknown to the protocol.
        problems: Everything that is refused.
        absent: Frames scored as empty masks (`Missing` ``zero``), as ``sequence/frame``.
        remarks: What is left aside without harm.
    """

    sequences: Tally
    frames: Tally
    sizes: Tally
    ids: Tally
    problems: tuple[Problem, ...]
    absent: frozenset[str]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Check:
    """Some masks of one sequence to look into (sent to a worker)."""

    sequence: str
    masks: tuple[Path, ...]
    size: tuple[int, int]
    merge: bool


@dataclass(frozen=True)
class _Checked:
    """What a worker found: ids that occur, masks by first occurrence of an id, problems."""

    sequence: str
    first_mask: dict[int, Path]
    wrong_sizes: int
    problems: tuple[Problem, ...]


def check_results(
    results: Path,
    plans: Sequence[Plan],
    protocol: ScoringProtocol,
    *,
    workers: Executor,
    progress: Progress,
    missing: Missing = "refuse",
    identical: Identical = "refuse",
) -> Preflight:
    """Look at every mask that a protocol needs.

    Args:
        results: Folder with ``<sequence>/<frame>.png``.
        plans: What counts, by video.
        protocol: What the plans were made by.
        workers: Where masks are read.
        progress: Advanced by one per mask.
        missing: ``zero``: masks that are not there are no problem but empty.
        identical: ``refuse``: a copy of the ground truth is a problem.

    Raises:
        VosError: There is no such folder.
    """
    if not results.is_dir():
        raise VosError(f"{results}: expected a folder with one folder of masks per sequence, found no such folder")
    lost = {plan.video.name: _lost_frames(results, plan) for plan in plans}
    absent = frozenset(f"{name}/{frame}" for name, frames in lost.items() for frame in frames)
    problems = [] if missing == "zero" else list(_missing_problems(results, plans, lost))
    checks = [check for plan in plans for check in _checks(results, plan, lost[plan.video.name], protocol)]
    found: dict[str, dict[int, Path]] = {plan.video.name: {} for plan in plans}
    wrong = 0
    for check, checked in zip(checks, workers.map(_inspect, checks), strict=True):
        problems += checked.problems
        wrong += checked.wrong_sizes
        found[checked.sequence] = checked.first_mask | found[checked.sequence]
        progress.advance(len(check.masks))
    ids, id_problems = _check_ids(plans, protocol, found)
    problems += id_problems
    there = sum(len(plan.frames) for plan in plans) - len(absent)
    if identical == "refuse" and there and _is_copy(results, plans):
        problems.append(Problem(str(results), "predictions", "a copy of the ground truth"))
    sequences, frames, remarks = _extras(results, plans, lost)
    return Preflight(
        sequences=sequences,
        frames=frames,
        sizes=Tally(there - wrong, wrong, 0),
        ids=ids,
        problems=tuple(problems),
        absent=absent,
        remarks=remarks,
    )


def read_prediction(path: Path, *, merge: bool) -> LabelMap:
    """A result mask, uint8 ``(H, W)``; with ``merge`` every id becomes 1.

    Raises:
        VosError: The file is missing or no label map.
    """
    labels = read_label_map(path)
    return np.not_equal(labels, 0).astype(np.uint8) if merge else labels


def values_of(labels: LabelMap) -> list[int]:
    """All values that a label map holds, rising, void and background included."""
    flat = labels.ravel()
    # Neighbours are mostly equal: only where the value changes is there anything to look at.
    changes = flat[1:][flat[1:] != flat[:-1]]
    return sorted({*flat[:1].tolist(), *np.unique(changes).tolist()})


def mask_path(results: Path, sequence: str, frame: str) -> Path:
    """Where the mask of a frame lies."""
    return results / sequence / f"{frame}.png"


def mask_fault(path: Path, *, grey: bool = True) -> str:
    """What keeps a file from being a label map, looking at its head only; empty if nothing.

    Args:
        path: The file.
        grey: Accept grey (8 bit) and black-and-white PNG besides indexed ones.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if len(head) < _HEAD or not head.startswith(_PNG):
        return _other_format(path)
    bits, colour = head[24], head[25]
    if colour == _INDEXED or (grey and colour == _GREY and bits in (1, 8)):
        return ""
    kinds = {_GREY: "a grey PNG", 2: "colours (RGB)", 4: "grey with transparency", 6: "colours (RGB) with transparency"}
    return kinds.get(colour, "an unknown kind of PNG") + (f" of {bits} bit" if bits not in (1, 8) else "")


def _other_format(path: Path) -> str:
    try:
        with Image.open(path) as image:
            return f"a {image.format} file"
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return "a file that cannot be decoded"


def _lost_frames(results: Path, plan: Plan) -> tuple[str, ...]:
    folder = results / plan.video.name
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return tuple(frame for frame in plan.frames if f"{frame}.png" not in names)


def _missing_problems(results: Path, plans: Sequence[Plan], lost: dict[str, tuple[str, ...]]) -> Iterable[Problem]:
    for plan in plans:
        name = plan.video.name
        if lost[name] and not (results / name).is_dir():
            yield Problem(str(results / name), f"a folder with {len(plan.frames)} masks", "no such folder", name)
            continue
        for frame in lost[name]:
            yield Problem(str(mask_path(results, name, frame)), "a mask", "no such file", name)


def _checks(results: Path, plan: Plan, lost: tuple[str, ...], protocol: ScoringProtocol) -> Iterable[_Check]:
    there = [frame for frame in plan.frames if frame not in set(lost)]
    paths = [mask_path(results, plan.video.name, frame) for frame in there]
    for start in range(0, len(paths), _CHUNK):
        yield _Check(
            plan.video.name, tuple(paths[start : start + _CHUNK]), plan.video.size, protocol.merges(plan.video)
        )


def _inspect(check: _Check) -> _Checked:
    first: dict[int, Path] = {}
    problems: list[Problem] = []
    wrong = 0
    for path in check.masks:
        fault = mask_fault(path)
        if fault:
            problems.append(Problem(str(path), "an indexed PNG with object ids", fault, check.sequence))
            continue
        try:
            labels = read_prediction(path, merge=check.merge)
        except VosError:
            problems.append(Problem(str(path), "an indexed PNG", "a file that cannot be decoded", check.sequence))
            continue
        if labels.shape != check.size:
            wrong += 1
            found = f"{labels.shape[1]}x{labels.shape[0]}"
            problems.append(Problem(str(path), f"{check.size[1]}x{check.size[0]} pixels", found, check.sequence))
        for number in values_of(labels):
            first.setdefault(number, path)
    return _Checked(check.sequence, first, wrong, tuple(problems))


def _check_ids(
    plans: Sequence[Plan], protocol: ScoringProtocol, found: dict[str, dict[int, Path]]
) -> tuple[Tally, list[Problem]]:
    matched = missing = extra = 0
    problems = []
    for plan in plans:
        ids = {number: path for number, path in found[plan.video.name].items() if number}
        wanted = {track.object_id for track in plan.tracks}
        if protocol.max_proposals is not None:
            matched += len(ids)
            known, expected = set(range(1, protocol.max_proposals + 1)), f"proposals 1 to {protocol.max_proposals}"
        else:
            matched, missing = matched + len(wanted & set(ids)), missing + len(wanted - set(ids))
            known = set(ids) if plan.known_ids is None else set(plan.known_ids)
            expected = f"object ids {_names(sorted(known))}"
        unknown = sorted(set(ids) - known)
        extra += len(unknown)
        problems += [Problem(str(ids[number]), expected, f"id {number}", plan.video.name) for number in unknown]
    return Tally(matched, missing, extra), problems


def _is_copy(results: Path, plans: Sequence[Plan]) -> bool:
    """Whether every mask is byte for byte the annotation; stops at the first that is not."""
    for plan in plans:
        for frame in plan.frames:
            mask = mask_path(results, plan.video.name, frame)
            if not mask.is_file() or not filecmp.cmp(mask, plan.video.masks[frame], shallow=False):
                return False
    return True


def _extras(
    results: Path, plans: Sequence[Plan], lost: dict[str, tuple[str, ...]]
) -> tuple[Tally, Tally, tuple[str, ...]]:
    tops = {plan.video.name.split("/")[0] for plan in plans}
    strangers = sorted(
        path.name for path in results.iterdir() if path.is_dir() and path.name not in {*tops, *LEFT_ASIDE}
    )
    there = [plan for plan in plans if (results / plan.video.name).is_dir()]
    known = {plan.video.name: {f"{frame}.png" for frame in plan.video.frame_names} for plan in there}
    extra = [
        f"{name}/{path.name}"
        for name, frames in known.items()
        for path in sorted((results / name).glob("*.png"))
        if path.name not in frames
    ]
    remarks = []
    if strangers:
        remarks.append(f"folders that are no sequence of the split, left aside: {_names(strangers)}")
    if not there and strangers:
        remarks.append(f"no sequence found here: are the sequences in {results / strangers[0]}?")
    if extra:
        remarks.append(f"masks of frames the data set does not have, left aside: {_names(extra)}")
    total, gone = sum(len(plan.frames) for plan in plans), sum(map(len, lost.values()))
    sequences = Tally(len(there), len(plans) - len(there), len(strangers))
    return sequences, Tally(total - gone, gone, len(extra)), tuple(remarks)


def _names(items: Sequence[object]) -> str:
    shown = ", ".join(str(item) for item in items[:_SHOWN_NAMES])
    return f"{shown} and {len(items) - _SHOWN_NAMES} more" if len(items) > _SHOWN_NAMES else shown or "none"
