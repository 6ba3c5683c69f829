"""The page on refinement: its example runs, and its table has the defaults."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from docs_pages import DOCS, python_blocks, table_rows

from vos_tf.inference.refinement.settings import CRFSettings, SnappingSettings
from vos_tf.media.images import write_image
from vos_tf.media.label_maps import write_label_map


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((60, 80), np.uint8)
    labels[20:42, 30:52] = 5
    image = np.full((60, 80, 3), 40, np.uint8)
    image[20:40, 30:50] = 200
    write_image(tmp_path / "frame.jpg", image)
    write_label_map(tmp_path / "mask.png", labels)
    monkeypatch.chdir(tmp_path)
    names: dict[str, np.ndarray] = {}
    for block in python_blocks(DOCS / "refinement.md"):
        exec(compile(block, "refinement.md", "exec"), names)
    square = image[..., 0] == 200
    assert ((names["snapped"] == 5) != square).sum() < ((labels == 5) != square).sum() / 2
    assert names["refined"].shape == (1, 60, 80)
    assert ((names["refined"][0] > 0.5) != square).sum() < ((labels == 5) != square).sum()


def test_table_of_settings_has_the_defaults() -> None:
    rows = table_rows(DOCS / "refinement.md", "setting")
    table = {row[0].strip("`"): float(row[1].strip("`")) for row in rows}
    assert table == pytest.approx(dataclasses.asdict(SnappingSettings()), abs=1e-4)


def test_table_of_crf_settings_has_the_defaults() -> None:
    rows = table_rows(DOCS / "refinement.md", "CRF setting")
    assert {row[0].strip("`"): yaml.safe_load(row[1].split("`")[1]) for row in rows} == dataclasses.asdict(
        CRFSettings()
    )
