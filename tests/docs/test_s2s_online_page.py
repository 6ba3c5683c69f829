"""Tables of online learning and of thresholds have the values of the code."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import yaml
from docs_pages import DOCS, table_rows

from vos_tf.inference.merging.rules import THRESHOLDS
from vos_tf.methods.s2s.options import default_options


@pytest.mark.parametrize(("trunk", "column"), [("vgg16", 1), ("mobilenet_v2", 1), ("small", 2)])
def test_table_of_online_learning_has_the_defaults(trunk: str, column: int) -> None:
    network = SimpleNamespace(settings=SimpleNamespace(trunk=trunk, distance_classes=0))
    finetune = dataclasses.asdict(default_options(network).finetune)
    listed = {}
    for row in table_rows(DOCS / "s2s.md", "setting"):
        *path, name = row[0].strip("`").split(".")
        inner = finetune["augment"] if path[1:] == ["augment"] else finetune
        assert yaml.safe_load(row[column].strip("`")) == inner[name], name
        listed[name] = path
    assert {"steps", "learning_rate", "clip_length", "motion", "rotation"} <= set(listed)
    assert set(finetune) - {"augment", "seconds"} <= set(listed)


def test_table_of_thresholds() -> None:
    rows = table_rows(DOCS / "segmenting.md", "name | threshold")
    table = {row[0].strip("`"): row[1].partition("/") for row in rows}
    found = {name: float(over) / float(under or 1) for name, (over, _, under) in table.items()}
    assert found == THRESHOLDS
