"""Tianchi (the Media AI challenge of Alibaba and Youku, 2020): ``<root>/{JPEGImages,Annotations}/<video>``, persons.

``ImageSets/train.txt`` lists the videos of which every frame has a mask, ``test.txt`` those of which only the first one
has. There is no list to validate on: it is drawn from the training videos by their names.
"""

from __future__ import annotations

from pathlib import Path

from vos_tf.datasets.layout import Layout, Recognised
from vos_tf.datasets.listing import check_name, check_root, image_size, list_images, names_found, ranked, with_progress
from vos_tf.datasets.types import Dataset, Video
from vos_tf.datasets.youtube_vos import MANY_VIDEOS, MASK_SUFFIXES, objects_from_masks
from vos_tf.errors import VosError

TRAINING_PARTS = ("train-train", "train-val")


def open_tianchi(root: Path, split: str, *, fraction: float = 0.2, seed: int = 0) -> Dataset:
    """Open a split of the Tianchi data set.

    An object has to be segmented from the first mask that shows it to the last frame: all masks are read for that.

    Args:
        root: Folder with ``JPEGImages``, ``Annotations`` and ``ImageSets``.
        split: ``train`` or ``test``, or any other list of names in ``ImageSets``; ``train-train`` and ``train-val`` are
            the two parts of ``train``, which keep its order.
        fraction: Share of the training videos in ``train-val``, at least one and never all.
        seed: Names another cut; names of videos and seed alone decide who belongs to which part.

    Raises:
        VosError: No such root or list; a list that is empty, names a video twice, or one that is not there; a mask
            without its frame; a first frame without mask; a fraction that is no share.
    """
    check_root(root)
    names = _names(root, "train" if split in TRAINING_PARTS else split)
    if split in TRAINING_PARTS:
        held_out = _held_out(names, fraction, seed)
        names = tuple(name for name in names if (name in held_out) == (split == "train-val"))
    videos = tuple(_open_video(root, name) for name in with_progress(names, f"open tianchi {split}", many=MANY_VIDEOS))
    return Dataset("tianchi", split, videos, root)


def _names(root: Path, split: str) -> tuple[str, ...]:
    path = root / "ImageSets" / f"{split}.txt"
    if not path.is_file():
        lists = sorted(item.stem for item in (root / "ImageSets").glob("*.txt"))
        raise VosError(f"{path}: expected the list of split {split!r}, found lists of {names_found(lists)}")
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    names = tuple(check_name(line, path) for line in lines if line)
    if not names:
        raise VosError(f"{path}: expected names of videos, found an empty list")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise VosError(f"{path}: expected every video once, found {names_found(twice)} again")
    return names


def _held_out(names: tuple[str, ...], fraction: float, seed: int) -> frozenset[str]:
    if not 0 < fraction < 1:
        raise VosError(f"tianchi, fraction: expected a number between 0 and 1, found {fraction}")
    if len(names) < 2:
        raise VosError(f"tianchi: expected two training videos or more to cut in parts, found {len(names)}")
    count = min(max(1, round(fraction * len(names))), len(names) - 1)
    return frozenset(ranked(names, seed)[:count])


def _open_video(root: Path, name: str) -> Video:
    folder, masks_folder = root / "JPEGImages" / name, root / "Annotations" / name
    for path, what in ((folder, "frames"), (masks_folder, "masks")):
        if not path.is_dir():
            raise VosError(f"{path}: expected the {what} of a video that the list names, found no such folder")
    frames = list_images(folder)
    if not frames:
        raise VosError(f"{folder}: expected frames, found none")
    stems = tuple(path.stem for path in frames)
    masks = {path.stem: path for path in list_images(masks_folder, MASK_SUFFIXES)}
    stray = sorted(set(masks).difference(stems))
    if stray:
        raise VosError(f"{masks_folder}: expected a frame for each mask, found masks {names_found(stray)} without")
    if stems[0] not in masks:
        raise VosError(f"{masks_folder}: expected a mask of the first frame, {stems[0]}.png, found none")
    return Video(name, frames, masks, objects_from_masks(stems, masks), image_size(frames[0]))


def _recognise(root: Path) -> Recognised | None:
    lists = sorted(path.stem for path in (root / "ImageSets").glob("*.txt"))
    return Recognised("tianchi", tuple(lists), "ImageSets") if lists else None


TIANCHI = Layout("tianchi", open_tianchi, _recognise)
