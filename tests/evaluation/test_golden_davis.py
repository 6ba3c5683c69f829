"""Against the published numbers and those of the official tools, on real masks."""

import json

import numpy as np
import pytest

from vos_tf.datasets import Dataset, Video, VideoObject, open_dataset
from vos_tf.evaluation import score_results
from vos_tf.media.label_maps import encode_label_map, read_label_map

FIELDS = ("mean", "recall", "decay")


@pytest.mark.parametrize("method", ["stm", "osvos", "siammask"])
def test_every_frame_of_davis2016_has_the_published_score(shared, method):
    """Published with three decimals, so at most 0.0005 apart."""
    published = json.loads((shared / "oracle/davis2016/official_per_frame" / f"{method}.json").read_text())
    root = shared / "data/davis2016"
    videos = [video for split in ("train", "val") for video in open_dataset("davis2016", root, split).videos]
    chosen = tuple(video for video in videos if video.name in published)
    assert len(chosen) == 8
    table = score_results(shared / "oracle/davis2016/results" / method, Dataset("davis2016", "both", chosen, root))
    for item in table.tracks:
        for measure in "JF":
            expected = np.array(published[item.sequence][measure])
            assert item.values[measure].shape == expected.shape
            assert np.abs(item.values[measure] - expected).max() <= 0.0005 + 1e-12, (item.sequence, measure)


@pytest.fixture(scope="module")
def pseudo_davis2017(shared):
    root = shared / "oracle/davis2017/pseudo_truth"
    videos = []
    for folder in sorted(root.iterdir()):
        frames = tuple(sorted(folder.glob("*.png")))
        names = tuple(path.stem for path in frames)
        first = read_label_map(frames[0])
        objects = tuple(VideoObject(int(n), None, names[0], names) for n in np.unique(first) if n)
        videos.append(Video(folder.name, frames, dict(zip(names, frames, strict=True)), objects, first.shape))
    return Dataset("davis2017", "val", tuple(videos), root)


@pytest.fixture(scope="module")
def official(shared):
    return json.loads((shared / "oracle/davis2017/official_numbers.json").read_text())


def check_table(table, golden, order):
    objects = 0
    for sequence, tracks in table.by_sequence.items():
        for index, item in enumerate(sorted(tracks, key=order), start=1):
            expected = golden["per_object"][f"{sequence}_{index}"]
            for measure in "JF":
                found = item.statistics()[measure]
                assert tuple(found) == pytest.approx([expected[measure][f] for f in FIELDS], abs=1e-6)
            objects += 1
        expected = golden["per_sequence"][sequence]
        assert len(tracks[0].track.frames) == expected["n_frames"]
        for measure in "JF":
            found = table.sequence_rows()[sequence][measure]
            assert tuple(found) == pytest.approx([expected[measure][f] for f in FIELDS], abs=1e-6)
    assert objects == len(golden["per_object"])


def test_davis2017_semi_supervised_equals_the_official_tool(shared, pseudo_davis2017, official, tmp_path):
    for video in pseudo_davis2017.videos:
        (tmp_path / video.name).mkdir()
        for path in (shared / "oracle/davis2017/predictions" / video.name).glob("*.png"):
            labels = read_label_map(path)
            labels[labels > max(video.object_ids)] = 0  # as the golden numbers were made
            (tmp_path / video.name / path.name).write_bytes(encode_label_map(labels))
    table = score_results(tmp_path, pseudo_davis2017)
    assert table.protocol == "davis2017"
    check_table(table, official["davis2017_semi_supervised"], lambda item: item.track.object_id)


def test_davis2017_unsupervised_equals_the_official_tool_with_its_assignment(shared, pseudo_davis2017, official):
    golden = official["davis2017_unsupervised"]
    results = shared / "oracle/davis2017/predictions"
    table = score_results(results, pseudo_davis2017, protocol="davis2017-unsupervised")
    for sequence, tracks in table.by_sequence.items():
        pairs = zip(*golden["assignment_proposal_then_object_0based"][sequence], strict=True)
        assert {(item.proposal - 1, item.track.object_id - 1) for item in tracks} == set(pairs)
    # The official tool numbers the lines of a sequence by rising proposal, not by object.
    check_table(table, golden, lambda item: item.proposal)
