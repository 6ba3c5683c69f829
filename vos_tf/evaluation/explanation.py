"""Why the same masks get different numbers: one sequence under every protocol."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vos_tf.datasets.types import Dataset, Video
from vos_tf.errors import VosError
from vos_tf.evaluation.preflight import mask_path, read_prediction, values_of
from vos_tf.evaluation.protocols import PROTOCOLS, Plan, ScoringProtocol, protocol_for
from vos_tf.evaluation.scoring import score_plan

_SHOWN_NAMES = 6


@dataclass(frozen=True)
class Verdict:
    """One protocol on one sequence.

    Attributes:
        protocol: Its name.
        frames: Number of frames that count.
        object_ids: Objects that count.
        J: Mean over objects; ``nan`` where the protocol cannot score the sequence.
        F: The same.
        lines: What it leaves out, and what it would refuse.
    """

    protocol: str
    frames: int
    object_ids: tuple[int, ...]
    J: float
    F: float
    lines: tuple[str, ...]

    @property
    def score(self) -> float:
        """Mean of J and F."""
        return (self.J + self.F) / 2


def explain_sequence(results: Path, dataset: Dataset, sequence: str) -> tuple[Verdict, ...]:
    """Score one sequence under every protocol, missing masks as empty, and say how they differ.

    Args:
        results: Folder with ``<sequence>/<frame>.png``.
        dataset: Data set with the sequence.
        sequence: Its name.

    Raises:
        VosError: No such sequence, or a mask cannot be read.
    """
    videos = {video.name: video for video in dataset.videos}
    if sequence not in videos:
        raise VosError(f"--explain {sequence}: expected a sequence of {dataset.name} {dataset.split}, found none")
    return tuple(_verdict(results, videos[sequence], protocol_for(dataset, name)) for name in PROTOCOLS)


def _verdict(results: Path, video: Video, protocol: ScoringProtocol) -> Verdict:
    try:
        plan = protocol.plan(video)
    except VosError as error:
        return Verdict(protocol.name, 0, (), math.nan, math.nan, (f"cannot score this sequence: {error}",))
    absent = frozenset(
        f"{video.name}/{frame}" for frame in plan.frames if not mask_path(results, video.name, frame).is_file()
    )
    ids = _predicted_ids(results, plan, absent)
    numbers = tuple(track.object_id for track in plan.tracks)
    if protocol.merges(video):
        ids = (1,) if ids else ()
    lines = (*_frame_lines(plan, len(absent)), *_object_lines(plan, video), *_id_lines(plan, protocol, ids))
    if protocol.max_proposals is not None and max(ids, default=0) > protocol.max_proposals:
        return Verdict(protocol.name, len(plan.frames), numbers, math.nan, math.nan, lines)
    tracks = list(score_plan(results, plan, protocol, ("J", "F"), absent))
    J, F = (float(np.mean([track.statistics()[measure].mean for track in tracks])) for measure in ("J", "F"))
    matches = [f"object {item.track.object_id} = proposal {item.proposal}" for item in tracks if item.proposal]
    return Verdict(protocol.name, len(plan.frames), numbers, J, F, (*lines, *([", ".join(matches)] if matches else [])))


def _predicted_ids(results: Path, plan: Plan, absent: frozenset[str]) -> tuple[int, ...]:
    name = plan.video.name
    found: set[int] = set()
    for frame in plan.frames:
        if f"{name}/{frame}" not in absent:
            found.update(values_of(read_prediction(mask_path(results, name, frame), merge=False)))
    return tuple(sorted(found - {0}))


def _frame_lines(plan: Plan, absent: int) -> Iterator[str]:
    counted = set(plan.frames)
    left_out = [frame for frame in plan.video.frame_names if frame not in counted]
    if left_out:
        yield f"leaves out {len(left_out)} of {len(plan.video.frames)} frames: {_names(left_out)}"
    else:
        yield f"counts all {len(plan.frames)} frames"
    if absent:
        yield f"{absent} masks are missing: refused, unless --missing zero (shown here as empty masks)"


def _object_lines(plan: Plan, video: Video) -> Iterator[str]:
    frames = video.frame_names
    counted = {track.object_id: track for track in plan.tracks}
    if plan.known_ids is None:
        yield "merges all ids into one foreground object"
        return
    for item in video.objects:
        if item.first_frame == frames[0]:
            continue
        if item.id in counted:
            yield f"object {item.id} appears at {item.first_frame}: counts in {len(counted[item.id].frames)} frames"
        else:
            yield f"object {item.id} appears at {item.first_frame}, after the first frame: not scored"
    for number in sorted(set(counted) - set(video.object_ids)):
        yield f"id {number} never occurs but counts as an object, as in the official tool"


def _id_lines(plan: Plan, protocol: ScoringProtocol, ids: Sequence[int]) -> Iterator[str]:
    if protocol.max_proposals is not None:
        high = [number for number in ids if number > protocol.max_proposals]
        extra = len(ids) - len(plan.tracks)
        if high:
            yield f"refuses ids above {protocol.max_proposals}: {_names(high)}"
        elif extra > 0:
            yield f"takes {len(ids)} ids as proposals; {extra} of them cost nothing"
    elif plan.known_ids is not None:
        unknown = [number for number in ids if number not in plan.known_ids]
        if unknown:
            yield f"refuses ids that no object has: {_names(unknown)} (ignored in the numbers shown here)"


def _names(items: Sequence[object]) -> str:
    shown = ", ".join(str(item) for item in items[:_SHOWN_NAMES])
    return f"{shown} and {len(items) - _SHOWN_NAMES} more" if len(items) > _SHOWN_NAMES else shown
