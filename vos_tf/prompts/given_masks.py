"""Masks that a user gives for some frames of a video: images, folders of images, boxes and polygons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from vos_tf.errors import Problem, ProblemsError, VosError
from vos_tf.media.diagnosis import inspect_mask
from vos_tf.media.frame_source import FrameSource, TimedFrame, same_frame
from vos_tf.media.image_files import list_images
from vos_tf.media.images import header_size, read_bytes
from vos_tf.media.label_maps import MAX_OBJECT_ID, VOID, LabelMap, object_ids
from vos_tf.prompts.shapes import Shape, draw_shapes, read_shapes

_EVERY_ID = range(1, MAX_OBJECT_ID + 1)
_SHAPES = ".json"


class _Given(NamedTuple):
    """One mask: the file it comes from, the frame it belongs to (``None``: the first) and what it is.

    ``single`` is the id of the object of a mask that has but one, ``None`` for ids as they are stored.
    """

    path: Path
    frame: str | None
    single: int | None = None
    shapes: tuple[Shape, ...] = ()
    required: bool = True

    def belongs_to(self, frame: TimedFrame, *, first: bool) -> bool:
        return first if self.frame is None else same_frame(self.frame, frame.name)


class GivenMasks:
    """The masks that a user gives; see `open_masks`. Files are read when their frames come."""

    def __init__(self, given: Sequence[_Given], digest: str) -> None:
        self._given = tuple(given)
        self._used: set[int] = set()
        self.digest = digest
        """SHA-256 over all files, 64 hexadecimal digits."""

    def __len__(self) -> int:
        return len(self._given)

    def check(self, source: FrameSource, size: tuple[int, int]) -> None:
        """Make sure that all masks can be used, before long work begins.

        Args:
            source: The video.
            size: ``(H, W)`` of its frames.

        Raises:
            VosError: A mask cannot be read, is empty, has another size, or belongs to a frame that the video does not
                have.
        """
        strange = [given for given in self._given if given.frame is not None and not source.knows(given.frame)]
        if strange:
            raise VosError(
                f"{strange[0].path}: expected a mask of one of the frames of {source.label}, found one of frame "
                f"{strange[0].frame}"
            )
        problems = []
        for given in self._given:
            if not given.shapes:
                problems += _inspect(given, size)[0]
        if len(problems) == 1:
            raise VosError(str(problems[0]))
        if problems:
            raise ProblemsError(f"{len(problems)} problems with the masks:", problems)

    def at(self, frame: TimedFrame, *, first: bool) -> LabelMap | None:
        """The label map of the masks of a frame, later ones on top; ``None`` if there are none with an object.

        Args:
            frame: The frame.
            first: Whether it is the first of the video.

        Raises:
            VosError: A mask cannot be read, or has another size than the frame.
        """
        size = (frame.image.shape[0], frame.image.shape[1])
        together = np.zeros(size, np.uint8)
        for index, given in enumerate(self._given):
            if given.belongs_to(frame, first=first):
                self._used.add(index)
                labels = _draw(given, frame, size)
                together = np.where(labels > 0, labels, together)
        return together if object_ids(together) else None

    def left_over(self) -> tuple[str, ...]:
        """Files whose frames did not come."""
        return tuple(
            f"{given.path} (frame {given.frame})" for index, given in enumerate(self._given) if index not in self._used
        )


def open_masks(arguments: Sequence[str]) -> GivenMasks:
    """Find the masks that a user names.

    Args:
        arguments: Each ``MASK`` (for the first frame) or ``FRAME=MASK`` (for that frame, by name or number). A mask is
            an indexed or grey PNG with object ids; one of two colours, black and another, is one object, which gets
            the next id that no other mask has. It may also be a JSON file (`vos_tf.prompts.shapes`), whose shapes
            say their frames, or a folder of PNG files named like their frames, where black and white mean object 1.

    Raises:
        VosError: No such file, or it is no mask.
    """
    given = [item for argument in arguments for item in _parse(argument)]
    taken = {number for item in given for number in _stored_ids(item)}
    free = (number for number in _EVERY_ID if number not in taken)
    named = [item._replace(single=next(free)) if item.single == 0 else item for item in given]
    digest = hashlib.sha256()
    for item in named:
        digest.update(f"{item.frame} {item.single} {[tuple(shape[:3]) for shape in item.shapes]}".encode())
        digest.update(read_bytes(item.path))
    return GivenMasks(named, digest.hexdigest())


def check_masks_exist(arguments: Sequence[str]) -> None:
    """Make sure that there are files of the masks that a user names, without reading them: this is quick.

    Args:
        arguments: As for `open_masks`.

    Raises:
        VosError: No such file, or an empty folder.
    """
    for argument in arguments:
        _named(argument)


def _named(argument: str) -> tuple[str, Path]:
    """Frame (empty: the first one, or what the files say) and path of an argument."""
    frame, equals, rest = argument.partition("=")
    if not equals or Path(argument).exists():
        frame, rest = "", argument
    elif not frame or not rest:
        raise VosError(f"--mask {argument}: expected MASK or FRAME=MASK, found no {'mask' if frame else 'frame'}")
    path = Path(rest)
    if not path.exists():
        raise VosError(f"{path}: expected a mask, found no such file")
    if path.is_dir() and frame:
        raise VosError(f"--mask {argument}: expected one mask for frame {frame}, found a folder")
    if path.is_dir() and not list_images(path):
        raise VosError(f"{path}: expected masks named like their frames, found none")
    return frame, path


def _parse(argument: str) -> Iterable[_Given]:
    """What one argument means; ``single`` is 0 where the id is yet to be chosen."""
    frame, path = _named(argument)
    if path.is_dir():
        files = list_images(path)
        return [_Given(file, file.stem, 1 if _is_binary(file) else None, required=False) for file in files]
    if path.suffix.lower() == _SHAPES:
        shapes = read_shapes(path)
        frames = dict.fromkeys(shape.frame or frame or None for shape in shapes)
        return [
            _Given(path, at, shapes=tuple(shape for shape in shapes if (shape.frame or frame or None) == at))
            for at in frames
        ]
    return [_Given(path, frame or None, 0 if _is_binary(path) else None)]


def _is_binary(path: Path) -> bool:
    """Whether an image holds black and one other colour, which as an id would mean void or nothing at all."""
    content = read_bytes(path)
    header_size(content, str(path))
    try:
        with Image.open(path) as image:
            if image.mode in ("P", "L"):
                counts = image.histogram()
                return counts[VOID] > 0 and sum(map(bool, counts[1:])) == 1
            if image.mode not in ("RGB", "RGBA", "LA", "PA"):
                return False
            colours = image.convert("RGB").getcolors(2)
            return colours is not None and any(colour == (0, 0, 0) for _, colour in colours)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise VosError(f"{path}: expected a mask, found a file that cannot be decoded ({error})") from None


def _stored_ids(given: _Given) -> tuple[int, ...]:
    """Ids that a mask says itself."""
    if given.shapes:
        return tuple(shape.object_id for shape in given.shapes)
    if given.single:
        return (given.single,)
    if given.single == 0:
        return ()
    with Image.open(given.path) as image:
        return object_ids(np.asarray(image)) if image.mode in ("P", "L") else ()


def _inspect(given: _Given, size: tuple[int, int]) -> tuple[list[Problem], LabelMap]:
    """What is wrong with a mask, and its label map."""
    single = given.single is not None
    problems, labels = inspect_mask(given.path, frame_size=size, declared_ids=_EVERY_ID, single_object=single)
    if labels is None:
        return problems, np.zeros(size, np.uint8)
    if given.single is not None:
        labels = np.where(labels > 0, np.uint8(given.single), np.uint8(0))
    if given.required and not object_ids(labels):
        problems.append(Problem(str(given.path), f"at least one object (ids 1 to {MAX_OBJECT_ID})", "an empty mask"))
    return problems, labels


def _draw(given: _Given, frame: TimedFrame, size: tuple[int, int]) -> LabelMap:
    if given.shapes:
        return draw_shapes(given.shapes, frame.image, str(given.path))
    problems, labels = _inspect(given, size)
    if problems:
        raise VosError(str(problems[0]))
    return labels
