import math

import numpy as np
import pytest
from handmade import make_dataset, square, write_masks

from vos_tf.errors import VosError
from vos_tf.evaluation import PROTOCOLS, score_results
from vos_tf.evaluation.explanation import explain_sequence

TRUTH = [square(5, 5)] * 4 + [square(5, 5) + square(40, 40, number=2)] * 4
RESULT = [np.roll(labels, 2, axis=1) + square(20, 60, number=7) for labels in TRUTH]


def test_every_protocol_gives_its_number_and_says_why(tmp_path):
    dataset = make_dataset(tmp_path / "data", {"s": TRUTH})
    results = write_masks(tmp_path / "results", {"s": RESULT})
    verdicts = {verdict.protocol: verdict for verdict in explain_sequence(results, dataset, "s")}
    assert list(verdicts) == list(PROTOCOLS)
    text = {name: "\n".join(verdict.lines) for name, verdict in verdicts.items()}
    assert "leaves out 2 of 8 frames: 00000, 00007" in text["davis2017"]
    assert "object 2 appears at 00004, after the first frame: not scored" in text["davis2017"]
    assert "refuses ids that no object has: 7" in text["davis2017"]
    assert "merges all ids" in text["davis2016"]
    assert "object 2 appears at 00004: counts in 4 frames" in text["folder"]
    assert "takes 3 ids as proposals; 2 of them cost nothing" in text["davis2017-unsupervised"]
    assert verdicts["folder"].object_ids == (1, 2)
    for name in ("davis2016", "davis2017-unsupervised"):  # those that accept the extra id
        assert verdicts[name].score == pytest.approx(score_results(results, dataset, protocol=name).score)


def test_what_cannot_be_scored_is_explained(tmp_path):
    dataset = make_dataset(tmp_path / "data", {"s": TRUTH[:2]})
    results = write_masks(tmp_path / "results", {"s": [np.where(x > 0, 30, x).astype(np.uint8) for x in TRUTH[:2]]})
    (results / "s" / "00001.png").unlink()
    verdicts = {verdict.protocol: verdict for verdict in explain_sequence(results, dataset, "s")}
    assert math.isnan(verdicts["davis2017"].score)
    assert "3 frames or more, found 2" in verdicts["davis2017"].lines[0]
    assert math.isnan(verdicts["davis2017-unsupervised"].score)
    assert any("refuses ids above 20: 30" in line for line in verdicts["davis2017-unsupervised"].lines)
    assert any("1 masks are missing" in line for line in verdicts["folder"].lines)


def test_unknown_sequence(tmp_path):
    dataset = make_dataset(tmp_path / "data", {"s": TRUTH})
    with pytest.raises(VosError, match="--explain t"):
        explain_sequence(tmp_path, dataset, "t")
