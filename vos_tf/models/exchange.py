"""Networks on disk: ``config.json`` and ``network.weights.h5`` with its SHA-256, rebuilt from our own classes.

No ``.keras`` file and no pickle is ever loaded: both can run foreign code.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from vos_tf.errors import VosError
from vos_tf.files import sha256, write_json
from vos_tf.models.registry import network_from_config

CONFIG = "config.json"
WEIGHTS = "network.weights.h5"
FORMAT = 1
SHIPPED = Path(__file__).parent.parent / "weights"


def save_model(folder: Path, name: str, network: Any) -> None:
    """Write a network to ``folder``, ``config.json`` last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    partial = folder / f".partial.{WEIGHTS}"
    network.save_weights(partial)
    partial.replace(folder / WEIGHTS)
    content = {
        "format": FORMAT,
        "model": name,
        "network": network.get_config(),
        "weights": {"file": WEIGHTS, "sha256": sha256(folder / WEIGHTS), "parameters": network.count_params()},
    }
    write_json(folder / CONFIG, content)


def load_model(folder: Path) -> tuple[str, Any]:
    """Read a network written by `save_model`.

    Returns:
        The model's name and the network.

    Raises:
        VosError: Something is missing, or the weights are not those the config was written for.
    """
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        name, network_config, weights = content["model"], content["network"], content["weights"]
        file, expected = folder / Path(weights["file"]).name, weights["sha256"]
    except FileNotFoundError:
        raise VosError(f"{folder}: expected a model ({CONFIG} and {WEIGHTS}), found no {CONFIG}") from None
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
        raise VosError(f"{folder / CONFIG}: expected a model's configuration, found something else") from None
    if not file.is_file():
        raise VosError(f"{file}: expected the model's weights, found no such file")
    found = sha256(file)
    if found != expected:
        raise VosError(f"{file}: expected SHA-256 {expected[:12]}..., found {found[:12]}...: the file was changed")
    network = network_from_config(name, network_config)
    load_weights(network, file)
    return name, network


def load_weights(network: Any, file: Path) -> None:
    """Load a ``.weights.h5`` file into a network of the same settings.

    Raises:
        VosError: No such file, or it belongs to another network.
    """
    if not file.is_file():
        raise VosError(f"{file}: expected a .weights.h5 file, found no such file")
    try:
        with warnings.catch_warnings():
            # Weights that the file lacks are no more than a warning to Keras.
            warnings.filterwarnings("error", message="Skipping nested container")
            network.load_weights(file)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        reason = " ".join(str(error).split())[:200]
        raise VosError(f"{file}: expected weights of this network, found others ({reason})") from None


def shipped_models() -> tuple[str, ...]:
    """Names of the trained models that come with vos_tf."""
    return tuple(sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG}")))


def find_model(path: Path) -> Path:
    """The model folder meant by a run folder, a model folder, the weights file in one, or a shipped model's name.

    Raises:
        VosError: There is no model there.
    """
    for folder in (path, path / "model", path.parent if path.name == WEIGHTS else path, SHIPPED / path.name):
        if folder.parent == SHIPPED and str(path) not in shipped_models():
            continue
        if (folder / CONFIG).is_file():
            return folder
    if path.is_dir():
        raise VosError(f"{path}: expected a run or model folder, found no {CONFIG} in it or in its folder 'model'")
    names = ", ".join(shipped_models())
    raise VosError(f"{path}: expected a run or model folder, or one of {names}, found no such folder")
