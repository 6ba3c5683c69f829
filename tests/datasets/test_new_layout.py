"""A layout of one's own is one file and one line: it is opened, recognised, looked through, repaired, converted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos_tf.convert.converting import convert, targets
from vos_tf.datasets import dataset_names, open_dataset, registry
from vos_tf.datasets.registry import recognise
from vos_tf.doctor.diagnose import diagnose_dataset, repair
from vos_tf.errors import VosError
from vos_tf.media.label_maps import write_label_map

# Frames and masks of all videos in one folder: ``<video>-<frame>.jpg`` and ``<video>-<frame>.png``.
FLAT = """
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from vos_tf.datasets.youtube_vos import objects_from_masks
from vos_tf.datasets.layout import Layout, Recognised
from vos_tf.datasets.listing import image_size, list_images
from vos_tf.datasets.types import Dataset, Video
from vos_tf.datasets.writing import FolderWriter, Written, companion_of, write_frames, write_masks


def open_flat(root, split):
    videos = []
    for name, paths in groupby(list_images(root / "flat", (".jpg",)), lambda path: path.stem.split("-")[0]):
        frames = tuple(paths)
        masks = {path.stem: path.with_suffix(".png") for path in frames}
        objects = objects_from_masks(tuple(masks), masks)
        videos.append(Video(name, frames, masks, objects, image_size(frames[0])))
    return Dataset("flat", split, tuple(videos), root)


def recognise(root):
    return Recognised("flat", ("all",), "flat") if (root / "flat").is_dir() else None


@dataclass(frozen=True)
class FlatWriter(FolderWriter):
    name: str = "flat"

    def write_video(self, root, video):
        (root / "flat").mkdir(exist_ok=True)
        write_frames(root / "flat", video)
        write_masks(root / "flat", video)
        return Written(companion_of(video))


FLAT = Layout("flat", open_flat, recognise, writer=lambda _: FlatWriter(), target="flat")
"""


@pytest.fixture
def flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set in a layout that the package does not know, the layout's file and its line."""
    (tmp_path / "flat_layout.py").write_text(FLAT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "LAYOUTS", {"flat": "flat_layout:FLAT", **registry.LAYOUTS})
    root = tmp_path / "data"
    (root / "flat").mkdir(parents=True)
    for name in ("ant", "bee"):
        for index in range(3):
            pixels = np.random.default_rng(index).integers(0, 256, (24, 32, 3), np.uint8)
            Image.fromarray(pixels).save(root / f"flat/{name}-{index}.jpg")
            labels = np.zeros((24, 32), np.uint8)
            labels[4:12, 4 + index : 12 + index], labels[14:20, 6:16] = 1, 2
            write_label_map(root / f"flat/{name}-{index}.png", labels)
    return root


def test_it_is_recognised_and_opened(flat: Path):
    assert "flat" in dataset_names()
    assert recognise(flat) == ("flat", ("all",), "flat")
    assert [video.name for video in open_dataset("flat", flat, "all").videos] == ["ant", "bee"]


def test_the_doctor_looks_through_it_and_repairs_it(flat: Path, tmp_path: Path):
    report = diagnose_dataset(flat)
    assert (report.layout, report.findings, len(report.videos)) == ("flat", (), 2)
    (flat / "flat/bee-1.jpg").write_bytes(b"broken")
    assert "damaged" in {item.kind for item in diagnose_dataset(flat).findings}
    assert repair(flat, tmp_path / "copy")[1].layout == "flat"
    assert diagnose_dataset(tmp_path / "copy").faults == 0


def test_it_is_converted_from_and_to(flat: Path, tmp_path: Path):
    assert "flat" in targets()
    assert convert(flat, "coco", tmp_path / "coco").source == "flat"
    assert convert(tmp_path / "coco", "flat", tmp_path / "back").layout == "flat"
    (before, after) = (open_dataset("flat", root, "all") for root in (flat, tmp_path / "back"))
    assert before.fingerprint == after.fingerprint
    for first, second in zip(before.videos, after.videos, strict=True):
        assert first.objects == second.objects
        for frame in first.frame_names:
            np.testing.assert_array_equal(first.read_mask(frame), second.read_mask(frame))


def test_a_name_that_is_no_target_is_refused(flat: Path, tmp_path: Path):
    with pytest.raises(VosError, match="--to flot: expected one of flat, davis, youtube-vos, coco, yolo"):
        convert(flat, "flot", tmp_path / "out")
