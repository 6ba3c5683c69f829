"""Scoring a results folder: plan, pre-flight, read and compare frame by frame, average."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.types import Dataset, Video
from vos_tf.errors import ProblemsError, VosError
from vos_tf.evaluation.instability import temporal_instability
from vos_tf.evaluation.measures import score_pairs
from vos_tf.evaluation.preflight import (
    Identical,
    Missing,
    Preflight,
    check_results,
    mask_path,
    read_prediction,
    values_of,
)
from vos_tf.evaluation.proposals import match_proposals
from vos_tf.evaluation.protocols import Plan, ScoringProtocol, protocol_for
from vos_tf.evaluation.statistics import Decay
from vos_tf.evaluation.tables import MEASURES, ScoreTable, TrackScores
from vos_tf.media.label_maps import LabelMap
from vos_tf.progress import Progress, progress
from vos_tf.workers import open_workers

_CHUNK = 16  # frames per task: small enough to share out evenly, large enough to be worth sending


@dataclass(frozen=True)
class Chunk:
    """Some frames of one video to score (sent to a worker).

    Attributes:
        video: The video, with the masks of these frames only.
        frames: Names of the frames, in order.
        predictions: Their result masks; ``None``: scored as empty.
        object_ids: By frame, the objects that count.
        previous: Result mask of the frame before the first one, for temporal instability.
        protocol: How to compare.
        measures: What to compute.
    """

    video: Video
    frames: tuple[str, ...]
    predictions: tuple[Path | None, ...]
    object_ids: tuple[tuple[int, ...], ...]
    previous: Path | None
    protocol: ScoringProtocol
    measures: tuple[str, ...]


@dataclass(frozen=True)
class FrameScores:
    """Scores of one frame.

    Attributes:
        frame: Its name.
        pairs: (predicted id, true id); predicted id 0 stands for an empty mask.
        scores: J and F by pair, float64 ``(len(pairs), 2)``.
        instability: Against the frame before; ``nan`` where there is none.
    """

    frame: str
    pairs: tuple[tuple[int, int], ...]
    scores: NDArray[np.float64]
    instability: float


def score_results(
    results: Path,
    dataset: Dataset,
    *,
    protocol: str | None = None,
    workers: int = 1,
    missing: Missing = "refuse",
    measures: Sequence[str] = ("J", "F"),
    decay: Decay = "fixed",
    identical: Identical = "refuse",
    on_preflight: Callable[[Preflight], None] | None = None,
) -> ScoreTable:
    """Score a folder of result masks, ``<sequence>/<frame>.png``.

    Args:
        results: The folder.
        dataset: What to score against.
        protocol: One of `vos_tf.evaluation.protocols.PROTOCOLS`; ``None``: the one that belongs to the data set.
        workers: Processes; 0: one for every core. The numbers do not depend on it.
        missing: ``zero`` scores missing masks as empty and says so in the table's remarks.
        measures: Of J, F and T (T with ``davis2016`` only).
        decay: ``official`` repeats the 8-bit defect of the official tools.
        identical: ``allow`` scores a folder that is a copy of the ground truth.
        on_preflight: Called with what was found, before anything is refused.

    Returns:
        All scores, with protocol and fingerprint of the data set.

    Raises:
        ProblemsError: Masks are missing, of wrong size, no label maps, hold unknown ids, or are the ground truth.
        VosError: No such protocol or folder, or the data set cannot be scored with this protocol.
    """
    chosen = protocol_for(dataset, protocol)
    wanted = _check_measures(measures, chosen)
    if not dataset.videos:
        raise VosError(f"{dataset.name} {dataset.split}: expected videos, found none")
    plans = [chosen.plan(video) for video in dataset.videos]
    masks = sum(len(plan.frames) for plan in plans)
    with open_workers(workers) as pool:
        with progress("checking", masks, "masks") as bar:
            found = check_results(
                results, plans, chosen, workers=pool, progress=bar, missing=missing, identical=identical
            )
        if on_preflight:
            on_preflight(found)
        if found.problems:
            raise ProblemsError(f"{results}: cannot be scored as {chosen.title}:", found.problems)
        with progress("scoring", masks) as bar:
            tracks = tuple(_score_all(results, plans, chosen, wanted, found, pool, bar))
    return _table(results, dataset, chosen, plans, found, tracks, decay)


def _table(
    results: Path,
    dataset: Dataset,
    protocol: ScoringProtocol,
    plans: Sequence[Plan],
    found: Preflight,
    tracks: tuple[TrackScores, ...],
    decay: Decay,
) -> ScoreTable:
    remarks = [*protocol.remarks(), *(remark for plan in plans for remark in plan.remarks)]
    if found.absent:
        remarks.insert(0, f"{len(found.absent)} missing masks were scored as empty")
    return ScoreTable(
        protocol=protocol.name,
        title=protocol.title,
        rules=protocol.rules,
        average_over=protocol.average_over,
        dataset=dataset.name,
        split=dataset.split,
        fingerprint=dataset.fingerprint,
        results=str(results),
        decay=decay,
        tracks=tracks,
        remarks=tuple(remarks),
    )


def _check_measures(measures: Sequence[str], protocol: ScoringProtocol) -> tuple[str, ...]:
    unknown = [measure for measure in measures if measure not in MEASURES]
    if unknown or not measures:
        raise VosError(f"measures: expected some of {', '.join(MEASURES)}, found {', '.join(unknown) or 'none'}")
    if "T" in measures and not protocol.merge_objects:
        raise VosError(f"measures: T belongs to DAVIS-2016 only, found protocol {protocol.name}")
    return tuple(measure for measure in MEASURES if measure in measures)


def _score_all(
    results: Path,
    plans: Sequence[Plan],
    protocol: ScoringProtocol,
    measures: tuple[str, ...],
    found: Preflight,
    workers: Executor,
    bar: Progress,
) -> Iterator[TrackScores]:
    by_plan = [list(_chunks(results, plan, protocol, measures, found.absent)) for plan in plans]
    done = workers.map(score_chunk, [chunk for chunks in by_plan for chunk in chunks])
    for plan, chunks in zip(plans, by_plan, strict=True):
        frames: list[FrameScores] = []
        for chunk in chunks:
            frames += next(done)
            bar.advance(len(chunk.frames), plan.video.name)
        yield from _tracks(plan, protocol, measures, frames)


def _chunks(
    results: Path, plan: Plan, protocol: ScoringProtocol, measures: tuple[str, ...], absent: frozenset[str]
) -> Iterator[Chunk]:
    name, frames = plan.video.name, plan.frames
    paths = [None if f"{name}/{frame}" in absent else mask_path(results, name, frame) for frame in frames]
    counted = {track.object_id: frozenset(track.frames) for track in plan.tracks}
    ids = [tuple(number for number, own in counted.items() if frame in own) for frame in frames]
    for start in range(0, len(frames), _CHUNK):
        part = slice(start, start + _CHUNK)
        previous = paths[start - 1] if start else None
        masks = {frame: plan.video.masks[frame] for frame in frames[part]}
        video = replace(plan.video, frames=(), objects=(), masks=masks)  # a long list would travel with every chunk
        yield Chunk(video, frames[part], tuple(paths[part]), tuple(ids[part]), previous, protocol, measures)


def score_plan(
    results: Path, plan: Plan, protocol: ScoringProtocol, measures: tuple[str, ...], absent: frozenset[str]
) -> Iterator[TrackScores]:
    """Score one video as it lies there, without pre-flight.

    Args:
        results: Folder with ``<sequence>/<frame>.png``.
        plan: What counts.
        protocol: What the plan was made by.
        measures: What to compute.
        absent: Frames scored as empty masks, as ``sequence/frame``.

    Raises:
        VosError: A mask cannot be read.
    """
    chunks = _chunks(results, plan, protocol, measures, absent)
    yield from _tracks(plan, protocol, measures, [frame for chunk in chunks for frame in score_chunk(chunk)])


def score_chunk(chunk: Chunk) -> list[FrameScores]:
    """Read and compare the frames of a chunk (runs in a worker)."""
    protocol, with_T = chunk.protocol, "T" in chunk.measures
    merge = protocol.merges(chunk.video)
    before = read_prediction(chunk.previous, merge=True) if with_T and chunk.previous else None
    scores = []
    for frame, path, ids in zip(chunk.frames, chunk.predictions, chunk.object_ids, strict=True):
        truth = _read_truth(chunk.video, frame, protocol)
        prediction = np.zeros_like(truth) if path is None else read_prediction(path, merge=merge)
        pairs = _pairs(prediction, ids, protocol)
        values = score_pairs(prediction, truth, pairs, ignore_void=protocol.ignore_void, contours="F" in chunk.measures)
        instability = np.nan if before is None else temporal_instability(before != 0, prediction != 0)
        before = prediction if with_T else None
        scores.append(FrameScores(frame, pairs, np.array(values, np.float64).reshape(-1, 2), instability))
    return scores


def _read_truth(video: Video, frame: str, protocol: ScoringProtocol) -> LabelMap:
    labels = video.read_mask(frame)
    if labels.shape != video.size:
        raise VosError(
            f"{video.masks[frame]}: expected an annotation of {video.size[1]}x{video.size[0]} pixels, "
            f"found {labels.shape[1]}x{labels.shape[0]}"
        )
    return np.not_equal(labels, 0).astype(np.uint8) if protocol.merge_objects else labels


def _pairs(prediction: LabelMap, ids: tuple[int, ...], protocol: ScoringProtocol) -> tuple[tuple[int, int], ...]:
    if protocol.max_proposals is None:
        return tuple((number, number) for number in ids)
    return tuple((proposal, number) for proposal in sorted({0, *values_of(prediction)}) for number in ids)


def _tracks(
    plan: Plan, protocol: ScoringProtocol, measures: tuple[str, ...], frames: Sequence[FrameScores]
) -> Iterator[TrackScores]:
    proposals: dict[int, int | None] = {}
    if protocol.max_proposals is not None:
        proposals = match_proposals(frames, [track.object_id for track in plan.tracks])
    by_frame = {frame.frame: dict(zip(frame.pairs, frame.scores, strict=True)) for frame in frames}
    instability = {frame.frame: frame.instability for frame in frames}
    for track in plan.tracks:
        number = track.object_id
        matched = proposals.get(number, number)
        rows = []
        for name in track.frames:
            scores = by_frame[name]
            # A proposal that is not in this frame is an empty mask.
            rows.append(scores[matched or 0, number] if (matched or 0, number) in scores else scores[0, number])
        table = np.array(rows, np.float64).reshape(-1, 2)
        series = {"J": table[:, 0], "F": table[:, 1], "T": np.array([instability[name] for name in track.frames])}
        values = {measure: series[measure] for measure in measures}
        yield TrackScores(plan.video.name, track, values, matched if proposals else None)
