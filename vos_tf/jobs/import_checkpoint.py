"""Import of an original's checkpoint as a model folder of vos_tf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.files import is_leftover
from vos_tf.methods.registry import all_methods
from vos_tf.models.weights import CONFIG, WEIGHTS, save_model
from vos_tf.porting.assign import assign
from vos_tf.porting.layouts import Array
from vos_tf.porting.readers import read_pytorch
from vos_tf.porting.source import Source
from vos_tf.porting.trunks import import_trunk

TRUNK = "torchvision-trunk"


@dataclass(frozen=True)
class ImportReport:
    """What was imported.

    Attributes:
        path: The model folder, or the file of a trunk's weights.
        title: What the checkpoint was.
        parameters: Number of parameters.
        left_out: Tensors of the checkpoint that the network has no use for.
        found: Trunk and settings that the checkpoint showed.
    """

    path: Path
    title: str
    parameters: int
    left_out: tuple[str, ...]
    found: Mapping[str, Any]


def import_checkpoint(kind: str, path: Path, folder: Path, settings: Mapping[str, Any] | None = None) -> ImportReport:
    """Turn a checkpoint of an original project into a model folder, which is written only when everything fits.

    Args:
        kind: One of the methods' ``checkpoint_kinds``, or `TRUNK`, which becomes
            ``<trunk>.weights.h5`` in ``folder``, to start training from.
        path: The checkpoint: a file, or the folder of one that has several.
        folder: Where the model goes; a model that lies there is replaced.
        settings: Settings of the network that the shapes of the tensors do not show, or that shall differ.

    Raises:
        VosError: There is no such kind, the checkpoint cannot be read or is another one, or ``folder`` holds
            something else.
        ProblemsError: Tensors are missing, too many or misshapen.
    """
    methods = {name: method for method in all_methods() for name in method.checkpoint_kinds}
    one_of("--from", kind, (*methods, TRUNK))
    given = dict(settings or {})
    if kind == TRUNK:
        return _import_trunk(path, folder, given)
    method = methods[kind]
    source: Source = method.part("checkpoints")[kind]
    _refuse_other_content(folder)
    tensors = source.read(path)
    _refuse_other_kind(source, tensors, path)
    trunk, found = source.settings(tensors, path, given)
    network = method.build(method.resolve_settings(trunk, {**found, **given}))
    left_out = assign(network, source.names(network), tensors, path, source.title)
    save_model(folder, method.name, network)
    return ImportReport(folder, source.title, network.count_params(), left_out, {"trunk": trunk, **found})


def _import_trunk(path: Path, folder: Path, given: Mapping[str, Any]) -> ImportReport:
    if given:
        raise VosError(f"--set: expected no settings with --from {TRUNK}, found {', '.join(given)}")
    name, file, trunk, left_out = import_trunk(read_pytorch(path), path, folder)
    return ImportReport(file, "torchvision", trunk.count_params(), left_out, {"trunk": name})


def _refuse_other_content(folder: Path) -> None:
    """A model that lies there may be replaced, whole or as an interruption left it."""
    own = {CONFIG, WEIGHTS, f".partial.{WEIGHTS}"}  # the last of versions before
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if folder.exists() and not (folder.is_dir() and all(name in own or is_leftover(name) for name in names)):
        raise VosError(f"{folder}: expected a new folder, or a model to replace, found something else")


def _refuse_other_kind(source: Source, tensors: Mapping[str, Array], path: Path) -> None:
    """Say at once what a checkpoint is, instead of listing all its tensors as wrong."""
    if source.recognizes(tensors):
        return
    tables = [method.part("checkpoints") for method in all_methods() if method.checkpoint_kinds]
    others = [name for table in tables for name, other in table.items() if other.recognizes(tensors)]
    hint = f"; it looks like --from {' or '.join(others)}" if others else ""
    examples = ", ".join(list(tensors)[:3]) + (", ..." if len(tensors) > 3 else "")
    raise VosError(
        f"{path}: expected a checkpoint of {source.title}, found {len(tensors)} tensors of another network "
        f"({examples}){hint}"
    )
