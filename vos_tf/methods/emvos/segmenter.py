"""How EMVOS runs over videos: as every network with a state."""

from __future__ import annotations

from typing import Any

from vos_tf.inference.segmenter import make
from vos_tf.inference.state_options import Options

__all__ = ["default_options", "make"]


def default_options(network: Any) -> Options:
    """What is chosen when nothing else is said: no online learning."""
    return Options()
