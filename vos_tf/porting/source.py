"""What is known of an original project's checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vos_tf.porting.layouts import Array, NameTable


@dataclass(frozen=True)
class Source:
    """One kind of checkpoint.

    Attributes:
        title: What messages call it.
        read: From a path to the tensors by their original names.
        settings: From the tensors, their path (for messages) and the settings that the user gave to the network's
            trunk and those of its settings that the shapes show.
        names: What the tensors are to a network with these settings.
        telltale: Regular expression for names that only these checkpoints have.
    """

    title: str
    read: Callable[[Path], dict[str, Array]]
    settings: Callable[[Mapping[str, Array], Path, Mapping[str, Any]], tuple[str, dict[str, Any]]]
    names: Callable[[Any], NameTable]
    telltale: str

    def recognizes(self, tensors: Mapping[str, Array]) -> bool:
        """Whether the tensors carry names of such checkpoints."""
        return any(re.fullmatch(self.telltale, name) for name in tensors)
