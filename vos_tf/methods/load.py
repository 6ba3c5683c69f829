"""Trained models on disk and those that come with vos_tf."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from vos_tf.errors import VosError
from vos_tf.files import sha256
from vos_tf.methods.registry import get_method
from vos_tf.models.weights import CONFIG, WEIGHTS, load_weights

if TYPE_CHECKING:
    from vos_tf.models.video_network import VideoNetwork

SHIPPED = Path(__file__).parent.parent / "weights"


def load_model(folder: Path) -> tuple[str, VideoNetwork]:
    """Read a network written by `vos_tf.models.weights.save_model`.

    Returns:
        The method's name and the network.

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
    network = get_method(name).part("network").from_config(dict(network_config))
    load_weights(network, file)
    return name, network


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
