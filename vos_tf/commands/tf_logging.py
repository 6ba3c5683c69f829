"""TensorFlow's messages are not for users of a command."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


def quiet_tensorflow() -> None:
    """Import TensorFlow without its messages, but for errors (``TF_CPP_MIN_LOG_LEVEL=0`` shows them)."""
    warnings.showwarning = _one_line
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with _no_error_stream():  # its C++ part writes before it has read the level above
        import tensorflow
    tensorflow.get_logger().setLevel("ERROR")


@contextmanager
def _no_error_stream() -> Iterator[None]:
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _one_line(message: Warning | str, category: type[Warning], *_args: object, **_kwargs: object) -> None:
    if not issubclass(category, (DeprecationWarning, FutureWarning, PendingDeprecationWarning)):
        sys.stderr.write(f"warning: {message}\n")
