"""``vos-tf compare``: several folders of result masks side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from vos_tf.commands.score import DATASET, MISSING, PROTOCOL, ROOT, SPLIT
from vos_tf.commands.workers import WORKERS

FOLDERS = typer.Argument(..., help="Two or more folders; differences are to the first.", show_default=False)
HTML = typer.Option(None, "--html", help="Write a report with the worst frames as pictures to this file.")


def compare(
    results: list[Path] = FOLDERS,
    dataset: str = DATASET,
    root: Path = ROOT,
    split: str = SPLIT,
    protocol: str | None = PROTOCOL,
    html: Path | None = HTML,
    worst: int = typer.Option(5, "--worst", min=1, help="How many of the worst frames of each to show."),
    workers: int = WORKERS,
    missing: Literal["refuse", "zero"] = MISSING,
) -> None:
    """Compare results: scores by sequence, differences with bootstrap intervals, worst frames."""
    from rich.console import Console

    from vos_tf.datasets import open_dataset
    from vos_tf.errors import VosError
    from vos_tf.evaluation.comparison import compare as compare_tables
    from vos_tf.evaluation.console import print_comparison
    from vos_tf.evaluation.scoring import score_results

    if len(results) < 2:
        raise VosError(f"compare: expected two folders or more, found {len(results)}")
    opened = open_dataset(dataset, root, split)
    tables = [score_results(folder, opened, protocol=protocol, workers=workers, missing=missing) for folder in results]
    comparison = compare_tables(tables, worst=worst)
    if html is not None:
        from vos_tf.report.comparison_page import write_comparison

        write_comparison(comparison, opened, results, html)
    print_comparison(comparison, Console())
