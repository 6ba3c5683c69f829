"""Validation on whole videos: objects are followed from their first mask by a network that goes on from its own masks.

What a network is like on one step after a true mask says little of what becomes of it after fifty steps. Memory does
not depend on the number of frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.losses import loss_weights, object_targets
from vos_tf.pipeline.options import ClipOptions
from vos_tf.pipeline.reading import Clip, ClipReader
from vos_tf.pipeline.sampling import ClipRequest
from vos_tf.pipeline.videos import FOREGROUND, ClipVideo, clip_videos
from vos_tf.records.manifest import Manifest


class _Run(NamedTuple):
    """Index of a video, the objects to follow, its frame with their first mask, and the frame after the last one."""

    video: int
    objects: tuple[int, ...]
    first: int
    end: int


class VideoValidation:
    """Mean J over the frames and objects of videos, as the network that is trained now follows them.

    Args:
        network: With ``start(image, mask)`` and ``step(image, state)``, as networks have that keep a state per object.
        manifest: Of the validation records; still images are left out.
        options: ``objects`` and ``max_objects`` count.
        size: ``(H, W)`` of the frames, one that the network works at.
        videos: Largest number of videos.
        frames: Largest number of frames of each that are followed, after the first; 0: all.

    Raises:
        VosError: The network keeps no state, or no video can be followed.
    """

    def __init__(
        self,
        network: Any,
        manifest: Manifest,
        options: ClipOptions,
        size: tuple[int, int],
        *,
        videos: int,
        frames: int,
    ) -> None:
        if not (hasattr(network, "start") and hasattr(network, "step")):
            raise VosError(
                "training.validation videos: expected a network that keeps a state per object, found "
                f"{type(network).__name__}; take clips"
            )
        self._network = network
        self._reader, self._videos = ClipReader(manifest, size), clip_videos(manifest)
        found = (_run(index, video, options, frames) for index, video in enumerate(self._videos) if not video.still)
        self._runs = [run for run in found if run is not None][:videos]
        if not self._runs:
            raise VosError(
                f"{manifest.where}: expected videos with an annotated frame behind a first mask to validate on, "
                "found none"
            )
        self._start = tf.function(self._network.start, reduce_retracing=True)
        self._step = tf.function(self._scored_step, reduce_retracing=True)

    def __call__(self) -> float:
        """Mean of all J."""
        scores = [score for run in self._runs for score in self._follow(run)]
        return float(np.mean(scores))

    def _follow(self, run: _Run) -> Iterator[float]:
        first, objects = self._frame(run, run.first), len(run.objects)
        masks = (first.labels == np.arange(1, objects + 1)[:, None, None])[..., None]
        state = self._start(_image(first), tf.constant(masks, tf.float32))
        for index in range(run.first + 1, run.end):
            frame = self._frame(run, index)
            targets = object_targets(frame.labels[None], objects)[0, 0]
            weights = loss_weights(frame.labels[None], frame.annotated[None], np.array([objects]), objects)[0, 0]
            inside, union, state = self._step(_image(frame), state, targets, weights)
            if frame.annotated[0]:
                # Nothing found where nothing is: as the measure of DAVIS has it.
                yield from np.where(union > 0, inside / np.maximum(union, 1), 1.0).tolist()

    def _frame(self, run: _Run, index: int) -> Clip:
        if self._videos[run.video].annotated[index]:
            return self._reader.read(ClipRequest(0, run.video, run.objects, (index,), (True,), 0))
        pair = self._reader.read(ClipRequest(0, run.video, run.objects, (run.first, index), (True, False), 0))
        return Clip(pair.frames[1:], pair.labels[1:], pair.annotated[1:], pair.object_count)

    def _scored_step(self, image: Any, state: Any, targets: Any, weights: Any) -> Any:
        """Intersection and union of each object, float32 ``(N,)``, and the new state."""
        logits, state = self._network.step(image, state)
        logits = tf.cast(logits[..., 0], tf.float32)
        # A pixel belongs to one object at most.
        found = tf.logical_and(logits > 0, logits >= tf.reduce_max(logits, axis=0, keepdims=True))
        found = tf.cast(found, tf.float32) * weights
        targets = targets * weights
        inside = tf.reduce_sum(found * targets, axis=(1, 2))
        return inside, tf.reduce_sum(tf.maximum(found, targets), axis=(1, 2)), state


def _image(frame: Clip) -> Any:
    return tf.constant(frame.frames, tf.float32)


def _run(index: int, video: ClipVideo, options: ClipOptions, frames: int) -> _Run | None:
    """From the first mask with an object in it; ``None`` where no frame with a mask follows."""
    first = next(frame for frame, ids in enumerate(video.mask_ids) if ids)
    end = len(video.mask_ids) if frames == 0 else min(len(video.mask_ids), first + 1 + frames)
    if not video.annotated[first + 1 : end].any():
        return None
    ids = video.mask_ids[first]
    limit = options.max_objects if options.objects == "all" else len(ids)
    return _Run(index, (FOREGROUND,) if options.objects == "foreground" else ids[:limit], first, end)
