"""What is certain of a frame: the middle of found objects, and what is far from them or unlikely."""

from __future__ import annotations

import numpy as np
import pytest

from vos_tf.errors import VosError
from vos_tf.media.label_maps import VOID
from vos_tf.methods.osvos.online_adaptation import (
    AdaptationSettings,
    certain_labels,
    online_settings,
    own_masks_settings,
)
from vos_tf.methods.osvos.options import OSVOSFinetuneSettings

SIZE = (80, 120)
LABELS = np.zeros(SIZE, np.uint8)
LABELS[20:40, 20:40] = 3
LABELS[20:40, 40:60] = 5


def found(certainty: float = 0.99) -> np.ndarray:
    return np.stack([np.where(key == LABELS, np.float32(certainty), np.float32(0.3)) for key in (3, 5)])


def test_the_middle_is_sure_and_the_distance_is() -> None:
    certain = certain_labels(found(), LABELS, (3, 5), AdaptationSettings(border=3, distance=1.5))
    inner = np.zeros(SIZE, bool)
    inner[23:37, 23:37] = True
    np.testing.assert_array_equal(certain == 3, inner)
    np.testing.assert_array_equal(certain == 5, np.roll(inner, 20, axis=1))
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    away = np.hypot(
        np.maximum(np.maximum(20 - rows, rows - 39), 0), np.maximum(np.maximum(20 - columns, columns - 59), 0)
    )
    assert (certain[away > 32] == 0).all()
    assert (certain[(away > 0) & (away < 28)] == VOID).all()


def test_what_is_unlikely_is_background_wherever_it_is() -> None:
    planes = found()
    planes[:, 10:15] = 0.05
    certain = certain_labels(planes, LABELS, (3, 5), AdaptationSettings(distance=10))
    assert (certain[10:15] == 0).all()
    assert (certain[15:20] == VOID).all()
    planes[1, 10:15] = 0.4  # one of the objects may be there
    assert (certain_labels(planes, LABELS, (3, 5), AdaptationSettings(distance=10))[10:15] == VOID).all()


def test_what_is_not_certain_teaches_nothing() -> None:
    certain = certain_labels(found(0.8), LABELS, (3, 5), AdaptationSettings())
    assert not np.isin(certain, (3, 5)).any()
    assert (certain[LABELS > 0] == VOID).all()


def test_an_object_that_is_not_seen_may_be_anywhere_that_is_not_unlikely() -> None:
    certain = certain_labels(found()[:1], np.zeros(SIZE, np.uint8), (3,), AdaptationSettings(distance=0.1))
    assert (certain == VOID).all()


def test_other_objects_are_background_where_they_are_far_or_unlikely() -> None:
    certain = certain_labels(found()[:1], LABELS, (3,), AdaptationSettings(distance=0.0))
    assert (certain[20:40, 41:58] == VOID).all()  # nearer than twenty pixels, and not unlikely
    assert (certain[:, 61:] == 0).all()


def test_batches_count_each_frame_alike() -> None:
    settings = OSVOSFinetuneSettings(loss="balanced_batch", schedule="cosine", learning_rate=1e-3, motion=0.5)
    online = online_settings(settings, AdaptationSettings(learning_rate=2e-4))
    assert (online.loss, online.schedule, online.learning_rate) == ("balanced_mean", "constant", 2e-4)
    assert own_masks_settings(settings).motion == 0


@pytest.mark.parametrize(
    "wrong", [{"steps": -1}, {"every": 0}, {"learning_rate": 0.0}, {"certain": 2.0}, {"unlikely": -0.1}, {"border": -1}]
)
def test_wrong_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(VosError, match=f"adaptation.{next(iter(wrong))}: expected"):
        AdaptationSettings(**wrong)  # type: ignore[arg-type]
