import math

import numpy as np
import pytest
from handmade import make_dataset, square, write_masks

from vos_tf.errors import VosError
from vos_tf.evaluation import score_results
from vos_tf.evaluation.comparison import compare, worst_frames

TRUTH = {f"v{n}": [square(10, 10 + i, side=20) for i in range(12)] for n in range(6)}


def shifted(by):
    return {name: [np.roll(labels, by, axis=0) for labels in masks] for name, masks in TRUTH.items()}


@pytest.fixture
def tables(tmp_path):
    dataset = make_dataset(tmp_path / "data", TRUTH)
    better, worse, mixed = shifted(1), shifted(5), shifted(1)
    mixed["v0"], better["v3"] = shifted(8)["v0"], shifted(2)["v3"]
    folders = [write_masks(tmp_path / name, masks) for name, masks in zip("abc", (worse, better, mixed), strict=True)]
    return [score_results(folder, dataset) for folder in folders]


def test_rows_and_differences_are_those_of_the_tables(tables):
    comparison = compare(tables)
    assert comparison.names == ("a", "b", "c")
    assert comparison.scores == tuple(table.score for table in tables)
    assert np.mean([row[1] for row in comparison.rows.values()]) == pytest.approx(comparison.scores[1])
    first, second = comparison.differences
    assert first.value == pytest.approx(comparison.scores[1] - comparison.scores[0])
    assert first.low <= first.value <= first.high
    assert first.low > 0  # better on every sequence
    assert second.low < 0 < second.high or second.low < second.value  # worse on one
    assert compare(tables) == comparison


def test_equal_results_differ_by_nothing(tables):
    assert tuple(compare([tables[0], tables[0]]).differences[0]) == (0.0, 0.0, 0.0)


def test_interval_agrees_with_resampling_written_out(tables):
    scores = np.array([list(row) for row in compare(tables).rows.values()])
    gaps = scores[:, 2] - scores[:, 0]
    rng = np.random.default_rng(5)
    means = [gaps[rng.integers(0, len(gaps), len(gaps))].mean() for _ in range(4000)]
    found = compare(tables).differences[1]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=0.02)


def test_worst_frames_come_worst_first_and_apart(tables):
    table = tables[2]
    frames = worst_frames(table, 3)
    assert all(item.sequence == "v0" for item in frames[:2])
    assert [item.score for item in frames] == sorted(item.score for item in frames)
    assert abs(int(frames[0].frame) - int(frames[1].frame)) >= 5
    neighbours = worst_frames(table, 3, apart=1)
    assert {item.sequence for item in neighbours} == {"v0"}


def test_one_sequence_gives_no_interval(tmp_path):
    dataset = make_dataset(tmp_path / "data", {"v0": TRUTH["v0"]})
    table = score_results(write_masks(tmp_path / "a", {"v0": shifted(1)["v0"]}), dataset)
    assert math.isnan(compare([table, table]).differences[0].low)


def test_only_results_scored_alike_can_be_compared(tmp_path, tables):
    with pytest.raises(VosError, match="two results or more"):
        compare(tables[:1])
    dataset = make_dataset(tmp_path / "other", {"v0": TRUTH["v0"]})
    other = score_results(write_masks(tmp_path / "x", {"v0": shifted(1)["v0"]}), dataset)
    with pytest.raises(VosError, match="scored alike"):
        compare([tables[0], other])
