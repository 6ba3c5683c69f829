import csv
import json
import math

import numpy as np
import pytest
from handmade import make_dataset, square, write_masks
from PIL import Image

from vos_tf.errors import ProblemsError, VosError
from vos_tf.evaluation import score_results

TRUTH = {
    "a": [square(10, 10 + i) + square(40, 30, number=2) for i in range(40)],
    "b": [square(20, 20 + i) for i in range(5)],
}
RESULT = {name: [np.roll(labels, 2, axis=1) for labels in masks] for name, masks in TRUTH.items()}


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "data", TRUTH)


@pytest.fixture
def results(tmp_path):
    return write_masks(tmp_path / "results", RESULT)


def problems(error):
    return {problem.file.rsplit("results/")[-1]: problem.found for problem in error.value.problems}


@pytest.mark.parametrize("protocol", ["davis2017", "davis2017-unsupervised", "davis2016"])
def test_splitting_over_workers_changes_nothing(dataset, results, protocol):
    measures = ("J", "F", "T") if protocol == "davis2016" else ("J", "F")
    one, two = (
        score_results(results, dataset, protocol=protocol, workers=workers, measures=measures) for workers in (1, 2)
    )
    assert json.dumps(one.to_json()) == json.dumps(two.to_json())


def test_missing_masks_are_each_listed_or_scored_as_empty(dataset, results):
    for frame in ("00001", "00003"):
        (results / "b" / f"{frame}.png").unlink()
    with pytest.raises(ProblemsError) as error:
        score_results(results, dataset)
    assert problems(error) == {"b/00001.png": "no such file", "b/00003.png": "no such file"}
    table = score_results(results, dataset, missing="zero")
    assert table.remarks[0] == "2 missing masks were scored as empty"
    scores = table.by_sequence["b"][0].values["J"]
    assert scores[0] == scores[2] == 0
    assert scores[1] > 0


def test_everything_wrong_is_found_in_one_go(dataset, results):
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(results / "a" / "00002.png")
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(results / "a" / "00003.png")
    Image.fromarray(np.full((60, 80), 9, np.uint8)).save(results / "a" / "00004.png")
    (results / "a" / "00005.png").write_bytes((results / "a" / "00006.png").read_bytes()[:60])
    Image.fromarray(np.zeros((60, 80), np.uint8)).save(results / "a" / "00007.png", format="JPEG")
    Image.fromarray(np.zeros((60, 80), np.uint16)).save(results / "a" / "00008.png")
    Image.fromarray(np.zeros((60, 80, 4), np.uint8)).save(results / "a" / "00009.png")
    (results / "a" / "00010.png").write_bytes(b"")
    with pytest.raises(ProblemsError) as error:
        score_results(results, dataset)
    assert problems(error) == {
        "a/00002.png": "colours (RGB)",
        "a/00003.png": "40x30",
        "a/00004.png": "id 9",
        "a/00005.png": "a file that cannot be decoded",
        "a/00007.png": "a JPEG file",
        "a/00008.png": "a grey PNG of 16 bit",
        "a/00009.png": "colours (RGB) with transparency",
        "a/00010.png": "a file that cannot be decoded",
    }


def test_ground_truth_is_refused_as_result(tmp_path, dataset):
    with pytest.raises(ProblemsError, match="found a copy of the ground truth"):
        score_results(tmp_path / "data" / "Annotations", dataset)
    copy = write_masks(tmp_path / "copy", TRUTH)
    with pytest.raises(ProblemsError, match="found a copy of the ground truth"):
        score_results(copy, dataset)
    assert score_results(copy, dataset, identical="allow").score == 1.0


def test_folder_that_is_not_there(tmp_path, dataset):
    with pytest.raises(VosError, match="found no such folder"):
        score_results(tmp_path / "nowhere", dataset)


def test_folder_one_level_too_high_is_explained(tmp_path, dataset):
    write_masks(tmp_path / "high" / "Annotations", RESULT)
    seen = []
    with pytest.raises(ProblemsError):
        score_results(tmp_path / "high", dataset, on_preflight=seen.append)
    assert any("are the sequences in" in remark and "Annotations" in remark for remark in seen[0].remarks)
    assert seen[0].sequences == (0, 2, 1)


