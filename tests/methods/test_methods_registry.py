"""The registry: a line per method, plug-ins by entry point, and what a broken plug-in does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vos_tf.errors import VosError
from vos_tf.methods import registry


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    found = dict(registry.METHODS)
    monkeypatch.setattr(registry, "_places", lambda: found)
    yield found


def test_an_unknown_method_gets_a_hint() -> None:
    with pytest.raises(VosError, match=r"^model: expected one of s2s, .*, found 's2'; did you mean 's2s'\?$"):
        registry.get_method("s2")


def test_a_broken_plug_in_harms_nobody_else(places: dict[str, str]) -> None:
    places["broken"] = "no_such_package:METHOD"
    assert [method.name for method in registry.all_methods()] == list(registry.METHODS)
    assert registry.preferred_method() in registry.METHODS
    with pytest.raises(VosError, match=r"model broken: expected a Method in no_such_package:METHOD, found none"):
        registry.get_method("broken")


def test_a_plug_in_that_is_no_method_is_refused(places: dict[str, str]) -> None:
    places["odd"] = "math:pi"
    with pytest.raises(VosError, match=r"model odd: expected a Method of this name in math:pi, found 3\.14"):
        registry.get_method("odd")
