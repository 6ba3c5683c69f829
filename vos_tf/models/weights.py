"""Networks on disk: ``config.json`` and ``network.weights.h5`` with its SHA-256, rebuilt from our own classes.

No ``.keras`` file and no pickle is ever loaded: both can run foreign code.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from vos_tf.errors import VosError
from vos_tf.files import replacing, sha256, write_json

if TYPE_CHECKING:
    from vos_tf.models.video_network import VideoNetwork

CONFIG = "config.json"
WEIGHTS = "network.weights.h5"
FORMAT = 1


def save_model(folder: Path, name: str, network: VideoNetwork) -> None:
    """Write a network to ``folder``, ``config.json`` last."""
    (folder / CONFIG).unlink(missing_ok=True)
    with replacing(folder / WEIGHTS) as partial:
        network.save_weights(partial)
    content = {
        "format": FORMAT,
        "model": name,
        "network": network.get_config(),
        "weights": {"file": WEIGHTS, "sha256": sha256(folder / WEIGHTS), "parameters": network.count_params()},
    }
    write_json(folder / CONFIG, content)


def load_weights(network: VideoNetwork, file: Path) -> None:
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
