"""The rooms of the package: who may import whom, and who must not wait for TensorFlow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vos_tf.methods.registry import METHODS

PACKAGE = Path(__file__).resolve().parents[1] / "vos_tf"
# From the bottom up: a room may import what stands on a lower floor, or itself.
FLOORS = [
    {"errors", "version"},
    {"files", "progress", "text", "field_docs"},
    {"workers"},
    {"config", "media"},
    {"datasets"},
    {"models", "losses", "records", "evaluation"},
    {"pipeline", "porting"},
    {"prompts", "training", "report", "convert"},
    {"inference", "doctor"},
    {"export"},
    {"methods"},
    {"api"},
    {"jobs"},
    {"commands"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
ENTRANCES = {"__init__", "__main__"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    if room in ENTRANCES:
        return
    for module in imports(path):
        if module.startswith("vos_tf."):
            other = module.split(".")[1]
            assert other == room or FLOOR[other] < FLOOR[room], f"{room} imports {module}"


@pytest.mark.parametrize(
    "room",
    [
        "media",
        "datasets",
        "prompts",
        "convert",
        "doctor",
        "evaluation",
        "report",
        "models",
        "losses",
        "config",
        "workers",
    ],
)
def test_rooms_without_tensorflow(room: str) -> None:
    for path in FILES:
        if room_of(path) == room:
            assert not [name for name in imports(path) if name.split(".")[0] == "tensorflow"], path


# What a method computes runs on any Keras backend; how it is trained, segments and is exported may be TensorFlow's.
NETWORK_FILES = ("network.py", "settings.py", "losses.py")


@pytest.mark.parametrize("room", ["models", "losses", "methods"])
def test_networks_use_keras_only(room: str) -> None:
    allowed = {"keras", "numpy", "vos_tf", *sys.stdlib_module_names}
    for path in FILES:
        if room_of(path) == room and (room != "methods" or path.name in NETWORK_FILES):
            assert not [name for name in imports(path) if name.split(".")[0] not in allowed], path


ROOMS_OF_METHODS = [path for path in FILES if path.parent.parent == PACKAGE / "methods"]


@pytest.mark.parametrize("path", ROOMS_OF_METHODS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_methods_never_import_each_other(path: Path) -> None:
    for module in imports(path):
        parts = module.split(".")
        if parts[:2] == ["vos_tf", "methods"]:
            assert parts[2] in (path.parent.name, "method"), f"{path.parent.name} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_shared_room_contains_the_name_of_a_method(path: Path) -> None:
    if path in ROOMS_OF_METHODS or path == PACKAGE / "methods" / "registry.py":
        return
    word = re.compile(rf"\b({'|'.join(METHODS)})\b", re.IGNORECASE)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not [f"{number}: {line}" for number, line in enumerate(lines, start=1) if word.search(line)]


def test_scoring_and_data_sets_do_not_wait_for_tensorflow() -> None:
    code = (
        "import sys, vos_tf, vos_tf.datasets, vos_tf.evaluation, vos_tf.report.page, vos_tf.commands.main;"
        "import vos_tf.convert.converting, vos_tf.doctor.console;"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_files_are_read_in_one_sitting() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in FILES}
    assert not [path for path, lines in lengths.items() if lines > 400]
