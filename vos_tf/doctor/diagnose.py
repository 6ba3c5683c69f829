"""A whole data set: everything that is wrong with it, and a repaired copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vos_tf.convert.converting import Finisher, writer_for
from vos_tf.convert.staging import check_apart, plan_digest, write_staged
from vos_tf.datasets.findings import Finding, in_order
from vos_tf.datasets.registry import layout_of, recognise
from vos_tf.datasets.scanned_video import DatasetScan, ScannedVideo
from vos_tf.datasets.writing import LayoutWriter
from vos_tf.doctor.diagnose_video import Counts, Diagnosis, diagnose_video, repaired
from vos_tf.doctor.unknown_layout import scan_unknown_layout
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
        """Which edition of a published data set a split is, by what can be counted; empty where none is published."""
        layout, videos = layout_of(self.layout), self.splits[split]
        counts = {name: splits[split] for name, splits in layout.editions.items() if split in splits}
        if not counts:
            return ""
        whole = [name for name, count in counts.items() if count == len(videos)]
        if whole:
            words = f"as many videos as {' and '.join(whole)}"
        else:
            words = "not a whole edition: " + ", ".join(f"{name} has {count} videos" for name, count in counts.items())
        steps = sorted({item.step for item in videos})
        known = layout.steps.get(steps[0]) if len(steps) == 1 else None
        return f"{words}; {known or f'every frame in steps of {steps}'}" if layout.steps else words

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
class _VideoTask:
    """One video to look at (sent to a worker)."""

    root: Path
    video: ScannedVideo


@dataclass(frozen=True)
class RepairJob:
    """One video to look at and to write."""

    root: Path
    video: ScannedVideo
    writer: LayoutWriter

    @property
    def name(self) -> str:
        """Of the video."""
        return self.video.name

    @property
    def frames(self) -> int:
        """Their number."""
        return len(self.video.frames)

    def __call__(self, root: Path) -> Any:
        """Write the repaired video below ``root``; its counts, findings and what `Finisher` needs."""
        diagnosis = diagnose_video(self.root, self.video)
        entry: dict[str, Any] = {
            "counts": asdict(diagnosis.counts),
            "findings": [item.as_json() for item in diagnosis.findings],
        }
        video = repaired(self.video, diagnosis)
        prepared = () if video is None else self.writer.prepare([video])[0]
        for item in prepared:
            written = self.writer.write_video(root, item)
            entry["written"] = {"video": written.video.as_json(), "content": written.content}
        return entry


def diagnose_dataset(root: Path | str, *, dataset: str | None = None, workers: int = 1) -> Report:
    """Find everything that is wrong with a data set; nothing is written.

    Args:
        root: Its folder.
        dataset: Its layout, as `open_dataset` knows it; found if not given.
        workers: Processes; 0: one for every core.

    Raises:
        VosError: There is no such folder, or it has no known layout.
    """
    found = _scanned(Path(root), dataset)
    tasks = [_VideoTask(found.root, video) for video in found.videos]
    diagnoses: list[Diagnosis] = []
    frames = sum(len(video.frames) for video in found.videos)
    with progress("looking", frames) as bar, open_workers(workers, tasks=len(tasks)) as pool:
        for video, diagnosis in zip(found.videos, pool.map(_diagnose, tasks), strict=True):
            diagnoses.append(diagnosis)
            bar.advance(len(video.frames), note=video.name)
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
    found = _scanned(root, dataset)
    _check_names(found)
    writer = writer_for(found.layout, (item.category for video in found.videos for item in video.listed or ()))
    jobs = [RepairJob(root, video, writer) for video in found.videos]
    files = (path for video in found.videos for path in (*video.frames, *video.masks))
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


def _scanned(root: Path, dataset: str | None) -> DatasetScan:
    try:
        recognised = recognise(root, dataset)
        found = layout_of(recognised.name).scan_all(root, recognised)
    except VosError:
        unknown = scan_unknown_layout(root) if dataset is None and root.is_dir() else None
        if unknown is None:
            raise
        found = unknown
    if not found.videos:
        raise VosError(f"{root}: expected videos in the layout {found.layout}, found none")
    return found


def _check_names(found: DatasetScan) -> None:
    """Refuse videos that would be written to the same folder."""
    taken: dict[tuple[str, str], ScannedVideo] = {}
    for video in found.videos:
        other = taken.setdefault((video.split, video.name.replace("/", "_")), video)
        if other is not video:
            raise VosError(
                f"{found.root}: expected names of videos that differ in more than / and _, found {other.name} and "
                f"{video.name}"
            )


def _diagnose(task: _VideoTask) -> Diagnosis:
    return diagnose_video(task.root, task.video)


def _counts(item: Any) -> Counts:
    size = None if item["size"] is None else tuple(item["size"])
    return Counts(**(item | {"size": size, "ids": tuple(item["ids"])}))


def _report(found: DatasetScan, counts: tuple[Counts, ...], findings: Sequence[Finding]) -> Report:
    return Report(found.root, found.layout, found.sign, counts, in_order([*found.findings, *findings]))
