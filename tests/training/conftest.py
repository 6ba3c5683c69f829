"""A tiny run, quick enough to be trained many times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vos_tf.training.run import RunConfig, run_config


@pytest.fixture
def tiny_run(tiny_records: Path) -> RunConfig:
    """Four epochs of two updates on the tiny records with a tiny network."""
    return run_config(tiny_values(tiny_records))


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
