import json
import math
from pathlib import Path

import numpy as np
import pytest

from vos_tf.evaluation.statistics import average, statistics

GOLDEN = json.loads((Path(__file__).parent / "golden" / "edge_cases.json").read_text())["db_statistics"]
SERIES = {name: name for name in GOLDEN if name.startswith("linspace")}


@pytest.mark.parametrize("name", SERIES)
def test_official_statistics_including_their_defect(name):
    start, end, count = map(int, name.removeprefix("linspace(").removesuffix(")").split(","))
    expected = [math.nan if value is None else value for value in GOLDEN[name]]
    found = statistics(np.linspace(start, end, count), "official")
    assert tuple(found) == pytest.approx(expected, abs=1e-6, nan_ok=True)
    if count < 256:
        assert statistics(np.linspace(start, end, count)) == found


def test_decay_of_long_series_is_right_by_default():
    values = np.repeat([1.0, 0.5, 0.5, 0.0], 150)
    assert math.isnan(statistics(values, "official").decay)
    assert statistics(values).decay == pytest.approx(1.0, abs=0.02)


def test_missing_values_are_left_out():
    assert tuple(statistics([1, math.nan, 0.2, 0.6])) == pytest.approx(GOLDEN["[1,nan,.2,.6]"])


def test_recall_counts_strictly_above_half():
    assert statistics([0.5, 0.5]).recall == 0
    assert GOLDEN["value exactly 0.5 counts for recall"] is False


def test_empty_series_has_no_statistics():
    assert all(math.isnan(value) for value in statistics([]))


def test_average_leaves_out_nan():
    rows = [statistics([1.0]), statistics([])]
    assert average(rows) == statistics([1.0])
