"""From a data set in one layout to the same in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vos_tf.config import nearest
from vos_tf.convert.staging import check_apart, plan_digest, write_staged
from vos_tf.datasets.companion import Companion, CompanionVideo, parse_video, read_companion, with_companion
from vos_tf.datasets.layout import Recognised
from vos_tf.datasets.registry import dataset_names, layout_of, open_dataset, recognise
from vos_tf.datasets.types import Dataset
from vos_tf.datasets.video_copy import VideoCopy, copy_of
from vos_tf.datasets.writing import LayoutWriter, Written
from vos_tf.errors import VosError


@dataclass(frozen=True)
class ConvertJob:
    """One video to write."""

    video: VideoCopy
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
        """Write it; what `Finisher` needs."""
        written = self.writer.write_video(root, self.video)
        return {"video": written.video.as_json(), "content": written.content}


class Converted(NamedTuple):
    """A data set that was written.

    Attributes:
        source: The layout it was read in.
        layout: The layout it was written in.
        splits: Its splits.
        videos: Number of videos.
        frames: Number of frames.
        masks: Number of masks.
        notes: What a user should know.
        finished_before: There was nothing to do.
    """

    source: str
    layout: str
    splits: tuple[str, ...]
    videos: int
    frames: int
    masks: int
    notes: tuple[str, ...]
    finished_before: bool


def convert(
    root: Path | str,
    to: str,
    out: Path | str,
    *,
    dataset: str | None = None,
    split: str | None = None,
    workers: int = 1,
) -> Converted:
    """Write a data set in another layout; continue what an interrupted run began.

    Frames are copied byte for byte and keep their names. Ids, categories, masks, objects and frame rates stay what
    they are: what a layout has no place for is kept in ``vos_tf.json``, so that converting back gives the same.

    Args:
        root: The data set.
        to: One of `targets`.
        out: The new folder.
        dataset: The layout of ``root``, as `open_dataset` knows it; found if not given.
        split: The only split to convert; all if not given.
        workers: Processes; 0: one for every core.

    Raises:
        VosError: No such layout or split, a data set that cannot be read, or ``out`` is not empty.
    """
    root, out = Path(root), Path(out)
    check_apart(root, out)
    layout = recognise(root, dataset)
    if split is not None:
        if split not in layout.splits:
            raise VosError(f"{root}: expected one of the splits {', '.join(layout.splits)}, found --split {split}")
        layout = layout._replace(splits=(split,))
    datasets = open_splits(root, layout)
    videos = tuple(copy_of(video, item.split) for item in datasets for video in item.videos)
    writer = writer_for(to, (item.category for video in videos for item in video.objects))
    videos, lost = writer.prepare(videos)
    plan = plan_digest([writer.name, *(f"{video.split}/{video.name}" for video in videos)], _files(datasets))
    outcome = write_staged(
        out,
        plan,
        [ConvertJob(video, writer) for video in videos],
        Finisher(writer, plan),
        description=f"to {to}",
        workers=workers,
    )
    return Converted(
        source=layout.name,
        layout=writer.name,
        splits=layout.splits,
        videos=len(videos),
        frames=sum(len(video.frames) for video in videos),
        masks=sum(len(video.annotated) for video in videos),
        notes=(*(note for item in datasets for note in item.notes), *lost),
        finished_before=outcome.finished_before,
    )


def open_splits(root: Path, layout: Recognised) -> tuple[Dataset, ...]:
    """All splits of a data set, each as it was before it was converted to its layout, if it was.

    Raises:
        VosError: One cannot be opened.
    """
    companion = read_companion(root)
    datasets = [open_dataset(layout.name, root, split) for split in layout.splits]
    if companion is None or companion.layout != layout.name:
        return tuple(datasets)
    return tuple(with_companion(dataset, companion) for dataset in datasets)


def targets() -> tuple[str, ...]:
    """Names of the layouts that are offered to be written."""
    return tuple(layout.target for layout in map(layout_of, dataset_names()) if layout.target)


def writer_for(to: str, categories: Iterable[str | None]) -> LayoutWriter:
    """What writes videos in a layout.

    Args:
        to: One of `targets`, or a name as `open_dataset` knows it.
        categories: Of all objects.

    Raises:
        VosError: There is none.
    """
    key = to.replace("_", "-")
    for name in dataset_names():
        layout = layout_of(name)
        if key in (layout.target, name.replace("_", "-")):
            return layout.writer(categories)
    raise VosError(f"--to {to}: expected one of {', '.join(targets())}{nearest(key, targets())}")


class Finisher:
    """Writes the lists of a layout and the companion."""

    def __init__(self, writer: LayoutWriter, plan: str) -> None:
        self._writer, self._plan = writer, plan

    def __call__(self, root: Path, entries: Sequence[Any]) -> None:
        """Finish the data set in ``root``; the entries are those of its jobs."""
        written = [Written(_parsed(root, entry), entry["content"]) for entry in entries]
        self._writer.finish(root, written)
        Companion(self._writer.name, self._plan, tuple(item.video for item in written)).write(root)


def _parsed(root: Path, entry: Any) -> CompanionVideo:
    return parse_video(root, entry["video"])


def _files(datasets: Sequence[Dataset]) -> Iterator[Path]:
    for dataset in datasets:
        for video in dataset.videos:
            yield from video.frames
            yield from video.masks.values()
