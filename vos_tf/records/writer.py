"""Writing a data set as sharded records: several processes, the same bytes whatever their number, continued on re-run.

A folder goes through three states: empty; unfinished, with ``.unfinished/plan.json`` and the shards that are complete;
finished, with ``manifest.json``. A shard has its name only when it is whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from vos_tf.datasets.types import Dataset, Video
from vos_tf.errors import VosError
from vos_tf.files import replacing, write_bytes
from vos_tf.progress import Progress, progress
from vos_tf.records.check import check_dataset
from vos_tf.records.encode import EncodedFrame, FrameTask, encode_frames
from vos_tf.records.framing import frame
from vos_tf.records.manifest import (
    MANIFEST,
    Manifest,
    RecordEntry,
    ShardEntry,
    read_manifest,
    record_from_json,
    record_to_json,
    write_manifest,
)
from vos_tf.records.plan import (
    Chunk,
    Plan,
    Source,
    make_plan,
    read_plan,
    refuse_other_source,
    source_of,
    write_plan,
)
from vos_tf.records.record import encode_record, index_record
from vos_tf.records.settings import RecordSettings
from vos_tf.records.workers import ordered_map, worker_count

UNFINISHED = ".unfinished"
FRAMES_PER_TASK = 8


def write_records(
    dataset: Dataset, folder: Path, settings: RecordSettings, *, workers: int = 0, skip_bad: bool = False
) -> Manifest:
    """Write a data set as records, or finish what an earlier run began.

    Args:
        dataset: The data set.
        folder: Where the records go: a new or empty folder, or one that an earlier run with equal arguments left.
        settings: Size of the frames and number of shards.
        workers: Processes; 0: one for every core.
        skip_bad: Leave out videos with problems instead of refusing the data set.

    Returns:
        The manifest of the finished folder. If it was finished before, nothing is done.

    Raises:
        ProblemsError: Something is wrong with the data set; all problems are listed, and nothing was written.
        VosError: The folder holds something else, or another run is writing into it.
    """
    asked = source_of(dataset, settings)
    finished = _finished(folder, asked)
    if finished is not None:
        return finished
    _refuse_foreign(folder)
    count = worker_count(workers)
    if not (folder / UNFINISHED / "plan.json").exists():
        plan = make_plan(dataset, settings, check_dataset(dataset, workers=count, skip_bad=skip_bad))
    with _locked(folder):
        plan_file = folder / UNFINISHED / "plan.json"
        if plan_file.exists():
            plan = read_plan(plan_file)
            refuse_other_source(folder, plan.source, asked)
        else:
            write_plan(plan_file, plan)
        for left in folder.glob(".*.partial"):
            left.unlink()
        _write_shards(dataset, folder, plan, settings, count)
        manifest = _gather(folder, plan)
        write_manifest(manifest)
        shutil.rmtree(folder / UNFINISHED)
    return manifest


def finished_records(dataset: Dataset, folder: Path, settings: RecordSettings) -> Manifest | None:
    """The manifest if ``folder`` is finished with just these arguments, else ``None``.

    Raises:
        VosError: It is finished with other arguments.
    """
    return _finished(folder, source_of(dataset, settings))


def _finished(folder: Path, asked: Source) -> Manifest | None:
    if not (folder / MANIFEST).exists():
        return None
    manifest = read_manifest(folder)
    written = Source(
        schema_version=asked.schema_version,
        dataset=manifest.dataset,
        split=manifest.split,
        fingerprint=manifest.fingerprint,
        size=manifest.size,
        jpeg_quality=manifest.jpeg_quality,
        shards=asked.shards and len(manifest.shards),
    )
    refuse_other_source(folder, written, asked)
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    return manifest


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise VosError(f"{folder}: expected a folder for the records, found a file")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / UNFINISHED).is_dir():
        raise VosError(f"{folder}: expected a new or empty folder for the records, found other files in it")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep a second run out of the folder; the lock goes with the process, however that ends."""
    (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
    with (folder / UNFINISHED / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VosError(f"{folder}: expected to write records alone, found another run at work in it") from None
        yield


def _write_shards(dataset: Dataset, folder: Path, plan: Plan, settings: RecordSettings, workers: int) -> None:
    videos = {video.name: video for video in dataset.videos}
    missing = [index for index in range(len(plan.shards)) if not _is_complete(folder, plan, index)]
    chunks = [chunk for index in missing for chunk in plan.shards[index]]
    total = sum(chunk.end - chunk.first for shard in plan.shards for chunk in shard)
    done = total - sum(chunk.end - chunk.first for chunk in chunks)
    tasks = (task for chunk in chunks for task in _tasks(videos[chunk.video], chunk, settings))
    title = f"records of {dataset.name} {dataset.split}"
    with progress(title, total, done=done) as shown, closing(ordered_map(encode_frames, tasks, workers)) as encoded:
        for index in missing:
            path = folder / plan.shard_name(index)
            with replacing(path) as temporary:
                with temporary.open("wb") as file:
                    shard = _ShardFile(file, index, shown)
                    for chunk in plan.shards[index]:
                        shard.add(videos[chunk.video], chunk, settings, encoded)
                content = {
                    "shard": asdict(shard.entry(path.name)),
                    "records": [record_to_json(record) for record in shard.records],
                }
                # Before the shard has its name: a named shard always has its table of contents.
                write_bytes(_contents_file(folder, index), json.dumps(content).encode())


def _tasks(video: Video, chunk: Chunk, settings: RecordSettings) -> Iterator[list[FrameTask]]:
    stored = settings.size.of(video.size)
    for start in range(chunk.first, chunk.end, FRAMES_PER_TASK):
        paths = video.frames[start : min(start + FRAMES_PER_TASK, chunk.end)]
        yield [FrameTask(path, video.masks.get(path.stem), video.single_object, video.size, stored) for path in paths]


class _ShardFile:
    """A shard while it is written."""

    def __init__(self, file: BinaryIO, index: int, shown: Progress) -> None:
        self.records: list[RecordEntry] = []
        self._file, self._index, self._shown = file, index, shown
        self._bytes = 0
        self._digest = hashlib.sha256()

    def add(self, video: Video, chunk: Chunk, settings: RecordSettings, encoded: Iterator[list[EncodedFrame]]) -> None:
        """Write the next record from the next frames of ``encoded``."""
        frames: list[EncodedFrame] = []
        while len(frames) < chunk.end - chunk.first:
            part = next(encoded)
            frames.extend(part)
            self._shown.advance(len(part), note=video.name)
        stored = settings.size.of(video.size)
        data = encode_record(video, stored, (chunk.number, chunk.count), (chunk.first, chunk.end), frames)
        framed = frame(data)
        self.records.append(index_record(data, self._index, self._bytes))
        self._file.write(framed)
        self._digest.update(framed)
        self._bytes += len(framed)

    def entry(self, name: str) -> ShardEntry:
        """The manifest's line on this shard."""
        return ShardEntry(name, len(self.records), self._bytes, self._digest.hexdigest())


def _contents_file(folder: Path, shard: int) -> Path:
    return folder / UNFINISHED / f"shard-{shard:05d}.json"


def _is_complete(folder: Path, plan: Plan, shard: int) -> bool:
    path, contents = folder / plan.shard_name(shard), _contents_file(folder, shard)
    if not (path.exists() and contents.exists()):
        return False
    return bool(path.stat().st_size == json.loads(contents.read_bytes())["shard"]["bytes"])


def _gather(folder: Path, plan: Plan) -> Manifest:
    contents = [json.loads(_contents_file(folder, shard).read_bytes()) for shard in range(len(plan.shards))]
    return Manifest(
        folder=folder,
        dataset=plan.source.dataset,
        split=plan.source.split,
        fingerprint=plan.source.fingerprint,
        size=plan.source.size,
        jpeg_quality=plan.source.jpeg_quality,
        skipped=plan.skipped,
        shards=tuple(ShardEntry(**content["shard"]) for content in contents),
        records=tuple(record_from_json(record) for content in contents for record in content["records"]),
    )
