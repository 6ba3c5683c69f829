"""What can be chosen for every model that segments videos."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, get_type_hints

from vos_tf.inference.refinement.crf import CRFSettings


@dataclass(frozen=True)
class SharedOptions:
    """Options of all models. Where a model has one of its own by the same name, that one holds.

    Attributes:
        test_scales: Videos are segmented at these multiples of the working size, and the probabilities are averaged.
        test_flip: Average with the mirrored video, too.
        crf: Refinement of the probabilities by a dense CRF.
    """

    test_scales: tuple[float, ...] = (1.0,)
    test_flip: bool = False
    crf: CRFSettings = field(default_factory=CRFSettings)


@lru_cache
def with_shared(own: Any) -> Any:
    """A model's frozen dataclass of options, and the shared ones that it lacks."""
    known = {item.name for item in dataclasses.fields(own)}
    hints = get_type_hints(SharedOptions)
    added = [
        (item.name, hints[item.name], _with_default(item))
        for item in dataclasses.fields(SharedOptions)
        if item.name not in known
    ]
    return dataclasses.make_dataclass(own.__name__, added, bases=(own,), frozen=True)


def _with_default(item: Any) -> Any:
    if item.default_factory is dataclasses.MISSING:
        return field(default=item.default)
    return field(default_factory=item.default_factory)


def result_options(options: Any) -> dict[str, Any]:
    """The options that decide the masks, as plain values; the others say how the work is done."""
    decide = {item.name for item in dataclasses.fields(options) if item.metadata.get("decides_masks", True)}
    return {key: value for key, value in dataclasses.asdict(options).items() if key in decide}
