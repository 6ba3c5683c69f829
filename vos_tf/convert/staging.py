"""Writing a data set that appears under its name only when it is whole, and that can be continued.

It grows in a hidden folder beside its place: the videos, and an entry for each that is finished. When all are there,
the layout's lists are written and the folder gets its name.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from vos_tf.datasets.companion import read_companion
from vos_tf.errors import VosError
from vos_tf.files import publish, write_json
from vos_tf.progress import progress
from vos_tf.workers import open_workers

ENTRIES = ".entries"
"""Folder of the entries, within the hidden one."""


class Job(Protocol):
    """One video to write; can be pickled."""

    @property
    def name(self) -> str:
        """Of the video."""

    @property
    def frames(self) -> int:
        """Their number, for the progress."""

    def __call__(self, root: Path) -> Any:
        """Write it below ``root``; its entry, as JSON."""


class _Task(NamedTuple):
    number: int
    job: Job
    root: Path


class _Done(NamedTuple):
    number: int
    entry: Any


@dataclass(frozen=True)
class Outcome:
    """What a run has done.

    Attributes:
        entries: Of all jobs, in their order; empty if the data set was finished before.
        finished_before: There was nothing to do.
    """

    entries: tuple[Any, ...]
    finished_before: bool


def plan_digest(words: Sequence[str], files: Iterator[Path]) -> str:
    """16 hexadecimal digits over what is asked for, and names, sizes and times of all files it is made from."""
    digest = hashlib.sha256(json.dumps(list(words)).encode())
    for path in files:
        try:
            state = path.stat()
            digest.update(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{path}\0missing\n".encode())
    return digest.hexdigest()[:16]


def write_staged(
    out: Path,
    plan: str,
    jobs: Sequence[Job],
    finish: Callable[[Path, Sequence[Any]], None],
    *,
    description: str,
    workers: int = 1,
) -> Outcome:
    """Do jobs that together write a data set, and give it its name when all are done.

    Args:
        out: The new folder; it must not exist or be empty.
        plan: Digest of all that decides what is written.
        jobs: One for each video.
        finish: Called with the folder and all entries; writes the lists.
        description: Of the progress.
        workers: Processes; 0: one for every core.

    Raises:
        VosError: ``out`` holds something else, an interrupted run wrote something else, or the disk refuses.
    """
    out = out.resolve()
    if _is_finished(out, plan):
        return Outcome((), True)
    staging = out.with_name(f".{out.name}.unfinished")
    try:
        _claim(staging, plan)
        entries = _do(staging, jobs, description, workers)
        finish(staging, entries)
        shutil.rmtree(staging / ENTRIES)
        publish(staging, out)
    except OSError as error:
        raise VosError(
            f"{error.filename or staging}: expected to write, found that it cannot be done ({error.strerror}); what "
            "is finished is kept, run the same command again to continue"
        ) from error
    return Outcome(tuple(entries), False)


def check_apart(root: Path, out: Path) -> None:
    """Refuse to write a data set into the one it is made from, or around it.

    Raises:
        VosError: One folder is within the other.
    """
    source, target = root.resolve(), out.resolve()
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise VosError(
            f"{out}: expected a folder apart from {root}, which is never touched, found one within the other"
        )


def _is_finished(out: Path, plan: str) -> bool:
    if not out.exists():
        return False
    if not out.is_dir() or any(out.iterdir()):
        companion = read_companion(out) if out.is_dir() else None
        if companion is not None and companion.plan == plan:
            return True
        raise VosError(f"{out}: expected a new or empty folder to write to, found other files")
    return False


def _claim(staging: Path, plan: str) -> None:
    """Make the hidden folder, or make sure that an interrupted run of the same plan left it."""
    note = staging / ENTRIES / "plan.json"
    if staging.is_symlink():
        raise VosError(f"{staging}: expected a folder of an interrupted run, found a link")
    if note.exists():
        if json.loads(note.read_text(encoding="utf-8")) != plan:
            raise VosError(
                f"{staging}: expected what an interrupted run of the same command left, found that of another or of "
                "files that have changed since; remove this folder"
            )
    elif staging.exists() and any(staging.iterdir()):
        raise VosError(f"{staging}: expected nothing or what an interrupted run left, found other files")
    write_json(note, plan)


def _do(staging: Path, jobs: Sequence[Job], description: str, workers: int) -> list[Any]:
    paths = [staging / ENTRIES / f"{index:06d}.json" for index in range(len(jobs))]
    missing = [_Task(number, job, staging) for number, job in enumerate(jobs) if not paths[number].exists()]
    total = sum(job.frames for job in jobs)
    done = total - sum(task.job.frames for task in missing)
    with progress(description, total, done=done) as bar, open_workers(workers, tasks=len(missing)) as pool:
        for number, entry in pool.map(_run, missing):
            write_json(paths[number], entry)
            bar.advance(jobs[number].frames, jobs[number].name)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _run(task: _Task) -> _Done:
    return _Done(task.number, task.job(task.root))
