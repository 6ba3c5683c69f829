"""The page on one's own video: its examples run, and its table of files is what a run leaves."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from docs_pages import DOCS, code_blocks, python_blocks, table_rows
from encoded_video import encode, moving_frames

from vos_tf.jobs import segment
from vos_tf.media.label_maps import object_ids, write_label_map
from vos_tf.media.probability_maps import PROBABILITIES
from vos_tf.prompts.shapes import draw_shapes, read_shapes

PAGE = DOCS / "own_video.md"


def test_python_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "clip.mp4", moving_frames(4))
    labels = np.zeros((64, 96), np.uint8)
    labels[20:44, 4:28] = 3
    write_label_map(tmp_path / "first.png", labels)
    for block in python_blocks(PAGE):
        exec(compile(block, "own_video.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == [f"{index} (3,) (64, 96)" for index in range(4)]


def test_boxes_and_polygons(tmp_path: Path) -> None:
    block = next(block.text for block in code_blocks(PAGE) if block.language == "json")
    (tmp_path / "shapes.json").write_text(block)
    shapes = read_shapes(tmp_path / "shapes.json")
    assert [shape.frame for shape in shapes] == [None, "12"]
    assert object_ids(draw_shapes(shapes, np.zeros((480, 640, 3), np.uint8), "shapes")) == (1, 2)


def test_files_of_a_run_have_the_names_of_the_page() -> None:
    cells = " ".join(row[0] for row in table_rows(PAGE, "file in `--out`"))
    named = {name.split("/")[0] for name in re.findall(r"`([^`]+)`", cells)}
    made = {
        segment.MASKS,
        segment.OVERLAYS,
        PROBABILITIES,
        segment.SHEET,
        segment.PAGE,
        segment.REPORT,
        segment.ADAPTED,
    }
    assert named == {*made, "scenario.json"}
