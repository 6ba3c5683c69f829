"""Reading one clip from the records: only the bytes of its own frames, decoded, resized, changed. No TensorFlow."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.media.images import resize_image, resize_label_map
from vos_tf.media.label_maps import BACKGROUND, VOID, LabelMap
from vos_tf.pipeline.augment import (
    GREY,
    Change,
    colour_matrix,
    draw_change,
    forward_matrix,
    move_image,
    move_labels,
)
from vos_tf.pipeline.effects import damage
from vos_tf.pipeline.motion import render, set_in_motion
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.pipeline.pasting import Partner, backdrop_of, with_scene
from vos_tf.pipeline.sampling import AUGMENT_STREAM, MOTION_STREAM, ClipRequest
from vos_tf.pipeline.scenes import PASTE_STREAM, Scene
from vos_tf.pipeline.videos import FOREGROUND, Place, clip_videos
from vos_tf.pipeline.windows import Window, draw_window, whole
from vos_tf.records.encode import present_ids
from vos_tf.records.manifest import Manifest

Bytes = NDArray[np.uint8]
"""uint8 ``(n,)``."""
LARGEST_GAP = 1 << 16
"""Bytes that are read for nothing rather than reading twice."""
WINDOWS = 5
"""Windows that are tried before the whole frame is taken; the last is as large as can be."""
# OpenCV before 4.11 decodes to BGR only.
_DECODES_RGB = hasattr(cv2, "IMREAD_COLOR_RGB")
_MERGED = np.minimum(np.arange(256), 1).astype(np.uint8)
_MERGED[VOID] = VOID
_DECODE = getattr(cv2, "IMREAD_COLOR_RGB", cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION


class Clip(NamedTuple):
    """One clip; index 0 of time is the reference frame.

    Attributes:
        frames: uint8 ``(1 + T, H, W, 3)`` RGB.
        labels: uint8 ``(1 + T, H, W)``: chosen objects 1..K by rising id, 0 background, 255 void; all void where the
            frame is not annotated.
        annotated: bool ``(1 + T,)``.
        object_count: int32 scalar, number of chosen objects, 1 or more.
    """

    frames: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    annotated: NDArray[np.bool_]
    object_count: np.int32


class _View(NamedTuple):
    """How a clip is seen: a window of the stored frames in the clip's size, and then a change."""

    window: Window
    change: Change

    def shows_all(self, frame: tuple[int, ...]) -> bool:
        """Nothing of a stored frame ``(H, W)`` can be lost."""
        return self.change.matrix is None and (self.window.height, self.window.width) == frame


def _views(
    stored: LabelMap,
    chosen: Sequence[int],
    size: tuple[int, int],
    augment: AugmentOptions | None,
    random: np.random.Generator,
) -> Iterator[_View]:
    """Views to try, one after another; the last one shows everything."""
    frame = stored.shape[0], stored.shape[1]
    change = Change(False, None, None) if augment is None else draw_change(augment, size, random)
    if augment is not None and augment.window is not None:
        key = chosen[int(random.integers(len(chosen)))]
        places = np.flatnonzero(stored == key)
        for attempt in range(WINDOWS):
            row, column = divmod(int(places[random.integers(len(places))]), frame[1])
            last = attempt == WINDOWS - 1
            window = draw_window((1, 1) if last else augment.window, frame, size, (row, column), random)
            yield _View(window, change.without_moves() if last else change)
    else:
        yield _View(whole(frame), change)
    yield _View(whole(frame), change.without_moves())


