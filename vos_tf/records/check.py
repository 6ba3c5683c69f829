"""What is wrong with a data set, found before anything is written."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from vos_tf.datasets.types import Dataset, Video
from vos_tf.errors import Problem, ProblemsError
from vos_tf.media.diagnosis import diagnose_frame, diagnose_mask
from vos_tf.progress import progress
from vos_tf.records.workers import ordered_map

FRAMES_PER_TASK = 16


class CheckTask(NamedTuple):
    """Some frames of a video to look at.

    Attributes:
        video: Its name.
        files: Frame, mask or ``None``, and the ids of the objects that the mask introduces.
        size: ``(H, W)`` of the video.
        object_ids: Ids of all its objects.
        single_object: As in `Video`.
    """

    video: str
    files: tuple[tuple[Path, Path | None, tuple[int, ...]], ...]
    size: tuple[int, int]
    object_ids: tuple[int, ...]
    single_object: bool


def check_dataset(dataset: Dataset, *, workers: int, skip_bad: bool) -> tuple[str, ...]:
    """Look at every frame and mask of a data set.

    Args:
        dataset: The data set.
        workers: Processes.
        skip_bad: Say which videos have problems instead of refusing the data set.

    Returns:
        Names of the videos to leave out; only with ``skip_bad`` are there any.

    Raises:
        ProblemsError: All problems of the whole data set.
    """
    problems = find_problems(dataset, workers=workers)
    if not problems:
        return ()
    names = tuple(video.name for video in dataset.videos if any(item.video == video.name for item in problems))
    if not skip_bad or any(not problem.video for problem in problems):
        raise ProblemsError(
            f"{dataset.root}: {len(problems)} problems in {len(names)} of {len(dataset.videos)} videos; "
            "put them right, or leave those videos out with --skip-bad",
            problems,
        )
    lines = [f"left out because of {len(problems)} problems: {', '.join(names)}", *(f"  {item}" for item in problems)]
    sys.stderr.write("\n".join(lines) + "\n")
    return names


def find_problems(dataset: Dataset, *, workers: int) -> list[Problem]:
    """All problems of a data set, in the order of its videos."""
    listed = Counter(video.name for video in dataset.videos)
    problems = [
        Problem(str(dataset.root), f"every video once, {name} too", f"it {count} times", name)
        for name, count in listed.items()
        if count > 1
    ]
    problems += [problem for video in dataset.videos for problem in _list_problems(dataset.root, video)]
    tasks = [task for video in dataset.videos for task in _tasks(video)]
    with (
        progress("checking", sum(len(task.files) for task in tasks)) as shown,
        closing(ordered_map(check_files, tasks, workers)) as results,
    ):
        for task, found in zip(tasks, results, strict=True):
            problems += found
            shown.advance(len(task.files), note=task.video)
    order = {video.name: index for index, video in enumerate(dataset.videos)}
    return sorted(problems, key=lambda problem: order.get(problem.video, -1))


def check_files(task: CheckTask) -> list[Problem]:
    """Problems of some frames and masks. Runs in a worker process."""
    problems: list[Problem] = []
    for frame, mask, introduced in task.files:
        problems += diagnose_frame(frame, task.size)
        if mask is not None:
            problems += diagnose_mask(
                mask,
                frame_size=task.size,
                declared_ids=task.object_ids,
                single_object=task.single_object,
                introduces=introduced,
            )
    return [replace(problem, video=task.video) for problem in problems]


def _tasks(video: Video) -> Iterator[CheckTask]:
    introduced: dict[str, tuple[int, ...]] = {}
    for item in video.objects:
        introduced[item.first_frame] = (*introduced.get(item.first_frame, ()), item.id)
    for start in range(0, len(video.frames), FRAMES_PER_TASK):
        frames = video.frames[start : start + FRAMES_PER_TASK]
        files = tuple((frame, video.masks.get(frame.stem), introduced.get(frame.stem, ())) for frame in frames)
        yield CheckTask(video.name, files, video.size, video.object_ids, video.single_object)


def _list_problems(root: Path, video: Video) -> list[Problem]:
    """Lists of a video that contradict each other."""
    where = str(root / video.name)
    if not video.frames:
        return [Problem(where, "at least one frame", "none", video.name)]
    names = set(video.frame_names)
    problems = [
        Problem(str(path), "a frame of the same name for every mask", "no such frame", video.name)
        for name, path in sorted(video.masks.items())
        if name not in names
    ]
    if len(names) < len(video.frames):
        twice = [name for name, count in Counter(video.frame_names).items() if count > 1]
        problems.append(Problem(where, "one file for every frame", f"two for {', '.join(twice)}", video.name))
    for item in video.objects:
        missing: Sequence[str] = sorted({item.first_frame, *item.frames} - names)
        if missing:
            problems.append(
                Problem(where, f"all frames of object {item.id}", f"no frame {', '.join(missing)}", video.name)
            )
    return problems
