"""What an installed package holds: everything that it reads at run time."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def setup_arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What ``setup.py`` tells setuptools."""
    arguments: dict[str, Any] = {}
    stand_in = ModuleType("setuptools")
    stand_in.setup = arguments.update  # type: ignore[attr-defined]
    stand_in.find_packages = lambda include: include  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "setuptools", stand_in)
    runpy.run_path(str(REPOSITORY / "setup.py"))
    return arguments


@pytest.mark.parametrize(
    "needed", ["py.typed", "recipes/s2s_demo.yaml", "weights/model/config.json", "weights/model/network.weights.h5"]
)
def test_data_files_are_packaged(needed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = setup_arguments(monkeypatch)["package_data"]["vos_tf"]
    # A pattern of setuptools does not reach into deeper folders.
    assert any(
        Path(needed).match(pattern) and len(Path(needed).parts) == len(Path(pattern).parts) for pattern in patterns
    )
