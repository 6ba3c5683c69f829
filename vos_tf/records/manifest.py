"""The table of contents of a folder of records: enough to plan and cut clips without opening a shard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from vos_tf.errors import VosError
from vos_tf.files import write_bytes
from vos_tf.records.settings import SCHEMA_VERSION

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ShardEntry:
    """One file of records: its name, number of records, size in bytes and SHA-256."""

    file: str
    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ObjectEntry:
    """One object of a record.

    Attributes:
        id: 1..254, as in the stored masks.
        category: What it is, or ``None``.
        first_frame: Index in the video of the frame that introduces it.
        frames: Indices in the video of this record's frames in which it must be segmented, rising.
    """

    id: int
    category: str | None
    first_frame: int
    frames: tuple[int, ...]


@dataclass(frozen=True)
class RecordEntry:
    """One record: a video, or a chunk of a long one.

    Attributes:
        shard: Index into `Manifest.shards`.
        offset: First byte of the framed record in the shard.
        length: Bytes of the framed record.
        video: Name of the video.
        chunk: 0-based number of the chunk.
        chunks: Number of chunks of the video.
        first_frame: Index in the video of the record's first frame.
        size: Stored ``(H, W)``.
        original_size: ``(H, W)`` on disk.
        frame_rate: Frames per second.
        frames: ``(offset in the shard, bytes)`` of the JPEG of every frame.
        masks: ``(offset in the shard, bytes)`` of the PNG of every frame; 0 bytes where it is not annotated.
        mask_ids: Object ids that occur in the stored mask of every frame, rising.
        objects: The objects of the video that must be segmented in this record, by rising id.
    """

    shard: int
    offset: int
    length: int
    video: str
    chunk: int
    chunks: int
    first_frame: int
    size: tuple[int, int]
    original_size: tuple[int, int]
    frame_rate: Fraction
    frames: tuple[tuple[int, int], ...]
    masks: tuple[tuple[int, int], ...]
    mask_ids: tuple[tuple[int, ...], ...]
    objects: tuple[ObjectEntry, ...]

    @property
    def annotated(self) -> int:
        """Number of annotated frames."""
        return sum(length > 0 for _, length in self.masks)


@dataclass(frozen=True)
class RecordSource:
    """One of the folders of joined records.

    Attributes:
        folder: Where it lies.
        dataset: Name of its data set.
        split: For example ``train``.
        fingerprint: Of its data set.
        first_shard: Index of its first shard in `Manifest.shards`.
        share: Share of the clips of an epoch that come from it, relative to those of the others; 0: by the number
            of its own clips.
    """

    folder: Path
    dataset: str
    split: str
    fingerprint: str
    first_shard: int
    share: float


@dataclass(frozen=True, eq=False)
class Manifest:
    """What a complete folder of records holds, or several of them joined by `vos_tf.pipeline.sources`.

    Attributes:
        folder: Where it lies.
        dataset: Name of the data set, for example ``davis2016``.
        split: For example ``train``.
        fingerprint: Of the data set on disk that was read.
        size: The rule of the stored size, as on the command line.
        jpeg_quality: Of frames that were encoded anew; frames whose size stayed are copied byte for byte.
        skipped: Names of the videos that were left out because something is wrong with them.
        shards: The files.
        records: All records, in the order of the data set and by rising chunk.
        sources: The folders, where several are joined; else none.
    """

    folder: Path
    dataset: str
    split: str
    fingerprint: str
    size: str
    jpeg_quality: int
    skipped: tuple[str, ...]
    shards: tuple[ShardEntry, ...]
    records: tuple[RecordEntry, ...]
    sources: tuple[RecordSource, ...] = ()

    @property
    def where(self) -> str:
        """The folder, or the folders, for a message."""
        return ", ".join(str(source.folder) for source in self.sources) or str(self.folder)

    @cached_property
    def videos(self) -> tuple[tuple[RecordEntry, ...], ...]:
        """The records of every video, by rising chunk."""
        grouped: dict[str, list[RecordEntry]] = {}
        for record in self.records:
            grouped.setdefault(record.video, []).append(record)
        return tuple(tuple(records) for records in grouped.values())

    @property
    def frame_count(self) -> int:
        """Number of frames of all records."""
        return sum(len(record.frames) for record in self.records)

    def check_shards(self) -> None:
        """Make sure that every shard is there and has its size; quick, reads no data.

        Raises:
            VosError: A shard is missing or has another size.
        """
        for shard in self.shards:
            path = self.folder / shard.file
            found = f"{path.stat().st_size} bytes" if path.is_file() else "no such file"
            if found != f"{shard.bytes} bytes":
                raise VosError(
                    f"{path}: expected a shard of {shard.bytes} bytes, found {found}; write the records anew"
                )


def record_to_json(record: RecordEntry) -> dict[str, Any]:
    """The record as JSON values."""
    content = asdict(record)
    content["frame_rate"] = [record.frame_rate.numerator, record.frame_rate.denominator]
    return content


def record_from_json(content: Mapping[str, Any]) -> RecordEntry:
    """The inverse of `record_to_json`."""
    objects = [ObjectEntry(**{**item, "frames": tuple(item["frames"])}) for item in content["objects"]]
    fields = {
        **content,
        "size": _pair(content["size"]),
        "original_size": _pair(content["original_size"]),
        "frame_rate": Fraction(*content["frame_rate"]),
        "frames": tuple(map(_pair, content["frames"])),
        "masks": tuple(map(_pair, content["masks"])),
        "mask_ids": tuple(map(tuple, content["mask_ids"])),
        "objects": tuple(objects),
    }
    return RecordEntry(**fields)


def _pair(values: list[int]) -> tuple[int, int]:
    first, second = values
    return first, second


def write_manifest(manifest: Manifest) -> None:
    """Write ``manifest.json`` into the manifest's folder, whole or not at all; one line for every record."""
    head = {
        "schema_version": SCHEMA_VERSION,
        "dataset": manifest.dataset,
        "split": manifest.split,
        "fingerprint": manifest.fingerprint,
        "videos": len(manifest.videos),
        "frames": manifest.frame_count,
        "size": manifest.size,
        "jpeg_quality": manifest.jpeg_quality,
        "skipped": list(manifest.skipped),
    }
    parts = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    parts.append('"shards": [\n' + ",\n".join(_line(asdict(shard)) for shard in manifest.shards) + "\n]")
    parts.append('"records": [\n' + ",\n".join(_line(record_to_json(record)) for record in manifest.records) + "\n]")
    write_bytes(manifest.folder / MANIFEST, ("{\n" + ",\n".join(parts) + "\n}\n").encode())


def _line(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def read_manifest(folder: Path | str) -> Manifest:
    """Read the manifest of a complete folder of records.

    Raises:
        VosError: There is none (the folder is not complete), it is damaged, or of another schema version.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
        version = content["schema_version"]
        if version != SCHEMA_VERSION:
            raise VosError(f"{path}: expected schema version {SCHEMA_VERSION}, found {version}; write the records anew")
        return Manifest(
            folder=folder,
            dataset=content["dataset"],
            split=content["split"],
            fingerprint=content["fingerprint"],
            size=content["size"],
            jpeg_quality=content["jpeg_quality"],
            skipped=tuple(content["skipped"]),
            shards=tuple(ShardEntry(**shard) for shard in content["shards"]),
            records=tuple(map(record_from_json, content["records"])),
        )
    except FileNotFoundError:
        raise VosError(f"{folder}: expected a complete folder of records, found no {MANIFEST} in it") from None
    except (ValueError, TypeError, KeyError) as error:
        raise VosError(f"{path}: expected a manifest of records, found a damaged file ({error!r})") from None
