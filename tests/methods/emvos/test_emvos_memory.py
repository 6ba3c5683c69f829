"""The memory of EMVOS against NumPy's closed forms and slow definitions."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from vos_tf.methods.emvos import memory

RANDOM = np.random.default_rng(0)
KEYS = np.asarray(memory.unit(RANDOM.normal(size=(2, 40, 6)).astype(np.float32)))
INSIDE = RANDOM.uniform(size=(2, 40)).astype(np.float32)
WEIGHTS = np.asarray(memory.class_weights(INSIDE))
VALUES = np.concatenate([INSIDE[..., None], KEYS[..., :2]], axis=-1)


def test_ridge_is_numpys_closed_form() -> None:
    problem = memory.equations(KEYS, WEIGHTS)
    found = np.asarray(memory.solved(problem, 0.05, 40))[..., 0]
    for index in range(2):
        x = np.concatenate([KEYS[index], np.ones((40, 1))], axis=-1)
        inside, outside = (w / w.sum() / 2 for w in WEIGHTS[index].astype(np.float64))
        matrix = x.T @ np.diag(inside + outside) @ x + 0.05 * np.eye(7)
        np.testing.assert_allclose(found[index], np.linalg.solve(matrix, x.T @ (inside - outside)), atol=1e-5)


def test_the_steps_taken_come_close_to_the_closed_form() -> None:
    keys = np.asarray(memory.unit(RANDOM.normal(size=(1, 500, 64)).astype(np.float32) + 0.3))
    problem = memory.equations(keys, memory.class_weights(ops.cast(keys[..., 0] > 0.1, "float32")))
    matrix = np.asarray(problem.matrix[0], np.float64) + 0.01 * np.eye(65)
    exact = np.linalg.solve(matrix, np.asarray(problem.vector[0]))
    x = np.asarray(memory.with_constant(keys))[0]
    np.testing.assert_allclose(x @ np.asarray(memory.solved(problem, 0.01, 16))[0], x @ exact, atol=0.02)


def test_every_cell_is_shared_out_among_the_bases_of_its_class() -> None:
    bases = memory.first_bases(KEYS, VALUES, WEIGHTS, 5, 3, 0.05)
    np.testing.assert_allclose(np.sum(bases.mass, axis=-1), np.sum(WEIGHTS, axis=-1), rtol=1e-5)
    np.testing.assert_allclose(np.sum(bases.keys, axis=2), WEIGHTS @ KEYS, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.sum(bases.values, axis=2), WEIGHTS @ VALUES, rtol=1e-4, atol=1e-4)


def test_seeds_lie_in_their_class() -> None:
    inside = np.zeros((1, 40), np.float32)
    inside[0, 10:20] = 1
    found = np.asarray(memory.seeds(KEYS[:1], memory.class_weights(inside), 5))[0]
    own = [[int(np.argmax(KEYS[0] @ seed)) for seed in part] for part in found]
    assert own[0] == [10, 12, 14, 16, 18]
    assert not set(own[1]) & set(range(10, 20)) and len(set(own[1])) == 5


def test_bases_tell_the_classes_they_were_made_of_apart() -> None:
    object_, ground = np.eye(6, dtype=np.float32)[:2]
    keys = np.stack([object_] * 20 + [ground] * 20)[None]
    weights = memory.class_weights(np.repeat([1, 0], 20).astype(np.float32)[None])
    bases = memory.first_bases(keys, keys[..., :1], weights, 4, 3, 0.05)
    reading = memory.read(keys, bases, 0.05)
    np.testing.assert_allclose(reading.probability[0, :, 0], [1] * 20 + [0] * 20, atol=1e-5)
    np.testing.assert_allclose(reading.values[0, :, 0], [1] * 20 + [0] * 20, atol=1e-4)
    np.testing.assert_allclose(reading.similarities[0, 0], [1, 0, 1], atol=1e-4)


def test_moving_bases_forget() -> None:
    bases = memory.first_bases(KEYS, VALUES, WEIGHTS, 5, 3, 0.05)
    moved = memory.moved_bases(bases, KEYS, VALUES, 0 * WEIGHTS, 2, 0.7, 0.05)
    for before, after in zip(bases, moved, strict=True):
        np.testing.assert_allclose(after, 0.7 * np.asarray(before), rtol=1e-5)


@pytest.mark.parametrize("size", [(6, 7), (3, 9)])
def test_local_match_is_its_slow_definition(size: tuple[int, int]) -> None:
    height, width = size
    keys, before = (np.asarray(memory.unit(RANDOM.normal(size=(2, *size, 4)).astype(np.float32))) for _ in range(2))
    last = RANDOM.uniform(size=(2, *size, 1)).astype(np.float32)
    found = np.asarray(memory.local_match(keys, before, last, 2, 0.1))
    for n, row, column in np.ndindex(2, height, width):
        places = [
            (y, x)
            for y in range(max(row - 2, 0), min(row + 3, height))
            for x in range(max(column - 2, 0), min(column + 3, width))
        ]
        similarity = np.array([keys[n, row, column] @ before[n, y, x] for y, x in places])
        there = np.array([last[n, y, x, 0] for y, x in places])
        weights = np.exp(similarity / 0.1)
        expected = [
            weights @ there / weights.sum(),
            max((similarity * there).max(), 0 if len(places) < 25 else -1),
            max((similarity * (1 - there)).max(), 0 if len(places) < 25 else -1),
        ]
        np.testing.assert_allclose(found[n, row, column], expected, atol=1e-5)
