"""The folders of the edge cases: what each protocol counts, where the public tools disagree."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from handmade import make_dataset, square, write_masks

from vos_tf.errors import ProblemsError, VosError
from vos_tf.evaluation import PROTOCOLS, protocol_for, score_results

GOLDEN = json.loads((Path(__file__).parent / "golden" / "edge_cases.json").read_text())["on_disk"]
ONE = [square(10, 10 + index) for index in range(6)]
TWO = [labels + square(40, 40 - index, number=2) for index, labels in enumerate(ONE)]
SEMI, UNSUPERVISED = "davis2017", "davis2017-unsupervised"


def official(case, tool):
    scores = GOLDEN[case][{SEMI: "official_semi", UNSUPERVISED: "official_unsup"}[tool]]
    return {int(name.removeprefix("s_")): values for name, values in scores["per_object_J_F_mean"].items()}


def score(tmp_path, truth, prediction, protocol=None, **options):
    dataset = make_dataset(tmp_path / "data", {"s": truth})
    results = write_masks(tmp_path / "results", {"s": prediction})
    return score_results(results, dataset, protocol=protocol, identical="allow", **options)


def means(table):
    return {item.track.object_id: [item.statistics()[m].mean for m in "JF"] for item in table.tracks}


@pytest.mark.parametrize("protocol", [SEMI, UNSUPERVISED])
@pytest.mark.parametrize(
    ("case", "truth", "prediction"),
    [
        ("sequence_of_3_frames", ONE[:3], ONE[:3]),
        ("pred_all_empty", TWO, [np.zeros_like(labels) for labels in TWO]),
        ("pred_missing_object", TWO, ONE),
        ("gt_id_gap_1_3", [np.where(x == 2, np.uint8(3), x) for x in TWO], [np.where(x == 2, 3, x) for x in TWO]),
    ],
)
def test_cases_on_which_both_official_tools_give_numbers(tmp_path, protocol, case, truth, prediction):
    table = score(tmp_path, truth, [labels.astype(np.uint8) for labels in prediction], protocol)
    assert means(table) == official(case, protocol)


def test_object_that_disappears_scores_one_where_nothing_is_predicted(tmp_path):
    gone = TWO[:3] + ONE[3:]
    for protocol in (SEMI, UNSUPERVISED):
        table = score(tmp_path / protocol, gone, TWO[:3] + TWO[3:], protocol)
        expected = {SEMI: 0.5, UNSUPERVISED: 0.5}[protocol]
        assert means(table)[2] == [pytest.approx(expected)] * 2
        assert official("gt_object_disappears", protocol)[2] == [expected, expected]


def test_void_counts_as_background_in_the_semi_supervised_tool_and_not_at_all_in_the_other(tmp_path):
    void = [np.where(square(20, 10 + index) > 0, np.uint8(255), labels) for index, labels in enumerate(ONE)]
    both = [np.where(labels > 0, np.uint8(1), labels) for labels in void]
    semi, unsupervised = (means(score(tmp_path / name, void, both, name)) for name in (SEMI, UNSUPERVISED))
    assert semi[1][0] == official("gt_void_255", SEMI)[1][0] == 0.5
    assert unsupervised == official("gt_void_255", UNSUPERVISED)


def test_late_objects_count_where_the_protocol_says_so(tmp_path):
    """The object is predicted four frames late: not scored, or counted from the frame that introduces it."""
    truth = [square(5, 5)] * 10 + [square(5, 5) + square(40, 40, number=2)] * 10
    late = [square(5, 5)] * 14 + truth[14:]
    dataset = make_dataset(tmp_path / "data", {"s": truth})
    results = write_masks(tmp_path / "results", {"s": late})
    semi = score_results(results, dataset)
    assert set(means(semi)) == {1} == set(official("object_appears_late", UNSUPERVISED))
    assert any("object 2 appears after the first frame" in remark for remark in semi.remarks)
    for protocol in ("youtube-vos", "folder"):
        assert means(score_results(results, dataset, protocol=protocol))[2] == [0.6, 0.6]


def test_missing_first_and_last_frame_do_no_harm_where_they_do_not_count(tmp_path):
    dataset = make_dataset(tmp_path / "data", {"s": TWO})
    results = write_masks(tmp_path / "results", {"s": TWO})
    for frame in ("00000", "00005"):
        (results / "s" / f"{frame}.png").unlink()
    table = score_results(results, dataset, identical="allow")
    assert table.score == official("missing_first_and_last_frame", SEMI)[1][0] == 1.0
    with pytest.raises(ProblemsError, match=r"00000\.png"):
        score_results(results, dataset, protocol=UNSUPERVISED, identical="allow")


def test_extra_sequences_are_left_aside(tmp_path):
    dataset = make_dataset(tmp_path / "data", {"s": ONE})
    results = write_masks(tmp_path / "results", {"s": ONE, "other": ONE})
    assert score_results(results, dataset, identical="allow").score == 1.0


def test_extra_ids_are_refused_with_given_ids_and_free_as_proposals(tmp_path):
    with pytest.raises(ProblemsError, match="expected object ids 1, found id 2"):
        score(tmp_path, ONE, TWO, SEMI)
    assert means(score(tmp_path, ONE, TWO, UNSUPERVISED)) == official("pred_extra_object", UNSUPERVISED)
    many = [np.where(labels > 0, np.uint8(21), labels) for labels in ONE]
    with pytest.raises(ProblemsError, match="proposals 1 to 20, found id 21"):
        score(tmp_path / "many", ONE, many, UNSUPERVISED)


def test_too_short_sequences_are_refused_by_protocols_that_drop_frames(tmp_path):
    for protocol in (SEMI, "davis2016"):
        with pytest.raises(VosError, match="3 frames or more, found 2"):
            score(tmp_path / protocol, ONE[:2], ONE[:2], protocol)


def test_first_frame_without_object_is_refused(tmp_path):
    truth = [np.zeros_like(ONE[0]), *ONE[1:]]
    with pytest.raises(VosError, match="takes the objects from frame 00000"):
        score(tmp_path, truth, truth, SEMI)


def test_davis2016_merges_all_ids_and_averages_over_sequences(tmp_path):
    masks = {"a": TWO, "b": [np.zeros_like(TWO[0])] * 2 + TWO[2:]}
    grey = {name: [np.where(x > 0, np.uint8(255), x) for x in labels] for name, labels in masks.items()}
    dataset = make_dataset(tmp_path / "data", {"a": grey["a"], "b": grey["a"]}, "davis2016", single_object=True)
    table = score_results(write_masks(tmp_path / "results", masks), dataset)
    assert table.protocol == "davis2016"
    assert [group.count for group in table.groups()] == [2]
    assert table.groups()[0].row["J"].mean == pytest.approx((1 + 3 / 4) / 2)


def test_youtube_vos_averages_seen_and_unseen_categories(tmp_path):
    root = tmp_path / "data"
    truth = [labels + square(40, 60, number=3) for labels in TWO]
    dataset = make_dataset(root, {"s": truth}, "youtube_vos", categories={1: "cat", 2: "cat", 3: "okapi"})
    train = {"videos": {"v": {"objects": {"1": {"category": "cat", "frames": ["00000"]}}}}}
    (root / "train").mkdir()
    (root / "train" / "meta.json").write_text(json.dumps(train))
    results = write_masks(tmp_path / "results", {"s": [np.where(x == 1, x, 0).astype(np.uint8) for x in truth]})
    table = score_results(results, dataset)
    groups = {group.name: group for group in table.groups()}
    assert {name: group.count for name, group in groups.items()} == {"all": 3, "seen": 2, "unseen": 1}
    assert groups["seen"].row["J"].mean == 0.5
    assert groups["unseen"].row["J"].mean == 0.0
    assert (table.score_name, table.score) == ("G", 0.25)


def test_youtube_vos_without_training_list_says_so(tmp_path):
    dataset = make_dataset(tmp_path / "data", {"s": ONE}, "youtube_vos", categories={1: "cat"})
    table = score_results(write_masks(tmp_path / "results", {"s": ONE}), dataset, identical="allow")
    assert [group.name for group in table.groups()] == ["all"]
    assert "not told apart" in table.remarks[0]


def test_masks_that_are_not_public_cannot_be_scored(tmp_path):
    dataset = make_dataset(tmp_path / "data", {"s": ONE}, "youtube_vos")
    video = dataset.videos[0]
    hidden = type(video)(**{**vars(video), "masks": {"00000": video.masks["00000"]}})
    results = write_masks(tmp_path / "results", {"s": ONE})
    with pytest.raises(VosError, match="5 have none, the first is 00001"):
        score_results(results, type(dataset)(**{**vars(dataset), "videos": (hidden,)}))


def test_proposals_are_matched_over_the_whole_video(tmp_path):
    swapped = [np.choose(labels, [0, 7, 4]).astype(np.uint8) for labels in TWO]
    table = score(tmp_path, TWO, swapped, UNSUPERVISED)
    assert {item.track.object_id: item.proposal for item in table.tracks} == {1: 7, 2: 4}
    assert table.score == 1.0
    partly = [labels if index < 4 else np.zeros_like(labels) for index, labels in enumerate(swapped)]
    assert means(score(tmp_path / "partly", TWO, partly, UNSUPERVISED))[1] == [pytest.approx(4 / 6)] * 2


def test_protocol_of_the_data_set_and_unknown_names(tmp_path):
    for name, protocol in {"davis2016": "davis2016", "youtube_vos": "youtube-vos", "synthetic": "folder"}.items():
        assert protocol_for(make_dataset(tmp_path / name, {"s": ONE}, name)).name == protocol
    with pytest.raises(VosError, match="expected one of davis2016"):
        protocol_for(make_dataset(tmp_path / "x", {"s": ONE}), "davis2018")
    assert all(protocol.rules and math.isfinite(len(protocol.title)) for protocol in PROTOCOLS.values())


def test_grey_masks_of_a_single_object_count_under_every_protocol_with_given_ids(tmp_path):
    grey = [np.where(labels > 0, np.uint8(255), labels) for labels in ONE]
    dataset = make_dataset(tmp_path / "data", {"s": grey}, "davis2016", single_object=True)
    results = write_masks(tmp_path / "results", {"s": [np.roll(labels, 1, axis=0) for labels in grey]})
    first, *others = (score_results(results, dataset, protocol=name) for name in ("davis2016", SEMI, "folder"))
    assert all(means(table)[1] == pytest.approx(means(first)[1]) for table in others)
