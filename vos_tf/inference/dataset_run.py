"""Run a Segmenter over a data set and leave one label map per frame; interrupted runs continue."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vos_tf.datasets.types import Dataset, Video
from vos_tf.errors import VosError
from vos_tf.files import write_json
from vos_tf.inference.instances import instances_missing, write_instances
from vos_tf.inference.session import FrameResult, check_size, joining_mask, read_frame
from vos_tf.media.images import header_size, read_bytes
from vos_tf.media.label_maps import LabelMap, write_label_map
from vos_tf.progress import Progress, progress

SCENARIO = "scenario.json"
FRAMES_AHEAD = 4
HEADER_BYTES = 4096


class FrameByFrame(Protocol):
    """A session: masks are added, frames are stepped through."""

    def add(self, labels: LabelMap) -> None:
        """Give the masks of objects that join in the next frame."""

    def step(self, frame: Any, name: str | None = None) -> FrameResult:
        """Segment the next frame."""


class OpensSessions(Protocol):
    """A Segmenter, or the baseline; ``needs_masks``: objects are given by their first masks."""

    needs_masks: bool

    def check_video(self, video: Video) -> None:
        """Refuse a video whose objects cannot be followed."""

    def session_for(self, video: Video) -> FrameByFrame:
        """A session for one video."""


@dataclass(frozen=True)
class Scenario:
    """What a results folder was made with; kept in it, so that results of two models never mix.

    Attributes:
        model: SHA-256 of the weights, or another name of what was run.
        dataset: Layout and split.
        fingerprint: Of the data set.
        settings: Everything else that decides the masks.
    """

    model: str
    dataset: str
    fingerprint: str
    settings: dict[str, Any]


def claim_results(folder: Path, scenario: Scenario) -> None:
    """Mark ``folder`` as holding results of ``scenario``.

    Raises:
        VosError: It already holds results of another one, or of unknown origin.
    """
    path = folder / SCENARIO
    content = {
        "model": scenario.model,
        "dataset": scenario.dataset,
        "fingerprint": scenario.fingerprint,
        "settings": scenario.settings,
    }
    if not path.is_file():
        found = [item.name for item in folder.iterdir() if not item.name.startswith(".")] if folder.is_dir() else []
        if found:
            raise VosError(
                f"{folder}: expected an empty folder or one with {SCENARIO}, found {min(found)}; "
                "choose another --scenario-name"
            )
        write_json(path, content)
        return
    old = json.loads(path.read_text(encoding="utf-8"))
    changed = [key for key, value in content.items() if old.get(key) != json.loads(json.dumps(value))]
    if changed:
        raise VosError(
            f"{folder}: expected an empty folder or results of the same model, data and settings, "
            f"found results with another {', '.join(changed)}; choose another --scenario-name"
        )


def result_path(folder: Path, video: Video, frame: str) -> Path:
    """File of one frame's label map."""
    return folder / video.name / f"{frame}.png"


def is_done(folder: Path, video: Video, *, instances: bool = False) -> bool:
    """Whether every frame of the video has its label map, and those of each object by itself where asked for."""
    done = all(result_path(folder, video, frame).is_file() for frame in video.frame_names)
    return done and not (instances and instances_missing(folder, video))


def segment_dataset(
    segmenter: OpensSessions, dataset: Dataset, folder: Path, *, instances: float | None = None
) -> None:
    """Segment every video; from the masks at its objects' first frames, where the segmenter needs them.

    Writes ``folder/<video>/<frame>.png``: indexed PNG at the video's own size. Videos that are complete are kept.

    Args:
        segmenter: What segments.
        dataset: The videos.
        folder: Where the masks go.
        instances: Probability from which a pixel belongs to an object's own mask, which may overlap with others'
            (`vos_tf.inference.instances`); ``None``: no such masks are written.

    Raises:
        VosError: A file cannot be read, or has another size than its video, or the method cannot follow the objects
            of a video; the latter two before anything is written.
    """
    todo = [video for video in dataset.videos if not is_done(folder, video, instances=instances is not None)]
    for video in todo:
        check_sizes(video)
        segmenter.check_video(video)
    frames = sum(len(video.frames) for video in dataset.videos)
    done = frames - sum(len(video.frames) for video in todo)
    with progress("segmenting", frames, "frames", done) as bar:
        for video in todo:
            segment_video(segmenter, video, folder, bar, instances=instances)


def check_sizes(video: Video) -> None:
    """Make sure, from their headers, that all frames and first masks of a video have its size.

    Raises:
        VosError: One has not, or is no image.
    """
    for path in (*video.frames, *(video.masks[item.first_frame] for item in video.objects)):
        check_size(video, path, _stored_size(path))


def _stored_size(path: Path) -> tuple[int, int]:
    try:
        with path.open("rb") as file:
            return header_size(file.read(HEADER_BYTES), str(path))
    except (OSError, VosError):  # missing, or with much metadata before the size
        return header_size(read_bytes(path), str(path))


def segment_video(
    segmenter: OpensSessions, video: Video, folder: Path, bar: Progress, *, instances: float | None = None
) -> None:
    """Segment one video; frames are read ahead and written behind while the network works."""
    session = segmenter.session_for(video)
    with ThreadPoolExecutor(2) as pool:
        writing: deque[Future[None]] = deque()
        for name, frame in _read_ahead(video, pool):
            labels = joining_mask(video, name) if segmenter.needs_masks else None
            if labels is not None:
                session.add(labels)
            result = session.step(frame, name)
            writing.append(pool.submit(_write, folder, video, result, instances))
            while len(writing) > FRAMES_AHEAD:
                writing.popleft().result()
            bar.advance(note=video.name)
        for written in writing:
            written.result()


def _write(folder: Path, video: Video, result: FrameResult, instances: float | None) -> None:
    """Write the masks of one frame, the label map last."""
    if instances is not None:
        write_instances(folder, video, result, instances)
    write_label_map(result_path(folder, video, result.name), result.labels)


def _read_ahead(video: Video, pool: ThreadPoolExecutor) -> Iterator[tuple[str, Any]]:
    waiting: deque[tuple[str, Future[Any]]] = deque()
    for path in video.frames:
        waiting.append((path.stem, pool.submit(read_frame, video, path)))
        if len(waiting) > FRAMES_AHEAD:
            name, frame = waiting.popleft()
            yield name, frame.result()
    for name, frame in waiting:
        yield name, frame.result()
