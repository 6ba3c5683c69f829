"""Are the records still what was written? Every checksum, and every image and mask decoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vos_tf.errors import Problem, ProblemsError
from vos_tf.files import sha256
from vos_tf.progress import progress
from vos_tf.records.encode import present_ids
from vos_tf.records.framing import unframe
from vos_tf.records.manifest import Manifest, RecordEntry, ShardEntry
from vos_tf.records.record import index_record
from vos_tf.records.sequence_example import WireError, decode_sequence_example
from vos_tf.workers import open_workers

VerifyTask = tuple[Path, ShardEntry | RecordEntry]


def verify_records(manifest: Manifest, *, workers: int = 0) -> None:
    """Check every shard and record against the manifest.

    Args:
        manifest: Of the folder.
        workers: Processes; 0: one for every core.

    Raises:
        ProblemsError: All that is wrong: missing or foreign shards, sizes, SHA-256, checksums of records, images
            that cannot be decoded, masks whose ids are others than the manifest says.
    """
    known = {shard.file for shard in manifest.shards}
    problems = [
        Problem(str(path), "only the shards of the manifest", "a shard that it does not name")
        for path in sorted(manifest.folder.glob("*.tfrecord"))
        if path.name not in known
    ]
    frames = manifest.frame_count
    with (
        progress(f"verifying {manifest.folder.name}", frames) as shown,
        open_workers(workers) as pool,
    ):
        for (_, entry), found in zip(_tasks(manifest), pool.map(verify, _tasks(manifest)), strict=True):
            problems += found
            if isinstance(entry, RecordEntry):
                shown.advance(len(entry.frames), note=entry.video)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ProblemsError(f"{manifest.folder}: {count}; write the records anew", problems)


def _tasks(manifest: Manifest) -> Iterator[VerifyTask]:
    for shard in manifest.shards:
        yield manifest.folder / shard.file, shard
    for record in manifest.records:
        yield manifest.folder / manifest.shards[record.shard].file, record


def verify(task: VerifyTask) -> list[Problem]:
    """Problems of one shard as a file, or of one record. Runs in a worker process."""
    path, entry = task
    if isinstance(entry, ShardEntry):
        return _verify_shard(path, entry)
    return [
        Problem(f"{path} at byte {entry.offset}", f"chunk {entry.chunk} of {entry.video}", found, entry.video)
        for found in _record_faults(path, entry)
    ]


def _verify_shard(path: Path, entry: ShardEntry) -> list[Problem]:
    if not path.is_file():
        return [Problem(str(path), f"a shard of {entry.bytes} bytes", "no such file")]
    if path.stat().st_size != entry.bytes:
        return [Problem(str(path), f"a shard of {entry.bytes} bytes", f"{path.stat().st_size} bytes")]
    digest = sha256(path)
    if digest != entry.sha256:
        return [Problem(str(path), f"SHA-256 {entry.sha256}", digest)]
    return []


def _record_faults(path: Path, entry: RecordEntry) -> list[str]:
    if not path.is_file():
        return []  # said once, for the shard
    with path.open("rb") as file:
        file.seek(entry.offset)
        framed = file.read(entry.length)
    if len(framed) < entry.length:
        return [f"{len(framed)} of its {entry.length} bytes"]
    try:
        data = unframe(framed)
        if index_record(data, entry.shard, entry.offset) != entry:
            return ["a record whose table of contents differs from the manifest's"]
        lists: Any = decode_sequence_example(data).lists
    except (WireError, ValueError, KeyError, IndexError, TypeError) as error:
        return [f"a damaged record ({error})"]
    faults: list[str] = []
    for position, ((jpeg,), (mask,), (name,)) in enumerate(
        zip(lists["frames"], lists["masks"], lists["frame_names"], strict=True)
    ):
        faults += [f"{fault} at frame {name.decode()}" for fault in _frame_faults(entry, position, jpeg, mask)]
    return faults


def _frame_faults(entry: RecordEntry, position: int, jpeg: bytes, mask: bytes) -> list[str]:
    faults = []
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flags) if jpeg else None
    if image is None or image.shape[:2] != entry.size:
        faults.append("an image that cannot be decoded" if image is None else f"an image of {image.shape[:2]}")
    if mask:
        labels = cv2.imdecode(np.frombuffer(mask, np.uint8), cv2.IMREAD_UNCHANGED)
        if labels is None or labels.dtype != np.uint8 or labels.shape != entry.size:
            faults.append("a mask that cannot be decoded")
        elif present_ids(labels) != entry.mask_ids[position]:
            faults.append(f"a mask with the ids {present_ids(labels)} instead of {entry.mask_ids[position]}")
    return faults
