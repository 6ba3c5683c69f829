"""Tables of the page about RVOS: every setting with its default."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml
from docs_pages import DOCS, table_rows

from vos_tf.inference.options import SharedOptions
from vos_tf.methods.registry import get_method
from vos_tf.methods.rvos.objective import Settings
from vos_tf.methods.rvos.options import OneShotOptions, ZeroShotOptions


def table(first: str, column: int) -> dict[str, Any]:
    rows = table_rows(DOCS / "rvos.md", first)
    return {row[0].strip("`"): yaml.safe_load(row[column].strip("`")) for row in rows}


@pytest.mark.parametrize(("trunk", "column"), [("resnet101", 1), ("vgg16", 1), ("small", 2)])
def test_network_settings(trunk: str, column: int) -> None:
    wanted = dataclasses.asdict(get_method("rvos").default_settings(trunk))
    del wanted["trunk"]
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in wanted.items()}
    assert table("network setting", column) == listed


def test_objective_settings() -> None:
    assert table("objective setting", 1) == dataclasses.asdict(Settings())


@pytest.mark.parametrize(("first", "options"), [
    ("one-shot option", OneShotOptions()),
    ("zero-shot option", ZeroShotOptions()),
])  # fmt: skip
def test_options_of_segmenting(first: str, options: Any) -> None:
    shared = dataclasses.asdict(SharedOptions())
    own = {name: value for name, value in dataclasses.asdict(options).items() if name not in shared}
    assert table(first, 1) == own
