"""Random changes of a clip: the same geometry and colours for all its frames, images bilinear, label maps nearest."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.media.label_maps import VOID, LabelMap
from vos_tf.pipeline.options import AugmentOptions

GREY = np.array([0.299, 0.587, 0.114])
"""Share of R, G, B in the luminance (ITU-R BT.601)."""


class Change(NamedTuple):
    """What is done to one clip.

    Attributes:
        flip: Mirror from left to right; only where ``matrix`` is ``None``.
        matrix: float64 ``(2, 3)``, place of a pixel ``(x, y, 1)`` in the original for its place in the result
            (flip included); ``None``: stays.
        factors: Of brightness, contrast and saturation; ``None``: colours stay.
    """

    flip: bool
    matrix: NDArray[np.float64] | None
    factors: tuple[float, float, float] | None

    @property
    def stays(self) -> bool:
        """No pixel changes its place."""
        return not self.flip and self.matrix is None

    def without_moves(self) -> Change:
        """The same colours, every pixel in its place."""
        return Change(False, None, self.factors)


def draw_change(options: AugmentOptions, size: tuple[int, int], random: np.random.Generator) -> Change:
    """Draw the change of one clip.

    Args:
        options: The ranges.
        size: ``(H, W)`` of the clip.
        random: Source of all chance; always the same number of draws is taken from it.
    """
    draws = random.uniform(-1.0, 1.0, size=12)
    flip = bool((draws[0] + 1) / 2 < options.flip)
    factors = (
        1 + options.brightness * float(draws[1]),
        1 + options.contrast * float(draws[2]),
        1 + options.saturation * float(draws[3]),
    )
    colours = factors if options.colours else None
    if not options.moves:
        return Change(flip, None, colours)
    return Change(False, _matrix(options, size, flip, draws[4:]), colours)


def _matrix(
    options: AugmentOptions, size: tuple[int, int], flip: bool, draws: NDArray[np.float64]
) -> NDArray[np.float64]:
    height, width = size
    angle, shear = np.deg2rad(options.rotation * draws[0]), np.deg2rad(options.shear * draws[1])
    scale = 1 + options.scale * draws[2]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.array([[1.0, np.tan(shear)], [0.0, 1.0]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = options.translation * draws[3:5] * (width, height)
    forward: NDArray[np.floating[Any]] = np.eye(3)
    forward[:2, :2] = linear
    forward[:2, 2] = centre + shift - linear @ centre
    kept = 1 - options.crop * (draws[5] + 1) / 2
    corner = (draws[6:8] + 1) / 2 * (1 - kept) * (width, height)
    # Pixel centres lie at half pixels of the cropped window.
    crop = np.array([[1 / kept, 0, (0.5 - corner[0]) / kept - 0.5], [0, 1 / kept, (0.5 - corner[1]) / kept - 0.5]])
    forward = np.vstack([crop, [0, 0, 1]]) @ forward
    if flip:
        forward = np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]]) @ forward
    inverse: NDArray[np.float64] = np.linalg.inv(forward)[:2]
    return inverse


def forward_matrix(change: Change, size: tuple[int, ...]) -> NDArray[np.float64]:
    """float64 ``(3, 3)``: the place that a change gives to a pixel ``(x, y, 1)`` of a clip of ``size`` ``(H, W)``."""
    forward: NDArray[np.float64] = np.eye(3)
    if change.matrix is not None:
        forward = np.linalg.inv(np.vstack([change.matrix, [0, 0, 1]]))
    elif change.flip:
        forward[0] = (-1, 0, size[1] - 1)
    return forward


def colour_matrix(factors: tuple[float, float, float], mean_grey: float) -> NDArray[np.float32]:
    """float32 ``(3, 4)``: brightness, contrast and saturation as one affine map of RGB.

    Args:
        factors: Of brightness, contrast and saturation.
        mean_grey: 0..255, the grey that contrast leaves as it is.
    """
    brightness, contrast, saturation = factors
    linear = saturation * np.eye(3) + (1 - saturation) * np.tile(GREY, (3, 1))
    offset = np.full((3, 1), (1 - contrast) * mean_grey)
    return (brightness * np.hstack([contrast * linear, offset])).astype(np.float32)


def move_labels(labels: LabelMap, change: Change, out: LabelMap) -> None:
    """Write the moved ``labels`` ``(H, W)`` into ``out``; void where nothing of the original arrives."""
    if change.matrix is not None:
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(labels, change.matrix, labels.shape[::-1], out, flags, cv2.BORDER_CONSTANT, VOID)
    elif change.flip:
        cv2.flip(labels, 1, out)
    else:
        np.copyto(out, labels)


def move_image(image: NDArray[np.uint8], change: Change, out: NDArray[np.uint8]) -> None:
    """Write the moved ``image`` ``(H, W, 3)`` into ``out``; black where nothing of the original arrives."""
    if change.matrix is not None:
        # OpenCV moves four channels in half the time of three.
        padded = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        padded = cv2.warpAffine(padded, change.matrix, image.shape[1::-1], None, flags, cv2.BORDER_CONSTANT, 0)
        cv2.cvtColor(padded, cv2.COLOR_RGBA2RGB, out)
    elif change.flip:
        cv2.flip(image, 1, out)
    else:
        np.copyto(out, image)
