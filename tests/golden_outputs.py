"""Golden outputs of the original networks: what they answered for weights and inputs that follow from names."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np


class Golden(NamedTuple):
    """One fixture.

    Attributes:
        rules: The module that rebuilds weights and inputs, and compares (``rules.compare``).
        meta: The fixture's description.
        arrays: What the original answered.
        weights: By the original's names and in its layout.
        inputs: Channels last, normalised as the original wants them.
    """

    rules: ModuleType
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    inputs: dict[str, np.ndarray]

    def problems(self, answers: dict[str, Any]) -> list[str]:
        """Which answers miss the fixture by more than its tolerance."""
        found: list[str] = self.rules.compare(
            self.meta, self.arrays, {key: np.asarray(answer) for key, answer in answers.items()}
        )
        return found

    def assert_alike_but_for_rounding(self, key: str, answer: Any, *, largest: float) -> None:
        """Nine in ten numbers are within the fixture's tolerance; none is off by more than ``largest`` of itself.

        For what five updates changed: some elements of a gradient are zero but for rounding, and Adam makes whole steps
        of them. Each test says what of it is left in double precision.
        """
        wanted, found = self.arrays[key].astype(np.float64), np.asarray(answer)
        assert (np.abs(found - wanted) <= self.rules.tolerance(self.meta, self.arrays, key)).mean() >= 0.9
        np.testing.assert_allclose(found, wanted, rtol=largest)

    def error(self, key: str, answer: Any) -> float:
        """Largest difference of an answer in spreads (standard deviations) of the original's."""
        wanted = self.arrays[key].astype(np.float64)
        return float(np.abs(np.asarray(answer, np.float64) - wanted).max() / wanted.std())


@functools.cache
def golden_rules(folder: Path) -> ModuleType:
    """The module ``golden.py`` of the folder, checked against this numpy's random numbers."""
    spec = importlib.util.spec_from_file_location("golden", folder / "golden.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.self_test()
    return module


def load_golden(shared: Path, name: str) -> Golden:
    """The fixture ``name`` of the folder of golden outputs beside the project."""
    rules = golden_rules(shared / "parity")
    meta, arrays = rules.load(str(shared / "parity"), name)
    weights = rules.state_dict(meta) if "parameters" in meta else {}
    return Golden(rules, meta, arrays, weights, rules.make_inputs(meta["inputs"], meta["salt"]))
