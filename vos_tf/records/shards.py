"""The shard files of a folder: written one after another from frames that the workers encode."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from vos_tf.datasets.types import Dataset, Video
from vos_tf.files import replacing, write_bytes
from vos_tf.progress import Progress, progress
from vos_tf.records.encode import EncodedFrame, EncodedMask, FrameTask, encode_frames
from vos_tf.records.framing import frame
from vos_tf.records.manifest import RecordEntry, ShardEntry, record_to_json
from vos_tf.records.plan import Chunk, Plan
from vos_tf.records.record import encode_record, index_record
from vos_tf.records.settings import RecordSettings

UNFINISHED = ".unfinished"
FRAMES_PER_TASK = 8


def write_shards(
    dataset: Dataset,
    folder: Path,
    plan: Plan,
    settings: RecordSettings,
    masks: Mapping[Path, EncodedMask],
    workers: Executor,
) -> None:
    """Write the shards that are not complete yet.

    Args:
        dataset: The data set.
        folder: Of the records.
        plan: Which frames go where.
        settings: As the plan was made with.
        masks: Masks that are encoded already.
        workers: Who encodes.
    """
    videos = {video.name: video for video in dataset.videos}
    missing = [index for index in range(len(plan.shards)) if not _is_complete(folder, plan, index)]
    chunks = [chunk for index in missing for chunk in plan.shards[index]]
    total = sum(chunk.end - chunk.first for shard in plan.shards for chunk in shard)
    done = total - sum(chunk.end - chunk.first for chunk in chunks)
    tasks = (task for chunk in chunks for task in _tasks(videos[chunk.video], chunk, settings, masks))
    encoded = workers.map(encode_frames, tasks)
    with progress(f"records of {dataset.name} {dataset.split}", total, done=done) as shown:
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
                write_bytes(contents_file(folder, index), json.dumps(content).encode())


def contents_file(folder: Path, shard: int) -> Path:
    """Where the table of contents of a complete shard is kept until the manifest is written."""
    return folder / UNFINISHED / f"shard-{shard:05d}.json"


def _is_complete(folder: Path, plan: Plan, shard: int) -> bool:
    path, contents = folder / plan.shard_name(shard), contents_file(folder, shard)
    if not (path.exists() and contents.exists()):
        return False
    return bool(path.stat().st_size == json.loads(contents.read_bytes())["shard"]["bytes"])


def _tasks(
    video: Video, chunk: Chunk, settings: RecordSettings, masks: Mapping[Path, EncodedMask]
) -> Iterator[list[FrameTask]]:
    stored = settings.size.of(video.size)
    for start in range(chunk.first, chunk.end, FRAMES_PER_TASK):
        tasks = []
        for path in video.frames[start : min(start + FRAMES_PER_TASK, chunk.end)]:
            file = video.masks.get(path.stem)
            mask = file if file is None else masks.get(file, file)
            tasks.append(FrameTask(path, mask, video.single_object, video.size, stored, video.mask_reader))
        yield tasks


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
