"""Reading one clip from the records: only the bytes of its own frames, decoded, resized, changed. No TensorFlow."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.media.images import resize_image, resize_label_map
from vos_tf.media.label_maps import BACKGROUND, VOID, LabelMap
from vos_tf.pipeline.augment import GREY, Change, colour_matrix, draw_change, move_image, move_labels
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.pipeline.sampling import AUGMENT_STREAM, ClipRequest
from vos_tf.pipeline.videos import ClipVideo, Indices, clip_videos
from vos_tf.records.encode import present_ids
from vos_tf.records.manifest import Manifest

TENSOR_ALIGNMENT = 64
"""Bytes; of every tensor's first value."""
# OpenCV before 4.11 decodes to BGR only.
_DECODES_RGB = hasattr(cv2, "IMREAD_COLOR_RGB")
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
        frames, labels = empty_clips((len(request.frames), *self.size))
        self.read_into(request, frames, labels, augment, seed)
        return Clip(frames, labels, np.asarray(request.annotated), np.int32(len(request.objects)))

    def read_into(
        self,
        request: ClipRequest,
        frames: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        augment: AugmentOptions | None,
        seed: tuple[int, int],
    ) -> None:
        """As `read`, into uint8 ``(1 + T, H, W, 3)`` and ``(1 + T, H, W)``."""
        video, size = self._videos[request.video], self.size
        change = Change(False, None, None)
        if augment is not None:
            change = draw_change(augment, size, np.random.default_rng([AUGMENT_STREAM, *seed, request.number]))
        table = _renumbering(request.objects)
        self._read_labels(request, table, change, labels[0], 0)
        if change.matrix is not None and len(present_ids(labels[0])) < len(request.objects):
            # The change loses an object of the reference frame: nothing is moved.
            change = change.without_moves()
            self._read_labels(request, table, change, labels[0], 0)
        for position in range(1, len(request.frames)):
            if request.annotated[position]:
                self._read_labels(request, table, change, labels[position], position)
            else:
                labels[position] = VOID
        distinct = len(request.frames) - request.repeated
        self._read_frames(video, request.frames[:distinct], change, frames)
        frames[distinct:] = frames[distinct - 1]

    def _read_frames(self, video: ClipVideo, indices: Sequence[int], change: Change, out: NDArray[np.uint8]) -> None:
        colours = None
        for position, index in enumerate(indices):
            image = _decode_image(self._bytes(video.frame_places[index]), video.name)
            image = resize_image(image, out.shape[1:3])
            if change.factors is not None:
                if colours is None:
                    colours = colour_matrix(change.factors, float(np.dot(cv2.mean(image)[:3], GREY)))
                image = cv2.transform(image, colours)
            move_image(image, change, out[position])

    def _read_labels(
        self, request: ClipRequest, table: NDArray[np.uint8], change: Change, out: LabelMap, position: int
    ) -> None:
        """Read the label map of one of the clip's frames; in the first every object has one pixel at least."""
        video, index = self._videos[request.video], request.frames[position]
        stored = self._stored_labels(video, index, request.objects if position == 0 else ())
        move_labels(stored, change, out)
        if any(table[key] != key for key in video.mask_ids[index]):
            cv2.LUT(out, table, out)

    def _stored_labels(self, video: ClipVideo, index: int, keep: Sequence[int]) -> LabelMap:
        """The stored label map, resized; objects to ``keep`` have one pixel at least."""
        size = self.size
        content = self._bytes(video.mask_places[index])
        stored = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        if stored is None:
            raise VosError(f"{video.name}: expected a PNG mask in the records, found damaged bytes; verify the records")
        labels: LabelMap = resize_label_map(stored, size)
        for key in set(keep).difference(present_ids(labels)) if stored.shape != size else ():
            # Too thin for nearest neighbour: one of its pixels stands for it.
            rows, columns = np.nonzero(stored == key)
            middle = len(rows) // 2
            row = rows[middle] * size[0] // stored.shape[0]
            labels[row, columns[middle] * size[1] // stored.shape[1]] = key
        return labels

    def _bytes(self, place: Indices) -> bytes:
        shard, offset, length = (int(value) for value in place)
        content = os.pread(self._file(shard), length, offset)
        if len(content) != length:
            raise VosError(
                f"{self._paths[shard]}: expected {length} bytes at byte {offset}, found {len(content)}; "
                "verify the records"
            )
        return content

    def _file(self, shard: int) -> int:
        with self._lock:
            if shard not in self._files:
                self._files[shard] = os.open(self._paths[shard], os.O_RDONLY)
            return self._files[shard]


def empty_clips(shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Room for frames, uint8 ``(*shape, 3)``, and for labels, uint8 ``shape``."""
    return _aligned((*shape, 3)), _aligned(shape)


def _aligned(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An uninitialised array that begins where TensorFlow wants its tensors, so that it is taken without a copy."""
    size = int(np.prod(shape))
    buffer = np.empty(size + TENSOR_ALIGNMENT, np.uint8)
    skip = -buffer.ctypes.data % TENSOR_ALIGNMENT
    return buffer[skip : skip + size].reshape(shape)


def _close(files: dict[int, int]) -> None:
    for file in files.values():
        os.close(file)


def _renumbering(objects: Sequence[int]) -> NDArray[np.uint8]:
    """uint8 ``(256,)``: chosen ids to 1..K, void to void, all others to background."""
    table = np.full(256, BACKGROUND, np.uint8)
    table[list(objects)] = np.arange(1, len(objects) + 1)
    table[VOID] = VOID
    return table


def _decode_image(content: bytes, name: str) -> NDArray[np.uint8]:
    """uint8 ``(H, W, 3)`` RGB."""
    image: NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(content, np.uint8), _DECODE)
    if image is None:
        raise VosError(f"{name}: expected a JPEG frame in the records, found damaged bytes; verify the records")
    return image if _DECODES_RGB else cv2.cvtColor(image, cv2.COLOR_BGR2RGB, image)
