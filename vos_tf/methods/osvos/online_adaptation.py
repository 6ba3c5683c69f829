"""Learning on while a video goes on: from the object's own masks, where they are certain.

OnAVOS (Voigtlaender and Leibe, BMVC 2017, section 3.4): what the network is sure of is taken for the object, what is
far from it for background, and the first frame is learned again beside it, so that errors do not pile up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.media.label_maps import BACKGROUND, VOID, LabelMap
from vos_tf.methods.osvos.options import AdaptationSettings, OSVOSFinetuneSettings

LEAST_DISTANCE = 20.0
"""Pixels from an object that never are taken for background because of their distance, however small it is."""
SCALES = (0.8, 1.0, 1.3)
"""Scales at which an object's own masks are learned from."""


def certain_labels(
    probabilities: NDArray[np.float32], labels: LabelMap, ids: Sequence[int], settings: AdaptationSettings
) -> LabelMap:
    """What is certain in a frame that the network has segmented itself.

    Args:
        probabilities: float32 ``(N, H, W)`` of the objects.
        labels: The label map made of them, uint8 ``(H, W)``; it may hold other objects, too.
        ids: The N objects.
        settings: See `AdaptationSettings`.

    Returns:
        uint8 ``(H, W)``: the objects' ids, 0 for background (other objects among it), void where nothing is certain.
    """
    background = ~np.isin(labels, ids)
    certain = np.full(labels.shape, VOID, np.uint8)
    kernel = np.ones((2 * settings.border + 1,) * 2, np.uint8)
    for plane, key in zip(probabilities, ids, strict=True):
        mask = labels == key
        away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3) if mask.any() else np.zeros(mask.shape)
        far = away > max(LEAST_DISTANCE, settings.distance * float(mask.sum()) ** 0.5)
        background &= far | (plane < settings.unlikely)
        inside = cv2.erode(mask.astype(np.uint8), kernel, borderValue=1) > 0
        certain[inside & (plane > settings.certain)] = key
    certain[background] = BACKGROUND
    return certain


def own_masks_settings(settings: OSVOSFinetuneSettings) -> OSVOSFinetuneSettings:
    """How samples of a segmented frame are drawn: objects stay where they are, near their own size."""
    return replace(settings, motion=0.0, scales=SCALES, crop_focus=1.0)


def online_settings(settings: OSVOSFinetuneSettings, adaptation: AdaptationSettings) -> OSVOSFinetuneSettings:
    """How the updates are done: like the first ones, but each frame of a batch counts alike."""
    loss = "balanced_mean" if settings.loss == "balanced_batch" else settings.loss
    return replace(settings, learning_rate=adaptation.learning_rate, schedule="constant", loss=loss)
