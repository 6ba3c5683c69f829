"""Networks that keep the proportions of a video: about as many pixels as their size, in multiples of their stride."""

from __future__ import annotations

import numpy as np
import pytest

from vos_tf.inference.resizing import in_proportion


@pytest.mark.parametrize(("frame", "expected"), [
    ((480, 854), (480, 864)),
    ((1080, 1920), (480, 864)),
    ((1920, 1080), (864, 480)),
    ((768, 1024), (560, 736)),
    ((100, 100), (640, 640)),
])  # fmt: skip
def test_frames_keep_their_proportions(frame: tuple[int, int], expected: tuple[int, int]) -> None:
    assert tuple(np.asarray(in_proportion(frame, 480 * 864, 16))) == expected


def test_no_side_is_nothing() -> None:
    height, width = np.asarray(in_proportion((1, 4000), 64 * 96, 16))
    assert height == 16 and width % 16 == 0
