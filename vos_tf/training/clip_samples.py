"""Clips made of one annotated frame, for networks that are fine-tuned to follow its objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.media.images import resize_image, resize_label_map
from vos_tf.media.label_maps import VOID, LabelMap
from vos_tf.pipeline.augment import GREY, colour_matrix, draw_change, move_image, move_labels
from vos_tf.pipeline.motion import animate
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.training.clip_settings import ClipFinetuneSettings
from vos_tf.training.finetune_samples import AnnotatedFrame

# Where objects move by themselves: frames of a video from one frame of a clip to the next, least and most.
STRIDES = (1, 4)


class ClipSamples:
    """Draws clips made of one frame: ``(frames, labels, slots)``, equal ones for equal numbers.

    ``frames`` uint8 ``(1 + T, H, W, 3)`` RGB; the first is the frame as it is, but for flip and colours. ``labels``
    uint8 ``(1 + T, H, W)``: 1..K in the order of the objects, 0 elsewhere (other objects are background), and 255
    (void) where nothing counts: void of the label map, and what lies beyond the frame. ``slots`` uint8 ``(K,)``: 1..K.

    Args:
        frame: The annotated frame.
        ids: The objects to learn.
        settings: What is drawn.
        size: ``(H, W)`` of the network.
    """

    def __init__(
        self, frame: AnnotatedFrame, ids: Sequence[int], settings: ClipFinetuneSettings, size: tuple[int, int]
    ) -> None:
        table = np.zeros(256, np.uint8)
        table[list(ids)] = np.arange(1, len(ids) + 1)
        table[VOID] = VOID
        self._image = np.asarray(resize_image(frame.image, size), np.uint8)
        self._labels = table[resize_label_map(frame.labels, size)]
        self._slots = np.arange(1, len(ids) + 1, dtype=np.uint8)
        self._mean = float((self._image @ GREY).mean())
        self._settings = settings
        self._still = replace(settings.augment, rotation=0.0, scale=0.0, translation=0.0, shear=0.0, crop=0.0)

    def __call__(self, number: int) -> tuple[NDArray[np.uint8], LabelMap, NDArray[np.uint8]]:
        """The sample of this number."""
        settings = self._settings
        random = np.random.default_rng((settings.seed, number))
        size: tuple[int, int] = self._labels.shape
        change = draw_change(self._still, size, random)
        frames = np.empty((1 + settings.clip_length, *size, 3), np.uint8)
        labels = np.empty((1 + settings.clip_length, *size), np.uint8)
        if random.uniform() < settings.motion:
            stride = int(random.integers(STRIDES[0], STRIDES[1] + 1))
            times = [stride * index for index in range(len(frames))]
            animate(self._image, self._labels, times, change, random, (frames, labels))
        else:
            draws = int(random.integers(2**32))
            for index in range(len(frames)):
                self._move(index / settings.clip_length, change.flip, draws, frames[index], labels[index])
        if change.factors is not None:
            matrix = colour_matrix(change.factors, self._mean)
            frames = np.stack([cv2.transform(frame, matrix) for frame in frames])
        return frames, labels, self._slots

    def _move(self, share: float, flip: bool, draws: int, frame: NDArray[np.uint8], labels: LabelMap) -> None:
        """Write the frame and its labels after a share of the way; equal ``draws`` give the same way."""
        augment = self._settings.augment
        part = AugmentOptions(
            flip=float(flip),
            rotation=share * augment.rotation,
            scale=share * augment.scale,
            translation=share * augment.translation,
            shear=share * augment.shear,
            crop=share * augment.crop,
        )
        way = draw_change(part, labels.shape, np.random.default_rng(draws))
        move_image(self._image, way, frame)
        move_labels(self._labels, way, labels)
