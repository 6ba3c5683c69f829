"""The result of scoring: scores per frame, object, sequence and overall, and how they are written."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos_tf.evaluation.protocols import AverageOver, Track
from vos_tf.evaluation.statistics import Decay, Statistics, average, statistics
from vos_tf.files import write_bytes, write_json

MEASURES = ("J", "F", "T")
"""Region similarity, contour accuracy, temporal instability (DAVIS-2016 only)."""

Row = Mapping[str, Statistics]
"""Statistics by measure."""


@dataclass(frozen=True)
class TrackScores:
    """Scores of one object of one sequence.

    Attributes:
        sequence: Name of the video.
        track: What was counted.
        values: By measure, one score per frame of ``track.frames``: float64 ``(T,)``. J and F lie in 0..1. For
            temporal instability the first frame has no value (``nan``).
        proposal: The predicted id that was matched to the object; ``None`` where none was.
    """

    sequence: str
    track: Track
    values: Mapping[str, NDArray[np.float64]]
    proposal: int | None

    def statistics(self, decay: Decay = "fixed") -> Row:
        """Mean, recall and decay by measure; temporal instability has a mean only."""
        return {measure: _statistics(measure, values, decay) for measure, values in self.values.items()}


@dataclass(frozen=True)
class Group:
    """One line of the overall table: all objects, or those of seen or unseen categories.

    Attributes:
        name: ``all``, ``seen`` or ``unseen``.
        count: Number of sequences or objects averaged.
        row: Statistics by measure.
    """

    name: str
    count: int
    row: Row


@dataclass(frozen=True)
class ScoreTable:
    """All scores of one results folder.

    Attributes:
        protocol: Name of the protocol.
        title: Its title.
        rules: What it counts.
        average_over: What the overall score is the mean of.
        dataset: Name of the data set.
        split: Its split.
        fingerprint: Of the data set, see `vos_tf.datasets.types.Dataset.fingerprint`.
        results: The folder scored, as given.
        decay: How the decay was computed.
        tracks: Scores by object, in the order of the data set.
        remarks: What the reader must know to understand the numbers.
    """

    protocol: str
    title: str
    rules: tuple[str, ...]
    average_over: AverageOver
    dataset: str
    split: str
    fingerprint: str
    results: str
    decay: Decay
    tracks: tuple[TrackScores, ...]
    remarks: tuple[str, ...] = ()

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures scored, in the order J, F, T."""
        return tuple(self.tracks[0].values) if self.tracks else ()

    @property
    def by_sequence(self) -> dict[str, tuple[TrackScores, ...]]:
        """The objects of every sequence."""
        found: dict[str, list[TrackScores]] = {}
        for track in self.tracks:
            found.setdefault(track.sequence, []).append(track)
        return {name: tuple(tracks) for name, tracks in found.items()}

    def sequence_rows(self) -> dict[str, Row]:
        """Statistics by sequence: the mean over its objects."""
        return {name: self._average(tracks) for name, tracks in self.by_sequence.items()}

    def groups(self) -> tuple[Group, ...]:
        """The overall statistics as the protocol averages them; the first line is over everything."""
        if self.average_over == "sequences":
            rows = list(self.sequence_rows().values())
            return (Group("all", len(rows), _average_rows(rows)),)
        groups = [Group("all", len(self.tracks), self._average(self.tracks))]
        for name in ("seen", "unseen"):
            tracks = [track for track in self.tracks if track.track.group == name]
            if tracks:
                groups.append(Group(name, len(tracks), self._average(tracks)))
        return tuple(groups)

    @property
    def score_name(self) -> str:
        """Name of the one number that stands for all: ``J&F``, ``G``, or the measure when there is one only."""
        shown = [measure for measure in self.measures if measure != "T"]
        if len(shown) < 2:
            return "".join(shown) or "T"
        return "G" if self.average_over == "categories" else "J&F"

    @property
    def score(self) -> float:
        """The one number that stands for all (see `score_name`)."""
        groups = self.groups()
        chosen = groups[1:] if self.average_over == "categories" and len(groups) > 1 else groups[:1]
        shown = [measure for measure in self.measures if measure != "T"] or ["T"]
        means = [group.row[measure].mean for group in chosen for measure in shown]
        return math.fsum(means) / len(means)

    def to_json(self) -> dict[str, Any]:
        """Everything, ready for JSON: numbers unrounded, ``nan`` as ``None``."""
        rows = self.sequence_rows()
        return {
            "protocol": {"name": self.protocol, "title": self.title, "rules": list(self.rules)},
            "dataset": {"name": self.dataset, "split": self.split, "fingerprint": self.fingerprint},
            "results": self.results,
            "decay": self.decay,
            "remarks": list(self.remarks),
            "score": {"name": self.score_name, "value": _number(self.score)},
            "overall": {
                group.name: {"count": group.count, "over": self._unit(), **_row_json(group.row)}
                for group in self.groups()
            },
            "sequences": {
                name: {
                    **_row_json(rows[name]),
                    "objects": {str(t.track.object_id): self._track_json(t) for t in tracks},
                }
                for name, tracks in self.by_sequence.items()
            },
        }

    def write_json(self, path: Path) -> None:
        """Write `to_json` to ``path``, whole or not at all."""
        write_json(path, self.to_json())

    def write_csv(self, path: Path) -> None:
        """Write one line per object, per sequence and overall: level, names, then statistics by measure."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(("protocol", "dataset", "split", "fingerprint", "results"))
        writer.writerow((self.protocol, self.dataset, self.split, self.fingerprint, self.results))
        fields = [f"{measure}_{field}" for measure in self.measures for field in Statistics._fields]
        writer.writerow(("level", "sequence", "object", "category", "group", "proposal", "frames", *fields))
        for group in self.groups():
            writer.writerow(("overall", "", "", "", group.name, "", "", *_csv_numbers(group.row)))
        for name, row in self.sequence_rows().items():
            frames = len({frame for track in self.by_sequence[name] for frame in track.track.frames})
            writer.writerow(("sequence", name, "", "", "", "", frames, *_csv_numbers(row)))
        for item in self.tracks:
            track = item.track
            names = (item.sequence, track.object_id, track.category or "", track.group, item.proposal or "")
            writer.writerow(("object", *names, len(track.frames), *_csv_numbers(item.statistics(self.decay))))
        write_bytes(path, buffer.getvalue().encode())

    def _average(self, tracks: Iterable[TrackScores]) -> Row:
        return _average_rows([track.statistics(self.decay) for track in tracks])

    def _unit(self) -> str:
        return "sequences" if self.average_over == "sequences" else "objects"

    def _track_json(self, item: TrackScores) -> dict[str, Any]:
        return {
            **_row_json(item.statistics(self.decay)),
            "category": item.track.category,
            "group": item.track.group or None,
            "proposal": item.proposal,
            "frames": list(item.track.frames),
            "per_frame": {measure: [_number(value) for value in values] for measure, values in item.values.items()},
        }


def _statistics(measure: str, values: NDArray[np.float64], decay: Decay) -> Statistics:
    result = statistics(values, decay)
    return Statistics(result.mean, math.nan, math.nan) if measure == "T" else result


def _average_rows(rows: list[Row]) -> Row:
    return {measure: average(row[measure] for row in rows) for measure in rows[0]} if rows else {}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _row_json(row: Row) -> dict[str, Any]:
    return {
        measure: {field: _number(value) for field, value in values._asdict().items()} for measure, values in row.items()
    }


def _csv_numbers(row: Row) -> list[str]:
    return ["" if math.isnan(value) else f"{value:.6f}" for values in row.values() for value in values]
