"""Several results of one data set side by side: differences, how certain they are, and where each is worst."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.evaluation.tables import ScoreTable, TrackScores

RESAMPLES = 10_000
CONFIDENCE = 0.95
_SEED = 0
_APART = 5


class Difference(NamedTuple):
    """Difference of an overall score to that of the first results, and its paired bootstrap interval (95 %)."""

    value: float
    low: float
    high: float


class RankedFrame(NamedTuple):
    """One frame with its score: the mean of J and F over the objects that count in it."""

    sequence: str
    frame: str
    score: float


@dataclass(frozen=True)
class Comparison:
    """Results side by side, in the order given; differences are to the first.

    Attributes:
        names: Short names of the results.
        protocol: Name of the protocol.
        title: Its title.
        dataset: Name of the data set.
        split: Its split.
        fingerprint: Of the data set.
        score_name: What the scores are, see `ScoreTable.score_name`.
        scores: Overall score of each.
        rows: By sequence, the score of each (mean over its objects).
        differences: Of all but the first.
        worst: The worst frames of each.
    """

    names: tuple[str, ...]
    protocol: str
    title: str
    dataset: str
    split: str
    fingerprint: str
    score_name: str
    scores: tuple[float, ...]
    rows: Mapping[str, tuple[float, ...]]
    differences: tuple[Difference, ...]
    worst: tuple[tuple[RankedFrame, ...], ...]


def compare(tables: Sequence[ScoreTable], *, worst: int = 5) -> Comparison:
    """Put score tables side by side.

    The interval comes from drawing whole sequences with replacement (objects and frames of one sequence are not
    independent), the same draw for both results, and averaging as the protocol does.

    Args:
        tables: Two or more, of one data set and protocol.
        worst: How many of the worst frames of each to name.

    Raises:
        VosError: Fewer than two, or they differ in data set, protocol or measures.
    """
    if len(tables) < 2:
        raise VosError(f"compare: expected two results or more, found {len(tables)}")
    first = tables[0]
    for table in tables[1:]:
        if (table.protocol, table.fingerprint, table.measures) != (first.protocol, first.fingerprint, first.measures):
            raise VosError(
                f"compare: expected results scored alike, found {first.protocol} on {first.fingerprint} and "
                f"{table.protocol} on {table.fingerprint}"
            )
    by_sequence = [{name: _score(tracks) for name, tracks in table.by_sequence.items()} for table in tables]
    return Comparison(
        names=short_names([table.results for table in tables]),
        protocol=first.protocol,
        title=first.title,
        dataset=first.dataset,
        split=first.split,
        fingerprint=first.fingerprint,
        score_name=first.score_name,
        scores=tuple(table.score for table in tables),
        rows={name: tuple(scores[name] for scores in by_sequence) for name in first.by_sequence},
        differences=tuple(_difference(first, table) for table in tables[1:]),
        worst=tuple(worst_frames(table, worst) for table in tables),
    )


def worst_frames(table: ScoreTable, count: int, apart: int = _APART) -> tuple[RankedFrame, ...]:
    """The frames with the lowest scores, worst first; of neighbours less than ``apart`` frames away only the worst.

    Args:
        table: Scores with J or F.
        count: How many at most.
        apart: 1 takes neighbours too.
    """
    ranked: list[tuple[float, str, int, str]] = []
    for name, tracks in table.by_sequence.items():
        scores: dict[str, list[float]] = {}
        for item in tracks:
            for frame, score in zip(item.track.frames, _frame_scores(item), strict=True):
                scores.setdefault(frame, []).append(float(score))
        for position, frame in enumerate(sorted(scores)):
            ranked.append((math.fsum(scores[frame]) / len(scores[frame]), name, position, frame))
    chosen: list[tuple[float, str, int, str]] = []
    for candidate in sorted(ranked):
        if len(chosen) == count:
            break
        if all(candidate[1] != other[1] or abs(candidate[2] - other[2]) >= apart for other in chosen):
            chosen.append(candidate)
    return tuple(RankedFrame(name, frame, score) for score, name, _, frame in chosen)


def short_names(folders: Sequence[str]) -> tuple[str, ...]:
    """The last parts of the folder names, as many as it takes to tell them apart.

    >>> short_names(["a/mine", "a/stm"]), short_names(["one/results", "two/results"])
    (('mine', 'stm'), ('one/results', 'two/results'))
    """
    parts = [folder.rstrip("/").split("/") for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = tuple("/".join(part[-length:]) for part in parts)
        if len(set(names)) == len(names):
            return names
    return tuple(f"{folder} ({index + 1})" for index, folder in enumerate(folders))


def _frame_scores(item: TrackScores) -> NDArray[np.float64]:
    shown: NDArray[np.float64] = np.mean([item.values[name] for name in item.values if name != "T"], axis=0)
    return shown


def _score(tracks: Sequence[TrackScores]) -> float:
    return float(np.mean([np.nanmean(_frame_scores(track)) for track in tracks]))


def _difference(first: ScoreTable, second: ScoreTable) -> Difference:
    if len(first.by_sequence) < 2:
        return Difference(second.score - first.score, math.nan, math.nan)
    sums, counts = zip(*(_sums(table) for table in (first, second)), strict=True)
    sequences = len(first.by_sequence)
    draws = np.random.default_rng(_SEED).multinomial(sequences, [1 / sequences] * sequences, size=RESAMPLES)
    scores = [_resampled(draws, *pair) for pair in zip(sums, counts, strict=True)]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(scores[1] - scores[0], [tail, 100 - tail])
    return Difference(second.score - first.score, float(low), float(high))


def _sums(table: ScoreTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of object scores and number of objects, by sequence and group: two float64 ``(sequences, groups)``."""
    groups = [group.name for group in table.groups()[1:]] if table.average_over == "categories" else []
    names = groups or [""]
    sums = np.zeros((len(table.by_sequence), len(names)))
    counts = np.zeros_like(sums)
    for row, tracks in enumerate(table.by_sequence.values()):
        for item in tracks:
            column = names.index(item.track.group) if groups and item.track.group in names else 0
            sums[row, column] += np.nanmean(_frame_scores(item))
            counts[row, column] += 1
    return sums, counts


def _resampled(draws: NDArray[np.int64], sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        by_group = (draws @ sums) / (draws @ counts)  # 0/0 where a draw holds no object of a group
    known = ~np.isnan(by_group)
    scores: NDArray[np.float64] = np.where(known, by_group, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return scores
