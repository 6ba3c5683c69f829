"""Still images on their way into records: rendered, checked, left out when they are faulty."""

import cv2
import numpy as np
import pytest
from PIL import Image

from vos_tf.datasets import open_dataset
from vos_tf.errors import ProblemsError
from vos_tf.records.preprocess import preprocess
from vos_tf.records.verify import verify_records


@pytest.fixture
def root(tmp_path):
    for number in range(4):
        for folder in ("images", "labels"):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 255, (40, 30 + number, 3), np.uint8)
        Image.fromarray(values).save(tmp_path / f"data/images/{number}.jpg")
        (tmp_path / f"data/labels/{number}.txt").write_text("1 0.1 0.1 0.8 0.1 0.8 0.7\n0 0.4 0.2 0.6 0.2 0.6 0.3\n")
    (tmp_path / "data/data.yaml").write_text("names: [cat, dog]\n")
    return tmp_path / "data"


def opened(root):
    return open_dataset("still_images", root, "all")


@pytest.mark.parametrize("workers", [1, 2])
def test_polygons_are_stored_as_label_maps(root, tmp_path, workers):
    dataset = opened(root)
    manifest = preprocess(dataset, tmp_path / "out", size="native", workers=workers)
    verify_records(manifest, workers=1)
    assert (manifest.dataset, len(manifest.videos), manifest.frame_count) == ("still_images", 4, 4)
    shard = (tmp_path / "out" / manifest.shards[0].file).read_bytes()
    for record, video in zip(manifest.records, dataset.videos, strict=True):
        assert [(item.id, item.category) for item in record.objects] == [(1, "dog"), (2, "cat")]
        ((offset, length),) = record.masks
        stored = cv2.imdecode(np.frombuffer(shard[offset : offset + length], np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(stored, video.read_mask(video.frame_names[0]))
        assert record.mask_ids == ((1, 2),)
        assert (root / f"images/{record.video}.jpg").read_bytes() in shard


def test_faulty_stills_are_listed_together_and_can_be_left_out(root, tmp_path):
    (root / "labels/0.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    Image.fromarray(np.ones((40, 70), np.uint8)).save(root / "labels/1.png")
    (root / "labels/1.txt").unlink()
    (root / "images/2.jpg").write_bytes(b"no image")
    dataset = opened(root)
    assert "masks that cannot be read: 0, 1, 2" in dataset.notes
    with pytest.raises(ProblemsError, match="3 of 4 videos") as caught:
        preprocess(dataset, tmp_path / "out", size="native", workers=1)
    said = {problem.video: str(problem) for problem in caught.value.problems}
    assert "0.txt line 1: expected a polygon of three points or more, found a box" in said["0"]
    assert "expected a mask with the proportions of its image, 40 x 31" in said["1"] and "found 40 x 70" in said["1"]
    assert "2.jpg: expected an image" in said["2"]
    manifest = preprocess(dataset, tmp_path / "out", size="native", workers=1, skip_bad=True)
    assert [record.video for record in manifest.records] == ["3"] and manifest.skipped == ("0", "1", "2")


def test_a_mask_that_changed_since_it_was_opened_is_a_problem(root, tmp_path):
    dataset = opened(root)
    (root / "labels/3.txt").write_text("")
    with pytest.raises(ProblemsError, match=r"3\.txt: expected objects \[1, 2\] as when it was opened"):
        preprocess(dataset, tmp_path / "out", size="native", workers=1)


def test_other_options_are_another_source(root, tmp_path):
    preprocess(opened(root), tmp_path / "out", size="native", workers=1)
    other = open_dataset("still_images", root, "all", masks="binary")
    with pytest.raises(Exception, match="holds records with fingerprint"):
        preprocess(other, tmp_path / "out", size="native", workers=1)
