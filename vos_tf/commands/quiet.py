"""TensorFlow's start-up messages are not for users of a command."""

from __future__ import annotations

import os
import warnings


def quiet_tensorflow() -> None:
    """Silence TensorFlow's C++ messages (set ``TF_CPP_MIN_LOG_LEVEL=0`` to see them); before it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    warnings.showwarning = _one_line


def _one_line(message: Warning | str, category: type[Warning], *_args: object, **_kwargs: object) -> None:
    import sys

    if not issubclass(category, (DeprecationWarning, FutureWarning, PendingDeprecationWarning)):
        sys.stderr.write(f"warning: {message}\n")
