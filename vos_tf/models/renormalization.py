"""Weights of a first convolution for images that are normalised in another way than those it was trained with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos_tf.models.layers import ImageNormalization


def for_other_images(kernel: NDArray[Any], bias: NDArray[Any], trained: str, wanted: str) -> list[NDArray[np.float32]]:
    """The first convolution of a trunk for images of another of `vos_tf.models.layers.NORMALIZATIONS`.

    It gives the same as before; but for a border, where zeros stand for another grey.

    Args:
        kernel: ``(h, w, 3, out)``, with a fourth channel for the mask ``(h, w, 4, out)``; that one stays as it is.
        bias: ``(out,)``.
        trained: Normalisation that the weights were trained with.
        wanted: Normalisation that they are meant for.

    Returns:
        Kernel and bias, float32.
    """
    (old_scale, old_shift), (new_scale, new_shift) = _affine(trained), _affine(wanted)
    # normalised = rgb @ scale + shift, so kernel @ normalised stays if the kernel takes the quotient of both scales.
    image = np.einsum("dc,hwco->hwdo", np.linalg.solve(new_scale, old_scale), kernel[:, :, :3].astype(np.float64))
    offset = np.einsum("c,hwco->o", old_shift, kernel[:, :, :3]) - np.einsum("c,hwco->o", new_shift, image)
    changed = np.concatenate([image, kernel[:, :, 3:]], axis=2)
    return [changed.astype(np.float32), (bias + offset).astype(np.float32)]


def _affine(kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A normalisation as matrix ``(rgb, channel)`` and shift ``(channel,)``."""
    values = np.concatenate([255.0 * np.eye(3), np.zeros((1, 3))])[None, None].astype(np.float32)
    answers = np.asarray(ImageNormalization(kind, dtype="float32")(values), np.float64)[0, 0]
    return (answers[:3] - answers[3]) / 255.0, answers[3]
