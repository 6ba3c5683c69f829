"""Nothing that is loaded can run code: no pickles, safe YAML, no archive that writes where it likes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from vos_tf.config import layered
from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = sorted(
    path
    for place in (REPOSITORY / "vos_tf", REPOSITORY / "benchmarks", REPOSITORY)
    for path in (place.glob("*.py") if place == REPOSITORY else place.rglob("*.py"))
    if path.name != "setup.py"
)
FORBIDDEN_MODULES = {"cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {
    "eval", "exec", "compile",
    "os.popen", "os.system", "tempfile.mktemp",
    "keras.config.enable_unsafe_deserialization", "keras.models.load_model", "keras.saving.load_model",
    "pickle.Unpickler", "pickle.load", "pickle.loads",
    "yaml.full_load", "yaml.load", "yaml.load_all", "yaml.unsafe_load",
}  # fmt: skip
NEEDED_KEYWORDS = {"np.load": ("allow_pickle", False), "numpy.load": ("allow_pickle", False),
                   "torch.load": ("weights_only", True)}  # fmt: skip
FORBIDDEN_METHODS = {"extractall"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keyword(call: ast.Call, name: str) -> object:
    value = next((item.value for item in call.keywords if item.arg == name), None)
    return value.value if isinstance(value, ast.Constant) else None


def faults(source: str) -> list[str]:
    """What a piece of source must not do."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [name for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
        if isinstance(node, ast.ImportFrom):
            found += [
                f"{node.module}.{item.name}" for item in node.names if f"{node.module}.{item.name}" in FORBIDDEN_CALLS
            ]
    for name, call in calls(tree):
        found += [name] if name in FORBIDDEN_CALLS or name.split(".")[-1] in FORBIDDEN_METHODS else []
        found += ["shell=True"] if keyword(call, "shell") is True else []
        if name in NEEDED_KEYWORDS and keyword(call, NEEDED_KEYWORDS[name][0]) is not NEEDED_KEYWORDS[name][1]:
            found.append(f"{name} without {NEEDED_KEYWORDS[name][0]}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_the_source_loads_nothing_that_runs(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import yaml\nyaml.load(text)",
        "import numpy as np\nnp.load(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import pickle\npickle.loads(content)",
        "from pickle import loads",
        "import joblib",
        "import keras\nkeras.models.load_model(path)",
        "archive.extractall(folder)",
        "import subprocess\nsubprocess.run(line, shell=True)",
        "eval(text)",
    ],
)
def test_the_test_sees_it(source: str) -> None:
    assert faults(source)


def test_the_test_lets_safe_loading_pass() -> None:
    lines = ("np.load(path, allow_pickle=False)", "torch.load(file, weights_only=True)", "yaml.safe_load(text)")
    assert faults("\n".join(lines)) == []


def test_yaml_that_would_run_code_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"!!python/object/apply:os.mkdir ['{mark}']"
    (tmp_path / "config.yaml").write_text(f"data: {text}\n")
    with pytest.raises(VosError):
        layered(tmp_path / "config.yaml", None, [], {})
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "data.yaml").write_text(f"names: {text}\n")
    for layout in ("still_images", "yolo"):
        with pytest.raises(VosError):
            open_dataset(layout, tmp_path, "all")
    assert not mark.exists()
