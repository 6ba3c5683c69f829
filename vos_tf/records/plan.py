"""Which frames go into which record and which shard: decided before anything is written, and kept on disk.

The plan depends on the data set and the settings only, not on the workers, so that a run which was ended at any
moment continues to the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vos_tf.datasets.types import Dataset, Video
from vos_tf.errors import VosError
from vos_tf.files import write_json
from vos_tf.records.settings import (
    BYTES_PER_PIXEL,
    JPEG_QUALITY,
    MAX_CHUNK_BYTES,
    MAX_CHUNK_FRAMES,
    SCHEMA_VERSION,
    SHARD_BYTES,
    RecordSettings,
)


@dataclass(frozen=True)
class Chunk:
    """Frames ``first`` to ``end`` (excluded) of a video, which make one record; ``number`` of ``count``."""

    video: str
    number: int
    count: int
    first: int
    end: int


@dataclass(frozen=True)
class Source:
    """What the records are made of, and how; two runs with equal sources may share a folder."""

    schema_version: int
    dataset: str
    split: str
    fingerprint: str
    size: str
    jpeg_quality: int
    shards: int | None


@dataclass(frozen=True)
class Plan:
    """The work of one folder.

    Attributes:
        source: What it is made of.
        skipped: Names of videos that are left out because something is wrong with them.
        shards: The chunks of every shard file, in order.
    """

    source: Source
    skipped: tuple[str, ...]
    shards: tuple[tuple[Chunk, ...], ...]

    def shard_name(self, shard: int) -> str:
        """File name of a shard."""
        return f"{self.source.dataset}-{self.source.split}-{shard:05d}-of-{len(self.shards):05d}.tfrecord"


def source_of(dataset: Dataset, settings: RecordSettings) -> Source:
    """The source that a run with these arguments has."""
    return Source(
        schema_version=SCHEMA_VERSION,
        dataset=dataset.name,
        split=dataset.split,
        fingerprint=dataset.fingerprint,
        size=str(settings.size),
        jpeg_quality=JPEG_QUALITY,
        shards=settings.shards,
    )


def make_plan(dataset: Dataset, settings: RecordSettings, skipped: Sequence[str]) -> Plan:
    """Cut the videos into chunks and deal the chunks, in order, to shards of about equal size.

    Raises:
        VosError: No video is left, or there are fewer records than shards asked for.
    """
    videos = [video for video in dataset.videos if video.name not in set(skipped)]
    if not videos:
        raise VosError(f"{dataset.root}: expected at least one video in {dataset.name} {dataset.split}, found none")
    chunks: list[Chunk] = []
    weights: list[float] = []
    for video in videos:
        frame_bytes = _frame_bytes(video, settings)
        for chunk in _chunks(video, frame_bytes):
            chunks.append(chunk)
            weights.append((chunk.end - chunk.first) * frame_bytes)
    count = settings.shards or min(len(chunks), max(1, round(sum(weights) / SHARD_BYTES)))
    if count > len(chunks):
        raise VosError(f"--shards {count}: expected at most {len(chunks)}, the number of records")
    return Plan(source_of(dataset, settings), tuple(skipped), _deal(chunks, weights, count))


def _frame_bytes(video: Video, settings: RecordSettings) -> float:
    """Bytes of a stored frame, about."""
    stored = settings.size.of(video.size)
    if stored == video.size:
        return sum(path.stat().st_size for path in video.frames) / len(video.frames)
    return stored[0] * stored[1] * BYTES_PER_PIXEL


def _chunks(video: Video, frame_bytes: float) -> list[Chunk]:
    frames = len(video.frames)
    longest = max(1, min(MAX_CHUNK_FRAMES, int(MAX_CHUNK_BYTES / max(frame_bytes, 1))))
    count = -(-frames // longest)
    cuts = [round(index * frames / count) for index in range(count + 1)]
    return [Chunk(video.name, index, count, cuts[index], cuts[index + 1]) for index in range(count)]


def _deal(chunks: Sequence[Chunk], weights: Sequence[float], count: int) -> tuple[tuple[Chunk, ...], ...]:
    shards: list[tuple[Chunk, ...]] = []
    total, position, taken = sum(weights), 0, 0.0
    for shard in range(count):
        start, most = position, len(chunks) - (count - shard - 1)
        while position < most and (position == start or taken + weights[position] / 2 <= total * (shard + 1) / count):
            taken += weights[position]
            position += 1
        if shard == count - 1:
            position = len(chunks)
        shards.append(tuple(chunks[start:position]))
    return tuple(shards)


def write_plan(path: Path, plan: Plan) -> None:
    """Keep the plan as JSON."""
    write_json(path, asdict(plan))


def read_plan(path: Path) -> Plan:
    """Read a plan that `write_plan` wrote.

    Raises:
        VosError: The file is damaged or of another version.
    """
    try:
        content: Mapping[str, Any] = json.loads(path.read_bytes())
        shards = tuple(tuple(Chunk(**chunk) for chunk in shard) for shard in content["shards"])
        return Plan(Source(**content["source"]), tuple(content["skipped"]), shards)
    except (ValueError, TypeError, KeyError) as error:
        raise VosError(
            f"{path}: expected the plan of unfinished records, found a damaged file; delete the folder ({error!r})"
        ) from None


def refuse_other_source(folder: Path, written: Source, asked: Source) -> None:
    """Refuse to mix records of two sources in one folder.

    Raises:
        VosError: The sources differ; the first difference is named.
    """
    for name, old in asdict(written).items():
        new = asdict(asked)[name]
        if old != new:
            raise VosError(
                f"{folder}: holds records with {name.replace('_', ' ')} {_said(old)}, asked for {_said(new)}; "
                "choose another folder, or delete this one"
            )


def _said(value: object) -> str:
    return "by size" if value is None else str(value)
