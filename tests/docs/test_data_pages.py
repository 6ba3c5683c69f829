"""The pages on the doctor, on converting and on one's own data: their commands run, their tables are complete."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from docs_pages import DOCS, commands, table_rows
from PIL import Image
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.convert.converting import targets
from vos_tf.datasets.findings import KINDS
from vos_tf.media.label_maps import write_label_map

COUNT = 8


def arguments_of(page: str, *programs: str) -> list[list[str]]:
    """Arguments of ``vos-tf`` for the commands of a page that begin like one of some programs."""
    chosen = [shlex.split(line) for line in commands(DOCS / page) if line.startswith(programs)]
    scripts = {"preprocess.py": "preprocess", "VOS.py": "train"}
    return [words[1:] if words[0] == "vos-tf" else [scripts[words[1]], *words[2:]] for words in chosen]


def run(arguments: list[str], code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, (arguments, result.output, result.exception)
    return result.output


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``my_videos``, which has faults."""
    for video in range(3):
        for kind in ("JPEGImages", "Annotations"):
            (tmp_path / "my_videos" / kind / f"video {video}").mkdir(parents=True)
        for index in range(COUNT):
            frame = np.random.default_rng(100 * video + index).integers(0, 256, (48, 84, 3), np.uint8)
            labels = np.zeros((48, 84), np.uint8)
            labels[10 + index : 30 + index, 10 + 3 * index : 40 + 3 * index] = 1
            folder = tmp_path / "my_videos"
            Image.fromarray(frame).save(folder / f"JPEGImages/video {video}/{index:04d}.jpg")
            write_label_map(folder / f"Annotations/video {video}/{index:04d}.png", labels[:, : 84 - (index == 3)])
    (tmp_path / "my_videos/example.mp4").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_of_the_doctor(workplace: Path) -> None:
    look, fix = arguments_of("doctor.md", "vos-tf doctor")
    assert "masks of other sizes than their frames  3 files in 3 videos" in run(look, code=1)
    assert "3 videos written" in run(fix)
    assert "nothing found" in run(["doctor", "my_data"])


def test_every_kind_of_finding_is_explained() -> None:
    rows = [row[0] for row in table_rows(DOCS / "doctor.md", "finding")]
    together = {"no masks, no frames, no object at all": {"no masks", "no frames", "no object at all"}}
    assert {name for row in rows for name in together.get(row, {row})} == set(KINDS.values())


def test_commands_of_converting(workplace: Path) -> None:
    run(arguments_of("own_data.md", "vos-tf doctor")[0])
    for arguments in arguments_of("converting.md", "vos-tf convert"):
        assert "3 videos" in run(arguments)
    shutil.copytree("my_coco/all", "coco/val2017")
    content = json.loads(Path("my_coco/annotations/instances_all.json").read_text())
    Path("coco/annotations").mkdir()
    Path("coco/annotations/instances_val2017.json").write_text(json.dumps(content))
    (arguments,) = arguments_of("converting.md", "python preprocess.py")
    assert "coco val2017 at short:480: 3 videos, 24 frames" in run(arguments)


def test_every_layout_is_explained() -> None:
    assert [row[0].strip("`") for row in table_rows(DOCS / "converting.md", "layout")] == list(targets())


def test_ones_own_data_becomes_records(workplace: Path) -> None:
    doctor, records = arguments_of("own_data.md", "vos-tf doctor", "python preprocess.py")[:2]
    run(doctor)
    assert "folder all at 128x224: 3 videos, 24 frames" in run(records)
    convert = arguments_of("own_data.md", "vos-tf convert")[0]
    run(["convert", "my_data", "--to", "coco", "--out", "my_coco"])
    run(convert)
    assert (workplace / "my_youtube_vos/all/meta.json").is_file()
