"""Checkpoints of PyTorch and TensorFlow 1 as plain arrays by name. No code that a file holds is ever run.

PyTorch's own loader reads its files, restricted to weights; TensorFlow reads its own. Whatever an optimiser left in a
checkpoint is passed over.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vos_tf.errors import VosError
from vos_tf.porting.layouts import Array

# Under which key of a checkpoint's dictionary the weights may lie.
STATE_KEYS = ("state_dict", "cnn_state_dict", "model_state_dict", "model")
# What TensorFlow 1's optimisers and savers put beside the weights.
NO_WEIGHTS = r"(.*/)?(Adam(_\d+)?|Momentum|RMSProp(_\d+)?|beta[12]_power(_\d+)?|global_step)"
# Losses and the like often lie in a checkpoint as numbers of NumPy; nothing of NumPy is rebuilt to get past them.
NUMPY_GLOBALS = (
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    "numpy.dtype",
    "numpy.ndarray",
)


class _PassedOver:
    """Stands for something in a PyTorch checkpoint that is no tensor."""

    def __new__(cls, *_args: Any) -> _PassedOver:
        return super().__new__(cls)

    def __init__(self, *_args: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass


def read_pytorch(file: Path) -> dict[str, Array]:
    """The tensors of a ``.pth`` or ``.pt`` file.

    The file holds a state dictionary, or a dictionary that has one under a key of `STATE_KEYS`. The prefix ``module.``
    of networks trained on several devices is taken off.

    Returns:
        Arrays by name, in PyTorch's layout; floating point ones as float32.

    Raises:
        VosError: PyTorch is not installed, there is no such file, it is broken, no PyTorch checkpoint, or it holds
            more than weights.
    """
    return _arrays(_state_dictionary(_load(file), file))


def read_pytorch_sections(file: Path, sections: tuple[str, ...]) -> dict[str, Array]:
    """The tensors of a file that holds several state dictionaries, named ``<section>.<name in the section>``.

    Sections that are not there give nothing; a file with none of them is read as `read_pytorch` reads it.

    Raises:
        VosError: As `read_pytorch`.
    """
    content = _load(file)
    keys = content if isinstance(content, Mapping) else {}
    found = {section: keys[section] for section in sections if isinstance(keys.get(section), Mapping)}
    if not found:
        return _arrays(_state_dictionary(content, file))
    return {
        f"{section}.{name}": array
        for section, state in found.items()
        for name, array in _arrays(_state_dictionary(state, file)).items()
    }


def _arrays(state: dict[str, Any]) -> dict[str, Array]:
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return {name: _as_array(tensor) for name, tensor in state.items()}


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise VosError("reading a PyTorch checkpoint needs PyTorch: pip install 'vos-tf[porting]'") from None
    return torch


def _load(file: Path) -> Any:
    if not file.is_file():
        raise VosError(
            f"{file}: expected a PyTorch checkpoint, found {'a folder' if file.is_dir() else 'no such file'}"
        )
    torch = _torch()
    try:
        with torch.serialization.safe_globals([(_PassedOver, name) for name in NUMPY_GLOBALS]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        unsafe = re.search(r"GLOBAL (\S+)", str(error))
        if unsafe is None:
            raise _broken(file, error) from None
        raise VosError(
            f"{file}: expected weights only, found {unsafe.group(1)}, which could run code, so it was not loaded; "
            "where you trust the file, save the network's state_dict() from PyTorch and import that"
        ) from None
    except Exception as error:  # a broken file makes PyTorch raise nearly anything
        raise _broken(file, error) from None


def _broken(file: Path, error: Exception) -> VosError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return VosError(f"{file}: expected a PyTorch checkpoint, found a broken or other file ({reason})")


def _state_dictionary(content: Any, file: Path) -> dict[str, Any]:
    torch = _torch()
    within = [content.get(key) for key in STATE_KEYS] if isinstance(content, Mapping) else []
    for candidate in (*within, content):
        if isinstance(candidate, Mapping):
            state = {name: value for name, value in candidate.items() if isinstance(value, torch.Tensor)}
            if state and all(isinstance(name, str) for name in state):
                return state
    found = f"the keys {', '.join(map(str, content))}"[:200] if isinstance(content, Mapping) else type(content).__name__
    raise VosError(f"{file}: expected a dictionary of tensors, found {found}")


def _as_array(tensor: Any) -> Array:
    tensor = tensor.detach()
    array: Array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return array


def read_pytorch_parts(folder: Path, parts: tuple[str, ...]) -> dict[str, Array]:
    """The tensors of ``<part>.pt`` for each of ``parts``, named ``<part>.<name in the file>``; other files are left.

    Raises:
        VosError: As `read_pytorch`, or one of the files is not there.
    """
    if not folder.is_dir():
        files = " and ".join(f"{part}.pt" for part in parts)
        raise VosError(f"{folder}: expected a folder with {files}, found {'a file' if folder.exists() else 'nothing'}")
    return {f"{part}.{name}": array for part in parts for name, array in read_pytorch(folder / f"{part}.pt").items()}


def read_tensorflow(path: Path) -> dict[str, Array]:
    """The variables of a TensorFlow checkpoint, without those of an optimiser.

    Args:
        path: What the checkpoint's files begin with (``OSVOS_parent.ckpt-50000``), one of these files, or the folder
            they lie in, if it holds one checkpoint or says which is its latest.

    Returns:
        Arrays by name, in TensorFlow's layout.

    Raises:
        VosError: There is no checkpoint, or a broken one.
    """
    import tensorflow as tf

    prefix = _checkpoint_prefix(path)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = sorted(reader.get_variable_to_shape_map())
        return {name: np.asarray(reader.get_tensor(name)) for name in names if not re.fullmatch(NO_WEIGHTS, name)}
    except (tf.errors.OpError, LookupError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise VosError(f"{prefix}: expected a TensorFlow checkpoint, found a broken or other file ({reason})") from None


def _checkpoint_prefix(path: Path) -> Path:
    if path.is_dir():
        return _only_checkpoint(path)
    prefix = path.with_name(re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", path.name))
    if prefix.is_file() or prefix.with_name(f"{prefix.name}.index").is_file():
        return prefix
    raise VosError(f"{path}: expected a TensorFlow checkpoint, found no {prefix.name}.index")


def _only_checkpoint(folder: Path) -> Path:
    prefixes = sorted(file.with_suffix("") for file in folder.glob("*.index"))
    if len(prefixes) == 1:
        return prefixes[0]
    latest = folder / "checkpoint"  # its paths may be those of another machine: only the name counts
    text = latest.read_text(encoding="utf-8", errors="replace") if latest.is_file() else ""
    named = re.search(r'^model_checkpoint_path: "(?:.*[/\\])?(.+)"', text, re.MULTILINE)
    for prefix in prefixes:
        if named and prefix.name == named.group(1):
            return prefix
    found = ", ".join(prefix.name for prefix in prefixes[:8]) or "none"
    raise VosError(
        f"{folder}: expected one TensorFlow checkpoint (an .index file), found {found}; name the one to take"
    )