def test_preflight_counts_what_is_there(dataset, results):
    write_masks(results, {"c": RESULT["b"]})
    (results / "a" / "00039.png").rename(results / "a" / "00099.png")
    (results / "b" / "00002.png").unlink()
    seen = []
    score_results(results, dataset, missing="zero", on_preflight=seen.append)
    found = seen[0]
    assert found.sequences == (2, 0, 1)
    assert found.frames == (38 + 2, 1, 1)
    assert found.sizes == (40, 0, 0)
    assert found.ids == (3, 0, 0)


def test_annotation_of_another_size_is_named(tmp_path, dataset, results):
    Image.fromarray(np.zeros((60, 79), np.uint8)).save(tmp_path / "data" / "Annotations" / "a" / "00004.png")
    with pytest.raises(VosError, match=r"00004.png: expected an annotation of 80x60 pixels, found 79x60"):
        score_results(results, dataset)


def test_json_and_csv_name_protocol_and_fingerprint_and_agree(tmp_path, dataset, results):
    table = score_results(results, dataset, protocol="davis2017-unsupervised")
    table.write_json(tmp_path / "scores.json")
    table.write_csv(tmp_path / "scores.csv")
    content = json.loads((tmp_path / "scores.json").read_text())
    rows = list(csv.reader((tmp_path / "scores.csv").open()))
    assert content["protocol"]["name"] == rows[1][0] == "davis2017-unsupervised"
    assert content["dataset"]["fingerprint"] == rows[1][3] == dataset.fingerprint
    assert content["score"]["value"] == table.score
    lines = {tuple(row[:3]): dict(zip(rows[2], row, strict=True)) for row in rows[3:]}
    item = content["sequences"]["a"]["objects"]["2"]
    assert float(lines["object", "a", "2"]["F_mean"]) == pytest.approx(item["F"]["mean"], abs=1e-6)
    assert lines["object", "a", "2"]["proposal"] == str(item["proposal"]) == "2"
    assert len(item["per_frame"]["J"]) == len(item["frames"]) == 40
    assert float(lines["overall", "", ""]["J_mean"]) == pytest.approx(content["overall"]["all"]["J"]["mean"], abs=1e-6)


def test_overall_is_the_mean_over_objects_not_sequences(dataset, results):
    table = score_results(results, dataset)
    by_object = [item.statistics()["J"].mean for item in table.tracks]
    assert len(by_object) == 3
    assert table.groups()[0].row["J"].mean == pytest.approx(np.mean(by_object))
    assert table.score == pytest.approx((table.groups()[0].row["J"].mean + table.groups()[0].row["F"].mean) / 2)


def test_measures_can_be_chosen_and_instability_belongs_to_davis2016(dataset, results):
    table = score_results(results, dataset, measures=("J",))
    assert (table.measures, table.score_name) == (("J",), "J")
    with pytest.raises(VosError, match="DAVIS-2016 only"):
        score_results(results, dataset, measures=("J", "T"))
    with pytest.raises(VosError, match="found K"):
        score_results(results, dataset, measures=("K",))
    shaky = score_results(results, dataset, protocol="davis2016", measures=("T",)).tracks[0]
    assert math.isnan(shaky.values["T"][0])
    assert shaky.statistics()["T"].mean >= 0


def test_official_decay_can_be_asked_for(tmp_path):
    masks = [square(10, 10)] * 302
    half = [square(10, 10) if index < 150 else np.zeros_like(masks[0]) for index in range(302)]
    dataset = make_dataset(tmp_path / "data", {"s": masks})
    results = write_masks(tmp_path / "results", {"s": half})
    fixed, official = (score_results(results, dataset, decay=decay) for decay in ("fixed", "official"))
    assert fixed.groups()[0].row["J"].decay == pytest.approx(1.0)
    assert math.isnan(official.groups()[0].row["J"].decay)
    assert official.to_json()["overall"]["all"]["J"]["decay"] is None
