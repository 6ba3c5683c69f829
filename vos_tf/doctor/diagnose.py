"""A whole data set: everything that is wrong with it, and a repaired copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vos_tf.convert.converting import Finisher, writer_for
from vos_tf.convert.layout import LayoutWriter
from vos_tf.convert.staging import check_apart, plan_digest, write_staged
from vos_tf.datasets.recognition import recognise
from vos_tf.doctor.diagnose_video import Counts, Diagnosis, examine, repaired
from vos_tf.doctor.editions import edition
from vos_tf.doctor.findings import Finding, in_order
from vos_tf.doctor.scan import survey
from vos_tf.doctor.scanned_video import Seen, Survey
from vos_tf.doctor.unknown_layout import loose_survey
from vos_tf.errors import VosError
from vos_tf.progress import progress
from vos_tf.workers import open_workers

VERSION = 1
"""Raised when the same data set would be repaired in another way."""


@dataclass(frozen=True)
class Report:
    """What a data set holds and what is wrong with it.

    Attributes:
        root: Its folder.
        layout: Name of its layout.
        sign: What the layout was known by.
        videos: What each video holds.
        findings: Faults first.
    """

    root: Path
    layout: str
    sign: str
    videos: tuple[Counts, ...]
    findings: tuple[Finding, ...]

    @property
    def splits(self) -> dict[str, tuple[Counts, ...]]:
        """Videos by split, in order."""
        found: dict[str, list[Counts]] = {}
        for item in self.videos:
            found.setdefault(item.split, []).append(item)
        return {split: tuple(items) for split, items in found.items()}

    @property
    def faults(self) -> int:
        """How many findings are faults."""
        return sum(item.level == "fault" for item in self.findings)

    def edition(self, split: str) -> str:
        """Which edition of a published data set a split is; empty if it is none."""
        return edition(self.layout, split, self.splits[split])

    def as_json(self) -> dict[str, Any]:
        """For a file that other programs read."""
        return {
            "data_set": self.root.name,
            "layout": self.layout,
            "editions": {split: self.edition(split) for split in self.splits},
            "videos": [asdict(item) for item in self.videos],
            "findings": [item.as_json() for item in self.findings],
        }


@dataclass(frozen=True)
class Repair:
    """What a repaired copy holds.

    Attributes:
        out: Its folder.
        layout: Name of its layout.
        videos: Number of videos.
        left_out: Names of videos of which nothing of use was left.
        finished_before: There was nothing to do.
    """

    out: Path
    layout: str
    videos: int
    left_out: tuple[str, ...]
    finished_before: bool


@dataclass(frozen=True)
class _Look:
    """One video to look at (sent to a worker)."""

    root: Path
    seen: Seen


@dataclass(frozen=True)
class RepairJob:
    """One video to look at and to write."""

    root: Path
    seen: Seen
    writer: LayoutWriter

    @property
    def name(self) -> str:
        """Of the video."""
        return self.seen.name

    @property
    def frames(self) -> int:
        """Their number."""
        return len(self.seen.frames)

    def __call__(self, root: Path) -> Any:
        """Write the repaired video below ``root``; its counts, findings and what `Finisher` needs."""
        diagnosis = examine(self.root, self.seen)
        entry: dict[str, Any] = {
            "counts": asdict(diagnosis.counts),
            "findings": [item.as_json() for item in diagnosis.findings],
        }
        video = repaired(self.seen, diagnosis)
        prepared = () if video is None else self.writer.prepare([video])[0]
        for item in prepared:
            written = self.writer.write_video(root, item)
            entry["written"] = {"video": written.video.as_json(), "content": written.content}
        return entry


def look(root: Path | str, *, dataset: str | None = None, workers: int = 1) -> Report:
    """Find everything that is wrong with a data set; nothing is written.

    Args:
        root: Its folder.
        dataset: Its layout, as `open_dataset` knows it; found if not given.
        workers: Processes; 0: one for every core.

    Raises:
        VosError: There is no such folder, or it has no known layout.
    """
    found = _survey(Path(root), dataset)
    looks = [_Look(found.root, seen) for seen in found.videos]
    diagnoses: list[Diagnosis] = []
    frames = sum(len(seen.frames) for seen in found.videos)
    with progress("looking", frames) as bar, open_workers(workers, tasks=len(looks)) as pool:
        for seen, diagnosis in zip(found.videos, pool.map(_examine, looks), strict=True):
            diagnoses.append(diagnosis)
            bar.advance(len(seen.frames), note=seen.name)
    counts = tuple(item.counts for item in diagnoses)
    return _report(found, counts, [finding for item in diagnoses for finding in item.findings])


def repair(
    root: Path | str, out: Path | str, *, dataset: str | None = None, workers: int = 1
) -> tuple[Report | None, Repair]:
    """Write a repaired copy of a data set, in its layout; continue what an interrupted run began.

    The original is only read. What cannot be mended is left out.

    Args:
        root: Its folder.
        out: The new folder.
        dataset: Its layout, as `open_dataset` knows it; found if not given.
        workers: Processes; 0: one for every core.

    Returns:
        What is wrong with the original (``None`` if the copy was finished before), and what the copy holds.

    Raises:
        VosError: There is no such folder or layout, ``out`` is not empty, or nothing of use is left.
    """
    root, out = Path(root), Path(out)
    check_apart(root, out)
    found = _survey(root, dataset)
    _check_names(found)
    writer = writer_for(found.layout, (item.category for seen in found.videos for item in seen.listed or ()))
    jobs = [RepairJob(root, seen, writer) for seen in found.videos]
    files = (path for seen in found.videos for path in (*seen.frames, *seen.masks))
    plan = plan_digest(["repair", str(VERSION), writer.name], files)
    outcome = write_staged(out, plan, jobs, _Copy(root, writer, plan), description="repairing", workers=workers)
    if outcome.finished_before:
        return None, Repair(out, writer.name, 0, (), True)
    counts = tuple(_counts(entry["counts"]) for entry in outcome.entries)
    findings = [Finding(**item) for entry in outcome.entries for item in entry["findings"]]
    left_out = tuple(item.name for item, entry in zip(counts, outcome.entries, strict=True) if "written" not in entry)
    made = Repair(out, writer.name, len(counts) - len(left_out), left_out, False)
    return _report(found, counts, findings), made


@dataclass(frozen=True)
class _Copy:
    """Finishes a repaired copy of the videos that were written."""

    root: Path
    writer: LayoutWriter
    plan: str

    def __call__(self, folder: Path, entries: Sequence[Any]) -> None:
        written = [entry["written"] for entry in entries if "written" in entry]
        if not written:
            raise VosError(f"{self.root}: expected a video that can be repaired, found none")
        Finisher(self.writer, self.plan)(folder, written)


def _survey(root: Path, dataset: str | None) -> Survey:
    try:
        found = survey(root, recognise(root, dataset))
    except VosError:
        loose = loose_survey(root) if dataset is None and root.is_dir() else None
        if loose is None:
            raise
        found = loose
    if not found.videos:
        raise VosError(f"{root}: expected videos in the layout {found.layout}, found none")
    return found


def _check_names(found: Survey) -> None:
    """Refuse videos that would be written to the same folder."""
    taken: dict[tuple[str, str], Seen] = {}
    for seen in found.videos:
        other = taken.setdefault((seen.split, seen.name.replace("/", "_")), seen)
        if other is not seen:
            raise VosError(
                f"{found.root}: expected names of videos that differ in more than / and _, found {other.name} and "
                f"{seen.name}"
            )


def _examine(task: _Look) -> Diagnosis:
    return examine(task.root, task.seen)


def _counts(item: Any) -> Counts:
    size = None if item["size"] is None else tuple(item["size"])
    return Counts(**(item | {"size": size, "ids": tuple(item["ids"])}))


def _report(found: Survey, counts: tuple[Counts, ...], findings: Sequence[Finding]) -> Report:
    return Report(found.root, found.layout, found.sign, counts, in_order([*found.findings, *findings]))
