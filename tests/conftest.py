"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data, weights and golden outputs that lie beside the project; tests that need them skip without."""
    folder = Path(os.environ.get("VOS_TF_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("needs the real data beside the project (set VOS_TF_SHARED to its folder)")
    return folder
