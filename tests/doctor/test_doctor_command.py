"""What ``vos-tf doctor`` prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clean_trees import Tree, coloured
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.errors import VosError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "100")

    def invoke(*arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["doctor", *map(str, arguments)])
        if isinstance(result.exception, VosError):
            return 1, str(result.exception)
        return result.exit_code, result.stdout

    return invoke


def test_a_clean_data_set(run, tmp_path: Path) -> None:
    code, text = run(Tree(tmp_path / "mine", "folder").root)
    assert code == 0
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"{tmp_path / 'mine'}: folder (known by frames in JPEGImages)" in lines
    assert "all 1 8 8 2 48 x 64" in lines
    assert lines[-1] == "nothing found: every frame and mask can be read and used as it is"


def test_faults_end_with_exit_code_1_and_the_command_that_repairs(run, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    tree.each_mask(coloured)
    (tree.root / "holiday.mov").write_bytes(b"x")
    code, text = run(tree.root, "--json", tmp_path / "found.json")
    assert code == 1
    assert "fault  masks in colours instead of ids  8 files in 1 video" in text
    assert "  Annotations/walk/00000.png: RGB with 3 colours, no ids" in text
    assert "  repair: colours become ids: #000000 0, #008000 2, #800000 1" in text
    assert "1 fault and 1 remark in 1 of 1 video" in text
    assert text.splitlines()[-1] == f"vos-tf doctor {tree.root} --fix --out COPY"
    content = json.loads((tmp_path / "found.json").read_text())
    assert [item["kind"] for item in content["findings"]] == ["colours", "stray"]
    assert content["findings"][0]["file"] == "Annotations/walk/00000.png"
    assert content["videos"][0]["size"] == [48, 64]


def test_remarks_alone_end_well(run, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    (tree.root / "holiday.mov").write_bytes(b"x")
    code, text = run(tree.root)
    assert code == 0
    assert "0 faults and 1 remark" in text
    assert "--fix" not in text


def test_a_repair_says_what_it_wrote(run, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "davis2017")
    tree.each_mask(coloured)
    code, text = run(tree.root, "--fix", "--out", tmp_path / "copy")
    assert code == 0
    assert f"{tmp_path / 'copy'}: 1 video written, in the layout davis2017" in text
    assert run(tmp_path / "copy")[0] == 0
    assert "finished before, nothing to do" in run(tree.root, "--fix", "--out", tmp_path / "copy")[1]


def test_wrong_arguments(run, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    assert run(tree.root, "--fix") == (1, "doctor: expected --fix and --out together, found one of them")
    assert run(tree.root, "--out", tmp_path / "copy")[0] == 1
    assert (
        "expected the layout davis2017, found Annotations/, JPEGImages/" in run(tree.root, "--dataset", "davis2017")[1]
    )
    assert "expected the folder of a data set, found nothing" in run(tmp_path / "none")[1]
    assert "expected a folder apart from" in run(tree.root, "--fix", "--out", tree.root / "copy")[1]
    (tmp_path / "empty").mkdir()
    assert "expected a data set" in run(tmp_path / "empty")[1]


def test_many_findings_of_a_kind_are_shown_in_part(run, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "mine", "folder")
    for index in range(5):
        (tree.frames.parent / f"bare{index}").mkdir()
        tree.image(index).rename(tree.frames.parent / f"bare{index}/0.jpg")
    text = run(tree.root)[1]
    assert "and 2 more such findings (--json writes all of them)" in text
    assert text.count("no masks") == 4  # the heading and three of five
