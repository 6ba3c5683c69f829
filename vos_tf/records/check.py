"""What is wrong with a data set, found before anything is written."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from vos_tf.datasets.types import Dataset, MaskReader, Video
from vos_tf.errors import Problem, ProblemsError, VosError
from vos_tf.media.diagnosis import diagnose_frame, inspect_mask
from vos_tf.media.label_maps import LabelMap, object_ids
from vos_tf.progress import progress
from vos_tf.records.encode import EncodedMask, encode_mask
from vos_tf.records.settings import StoredSize

FRAMES_PER_TASK = 16
MASK_CACHE_BYTES = 256 << 20
"""Encoded masks that are kept from the check for the writing; those beyond are decoded again."""


class CheckTask(NamedTuple):
    """Some frames of a video to look at.

    Attributes:
        video: Its name.
        files: Frame, mask or ``None``, and the ids of the objects that the mask introduces.
        size: ``(H, W)`` of the video.
        stored_size: ``(H, W)`` of its masks in the records.
        object_ids: Ids of all its objects.
        single_object: As in `Video`.
        mask_reader: As in `Video`.
    """

    video: str
    files: tuple[tuple[Path, Path | None, tuple[int, ...]], ...]
    size: tuple[int, int]
    stored_size: tuple[int, int]
    object_ids: tuple[int, ...]
    single_object: bool
    mask_reader: MaskReader | None


class CheckedFiles(NamedTuple):
    """What is wrong with some frames, and their faultless masks, encoded.

    Attributes:
        video: Name of the video.
        frames: Number of frames.
        problems: What is wrong.
        masks: Mask file to encoded mask.
    """

    video: str
    frames: int
    problems: list[Problem]
    masks: dict[Path, EncodedMask]


def check_dataset(
    dataset: Dataset, stored: StoredSize, workers: Executor, *, skip_bad: bool
) -> tuple[tuple[str, ...], Mapping[Path, EncodedMask]]:
    """Look at every frame and mask of a data set.

    Args:
        dataset: The data set.
        stored: Rule of the stored size.
        workers: Who does the work.
        skip_bad: Say which videos have problems instead of refusing the data set.

    Returns:
        Names of the videos to leave out (only with ``skip_bad`` are there any), and masks that are encoded already.

    Raises:
        ProblemsError: All problems of the whole data set.
    """
    problems, masks = find_problems(dataset, stored, workers)
    if not problems:
        return (), masks
    faulty = {problem.video for problem in problems}
    names = tuple(video.name for video in dataset.videos if video.name in faulty)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    if not skip_bad:
        raise ProblemsError(
            f"{dataset.root}: {count} in {len(names)} of {len(dataset.videos)} videos; "
            "put them right, or leave those videos out with --skip-bad",
            problems,
        )
    lines = [f"left out because of {count}: {', '.join(names)}", *(f"  {item}" for item in problems)]
    sys.stderr.write("\n".join(lines) + "\n")
    return names, masks


def find_problems(
    dataset: Dataset, stored: StoredSize, workers: Executor
) -> tuple[list[Problem], Mapping[Path, EncodedMask]]:
    """All problems of a data set, in the order of its videos, and masks that were encoded on the way."""
    listed = Counter(video.name for video in dataset.videos)
    problems = [
        Problem(str(dataset.root), f"every video once, {name} too", f"it {count} times", name)
        for name, count in listed.items()
        if count > 1
    ]
    problems += [problem for video in dataset.videos for problem in _list_problems(dataset.root, video)]
    masks: dict[Path, EncodedMask] = {}
    kept_bytes = 0
    tasks = (task for video in dataset.videos for task in _tasks(video, stored.of(video.size)))
    with progress("checking", sum(len(video.frames) for video in dataset.videos)) as shown:
        for checked in workers.map(check_files, tasks):
            problems += checked.problems
            size = sum(len(mask.png) for mask in checked.masks.values())
            if kept_bytes + size <= MASK_CACHE_BYTES:
                masks |= checked.masks
                kept_bytes += size
            shown.advance(checked.frames, note=checked.video)
    order = {video.name: index for index, video in enumerate(dataset.videos)}
    return sorted(problems, key=lambda problem: order[problem.video]), masks


def check_files(task: CheckTask) -> CheckedFiles:
    """Look at some frames and masks. Runs in a worker process."""
    problems: list[Problem] = []
    masks: dict[Path, EncodedMask] = {}
    for frame, mask, introduced in task.files:
        problems += diagnose_frame(frame, task.size)
        if mask is None:
            continue
        found, labels = _inspect_mask(task, mask, introduced)
        problems += found
        if labels is not None:
            masks[mask] = encode_mask(labels, task.stored_size)
    return CheckedFiles(
        task.video, len(task.files), [replace(problem, video=task.video) for problem in problems], masks
    )


def _inspect_mask(task: CheckTask, mask: Path, introduced: tuple[int, ...]) -> tuple[list[Problem], LabelMap | None]:
    if task.mask_reader is None:
        return inspect_mask(
            mask,
            frame_size=task.size,
            declared_ids=task.object_ids,
            single_object=task.single_object,
            introduces=introduced,
        )
    try:
        labels = task.mask_reader(mask, task.size)
    except VosError as error:
        where, _, what = str(error).partition(": expected ")
        expected, _, found = what.rpartition(", found ")
        return [Problem(where, expected, found)], None
    missing = set(introduced).difference(object_ids(labels))
    if missing:
        return [Problem(str(mask), f"objects {sorted(introduced)} as when it was opened", "a changed file")], None
    return [], labels


def _tasks(video: Video, stored_size: tuple[int, int]) -> Iterator[CheckTask]:
    introduced: dict[str, tuple[int, ...]] = {}
    for item in video.objects:
        introduced[item.first_frame] = (*introduced.get(item.first_frame, ()), item.id)
    for start in range(0, len(video.frames), FRAMES_PER_TASK):
        frames = video.frames[start : start + FRAMES_PER_TASK]
        files = tuple((frame, video.masks.get(frame.stem), introduced.get(frame.stem, ())) for frame in frames)
        yield CheckTask(
            video.name, files, video.size, stored_size, video.object_ids, video.single_object, video.mask_reader
        )


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
