"""SavedModel: signatures ``start`` and ``step``, and a default one for a whole clip; plain TensorFlow runs it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.export.steps import ExportedModel
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.inference.methods import is_zero_shot
from vos_tf.methods.cosnet.export import ExportedForeground
from vos_tf.methods.cosnet.network import COSNet
from vos_tf.methods.rvos.export import ExportedProposals, ExportedSlots


def exported_model(network: Any, rule: MergeRule | None = None) -> ExportedModel:
    """What is saved of a network.

    Raises:
        VosError: It regresses colours.
    """
    if isinstance(network, COSNet):
        if network.settings.outputs != 1:
            raise VosError(f"model.outputs: expected 1 to export, found {network.settings.outputs} (colours)")
        return ExportedForeground(network, rule)
    if not hasattr(network.settings, "slots"):
        return ExportedModel(network, rule)
    return ExportedProposals(network, rule) if is_zero_shot(network) else ExportedSlots(network, rule)


def export_saved_model(network: Any, folder: Path, rule: MergeRule | None = None) -> None:
    """Write a network as SavedModel; ``folder`` appears only when it is complete.

    It needs nothing but ``tensorflow`` to run, takes frames of any size, any number of objects and any batch, and
    gives the masks that the `Segmenter` gives. An earlier SavedModel in ``folder`` is replaced.

    Raises:
        VosError: ``folder`` holds something that is no SavedModel, or the rule needs more than probabilities.
    """
    if rule is not None and rule.name == "painted":
        raise VosError("merge rule: expected argmax, soft_aggregation or last_wins in a SavedModel, found painted")
    folder = folder.resolve()
    if folder.exists() and not (folder / "saved_model.pb").is_file() and not _is_empty(folder):
        raise VosError(f"{folder}: expected a new folder, or a SavedModel to replace, found something else")
    module = exported_model(network, rule)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    tf.saved_model.save(module, str(partial), signatures=module.signatures())
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
