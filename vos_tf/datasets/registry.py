"""Data sets by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from vos_tf.datasets.types import Dataset
from vos_tf.errors import VosError

# name -> module that holds ``open_...(root: Path, split: str, *, ...) -> Dataset``
_LAYOUTS = {
    "davis2016": "vos_tf.datasets.davis:open_davis2016",
    "davis2017": "vos_tf.datasets.davis:open_davis2017",
    "youtube_vos": "vos_tf.datasets.youtube_vos:open_youtube_vos",
    "tianchi": "vos_tf.datasets.tianchi:open_tianchi",
    "folder": "vos_tf.datasets.folder:open_folder",
    "still_images": "vos_tf.datasets.still_images:open_still_images",
    "coco": "vos_tf.datasets.coco:open_coco",
    "yolo": "vos_tf.datasets.yolo:open_yolo",
    "synthetic": "vos_tf.datasets.synthetic:open_synthetic",
}


def dataset_names() -> tuple[str, ...]:
    """Names that `open_dataset` knows."""
    return tuple(_LAYOUTS)


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
    if key not in _LAYOUTS:
        close = difflib.get_close_matches(key, _LAYOUTS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise VosError(f"--dataset {name}: expected one of {', '.join(_LAYOUTS)}{hint}")
    module, function = _LAYOUTS[key].split(":")
    opener: Callable[..., Dataset] = getattr(import_module(module), function)
    known = list(inspect.signature(opener).parameters)[2:]
    unknown = next((option for option in options if option not in known), None)
    if unknown is not None:
        raise VosError(f"{name}: expected options {', '.join(known) or 'none'}, found {unknown!r}")
    return opener(Path(root), split, **options)
