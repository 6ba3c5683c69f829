"""From a checkpoint's arrays to a network's variables: everything is compared before anything is assigned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vos_tf.errors import Problem, ProblemsError
from vos_tf.porting.layouts import Array, NameTable

# Problems that a message lists; it counts the others.
SHOWN = 8
# The originals computed their fixed kernels in single precision or read them from text.
FIXED_TOLERANCE = 1e-4


def assign(network: Any, table: NameTable, tensors: Mapping[str, Array], path: Path, what: str) -> tuple[str, ...]:
    """Give a network the weights of a checkpoint.

    Args:
        network: Built; all its weights are in the table.
        table: What the checkpoint's tensors are to the network.
        tensors: The checkpoint, by the original's names.
        path: Where it was read, for messages.
        what: What it should be, for messages: ``torchvision's vgg16``.

    Returns:
        Names of tensors that are of no use.

    Raises:
        ProblemsError: Tensors are missing, too many, misshapen or not finite; the network is as it was.
    """
    _refuse_nameless(network, table)
    problems = list(_problems(table, tensors))
    if problems:
        more = f", the first {SHOWN} of them" if len(problems) > SHOWN else ""
        count = f"{len(problems)} tensor{'s do' if len(problems) > 1 else ' does'} not fit"
        raise ProblemsError(f"{path}: expected a checkpoint of {what}, but {count}{more}:", problems[:SHOWN])
    for name, entry in table.entries.items():
        entry.variable.assign(entry.layout.to_keras(tensors[name]))
    return tuple(sorted(set(tensors) - set(table.entries) - set(table.fixed)))


def _problems(table: NameTable, tensors: Mapping[str, Array]) -> Iterator[Problem]:
    for name, entry in table.entries.items():
        shape = entry.layout.from_keras(np.empty(entry.variable.shape, np.bool_)).shape
        if name not in tensors:
            yield Problem(name, f"a tensor of shape {shape}", "none")
        elif tensors[name].shape != shape:
            yield Problem(name, f"a tensor of shape {shape}", f"one of shape {tensors[name].shape}")
        elif not np.isfinite(tensors[name]).all():
            yield Problem(name, "finite numbers", f"{np.sum(~np.isfinite(tensors[name]))} that are not")
    for name, wanted in table.fixed.items():
        if name in tensors and not _equal(tensors[name], wanted):
            yield Problem(name, f"the fixed kernel of shape {wanted.shape}", f"another of shape {tensors[name].shape}")
    for name, tensor in tensors.items():
        if name not in table.entries and name not in table.fixed and not table.is_ignored(name):
            yield Problem(name, "no such tensor", f"one of shape {tensor.shape}")


def _equal(found: Array, wanted: Array) -> bool:
    return found.shape == wanted.shape and bool(np.allclose(found, wanted, rtol=0, atol=FIXED_TOLERANCE))


def _refuse_nameless(network: Any, table: NameTable) -> None:
    """A weight that no name reaches would keep its random values without a word."""
    known = {id(entry.variable) for entry in table.entries.values()} | {id(item) for item in table.constant}
    nameless = [variable.path for variable in network.weights if id(variable) not in known]
    if nameless:
        raise ValueError(f"The table of names has to reach every weight. Received: none for {', '.join(nameless)}")
