"""DAVIS 2016 and 2017: ``<root>/{JPEGImages,Annotations}/<resolution>/<sequence>`` and lists in ``ImageSets``.

DAVIS-2016 (Perazzi et al., CVPR 2016) has one foreground; DAVIS-2017 (Pont-Tuset et al., arXiv:1704.00675) has
objects that all show in the first frame.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from vos_tf.datasets.listing import IMAGE_SUFFIXES, check_name, check_root, image_size, list_folders, list_images
from vos_tf.datasets.listing import names_found as found
from vos_tf.datasets.types import Dataset, Video, VideoObject
from vos_tf.errors import VosError
from vos_tf.media.label_maps import object_ids, read_label_map

FRAME_RATE = Fraction(24)
DEFAULT_RESOLUTION = "480p"
MASK_SUFFIXES = (".png",)


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
    layout = _find(root, split, ("2016", "480p", "1080p"), resolution, "Annotations")
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
    years = ("2019", "2017") if unsupervised else ("2017",)
    layout = _find(root, split, years, resolution, masks)
    videos = tuple(_open_sequence(layout, listed, single_object=False) for listed in layout.listed)
    return Dataset("davis2017", split, videos, root, layout.notes)


def _find(root: Path, split: str, years: tuple[str, ...], resolution: str, masks: str) -> _Layout:
    check_root(root)
    lists = [root / "ImageSets" / year / f"{split}.txt" for year in years]
    path = next((path for path in lists if path.is_file()), None)
    if path is None:
        exist = sorted({item.stem for year in years for item in (root / "ImageSets" / year).glob("*.txt")})
        raise VosError(f"{lists[0]}: expected the list of split {split!r}, found lists of {found(exist)}")
    notes: list[str] = []
    exist = list(list_folders(root / "JPEGImages"))
    if resolution not in exist:
        if len(exist) != 1:
            raise VosError(f"{root / 'JPEGImages'}: expected a folder {resolution}, found {found(exist)}")
        notes.append(f"{root / 'JPEGImages'} has no {resolution}: the frames are those of {exist[0]}")
        resolution = exist[0]
    return _Layout(root / "JPEGImages" / resolution, root / masks / resolution, _read_list(path), tuple(notes))


def _read_list(path: Path) -> tuple[_Listed, ...]:
    """Read names of sequences, or pairs ``/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png``."""
    frames: dict[str, list[str] | None] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words:
            continue
        first = Path(words[0])
        if first.suffix.lower() in IMAGE_SUFFIXES and len(first.parts) > 1:
            listed = frames.setdefault(check_name(first.parent.name, path), [])
            if listed is not None:
                listed.append(first.stem)
        else:
            frames[check_name(line.strip(), path)] = None
    if not frames:
        raise VosError(f"{path}: expected names of sequences, found an empty list")
    return tuple(_Listed(name, None if stems is None else tuple(stems)) for name, stems in frames.items())


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
            raise VosError(f"{folder}: expected the frames that the list names, found no {found(missing)}")
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
