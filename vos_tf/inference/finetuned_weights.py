"""Adapted weights on disk: kept for each video, taken again where everything that led to them is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from vos_tf.files import write_json
from vos_tf.models.video_network import VideoNetwork
from vos_tf.models.weights import WEIGHTS, load_weights, save_model
from vos_tf.training.finetune import FinetuneReport
from vos_tf.training.finetune_samples import AnnotatedFrame

RECEIPT = "receipt.json"


def weights_digest(network: VideoNetwork) -> str:
    """SHA-256 over all weights of a network, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for variable in network.variables:
        digest.update(np.ascontiguousarray(ops.convert_to_numpy(variable)).tobytes())
    return digest.hexdigest()


def frames_digest(frames: Sequence[AnnotatedFrame]) -> str:
    """SHA-256 over images and label maps, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for frame in frames:
        for pixels in (frame.image, frame.labels):
            digest.update(f"{pixels.shape}".encode())
            digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()


class AdaptedStore:
    """A folder of adapted models, each with a receipt.

    Args:
        folder: Where they lie: ``<folder>/<video>/<frame>``, model folders that `vos_tf.load` reads.
        model: The model's name.
        origin: What all of them come from: the parent's weights and the options that decide the adaptation.
    """

    def __init__(self, folder: Path, model: str, origin: Mapping[str, Any]) -> None:
        self._folder = folder
        self._model = model
        self._origin = dict(origin)

    def restore(self, key: str, ids: Sequence[int], frames: Sequence[AnnotatedFrame], network: VideoNetwork) -> bool:
        """Give the network its adapted weights; ``False`` where there are none, or others.

        Args:
            key: ``<video>/<frame>``.
            ids: The objects, in the order of the heads.
            frames: What it was adapted to.
            network: Of as many heads.

        Raises:
            VosError: The weights are damaged.
        """
        path = self._folder / key / RECEIPT
        try:
            receipt = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return False
        if not isinstance(receipt, dict) or receipt.get("made_from") != self._made_from(ids, frames):
            return False
        load_weights(network, self._folder / key / WEIGHTS)
        return True

    def save(
        self,
        key: str,
        ids: Sequence[int],
        frames: Sequence[AnnotatedFrame],
        network: VideoNetwork,
        report: FinetuneReport,
    ) -> None:
        """Keep a network's weights; the receipt comes last."""
        path = self._folder / key / RECEIPT
        path.unlink(missing_ok=True)
        save_model(path.parent, self._model, network)
        write_json(path, {"made_from": self._made_from(ids, frames), "fine_tuning": report._asdict()})

    def _made_from(self, ids: Sequence[int], frames: Sequence[AnnotatedFrame]) -> Any:
        content = {**self._origin, "objects": list(ids), "frames": frames_digest(frames)}
        return json.loads(json.dumps(content))


def adapted_store(folder: str, model: str, network: VideoNetwork, **decisive: Any) -> AdaptedStore | None:
    """Where weights are kept that were adapted from those that ``network`` has now.

    Args:
        folder: See `AdaptedStore`; empty: they are not kept.
        model: The model's name.
        network: The parent.
        **decisive: The options that decide the adaptation.
    """
    if not folder:
        return None
    origin = {"parent": weights_digest(network), "network": network.get_config()["settings"], **decisive}
    return AdaptedStore(Path(folder), model, origin)
