"""The configuration of a run that takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def tiny_values(records: Path, **training: Any) -> dict[str, Any]:
    """The configuration of the tiny run as nested mappings."""
    settings = {"size": [32, 48], "state_filters": 8, "decoder_filters": [8, 6, 4]}
    return {
        "data": {"records": str(records), "validation_fraction": 0.2},
        "model": {"trunk": "small", "settings": settings},
        "clips": {"clip_length": 3},
        "augment": {"flip": 0.5, "rotation": 10},
        "training": {
            "n_epochs": 4,
            "batch_size": 4,
            "lr": 1e-3,
            "validation_clips": 2,
            "export": False,
            **training,
        },
    }
