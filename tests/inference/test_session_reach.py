"""Pieces of an object that do not come near its last mask are left out, where a method asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from vos_tf.inference.merging.graph import MergingGraph
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.session import Session


class TwoPieces(Session):
    """Sees the object where it was, and another piece far away."""

    def _advance(self, frame: np.ndarray) -> Any:
        maps = np.zeros((len(self._ids), *self.size), np.float32)
        maps[:, 5:15, 6:16] = 0.9
        maps[:, 40:50, 60:70] = 0.9
        return tf.constant(maps)

    def _join(self, frame: np.ndarray, labels: np.ndarray, ids: tuple[int, ...], name: str) -> None:
        pass

    def _keep(self, indices: Sequence[int]) -> None:
        pass


@pytest.mark.parametrize("reach", [0.0, 0.5])
def test_only_near_pieces_stay_where_there_is_a_reach(reach: float) -> None:
    session = TwoPieces((60, 80), MergingGraph(MergeRule()))
    session.reach = reach
    frame, mask = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.uint8)
    mask[5:15, 5:15] = 4
    session.add(mask)
    np.testing.assert_array_equal(session.step(frame).labels, mask)
    result = session.step(frame)
    assert (result.labels[5:15, 6:16] == 4).all()
    assert (result.labels[40:50, 60:70] == 4).all() == (reach == 0)
    assert (result.probabilities[0, 45, 65] > 0.5) == (reach == 0)
    moved = np.roll(mask, (35, 50), (0, 1))  # a mask that is given far away stands
    session.add(moved)
    assert (session.step(frame).labels[moved > 0] == 4).all()
