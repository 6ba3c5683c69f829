"""Small data sets on disk, made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vos_tf.media.label_maps import write_label_map


class Tree:
    """A folder that tests fill with frames and masks of 6 x 8 pixels."""

    size = (6, 8)

    def __init__(self, root: Path) -> None:
        self.root = root

    def frames(self, folder: str, names: Sequence[str], suffix: str = ".jpg") -> None:
        for number, name in enumerate(names):
            path = self.root / folder / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((*self.size, 3), 10 * number % 256, np.uint8)).save(path, self._format(suffix))

    def mask(self, path: str, ids: Sequence[int]) -> None:
        """A mask with one pixel for each id."""
        labels = np.zeros(self.size, np.uint8)
        labels.flat[: len(ids)] = ids
        write_label_map(self.root / path, labels)

    def masks(self, folder: str, ids: Mapping[str, Sequence[int]]) -> None:
        for name, shown in ids.items():
            self.mask(f"{folder}/{name}.png", shown)

    def text(self, path: str, content: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(content)

    def json(self, path: str, content: object) -> None:
        self.text(path, json.dumps(content))

    @staticmethod
    def _format(suffix: str) -> str:
        return {"jpg": "JPEG", "jpeg": "JPEG"}.get(suffix[1:].lower(), suffix[1:].upper())
