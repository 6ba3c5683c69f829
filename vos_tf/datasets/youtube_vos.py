"""YouTube-VOS 2018 and 2019: ``<root>/<split>/{JPEGImages,Annotations,meta.json}``.

Frames come at 6 per second (every fifth of 30). Objects may appear after the first frame; validation masks exist
only where an object first appears. Layout: https://youtube-vos.org.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from vos_tf.datasets.findings import Finding
from vos_tf.datasets.layout import Layout, Recognised
from vos_tf.datasets.listing import (
    check_name,
    check_root,
    image_size,
    list_folders,
    list_images,
    names_found,
    with_progress,
)
from vos_tf.datasets.numbering import usual_step
from vos_tf.datasets.scanned_video import (
    Rules,
    ScannedVideo,
    below,
    content_of,
    scan_video,
    stray_entries,
    stray_finding,
)
from vos_tf.datasets.types import Dataset, Video, VideoObject
from vos_tf.datasets.writing import (
    UNKNOWN_CATEGORY,
    FolderWriter,
    Written,
    by_split,
    folder_inside,
)
from vos_tf.datasets.youtube_vos_meta import read_meta
from vos_tf.errors import Problem, ProblemsError, VosError
from vos_tf.files import write_json
from vos_tf.media.label_maps import MAX_OBJECT_ID, object_ids, read_label_map

FRAME_RATE = Fraction(6)
ALL_FRAMES_RATE = Fraction(30)
ALL_FRAMES = "_all_frames"
MASK_SUFFIXES = (".png",)
MANY_VIDEOS = 200
"""From here on opening shows its progress."""
_YOUTUBE_NAME = re.compile(r"[0-9a-f]{10}")
_KNOWN_FILES = frozenset({"JPEGImages", "Annotations", "meta.json", "synthetic.json"})


class _Entry(NamedTuple):
    """An object as ``meta.json`` describes it."""

    id: int
    category: str | None
    frames: tuple[str, ...]


def open_youtube_vos(
    root: Path, split: str, *, all_frames: bool = False, name: str = "youtube_vos", frame_rate: Fraction = FRAME_RATE
) -> Dataset:
    """Open a split of YouTube-VOS, or of any data set in its layout.

    Where ``meta.json`` is missing it is rebuilt in memory from the masks: an object then has to be segmented from
    the first mask that shows it to the end. Categories are unknown then.

    Args:
        root: Folder that holds the splits.
        split: ``train``, ``valid``, ``test``; with ``_all_frames`` behind it, the same as ``all_frames=True``.
        all_frames: Take the frames from ``<split>_all_frames`` (30 per second); masks and objects stay the same.
        name: Name of the Dataset.
        frame_rate: Frames per second of the split's own frames.

    Raises:
        VosError: No such root or split; ``meta.json`` is no JSON or of another structure.
        ProblemsError: ``meta.json`` and the folders contradict each other.
    """
    check_root(root)
    if split.endswith(ALL_FRAMES):
        split, all_frames = split.removesuffix(ALL_FRAMES), True
    folder = _split_folder(root, split)
    frames_folder = folder / "JPEGImages"
    if all_frames:
        frames_folder = root / f"{split}{ALL_FRAMES}" / "JPEGImages"
        frame_rate = ALL_FRAMES_RATE
        if not frames_folder.is_dir():
            raise VosError(f"{frames_folder}: expected the frames at 30 per second, found no such folder")
    notes: list[str] = []
    meta = _read_meta(folder / "meta.json", notes)
    names = tuple(meta) if meta is not None else list_folders(folder / "JPEGImages")
    if not names:
        raise VosError(f"{folder / 'JPEGImages'}: expected a folder for each video, found none")
    if meta is not None:
        _note_unlisted(folder, meta, notes)
    problems: list[Problem] = []
    videos: list[Video] = []
    for video_name in with_progress(names, f"open {name} {split}", many=MANY_VIDEOS):
        entries = None if meta is None else meta[video_name]
        video = _open_video(folder, frames_folder / video_name, entries, frame_rate, problems, notes)
        if video is not None:
            videos.append(video)
    if problems:
        raise ProblemsError(f"{folder}: expected meta.json, frames and masks that agree, found", problems)
    return Dataset(name, split + (ALL_FRAMES if all_frames else ""), tuple(videos), root, tuple(notes))


def _split_folder(root: Path, split: str) -> Path:
    folder = root / split
    if not split or not (folder / "JPEGImages").is_dir():
        found = names_found([name for name in list_folders(root) if (root / name / "JPEGImages").is_dir()])
        raise VosError(f"{root}: expected a split {split!r} with a folder JPEGImages, found {found}")
    return folder


def _read_meta(path: Path, notes: list[str]) -> dict[str, tuple[_Entry, ...]] | None:
    """Videos and their objects as ``meta.json`` lists them; ``None`` where there is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        notes.append(f"{path} is missing: objects and frames were rebuilt from the masks, categories are unknown")
        return None
    except (OSError, ValueError) as error:
        raise VosError(f"{path}: expected JSON, found a file that cannot be read ({error})") from None
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, dict):
        raise VosError(f'{path}: expected {{"videos": {{...}}}}, found {_kind(videos or content)}')
    problems: list[Problem] = []
    meta = {check_name(name, path): _read_entries(path, name, video, problems) for name, video in videos.items()}
    if problems:
        raise ProblemsError(f"{path}: expected the structure of YouTube-VOS, found", problems)
    return meta


