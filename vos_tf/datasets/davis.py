"""DAVIS 2016 and 2017: ``<root>/{JPEGImages,Annotations}/<resolution>/<sequence>`` and lists in ``ImageSets``.

DAVIS-2016 (Perazzi et al., CVPR 2016) has one foreground; DAVIS-2017 (Pont-Tuset et al., arXiv:1704.00675) has
objects that all show in the first frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vos_tf.datasets.findings import Finding
from vos_tf.datasets.layout import Layout, Recognised
from vos_tf.datasets.listing import (
    IMAGE_SUFFIXES,
    check_name,
    check_root,
    image_size,
    list_folders,
    list_images,
    names_found,
)
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
from vos_tf.datasets.video_copy import VideoCopy
from vos_tf.datasets.writing import (
    LayoutWriter,
    Written,
    by_split,
    check_folders,
    companion_of,
    folder_inside,
    write_file,
    write_frames,
    write_masks,
)
from vos_tf.errors import VosError
from vos_tf.media.label_maps import object_ids, read_label_map

FRAME_RATE = Fraction(24)
DEFAULT_RESOLUTION = "480p"
"""The folder that tools for DAVIS look into."""
MASK_SUFFIXES = (".png",)
_YEARS_2016, _YEARS_2017 = ("2016", "480p", "1080p"), ("2017",)
_KNOWN_FOLDERS = frozenset(
    {"ImageSets", "JPEGImages", "Annotations", "Annotations_unsupervised", "Scribbles", "Contours"}
)


class _Listed(NamedTuple):
    """A sequence as a list names it; ``frames`` are the stems it lists, or ``None`` when it only gives the name."""

    name: str
    frames: tuple[str, ...] | None


class _Layout(NamedTuple):
    """Where the sequences of a split lie."""

    frames: Path
    masks: Path
    listed: tuple[_Listed, ...]
    notes: tuple[str, ...]


def open_davis2016(root: Path, split: str, *, resolution: str = DEFAULT_RESOLUTION) -> Dataset:
    """Open a split of DAVIS-2016: all ids of a mask are one object, id 1.

    Args:
        root: Folder with ``JPEGImages``, ``Annotations`` and ``ImageSets``.
        split: ``train``, ``val``, ``trainval``: a list in ``ImageSets/2016`` (names) or ``ImageSets/480p`` (pairs of
            paths).
        resolution: Folder within ``JPEGImages``. When it is missing and only one other exists, that is taken.

    Raises:
        VosError: No such root, split or resolution; the list names what is not there; a sequence without frames.
    """
    layout = _find(root, split, _YEARS_2016, resolution, "Annotations")
    videos = tuple(_open_sequence(layout, listed, single_object=True) for listed in layout.listed)
    return Dataset("davis2016", split, videos, root, layout.notes)


def open_davis2017(
    root: Path, split: str, *, resolution: str = DEFAULT_RESOLUTION, unsupervised: bool = False
) -> Dataset:
    """Open a split of DAVIS-2017: ids as in the masks; the objects are those of the first frame's mask.

    Args:
        root: Folder with ``JPEGImages``, ``Annotations`` and ``ImageSets``.
        split: ``train``, ``val``, ``test-dev``, ``test-challenge``: a list in ``ImageSets/2017``. In test sets only
            the first frame has a mask.
        resolution: Folder within ``JPEGImages``. When it is missing and only one other exists, that is taken.
        unsupervised: Take the masks from ``Annotations_unsupervised`` and look for the list in ``ImageSets/2019``
            first.

    Raises:
        VosError: No such root, split or resolution; the list names what is not there; a sequence without frames;
            a first mask that cannot be read as ids.
    """
    masks = "Annotations_unsupervised" if unsupervised else "Annotations"
    years = ("2019", "2017") if unsupervised else _YEARS_2017
    layout = _find(root, split, years, resolution, masks)
    videos = tuple(_open_sequence(layout, listed, single_object=False) for listed in layout.listed)
    return Dataset("davis2017", split, videos, root, layout.notes)


def _find(root: Path, split: str, years: tuple[str, ...], resolution: str, masks: str) -> _Layout:
    check_root(root)
    lists = [root / "ImageSets" / year / f"{split}.txt" for year in years]
    path = next((path for path in lists if path.is_file()), None)
    if path is None:
        exist = sorted({item.stem for year in years for item in (root / "ImageSets" / year).glob("*.txt")})
        raise VosError(f"{lists[0]}: expected the list of split {split!r}, found lists of {names_found(exist)}")
    notes: list[str] = []
    exist = list(list_folders(root / "JPEGImages"))
    if resolution not in exist:
        if len(exist) != 1:
            raise VosError(f"{root / 'JPEGImages'}: expected a folder {resolution}, found {names_found(exist)}")
        notes.append(f"{root / 'JPEGImages'} has no {resolution}: the frames are those of {exist[0]}")
        resolution = exist[0]
    return _Layout(root / "JPEGImages" / resolution, root / masks / resolution, _read_list(path), tuple(notes))


def _read_list(path: Path) -> tuple[_Listed, ...]:
    """Read names of sequences, or pairs ``/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png``."""
    frames: dict[str, list[str] | None] = {}
    for name, stem in _lines(path):
        if stem is None:
            frames[check_name(name, path)] = None
        else:
            listed = frames.setdefault(check_name(name, path), [])
            if listed is not None:
                listed.append(stem)
    if not frames:
        raise VosError(f"{path}: expected names of sequences, found an empty list")
    return tuple(_Listed(name, None if stems is None else tuple(stems)) for name, stems in frames.items())


def _lines(path: Path) -> Iterator[tuple[str, str | None]]:
    """Name of a sequence and, in lists of pairs, stem of a frame, line by line."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        first = Path(*line.split()[:1])
        if first.suffix.lower() in IMAGE_SUFFIXES and len(first.parts) > 1:
            yield first.parent.name, first.stem
        elif line.strip():
            yield line.strip(), None


