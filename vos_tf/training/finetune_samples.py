"""Augmented copies of a video's annotated frames, drawn one by one for online fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.media.label_maps import BACKGROUND, VOID, LabelMap
from vos_tf.pipeline.augment import GREY, Change, colour_matrix, draw_change
from vos_tf.pipeline.motion import animate
from vos_tf.training.finetune_settings import FinetuneSettings

# Points of the objects that windows are placed around are drawn from this many, evenly spread.
POINTS = 4096
# Objects and camera move for this many frames of a video, least and most, where a sample is set in motion.
MOVED_FRAMES = (5, 40)
_AS_IT_IS = Change(False, None, None)


@dataclass(frozen=True)
class AnnotatedFrame:
    """A frame that can be learned from.

    Attributes:
        image: RGB uint8 ``(H, W, 3)``.
        labels: Label map uint8 ``(H, W)`` with void where nothing is known.
    """

    image: NDArray[np.uint8]
    labels: LabelMap


class FrameSamples:
    """Draws ``(image, targets)``, all of one size: image uint8 ``(h, w, 3)`` RGB, targets uint8 ``(h, w)``.

    The targets hold 1..K in the order of the objects, 0 elsewhere (other objects are background), and 255 (void) where
    nothing counts: void of the label maps, and what lies beyond the frame. Equal numbers draw equal samples.

    Args:
        frames: Annotated frames of one size.
        ids: The objects to learn.
        settings: What is drawn.
    """

    def __init__(self, frames: Sequence[AnnotatedFrame], ids: Sequence[int], settings: FinetuneSettings) -> None:
        table = np.zeros(256, np.uint8)
        table[list(ids)] = np.arange(1, len(ids) + 1)
        table[VOID] = VOID
        self._images = [frame.image for frame in frames]
        self._targets = [table[frame.labels] for frame in frames]
        self._points = [_some_points(targets) for targets in self._targets]
        self._means = [float((image @ GREY).mean()) for image in self._images]
        self._settings = settings
        self._frame_size: tuple[int, int] = self._targets[0].shape
        height, width = (min(pair) for pair in zip(settings.crop or self._frame_size, self._frame_size, strict=True))
        self.size: tuple[int, int] = (height, width)

    def __call__(self, number: int) -> tuple[NDArray[np.uint8], LabelMap]:
        """The sample of this number."""
        random = np.random.default_rng((self._settings.seed, number))
        which = int(random.integers(len(self._images)))
        image, targets, points = self._images[which], self._targets[which], self._points[which]
        if self._settings.motion and random.uniform() < self._settings.motion:
            image, targets = _moved(image, targets, random)
            points = _some_points(targets)
        scale = self._settings.scales[int(random.integers(len(self._settings.scales)))]
        change = draw_change(self._settings.augment, self._frame_size, random)
        matrix = change.matrix
        if matrix is None:
            matrix = _flip(self._frame_size[1]) if change.flip else np.eye(3)[:2]
        matrix = _compose(matrix, _zoom(scale, self._frame_size))
        matrix = _compose(matrix, self._window(matrix, scale, points, random))
        image = _warp(image, matrix, self.size, cv2.INTER_LINEAR, BACKGROUND)
        targets = _warp(targets, matrix, self.size, cv2.INTER_NEAREST, VOID)
        if change.factors is not None:
            image = cv2.transform(image, colour_matrix(change.factors, self._means[which]))
        return image, targets

    def _window(
        self, matrix: NDArray[np.float64], scale: float, points: NDArray[np.int64], random: np.random.Generator
    ) -> NDArray[np.float64]:
        """Where the window of a sample lies, as a shift."""
        focus, pick, *place = random.uniform(size=4)
        frame, window = np.array(self._frame_size[::-1]), np.array(self.size[::-1])
        lowest, highest = (1 - scale) / 2 * frame, (1 + scale) / 2 * frame - window
        # A window that is larger than the scaled frame has it in its middle.
        middle = (lowest + highest) / 2
        lowest, highest = np.minimum(lowest, middle), np.maximum(highest, middle)
        if focus < self._settings.crop_focus and len(points):
            point = _place(matrix, points[int(pick * len(points))])
            lowest, highest = np.clip(point - window + 1, lowest, highest), np.clip(point, lowest, highest)
        corner = (lowest + np.array(place) * (highest - lowest)).round()
        return np.hstack([np.eye(2), corner[:, None]])


def _moved(
    image: NDArray[np.uint8], targets: LabelMap, random: np.random.Generator
) -> tuple[NDArray[np.uint8], LabelMap]:
    """The frame as it may look later: every object moved by itself over the filled background, and the camera."""
    time = int(random.integers(MOVED_FRAMES[0], MOVED_FRAMES[1] + 1))
    frames, maps = np.empty((2, *image.shape), np.uint8), np.empty((2, *targets.shape), np.uint8)
    animate(image, targets, (0, time), _AS_IT_IS, random, (frames, maps))
    return frames[1], maps[1]


def _some_points(targets: LabelMap) -> NDArray[np.int64]:
    """Places ``(x, y)`` of pixels of objects, int ``(M, 2)``."""
    rows, columns = np.nonzero((targets != BACKGROUND) & (targets != VOID))
    every = max(len(rows) // POINTS, 1)
    return np.stack([columns[::every], rows[::every]], axis=1)


def _place(matrix: NDArray[np.float64], point: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where a point of the original lies in the result."""
    inverse: NDArray[np.float64] = cv2.invertAffineTransform(matrix)
    return np.asarray(inverse @ np.array([*point, 1.0]))


def _flip(width: int) -> NDArray[np.float64]:
    return np.array([[-1.0, 0, width - 1], [0, 1, 0]])


def _zoom(scale: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """Place in the original of a place in the result that is ``scale`` times as large, around the centre."""
    height, width = size
    centre = np.array([[(width - 1) / 2], [(height - 1) / 2]])
    return np.hstack([np.eye(2) / scale, centre * (1 - 1 / scale)])


def _compose(outer: NDArray[np.float64], inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(2, 3)``: first ``inner``, then ``outer``."""
    return np.asarray(outer @ np.vstack([inner, [0.0, 0.0, 1.0]]))


def _warp(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], size: tuple[int, int], kind: int, beyond: int) -> Any:
    border = (beyond,) * 3
    return cv2.warpAffine(pixels, matrix, size[::-1], None, kind | cv2.WARP_INVERSE_MAP, cv2.BORDER_CONSTANT, border)
