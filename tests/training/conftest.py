"""A tiny run, quick enough to be trained many times."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_training import tiny_values

from vos_tf.jobs.run_config import RunConfig, run_config


@pytest.fixture
def tiny_run(tiny_records: Path) -> RunConfig:
    """Four epochs of two updates on the tiny records with a tiny network."""
    return run_config(tiny_values(tiny_records))
