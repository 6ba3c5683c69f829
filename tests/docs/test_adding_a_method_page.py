"""The page on adding a method is true: its files, put into a package of their own, make a method of every command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from vos_tf.media.label_maps import write_label_map

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding_a_method.md"
Run = Callable[..., str]


def blocks() -> dict[str, str]:
    """The page's files by their names."""
    found = re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return dict(found)


def commands() -> list[list[str]]:
    text = re.search(r"^```bash\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert text is not None
    return [line.split()[1:] for line in text[1].splitlines()]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, and what an installation would write beside them."""
    folder = tmp_path_factory.mktemp("package")
    for name, content in blocks().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    project = tomllib.loads(blocks()["pyproject.toml"])["project"]
    installed = folder / f"mask_mover-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in items.items())
             for group, items in project["entry-points"].items()]  # fmt: skip
    (installed / "entry_points.txt").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def run(package: Path) -> Run:
    def call(*arguments: str) -> str:
        path = os.pathsep.join(filter(None, [str(package), str(PAGE.parents[1]), os.environ.get("PYTHONPATH", "")]))
        finished = subprocess.run(
            [sys.executable, "-m", "vos_tf", *arguments],
            cwd=package, env={**os.environ, "PYTHONPATH": path, "COLUMNS": "160"}, capture_output=True, text=True,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stderr
        return finished.stdout + finished.stderr

    return call


def test_a_method_of_another_package_is_one_of_all(
    package: Path, run: Run, tiny_world: Path, tiny_records: Path
) -> None:
    (package / "records").mkdir()
    (package / "records" / "drawn").symlink_to(tiny_records)
    (package / "data").mkdir()
    (package / "data" / "drawn").symlink_to(tiny_world)
    (package / "clip").mkdir()
    labels = np.zeros((60, 90), np.uint8)
    labels[20:44, 30:60] = 1
    write_label_map(package / "clip_mask.png", labels)
    for index in range(3):
        frame = np.random.default_rng(index).integers(0, 256, (60, 90, 3), dtype=np.uint8)
        assert cv2.imwrite(str(package / "clip" / f"{index:05d}.png"), frame)
    assert "mask_mover" in run("train", "--help")
    train, segment, export, evaluate = commands()
    assert [train[0], segment[0], export[0], evaluate[0]] == ["train", "segment", "export", "evaluate"]
    said = run(*train, "--set", "clips.clips_per_epoch=4")
    assert "SavedModel: runs/mover/saved_model" in said
    run(*segment)
    assert len(list((package / "results" / "clip").rglob("0000?.png"))) == 3
    assert "largest difference" in run(*export)
    said = run(*evaluate)
    assert (package / "results" / "mover" / "scores.json").is_file()
    assert "J" in said


def test_the_example_is_short() -> None:
    assert sum(len(content.splitlines()) for content in blocks().values()) <= 90