class ClipReader:
    """Reads clips of one folder of records; safe to use from several threads.

    Args:
        manifest: Of the folder.
        size: ``(H, W)`` of the clips.

    Raises:
        VosError: A shard is missing or has another size than the manifest says.
    """

    def __init__(self, manifest: Manifest, size: tuple[int, int]) -> None:
        manifest.check_shards()
        self.size = size
        self._videos = clip_videos(manifest)
        self._paths = [manifest.folder / shard.file for shard in manifest.shards]
        self._lock = threading.Lock()
        self._files: dict[int, int] = {}
        weakref.finalize(self, _close, self._files)

    def read(self, request: ClipRequest, augment: AugmentOptions | None = None, seed: tuple[int, int] = (0, 0)) -> Clip:
        """Read one clip.

        Args:
            request: From `plan_epoch`.
            augment: How it is changed; ``None``: not at all.
            seed: Seed of the run and epoch; with the clip's number they decide the change.

        Raises:
            VosError: The records do not hold what the manifest says.
        """
        frames = np.empty((len(request.frames), *self.size, 3), np.uint8)
        labels = np.empty((len(request.frames), *self.size), np.uint8)
        count = self.read_into(request, frames, labels, augment, seed)
        return Clip(frames, labels, np.asarray(request.annotated), np.int32(count))

    def read_into(
        self,
        request: ClipRequest,
        frames: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        augment: AugmentOptions | None,
        seed: tuple[int, int],
    ) -> int:
        """As `read`, into uint8 ``(1 + T, H, W, 3)`` and ``(1 + T, H, W)``; returns the number of objects."""
        video = self._videos[request.video]
        moving = any(request.times)
        # Of a still image in motion, the first frame is all there is.
        positions = [0] if moving else [index for index, flag in enumerate(request.annotated) if flag]
        masks = self._contents([video.mask_places[request.frames[position]] for position in positions])
        stored = {
            position: _decode_labels(content, video.name) for position, content in zip(positions, masks, strict=True)
        }
        first = self._reference_view(request, stored[0], augment, seed, labels[0])
        distinct = len(request.frames) - request.repeated
        views = [first] * distinct
        if augment is not None and augment.each_frame:
            views[1:] = self._other_views(request, stored, first, augment, seed)
        if moving:
            return self._read_still(request, stored[0], views, augment, seed, (frames, labels))
        for position in positions[1:]:
            self._write_labels(request, position, stored[position], views[position], labels[position])
        labels[~np.asarray(request.annotated)] = VOID
        contents = self._contents([video.frame_places[index] for index in request.frames[:distinct]])
        for image, view, out in zip(self._images(video.name, contents, views), views, frames, strict=False):
            move_image(image, view.change, out)
        if request.scene is not None:
            damage(frames[:distinct], request.scene, _chance(request, seed))
        frames[distinct:] = frames[distinct - 1]
        return len(request.objects)

    def _reference_view(
        self,
        request: ClipRequest,
        stored: LabelMap,
        augment: AugmentOptions | None,
        seed: tuple[int, int],
        out: LabelMap,
    ) -> _View:
        """The first view that loses no object of the reference frame, whose label map it writes."""
        random = np.random.default_rng([AUGMENT_STREAM, *seed, request.number])
        chosen = self._chosen(request)
        for view in _views(stored, chosen, self.size, augment, random):
            self._write_labels(request, 0, stored, view, out)
            if view.shows_all(stored.shape) or len(present_ids(out)) >= len(request.objects):
                break
        return view

    def _other_views(
        self,
        request: ClipRequest,
        stored: Mapping[int, LabelMap],
        first: _View,
        augment: AugmentOptions,
        seed: tuple[int, int],
    ) -> list[_View]:
        """A view of its own for each frame after the first, in the colours of the first.

        The window is that of the reference frame where a frame is not annotated or shows no object of the clip.
        """
        views = []
        for position in range(1, len(request.frames) - request.repeated):
            random = np.random.default_rng([AUGMENT_STREAM, *seed, request.number, position])
            chosen = self._chosen(request, position)
            if position in stored and chosen:
                view = next(_views(stored[position], chosen, self.size, augment, random))
            else:
                view = first._replace(change=draw_change(augment, self.size, random))
            views.append(view._replace(change=view.change._replace(factors=first.change.factors)))
        return views

    def _read_still(
        self,
        request: ClipRequest,
        stored: LabelMap,
        views: Sequence[_View],
        augment: AugmentOptions | None,
        seed: tuple[int, int],
        out: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    ) -> int:
        """Write a clip made from a still image in motion; returns the number of objects."""
        video = self._videos[request.video]
        (image,) = self._images(video.name, self._contents(video.frame_places), views[:1])
        labels = np.empty(self.size, np.uint8)
        self._write_labels(request, 0, stored, views[0]._replace(change=Change(False, None, None)), labels)
        scene, random = request.scene, _chance(request, seed)
        partner = self._partner(scene, views[0], augment, random) if scene and scene.partner >= 0 else None
        motion = np.random.default_rng([MOTION_STREAM, *seed, request.number])
        backdrop = backdrop_of(scene, partner) if scene else None
        take, added = set_in_motion(image, labels, request.times, motion, backdrop), 0
        changes = [view.change for view in views]
        if scene:
            view = forward_matrix(changes[0], self.size)
            take, added = with_scene(take, scene, request.times, view, partner, random)
        render(take, changes if augment is not None and augment.each_frame else changes[:1], out)
        if scene:
            damage(out[0], scene, random)
        return len(request.objects) + added

    def _partner(
        self, scene: Scene, view: _View, augment: AugmentOptions | None, random: np.random.Generator
    ) -> Partner:
        """The other picture of a clip, in a window of its own and the clip's colours."""
        video = self._videos[scene.partner]
        (content,) = self._contents(video.mask_places)
        stored = _decode_labels(content, video.name)
        present = video.mask_ids[0]
        chosen = present if scene.partner_objects == (FOREGROUND,) else scene.partner_objects
        window = next(_views(stored, chosen, self.size, augment, random)).window
        (image,) = self._images(video.name, self._contents(video.frame_places), [_View(window, view.change)])
        mask = resize_label_map(window.of(stored), self.size)
        return Partner(image, np.isin(mask, chosen).astype(np.uint8))

    def _images(self, name: str, contents: Sequence[Bytes], views: Sequence[_View]) -> Iterator[NDArray[np.uint8]]:
        """The frames in the clip's size and colours, every pixel in its place."""
        colours = None
        for content, view in zip(contents, views, strict=True):
            image = view.window.of(_decode_image(content, name))
            if image.shape[:2] != self.size:
                image = resize_image(image, self.size)
            if view.change.factors is not None:
                if colours is None:
                    colours = colour_matrix(view.change.factors, float(np.dot(cv2.mean(image)[:3], GREY)))
                image = cv2.transform(image, colours)
            yield image

    def _chosen(self, request: ClipRequest, position: int = 0) -> tuple[int, ...]:
        """Ids in the stored mask of one of the clip's frames that the clip follows."""
        present = self._videos[request.video].mask_ids[request.frames[position]]
        return present if request.objects == (FOREGROUND,) else tuple(key for key in request.objects if key in present)

    def _write_labels(self, request: ClipRequest, position: int, stored: LabelMap, view: _View, out: LabelMap) -> None:
        """Write the label map of one of the clip's frames."""
        labels = self._resized_labels(view.window.of(stored), self._chosen(request) if position == 0 else ())
        move_labels(labels, view.change, out)
        present = self._videos[request.video].mask_ids[request.frames[position]]
        if request.objects == (FOREGROUND,):
            cv2.LUT(out, _MERGED, out)
        elif present != request.objects or request.objects[-1] != len(request.objects):
            _renumber(out, request.objects)

    def _resized_labels(self, stored: LabelMap, keep: Sequence[int]) -> LabelMap:
        """A label map, resized; objects to ``keep`` that it shows have one pixel at least."""
        size = self.size
        labels: LabelMap = resize_label_map(stored, size)
        lost = set(keep).difference(present_ids(labels)) if keep and stored.shape != size else set()
        for key in lost:
            # Too thin for nearest neighbour: one of its pixels stands for it.
            rows, columns = np.nonzero(stored == key)
            if len(rows):
                middle = len(rows) // 2
                row = rows[middle] * size[0] // stored.shape[0]
                labels[row, columns[middle] * size[1] // stored.shape[1]] = key
        return labels

    def _contents(self, places: Sequence[Place]) -> list[Bytes]:
        """The bytes at some places; those that lie close together are read in one go."""
        contents: list[Bytes] = []
        first = 0
        for end in range(1, len(places) + 1):
            if end == len(places) or not _close_together(places[end - 1], places[end]):
                shard, start, _ = places[first]
                _, last, length = places[end - 1]
                block = self._read_block(shard, start, last + length - start)
                contents += [block[offset - start : offset - start + size] for _, offset, size in places[first:end]]
                first = end
        return contents

    def _read_block(self, shard: int, start: int, length: int) -> Bytes:
        content = os.pread(self._files[shard] if shard in self._files else self._open(shard), length, start)
        if len(content) != length:
            raise VosError(
                f"{self._paths[shard]}: expected {length} bytes at byte {start}, found {len(content)}; "
                "verify the records"
            )
        return np.frombuffer(content, np.uint8)

    def _open(self, shard: int) -> int:
        with self._lock:
            if shard not in self._files:
                self._files[shard] = os.open(self._paths[shard], os.O_RDONLY)
            return self._files[shard]


def _chance(request: ClipRequest, seed: tuple[int, int]) -> np.random.Generator:
    """Source of chance for what happens in the scene of a clip."""
    return np.random.default_rng([PASTE_STREAM, *seed, request.number])


def _close(files: dict[int, int]) -> None:
    for file in files.values():
        os.close(file)


def _renumber(labels: LabelMap, objects: Sequence[int]) -> None:
    """In place: chosen ids become 1..K, void stays, all others become background."""
    if len(objects) == 1 and labels.max() != VOID:
        np.equal(labels, objects[0], out=labels.view(np.bool_))  # a quarter of the time of a table
        return
    table = np.full(256, BACKGROUND, np.uint8)
    table[list(objects)] = np.arange(1, len(objects) + 1)
    table[VOID] = VOID
    cv2.LUT(labels, table, labels)


def _close_together(place: Place, following: Place) -> bool:
    gap = following[1] - place[1] - place[2]
    return place[0] == following[0] and 0 <= gap <= LARGEST_GAP


def _decode_labels(content: Bytes, name: str) -> LabelMap:
    labels: LabelMap | None = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    if labels is None:
        raise VosError(f"{name}: expected a PNG mask in the records, found damaged bytes; verify the records")
    return labels


def _decode_image(content: Bytes, name: str) -> NDArray[np.uint8]:
    """uint8 ``(H, W, 3)`` RGB."""
    image: NDArray[np.uint8] | None = cv2.imdecode(content, _DECODE)
    if image is None:
        raise VosError(f"{name}: expected a JPEG frame in the records, found damaged bytes; verify the records")
    return image if _DECODES_RGB else cv2.cvtColor(image, cv2.COLOR_BGR2RGB, image)
