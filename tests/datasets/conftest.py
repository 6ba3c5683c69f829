"""Fixtures of the data set tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_set_trees import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "data")
