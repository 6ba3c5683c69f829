"""Checks of names and numbers that users give, with one sentence for each refusal."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from vos_tf.errors import VosError


def one_of(where: str, name: str, names: Collection[str], *, said: str = "") -> None:
    """Refuse a name that is none of some, with the closest of them as a hint.

    Args:
        where: Begins the message, such as ``--dataset davs``.
        name: The name.
        names: Those that exist, in the order of the message.
        said: What the message says of it behind "found"; empty: nothing.

    Raises:
        VosError: It is none of them.

    >>> one_of("--layout yolo", "yolo", ("coco", "yolo"))
    """
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    found = f", found {said}" if said else ""
    raise VosError(f"{where}: expected one of {', '.join(names)}{found}{hint}")


def at_least(where: str, value: float, least: float) -> None:
    """Refuse a number below ``least``, and nan.

    Raises:
        VosError: It is.

    >>> at_least("--workers", 0, 0)
    """
    if not value >= least:
        raise VosError(f"{where}: expected {least} or more, found {value}")
