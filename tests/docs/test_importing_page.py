"""The page on importing names every kind of checkpoint, and so does the command."""

from __future__ import annotations

import re

from docs_pages import DOCS, table_rows

from vos_tf.commands.import_weights import kinds_of_checkpoints
from vos_tf.jobs.import_checkpoint import TRUNK
from vos_tf.methods.registry import all_methods


def test_page_and_help_name_every_kind() -> None:
    kinds = sorted([*(name for method in all_methods() for name in method.checkpoint_kinds), TRUNK])
    assert sorted([row[0].strip("`") for row in table_rows(DOCS / "importing.md", "`--from`")]) == kinds
    assert all(re.search(rf"(^|\s){kind}\b", kinds_of_checkpoints()) for kind in kinds)
