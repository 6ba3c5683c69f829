"""A layout as one object: how it is opened, recognised, scanned and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from vos_tf.datasets.findings import Finding
from vos_tf.datasets.scanned_video import DatasetScan, ListedObject, Rules, ScannedVideo
from vos_tf.datasets.types import Dataset
from vos_tf.datasets.writing import FolderWriter, LayoutWriter


class Recognised(NamedTuple):
    """The layout of a folder, and its splits.

    Attributes:
        name: Of the layout, as `open_dataset` knows it.
        splits: That lie in the folder and together hold all videos once; lists that only join others are left out.
        sign: What it was known by.
    """

    name: str
    splits: tuple[str, ...]
    sign: str


@dataclass(frozen=True)
class Layout:
    """All that is known of a layout: one object in one file, named by one line of `vos_tf.datasets.registry`.

    Attributes:
        name: As `open_dataset` knows it.
        open: ``open_...(root, split, *, ...) -> Dataset``; its keywords are the options of the layout.
        recognise: Looks whether a folder has the layout; ``None``: it does not.
        named: Splits of a folder that shows no sign of the layout but of which a user says that it has it.
        scan: Yields all videos, whatever is wrong with them, and adds to the findings; by default those that can be
            opened.
        writer: What writes videos in this layout, given the categories of all objects; by default, as a folder of
            frames and masks.
        target: Name under which ``vos-tf convert --to`` offers the layout; empty: it does not.
        editions: Number of videos of each split of the published editions, by their names.
        steps: What it means that all frames are numbered in such steps, where that tells editions apart.
    """

    name: str
    open: Callable[..., Dataset]
    recognise: Callable[[Path], Recognised | None]
    named: Callable[[Path], tuple[str, ...]] | None = None
    scan: Callable[[Path, Recognised, list[Finding]], Iterator[ScannedVideo]] | None = None
    writer: Callable[[Iterable[str | None]], LayoutWriter] = lambda _: FolderWriter()
    target: str = ""
    editions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    steps: Mapping[int, str] = field(default_factory=dict)

    def scan_all(self, root: Path, found: Recognised) -> DatasetScan:
        """All videos of a data set.

        Raises:
            VosError: It cannot even be looked through.
        """
        findings: list[Finding] = []
        videos = self._opened(root, found) if self.scan is None else self.scan(root, found, findings)
        return DatasetScan(root, found.name, found.sign, found.splits, tuple(videos), tuple(findings))

    def _opened(self, root: Path, found: Recognised) -> Iterator[ScannedVideo]:
        """Layouts whose masks are not files of their own: as they are opened."""
        for split in found.splits:
            for video in self.open(root, split).videos:
                yield ScannedVideo(
                    split,
                    video.name,
                    video.frames,
                    masks=tuple(video.masks[name] for name in video.frame_names if name in video.masks),
                    rules=Rules(),
                    listed=tuple(ListedObject(item.id, item.category, item.frames) for item in video.objects) or None,
                    reader=video.mask_reader,
                    frame_rate=video.frame_rate,
                )
