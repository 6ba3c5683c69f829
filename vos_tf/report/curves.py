"""Curves of loss and scores of one or several runs, from their ``history.csv``; also while they train."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Series = NDArray[np.float64]
"""float64 ``(rows,)``, nan where a row says nothing."""

HISTORY = "history.csv"
KINDS = (".png", ".svg", ".pdf")
POSITIONS = ("epoch", "updates")
_NO_CURVES = frozenset({"epoch", "updates", "seconds", "lr"})
# Okabe and Ito's colours, which stay apart for colour-blind eyes too.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#b8a800")
_STYLES = ("-", "--", ":", "-.")
_FEW_POINTS = 40


@dataclass(frozen=True)
class History:
    """The history of one run.

    Attributes:
        name: What the run is called in a legend.
        columns: Column of the file to its values, all of one length.
    """

    name: str
    columns: Mapping[str, Series]

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the columns that are losses and hold any number."""
        return tuple(name for name in self._curves() if "loss" in name)

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the columns that are scores, higher is better, and hold any number."""
        return tuple(name for name in self._curves() if "loss" not in name)

    def _curves(self) -> list[str]:
        shown = [name for name in self.columns if name not in _NO_CURVES]
        return [name for name in shown if np.isfinite(self.columns[name]).any()]


def read_histories(runs: Sequence[Path]) -> list[History]:
    """Read the histories of runs, each named by its folder and as many folders above as tell it from the others.

    Args:
        runs: Run folders, or ``history.csv`` files.

    Raises:
        VosError: A run has no history yet, or the file is none.
    """
    files = [path / HISTORY if path.is_dir() else path for path in runs]
    return [_read(path, name) for path, name in zip(files, _short_names(files), strict=True)]


def running_mean(values: Series, keep: float) -> Series:
    """Smooth: each value is ``keep`` times the smoothed one before, and the rest the new one; the first stays.

    Ventura et al. (CVPR 2019) and Salvador et al. (arXiv:1712.00617) draw their curves like this,
    with ``keep`` 0.9. nan stays nan and is passed over.

    >>> running_mean(np.array([1.0, 0.0, np.nan, 0.0]), 0.5).tolist()
    [1.0, 0.5, nan, 0.25]
    """
    result = np.full_like(values, np.nan)
    last = np.nan
    for index in np.flatnonzero(np.isfinite(values)):
        last = values[index] if np.isnan(last) else keep * last + (1 - keep) * values[index]
        result[index] = last
    return result


def write_curves(
    histories: Sequence[History], path: Path, *, log: bool = False, smooth: float = 0.0, by: str = "epoch"
) -> None:
    """Draw the losses of all runs into one panel and their scores into another.

    Args:
        histories: What to draw; see `read_histories`.
        path: ``.png``, ``.svg`` or ``.pdf``; written whole or not at all.
        log: Logarithmic axis of the loss.
        smooth: Share of the smoothed value before that each value keeps, 0 (off) to below 1; the values themselves
            stay visible behind. See `running_mean`.
        by: What the curves run over: ``epoch`` or ``updates``.

    Raises:
        VosError: Another suffix, an impossible smoothing, a history without ``by``.
    """
    if path.suffix.lower() not in KINDS:
        raise VosError(f"{path}: expected a file ending in {', '.join(KINDS)}, found {path.suffix!r}")
    if not 0 <= smooth < 1:
        raise VosError(f"--smooth: expected a share from 0 to below 1, found {smooth}")
    if missing := [history.name for history in histories if by not in history.columns]:
        raise VosError(f"{missing[0]}: expected a column {by!r} in its history, found none")
    from matplotlib.figure import Figure

    kinds = [kind for kind in _PANELS if any(kind.columns(history) for history in histories)]
    lines = max(sum(len(kind.columns(history)) for history in histories) for kind in kinds)
    figure = Figure(figsize=(6.4 * len(kinds), 4.4 + 0.2 * lines), dpi=120, layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        _draw(axes, kind, histories, smooth, by)
        if log and not kind.higher_is_better:
            axes.set_yscale("log", nonpositive="mask")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower())


class _Panel(NamedTuple):
    """One picture: its title, the columns it shows of a history, and which values are good."""

    title: str
    columns: Callable[[History], tuple[str, ...]]
    higher_is_better: bool


_PANELS = (
    _Panel("Loss", lambda history: history.losses, False),
    _Panel("Score", lambda history: history.scores, True),
)


def _draw(axes: Axes, kind: _Panel, histories: Sequence[History], smooth: float, by: str) -> None:
    """All curves of a panel: a colour for each run, a line style for each column."""
    from matplotlib.ticker import MaxNLocator

    columns = sorted({column for history in histories for column in kind.columns(history)}, key=len)
    for (index, history), column in product(enumerate(histories), columns):
        if column not in kind.columns(history):
            continue
        positions, values = history.columns[by], history.columns[column]
        known = np.isfinite(values) & np.isfinite(positions)
        colour, style = _COLOURS[index % len(_COLOURS)], _STYLES[columns.index(column) % len(_STYLES)]
        marker = "." if known.sum() <= _FEW_POINTS else None
        best = int((np.nanargmax if kind.higher_is_better else np.nanargmin)(np.where(known, values, np.nan)))
        label = history.name if len(columns) == 1 else f"{history.name}, {_words(column)}"
        label += f"  ({'highest' if kind.higher_is_better else 'lowest'} {values[best]:.4g} at {positions[best]:g})"
        if smooth:
            axes.plot(positions[known], values[known], color=colour, alpha=0.3, linewidth=0.9)
            values = running_mean(values, smooth)
        axes.plot(positions[known], values[known], style, color=colour, marker=marker, linewidth=1.7, label=label)
    title = _words(columns[0]) if len(columns) == 1 else kind.title
    axes.set_title(title[0].upper() + title[1:], loc="left", fontweight="bold")
    axes.set_xlabel(by)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))
    # Under the panel, where no curve runs.
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.14), frameon=False, fontsize=9)


def _words(column: str) -> str:
    """A column as words.

    >>> _words("validation_j"), _words("loss")
    ('validation J', 'loss')
    """
    return " ".join(word.upper() if len(word) == 1 else word for word in column.split("_"))


def _read(path: Path, name: str) -> History:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
        header = list(reader.fieldnames or ())
        columns = {key: np.array([_number(row[key]) for row in rows], np.float64) for key in header}
    except FileNotFoundError:
        raise VosError(
            f"{path}: expected the history of a run, found no such file; it appears after the first epoch"
        ) from None
    except (OSError, UnicodeDecodeError, ValueError, TypeError, csv.Error) as error:
        raise VosError(f"{path}: expected a table of numbers with commas, found another file ({error})") from None
    history = History(name, columns)
    if not rows or not (history.losses or history.scores):
        raise VosError(f"{path}: expected at least one epoch with a loss or score, found none")
    return history


def _number(text: str) -> float:
    return float(text) if text else np.nan


def _short_names(files: Sequence[Path]) -> list[str]:
    """The last folders of each path, as few as tell it from all others."""
    folders = [path.resolve().parent.parts for path in files]
    return [_shortest(parts, [other for other in folders if other != parts]) for parts in folders]


def _shortest(parts: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> str:
    counts = range(1, len(parts))
    alone = (count for count in counts if not any(other[-count:] == parts[-count:] for other in others))
    return "/".join(parts[-next(alone, len(parts)) :])
