"""Score tables, pre-flight reports, explanations and comparisons for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from vos_tf.evaluation.comparison import Comparison
from vos_tf.evaluation.explanation import Verdict
from vos_tf.evaluation.preflight import Preflight
from vos_tf.evaluation.statistics import Statistics
from vos_tf.evaluation.tables import Row, ScoreTable

_MANY_REMARKS = 12


def print_preflight(found: Preflight, console: Console) -> None:
    """Print what a results folder holds, before it is scored."""
    table = _table("Pre-flight", ("", "matched", "missing", "extra"))
    for name, tally in (("sequences", found.sequences), ("frames", found.frames), ("ids", found.ids)):
        table.add_row(name, *map(str, tally))
    table.add_row("sizes", str(found.sizes.matched), f"{found.sizes.missing} wrong", "")
    console.print(table)
    for remark in found.remarks:
        console.print(f"note: {remark}", markup=False, highlight=False, soft_wrap=True)


def print_table(table: ScoreTable, console: Console | None = None) -> None:
    """Print the tables per object, per sequence and overall; the overall one comes last, where it is seen.

    Args:
        table: The scores.
        console: Where to print; standard output if not given.
    """
    console = console or Console()
    fields = [f"{measure}\n{field}" for measure in table.measures for field in _fields(measure)]
    if table.average_over != "sequences":
        console.print(_object_table(table, fields))
    sequences = _table("Sequences", ("sequence", "objects", *fields))
    for name, row in table.sequence_rows().items():
        sequences.add_row(name, str(len(table.by_sequence[name])), *_cells(row))
    console.print(sequences)
    unit = "sequences" if table.average_over == "sequences" else "objects"
    overall = _table("Overall", ("", unit, *fields))
    for group in table.groups():
        overall.add_row(group.name, str(group.count), *_cells(group.row))
    console.print(overall)
    _print_footer(table, console)


def _object_table(table: ScoreTable, fields: Sequence[str]) -> Table:
    matched = any(item.proposal for item in table.tracks)
    named = any(item.track.category for item in table.tracks)
    names = ("sequence", *(("category",) if named else ()))
    columns = (*names, "id", *(("proposal",) if matched else ()), "frames", *fields)
    objects = _table("Objects", columns, names=len(names))
    for item in table.tracks:
        cells = [item.sequence, *((item.track.category or "-",) if named else ()), str(item.track.object_id)]
        cells += [str(item.proposal or "-")] if matched else []
        objects.add_row(*cells, str(len(item.track.frames)), *_cells(item.statistics(table.decay)))
    return objects


def _print_footer(table: ScoreTable, console: Console) -> None:
    for remark in table.remarks[:_MANY_REMARKS]:
        console.print(f"note: {remark}", markup=False, highlight=False, soft_wrap=True)
    if len(table.remarks) > _MANY_REMARKS:
        console.print(f"note: and {len(table.remarks) - _MANY_REMARKS} more (all of them with --json)")
    decay = "" if table.decay == "fixed" else f", decay {table.decay}"
    data = f"{table.dataset} {table.split}, fingerprint {table.fingerprint}"
    console.print(f"[bold]{table.score_name} {table.score:.4f}[/bold]", highlight=False, soft_wrap=True)
    console.print(
        f"protocol {table.protocol} ({table.title}){decay}; {data}", markup=False, highlight=False, soft_wrap=True
    )


def print_explanation(sequence: str, verdicts: Sequence[Verdict], console: Console) -> None:
    """Print how the protocols differ on one sequence, with the number each of them gives."""
    table = _table(f"{sequence} by protocol", ("protocol", "frames", "objects", "J\nmean", "F\nmean", "J&F"))
    for verdict in verdicts:
        score = "-" if math.isnan(verdict.score) else f"{verdict.score:.3f}"
        cells = (_number(verdict.J), _number(verdict.F), score)
        table.add_row(verdict.protocol, str(verdict.frames), ", ".join(map(str, verdict.object_ids)) or "-", *cells)
    console.print(table)
    for verdict in verdicts:
        console.print(f"[bold]{verdict.protocol}[/bold]", highlight=False, soft_wrap=True)
        for line in verdict.lines:
            console.print(f"  - {line}", markup=False, highlight=False, soft_wrap=True)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print several results side by side, with differences to the first and their bootstrap intervals."""
    names = comparison.names
    columns = ("sequence", *names, *(f"{name} - {names[0]}" for name in names[1:]))
    table = _table(f"{comparison.score_name} by sequence", columns)
    for sequence, scores in comparison.rows.items():
        differences = [f"{score - scores[0]:+.3f}" for score in scores[1:]]
        table.add_row(sequence, *(f"{score:.3f}" for score in scores), *differences)
    table.add_section()
    changes = [f"{value - comparison.scores[0]:+.3f}" for value in comparison.scores[1:]]
    table.add_row("overall", *(f"{score:.3f}" for score in comparison.scores), *changes)
    console.print(table)
    for name, difference in zip(names[1:], comparison.differences, strict=True):
        certain = difference.low > 0 or difference.high < 0
        verdict = "differs from 0" if certain else "may be chance"
        console.print(
            f"{name} - {names[0]}: {difference.value:+.4f}, 95% interval {difference.low:+.4f} to "
            f"{difference.high:+.4f} ({verdict}; paired bootstrap over {len(comparison.rows)} sequences)",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    for name, frames in zip(names, comparison.worst, strict=True):
        worst = ", ".join(f"{item.sequence}/{item.frame} {item.score:.3f}" for item in frames)
        console.print(f"worst frames of {name}: {worst}", markup=False, highlight=False, soft_wrap=True)
    data = f"{comparison.dataset} {comparison.split}, fingerprint {comparison.fingerprint}"
    console.print(
        f"protocol {comparison.protocol} ({comparison.title}); {data}", markup=False, highlight=False, soft_wrap=True
    )


def _table(title: str, columns: Sequence[str], names: int = 1) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.padding = (0, 1, 0, 0)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < names else "right", no_wrap=index < names)
    return table


def _fields(measure: str) -> tuple[str, ...]:
    return ("mean",) if measure == "T" else Statistics._fields


def _cells(row: Row) -> list[str]:
    return [_number(getattr(values, field)) for measure, values in row.items() for field in _fields(measure)]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
