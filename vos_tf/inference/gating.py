"""Objects do not jump: what lies too far from where an object was in the frame before is not that object.

Networks take what looks like the object for the object, wherever it is, those without memory above all. OnAVOS
(Voigtlaender and Leibe, BMVC 2017, section 3.4) teaches its network that what lies far from the last mask is
background; here such places are left out of the result, which costs no training.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.media.label_maps import LabelMap

LEAST_REACH = 10.0
"""Pixels that every object may move, however small it is."""
SEEN = 0.5
"""Probability at which an object counts as found."""


def gate_by_distance(
    probabilities: NDArray[np.float32], last: LabelMap, ids: Sequence[int], reach: float
) -> NDArray[np.float32]:
    """Set probabilities to 0 where an object cannot be: in pieces that do not come near its last mask.

    An object that was not seen in the last frame may be anywhere, and so may one that is only found out of its reach.

    Args:
        probabilities: float32 ``(N, H, W)``, 0..1.
        last: Label map uint8 ``(H, W)`` of the frame before.
        ids: The N objects.
        reach: How near a piece has to come to the last mask, in square roots of its area.

    Returns:
        float32 ``(N, H, W)``; the input is not changed.
    """
    kept = np.array(probabilities, np.float32)
    for plane, key in zip(kept, ids, strict=True):
        elsewhere = (last != key).astype(np.uint8)
        area = elsewhere.size - int(elsewhere.sum())
        if not area:
            continue
        near = cv2.distanceTransform(elsewhere, cv2.DIST_L2, 3) <= max(LEAST_REACH, reach * area**0.5)
        _, pieces = cv2.connectedComponents((plane > SEEN).astype(np.uint8), connectivity=8)
        touched = np.unique(pieces[near & (pieces > 0)])
        if len(touched):
            plane[(pieces > 0) & ~np.isin(pieces, touched)] = 0.0
    return kept