def _read_entries(path: Path, name: str, video: Any, problems: list[Problem]) -> tuple[_Entry, ...]:
    objects = video.get("objects") if isinstance(video, dict) else None
    if not isinstance(objects, dict):
        problems.append(Problem(str(path), '{"objects": {...}} for each video', _kind(objects or video), name))
        return ()
    entries = []
    for key, item in objects.items():
        if not (key.isascii() and key.isdecimal() and 1 <= int(key) <= MAX_OBJECT_ID):
            problems.append(Problem(str(path), f"object ids 1..{MAX_OBJECT_ID}", repr(key), name))
            continue
        frames = item.get("frames") if isinstance(item, dict) else None
        category = item.get("category") if isinstance(item, dict) else None
        listed = isinstance(frames, list) and frames and all(isinstance(frame, str) for frame in frames)
        if not listed or not isinstance(category, str | None):
            expected = f'object {key} with a text "category" and a list "frames" of names'
            problems.append(Problem(str(path), expected, _kind(item), name))
            continue
        entries.append(_Entry(int(key), category, tuple(frames or ())))
    if len({entry.id for entry in entries}) < len(entries):
        problems.append(Problem(str(path), "each object id once", ", ".join(objects), name))
    return tuple(sorted(entries))


def _kind(value: Any) -> str:
    """What a piece of JSON is, short enough for a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _note_unlisted(folder: Path, meta: Mapping[str, object], notes: list[str]) -> None:
    unlisted = [name for name in list_folders(folder / "JPEGImages") if name not in meta]
    if unlisted:
        notes.append(f"{folder / 'JPEGImages'} holds videos that meta.json does not list: {names_found(unlisted)}")


def _open_video(
    folder: Path,
    frames_folder: Path,
    entries: tuple[_Entry, ...] | None,
    frame_rate: Fraction,
    problems: list[Problem],
    notes: list[str],
) -> Video | None:
    """The video, or ``None`` after adding to ``problems``."""
    name = frames_folder.name
    if not frames_folder.is_dir():
        problems.append(Problem(str(frames_folder), "the video's frames, as meta.json lists it", "nothing", name))
        return None
    frames = list_images(frames_folder)
    masks_folder = folder / "Annotations" / name
    masks = {path.stem: path for path in list_images(masks_folder, MASK_SUFFIXES)} if masks_folder.is_dir() else {}
    if not frames:
        problems.append(Problem(str(frames_folder), "frames", "none", name))
        return None
    order = {path.stem: index for index, path in enumerate(frames)}
    stray = [frame for frame in masks if frame not in order]
    if stray:
        problems.append(Problem(str(masks_folder), "a frame for each mask", f"masks {names_found(stray)}", name))
        return None
    if entries is None:
        objects = objects_from_masks(tuple(order), masks)
    else:
        unknown = sorted({frame for entry in entries for frame in entry.frames if frame not in order})
        if unknown:
            found = f"meta.json names {names_found(unknown)}"
            problems.append(Problem(str(frames_folder), "every frame that meta.json names", found, name))
            return None
        objects = _objects_from_meta(name, entries, order, masks, notes)
    return Video(name, frames, masks, objects, image_size(frames[0]), frame_rate)


def objects_from_masks(frames: tuple[str, ...], masks: Mapping[str, Path]) -> tuple[VideoObject, ...]:
    """Objects as the masks show them: from the first mask with their id to the last frame."""
    first: dict[int, int] = {}
    for index, frame in enumerate(frames):
        if frame in masks:
            for number in object_ids(read_label_map(masks[frame])):
                first.setdefault(number, index)
    return tuple(VideoObject(number, None, frames[at], frames[at:]) for number, at in sorted(first.items()))


def _objects_from_meta(
    name: str, entries: tuple[_Entry, ...], order: Mapping[str, int], masks: Mapping[str, Path], notes: list[str]
) -> tuple[VideoObject, ...]:
    """Objects as ``meta.json`` lists them, each from the first of its frames whose mask shows it."""
    shown: dict[str, tuple[int, ...]] = {}
    objects = []
    for entry in entries:
        frames = sorted(entry.frames, key=order.__getitem__)
        for index, frame in enumerate(frames):
            if frame not in masks:
                continue
            if frame not in shown:
                shown[frame] = object_ids(read_label_map(masks[frame]))
            if entry.id in shown[frame]:
                objects.append(VideoObject(entry.id, entry.category, frame, tuple(frames[index:])))
                break
        else:
            notes.append(f"{name}: object {entry.id} was left out, no mask of its frames shows it")
    return tuple(objects)


def splits_of(root: Path) -> tuple[str, ...]:
    """Splits of a folder in the layout of YouTube-VOS."""
    folders = [name for name in list_folders(root) if (root / name / "JPEGImages").is_dir()]
    return tuple(name for name in folders if not name.endswith(ALL_FRAMES))


def _recognise(root: Path) -> Recognised | None:
    splits = splits_of(root)
    if any((root / name / "meta.json").is_file() for name in splits):
        return Recognised("youtube_vos", splits, "meta.json")
    if any((root / f"{name}{ALL_FRAMES}").is_dir() for name in splits):
        return Recognised("youtube_vos", splits, f"{splits[0]}{ALL_FRAMES}")
    videos = [video for name in splits for video in list_folders(root / name / "JPEGImages")]
    if videos and all(_YOUTUBE_NAME.fullmatch(video) for video in videos):
        return Recognised("youtube_vos", splits, f"names of videos such as {videos[0]}")
    return None


def scan_youtube_vos(root: Path, found: Recognised, findings: list[Finding]) -> Iterator[ScannedVideo]:
    """All videos of a data set in the layout of YouTube-VOS."""
    for split in found.splits:
        meta = read_meta(root, split)
        findings += meta.findings
        frames, masks = root / split / "JPEGImages", root / split / "Annotations"
        present = list_folders(frames)
        names = list(meta.videos) if meta.videos is not None else list(present)
        for name in names:
            if name not in present:
                words = f"lists {name}, of which there are no frames"
                path = below(root, root / split / "meta.json")
                findings.append(Finding("list", "fault", path, words, "left out", split, name))
                continue
            objects = None if meta.videos is None else meta.videos[name]
            yield scan_video(root, split, name, frames / name, masks / name, findings, Rules(), objects, FRAME_RATE)
        unlisted = [frames / name for name in present if name not in names]
        findings += stray_finding(root, [*unlisted, *stray_entries(root / split, _KNOWN_FILES)], split)
        findings += _all_frames(root, split)
    findings += stray_finding(
        root, stray_entries(root, {*found.splits, *(f"{name}{ALL_FRAMES}" for name in found.splits)})
    )


def _all_frames(root: Path, split: str) -> list[Finding]:
    """A folder of all frames that holds every fifth of them: the edition that was cut down to 6 per second."""
    folder = root / f"{split}{ALL_FRAMES}" / "JPEGImages"
    steps = [usual_step(content_of(folder / name).images) for name in list_folders(folder)]
    if not steps or min(steps) <= 1:
        return []
    words = f"called all frames, yet it holds only every {min(steps)}th of them: the edition of 6 frames per second"
    return [Finding("frame rate", "fault", below(root, folder), words, f"left out; use {split}", split)]


@dataclass(frozen=True)
class YouTubeVOSWriter(FolderWriter):
    """YouTube-VOS: a folder and a ``meta.json`` for each split."""

    name: str = "youtube_vos"

    def folder_of(self, split: str) -> str:
        """The folder of a split, with ``/`` behind it."""
        return f"{split}/"

    def finish(self, root: Path, written: Sequence[Written]) -> None:
        """Write ``<split>/meta.json``."""
        for split, items in by_split(written).items():
            videos = {
                item.video.folder: {
                    "objects": {
                        str(entry.id): {"category": entry.category or UNKNOWN_CATEGORY, "frames": list(entry.frames)}
                        for entry in item.video.objects
                    }
                }
                for item in items
            }
            write_json(folder_inside(root, split) / "meta.json", {"videos": videos})


# Numbers of videos: https://youtube-vos.org/dataset/vos.
YOUTUBE_VOS = Layout(
    "youtube_vos",
    open_youtube_vos,
    _recognise,
    named=splits_of,
    scan=scan_youtube_vos,
    writer=lambda _: YouTubeVOSWriter(),
    target="youtube-vos",
    editions={
        "YouTube-VOS 2018": {"train": 3471, "valid": 474, "test": 508},
        "YouTube-VOS 2019": {"train": 3471, "valid": 507, "test": 541},
    },
    steps={1: "all frames", 5: "every fifth frame, 6 per second"},
)
