"""Mean, recall and decay of a series of scores over time (Perazzi et al., CVPR 2016, section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Decay = Literal["fixed", "official"]

RECALL_THRESHOLD = 0.5
_BINS = 4


class Statistics(NamedTuple):
    """Statistics of one series. Each may be ``nan`` (no value).

    Attributes:
        mean: Average over the frames.
        recall: Share of the frames above 0.5 (strictly).
        decay: Mean of the first quarter less mean of the last: what is lost over time.
    """

    mean: float
    recall: float
    decay: float


def statistics(values: Sequence[float] | NDArray[np.float64], decay: Decay = "fixed") -> Statistics:
    """Mean, recall and decay of a series of scores.

    The quarters share their end frames, as in the official code. That code keeps the frame numbers in 8 bits, so
    that its decay is wrong or ``nan`` for series of 256 frames and more.

    Args:
        values: Scores by frame, 0..1; ``nan`` counts as no value (but not above 0.5).
        decay: ``official`` repeats the 8-bit defect, to compare with published numbers of long videos.

    >>> statistics([1.0, 0.75, 0.25, 0.0])
    Statistics(mean=0.5, recall=0.5, decay=0.75)
    """
    series = np.asarray(values, np.float64)
    if series.size == 0:
        return Statistics(np.nan, np.nan, np.nan)
    borders = np.round(np.linspace(1, series.size, _BINS + 1) + 1e-10).astype(np.int64) - 1
    ends = borders + 1
    if decay == "official":
        borders, ends = borders % 256, (borders % 256 + 1) % 256
    first, last = series[borders[0] : ends[1]], series[borders[-2] : ends[-1]]
    recall = float(np.mean(series > RECALL_THRESHOLD))
    return Statistics(_nanmean(series), recall, _nanmean(first) - _nanmean(last))


def average(rows: Iterable[Statistics]) -> Statistics:
    """The mean of several statistics, field by field, without ``nan``."""
    table = np.array(list(rows), np.float64).reshape(-1, len(Statistics._fields))
    return Statistics(*(_nanmean(column) for column in table.T))


def _nanmean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
