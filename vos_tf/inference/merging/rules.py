"""How objects compete for a pixel: rules by name, and thresholds of published implementations. No TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from vos_tf.config import nearest, one_of
from vos_tf.errors import VosError

RULES = ("argmax", "soft_aggregation", "last_wins", "painted")

THRESHOLDS = {
    "rs2s": 0.5,  # plane of the background
    "shashankvkt": 0.4,  # a PyTorch port of Xu et al.: plane of the background
    "toghi": 1 / 255,  # a TensorFlow 1 port of Xu et al.: 8-bit values of 1 or more, with last_wins
    "osvos_tensorflow": 162 / 255,
    "osvos_caffe": 193 / 255,  # for viewing
    "osvos_snapping": 122 / 255,  # in Caffe, before snapping
}
"""The threshold of each implementation."""


@dataclass(frozen=True)
class MergeRule:
    """How objects compete for a pixel.

    Attributes:
        name: ``argmax``: the most probable object, if it beats the constant ``background``. ``soft_aggregation``
            (Oh et al., CVPR 2018): background is the product of ``1 - p``, then the highest odds win.
            ``last_wins``: every object whose probability reaches ``background`` overwrites the ones before it.
            ``painted`` (Ventura et al., CVPR 2019): as ``last_wins``, in the order of how well the objects were
            segmented in their first frames, the best last; only for models that segment those frames, too.
        background: Probability of the background plane (see `THRESHOLDS`), or the threshold of ``last_wins`` and
            ``painted``, 0..1; not used by ``soft_aggregation``.
    """

    name: str = "argmax"
    background: float = 0.5

    def __post_init__(self) -> None:
        one_of("merge rule", self.name, RULES)
        if not 0 <= self.background <= 1:
            raise VosError(f"background: expected a probability, 0 to 1, found {self.background}")


def threshold(text: str) -> float:
    """A threshold from a number, or from the name of an implementation in `THRESHOLDS`.

    Raises:
        VosError: It is neither.

    >>> threshold("0.45"), threshold("shashankvkt")
    (0.45, 0.4)
    """
    if text in THRESHOLDS:
        return THRESHOLDS[text]
    try:
        return float(text)
    except ValueError:
        names = ", ".join(THRESHOLDS)
        raise VosError(
            f"background: expected a number from 0 to 1 or one of {names}, found {text!r}{nearest(text, [*THRESHOLDS])}"
        ) from None
