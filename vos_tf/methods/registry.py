"""The methods by name: one line each, and those of other packages by the entry point ``vos_tf.methods``."""

from __future__ import annotations

from functools import cache

from vos_tf.errors import VosError
from vos_tf.methods.method import Method, imported

METHODS = {
    "s2s": "vos_tf.methods.s2s:METHOD",
    "osvos": "vos_tf.methods.osvos:METHOD",
    "rvos": "vos_tf.methods.rvos:METHOD",
    "cosnet": "vos_tf.methods.cosnet:METHOD",
    "emvos": "vos_tf.methods.emvos:METHOD",
}
"""Where each method of this package is declared; the first is the default of training."""
ENTRY_POINT = "vos_tf.methods"


@cache
def _places() -> dict[str, str]:
    from importlib.metadata import entry_points

    plug_ins = {point.name: point.value for point in entry_points(group=ENTRY_POINT)}
    return {**plug_ins, **METHODS}  # nobody takes a place of ours


def method_names() -> tuple[str, ...]:
    """Names of all methods, ours first."""
    return tuple(dict.fromkeys([*METHODS, *_places()]))


def default_method() -> str:
    """What is trained where nothing else is said."""
    return next(iter(METHODS))


def preferred_method() -> str:
    """What follows the objects of given masks in real video best, of the methods that come with weights."""
    return max(all_methods(), key=lambda method: method.preference).name


def get_method(name: str, what: str = "model") -> Method:
    """The method called ``name``.

    Args:
        name: Its name.
        what: What the user gave it by, for the message.

    Raises:
        VosError: There is no such method, or the package that offers it cannot be imported.
    """
    place = _places().get(name)
    if place is None:
        from vos_tf.config import nearest  # late: help texts list methods, and need no settings

        names = method_names()
        raise VosError(f"{what}: expected one of {', '.join(names)}, found {name!r}{nearest(name, names)}")
    try:
        found = imported(place)
    except (ImportError, AttributeError) as error:
        raise VosError(f"{what} {name}: expected a Method in {place}, found none ({error})") from None
    if not isinstance(found, Method) or found.name != name:
        raise VosError(f"{what} {name}: expected a Method of this name in {place}, found {found!r}")
    return found


def all_methods() -> tuple[Method, ...]:
    """All methods; one of another package that cannot be imported says so when it is asked for by its name."""
    found = []
    for name in method_names():
        try:
            found.append(get_method(name))
        except VosError:
            if name in METHODS:
                raise
    return tuple(found)
