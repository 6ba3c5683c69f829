"""SavedModel: signatures ``start`` and ``step``, and a default one for a whole clip; plain TensorFlow runs it."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.export.steps import ExportedModel
from vos_tf.files import replacing


def export_saved_model(module: ExportedModel, folder: Path) -> None:
    """Write what a method exports of a network as SavedModel; ``folder`` appears only when it is complete.

    It needs nothing but ``tensorflow`` to run, takes frames of any size, any number of objects and any batch, and
    gives the masks that the segmenter gives. An earlier SavedModel in ``folder`` is replaced.

    Raises:
        VosError: ``folder`` holds something that is no SavedModel, or the rule needs more than probabilities.
    """
    if module.rule.name == "painted":
        raise VosError("merge rule: expected argmax, soft_aggregation or last_wins in a SavedModel, found painted")
    folder = folder.resolve()
    if folder.exists() and not (folder / "saved_model.pb").is_file() and not _is_empty(folder):
        raise VosError(f"{folder}: expected a new folder, or a SavedModel to replace, found something else")
    with replacing(folder) as partial:
        tf.saved_model.save(module, str(partial), signatures=module.signatures())


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
