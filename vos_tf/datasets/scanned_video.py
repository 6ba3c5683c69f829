"""Videos as they lie on disk, and what lies around them, before anything is judged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from vos_tf.datasets.companion import COMPANION
from vos_tf.datasets.findings import Finding
from vos_tf.datasets.listing import IMAGE_SUFFIXES, leads_back, natural_key
from vos_tf.datasets.types import DEFAULT_FRAME_RATE, MaskReader


class Rules(NamedTuple):
    """How a layout reads masks.

    Attributes:
        single_object: All values but 0 are one object (DAVIS-2016).
        first_mask: Objects are those of the first frame's mask (DAVIS).
        binary: Videos whose masks hold 0 and 255 only have one object (folders).
    """

    single_object: bool = False
    first_mask: bool = False
    binary: bool = False


class ListedObject(NamedTuple):
    """An object as ``meta.json`` lists it."""

    id: int
    category: str | None
    frames: tuple[str, ...]


@dataclass(frozen=True)
class ScannedVideo:
    """A video.

    Attributes:
        split: The split it belongs to.
        name: Its name.
        frames: Image files in natural order, each name once.
        masks: Files in the folder of masks, likewise.
        rules: How its masks are read.
        listed: Its objects by a list; ``None`` where there is none.
        reader: Reads masks that are no label maps; ``None``: they are.
        frame_rate: Frames per second.
    """

    split: str
    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path, ...]
    rules: Rules
    listed: tuple[ListedObject, ...] | None = None
    reader: MaskReader | None = None
    frame_rate: Fraction = DEFAULT_FRAME_RATE


@dataclass(frozen=True)
class DatasetScan:
    """All that lies in a data set.

    Attributes:
        root: Its folder.
        layout: Name of its layout.
        sign: What the layout was known by.
        splits: Names of its splits.
        videos: In the order of splits and lists.
        findings: What is wrong with lists, links and stray files.
    """

    root: Path
    layout: str
    sign: str
    splits: tuple[str, ...]
    videos: tuple[ScannedVideo, ...]
    findings: tuple[Finding, ...]


class Content(NamedTuple):
    """Files of one folder.

    Attributes:
        images: In natural order, each name once.
        strays: Everything else that is a file.
        folders: Names of the folders that do not lead back to where they lie.
        loops: Links that do.
    """

    images: tuple[Path, ...]
    strays: tuple[Path, ...]
    folders: tuple[str, ...]
    loops: tuple[Path, ...]


def content_of(folder: Path) -> Content:
    """What lies directly in a folder; nothing if it is missing."""
    images: dict[str, Path] = {}
    strays, folders, loops = [], [], []
    for path in sorted(folder.iterdir(), key=lambda item: natural_key(item.name)) if folder.is_dir() else ():
        if path.is_dir():
            if leads_back(path):
                loops.append(path)
            elif path.name[0] != ".":
                folders.append(path.name)
        elif path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "." and path.stem not in images:
            images[path.stem] = path
        else:
            strays.append(path)
    ordered = tuple(sorted(images.values(), key=lambda path: natural_key(path.stem)))
    return Content(ordered, tuple(strays), tuple(folders), tuple(loops))


def below(root: Path, path: Path) -> str:
    """A path as a finding names it, below the data set's folder."""
    try:
        return path.relative_to(root).as_posix() or "."
    except ValueError:
        return str(path)


def stray_finding(root: Path, strays: Sequence[Path], split: str = "", video: str = "") -> list[Finding]:
    """One finding for all files of a folder that belong to nothing."""
    if not strays:
        return []
    names = ", ".join(path.name + ("/" if path.is_dir() else "") for path in strays[:4])
    more = f" and {len(strays) - 4} more" if len(strays) > 4 else ""
    return [
        Finding(
            kind="stray",
            level="remark",
            file=below(root, strays[0]),
            words=f"neither frame nor mask: {names}{more}",
            repair="left out",
            split=split,
            video=video,
            count=len(strays),
        )
    ]


def link_findings(root: Path, paths: Sequence[Path], split: str, video: str) -> list[Finding]:
    """Links that lead out of the data set: what they lead to would be missing where it is copied to."""
    home = root.resolve()
    links = [path for path in paths if path.is_symlink() and not path.resolve().is_relative_to(home)]
    if not links:
        return []
    return [
        Finding(
            kind="outside",
            level="remark",
            file=below(root, links[0]),
            words=f"a link to {links[0].resolve()}, outside of the data set",
            repair="the content of the file takes the place of the link",
            split=split,
            video=video,
            count=len(links),
        )
    ]


def loop_findings(root: Path, loops: Sequence[Path]) -> list[Finding]:
    """Links to a folder they lie in: following them never ends."""
    return [
        Finding("outside", "fault", below(root, path), "a link to a folder that it lies in", "left out")
        for path in loops
    ]


_TEXTS = frozenset({"readme", "license", "licence", "notice", "sources", "changelog", "citation"})


def scan_video(
    root: Path,
    split: str,
    name: str,
    frames_folder: Path,
    masks_folder: Path,
    findings: list[Finding],
    rules: Rules,
    listed: tuple[ListedObject, ...] | None = None,
    rate: Fraction = DEFAULT_FRAME_RATE,
) -> ScannedVideo:
    """A video whose frames and masks are files in a folder each; findings are added."""
    frames, masks = content_of(frames_folder), content_of(masks_folder)
    findings += loop_findings(root, [*frames.loops, *masks.loops])
    findings += stray_finding(root, frames.strays, split, name) + stray_finding(root, masks.strays, split, name)
    paths = [frames_folder, masks_folder, *frames.images, *masks.images]
    findings += link_findings(root, paths, split, name)
    return ScannedVideo(split, name, frames.images, masks.images, rules, listed, frame_rate=rate)


def stray_entries(folder: Path, known: Collection[str]) -> list[Path]:
    """Entries of a folder that nobody looks at, without texts about the data set."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name not in known and path.name != COMPANION and path.stem.lower() not in _TEXTS
    ]
