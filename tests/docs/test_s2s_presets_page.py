"""The page about S2S says truly how its presets differ."""

from __future__ import annotations

import dataclasses
from typing import Any

import yaml
from docs_pages import DOCS, table_rows

from vos_tf.methods.s2s.settings import PRESETS, default_settings


def plain(value: Any) -> Any:
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def test_every_difference_of_the_presets_is_in_the_table() -> None:
    wanted = {preset: dataclasses.asdict(default_settings("vgg16", preset)) for preset in PRESETS}
    names = [name for name in wanted["paper"] if len({str(values[name]) for values in wanted.values()}) > 1]
    rows = table_rows(DOCS / "s2s.md", "network setting")
    assert [row[0].strip("`") for row in rows] == names
    for name, *cells in rows:
        found = [yaml.safe_load(cell.strip("`")) for cell in cells[: len(PRESETS)]]
        assert found == [plain(wanted[preset][name.strip("`")]) for preset in PRESETS]


def test_every_preset_is_described() -> None:
    assert [row[0].strip("`") for row in table_rows(DOCS / "s2s.md", "preset")] == list(PRESETS)
