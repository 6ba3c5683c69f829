"""Which proposal stands for which object: the assignment of the unsupervised protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vos_tf.evaluation.scoring import FrameScores


def match_proposals(frames: Sequence[FrameScores], object_ids: Sequence[int]) -> dict[int, int | None]:
    """Match proposals and objects one to one so that the mean J&F over the whole video is highest.

    There are as many proposals as the highest id, and at least as many as objects; those that never occur are
    empty masks, as in the official tool.

    Args:
        frames: Scores of every proposal that occurs in the frame, and of proposal 0 (an empty mask), against
            every object.
        object_ids: The objects.

    Returns:
        By object, the proposal, or ``None`` where the best match is a proposal that never occurs.
    """
    from scipy.optimize import linear_sum_assignment  # takes half a second to import; only this protocol needs it

    occurring = {pair[0] for frame in frames for pair in frame.pairs} - {0}
    count = max([len(object_ids), *occurring])
    column = {number: index for index, number in enumerate(object_ids)}
    values = np.zeros((len(frames), count, len(object_ids), 2))
    for time, frame in enumerate(frames):
        rows = sorted(zip(frame.pairs, frame.scores, strict=True), key=lambda row: row[0])  # the empty mask first
        for (proposal, number), score in rows:
            values[time, proposal - 1 if proposal else slice(None), column[number]] = score
    means = values.mean(axis=0)
    chosen, objects = linear_sum_assignment(-(means[..., 0] + means[..., 1]) / 2)
    matches: dict[int, int | None] = dict.fromkeys(object_ids)
    for proposal, index in zip(chosen.tolist(), objects.tolist(), strict=True):
        if proposal + 1 in occurring:
            matches[object_ids[index]] = proposal + 1
    return matches
