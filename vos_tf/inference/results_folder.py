"""What a results folder was made with: kept in it, so that results of two models never mix. No TensorFlow."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vos_tf.errors import VosError
from vos_tf.files import write_json

SCENARIO = "scenario.json"
_OTHERS = {
    "model": "other weights",
    "dataset": "another data set or video",
    "fingerprint": "other frames or given masks",
    "settings": "other settings",
}


@dataclass(frozen=True)
class Provenance:
    """What a results folder was made with; kept in it.

    Attributes:
        model: SHA-256 of the weights, or another name of what was run.
        dataset: Layout and split.
        fingerprint: Of the data set.
        settings: Everything else that decides the masks.
    """

    model: str
    dataset: str
    fingerprint: str
    settings: dict[str, Any]


class ExtraOutputs(NamedTuple):
    """What is written beside label maps.

    Attributes:
        instances: Probability from which a pixel belongs to an object's own mask, which may overlap with others'
            (`vos_tf.inference.object_masks`); ``None``: no such masks.
        probabilities: Kind of the files of probability maps (`vos_tf.media.probability_maps`), ``png`` or ``npz``;
            empty: none.
    """

    instances: float | None = None
    probabilities: str = ""


LABELS_ONLY = ExtraOutputs()


def claim_results(folder: Path, scenario: Provenance, option: str = "--scenario-name") -> None:
    """Mark ``folder`` as holding results of ``scenario``.

    Args:
        folder: The results folder.
        scenario: What is about to be written there.
        option: What the user chooses the folder with.

    Raises:
        VosError: It already holds results of another one, or of unknown origin.
    """
    path = folder / SCENARIO
    content = asdict(scenario)
    if folder.exists() and not folder.is_dir():
        raise VosError(f"{folder}: expected a folder for results, found a file; choose another {option}")
    if not path.is_file():
        found = [item.name for item in folder.iterdir() if not item.name.startswith(".")] if folder.is_dir() else []
        if found:
            raise VosError(
                f"{folder}: expected an empty folder or one with {SCENARIO}, found {min(found)}; "
                f"choose another {option}"
            )
        write_json(path, content)
        return
    old = json.loads(path.read_text(encoding="utf-8"))
    changed = [key for key, value in content.items() if old.get(key) != json.loads(json.dumps(value))]
    if changed:
        raise VosError(
            f"{folder}: expected an empty folder or results of the same model, data and settings, "
            f"found those of {' and '.join(_OTHERS[key] for key in changed)}; choose another {option}"
        )
