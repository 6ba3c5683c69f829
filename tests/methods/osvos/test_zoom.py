"""A closer look: the window holds the object, is magnified as far as allowed, and goes back to where it came from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.errors import VosError
from vos_tf.methods.osvos.options import ZoomSettings
from vos_tf.methods.osvos.zoom import Window, window_around

FRAME = (60, 100)


def mask_of(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros(FRAME, bool)
    mask[top : top + height, left : left + width] = True
    return mask


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 50), st.integers(0, 90), st.integers(1, 30), st.integers(1, 50), st.floats(1, 4), st.floats(1, 5))
def test_the_window_holds_the_object_and_stays_in_the_frame(
    top: int, left: int, height: int, width: int, margin: float, limit: float
) -> None:
    mask = mask_of(top, left, height, width)
    window = window_around(mask, (40, 70), ZoomSettings(0.5, margin, limit))
    rows, columns = np.nonzero(mask)
    extent = np.array([np.ptp(columns) + 1, np.ptp(rows) + 1])
    if window is None:
        assert limit == 1 or min(np.array([70, 40]) / (extent * margin)) <= 1
        return
    assert 1 < 1 / window.matrix[0, 0] <= limit + 1e-9
    corner = window.matrix @ [-0.5, -0.5, 1.0]
    opposite = window.matrix @ [69.5, 39.5, 1.0]
    assert (corner >= -0.5 - 1e-9).all()
    assert (opposite <= np.array([99.5, 59.5]) + 1e-9).all()
    assert (corner <= [columns.min() - 0.5 + 1e-9, rows.min() - 0.5 + 1e-9]).all()
    assert (opposite >= [columns.max() + 0.5 - 1e-9, rows.max() + 0.5 - 1e-9]).all()


def test_what_is_cut_out_goes_back_to_its_place() -> None:
    smooth = np.add.outer(np.arange(60.0), 2 * np.arange(100.0))
    frame = np.repeat(smooth[..., None], 3, axis=2).astype(np.uint8)
    window = window_around(mask_of(20, 40, 8, 12), (40, 70), ZoomSettings(0.5, 1.5, 3.0))
    assert window is not None
    closer = window.cut(frame)[..., 0].astype(np.float32)
    blended = window.blend(closer, np.full(FRAME, -1, np.float32), 1.0)
    inside = blended >= 0
    np.testing.assert_allclose(blended[inside], smooth[inside] % 256, atol=1.5)
    assert inside[20:28, 40:52].all()
    assert inside.sum() == pytest.approx(40 * 70 / 9, rel=0.15)
    half = window.blend(closer, smooth.astype(np.float32) % 256, 0.5)
    np.testing.assert_allclose(half, smooth % 256, atol=1.0)


def test_nothing_to_magnify() -> None:
    assert window_around(np.zeros(FRAME, bool), (40, 70), ZoomSettings(0.5)) is None
    assert window_around(mask_of(0, 0, 58, 20), (40, 70), ZoomSettings(0.5)) is None


def test_the_scale_of_the_whole_view_counts() -> None:
    """A frame that the network sees at half its size: a window of its size is magnified from there."""
    window = window_around(mask_of(20, 40, 20, 40), (30, 50), ZoomSettings(0.5, 1.0), scale=0.5)
    assert window is not None
    assert 1 / window.matrix[0, 0] == pytest.approx(1.25)


def test_a_window_may_be_longer_than_the_frame() -> None:
    window = window_around(mask_of(20, 40, 8, 12), (40, 400), ZoomSettings(0.5, 1.5, 2.0))
    assert isinstance(window, Window)
    assert window.cut(np.full((*FRAME, 3), 7, np.uint8)).shape == (40, 400, 3)
    assert (window.cut(np.full((*FRAME, 3), 7, np.uint8)) == 7).all()


@pytest.mark.parametrize("wrong", [{"share": 1.1}, {"margin": 0.5}, {"limit": 0.9}])
def test_wrong_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(VosError, match=f"zoom.{next(iter(wrong))}: expected"):
        ZoomSettings(**wrong)
