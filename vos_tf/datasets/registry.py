"""Layouts by name: which a folder has, and its splits as data sets."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

from vos_tf.config import one_of
from vos_tf.datasets.companion import read_companion
from vos_tf.datasets.layout import Layout, Recognised
from vos_tf.datasets.listing import check_root, list_folders, names_found
from vos_tf.datasets.types import Dataset
from vos_tf.errors import VosError

# name -> module:layout; one line each, the most particular sign first.
LAYOUTS = {
    "synthetic": "vos_tf.datasets.synthetic.layout:SYNTHETIC",
    "davis2017": "vos_tf.datasets.davis:DAVIS2017",
    "davis2016": "vos_tf.datasets.davis:DAVIS2016",
    "tianchi": "vos_tf.datasets.tianchi:TIANCHI",
    "youtube_vos": "vos_tf.datasets.youtube_vos:YOUTUBE_VOS",
    "coco": "vos_tf.datasets.coco.layout:COCO",
    "yolo": "vos_tf.datasets.yolo:YOLO",
    "folder": "vos_tf.datasets.folder:FOLDER",
    "still_images": "vos_tf.datasets.still_images.layout:STILL_IMAGES",
}


def dataset_names() -> tuple[str, ...]:
    """Names that `open_dataset` knows."""
    return tuple(LAYOUTS)


def layout_of(name: str) -> Layout:
    """A layout by its name out of `dataset_names`."""
    module, attribute = LAYOUTS[name].split(":")
    layout: Layout = getattr(import_module(module), attribute)
    return layout


def open_dataset(name: str, root: Path | str, split: str, **options: Any) -> Dataset:
    """Open a split of a data set.

    Args:
        name: One of `dataset_names`; ``-`` and ``_`` mean the same.
        root: The data set's folder.
        split: For example ``train``, ``val``, ``valid``; what exists depends on the layout.
        options: Keywords of the layout's own function, such as ``resolution`` of `vos_tf.datasets.davis`.

    Raises:
        VosError: No such layout, option, folder or split, or lists that contradict each other.
    """
    key = name.replace("-", "_")
    one_of(f"--dataset {name}", key, LAYOUTS)
    opener = layout_of(key).open
    known = list(inspect.signature(opener).parameters)[2:]
    unknown = next((option for option in options if option not in known), None)
    if unknown is not None:
        raise VosError(f"{name}: expected options {', '.join(known) or 'none'}, found {unknown!r}")
    return opener(Path(root), split, **options)


def recognise(root: Path, dataset: str | None = None) -> Recognised:
    """The layout of a folder. Looks at names, and at JSON where it may be COCO.

    Args:
        root: The data set.
        dataset: Take this layout, and find its splits only.

    Raises:
        VosError: There is no such folder, or it has no known layout or not this one.
    """
    check_root(root)
    if dataset is None:
        found = _by_companion(root) or next(filter(None, (_recognised(name, root) for name in LAYOUTS)), None)
    else:
        found = _as_named(dataset.replace("-", "_"), root)
    if found is not None:
        return found
    if dataset is not None:
        raise VosError(f"{root}: expected the layout {dataset}, found {_content(root)}")
    raise VosError(
        f"{root}: expected a data set (JPEGImages and Annotations, images and masks, images and labels, or annotations "
        f"of COCO), found {_content(root)}"
    )


def _recognised(name: str, root: Path) -> Recognised | None:
    found = layout_of(name).recognise(root) if name in LAYOUTS else None
    return found if found is not None and found.splits else None


def _by_companion(root: Path) -> Recognised | None:
    companion = read_companion(root)
    found = None if companion is None else _recognised(companion.layout, root)
    if companion is None or found is None or not companion.splits:
        return None
    return found._replace(splits=companion.splits, sign="vos_tf.json")


def _as_named(name: str, root: Path) -> Recognised | None:
    found = _recognised(name, root)
    named = layout_of(name).named if name in LAYOUTS else None
    splits = named(root) if found is None and named is not None else ()
    return Recognised(name, splits, "--dataset") if splits else found


def _content(root: Path) -> str:
    folders = [f"{name}/" for name in list_folders(root)]
    files = sorted(path.name for path in root.iterdir() if path.is_file() and path.name[0] != ".")
    return names_found([*folders, *files], 6)
