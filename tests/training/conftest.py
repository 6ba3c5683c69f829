"""A tiny run, quick enough to be trained many times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf
from tiny_training import tiny_values

from vos_tf.jobs.run_config import RunConfig, run_config


@pytest.fixture
def tiny_run(tiny_records: Path) -> RunConfig:
    """Four epochs of two updates on the tiny records with a tiny network."""
    return run_config(tiny_values(tiny_records))


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Steps run without a graph: quicker where they are few and the network has many layers."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
