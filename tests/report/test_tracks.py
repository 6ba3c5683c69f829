"""What is worth a look in a segmented video."""

from __future__ import annotations

import numpy as np
import pytest

from vos_tf.report.tracks import Tracks

SIZE = (20, 30)


def tracks_of(areas: dict[int, list[int]], certain: float = 0.9) -> Tracks:
    """Objects with so many pixels in each frame; -1: not yet followed."""
    tracks = Tracks()
    for index in range(len(next(iter(areas.values())))):
        labels = np.zeros(SIZE, np.uint8)
        ids = [number for number, values in areas.items() if values[index] >= 0]
        for row, number in enumerate(ids):
            labels[6 * row : 6 * row + 6].flat[: areas[number][index]] = number
        confidences = [certain if areas[number][index] else float("nan") for number in ids]
        tracks.add(f"{index:05d}", labels, ids, confidences)
    return tracks


def texts(areas: dict[int, list[int]], certain: float = 0.9) -> list[str]:
    return [event.text for event in tracks_of(areas, certain).events()]


def test_areas_and_confidences() -> None:
    late, early = tracks_of({7: [-1, 12, 0], 3: [30, 30, 60]}).objects[::-1]
    assert (early.object_id, early.first, late.object_id, late.first) == (3, 0, 7, 1)
    np.testing.assert_allclose(early.areas, [0.05, 0.05, 0.1], rtol=1e-5)
    np.testing.assert_allclose(late.areas, [0.02, 0], rtol=1e-5)
    np.testing.assert_allclose(late.confidences, [0.9, np.nan], rtol=1e-5)


def test_lost_objects() -> None:
    assert texts({1: [30, 0, 30, 0, 0]}) == [
        "object 1 is not seen in frame 00001",
        "object 1 is not seen from frame 00003 on, to the end",
    ]
    assert texts({1: [30, 0, 0, 30]}) == ["object 1 is not seen from frame 00001 on, up to frame 00002"]
    assert texts({1: [0, 0, 30], 2: [0, 0, 0]}) == []  # not yet seen is not lost


def test_jumps_in_size() -> None:
    assert texts({1: [30, 50, 20, 25, 90]}) == [
        "object 1 is 2.5 times smaller in frame 00002 than in the frame before",
        "object 1 is 3.6 times larger in frame 00004 than in the frame before",
    ]


@pytest.mark.parametrize(("certain", "count"), [(0.6, 1), (0.8, 0)])
def test_uncertain_frames(certain: float, count: int) -> None:
    assert len(texts({1: [30, 30, 30]}, certain)) == count


def test_an_empty_video_has_no_events() -> None:
    assert Tracks().events() == []
    assert Tracks().objects == ()
