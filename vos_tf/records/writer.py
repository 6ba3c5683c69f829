"""Writing a data set as sharded records: several processes, the same bytes whatever their number, continued on re-run.

A folder goes through three states: empty; unfinished, with ``.unfinished/plan.json`` and the shards that are complete;
finished, with ``manifest.json``. A shard has its name only when it is whole.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vos_tf.datasets.types import Dataset
from vos_tf.errors import VosError
from vos_tf.files import sweep
from vos_tf.records.check import check_dataset
from vos_tf.records.encode import EncodedMask
from vos_tf.records.manifest import (
    MANIFEST,
    Manifest,
    ShardEntry,
    read_manifest,
    record_from_json,
    write_manifest,
)
from vos_tf.records.plan import Plan, Source, make_plan, read_plan, refuse_other_source, source_of, write_plan
from vos_tf.records.settings import RecordSettings
from vos_tf.records.shards import UNFINISHED, contents_file, write_shards
from vos_tf.workers import open_workers


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
    plan_file = folder / UNFINISHED / "plan.json"
    masks: Mapping[Path, EncodedMask] = {}
    with open_workers(workers) as pool, ExitStack() as stack:
        if not plan_file.exists():
            skipped, masks = check_dataset(dataset, settings.size, pool, skip_bad=skip_bad)
            plan = make_plan(dataset, settings, skipped)
        stack.enter_context(_locked(folder))
        finished = _finished(folder, asked)  # by another run, during the check
        if finished is not None:
            return finished
        if plan_file.exists():
            plan = read_plan(plan_file)
            refuse_other_source(folder, plan.source, asked)
        else:
            write_plan(plan_file, plan)
        sweep(folder)
        write_shards(dataset, folder, plan, settings, masks, pool)
        manifest = _gather(folder, plan)
        write_manifest(manifest)
        shutil.rmtree(folder / UNFINISHED)
    return manifest


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


def _gather(folder: Path, plan: Plan) -> Manifest:
    contents = [json.loads(contents_file(folder, shard).read_bytes()) for shard in range(len(plan.shards))]
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
