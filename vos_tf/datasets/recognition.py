"""Which layout a folder has, and which splits. Looks at names, and at JSON where it may be COCO."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from vos_tf.datasets.coco.opening import coco_files
from vos_tf.datasets.companion import read_companion
from vos_tf.datasets.folder import FRAME_FOLDERS, MASK_FOLDERS, WHOLE_SPLITS, find_folder
from vos_tf.datasets.listing import check_root, list_folders, names_found
from vos_tf.datasets.still_images.finding import Folders, still_splits
from vos_tf.datasets.still_images.opening import CLASS_FILES
from vos_tf.datasets.youtube_vos import ALL_FRAMES
from vos_tf.errors import VosError

SYNTHETIC_RECEIPT = "synthetic.json"
_YOUTUBE_NAME = re.compile(r"[0-9a-f]{10}")


class Layout(NamedTuple):
    """A layout as `open_dataset` knows it.

    Attributes:
        name: Of the layout.
        splits: That lie in the folder and together hold all videos once; lists that only join others are left out.
        sign: What it was known by.
    """

    name: str
    splits: tuple[str, ...]
    sign: str


def recognise(root: Path, dataset: str | None = None) -> Layout:
    """The layout of a folder.

    Args:
        root: The data set.
        dataset: Take this layout, and find its splits only.

    Raises:
        VosError: There is no such folder, or it has no known layout or not this one.
    """
    check_root(root)
    names = tuple(_SIGNS) if dataset is None else (dataset.replace("-", "_"),)
    for name in names:
        found = _SIGNS[name](root) if name in _SIGNS else None
        if found is not None and found.splits:
            return found
    if names[0] in ("youtube_vos", "synthetic") and _splits_of(root):
        return Layout(names[0], tuple(name for name in _splits_of(root) if not name.endswith(ALL_FRAMES)), "--dataset")
    if dataset is not None:
        raise VosError(f"{root}: expected the layout {dataset}, found {_content(root)}")
    raise VosError(
        f"{root}: expected a data set (JPEGImages and Annotations, images and masks, images and labels, or annotations "
        f"of COCO), found {_content(root)}"
    )


def _content(root: Path) -> str:
    folders = [f"{name}/" for name in list_folders(root)]
    files = sorted(path.name for path in root.iterdir() if path.is_file() and path.name[0] != ".")
    return names_found([*folders, *files], 6)


def _companion(root: Path) -> Layout | None:
    companion = read_companion(root)
    if companion is None:
        return None
    found = _SIGNS[companion.layout](root) if companion.layout in _SIGNS else None
    return None if found is None else found._replace(splits=companion.splits, sign="vos_tf.json")


def _davis2017(root: Path) -> Layout | None:
    return _davis(root, "davis2017", ("2017",))


def _davis2016(root: Path) -> Layout | None:
    return _davis(root, "davis2016", ("2016", "480p", "1080p"))


def _davis(root: Path, name: str, years: tuple[str, ...]) -> Layout | None:
    year = next((year for year in years if any((root / "ImageSets" / year).glob("*.txt"))), None)
    if year is None:
        return None
    lists = {path.stem: _members(path) for path in sorted((root / "ImageSets" / year).glob("*.txt"))}
    return Layout(name, _without_unions(lists), f"ImageSets/{year}")


def _members(path: Path) -> frozenset[str]:
    """Sequences that a list names, in either form."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return frozenset(Path(line.split()[0]).parent.name if line.startswith("/") else line for line in lines if line)


def _without_unions(lists: dict[str, frozenset[str]]) -> tuple[str, ...]:
    """The lists, but for those all of whose members are in smaller ones (``trainval``)."""
    kept = []
    for name, members in lists.items():
        others = [other for key, other in lists.items() if key != name and other < members]
        if not others or frozenset().union(*others) != members:
            kept.append(name)
    return tuple(kept)


def _splits_of(root: Path) -> list[str]:
    return [name for name in list_folders(root) if (root / name / "JPEGImages").is_dir()]


def _tianchi(root: Path) -> Layout | None:
    lists = sorted(path.stem for path in (root / "ImageSets").glob("*.txt"))
    return Layout("tianchi", tuple(lists), "ImageSets") if lists else None


def _synthetic(root: Path) -> Layout | None:
    splits = [name for name in _splits_of(root) if (root / name / SYNTHETIC_RECEIPT).is_file()]
    return Layout("synthetic", tuple(splits), SYNTHETIC_RECEIPT) if splits else None


def _youtube_vos(root: Path) -> Layout | None:
    splits = [name for name in _splits_of(root) if not name.endswith(ALL_FRAMES)]
    if any((root / name / "meta.json").is_file() for name in splits):
        return Layout("youtube_vos", tuple(splits), "meta.json")
    if any((root / f"{name}{ALL_FRAMES}").is_dir() for name in splits):
        return Layout("youtube_vos", tuple(splits), f"{splits[0]}{ALL_FRAMES}")
    videos = [video for name in splits for video in list_folders(root / name / "JPEGImages")]
    if videos and all(_YOUTUBE_NAME.fullmatch(video) for video in videos):
        return Layout("youtube_vos", tuple(splits), f"names of videos such as {videos[0]}")
    return None


def _coco(root: Path) -> Layout | None:
    files = coco_files(root)
    first = next(iter(files.values()), root).relative_to(root).as_posix()
    return Layout("coco", tuple(files), first) if files else None


def _yolo(root: Path) -> Layout | None:
    classes = next((name for name in CLASS_FILES if (root / name).is_file()), None)
    if classes is None or not (root / "labels").is_dir():
        return None
    return Layout("yolo", still_splits(root, Folders()), classes)


def _folder(root: Path) -> Layout | None:
    splits = [name for name in list_folders(root) if _frames_and_masks(root / name)]
    whole = find_folder(root, FRAME_FOLDERS) is not None and find_folder(root, MASK_FOLDERS) is not None
    splits = ([WHOLE_SPLITS[0]] if whole else []) + splits
    labels = find_folder(root, ("labels",))
    if not splits or (labels is not None and any(labels.rglob("*.txt"))):
        return None
    frames = find_folder(root if whole else root / splits[0], FRAME_FOLDERS)
    return Layout("folder", tuple(splits), "frames in " + (frames or root).relative_to(root).as_posix())


def _frames_and_masks(base: Path) -> bool:
    return find_folder(base, FRAME_FOLDERS) is not None and find_folder(base, MASK_FOLDERS) is not None


def _still_images(root: Path) -> Layout | None:
    try:
        splits = still_splits(root, Folders())
    except VosError:
        return None
    return Layout("still_images", splits, "images and masks of equal names")


# The most particular sign first.
_SIGNS: dict[str, Callable[[Path], Layout | None]] = {
    "companion": _companion,
    "synthetic": _synthetic,
    "davis2017": _davis2017,
    "davis2016": _davis2016,
    "tianchi": _tianchi,
    "youtube_vos": _youtube_vos,
    "coco": _coco,
    "yolo": _yolo,
    "folder": _folder,
    "still_images": _still_images,
}
