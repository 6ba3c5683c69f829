"""Tables of the page about COSNet: every setting with its default."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml
from docs_pages import DOCS, table_rows

from vos_tf.inference.refinement.settings import CRFSettings
from vos_tf.methods.cosnet.objective import Settings
from vos_tf.methods.cosnet.options import Options
from vos_tf.methods.registry import get_method


def table(first: str, column: int) -> dict[str, Any]:
    rows = table_rows(DOCS / "cosnet.md", first)
    return {row[0].strip("`"): yaml.safe_load(row[column].strip("`")) for row in rows}


@pytest.mark.parametrize(("trunk", "column"), [("resnet101", 1), ("resnet50", 1), ("mobilenet_v2", 2)])
def test_network_settings(trunk: str, column: int) -> None:
    wanted = dataclasses.asdict(get_method("cosnet").default_settings(trunk))
    del wanted["trunk"]
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in wanted.items()}
    assert table("network setting", column) == listed


def test_objective_settings() -> None:
    assert table("objective setting", 1) == dataclasses.asdict(Settings())


def test_options_of_segmenting() -> None:
    options = dataclasses.asdict(Options())
    assert options.pop("crf") == {**dataclasses.asdict(CRFSettings()), "stretch": True}
    wanted = {key: list(v) if isinstance(v, tuple) else v for key, v in options.items()}
    assert table("segmenting option", 1) == wanted
