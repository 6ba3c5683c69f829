"""One fault of every kind: it is found, the copy is clean and can be preprocessed, the original stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clean_trees import COUNT, SIZE, Tree, only_video
from faults_to_plant import FAULTS, Planted

from vos_tf.datasets import open_dataset
from vos_tf.datasets.findings import KINDS
from vos_tf.doctor.diagnose import diagnose_dataset, repair
from vos_tf.media.label_maps import VOID
from vos_tf.records.preprocess import preprocess


def every() -> list[object]:
    return [
        pytest.param(fault, layout, id=f"{name}, {layout}")
        for name, fault in FAULTS.items()
        for layout in fault.layouts
    ]


@pytest.mark.parametrize(("fault", "layout"), every())
def test_found_and_repaired(fault: Planted, layout: str, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", layout, fault.ids)
    fault.plant(tree)
    before = tree.snapshot()

    found = diagnose_dataset(tree.root)
    assert found.layout == layout
    assert {item.kind for item in found.findings} - set(fault.others) == {fault.kind}
    finding = next(item for item in found.findings if item.kind == fault.kind)
    assert fault.words in finding.words
    assert (finding.level == "fault") == fault.is_fault
    assert finding.repair
    assert (tree.root / finding.file).exists() or (tree.root / finding.file).is_symlink()

    report, made = repair(tree.root, tmp_path / "copy")
    assert report is not None
    assert report.findings == found.findings
    assert (made.videos, made.left_out) == (1, ())
    assert tree.snapshot() == before
    assert not list(tmp_path.rglob("evil*"))

    copy = tmp_path / "copy"
    assert diagnose_dataset(copy).findings == ()
    video = only_video(copy)
    assert len(video.frames) == fault.frames
    assert not any(path.is_symlink() for path in video.frames)
    assert [item.category for item in video.objects] == [
        "dog" if layout == "youtube_vos" and item.id in dogs(fault) else None for item in video.objects
    ]
    if fault.truth is not None:
        for index, name in enumerate(video.frame_names):
            if name in video.masks:
                np.testing.assert_array_equal(video.read_mask(name) % VOID, fault.truth(index))
    opened = open_dataset(layout, copy, tree.split)
    assert preprocess(opened, tmp_path / "records", size="native", workers=1).frame_count == fault.frames


def dogs(fault: Planted) -> set[int]:
    """Ids, in the copy, of the objects whose category survives."""
    without = {"no JSON", "not {"}
    if fault.words in without:
        return set()
    return {1} if "but not listed" in fault.words or "no id, category" in fault.words else {1, 2}


@pytest.mark.parametrize("layout", ["folder", "davis2016", "davis2017", "youtube_vos"])
def test_a_clean_data_set_has_no_finding(layout: str, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", layout, (1,) if layout == "davis2016" else (1, 2))
    (tree.root / "README.md").write_text("about")
    report = diagnose_dataset(tree.root)
    assert report.findings == ()
    assert [(item.name, item.frames, item.masks, item.size) for item in report.videos] == [("walk", COUNT, COUNT, SIZE)]


def test_every_kind_was_planted() -> None:
    elsewhere = {"layout", "frames", "objects"}  # tests of their own below
    assert {fault.kind for fault in FAULTS.values()} == set(KINDS) - elsewhere
