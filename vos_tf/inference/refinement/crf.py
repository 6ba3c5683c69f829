"""Dense CRF: every pixel talks to every other, louder to those near it and of its colour.

Krähenbühl and Koltun (NIPS 2011, arXiv 1210.5644) with the kernels of COSNet's post-processing (Lu et al., CVPR 2019):
a Gaussian of the distance, and a bilateral one of distance and colour. Mean-field steps with symmetrically normalised
kernels and a Potts model:

    Q <- softmax(logits + w1 N(K1) Q + w2 N(K2) Q),    N(K) = D^-1/2 K D^-1/2,    D = K 1

The bilateral sums run on the permutohedral lattice, as in the authors' program; the Gaussian ones are convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.inference.refinement.permutohedral import PermutohedralFilter
from vos_tf.media.images import RGBImage

Maps = NDArray[np.float32]
"""float32 ``(N, H, W)``: one map per object."""

SHORTER_SIDE = 480
"""Of the frames for which widths are given in pixels; they grow with the frame."""
_SUREST = 1e-5  # no object is taken for surer than that


@dataclass(frozen=True)
class CRFSettings:
    """How probabilities are refined.

    Attributes:
        enabled: Refine probabilities by a dense CRF.
        steps: Of the mean field.
        smooth_width: Standard deviation of the Gaussian kernel, in pixels of a frame whose shorter side is 480.
        smooth_weight: Its weight.
        place_width: Standard deviation of the bilateral kernel over the distance, in such pixels.
        colour_width: Its standard deviation over each of R, G, B, 0..255.
        bilateral_weight: Its weight.
        stretch: First bring the lowest probability in a frame to 0 and the highest to 1, as COSNet's authors do: every
            frame has an object then.
    """

    enabled: bool = field(default=False, metadata={"option": "--crf/--no-crf"})
    steps: int = 5
    smooth_width: float = 1.0
    smooth_weight: float = 5.0
    place_width: float = 15.0
    colour_width: float = 7.0
    bilateral_weight: float = 9.0
    stretch: bool = False

    def __post_init__(self) -> None:
        for name in ("smooth_width", "place_width", "colour_width"):
            if not 0 < getattr(self, name) < np.inf:
                raise VosError(f"crf.{name}: expected a number above 0, found {getattr(self, name)}")
        for name in ("steps", "smooth_weight", "bilateral_weight"):
            if not 0 <= getattr(self, name) < np.inf:
                raise VosError(f"crf.{name}: expected 0 or more, found {getattr(self, name)}")


def refine_probabilities(image: RGBImage, probabilities: Maps, settings: CRFSettings | None = None) -> Maps:
    """Refine the probabilities of all objects of a frame together.

    Objects and background share each pixel by their odds: with p the probability of object k, ``p / (1 - p)`` is how
    much likelier k is there than background. Read in the same way, the result can be merged by any rule, and its
    arg-max against 0.5 is the arg-max of the mean field.

    Args:
        image: RGB uint8 ``(H, W, 3)``.
        probabilities: float32 ``(N, H, W)``, 0..1.
        settings: See `CRFSettings`; ``enabled`` is not looked at.

    Returns:
        float32 ``(N, H, W)``, 0..1.

    Raises:
        ValueError: Image and maps differ in size.
        VosError: Kernels are too narrow for the lattice.
    """
    settings = settings or CRFSettings()
    if image.shape[:2] != probabilities.shape[1:]:
        raise ValueError(f"image {image.shape[:2]} and maps {probabilities.shape[1:]} must have one size")
    if not len(probabilities):
        return probabilities
    maps = _stretched(probabilities) if settings.stretch else probabilities
    sure = np.clip(maps.reshape(len(maps), -1).T.astype(np.float32), _SUREST, 1 - _SUREST)
    logits = np.log(sure / (1 - sure))
    refined = _sigmoid(mean_field(logits, _kernels(image, settings), settings.steps))
    return np.ascontiguousarray(refined.T).reshape(probabilities.shape)


Kernel = Callable[[Maps], Maps]
"""Sums float32 ``(n, k)`` of values ``(n, k)`` over all pixels, weighed by a kernel."""


class _Term(NamedTuple):
    """A Potts term: its weight, its kernel, D^-1/2, and the normalised kernel's sums over all pixels."""

    weight: float
    kernel: Kernel
    scale: Maps
    whole: Maps

    @classmethod
    def of(cls, weight: float, kernel: Kernel, pixels: int) -> _Term:
        degree = kernel(np.ones((pixels, 1), np.float32))
        scale = np.asarray(1 / np.sqrt(np.maximum(degree, 1e-20)), np.float32)
        return cls(weight, kernel, scale, scale * kernel(scale))

    def support(self, shares: Maps) -> Maps:
        """What speaks for each object at each pixel, ``(n, N)``."""
        return self.scale * self.kernel(self.scale * shares)


def mean_field(logits: Maps, kernels: list[tuple[float, Kernel]], steps: int) -> Maps:
    """Mean-field steps.

    Args:
        logits: Of N objects against background, float32 ``(n, N)``.
        kernels: Weight and kernel of each Potts term.
        steps: Their number.

    Returns:
        Logits float32 ``(n, N)`` of the objects against background.
    """
    terms = [_Term.of(weight, kernel, len(logits)) for weight, kernel in kernels]
    current = logits
    for _ in range(steps):
        shares = _softmax_beside_zero(current)
        current = logits.copy()
        for term in terms:
            support = term.support(shares)
            # What speaks for background is what speaks for no object.
            current += np.float32(term.weight) * (support + support.sum(axis=1, keepdims=True) - term.whole)
    return current


def _softmax_beside_zero(logits: Maps) -> Maps:
    """Softmax over the objects and a background of logit 0; only the objects' shares."""
    highest = np.maximum(logits.max(axis=1, keepdims=True), 0)
    odds = np.exp(logits - highest)
    shares: Maps = odds / (odds.sum(axis=1, keepdims=True) + np.exp(-highest))
    return shares


def _sigmoid(logits: Maps) -> Maps:
    result: Maps = 0.5 * (1 + np.tanh(0.5 * logits))
    return result


def _stretched(maps: Maps) -> Maps:
    lowest, highest = maps.min(), maps.max()
    return (maps - lowest) / (highest - lowest) if highest > lowest else maps


def _kernels(image: RGBImage, settings: CRFSettings) -> list[tuple[float, Kernel]]:
    height, width = image.shape[:2]
    scale = min(height, width) / SHORTER_SIDE
    kernels: list[tuple[float, Kernel]] = []
    if settings.smooth_weight:
        kernels.append((settings.smooth_weight, _gaussian((height, width), settings.smooth_width * scale)))
    if settings.bilateral_weight:
        rows, columns = np.mgrid[:height, :width].reshape(2, -1) / (settings.place_width * scale)
        colours = image.reshape(-1, 3).T / settings.colour_width
        features = np.concatenate([columns[None], rows[None], colours]).astype(np.float32)
        kernels.append((settings.bilateral_weight, PermutohedralFilter(features)))
    return kernels


def _gaussian(size: tuple[int, int], deviation: float) -> Kernel:
    """A Gaussian of the distance, cut off at five deviations; nothing lies beyond the image."""
    reach = min(max(round(5 * deviation), 1), max(size))
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2).astype(np.float32)

    def blur(values: Maps) -> Maps:
        planes = values.T.reshape(-1, *size)
        blurred = [cv2.sepFilter2D(plane, cv2.CV_32F, line, line, borderType=cv2.BORDER_CONSTANT) for plane in planes]
        return np.stack(blurred).reshape(len(planes), -1).T

    return blur