def _open_sequence(layout: _Layout, listed: _Listed, *, single_object: bool) -> Video:
    folder = layout.frames / listed.name
    if not folder.is_dir():
        raise VosError(f"{folder}: expected the sequence that the list names, found no such folder")
    frames = list_images(folder)
    if not frames:
        raise VosError(f"{folder}: expected frames, found none")
    if listed.frames is not None:
        by_stem = {path.stem: path for path in frames}
        missing = [stem for stem in listed.frames if stem not in by_stem]
        if missing:
            raise VosError(f"{folder}: expected the frames that the list names, found no {names_found(missing)}")
        frames = tuple(by_stem[stem] for stem in listed.frames)
    stems = tuple(path.stem for path in frames)
    masks_folder = layout.masks / listed.name
    if not masks_folder.is_dir():
        raise VosError(f"{masks_folder}: expected the masks of the sequence, found no such folder")
    masks = {path.stem: path for path in list_images(masks_folder, MASK_SUFFIXES) if path.stem in set(stems)}
    if stems[0] not in masks:
        raise VosError(f"{masks_folder}: expected a mask of the first frame, {stems[0]}.png, found none")
    ids = (1,) if single_object else object_ids(read_label_map(masks[stems[0]]))
    if not ids:
        raise VosError(f"{masks[stems[0]]}: expected object ids 1..254 in the first mask, found none")
    objects = tuple(VideoObject(number, None, stems[0], stems) for number in ids)
    return Video(listed.name, frames, masks, objects, image_size(frames[0]), FRAME_RATE, single_object)


def _recognise(root: Path, name: str, years: tuple[str, ...]) -> Recognised | None:
    year = _year(root, years)
    if year is None:
        return None
    lists = {
        path.stem: frozenset(name for name, _ in _lines(path))
        for path in sorted((root / "ImageSets" / year).glob("*.txt"))
    }
    return Recognised(name, _without_unions(lists), f"ImageSets/{year}")


def _year(root: Path, years: tuple[str, ...]) -> str | None:
    """The first folder of lists that holds some."""
    return next((year for year in years if any((root / "ImageSets" / year).glob("*.txt"))), None)


def _without_unions(lists: dict[str, frozenset[str]]) -> tuple[str, ...]:
    """The lists, but for those all of whose members are in smaller ones (``trainval``)."""
    kept = []
    for name, members in lists.items():
        others = [other for key, other in lists.items() if key != name and other < members]
        if not others or frozenset().union(*others) != members:
            kept.append(name)
    return tuple(kept)


def _scan(
    years: tuple[str, ...], rules: Rules, root: Path, found: Recognised, findings: list[Finding]
) -> Iterator[ScannedVideo]:
    resolutions = list_folders(root / "JPEGImages")
    resolution = DEFAULT_RESOLUTION if DEFAULT_RESOLUTION in resolutions else next(iter(resolutions), "")
    frames, masks = root / "JPEGImages" / resolution, root / "Annotations" / resolution
    lists = root / "ImageSets" / (_year(root, years) or years[0])
    listed: set[str] = set()
    for split in found.splits:
        path = lists / f"{split}.txt"
        for name in _names(root, path, split, findings):
            listed.add(name)
            if not (frames / name).is_dir():
                words = f"names {name}, of which there are no frames"
                findings.append(Finding("list", "fault", below(root, path), words, "left out", split, name))
                continue
            yield scan_video(root, split, name, frames / name, masks / name, findings, rules, rate=FRAME_RATE)
    unlisted = [frames / name for name in list_folders(frames) if name not in listed]
    findings += stray_finding(root, [*unlisted, *stray_entries(root, _KNOWN_FOLDERS), *content_of(frames).strays])


