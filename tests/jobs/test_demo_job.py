"""The demo calls vos_tf, whatever lies in the working folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vos_tf.jobs import demo

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("folder", "called"), [(REPOSITORY, ["preprocess.py"]), (None, ["-m", "vos_tf", "preprocess"])]
)
def test_only_scripts_of_the_checkout_are_run(
    folder: Path | None, called: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def remember(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    (tmp_path / "preprocess.py").write_text("raise SystemExit('a script of another project')")
    monkeypatch.chdir(folder or tmp_path)
    monkeypatch.setattr(demo.subprocess, "run", remember)
    demo._run("preprocess", "--out", "records")
    assert commands == [[sys.executable, *called, "--out", "records"]]