def _names(root: Path, path: Path, split: str, findings: list[Finding]) -> list[str]:
    """Names that a list has, in either form, each once."""
    names: dict[str, None] = {}
    for name, _ in _lines(path):
        try:
            names[check_name(name, path)] = None
        except VosError:
            text = f"names a sequence outside of the data set: {name!r}"
            findings.append(Finding("outside", "fault", below(root, path), text, "left out", split))
    return list(names)


@dataclass(frozen=True)
class DavisWriter(LayoutWriter):
    """DAVIS: one folder for all videos, lists of names by split.

    A sequence begins with the frame whose mask introduces its first object; frames before it are left out.

    Attributes:
        name: ``davis2017``: objects by id; ``davis2016``: one object.
    """

    name: str = "davis2017"

    def prepare(self, videos: Sequence[VideoCopy]) -> tuple[tuple[VideoCopy, ...], tuple[str, ...]]:
        """Videos without an object are left out, and so are frames before the first object."""
        check_folders(videos, shared=True)
        filled = [video for video in videos if video.objects]
        begun = tuple(_from_first_object(video) for video in filled)
        found = (
            ("videos without an object were left out", [video.name for video in videos if not video.objects]),
            (
                "frames before the first object were left out",
                [new.name for new, old in zip(begun, filled, strict=True) if new != old],
            ),
            (
                "DAVIS follows the objects of the first frame only, here some appear later",
                [
                    video.name
                    for video in begun
                    if {item.first_frame for item in video.objects} != {video.frames[0].name}
                ],
            ),
            (
                "frames stay as they are, while many tools for DAVIS look for .jpg only",
                [video.name for video in begun if any(frame.suffix != ".jpg" for frame in video.frames)],
            ),
        )
        return begun, tuple(f"{words}: {names_found(names)}" for words, names in found if names)

    def write_video(self, root: Path, video: VideoCopy) -> Written:
        """Write ``JPEGImages/480p/<video>`` and ``Annotations/480p/<video>``."""
        write_frames(folder_inside(root, f"JPEGImages/{DEFAULT_RESOLUTION}/{video.folder}"), video)
        write_masks(folder_inside(root, f"Annotations/{DEFAULT_RESOLUTION}/{video.folder}"), video)
        return Written(companion_of(video))

    def finish(self, root: Path, written: Sequence[Written]) -> None:
        """Write ``ImageSets``; data sets of one object can be read as DAVIS-2016 as well."""
        lists = {split: [item.video.folder for item in items] for split, items in by_split(written).items()}
        if {"train", "val"} <= lists.keys():
            lists["trainval"] = list(dict.fromkeys(lists["train"] + lists["val"]))
        single = all(len(item.video.objects) == 1 for item in written)
        for year in {self.name, "davis2016"} if single else {self.name}:
            folder = folder_inside(root, f"ImageSets/{year.removeprefix('davis')}")
            for split, names in lists.items():
                write_file(folder / f"{split}.txt", "".join(f"{name}\n" for name in names).encode())


def _from_first_object(video: VideoCopy) -> VideoCopy:
    first = {item.first_frame for item in video.objects}
    start = next(index for index, frame in enumerate(video.frames) if frame.name in first)
    kept = {frame.name for frame in video.frames[start:]}
    annotated = tuple(name for name in video.annotated if name in kept)
    return replace(video, frames=video.frames[start:], annotated=annotated)


DAVIS2017 = Layout(
    "davis2017",
    open_davis2017,
    partial(_recognise, name="davis2017", years=_YEARS_2017),
    scan=partial(_scan, _YEARS_2017, Rules(first_mask=True)),
    writer=lambda _: DavisWriter(),
    target="davis",
    editions={"DAVIS-2017": {"train": 60, "val": 30, "test-dev": 30, "test-challenge": 30}},
)
DAVIS2016 = Layout(
    "davis2016",
    open_davis2016,
    partial(_recognise, name="davis2016", years=_YEARS_2016),
    scan=partial(_scan, _YEARS_2016, Rules(single_object=True, first_mask=True)),
    writer=lambda _: DavisWriter("davis2016"),
    editions={"DAVIS-2016": {"train": 30, "val": 20}},
)
